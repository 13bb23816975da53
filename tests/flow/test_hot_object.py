"""An object that changes all the time, refreshed and then prefetched: what waits for it does not pile up."""

from __future__ import annotations

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World

SITES = """
sites:
  - bucket: content
    domains: [static.example.com]
    created: refresh-then-prefetch
"""
CHANGES = 10


def test_of_an_object_that_changes_all_the_time_one_prefetch_waits() -> None:
    """It changes each two minutes, a refresh takes five: at most two prefetches wait, and the last change's goes."""
    limits = Limits(refresh_duration_seconds=(300.0, 300.0))
    world = World(SITES, Options(latencies=LATENCIES, limits=limits))
    for number in range(CHANGES):
        world.limited_deliver(world.put("hot.html", b"%d" % number))
        world.limited_minutes(2)
        assert len(world.spool("waiting/")) <= 2
    world.minutes(30, step=2)
    rows = world.cloud.cdn.submissions
    (prefetched,) = (row for row in rows if row.kind == "prefetch")
    assert CHANGES == sum(row.kind == "refresh" for row in rows)
    assert all(row.finish <= prefetched.accepted for row in rows if row.kind == "refresh")
    assert CHANGES - 1 == world.results()["superseded"]
    assert CHANGES + 1 == world.results()["done"]
    assert [] == world.spool("waiting/") + world.spool("accepted/") + world.spool("dead/")
