"""A quota that cannot be read keeps no upload waiting each time: the try is remembered, and made more rarely."""

from __future__ import annotations

import pytest

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World

LATE_SECONDS = 3.0


def _world(quota: int = 10_000) -> World:
    world = World(options=Options(limits=Limits(url_refreshes_per_day=quota), latencies=LATENCIES))
    world.limited_deliver(world.put("warm.html"))
    world.limited_minutes(1)
    return world


def _hangs(world: World) -> None:
    world.cloud.faults.slow_seconds = 30.0
    world.cloud.faults.next(
        "cdn", "slow", times=10**9, match=lambda request: request.header("x-acs-action") == "DescribeRefreshQuota"
    )


def _late(world: World, count: int, pause: float) -> int:
    """Count the uploads that were accepted late."""
    late = 0
    for number in range(count):
        began = world.clock.now()
        key = f"{began:.0f}-{number}.html"
        world.limited_deliver(world.put(key))
        late += world.accepted_at()[f"https://static.example.com/{key}"] - began > LATE_SECONDS
        world.clock.advance(pause)
    return late


@pytest.mark.parametrize(("pause", "most"), [(30.0, 10), (120.0, 10), (300.0, 9)])
def test_a_reading_that_hangs_is_tried_more_rarely(pause: float, most: int) -> None:
    """For an hour: a few uploads try it at first, later one in ten minutes; the others are not late."""
    world = _world()
    world.clock.advance(900)
    _hangs(world)
    assert 1 <= _late(world, int(3_600 / pause), pause) <= most


def test_once_it_answers_it_is_read_as_ever() -> None:
    """Every ten minutes, and a failure that follows is the first one again."""
    world = _world()
    world.clock.advance(900)
    _hangs(world)
    _late(world, 20, 300.0)
    world.cloud.faults.stop()
    world.clock.advance(700)
    before = _readings(world)
    assert 0 == _late(world, 10, 110.0)
    assert 2 <= _readings(world) - before <= 3
    _hangs(world)
    world.clock.advance(700)
    assert 2 == _late(world, 2, 60.0)


def test_what_waits_for_the_quota_does_not_hold_up_others() -> None:
    """The day is spent and cannot be read: uploads of this hour are noted without a wait of ten seconds each."""
    world = _world(quota=3)
    for number in range(5):
        world.limited_deliver(world.put(f"spent-{number}.html"))
    _hangs(world)
    world.clock.advance(60)
    took = []
    for number in range(30):
        began = world.clock.now()
        world.limited_deliver(world.put(f"{number}.html"))
        took.append(world.clock.now() - began)
        world.clock.advance(20)
    assert sum(each > LATE_SECONDS for each in took) <= 12


def _readings(world: World) -> int:
    return sum("DescribeRefreshQuota" in line for line in world.trace)
