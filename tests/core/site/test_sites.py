"""Patterns and rules of a site."""

from __future__ import annotations

import pytest
from hypothesis import given

from shared.core.site.sites import Domain, Site, Then, ThenRemoved, Variant, matches
from shared.core.task.model import Action, ObjectChange
from tests import strategies

PLAIN = Site(name="site", bucket="content", domains=(Domain("static.example.com"),))


def change(key: str = "a.css", action: Action = Action.CREATED, delta_size: int | None = 2) -> ObjectChange:
    """Make a change of an object of five bytes."""
    return ObjectChange("event", action, "ObjectCreated:PutObject", "content", key, "E", 5, delta_size, 7.0)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.css", ["a.css", "x/y/a.css", ".css", "line\nbreak.css"], ["a.css.map", "a.CSS", "a.css/"]),
        ("a.css", ["a.css", "x/a.css"], ["ba.css", "a.css/b"]),
        ("docs/*", ["docs/a", "docs/"], ["docs/a/b", "docs", "x/docs/a"]),
        ("docs/**", ["docs/a", "docs/a/b", "docs/"], ["docs", "x/docs/a"]),
        ("**/cache/**", ["cache/a", "x/cache/a", "x/y/cache/a/b"], ["xcache/a", "cache"]),
        ("**/*.map", ["a.map", "x/a.map", "x/y/a.map"], ["a.mapx"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("**", ["a", "a/b", "a/"], []),
        ("a?c", ["abc", "x/a.c"], ["ac", "abbc", "a/c"]),
        ("x/a?c", ["x/abc"], ["x/a/c"]),
        ("[a]*.css", ["[a]1.css"], ["a.css"]),
        ("a.c+", ["a.c+"], ["a.cc", "abc+"]),
        ("中文/*", ["中文/图.png"], ["中/图.png"]),
    ],
)
def test_patterns_are_those_of_gitignore(pattern: str, yes: list[str], no: list[str]) -> None:
    """`*` and `?` stay inside a segment, `**` crosses `/`, and a pattern without `/` means the last segment."""
    assert (yes, no) == (
        [key for key in [*yes, *no] if matches(pattern, key)],
        [key for key in [*yes, *no] if not matches(pattern, key)],
    )


@given(strategies.keys())
def test_a_key_without_wildcards_matches_itself(key: str) -> None:
    """Nothing in a pattern but `*` and `?` is special, whatever regular expressions think of it."""
    plain = key.replace("*", "-").replace("?", "-")
    assert matches(plain, plain)


@given(strategies.keys())
def test_two_stars_match_everything(key: str) -> None:
    """`**` stands for all objects."""
    assert matches("**", key)


@pytest.mark.parametrize(
    ("include", "exclude", "key", "reason"),
    [
        ((), (), "a.css", None),
        (("*.css",), (), "a.css", None),
        (("*.css", "*.js"), (), "b.js", None),
        (("*.css",), (), "b.js", "matches no include pattern"),
        ((), ("*.tmp",), "a.css", None),
        ((), (".git/**", "*.tmp"), "a.tmp", "matches the exclude pattern '*.tmp'"),
        (("*.css",), ("old/**",), "old/a.css", "matches the exclude pattern 'old/**'"),
        (("*.css",), ("old/**",), "old/b.js", "matches no include pattern"),
    ],
)
def test_include_and_exclude_decide_together(
    include: tuple[str, ...], exclude: tuple[str, ...], key: str, reason: str | None
) -> None:
    """A key must fit an include pattern, if there are any, and no exclude pattern."""
    ruled = Site("site", "content", PLAIN.domains, include=include, exclude=exclude)
    assert reason == ruled.reason_to_skip(change(key))


@pytest.mark.parametrize(
    ("action", "delta_size", "reason"),
    [
        (Action.CREATED, 2, "created objects are ignored"),
        (Action.CREATED, 5, "new objects are ignored"),
        (Action.REMOVED, 5, "removed objects are ignored"),
    ],
)
def test_an_ignored_change_says_which_rule_ignores_it(action: Action, delta_size: int, reason: str) -> None:
    """The reason names created, new or removed objects."""
    ignoring = Site("site", "content", PLAIN.domains, created=Then.IGNORE, removed=ThenRemoved.IGNORE, new=Then.IGNORE)
    assert reason == ignoring.reason_to_skip(change(action=action, delta_size=delta_size))


@pytest.mark.parametrize(
    ("delta_size", "then"),
    [(5, Then.PREFETCH), (2, Then.REFRESH), (0, Then.REFRESH), (-3, Then.REFRESH), (None, Then.REFRESH)],
)
def test_only_a_growth_of_the_whole_size_is_new(delta_size: int | None, then: Then) -> None:
    """Where the event does not prove that nothing was there before, the rule for created objects holds."""
    ruled = Site("site", "content", PLAIN.domains, new=Then.PREFETCH)
    assert then is ruled.then(change(delta_size=delta_size))


def test_a_variant_applies_where_it_matches() -> None:
    """Without patterns a variant applies to every key."""
    assert [True, True, False] == [
        Variant("w=1").applies_to("a.css"),
        Variant("w=1", ("*.jpg", "*.png")).applies_to("x/a.png"),
        Variant("w=1", ("*.jpg", "*.png")).applies_to("x/a.css"),
    ]
