"""What it costs to follow links; sites that do not ask for it pay nothing."""

from __future__ import annotations

from shared.core.site.links import INDEX_KEPT_SECONDS
from tests.flow.linked import SITES
from tests.flow.world import World


def calls_of(world: World, sites_change: str = "a.html") -> list[str]:
    """List the calls of one upload to functions that are warm."""
    world.deliver(world.put("warm.html"))
    world.clock.advance(1)
    world.trace.clear()
    world.deliver(world.put(sites_change))
    return [line.partition(" ")[0] + " " + line.split(" ")[1] for line in world.trace]


def test_a_site_that_does_not_follow_links_pays_nothing() -> None:
    """No call for an upload, a link or a minute that it did not make before; another site's wish changes nothing."""
    both = SITES.replace("bucket: content", "bucket: elsewhere").replace("static", "other")
    both += "  - {bucket: content, domains: [static.example.com]}\n"
    worlds = [World(), World(both)]
    calls = [calls_of(world) for world in worlds]
    assert (10, calls[0]) == (len(calls[0]), calls[1])
    for world in worlds:
        world.put("v1.zip")
        world.deliver(world.link("latest.zip", "v1.zip"))
        assert ([], []) == (world.spool("asks/"), world.spool("index/"))
        assert not [line for line in world.trace if "symlink" in line or "/index" in line or "/asks" in line]
    minutes = []
    for world in worlds:
        world.minutes(10)
        world.calls.clear()
        world.minutes(1)
        minutes.append(dict(world.calls))
    assert minutes[0] == minutes[1]


def test_a_site_that_follows_links_pays_one_read_a_minute() -> None:
    """An instance reads the index once in a while, not for each event."""
    world = World(SITES)
    assert 10 == len(calls_of(world))
    world.clock.advance(INDEX_KEPT_SECONDS)
    world.calls.clear()
    world.deliver(world.put("b.html"))
    assert 9 == world.calls["oss"]


def test_a_link_costs_a_bounded_number_of_calls() -> None:
    """Its own upload's calls, and eleven for what is asked and learned."""
    world = World(SITES)
    world.put("v1.zip")
    world.deliver(world.put("warm.html"))
    world.clock.advance(1)
    world.calls.clear()
    world.deliver(world.link("latest.zip", "v1.zip"))
    assert 8 + 11 >= world.calls["oss"]
