"""It goes on: a URL that no call survives, a domain in trouble and answers that do not tell hold nobody else up.

Each runs the product under one thing that persists, and lets the oracle with its clock say what it thinks of it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.actions import Action
from scripts.simulation.boundaries import START, make_scenario
from scripts.simulation.features import BAD_URLS, DOMAIN_TROUBLES, OUTAGES, Answer, Features, Trouble
from scripts.simulation.oracle import judge
from scripts.simulation.scenario import DAY_SECONDS, IMAGES, RESET, STATIC
from scripts.simulation.sites import Site
from scripts.simulation.world import World

SITE = Site("main", "www/", "/www/", (STATIC,))
MEDIA = Site("media", "media/", "/media/", (IMAGES,))
MINUTE_SECONDS = 60.0


def named(answer: Answer) -> str:
    """Name an answer for a test's id."""
    return answer[0] or "dropped"


@pytest.mark.parametrize("answer", BAD_URLS, ids=named)
def test_one_bad_url_among_many_is_given_up_alone(answer: Answer) -> None:
    """Thirty good URLs beside it are fresh in time, whatever the API answers, and the bad one ends with its history."""
    bad = f"https://{STATIC}/www/7.html"
    puts = [Action(START + 1 + number * 0.02, "put", f"www/{number}.html") for number in range(31)]
    trouble = Trouble("url.bad", *answer, urls=frozenset({bad}))
    book = World(make_scenario(SITE, puts, features=Features(troubles=(trouble,)))).run()
    assert [] == judge(book)
    assert 30 == len({row.path for row in book.rows})
    dead = [value for key, value in book.spool.items() if key.startswith("dead/")]
    assert [bad] == [piece["task"]["target"]["url"] for value in dead for piece in value["pieces"]]


@pytest.mark.parametrize("answer", DOMAIN_TROUBLES, ids=named)
def test_a_domain_in_trouble_holds_up_no_other(answer: Answer) -> None:
    """For half an hour one domain gets a change a minute and takes none; the other's changes go as ever."""
    trouble = Trouble("domain.trouble", *answer, begin=START, end=START + 1_800.0, domain=IMAGES)
    troubled = [Action(START + 1 + number * MINUTE_SECONDS, "put", f"media/{number}.jpg") for number in range(30)]
    sound = [Action(START + 5 + number * 300.0, "put", f"www/{number}.html") for number in range(6)]
    scenario = make_scenario(SITE, [*troubled, *sound], features=Features(troubles=(trouble,)))
    book = World(replace(scenario, sites=(SITE, MEDIA))).run()
    assert [] == judge(book)
    assert 6 == len({row.path for row in book.rows if row.domain == STATIC and row.accepted < START + 1_800.0})
    assert [] == [key for key in book.spool if key.startswith("dead/")]


@pytest.mark.parametrize("answer", OUTAGES, ids=named)
def test_an_outage_of_hours_buries_nothing(answer: Answer) -> None:
    """Three hours without the CDN and a change every ten minutes: all go when it answers again, once each."""
    trouble = Trouble("service.down", *answer, begin=START, end=START + 10_800.0)
    puts = [Action(START + 1 + number * 600.0, "put", f"www/{number}.html") for number in range(18)]
    book = World(make_scenario(SITE, puts, features=Features(troubles=(trouble,)))).run()
    assert [] == judge(book)
    assert 18 == len(book.rows)
    assert [] == [key for key in book.spool if key.startswith("dead/")]


@pytest.mark.parametrize("seconds", [0.4, 5.0])
def test_a_change_in_the_first_second_of_a_day_does_not_wait_for_the_next(seconds: float) -> None:
    """What waits for the reset goes within minutes of it, though the CDN's clock is behind and its reply is old."""
    limits = Limits(url_refreshes_per_day=5)
    puts = [Action(RESET - 600.0 + number, "put", f"www/{number}.html") for number in range(8)]
    late = Action(RESET + seconds, "put", "www/late.html")
    features = Features(cdn_ahead=-0.9, quota_cached_seconds=MINUTE_SECONDS)
    book = World(make_scenario(SITE, [*puts, late], limits=limits, features=features)).run()
    assert [] == judge(book)
    assert 9 == len(book.rows)
    assert all(row.accepted < RESET + DAY_SECONDS / 24 for row in book.rows)


def test_a_quota_raised_at_noon_releases_what_waits() -> None:
    """Five changes wait for tomorrow until the account may do more; then they go at the next reading."""
    puts = [Action(START + 1 + number, "put", f"www/{number}.html") for number in range(7)]
    limits = Limits(url_refreshes_per_day=2)
    book = World(make_scenario(SITE, puts, limits=limits, features=Features(raised_at=START + 3_600.0))).run()
    assert [] == judge(book)
    assert all(row.accepted < START + 3 * 3_600.0 for row in book.rows)


@pytest.mark.parametrize("habit", ["rows.decoded", "rows.bare", "rows.typed", "rows.odd"])
def test_rows_told_otherwise_cost_no_second_unit(habit: str) -> None:
    """However rows spell what they are about, each URL is accepted once, also after a lost reply."""
    whole = Site("keyed", "keyed/", "/keyed/", (IMAGES,), whole_directories=frozenset({IMAGES}))
    names = ("www/a b.html", "www/文.html", "keyed/a/x.html")
    puts = [Action(START + 1 + number * 5.0, "put", name) for number, name in enumerate(names)]
    scenario = make_scenario(SITE, puts, features=Features(rows=frozenset({habit})))
    world = World(replace(scenario, sites=(SITE, whole)))
    world.lose_first("RefreshObjectCaches")
    book = world.run()
    assert [] == judge(book)
    assert len(names) == len(book.rows)
