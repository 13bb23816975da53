"""What works but may surprise: a sentence each, and none about sites that are plain."""

from __future__ import annotations

import pytest

from shared.core.site.doubts import warnings_of
from shared.core.site.sitefile import read_sites

HEAD = "sites:\n  - bucket: content\n    domains: [static.example.com]\n"


def warnings(fields: str) -> list[str]:
    """Read a site with some fields, and list what is to be known about it."""
    return warnings_of(read_sites(f"{HEAD}    {fields}\n"))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("new: ignore", "an error page that answers 200"),
        ("rules: [{keys: ['assets/**'], new: ignore}]", "rule rules[0]: `new: ignore` leaves"),
        ("spellings: [raw]", "the spelling raw hits what clients have cached is unproven"),
        ("spellings: [browser, lower-case]", "the spelling lower-case hits"),
        ("rules: [{every_query: ['{url}']}]", "so that is refreshed beside it"),
        ("rules: [{directories: ['/a/']}]", "each change of any key costs a directory unit"),
        ("rules: [{keys: ['img/.*'], created: ignore}]", "everything below the folder is 'img/**'"),
    ],
)
def test_what_may_surprise_is_told(fields: str, told: str) -> None:
    """With the site's name, and the rule's."""
    (warning,) = warnings(fields)
    assert warning.startswith("site content: ")
    assert told in warning


def test_a_custom_cache_key_is_dear() -> None:
    """Directories are a hundredth of what URLs are."""
    text = (
        "sites:\n  - {bucket: content, whole_domain: true, domains: [{name: a.example.com, custom_cache_key: true}]}\n"
    )
    (warning,) = warnings_of(read_sites(text))
    assert "each change costs a directory unit on a.example.com, of which there are 100 a day by default" in warning


@pytest.mark.parametrize("fields", ["created: ignore", "exclude: ['*.tmp', '.git/**', '**/.*']", "index: index.html"])
def test_plain_sites_are_not_doubted(fields: str) -> None:
    """A warning that is always there is read by nobody."""
    assert [] == warnings(fields)
