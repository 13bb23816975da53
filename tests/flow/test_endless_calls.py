"""Large calls that never end beside small ones, where a reply shows a part of the rows."""

from __future__ import annotations

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

SITES = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com], created: refresh}
  - {bucket: content, prefix: b/, domains: [b.example.com], created: refresh}
"""
ENDLESS, SMALL = 4, 3


def _world() -> World:
    limits = Limits(urls_per_minute_per_domain=100_000)
    world = World(SITES, Options(domains=("a.example.com", "b.example.com"), limits=limits, latencies=LATENCIES))
    world.cloud.cdn.rows.by_id_rows_max = world.cloud.cdn.rows.listed_rows_max = 100
    return world


def _follow_large(world: World, each: int) -> None:
    for number in range(ENDLESS):
        now = world.clock.now()
        world.follow([make_task(f"https://b.example.com/b/{number}-{each}.html", time=now) for each in range(each)])
        world.clock.advance(2)


def test_calls_that_never_end_keep_no_other_from_being_seen_done() -> None:
    """One domain's large calls run on and on: another domain's small refreshes are done with the first looks."""
    world = _world()
    world.cloud.cdn.rows.status_of = lambda row, _now: "Refreshing" if row.domain.startswith("b.") else ""
    _follow_large(world, 1_000)
    for number in range(SMALL):
        world.limited_deliver(world.put(f"a/{number}.html"))
        world.clock.advance(2)
    world.clock.advance(420)
    for _ in range(2):
        world.limited_tick()
        world.clock.advance(60)
    assert SMALL == world.results()["done"]
    assert 0 == world.killed


def test_large_calls_whose_rows_take_more_pages_than_one_look_may_read_all_end() -> None:
    """Each look reads a part of them: after some looks all are done."""
    world = _world()
    _follow_large(world, 1_000)
    world.clock.advance(420)
    for _ in range(8):
        world.limited_tick()
        world.clock.advance(61.7)
    assert ENDLESS * 1_000 == world.results()["done"]
    assert 0 == world.killed
