"""Folders and what has to be covered in; the cheapest choice out, where not too many have to be kept on the way."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from shared.core.cover.search import NONE, Search

_PAIRS_MAX = 400_000
"""How many choices are put together at most for one folder."""
_ROUNDING = 1e-6


class _Choice(NamedTuple):
    """One way to cover what lies below a folder; `parts` are choices it is made of, or the place that is taken."""

    units: int
    covered: int
    cost: float
    parts: tuple[_Choice, _Choice] | int


_NOTHING = _Choice(0, 0, 0.0, NONE)


def exactly(search: Search) -> list[int] | None:
    """Find the cheapest choice that fits, where one is known; None where too many have to be kept.

    A choice about a part of the tree is kept only if the prices of the best bound leave it a chance.
    """
    url, directory = search.prices
    outside = search.worth_outside()
    top = len(search.parents)
    below: dict[int, list[_Choice]] = {}
    for at in range(top - 1, -1, -1):
        own = _Choice(1, min(search.need, search.covers[at]), search.costs[at], at)
        spare = search.least - url * search.need + directory * search.most + outside[at] + _ROUNDING
        front = [
            each
            for each in _front([*below.pop(at, [_NOTHING]), own])
            if each.cost - url * each.covered + directory * each.units <= spare
        ]
        parent = search.parents[at]
        around = below.get(parent)
        if around is not None and len(front) * len(around) > _PAIRS_MAX:
            return None
        below[parent] = front if around is None else _front(_pairs(around, front, search))
    enough = [each for each in below[NONE] if each.covered >= search.need]
    return list(_places(min(enough, key=lambda each: (each.cost, each.units)))) if enough else None


def _pairs(ones: Sequence[_Choice], others: Sequence[_Choice], search: Search) -> Iterator[_Choice]:
    """Put together choices about folders that lie beside one another; to cover more than is needed is worth nothing."""
    for one in ones:
        for other in others:
            units, cost = one.units + other.units, one.cost + other.cost
            if units <= search.most and cost <= search.least:
                yield _Choice(units, min(search.need, one.covered + other.covered), cost, (one, other))


def _front(choices: Iterable[_Choice]) -> list[_Choice]:
    """Leave out choices that another beats: no more directories, no less covered, no more cost."""
    kept: list[_Choice] = []
    costs: list[float] = []
    covers: list[int] = []
    for each in sorted(choices, key=lambda each: (each.units, each.cost, -each.covered)):
        end = bisect_right(costs, each.cost)
        if end and covers[end - 1] >= each.covered:
            continue
        kept.append(each)
        after = end
        while after < len(covers) and covers[after] <= each.covered:
            after += 1
        costs[end:after], covers[end:after] = [each.cost], [each.covered]
    return kept


def _places(choice: _Choice) -> Iterator[int]:
    """List the folders of a choice."""
    left = [choice]
    while left:
        parts = left.pop().parts
        if isinstance(parts, tuple):
            left += parts
        elif parts != NONE:
            yield parts
