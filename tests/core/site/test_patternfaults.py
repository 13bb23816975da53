"""Patterns that cannot mean what was meant: what is said to be written instead can be written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.site.globs import matches
from shared.core.site.patternfaults import pattern_doubt, pattern_fault
from shared.core.site.regexfaults import regex_fault

# a regular expression -> the patterns that say the same
REGEXES = [
    (r"^img/.*\.jpg$", ["img/**.jpg"]),
    (r"\.jpg$", ["*.jpg"]),
    (r"(?i)\.jpg$", ["*.jpg"]),
    (r".*\.(jpg|png)$", ["*.jpg", "*.png"]),
    (r"^a/.*\.(?:jpe?g|png)$", ["a/**.jpeg", "a/**.png", "a/**.jpg"]),
    (r"^(a|b)/(c|d)/.+", ["a/c/**", "a/d/**", "b/c/**", "b/d/**"]),
    (r"img/[^/]+/x\.js", ["img/*/x.js"]),
    (r"[0-9].js", ["?.js"]),
    (r"v\d+/app.js", ["v*/app.js"]),
    (r"^foo.*", ["/foo**"]),
    (r"^/assets/", ["assets/**"]),
    (r"**/*.@(jpg|png)", ["**/*.jpg", "**/*.png"]),
    (r"[!a]*.js", ["*.js"]),
    (r"^/img/.*", ["img/**"]),
    (r"^.*$", ["**"]),
    (r"a{2,3}\.js", ["a{2,3}.js"]),
]


@pytest.mark.parametrize(("regex", "patterns"), REGEXES[:-1])
def test_a_regular_expression_comes_with_the_patterns_that_say_the_same(regex: str, patterns: list[str]) -> None:
    """Which are patterns without a fault."""
    shown = " and ".join(repr(each) for each in patterns)
    assert f": write {shown}, and `?` where a key has this very character" in regex_fault(regex)
    assert [""] * len(patterns) == [pattern_fault(each, "") for each in patterns]


@pytest.mark.parametrize("regex", [r"(?:x|y", "\\", r"a{2,3}\.js"])
def test_what_cannot_be_written_as_a_pattern_is_not_guessed(regex: str) -> None:
    """Nothing is proposed that would be refused in turn."""
    assert regex_fault(regex).endswith("patterns have `*`, `?` and `**`, and `?` where a key has this very character")


@pytest.mark.parametrize(
    ("pattern", "better", "key"),
    [
        ("tmp/", "tmp/**", "tmp/a"),
        ("a/b/", "a/b/**", "a/b/c/d"),
        ("“*.jpg”", "*.jpg", "a/b.jpg"),
        (" *.jpg", "*.jpg", "a.jpg"),
        ("https://static.example.com/img/*", "img/*", "img/a"),
        ("oss://content/img/*", "img/*", "img/a"),
        ("static.example.com/img/*", "img/*", "img/a"),
        ("../a/*", "a/*", "a/b"),
        ("a/./b/", "a/b/", "a/b/"),
        ("{dir}*.js", "**.js", "a.js"),
        ("*.{jpg, png}", "*.png", "a.png"),
        ("*.jpg?*", "*.jpg", "a.jpg"),
    ],
)
def test_the_remedy_fits_what_was_meant(pattern: str, better: str, key: str) -> None:
    """And is told in the sentence."""
    fault = pattern_fault(pattern, "", ["static.example.com"])
    assert any(quoted in fault for quoted in (repr(better), f'"{better}"')), fault
    assert matches(better, key)


@pytest.mark.parametrize("separator", [",", ", ", ";", " | ", " "])
def test_several_patterns_in_one_text_are_told_apart(separator: str) -> None:
    """Each is written by itself."""
    assert 'is 2 patterns in one text; write "*.a", "*.b"' in pattern_fault(f"*.a{separator}*.b", "")


@pytest.mark.parametrize(
    "pattern",
    [
        "[id].js",
        "a, b.jpg",
        "* (copy).jpg",
        "a|b.js",
        "x?=y",
        "**/tmp/",
        "**/",
        "a b/*.js",
        "«a»b",
        "..a",
        "a..b/*",
    ],
)
def test_what_keys_may_look_like_is_taken(pattern: str) -> None:
    """Commas, quotes, dots and signs of equality stand in keys, too."""
    assert pattern_fault(pattern, "") == ""


@given(st.text(alphabet="*?/.,|;!^$\\()[]{}“”' ab:=~", max_size=12))
def test_any_text_is_a_pattern_or_has_a_fault(pattern: str) -> None:
    """Whatever is written, there is a sentence or none, and what it proposes for a regular expression is accepted."""
    fault = regex_fault(pattern)
    for better in re.findall(r"(?:write|and) '([^'\\]*)'", fault.partition(" and `?`")[0]):
        assert not regex_fault(better)
    assert isinstance(pattern_fault(pattern, "site/", ["a.b"]) + pattern_doubt(pattern), str)
