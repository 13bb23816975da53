"""The proof can fail: each deliberately broken variant of the product is caught, by the rule that is about it."""

from __future__ import annotations

import pytest

from scripts.simulation.broken import MUTANTS, EverybodyHolds, Mutant
from scripts.simulation.instances import Changes
from scripts.simulation.oracle import judge
from scripts.simulation.scenario import draw
from scripts.simulation.world import World

SEEDS_MAX = 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_broken_variant_is_caught(mutant: Mutant) -> None:
    """Within twenty seeds a rule that is about the fault breaks."""
    assert any(_broken(mutant, seed) & set(mutant.rules) for seed in range(mutant.seed, mutant.seed + SEEDS_MAX))


def test_without_a_lease_nothing_is_lost() -> None:
    """Rule 3: if everybody who asks gets the lease, units are spent twice, and nothing is lost or stale."""
    changes = Changes(spool=EverybodyHolds)
    runs = [World(draw(seed, 15, 0.0), changes=changes).run() for seed in range(1, 11)]
    rules = {broken.rule for book in runs for broken in judge(book)}
    assert rules.isdisjoint({"1 lost", "1 stale", "2 merging", "5 domains"})


def _broken(mutant: Mutant, seed: int) -> set[str]:
    world = World(draw(seed, 20, mutant.rate, mutant.only), changes=mutant.changes)
    return {broken.rule for broken in judge(world.run())}
