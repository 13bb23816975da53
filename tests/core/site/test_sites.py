"""Rules of a site: which of them decides what a change asks for, and what is said where that is nothing."""

from __future__ import annotations

import pytest

from shared.core.site.sites import Domain, Rule, Site, Then, ThenRemoved, why_ignored
from shared.core.task.model import Action, ObjectChange

PLAIN = Site(name="site", bucket="content", domains=(Domain("static.example.com"),))
EXCLUDE = Rule("exclude", ("*.tmp",), created=Then.IGNORE, removed=ThenRemoved.IGNORE, new=Then.IGNORE)
ASSETS = Rule("assets", ("assets/**",), new=Then.IGNORE)
FETCHED = Rule("fetched", ("*.css", "*.js"), created=Then.PREFETCH)


def change(key: str = "a.css", action: Action = Action.CREATED, delta_size: int | None = 2) -> ObjectChange:
    """Make a change of an object of five bytes."""
    return ObjectChange("event", action, "ObjectCreated:PutObject", "content", key, "E", 5, delta_size, 7.0)


def then(site: Site, changed: ObjectChange) -> tuple[Then, str]:
    """Tell what a change asks for, and why it is ignored if it is."""
    found, rule = site.then(changed, site.rules_for(changed.key))
    return found, why_ignored(changed, rule) if found is Then.IGNORE else rule.name if rule else ""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (change("a.html"), (Then.REFRESH, "")),
        (change("a.css"), (Then.PREFETCH, "fetched")),
        (change("x.tmp"), (Then.IGNORE, "rule exclude ignores created objects that match '*.tmp'")),
        (change("x.tmp", delta_size=5), (Then.IGNORE, "rule exclude ignores new objects that match '*.tmp'")),
        (change("x.tmp", Action.REMOVED), (Then.IGNORE, "rule exclude ignores removed objects that match '*.tmp'")),
        (change("assets/a.css", delta_size=5), (Then.IGNORE, "rule assets ignores new objects that match 'assets/**'")),
        (change("assets/a.css"), (Then.PREFETCH, "fetched")),
        (change("a.css", delta_size=5), (Then.PREFETCH, "fetched")),
        (change("a.css", Action.REMOVED), (Then.REFRESH, "")),
    ],
)
def test_the_first_rule_that_says_it_decides(changed: ObjectChange, expected: tuple[Then, str]) -> None:
    """Rules that say nothing of created, removed or new leave it to later ones; `created` is about new objects too."""
    site = Site("site", "content", PLAIN.domains, rules=(EXCLUDE, Rule("urls", urls=("{dir}",)), ASSETS, FETCHED))
    assert expected == then(site, changed)


@pytest.mark.parametrize(
    ("action", "delta_size", "reason"),
    [
        (Action.CREATED, 2, "the site ignores created objects that no rule names"),
        (Action.CREATED, 5, "the site ignores new objects that no rule names"),
        (Action.REMOVED, 5, "the site ignores removed objects that no rule names"),
    ],
)
def test_an_ignored_change_says_which_rule_ignores_it(action: Action, delta_size: int, reason: str) -> None:
    """The reason names created, new or removed objects."""
    ignoring = Site("site", "content", PLAIN.domains, created=Then.IGNORE, removed=ThenRemoved.IGNORE, new=Then.IGNORE)
    assert (Then.IGNORE, reason) == then(ignoring, change(action=action, delta_size=delta_size))


@pytest.mark.parametrize(
    ("delta_size", "asked"),
    [(5, Then.PREFETCH), (2, Then.REFRESH), (0, Then.REFRESH), (-3, Then.REFRESH), (None, Then.REFRESH)],
)
def test_only_a_growth_of_the_whole_size_is_new(delta_size: int | None, asked: Then) -> None:
    """Where the event does not prove that nothing was there before, the rule for created objects holds."""
    ruled = Site("site", "content", PLAIN.domains, new=Then.PREFETCH)
    assert asked is then(ruled, change(delta_size=delta_size))[0]
