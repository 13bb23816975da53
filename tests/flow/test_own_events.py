"""Events that mean nothing, or cannot be understood yet: of the spool itself, and while the settings are wrong."""

from __future__ import annotations

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cloud import Options
from scripts.localcloud.sls.answers import rule
from tests.flow.world import LATENCIES, SITES, World

AREAS = ("waiting/0-ready/x", "kept/1", "lease/drain/000000000001-held", "report/status.json", "dead/x", "accepted/y")
WITH_PREFIX = """
sites:
  - {bucket: content, prefix: static/, domains: [static.example.com]}
"""
TWO = SITES.replace("[static.example.com]", "[static.example.com, img.example.com]")


def _shared() -> World:
    """Make a world whose spool lies in the content's bucket, beside the site's prefix."""
    return World(
        WITH_PREFIX,
        Options(spool_bucket="content", latencies=LATENCIES),
        {"SPOOL_BUCKET": "content"},
    )


def _told_of(world: World, key: str) -> dict[str, object]:
    world.cloud.oss.put("content", key, b"x")
    return world.events[-1]


@pytest.mark.parametrize("log_store_is_down", [False, True])
def test_the_spool_s_own_events_are_dropped(*, log_store_is_down: bool) -> None:
    """A trigger on the whole bucket: each of the spool's objects causes an invocation that writes nothing."""
    world = _shared()
    if log_store_is_down:
        world.cloud.sls.answers.append(rule(Answer("ServerBusy", 503)))
    world.limited_deliver(_told_of(world, "static/a.html"))
    objects = set(world.cloud.oss.keys("content"))
    records = len(world.outcomes())
    for area in AREAS:
        event = _told_of(world, "cdn-refresh/" + area)
        objects = set(world.cloud.oss.keys("content"))
        world.calls.clear()
        summary = world.deliver(event)
        assert 1 == summary["ignored"]
        assert {} == dict(world.calls)
        assert objects == set(world.cloud.oss.keys("content"))
    assert records == len(world.outcomes())
    assert 1 == sum("covers the spool" in alarm for alarm in world.alarms())


@pytest.mark.parametrize("log_store_is_down", [False, True])
def test_a_trigger_on_the_whole_bucket_makes_no_loop(*, log_store_is_down: bool) -> None:
    """Every event that one upload causes is delivered, and those that they cause: they come to an end by themselves."""
    world = _shared()
    if log_store_is_down:
        world.cloud.sls.answers.append(rule(Answer("ServerBusy", 503)))
    world.cloud.oss.put("content", "static/a.html", b"x")
    delivered = 0
    while delivered < len(world.events) and delivered < 100:
        world.limited_deliver(world.events[delivered])
        delivered += 1
    assert delivered == len(world.events) <= 20
    assert ["https://static.example.com/static/a.html"] == world.submitted_urls()


def test_an_event_of_both_the_spool_and_the_content_is_half_dropped() -> None:
    """A batch that names an object of the spool and one of the content refreshes the latter."""
    world = _shared()
    mine, theirs = _told_of(world, "static/a.html"), _told_of(world, "cdn-refresh/kept/1")
    summary = world.limited_deliver({"events": [*mine["events"], *theirs["events"]]})  # type: ignore[misc]
    assert summary
    assert ["https://static.example.com/static/a.html"] == world.submitted_urls()


def test_events_are_kept_while_the_site_file_is_wrong_and_noted_once_it_is_mended() -> None:
    """Byte for byte, with an alarm, and nothing is sent; the first tick of a mended version sends them all."""
    world = World()
    broken = world.new_instance(faults=("sites.yml:3: domain: unknown field",))
    events = [world.put(f"{number}.html") for number in range(30)]
    for event in events:
        assert {"kept": 1} == world.deliver(event, broken)
    world.clock.advance(60)
    world.tick(broken)
    assert ([], 30) == (world.refresh_calls(), len(world.spool("events/")))
    assert 1 == sum("the site file are wrong" in alarm for alarm in world.alarms())
    assert any(alarm.startswith("settings: sites.yml:3") for alarm in world.status()["alarms"])
    world.clock.advance(60)
    world.tick(world.new_instance())
    assert {f"https://static.example.com/{number}.html" for number in range(30)} == set(world.submitted_urls())
    assert [] == world.spool("events/") + world.spool("waiting/")
    world.minutes(10)
    assert 30 == world.results()["done"] == len(world.submitted_urls())


def test_an_event_that_is_kept_twice_costs_one_unit() -> None:
    """The platform delivers an event again: both copies are noted, one unit is spent."""
    world = World()
    broken = world.new_instance(faults=("wrong",))
    event = world.put("a.html")
    world.deliver(event, broken)
    world.deliver(event, broken)
    world.clock.advance(60)
    world.tick()
    world.minutes(3)
    assert ["https://static.example.com/a.html"] == world.submitted_urls()


def test_rubbish_among_kept_events_stops_nothing() -> None:
    """What is no event at all ends in dead/ once it can be looked at; the others are noted."""
    world = World()
    broken = world.new_instance(faults=("wrong",))
    world.deliver(b"\xff\x00", broken)
    world.deliver(world.put("a.html"), broken)
    world.clock.advance(60)
    world.tick()
    assert ["https://static.example.com/a.html"] == world.submitted_urls()
    assert 1 == len(world.pieces())
    assert [] == world.spool("events/")


def test_a_domain_that_the_site_file_names_no_longer_is_not_submitted() -> None:
    """Its waiting tasks end in dead/ with the reason, whatever they waited for; those of other domains go."""
    world = World(TWO, Options(domains=("static.example.com", "img.example.com")))
    world.cloud.faults.next("cdn", "throttle", times=60)
    world.deliver(world.put("a.html"))
    world.cloud.faults.stop()
    assert world.spool("waiting/")
    world.clock.advance(120)
    world.tick(world.new_instance(SITES))
    assert ["https://static.example.com/a.html"] == world.submitted_urls()
    (piece,) = world.pieces()
    assert ("https://img.example.com/a.html", True) == (
        piece["task"]["target"]["url"],
        piece["reason"].startswith("NoSuchDomain"),
    )
    assert [] == world.spool("waiting/")


def test_a_domain_that_is_gone_is_not_probed() -> None:
    """Its trouble is over with it: no call names it again, and the status does not either."""
    world = World(TWO, Options(domains=("static.example.com", "img.example.com")))
    world.refuse("ServiceBusy", lambda request: b"img.example.com" in request.body)
    world.deliver(world.put("a.html"))
    world.minutes(5)
    world.instance = world.new_instance(SITES)
    asked = world.watch_calls()
    world.minutes(40, step=2)
    assert not any("img.example.com" in call.domains for call in asked)
    assert [] == world.spool("waiting/")
    assert 1 == len(world.pieces())
