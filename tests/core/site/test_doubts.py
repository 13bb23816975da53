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
        ("exclude: [img]", "'img' fits only objects of that very name; what is in such folders is '**/img/**'"),
        ("exclude: [.jpg]", "'.jpg' fits only objects of that very name; names that end so are '*.jpg'"),
        ("exclude: ['**/tmp/']", "fits only objects that stand for folders themselves; all in these is '**/tmp/**'"),
        (
            "include: ['*.css']\n    rules: [{keys: ['*.js', a.css], urls: ['{url}?v']}]",
            "rule rules[0]: keys such as 'a.js' are ignored, since no pattern of `include` fits them; add '*.js' there",
        ),
        ("include: ['*.css']\n    index: index.html", "rule index: keys such as 'index.html' are ignored"),
        ("created: prefetch", "`created: prefetch` refreshes nothing: what edges hold already stays as it is"),
        ("rules: [{keys: ['a/**'], created: prefetch}]", "rule rules[0]: `created: prefetch` refreshes nothing"),
        ("prefix: content/", "begins with the bucket's name, of which keys are free"),
        ("prefix: a%20b/", "keys are not percent-encoded, so '%20' fits only these three characters"),
        ("prefix: a//b/", "has `//`, a folder without a name"),
        ("exclude: [content/a.js]", "begins with the bucket's name, of which keys are free"),
        ("exclude: ['.*']", "`.*` fits names that begin with a dot; every key is '**'"),
        ("exclude: [a%20b.js]", "keys are not percent-encoded, so '%20' fits only these three characters"),
        ("exclude: ['*.jpe?g']", "`?` stands for one character that is there; write one pattern for each name"),
        ("exclude: ['index.html#top']", "keys have no fragment; `#` fits this very character"),
        ("exclude: ['**']", "all changes of its objects are ignored"),
        ("created: ignore\n    removed: ignore", "all changes of its objects are ignored"),
        ("rules: [{keys: ['*.js'], urls: ['{dir}{name}']}]", "the object's own URL is refreshed anyway"),
        ("rules: [{keys: ['a/*'], created: ignore, urls: [/x]}]", "its URLs go stale with nothing but removals"),
        (
            "rules: [{keys: ['**'], created: ignore}, {keys: ['*.html'], created: refresh}]",
            "rule rules[1]: its `created` decides nothing: rule rules[0] stands before it and is about every key",
        ),
        ("rules: [{keys: ['img/.*'], created: ignore}]", "everything below the folder is 'img/**'"),
    ],
)
def test_what_may_surprise_is_told(fields: str, told: str) -> None:
    """With the site's name, and the rule's."""
    (warning,) = warnings(fields)
    assert warning.startswith("site content:")
    assert told in warning


def test_a_site_around_one_that_ignores_is_told() -> None:
    """The URLs of both add up, so what the inner one ignores the outer one refreshes."""
    outer = "sites:\n  - {bucket: content, name: all, domains: [a.example.com]}\n"
    inner = "  - {bucket: content, name: private, domains: [a.example.com], prefix: private/, created: ignore}\n"
    (warning,) = warnings_of(read_sites(outer + inner))
    assert "site private: it ignores created objects that site all is about, too: exclude them there as well" == warning
    assert [] == warnings_of(read_sites(outer + inner.replace("a.example.com", "b.example.com")))


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
        "index: index",
        "new: prefetch",
        "created: ignore\n    removed: ignore\n    include: ['*.css']\n    rules: [{keys: ['*.js'], created: refresh}]",
        "whole_domain: true\n    rules: [{keys: [/index.html], directories: [/]}]",
        "prefix: docs/v\n    path: /v",
        "include: ['*.css', a/**]\n    rules: [{keys: [a/b/*.js], urls: ['{url}?v']}, {keys: [b/*], created: refresh}]",
    ],
)
def test_plain_sites_are_not_doubted(fields: str) -> None:
    """A warning that is always there is read by nobody."""
    assert [] == warnings(fields)
