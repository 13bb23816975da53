"""The tasks of a call that failed in; the parts to try next out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from shared.core.task.model import Target, Task


def by_domain(tasks: Sequence[Task]) -> list[tuple[Task, ...]]:
    """Split tasks by accelerated domain, in order of first appearance."""
    parts: dict[str, list[Task]] = {}
    for task in tasks:
        parts.setdefault(task.domain, []).append(task)
    return [tuple(part) for part in parts.values()]


def by_target(tasks: Sequence[Task]) -> list[tuple[Task, ...]]:
    """Bring together the tasks that share a target, in order of first appearance."""
    parts: dict[Target, list[Task]] = {}
    for task in tasks:
        parts.setdefault(task.target, []).append(task)
    return [tuple(part) for part in parts.values()]


def in_parts(tasks: Sequence[Task], count: int) -> list[tuple[Task, ...]]:
    """Split tasks target by target into so many parts of nearly equal size, fewer where there are fewer targets."""
    targets = by_target(tasks)
    count = min(count, len(targets))
    cuts = [len(targets) * number // count for number in range(count + 1)]
    return [tuple(task for same in targets[start:end] for task in same) for start, end in itertools.pairwise(cuts)]


def first_targets(tasks: Sequence[Task], count: int) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """Split off the tasks of the first targets."""
    targets = by_target(tasks)
    return (
        tuple(task for same in targets[:count] for task in same),
        tuple(task for same in targets[count:] for task in same),
    )
