"""What the README says of the settings is what the code says."""

from __future__ import annotations

from scripts.settings_table import README, in_place


def test_the_table_of_settings_is_the_code_s() -> None:
    """The README's table is the one that `python -m scripts.settings_table` would write."""
    text = README.read_text(encoding="utf-8")
    assert in_place(text) == text
