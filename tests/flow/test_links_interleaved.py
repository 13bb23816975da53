"""Whenever a target changes, and wherever an invocation dies, its link is refreshed after the change."""

from __future__ import annotations

import contextlib

import pytest

from scripts.localcloud.web import Request
from shared.core.site.links import INDEX_KEPT_SECONDS, SETTLED_SECONDS
from tests.flow.linked import LINK, SETTLE_MINUTES, SITES, TARGET, since
from tests.flow.world import World


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
