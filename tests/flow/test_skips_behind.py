"""Events that cause no task while the log store hangs: not each of them waits for it."""

from __future__ import annotations

import pytest

from scripts.localcloud.cloud import Options
from shared.flow.receive import BEHIND_SECONDS
from tests.flow.world import LATENCIES, World

SITES = "sites:\n  - {bucket: content, domains: [static.example.com], exclude: ['*.tmp']}\n"
HANGS_SECONDS = 60.0
LATE_SECONDS = 1.0


def _world() -> World:
    world = World(SITES, Options(latencies=LATENCIES))
    world.deliver(world.put("warm.html"))
    world.minutes(1)
    world.cloud.faults.slow_seconds = HANGS_SECONDS
    world.cloud.faults.next("sls", "slow", times=10**9)
    return world


def _took(world: World, event: object) -> float:
    began = world.clock.now()
    world.deliver(event)
    return world.clock.now() - began


@pytest.mark.parametrize("is_bad", [False, True])
def test_one_of_them_waits_for_the_log_store(*, is_bad: bool) -> None:
    """The others of that minute are kept at once; once it answers all of them are in it."""
    world = _world()
    took = []
    for number in range(12):
        took.append(_took(world, b"bad %d" % number if is_bad else world.put(f"{number}.tmp")))
        world.clock.advance(2)
    assert 1 == sum(each > LATE_SECONDS for each in took)
    assert 12 == len(world.spool("kept/"))
    world.cloud.faults.stop()
    world.minutes(2)
    assert [] == world.spool("kept/")
    result = "dead" if is_bad else "skipped"
    assert 12 == len({record["event_id"] for record in world.outcomes() if record["result"] == result})


def test_it_is_tried_again_each_minute() -> None:
    """Once it answers again the next record goes straight to it, and so do those after it."""
    world = _world()
    assert _took(world, world.put("a.tmp")) > LATE_SECONDS
    world.clock.advance(BEHIND_SECONDS + 1)
    assert _took(world, world.put("b.tmp")) > LATE_SECONDS
    world.cloud.faults.stop()
    world.clock.advance(BEHIND_SECONDS + 1)
    for key in ("c.tmp", "d.tmp"):
        world.deliver(world.put(key))
    assert 2 == len(world.spool("kept/"))
    assert {"c.tmp", "d.tmp"} <= {record.get("key") for record in world.outcomes()}


def test_events_of_a_time_of_wrong_settings_wait_once() -> None:
    """A timer that goes on with hundreds of them has time left for the rest."""
    world = _world()
    wrong = world.new_instance(faults=("something is wrong",))
    for number in range(20):
        world.deliver(world.put(f"{number}.tmp"), wrong)
    world.clock.advance(60)
    assert world.limited_tick()
    assert [] == world.spool("events/")
    assert 1 == len(world.spool("kept/"))
