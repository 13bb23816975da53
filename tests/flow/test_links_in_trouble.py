"""What keeps OSS from telling where links lead, or the index from being read, loses nothing and is told."""

from __future__ import annotations

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.oss.answers import rule
from scripts.localcloud.web import Request
from shared.core.errors import StoreError
from shared.core.site.links import INDEX_KEPT_SECONDS
from tests.flow.linked import LINK, SETTLE_MINUTES, SITES, TARGET, since, world_with_link
from tests.flow.world import World


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
    status = world.spooled("report/status.json")
    assert (1, []) == (status["links"]["count"], status["alarms"])
    assert status["links"]["oldest"] > world.clock.now()
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
