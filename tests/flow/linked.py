"""A world whose sites follow links, and what its CDN and its edge came to."""

from __future__ import annotations

from scripts.localcloud.web import Request
from shared.core.site.links import SETTLED_SECONDS
from tests.flow.world import World

SITES = """
sites:
  - bucket: content
    domains: [static.example.com]
    follow_links: true
"""
LINK, TARGET = "https://static.example.com/latest.zip", "https://static.example.com/v1.zip"
SETTLE_MINUTES = int(SETTLED_SECONDS / 60) + 2


def world_with_link(sites: str = SITES) -> World:
    """A world whose functions have known a link for long."""
    world = World(sites)
    world.put("v1.zip")
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.minutes(SETTLE_MINUTES)
    assert [] == world.spool("asks/")
    return world


def since(world: World, moment: float) -> list[str]:
    """List the URLs of archives and scripts that the CDN accepted from a moment on, sorted."""
    rows = world.cloud.cdn.submissions
    return sorted(row.path for row in rows if row.moment >= moment and not row.path.endswith(".html"))


def at_edge(world: World, path: str) -> bytes:
    """Ask the edge for a page."""
    return world.cloud.edge.handle(Request("GET", "static.example.com", path)).body
