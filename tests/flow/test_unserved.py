"""A site file that does not fit what happens: a person is told, once, of what and what to write."""

from __future__ import annotations

from typing import Any

import pytest

from shared.flow.kit import EVENTS_IN_A_ROW
from shared.flow.unserved import BUCKETS_TOLD_MAX
from tests.flow.world import World

NARROW = """
sites:
  - {bucket: content, domains: [static.example.com], prefix: www/}
  - {bucket: content, domains: [static.example.com], name: pages, prefix: pages/, created: ignore}
"""
A_DAY = 86_400.0


def _of_bucket(world: World, bucket: str) -> dict[str, Any]:
    event = world.put("a.html")
    event["events"][0]["oss"]["bucket"]["name"] = bucket
    return event


def _told(world: World) -> list[dict[str, Any]]:
    return [line for line in world.lines() if line["event"] == "alarm"]


def test_a_bucket_that_no_site_names_is_told_of_at_its_first_event() -> None:
    """Once an instance, with what to write; its events are skipped and recorded as before."""
    world = World()
    for _ in range(3):
        assert 1 == world.deliver(_of_bucket(world, "my-photos"))["skipped"]
    (told,) = _told(world)
    assert ("my-photos", "no site names the bucket 'my-photos'") == (told["bucket"], told["alarm"].partition(":")[0])
    assert "`- bucket: my-photos`" in told["remedy"]
    assert "`domains:`" in told["remedy"]
    assert 3 == world.results()["skipped"]
    world.deliver(_of_bucket(world, "my-photos"), world.new_instance())
    assert 2 == len(_told(world))


def test_a_bucket_that_a_site_names_is_not_told_of() -> None:
    """Also where no site has the key's prefix, or the rules skip it."""
    world = World(NARROW)
    world.deliver(world.put("elsewhere/a.html"))
    world.deliver(world.put("pages/a.html"))
    assert [] == _told(world)


def test_names_of_buckets_are_bounded_in_length_and_number() -> None:
    """Whatever events say, memory and log stay small."""
    world = World()
    for number in range(BUCKETS_TOLD_MAX + 30):
        world.deliver(_of_bucket(world, f"{number:02d}" + "x" * 10_000))
    told = _told(world)
    assert BUCKETS_TOLD_MAX + 1 == len(told)
    assert "further ones are not told of" in told[-1]["alarm"]
    assert all(len(each.get("bucket", "")) <= 63 for each in told)
    assert BUCKETS_TOLD_MAX + 1 == len(world.instance.kit.skips.buckets)


def test_a_batch_of_several_buckets_tells_of_each() -> None:
    """And refreshes what is served."""
    world = World()
    events = [each for bucket in ("content", "one", "two", "one") for each in _of_bucket(world, bucket)["events"]]
    summary = world.deliver({"events": events})
    assert (1, 3) == (summary["accepted"], summary["skipped"])
    assert ["one", "two"] == [each["bucket"] for each in _told(world)]


def test_a_hundred_events_of_which_all_were_skipped_are_told_of_once_a_day() -> None:
    """With the buckets and sites that skipped most, and the last key as an example."""
    world = World(NARROW)
    events = [world.put("pages/a.html")] * 60 + [world.put("b.html")] * (EVENTS_IN_A_ROW - 60)
    for event in events[:-1]:
        world.deliver(event)
    assert [] == _told(world)
    world.deliver(events[-1])
    (told,) = _told(world)
    assert f"all of the last {EVENTS_IN_A_ROW} events were skipped" in told["alarm"]
    assert [
        "60 of bucket 'content': the rules of site 'pages'",
        "40 of bucket 'content': no site has such keys",
    ] == told["where"]
    assert "b.html" == told["last_key"]
    assert "./scripts/cdnctl check --key KEY" in told["remedy"]
    for event in events:
        world.deliver(event)
    assert 1 == len(_told(world))
    world.clock.advance(A_DAY + 1)
    for event in events:
        world.deliver(event)
    assert 2 == len(_told(world))


@pytest.mark.parametrize("served_at", [0, 50, EVENTS_IN_A_ROW - 1])
def test_one_event_that_causes_a_task_begins_the_count_anew(served_at: int) -> None:
    """A site file that fits some of what happens is no mistake."""
    world = World(NARROW)
    skipped, served = world.put("b.html"), world.put("www/a.html")
    for number in range(EVENTS_IN_A_ROW):
        world.deliver(served if number == served_at else skipped)
    assert [] == _told(world)


def test_a_hundred_events_in_more_than_a_day_are_not_told_of() -> None:
    """A few now and then are no flood."""
    world = World(NARROW)
    event = world.put("b.html")
    for _ in range(EVENTS_IN_A_ROW + 20):
        world.deliver(event)
        world.clock.advance(A_DAY / EVENTS_IN_A_ROW + 20)
    assert [] == _told(world)


def test_a_skipped_event_costs_no_call_to_the_spool() -> None:
    """It is counted in memory; its record is the one call that it makes."""
    world = World(NARROW)
    event = world.put("b.html")
    world.deliver(event)
    world.calls.clear()
    for _ in range(EVENTS_IN_A_ROW):
        world.deliver(event)
    assert {"sls": EVENTS_IN_A_ROW} == dict(world.calls)


def test_events_that_were_kept_are_watched_too() -> None:
    """The first tick of a mended version tells of a bucket that the file still does not name."""
    world = World()
    world.deliver(_of_bucket(world, "my-photos"), world.new_instance(faults=("wrong",)))
    world.tick()
    assert ["my-photos"] == [each["bucket"] for each in _told(world) if "bucket" in each]
