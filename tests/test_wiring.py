"""An instance before its first event: a deployment that cannot work fails there, with a sentence."""

from __future__ import annotations

import pytest

from shared.core.checked import Invalid
from tests.flow.world import Context, World


def context(world: World, timeout: int = 60) -> Context:
    """A context whose function has a time limit."""
    found = world.context()
    found.function.timeout = timeout
    return found


def test_a_deployment_in_order_passes() -> None:
    """The spool can be listed, and a lease outlasts an invocation."""
    world = World()
    world.instance.check(context(world))


def test_a_lease_shorter_than_an_invocation_is_warned_of() -> None:
    """Nothing is lost by it, but two would drain at once now and then, and spend units twice."""
    world = World(env={"LEASE_SECONDS": "90"})
    world.instance.check(context(world, timeout=60))
    assert [] == world.lines()
    world.instance.check(context(world, timeout=120))
    (line,) = world.lines()
    assert ("warning", 90, 120) == (line["level"], line["lease_seconds"], line["timeout_seconds"])


def test_a_spool_that_does_not_exist_is_named() -> None:
    """The sentence names the setting, the bucket and what to do."""
    world = World(env={"SPOOL_BUCKET": "nowhere"})
    with pytest.raises(Invalid, match=r"SPOOL_BUCKET 'nowhere' at .* does not exist; create it or name another"):
        world.instance.check(context(world))
