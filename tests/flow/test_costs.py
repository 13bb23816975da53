"""Costs stay flat: what lies in the spool costs nothing until it is needed, and a late or long outage is linear."""

from __future__ import annotations

from collections import Counter

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

PLENTY = Limits(urls_per_minute_per_domain=100_000, url_refreshes_per_day=100_000)
ENV = {"URLS_PER_MINUTE_PER_DOMAIN": "100000"}


def _world() -> World:
    return World(options=Options(limits=PLENTY, latencies=LATENCIES), env=ENV)


def _url(key: str) -> str:
    return f"https://static.example.com/{key}"


def _cost(world: World, action: object) -> Counter[str]:
    world.calls.clear()
    action()  # type: ignore[operator]
    return Counter(world.calls)


def test_an_idle_minute_costs_at_most_ten_calls_of_the_spool() -> None:
    """Nothing waits, nothing is followed: the timer looks, reports, and is done."""
    world = _world()
    world.deliver(world.put("a.html"))
    world.minutes(15)
    world.clock.advance(60)
    assert _cost(world, world.tick)["oss"] <= 10


def test_a_late_event_does_not_read_what_is_in_flight() -> None:
    """Hundreds of calls are followed, and one event comes hours late: a handful of them is read."""
    world = _world()
    world.deliver(world.put("warm.html"))
    late = world.put("late.html")
    world.clock.advance(3 * 3_600)
    for number in range(600):
        world.follow([make_task(_url(f"{number}.html"), time=world.clock.now())])
        world.clock.advance(0.05)
    world.deliver(world.put("warm.html", b"2"))
    cost = _cost(world, lambda: world.deliver(late))
    assert cost["oss"] <= 40
    assert _url("late.html") in world.submitted_urls()


def test_a_cdn_event_reads_its_own_call_only() -> None:
    """Hundreds of calls are followed, and one is finished: one is read and one is asked about."""
    world = _world()
    told: list[dict[str, object]] = []
    world.cloud.cdn.on_finished.append(told.append)
    for number in range(299):
        world.follow([make_task(_url(f"{number}.html"), time=world.clock.now())])
        world.clock.advance(0.1)
    world.clock.advance(1)
    world.deliver(world.put("mine.html"))
    world.clock.advance(361)
    mine = [event for event in told if "/mine.html" in str(event)]
    cost = _cost(world, lambda: world.finish(mine[0]))
    assert cost["oss"] <= 20
    assert cost["cdn"] <= 2
    assert 1 == world.results()["done"]


@pytest.mark.parametrize("area", ["dead", "kept"])
def test_what_lies_there_costs_an_upload_nothing(area: str) -> None:
    """Thousands of objects that an upload does not need: it costs what it costs without them."""
    world = _world()
    world.deliver(world.put("warm.html"))
    world.clock.advance(1)
    alone = _cost(world, lambda: world.deliver(world.put("a.html")))
    for number in range(3_000):
        key = f"dead/2026-09-20/{number:013d}-1-{number:020d}.json" if area == "dead" else f"kept/{number:013d}-0000-x"
        world.stray(key, b'{"format": 1, "pieces": [], "outcomes": []}')
    world.clock.advance(1)
    assert alone == _cost(world, lambda: world.deliver(world.put("b.html")))


def test_what_was_given_up_costs_a_minute_the_same_however_much_it_is() -> None:
    """Tens of listings for tens of thousands of objects would be made for ever: it is a constant number."""
    costs = []
    for count in (1_500, 6_000):
        world = _world()
        for number in range(count):
            world.stray(f"dead/2026-09-20/{number:013d}-1-{number:020d}.json", b"{}")
        world.minutes(2)
        world.clock.advance(60)
        costs.append(_cost(world, world.tick)["oss"])
    assert costs[0] == costs[1] <= 20


@pytest.mark.long
@pytest.mark.parametrize("answer", [Answer(dropped=True), Answer("ServiceUnavailable", 503)])
def test_a_long_outage_costs_the_same_each_hour(answer: Answer) -> None:
    """Uploads go on while the CDN answers nobody: the second half costs hardly more than the first."""
    world = _world()
    world.deliver(world.put("warm.html"))
    world.cloud.cdn.answers.append(rule(answer))
    halves = []
    for half in range(2):
        world.calls.clear()
        for number in range(40):
            world.limited_deliver(world.put(f"{half}-{number}.html"))
            world.clock.advance(400)
            assert world.limited_tick()
        halves.append(Counter(world.calls))
    assert halves[1]["oss"] <= halves[0]["oss"] * 1.25
    assert halves[1]["cdn"] <= halves[0]["cdn"] * 1.25
    assert halves[0]["cdn"] <= 40 * 8
    world.cloud.cdn.answers.clear()
    world.limited_minutes(5)
    assert 81 == len(set(world.submitted_urls()))
    assert [] == world.pieces() + world.spool("waiting/") + world.spool("submitting/")


@pytest.mark.long
def test_what_waits_is_not_written_again_each_minute() -> None:
    """Thousands of tasks are refused for an hour: one record each at most, and no note written twice."""
    world = _world()
    world.cloud.cdn.answers.append(rule(Answer("InsufficientBalance", 403)))
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(3_000))
    world.limited_minutes(3)
    notes = set(world.spool("waiting/"))
    records = len(world.outcomes())
    world.calls.clear()
    world.limited_minutes(15)
    assert notes == set(world.spool("waiting/"))
    assert len(world.outcomes()) - records <= 15 * 3
    assert world.calls["oss"] <= 15 * 45
    assert world.results()["deferred"] <= 3_000


@pytest.mark.long
def test_a_release_rewrites_nothing() -> None:
    """What waited for the day's quota goes at the reset without having been written anew."""
    world = World(
        options=Options(limits=Limits(url_refreshes_per_day=100_000, urls_per_minute_per_domain=100_000)),
        env={**ENV, "RESERVE_PERCENT": "0"},
    )
    world.cloud.cdn.spend_elsewhere("file", 100_000)
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(5_000))
    world.minutes(2)
    assert {"quota+url"} == {key.split("/")[1] for key in world.spool("waiting/")}
    world.clock.advance(86_400)
    start = len(world.trace)
    world.minutes(2)
    written = [line for line in world.trace[start:] if line.startswith("oss PUT /cdn-refresh%2Fwaiting")]
    assert [] == written
    assert 5_000 == len(set(world.submitted_urls()))


class TestRetention:
    """What was given up is kept for a time, and goes only if a person was told."""

    def test_after_its_time_it_goes_and_leaves_a_record(self) -> None:
        """Ninety days by default: the status alarmed, so it is deleted, and one record names it."""
        world = _world()
        world.deliver(b"not an event")
        (key,) = world.spool("dead/")
        world.minutes(2)
        for _ in range(91):
            assert world.spool("dead/") == [key]
            world.clock.advance(86_400)
            world.tick()
        assert [] == world.spool("dead/")
        (record,) = [record for record in world.outcomes() if record["result"] == "expired"]
        assert key.removeprefix("dead/").removesuffix(".json") in record["message"]

    def test_what_nobody_was_told_of_stays(self) -> None:
        """No timer has rung since it was given up: it is not deleted at the first ring, however old it is."""
        world = _world()
        world.minutes(2)
        world.clock.advance(30)
        world.deliver(b"not an event")
        world.clock.advance(200 * 86_400)
        world.tick()
        assert 1 == len(world.spool("dead/"))

    def test_without_a_record_nothing_goes(self) -> None:
        """While the log store is down it stays."""
        world = _world()
        world.deliver(b"not an event")
        world.minutes(2)
        world.cloud.faults.next("sls", "server_error", times=10**9)
        for _ in range(95):
            world.clock.advance(86_400)
            world.tick()
        assert 1 == len(world.spool("dead/"))
        world.cloud.faults.stop()
        world.clock.advance(86_400)
        world.minutes(2)
        assert [] == world.spool("dead/")

    def test_a_setting_says_how_long(self) -> None:
        """Seven days, and what is younger stays."""
        world = World(env={"DEAD_DAYS": "7"})
        world.deliver(b"old")
        world.minutes(2)
        world.clock.advance(6 * 86_400)
        world.deliver(b"young")
        for _ in range(3):
            world.clock.advance(86_400)
            world.tick()
        assert 1 == len(world.spool("dead/"))
