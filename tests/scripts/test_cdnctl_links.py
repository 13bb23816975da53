"""What operators see of links, and how links that were there before are learned."""

from __future__ import annotations

import base64
import json

import pytest
from click.testing import CliRunner, Result

from scripts.localcloud.answers import Answer
from scripts.localcloud.oss.answers import rule
from scripts.operators.cli import cli
from shared.core.task.model import digest, json_bytes
from shared.core.task.stored import Piece, grave_key
from shared.flow.links import WORK
from tests.flow.linked import LINK, SETTLE_MINUTES, SITES, TARGET, since, world_with_link
from tests.flow.world import World
from tests.scripts.test_cdnctl import desk


def cdnctl(world: World, *arguments: str, sites: str | None = None) -> Result:
    """Run the program on a world, in an operator's process of its own."""
    instance = desk(world, sites)
    return CliRunner().invoke(cli, [*arguments], obj=lambda _environ, _local: instance, prog_name="cdnctl")


def with_links_from_before(sites: str = SITES) -> World:
    """A world with links that no event told of."""
    world = World(sites)
    for number in range(3):
        world.put(f"app/v{number}.zip")
        world.link(f"app/latest{number}.zip", f"app/v{number}.zip")
    world.link("other.zip", "app/v0.zip")
    return world


def test_links_from_before_are_learned_and_refreshed_once() -> None:
    """From then on a change of a target reaches its link; what was missed until then is made up for."""
    world = with_links_from_before()
    assert "4 links lead to 3 objects; 4 are new or have changed\n" == cdnctl(world, "links", "scan").output
    moment = world.clock.now()
    world.minutes(SETTLE_MINUTES)
    assert [
        f"https://static.example.com/{key}.zip" for key in ("app/latest0", "app/latest1", "app/latest2", "other")
    ] == (since(world, moment))
    moment = world.clock.now()
    world.deliver(world.put("app/v0.zip", b"newer"))
    assert 3 == len(since(world, moment))
    assert "4 links lead to 3 objects; 0 are new or have changed\n" == cdnctl(world, "links", "scan").output
    assert [] == world.spool("asks/")


def test_a_scan_may_leave_new_links_as_they_are() -> None:
    """Where no target has changed lately nothing is spent."""
    world = with_links_from_before()
    assert 0 == cdnctl(world, "links", "scan", "--no-refresh").exit_code
    assert ([], {"content"}) == (world.spool("asks/"), set(world.spooled("index/links")["buckets"]))


def test_a_scan_keeps_to_a_prefix() -> None:
    """What lies outside is neither learned nor forgotten."""
    world = with_links_from_before()
    assert "1 links lead to 1 objects; 1 are new or have changed\n" == (
        cdnctl(world, "links", "scan", "--prefix", "other").output
    )
    for number in range(3):
        world.remove(f"app/latest{number}.zip")
    assert "0 links lead" in cdnctl(world, "links", "scan", "--prefix", "app/", "--bucket", "content").output
    assert "content/other.zip -> app/v0.zip\n" == cdnctl(world, "links", "list").output


def test_a_scan_forgets_links_that_are_gone_and_follows_those_put_anew() -> None:
    """Of which no event came."""
    world = world_with_link()
    world.link("second.zip", "v1.zip")
    assert "2 links lead to 1 objects; 1 are new or have changed\n" == cdnctl(world, "links", "scan").output
    world.minutes(SETTLE_MINUTES)
    world.remove("latest.zip")
    world.link("second.zip", "v2.zip")
    assert "1 links lead to 1 objects; 1 are new or have changed\n" == cdnctl(world, "links", "scan").output
    assert "content/second.zip -> v2.zip\n" == cdnctl(world, "links", "list").output


def test_sites_that_lie_inside_one_another_are_looked_through_once() -> None:
    """And only those that follow links."""
    sites = (
        SITES
        + """
  - {bucket: content, prefix: app/, domains: [app.example.com], follow_links: true}
  - {bucket: elsewhere, domains: [elsewhere.example.com]}
"""
    )
    world = with_links_from_before(sites)
    assert "4 links lead to 3 objects; 4 are new or have changed\n" == cdnctl(world, "links", "scan").output


def test_an_index_that_is_lost_is_made_anew() -> None:
    """And all of its links are refreshed, since nobody knows what was missed."""
    world = world_with_link()
    world.stray("index/links", b"{")
    assert "1 links lead to 1 objects; 1 are new or have changed\n" in cdnctl(world, "links", "scan").output
    moment = world.clock.now()
    world.minutes(SETTLE_MINUTES)
    assert [LINK] == since(world, moment)


def test_the_list_has_a_form_for_programs() -> None:
    """One JSON object a line."""
    world = world_with_link()
    (line,) = cdnctl(world, "links", "list", "--json").output.splitlines()
    found = json.loads(line)
    assert ("content", "latest.zip", "v1.zip") == (found["bucket"], found["key"], found["target"])
    assert "no link is known" in cdnctl(World(SITES), "links", "list").output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bucket", "elsewhere"], "no site with `follow_links` has the bucket elsewhere"),
        (["--prefix", "nothing/"], "no site with `follow_links` has keys that begin with nothing/"),
    ],
)
def test_a_scan_of_nothing_says_so(arguments: list[str], sentence: str) -> None:
    """One sentence and status 1."""
    world = World(SITES.replace("follow_links", "prefix: app/\n    follow_links"))
    found = cdnctl(world, "links", "scan", *arguments)
    assert (1, f"cdnctl: {sentence}\n") == (found.exit_code, found.output)


def test_without_a_site_that_follows_links_nothing_is_done() -> None:
    """The sentence says what to write."""
    found = cdnctl(World(), "links", "scan")
    assert (1, True) == (found.exit_code, "`follow_links: true`" in found.output)


@pytest.mark.parametrize("params", [["symlink"], ["list-type"]])
def test_a_scan_without_rights_names_them(params: list[str]) -> None:
    """And the bucket, and writes nothing."""
    world = with_links_from_before()
    world.cloud.oss.answers.append(rule(Answer("AccessDenied"), buckets=["content"], params=params))
    found = cdnctl(world, "links", "scan")
    assert (1, True) == (found.exit_code, "needs oss:ListObjects and oss:GetObject" in found.output)
    assert [] == world.spool("index/")


def test_a_scan_waits_for_the_lease_and_gives_up_in_the_end() -> None:
    """The functions write the index meanwhile."""
    world = with_links_from_before()
    spool = world.instance.spool
    world.instance.keys.use(desk(world).keys.current)
    held = spool.take(WORK, "somebody")
    assert held is not None
    found = cdnctl(world, "links", "scan")
    assert (1, True) == (found.exit_code, "try again in some minutes" in found.output)
    spool.release(held, held.books)
    assert 0 == cdnctl(world, "links", "scan").exit_code


def test_an_event_in_dead_asks_and_reaches_links_when_it_goes_again() -> None:
    """As it would have when it came."""
    world = world_with_link()
    events = (world.link("second.zip", "v1.zip"), world.put("v1.zip", b"newer"))
    bodies = [base64.b64encode(json.dumps(event).encode()).decode() for event in events]
    pieces = [Piece(digest(body), world.clock.now(), "was not read", body) for body in bodies]
    world.stray(f"dead/{grave_key(pieces)}.json", json_bytes({"format": 1, "pieces": pieces}))
    moment = world.clock.now()
    found = cdnctl(world, "dead", "requeue", "--all", "--now")
    assert 0 == found.exit_code, found.output
    assert {LINK, TARGET} < set(since(world, moment))
    world.minutes(1)
    assert {"latest.zip", "second.zip"} == set(world.spooled("index/links")["buckets"]["content"]["v1.zip"])


def test_an_ask_that_was_set_aside_can_be_put_back() -> None:
    """Where this version reads it."""
    world = World(SITES)
    world.put("v1.zip")
    world.cloud.oss.answers.append(rule(Answer("AccessDenied"), params=["symlink"]))
    world.deliver(world.link("latest.zip", "v1.zip"))
    world.cloud.oss.answers.clear()
    (key,) = world.spool("asks/")
    body = json.dumps(world.spooled(key)).encode()
    world.stray(key, b"[]")
    world.clock.advance(301)
    world.tick()
    (piece,) = world.pieces()
    assert key == piece["where"]
    piece["event"] = base64.b64encode(body).decode()
    (grave,) = world.spool("dead/")
    world.stray(grave, json.dumps({"format": 1, "pieces": [piece]}).encode())
    assert 0 == cdnctl(world, "dead", "requeue", "--all").exit_code
    world.minutes(1)
    assert {"latest.zip"} == set(world.spooled("index/links")["buckets"]["content"]["v1.zip"])
