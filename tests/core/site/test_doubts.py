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
        ("rules: [{keys: ['a/**'], directories: ['/a/']}]", "each change of a key that fits costs a directory unit"),
        ("rules: [{keys: ['a/**'], every_query: ['{url}']}]", "each change of a key that fits costs a unit of every q"),
        ("rules: [{keys: [a/b], directories: ['{url}/']}]", "is a folder of the object's own name; the one that it"),
        (
            "prefix: site",
            "its prefix 'site' takes keys such as site-old/a.js and site.html, too; write `prefix: site/`",
        ),
        ("exclude: [img]", "'img' fits only objects of that very name; what is in such a folder is 'img/**'"),
        ("exclude: [.jpg]", "'.jpg' fits only objects of that very name; names that end so are '*.jpg'"),
        ("exclude: ['**/tmp/']", "fits only objects that stand for folders themselves; what is in these folders is"),
        (
            "include: ['*.css']\n    rules: [{keys: ['*.js', a.css], urls: ['{url}?v']}]",
            "rule rules[0]: keys such as 'a.js' are ignored, since no pattern of `include` fits them; add '*.js' there",
        ),
        ("include: ['*.css']\n    index: index.html", "rule index: keys such as 'index.html' are ignored"),
        ("rules: [{keys: ['img/.*'], created: ignore}]", "everything below the folder is 'img/**'"),
    ],
)
def test_what_may_surprise_is_told(fields: str, told: str) -> None:
    """With the site's name, and the rule's."""
    (warning,) = warnings(fields)
    assert warning.startswith(("site content: ", "site content:site: "))
    assert told in warning


def test_a_custom_cache_key_is_dear() -> None:
    """Directories are a hundredth of what URLs are."""
    text = (
        "sites:\n  - {bucket: content, whole_domain: true, domains: [{name: a.example.com, custom_cache_key: true}]}\n"
    )
    (warning,) = warnings_of(read_sites(text))
    assert "each change costs a directory unit on a.example.com, of which there are 100 a day by default" in warning


@pytest.mark.parametrize(
    "fields",
    [
        "created: ignore",
        "exclude: ['*.tmp', '.git/**', '**/.*', '**/', '.htaccess']",
        "index: index.html",
        "whole_domain: true\n    rules: [{keys: [/index.html], directories: [/]}]",
        "prefix: docs/v\n    path: /v",
        "include: ['*.css', a/**]\n    rules: [{keys: [a/b/*.js], urls: ['{url}?v']}, {keys: [b/*], created: refresh}]",
    ],
)
def test_plain_sites_are_not_doubted(fields: str) -> None:
    """A warning that is always there is read by nobody."""
    assert [] == warnings(fields)
