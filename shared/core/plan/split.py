"""A batch that was rejected in; the parts to try next out, until the one bad URL is found.

The search sends each half at most once: where the first half is accepted the bad URL is known to be in
the other, and where it is rejected the other half is laid aside and sent whole at the end. One bad URL
among 1,000 therefore costs ten calls to find and one for what was laid aside.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

from shared.core.task.model import Task

T = TypeVar("T")


def find_bad(items: Sequence[T]) -> Generator[Sequence[T], bool, tuple[T, list[T]]]:
    """Search a sequence known to hold something bad. Yields parts to try, is sent whether each was accepted.

    Returns the bad item, and what was laid aside: neither accepted nor known to be bad.
    """
    aside: list[T] = []
    while len(items) > 1:
        middle = len(items) // 2
        first, second = items[:middle], items[middle:]
        if (yield first):
            items = second
        else:
            items, aside = first, [*second, *aside]
    return items[0], aside


def by_domain(tasks: Sequence[Task]) -> list[list[Task]]:
    """Split tasks by accelerated domain, in order of first appearance."""
    parts: dict[str, list[Task]] = {}
    for task in tasks:
        parts.setdefault(task.domain, []).append(task)
    return list(parts.values())


def halves(tasks: Sequence[Task]) -> list[list[Task]]:
    """Split tasks of at least two URLs into two parts, URL by URL."""
    urls = by_url(tasks)
    middle = len(urls) // 2
    return [[task for same in part for task in same] for part in (urls[:middle], urls[middle:])]


def by_url(tasks: Sequence[Task]) -> list[list[Task]]:
    """Bring together the tasks that share a URL, in order of first appearance."""
    parts: dict[str, list[Task]] = {}
    for task in tasks:
        parts.setdefault(task.url, []).append(task)
    return list(parts.values())
