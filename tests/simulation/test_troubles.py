"""What persists in a run: whom it concerns, in which shape replies come, and what the oracle makes of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from scripts.localcloud.cdn.service import CdnApi
from scripts.localcloud.clock import VirtualClock
from scripts.simulation.actions import Action
from scripts.simulation.boundaries import SITE, START, make_scenario
from scripts.simulation.clocks import rows_at
from scripts.simulation.damage import damaged, pick
from scripts.simulation.facts import Facts
from scripts.simulation.faults import KINDS, Incident, rates_of
from scripts.simulation.features import ALL, BAD_URLS, ROWS, Features, Trouble, draw_features
from scripts.simulation.oracle import judge
from scripts.simulation.reasons import Reasons
from scripts.simulation.scenario import IMAGES, STATIC, Scenario, draw
from scripts.simulation.sites import REFRESH, Want
from scripts.simulation.troubles import Troubles
from scripts.simulation.world import World

BAD = f"https://{STATIC}/www/bad.html"
GOOD = f"https://{STATIC}/www/good.html"
OTHER = f"https://{IMAGES}/www/good.html"
ROW = {"TaskId": "1", "ObjectPath": f"https://{STATIC}/a%20b/", "ObjectType": "directory", "Status": "Refreshing"}


def troubles_of(*troubles: Trouble, **features: Any) -> Troubles:
    """Let these be all that is wrong."""
    persisting = Features(troubles=troubles, **features)
    return Troubles(persisting, VirtualClock(100.0), Random(1), [], Counter(), lambda: True)


def call(*urls: str) -> dict[str, str]:
    """Give the parameters of a submission."""
    return {"ObjectPath": "\n".join(urls)}


def told(*rows: dict[str, str], **features: Any) -> dict[str, Any]:
    """Give a listing as an API with habits tells it."""
    document = {"TotalCount": len(rows), "Tasks": {"CDNTask": list(rows)}}
    return troubles_of(**features).told("DescribeRefreshTasks", document)


def test_a_bad_url_spoils_every_call_it_is_in_and_no_other() -> None:
    """It is the URL that is to blame, in whatever company; listings are answered."""
    found = troubles_of(Trouble("url.bad", *BAD_URLS[0], urls=frozenset({BAD})))
    assert found.of("RefreshObjectCaches", call(GOOD, BAD)) is not None
    assert found.of("RefreshObjectCaches", call(GOOD)) is None
    assert found.of("DescribeRefreshTasks", call(BAD)) is None
    assert ["url.bad"] == [incident.kind for incident in found.incidents]


def test_a_domain_in_trouble_spoils_calls_with_its_urls_while_it_lasts() -> None:
    """Before it begins, once it is over and for another domain all is well."""
    for begin, end, url, expected in ((0, 200, GOOD, True), (0, 200, OTHER, False), (101, 200, GOOD, False)):
        trouble = Trouble("domain.trouble", "ServiceBusy", 403, float(begin), float(end), domain=STATIC)
        assert expected == (troubles_of(trouble).of("PushObjectCache", call(url)) is not None)


def test_a_refused_account_may_not_even_ask() -> None:
    """All operations are refused while it lasts."""
    found = troubles_of(Trouble("account.refused", "InvalidAccessKeyId.Inactive", 403, 0.0, 200.0))
    assert found.of("DescribeRefreshQuota", {}) is not None


def test_rows_come_in_other_spellings() -> None:
    """Decoded, without a scheme, of another type and in a state that nobody listed: one row, told four ways."""
    (row,) = told(ROW, rows=frozenset(ROWS))["Tasks"]["CDNTask"]
    assert (f"{STATIC}/a b/", "path") == (row["ObjectPath"], row["ObjectType"])
    assert "Refreshing" != row["Status"]
    assert [ROW] == told(ROW)["Tasks"]["CDNTask"]


def test_a_capped_api_shows_few_rows_and_tells_how_many_there_are() -> None:
    """Asked for a hundred it gives pages of twenty; by ids it leaves out what is over."""
    capped = troubles_of(rows_max=20)
    assert "20" == capped.asked("DescribeRefreshTasks", {"PageSize": "100"})["PageSize"]
    found = capped.told("DescribeRefreshTaskById", {"TotalCount": 30, "Tasks": [ROW] * 30})
    assert (20, 30) == (len(found["Tasks"]), found["TotalCount"])


def test_a_cached_quota_is_old_for_a_while_and_then_new() -> None:
    """What was answered first is answered again until it is too old."""
    cached = troubles_of(quota_cached_seconds=60.0)
    clock = cached.clock
    assert isinstance(clock, VirtualClock)
    for later, left, expected in ((0.0, "9", "9"), (59.0, "0", "9"), (2.0, "0", "0")):
        clock.advance(later)
        assert expected == cached.told("DescribeRefreshQuota", {"UrlRemain": left})["UrlRemain"]


def test_a_clock_ahead_shows_another_time_at_the_same_moment() -> None:
    """The CDN's rows tell its own time, and are given by that of OSS."""
    base = VirtualClock(1_000.0)
    api = CdnApi(base, keys={}, account_id="1", domains=[STATIC], rng=Random(1))
    api.clock_ahead_seconds = -3.0
    api.carry_out("RefreshObjectCaches", {"ObjectPath": f"https://{STATIC}/a", "ObjectType": "File"})
    assert [997.0] == [row.accepted for row in api.submissions]
    assert [1_000.0] == [row.accepted for row in rows_at(api.submissions, -3.0)]


def test_damage_is_done_to_what_the_functions_wrote_and_to_nothing_given_up() -> None:
    """Notes, calls, kept records and the newest books may be spoiled, each in three ways."""
    keys = ["dead/x.json", "lease/drain/000000000001-free", "lease/drain/000000000002-free", "report/status.json"]
    picked = {pick([*keys, "waiting/a", "accepted/b"], Random(seed)) for seed in range(50)}
    assert {"waiting/a", "accepted/b", "lease/drain/000000000002-free"} == picked
    assert pick(["dead/x.json"], Random(1)) is None
    spoiled = {damaged(0.0, "waiting/a", b'{"a": 1}', Random(seed)).after for seed in range(20)}
    assert {b"", b'{"a"', b'{"format": 99, "content": {"a": 1}}'} == spoiled


def test_what_was_spoiled_is_no_loss_once_it_lies_set_aside() -> None:
    """The bytes found in `dead/` excuse the change that was in them; if they are gone, nothing does."""
    book = World(scenario_with(Features())).book
    book.damages = [damaged(START + 1, "waiting/a", f'{{"url": "{BAD}"}}'.encode(), Random(2))]
    assert not Facts(book).spoiled(BAD, START)
    book.dead = {"dead/2026-09-21/x.json": json.dumps({"bytes": book.damages[0].after.decode()}).encode() + b"a"}
    assert Facts(book).spoiled(BAD, START)
    assert not Facts(book).spoiled(BAD, START + 2)
    assert not Facts(book).spoiled(GOOD, START)


@pytest.mark.parametrize(("url", "longest"), [(BAD, 600.0), (GOOD, 240.0)])
def test_a_bad_url_explains_a_wait_once(url: str, longest: float) -> None:
    """However often it is met, it holds others up for four rounds, and is itself given up within ten."""
    scenario = scenario_with(Features(troubles=(Trouble("url.bad", *BAD_URLS[0], urls=frozenset({BAD})),)))
    book = World(scenario).book
    book.incidents = [Incident(START + 60.0 * minute, "url.bad", "RefreshObjectCaches", "") for minute in range(100)]
    spans = Reasons(Facts(book)).of_troubles(Want(REFRESH, "file", url), START)
    assert longest == spans.seconds(START, START + 10_000)


@pytest.mark.parametrize(("url", "longest"), [(GOOD, 300.0 + 300.0 + 60.0), (OTHER, 120.0)])
def test_a_domain_s_trouble_is_its_own(url: str, longest: float) -> None:
    """It waits until it is over and tried again; another domain is held up for one split."""
    trouble = Trouble("domain.trouble", "Forbidden", 403, START, START + 300.0, domain=STATIC)
    book = World(scenario_with(Features(troubles=(trouble,)))).book
    book.incidents = [Incident(START + 1.0, "domain.trouble", "RefreshObjectCaches", "")]
    spans = Reasons(Facts(book)).of_troubles(Want(REFRESH, "file", url), START)
    assert longest == spans.seconds(START, START + 10_000)


def test_an_outage_buries_nothing_and_is_no_reason_for_ever() -> None:
    """Ten minutes without the CDN: all is submitted afterwards, and no rule breaks."""
    outage = Trouble("service.down", "ServiceUnavailable", 503, START, START + 600.0)
    book = World(scenario_with(Features(troubles=(outage,)))).run()
    assert [] == judge(book)
    assert [] == [key for key in book.spool if key.startswith("dead/")]
    assert any(incident.kind == "service.down" for incident in book.incidents)
    assert all(row.accepted > START + 600.0 for row in book.rows)


def test_a_malformed_url_is_given_up_and_its_neighbours_go() -> None:
    """The one that the API cannot take lies in `dead/`, rightly; those beside it are fresh."""
    bad = Trouble("url.bad", *BAD_URLS[0], urls=frozenset({BAD}))
    book = World(scenario_with(Features(troubles=(bad,)))).run()
    assert [] == judge(book)
    assert {GOOD} == {row.path for row in book.rows}
    dead = [value for key, value in book.spool.items() if key.startswith("dead/")]
    assert [BAD] == [piece["task"]["target"]["url"] for value in dead for piece in value["pieces"]]


def test_the_oracle_does_not_let_a_good_url_be_given_up() -> None:
    """The same burial is a loss where nothing was wrong with the URL."""
    bad = Trouble("url.bad", *BAD_URLS[0], urls=frozenset({BAD}))
    book = World(scenario_with(Features(troubles=(bad,)))).run()
    book.scenario = replace(book.scenario, features=Features())
    assert {"1 lost"} <= {broken.rule for broken in judge(book)}


def test_every_kind_is_drawn_and_changes_nothing_else_of_a_scenario() -> None:
    """Where all is certain all is drawn; without faults nothing is, and people do the same in both."""
    certain = draw_features(Random(1), dict.fromkeys(ALL, 1.0), (0.0, 9.0), [BAD, GOOD], [STATIC])
    assert set(ALL) - {"rows.capped", "quota.late", "quota.raised", "clock.cdn", "spool.damaged"} - set(ROWS) == {
        trouble.kind for trouble in certain.troubles
    }
    assert certain.rows_max
    assert certain.quota_cached_seconds
    assert certain.cdn_ahead
    assert certain.damages
    assert Features() == draw(3, 20, 0.0).features
    assert draw(3, 20, 0.0).actions == draw(3, 20, 0.9, "url.bad").actions
    assert set(ALL) <= set(KINDS) & set(rates_of(0.1))


def scenario_with(features: Features) -> Scenario:
    """Make a scenario in which two objects of one site are written."""
    puts = [
        Action(START + 1.0 + number * 0.05, "put", f"www/{name}.html") for number, name in enumerate(("bad", "good"))
    ]
    return make_scenario(SITE, puts, features=features)
