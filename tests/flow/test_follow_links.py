"""A symlink is fresh when its target changes, as the rules of its site say."""

from __future__ import annotations

import pytest

from shared.core.site.links import INDEX_KEPT_SECONDS
from tests.flow.linked import LINK, SETTLE_MINUTES, SITES, TARGET, at_edge, since, world_with_link
from tests.flow.world import World


def test_a_target_that_is_written_over_makes_its_link_fresh_at_the_edge() -> None:
    """The edge keeps the link's old bytes until the target's event has come, and serves the new ones after it."""
    world = world_with_link()
    assert b"new" == at_edge(world, "/latest.zip")
    event = world.put("v1.zip", b"newer")
    assert b"new" == at_edge(world, "/latest.zip")
    world.deliver(event)
    world.minutes(10)
    assert (b"newer", b"newer") == (at_edge(world, "/latest.zip"), at_edge(world, "/v1.zip"))


def test_the_link_s_task_names_the_target_as_its_cause() -> None:
    """The log tells which object's change a link was refreshed for."""
    world = world_with_link()
    moment = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"))
    assert [LINK, TARGET] == since(world, moment)
    last = [record for record in world.outcomes() if record["result"] == "accepted"][-2:]
    assert {(TARGET, "v1.zip"), (LINK, "v1.zip")} == {(record["url"], record["key"]) for record in last}


def test_a_removed_target_takes_its_link_along() -> None:
    """What the link served is gone too, and as urgent."""
    world = world_with_link()
    moment = world.clock.now()
    world.clock.advance(1)
    world.deliver(world.remove("v1.zip"))
    assert [LINK, TARGET] == since(world, moment)
    assert {TARGET, LINK} == {record["url"] for record in world.outcomes() if record.get("lane") == "removed"}


def test_a_target_outside_all_sites_still_reaches_its_link() -> None:
    """Only the link is served: the target lies below a prefix that no site names."""
    sites = SITES.replace("follow_links", "prefix: public/\n    follow_links")
    world = World(sites)
    world.put("build/app.js")
    world.deliver(world.link("public/app.js", "build/app.js"))
    world.minutes(SETTLE_MINUTES)
    moment = world.clock.now()
    world.deliver(world.put("build/app.js", b"newer"))
    assert ["https://static.example.com/public/app.js"] == since(world, moment)


def test_the_rules_of_the_site_judge_the_link() -> None:
    """A link that the site excludes is not refreshed, and the log says so."""
    world = world_with_link(SITES.replace("follow_links", 'exclude: ["latest.*"]\n    follow_links'))
    moment = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"))
    assert [TARGET] == since(world, moment)
    assert [("latest.zip", "rule exclude ignores created objects that match 'latest.*'")] == [
        (record["key"], record["message"]) for record in world.outcomes() if record["result"] == "skipped"
    ][-1:]


def test_a_link_that_is_put_anew_follows_its_new_target() -> None:
    """Once it is learned, the old target's changes cost nothing more."""
    world = world_with_link()
    world.put("v2.zip")
    world.deliver(world.link("latest.zip", "v2.zip"))
    world.minutes(SETTLE_MINUTES)
    moment = world.clock.now()
    world.deliver(world.put("v1.zip", b"old"))
    world.deliver(world.put("v2.zip", b"newer"))
    assert [LINK, TARGET, TARGET.replace("v1", "v2")] == since(world, moment)


def test_a_link_that_is_put_anew_to_the_same_target_costs_its_own_unit_only() -> None:
    """Every instance knows it already, so nothing is to be made up for."""
    world = world_with_link()
    moment = world.clock.now()
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.minutes(SETTLE_MINUTES)
    assert ([LINK], []) == (since(world, moment), world.spool("asks/"))


@pytest.mark.parametrize("how", ["removed", "written over"])
def test_a_link_that_is_none_any_more_leaves_the_index(how: str) -> None:
    """The target's changes cost nothing for it then."""
    world = world_with_link()
    world.deliver(world.remove("latest.zip") if how == "removed" else world.put("latest.zip", b"a file"))
    assert {} == world.spooled("index/links")["buckets"]
    world.clock.advance(INDEX_KEPT_SECONDS)
    moment = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"))
    assert [TARGET] == since(world, moment)


def test_a_link_that_is_removed_before_others_know_it_leaves_the_index_too() -> None:
    """An instance with an old index takes it for any object; the ask that comes again finds it gone."""
    world = World(SITES)
    other = world.new_instance()
    world.put("v1.zip")
    world.deliver(world.put("else.html"), other)
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.deliver(world.remove("latest.zip"), other)
    assert {} != world.spooled("index/links")["buckets"]
    world.minutes(SETTLE_MINUTES)
    assert ({}, []) == (world.spooled("index/links")["buckets"], world.spool("asks/"))


def test_an_event_that_comes_twice_costs_nothing_more() -> None:
    """Ids follow from the event and the URL, of links too: what is followed already is not sent again."""
    world = world_with_link()
    moment = world.clock.now()
    event = world.put("v1.zip", b"newer")
    for _ in range(3):
        world.deliver(event)
        world.clock.advance(30)
    assert [LINK, TARGET] == since(world, moment)
