"""Symlinks in a simulated bucket: who puts them when goes out, and which of them lead to an object that was written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

from scripts.simulation.actions import Action

if TYPE_CHECKING:
    from scripts.simulation.book import Write

FOLDER = "www/links/"
"""Where links lie; no rule of a drawn site is about it alone."""


def draw_links(rng: Random, actions: Sequence[Action], start: float, seconds: float) -> list[Action]:
    """Let people put links to objects that change, lead them elsewhere, write over them, remove them, and look."""
    written = sorted({action.key for action in actions if action.what in {"put", "remove"}})
    if not written:
        return []
    busy = [key for key in written if sum(action.key == key for action in actions) > 1] or written
    found = []
    for number in range(rng.randint(1, 3)):
        key = f"{FOLDER}{number}.html"
        for _ in range(rng.randint(1, 4)):
            what = rng.choice(("link", "link", "link", "put", "remove"))
            target = rng.choice(busy) if rng.random() < 0.9 else f"{FOLDER}0.html"
            moment = start + rng.uniform(0, seconds)
            found.append(Action(moment, what, key, target=target if what == "link" and target != key else ""))
        looks = [start + rng.uniform(0, seconds) for _ in range(4)]
        found += [Action(look, "read", key, rng.randint(1, 2), rng.randint(0, 7)) for look in looks]
    return [each for each in found if each.what != "link" or each.target]


def links_to(writes: Iterable[Write]) -> list[list[str]]:
    """List, for each of these writes in their order, the links that led to its object when it was made."""
    targets: dict[str, str] = {}
    found = []
    for write in writes:
        found.append(sorted(key for key, target in targets.items() if target == write.key and key != write.key))
        targets.pop(write.key, None)
        if write.target:
            targets[write.key] = write.target
    return found
