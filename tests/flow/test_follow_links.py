"""A symlink is fresh when its target changes, whenever the change comes; sites that do not ask for it pay nothing."""

from __future__ import annotations

import contextlib

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.oss.answers import rule
from scripts.localcloud.web import Request
from shared.core.errors import StoreError
from shared.core.site.links import INDEX_KEPT_SECONDS, SETTLED_SECONDS
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


# -- interleavings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [0.5, 30.0, INDEX_KEPT_SECONDS - 1])
def test_a_change_that_an_old_index_does_not_know_is_made_up_for(wait: float) -> None:
    """An instance that read the index just before the link was written misses the link; it is refreshed after that."""
    world, other = World(SITES), None
    other = world.new_instance()
    world.put("v1.zip")
    world.deliver(world.put("else.html"), other)  # it reads an index without the link
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.clock.advance(wait)
    changed = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"), other)
    assert [TARGET] == since(world, changed)
    world.minutes(SETTLE_MINUTES)
    assert [LINK, TARGET] == since(world, changed)


def test_after_that_no_instance_goes_by_an_old_index() -> None:
    """Just when the time of an index is over, the link is in the next one."""
    world = World(SITES)
    other = world.new_instance()
    world.put("v1.zip")
    world.deliver(world.put("else.html"), other)
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.clock.advance(INDEX_KEPT_SECONDS)
    changed = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"), other)
    assert [LINK, TARGET] == since(world, changed)


def test_a_clock_that_is_put_right_keeps_no_index_too_long() -> None:
    """An index counts by the machine's own clock, whatever OSS tells of the time after it was read."""
    world = World(SITES)
    other = world.new_instance(behind_seconds=3_000)
    world.put("v1.zip")
    world.deliver(world.put("else.html"), other)
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.clock.advance(INDEX_KEPT_SECONDS)
    changed = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"), other)
    assert [LINK, TARGET] == since(world, changed)


def test_a_change_before_the_link_is_learned_is_made_up_for() -> None:
    """The target's event is judged before the link's event has come at all."""
    world = World(SITES)
    world.put("v1.zip")
    linked = world.link("latest.zip", "v1.zip")
    changed = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"))
    world.clock.advance(5)
    world.deliver(linked)
    world.minutes(SETTLE_MINUTES)
    assert [LINK, LINK, TARGET] == since(world, changed)


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


class Died(BaseException):
    """The platform ends an invocation in the middle of a call."""


@pytest.mark.parametrize("call", range(1, 24))
def test_whatever_call_an_invocation_dies_at_no_change_is_lost(call: int) -> None:
    """The ask is durable before the event is acknowledged, and is asked again until its link is settled."""
    world = World(SITES)
    other = world.new_instance()
    world.put("v1.zip")
    world.deliver(world.put("else.html"), other)
    event, seen = world.link("latest.zip", "v1.zip"), 0

    def die(_service: str, _request: Request) -> None:
        nonlocal seen
        seen += 1
        if seen == call:
            raise Died

    world.after = die
    try:
        world.deliver(event)
    except Died:
        world.after = lambda _service, _request: None
        world.clock.advance(30)
        world.deliver(event, world.new_instance())  # as the platform does
    world.after = lambda _service, _request: None
    changed = world.clock.now()
    world.deliver(world.put("v1.zip", b"newer"), other)
    world.minutes(SETTLE_MINUTES + 3)
    assert LINK in since(world, changed)
    assert [] == world.spool("asks/")


@pytest.mark.parametrize("call", range(1, 24))
def test_whatever_call_the_settling_dies_at_no_change_is_lost(call: int) -> None:
    """The refresh that makes up for what was missed is durable before its ask is deleted."""
    world = World(SITES)
    world.put("v1.zip")
    world.deliver(world.link("latest.zip", "v1.zip"))
    changed = world.clock.now()
    world.clock.advance(SETTLED_SECONDS + 1)
    seen = 0

    def die(_service: str, _request: Request) -> None:
        nonlocal seen
        seen += 1
        if seen == call:
            raise Died

    world.after = die
    with contextlib.suppress(Died):
        world.tick()
    world.after = lambda _service, _request: None
    world.minutes(SETTLE_MINUTES + 3)
    assert LINK in since(world, changed + SETTLED_SECONDS)
    assert [] == world.spool("asks/")


def test_an_index_that_another_holder_wrote_over_is_learned_again() -> None:
    """A link that is missing when its ask comes again is written anew, and only settled when all know it."""
    world = World(SITES)
    world.put("v1.zip")
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.stray("index/links", b'{"format":1,"buckets":{}}')
    world.minutes(3)
    assert {"v1.zip": ["latest.zip"]} == {
        target: list(keys) for target, keys in world.spooled("index/links")["buckets"]["content"].items()
    }
    assert 1 == len(world.spool("asks/"))
    moment = world.clock.now()
    world.minutes(SETTLE_MINUTES)
    assert ([LINK], []) == (since(world, moment), world.spool("asks/"))


# -- what fails --------------------------------------------------------------------------------------


def test_without_the_right_a_person_is_told_and_nothing_waits() -> None:
    """The alarm names the right and the bucket; the ask stays, and is answered once the right is there."""
    world = World(SITES)
    world.put("v1.zip")
    world.cloud.oss.answers.append(rule(Answer("AccessDenied"), buckets=["content"], params=["symlink"]))
    summary = world.deliver(world.link("latest.zip", "v1.zip"))
    assert (1, 1, 1) == (summary["accepted"], summary["links_put_off"], len(world.spool("asks/")))
    (line,) = [line for line in world.lines() if line["event"] == "alarm"]
    assert "oss:GetObject on the bucket 'content'" in line["remedy"]
    world.minutes(20)
    assert 1 == len(world.spool("asks/"))
    world.deliver(world.put("other.html"))
    world.cloud.oss.answers.clear()
    moment = world.clock.now()
    world.minutes(6 + SETTLE_MINUTES)
    assert ([LINK], []) == (since(world, moment), world.spool("asks/"))


def test_one_link_that_oss_does_not_tell_holds_back_no_other() -> None:
    """It is put off, behind all others."""
    world = World(SITES)
    world.put("v1.zip")
    world.cloud.oss.answers.append(rule(Answer("AccessDenied"), prefix="a.zip", params=["symlink"]))
    world.deliver(world.link("a.zip", "v1.zip"))
    world.deliver(world.link("latest.zip", "v1.zip"))
    assert {"latest.zip"} == set(world.spooled("index/links")["buckets"]["content"]["v1.zip"])


def test_an_event_is_not_acknowledged_while_the_index_cannot_be_read() -> None:
    """Nobody could tell whether a link leads there, so the platform delivers it again; what is known goes meanwhile."""
    world = world_with_link()
    world.cloud.oss.answers.append(rule(Answer("InternalError", 500), methods=["GET"], prefix="cdn-refresh/index/"))
    world.clock.advance(INDEX_KEPT_SECONDS)
    event = world.put("v1.zip", b"newer")
    moment = world.clock.now()
    with pytest.raises(StoreError):
        world.deliver(event)
    world.tick()
    assert [TARGET] == since(world, moment)
    world.cloud.oss.answers.clear()
    world.clock.advance(30)
    world.deliver(event)
    assert [LINK, TARGET] == since(world, moment)


def test_an_index_that_cannot_be_decoded_is_told_and_set_aside() -> None:
    """A receiver goes on without it and says so; the next holder sets it aside and begins anew."""
    world = world_with_link()
    world.stray("index/links", b"{")
    world.clock.advance(INDEX_KEPT_SECONDS)
    world.deliver(world.put("v1.zip", b"newer"))
    assert any("index of links cannot be read" in alarm for alarm in world.alarms())
    world.deliver(world.link("other.zip", "v1.zip"))
    assert {"other.zip"} == set(world.spooled("index/links")["buckets"]["content"]["v1.zip"])
    assert ["index/links"] == [piece["where"] for piece in world.pieces()]


def test_an_ask_that_cannot_be_decoded_is_set_aside_and_the_rest_goes() -> None:
    """Its bytes lie in dead/, and the others are answered."""
    world = World(SITES)
    world.put("v1.zip")
    world.stray("asks/0000000000000-odd", b"[]")
    world.deliver(world.link("latest.zip", "v1.zip"))
    assert ["asks/0000000000000-odd"] == [piece["where"] for piece in world.pieces()]
    assert {"latest.zip"} == set(world.spooled("index/links")["buckets"]["content"]["v1.zip"])


def test_time_that_is_up_leaves_the_rest_for_later() -> None:
    """Where OSS is slow some asks are answered, and none is forgotten."""
    world = World(SITES)
    world.put("v1.zip")
    world.cloud.oss.answers.append(rule(Answer("AccessDenied"), params=["symlink"]))
    for number in range(40):
        world.deliver(world.link(f"l{number}", "v1.zip"))
    world.cloud.oss.answers.clear()
    world.clock.advance(301)

    def slow(_service: str, request: Request) -> None:
        world.clock.advance(1.0 if "symlink" in request.query else 0.0)

    world.after = slow
    summary = world.tick()
    assert 16 == summary["links_asked"]
    world.minutes(3)
    assert 40 == len(world.spooled("index/links")["buckets"]["content"]["v1.zip"])


# -- what it costs -----------------------------------------------------------------------------------


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
