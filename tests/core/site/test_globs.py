"""Patterns of keys: what they fit, how they are found among many, and that no key makes them slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.site.globs import Automaton, fits, folders_min, matches, may_lie_below, parts_of
from shared.core.site.patterns import Index
from tests import strategies

PATTERNS = st.lists(
    st.sampled_from(("a", "b", ".", "/", "*", "**", "?", "**/", "/**/", "*.a", "a/")), min_size=1, max_size=7
).map("".join)
SMALL_KEYS = st.text("ab./", max_size=8)


def fits_by_trying(pattern: str, key: str) -> bool:
    """Tell whether a key fits, by trying every length that each wildcard may stand for."""
    if not pattern:
        return not key
    if pattern.startswith("**/"):
        lengths = [0, *(place + 1 for place, sign in enumerate(key) if sign == "/")]
        return any(fits_by_trying(_rest(pattern, 3), key[length:]) for length in lengths)
    return _fits_within(pattern, key)


def _fits_within(pattern: str, key: str) -> bool:
    """Go on inside a segment of the pattern, where `**/` has no meaning of its own."""
    stars = len(pattern) - len(pattern.lstrip("*"))
    if stars:
        most = key if stars > 1 else key.partition("/")[0]
        return any(_fits_rest(pattern, stars, key[length:]) for length in range(len(most) + 1))
    if not pattern:
        return not key
    is_same = bool(key) and (key[0] != "/" if pattern[0] == "?" else key[0] == pattern[0])
    return is_same and _fits_rest(pattern, 1, key[1:])


def _fits_rest(pattern: str, length: int, key: str) -> bool:
    rest = pattern[length:]
    return fits_by_trying(rest, key) if pattern[length - 1] == "/" else _fits_within(rest, key)


def _rest(pattern: str, length: int) -> str:
    return pattern[length:]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.css", ["a.css", "x/y/a.css", ".css", "line\nbreak.css"], ["a.css.map", "a.CSS", "a.css/"]),
        ("a.css", ["a.css", "x/a.css"], ["ba.css", "a.css/b"]),
        ("/a.css", ["a.css"], ["x/a.css", "/a.css"]),
        ("/*.css", ["a.css"], ["x/a.css"]),
        ("docs/*", ["docs/a", "docs/"], ["docs/a/b", "docs", "x/docs/a"]),
        ("docs/**", ["docs/a", "docs/a/b", "docs/"], ["docs", "x/docs/a"]),
        ("**/cache/**", ["cache/a", "x/cache/a", "x/y/cache/a/b"], ["xcache/a", "cache"]),
        ("**/*.map", ["a.map", "x/a.map", "x/y/a.map"], ["a.mapx"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a/**/*.html", ["a/b.html", "a/x/b.html"], ["a.html", "b/a/x.html"]),
        ("**", ["a", "a/b", "a/"], []),
        ("a?c", ["abc", "x/a.c"], ["ac", "abbc", "a/c"]),
        ("x/a?c", ["x/abc"], ["x/a/c"]),
        ("[a]*.css", ["[a]1.css"], ["a.css"]),
        ("post/[id].js", ["post/[id].js"], ["post/i.js"]),
        ("a.c+", ["a.c+"], ["a.cc", "abc+"]),
        ("中文/*", ["中文/图.png"], ["中/图.png"]),
        ("*a*b*c*", ["abc", "x/1a2b3c4"], ["acb", "a/b/c"]),
        ("**/a*/**/b?", ["a/b1", "x/a1/y/b2"], ["a/b", "b/b1"]),
    ],
)
def test_patterns_are_those_of_gitignore(pattern: str, yes: list[str], no: list[str]) -> None:
    """`*` and `?` stay inside a segment, `**` crosses `/`, and a pattern without `/` means the last segment."""
    assert (yes, no) == (
        [key for key in [*yes, *no] if matches(pattern, key)],
        [key for key in [*yes, *no] if not matches(pattern, key)],
    )


@given(PATTERNS, SMALL_KEYS)
def test_patterns_fit_what_trying_every_length_finds(pattern: str, key: str) -> None:
    """However many wildcards there are, and whichever way a pattern is held against keys."""
    whole, inner = parts_of(pattern), pattern.removeprefix("/")
    held = key.rpartition("/")[2] if whole.is_floating else key
    expected = fits_by_trying(inner, held)
    assert expected is matches(pattern, key)
    assert expected is Automaton(whole).fits(held)


@given(PATTERNS, SMALL_KEYS, SMALL_KEYS)
def test_what_may_lie_below_a_prefix_is_known(pattern: str, prefix: str, rest: str) -> None:
    """A pattern that fits a key may lie below each prefix of it, and the key lies in as many folders at least."""
    if matches(pattern, prefix + rest):
        assert may_lie_below(pattern, prefix)
        assert folders_min(pattern) <= (prefix + rest).count("/")


@pytest.mark.parametrize(
    ("pattern", "prefix", "may"),
    [
        ("img/**", "docs/", False),
        ("/index.html", "docs/", False),
        ("index.html", "docs/", True),
        ("docs/*.html", "docs/", True),
        ("docs/*.html", "docs/a/", False),
        ("do*/x", "docs/", True),
        ("**/x", "docs/a/", True),
        ("docs/vx", "docs/v", True),
    ],
)
def test_patterns_that_fit_nothing_below_a_prefix_are_seen(pattern: str, prefix: str, *, may: bool) -> None:
    """They are held against whole keys."""
    assert may is may_lie_below(pattern, prefix)


@given(strategies.keys())
def test_a_key_without_wildcards_matches_itself(key: str) -> None:
    """Nothing in a pattern but `*` and `?` is special, whatever regular expressions think of it."""
    plain = key.replace("*", "-").replace("?", "-").lstrip("/")
    assert matches("/" + plain, plain)
    assert matches("**", key)


@given(st.lists(st.lists(PATTERNS, max_size=3), max_size=6), SMALL_KEYS | strategies.keys())
def test_an_index_finds_what_trying_each_pattern_finds(patterns: list[list[str]], key: str) -> None:
    """No pattern is overlooked, none is found that does not fit, and all stand in their order."""
    expected = [number for number, some in enumerate(patterns) if not some or any(fits(each)(key) for each in some)]
    assert expected == Index(patterns).matching(key)


@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*a*a*b", "**a**a**a**a**b", "**/*a/**/*a/**/*a/b", "*" * 50 + "b", "?*" * 20]
)
def test_no_key_makes_a_pattern_slow(pattern: str) -> None:
    """A key of the greatest length that nearly fits, which takes regular expressions for ever."""
    started = time.perf_counter()
    matches(pattern, "a" * 1_023)
    matches(pattern, "a/" * 511)
    assert time.perf_counter() - started < 0.5
