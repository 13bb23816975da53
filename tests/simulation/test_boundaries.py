"""A process that dies at any call that leaves it, before or after it took effect, loses nothing. All are tried."""

from __future__ import annotations

import pytest

from scripts.simulation.boundaries import CASES, Case, crashes
from scripts.simulation.broken import DeletesBeforeSettling
from scripts.simulation.instances import Changes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_crash_at_any_call_breaks_no_rule(case: Case) -> None:
    """Each call of a scenario is the last one of its process once; then all rules are checked at rest."""
    found = list(crashes(case))
    assert len(found) > 50
    assert [] == [crash for crash in found if crash.broken]


def test_a_crash_shows_what_deletes_too_early() -> None:
    """The same crashes find a drain that deletes its notes as it reads them."""
    (case,) = (case for case in CASES if case.name == "a hot key")
    found = crashes(case, Changes(spool=DeletesBeforeSettling))
    assert any(broken.rule in {"1 lost", "2 merging"} for crash in found for broken in crash.broken)
