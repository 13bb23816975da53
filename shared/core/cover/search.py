"""Folders, units and a price in; what lies below each folder, and the best choice for given prices, out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

NONE = -1
"""The parent of a folder at the top."""


class Folder(msgspec.Struct, frozen=True):
    """A folder: how many changed URLs and how many other objects lie in it, not counting its sub-folders'.

    `parent` is the place of the folder around it, which comes before it; -1 at the top. Where `may` is False it can
    not be refreshed as a directory, since that is a whole domain.
    """

    parent: int
    changed: int
    other: int = 0
    may: bool = True


class Cover(msgspec.Struct, frozen=True):
    """The folders to refresh as directories, by place; the changed URLs and other objects below; cost, and its bound.

    No choice that fits costs less than `bound`. `fits` tells whether the URLs that are left fit their units.
    """

    chosen: tuple[int, ...]
    covered: int
    collateral: int
    cost: float
    bound: float
    fits: bool = True


class Tree:
    """Folders with what lies below each; places of folders that are of use come children first."""

    def __init__(self, folders: Sequence[Folder], price: float) -> None:
        self.price = price
        self.parents = [folder.parent for folder in folders]
        self.changed = [folder.changed for folder in folders]
        self.other = [folder.other for folder in folders]
        for place in range(len(folders) - 1, -1, -1):
            if self.parents[place] >= 0:
                self.changed[self.parents[place]] += self.changed[place]
                self.other[self.parents[place]] += self.other[place]
        self.total = sum(changed for changed, parent in zip(self.changed, self.parents, strict=True) if parent < 0)
        self.may = [folder.may and self.changed[place] > 0 for place, folder in enumerate(folders)]
        self._drop_equal()
        self.useful = [place for place in range(len(folders) - 1, -1, -1) if self.may[place]]

    def _drop_equal(self) -> None:
        """Of a folder and the only one below it with the same changes, the one with less beside them is enough.

        The inner one never has more; so the outer one is dropped.
        """
        for place, parent in enumerate(self.parents):
            if parent >= 0 and self.may[place] and self.changed[place] == self.changed[parent]:
                self.may[parent] = False

    def cost(self, place: int) -> float:
        """What it costs to take a folder."""
        return self.other[place] + self.price

    def around(self, place: int) -> int:
        """Find the next folder around one that may be taken; -1 where there is none."""
        place = self.parents[place]
        while place >= 0 and not self.may[place]:
            place = self.parents[place]
        return place


class Pass(NamedTuple):
    """The best choice for given prices, and how many changed URLs lie below it."""

    chosen: list[int]
    covered: int


class Search:
    """Folders that may be taken, parents first, the best choice so far, and the highest bound so far."""

    def __init__(self, tree: Tree, need: int, most: int) -> None:
        self.places = tree.useful[::-1]
        number = {place: at for at, place in enumerate(self.places)}
        self.parents = [number.get(tree.around(place), NONE) for place in self.places]
        self.covers = [tree.changed[place] for place in self.places]
        self.costs = [tree.cost(place) for place in self.places]
        self.tree, self.need, self.most = tree, need, most
        self.children: list[list[int]] = [[] for _ in self.places]
        for at, parent in enumerate(self.parents):
            if parent >= 0:
                self.children[parent].append(at)
        self.best: list[int] = []
        self.least = float("inf")
        self.bound, self.prices = 0.0, (0.0, 0.0)

    def sweep(self, url: float, directory: float) -> Pass:
        """Find the best choice where covering a changed URL is worth `url` and each directory costs so much more."""
        parents, covers, costs = self.parents, self.covers, self.costs
        below = [0.0] * len(parents)
        wanted = bytearray(len(parents))
        total = 0.0
        for at in range(len(parents) - 1, -1, -1):
            worth, own = below[at], url * covers[at] - costs[at] - directory
            if own > worth:
                wanted[at], worth = 1, own
            parent = parents[at]
            if parent >= 0:
                below[parent] += worth
            else:
                total += worth
        bound = url * self.need - directory * self.most - total
        if bound > self.bound:
            self.bound, self.prices = bound, (url, directory)
        chosen, covered, inside = [], 0, bytearray(len(parents))
        for at, parent in enumerate(parents):
            if parent >= 0 and inside[parent]:
                inside[at] = 1
            elif wanted[at]:
                inside[at] = 1
                chosen.append(at)
                covered += covers[at]
        return Pass(chosen, covered)

    def worth_outside(self) -> list[float]:
        """Tell for each folder what all beside it is worth at most, at the prices of the best bound."""
        url, directory = self.prices
        inner, worth = [0.0] * len(self.parents), [0.0] * len(self.parents)
        for at in range(len(self.parents) - 1, -1, -1):
            worth[at] = max(inner[at], url * self.covers[at] - self.costs[at] - directory)
            if self.parents[at] >= 0:
                inner[self.parents[at]] += worth[at]
        total = sum(each for each, parent in zip(worth, self.parents, strict=True) if parent < 0)
        outside: list[float] = []
        for at, parent in enumerate(self.parents):
            around = total if parent < 0 else outside[parent] + inner[parent]
            outside.append(around - worth[at])
        return outside

    def told(self, chosen: Iterable[int], *, bound: float | None) -> Cover:
        """Tell what a choice comes to; without a bound it is the best."""
        numbers, tree = tuple(chosen), self.tree
        places = tuple(sorted(self.places[at] for at in numbers))
        covered, collateral = sum(tree.changed[each] for each in places), sum(tree.other[each] for each in places)
        cost = collateral + tree.price * len(places)
        return Cover(places, covered, collateral, cost, cost if bound is None else bound, covered >= self.need)

    def offer(self, chosen: Sequence[int]) -> None:
        """Take a choice over if it fits, and is the cheapest so far."""
        cost = sum(self.costs[at] for at in chosen)
        if len(chosen) <= self.most and self.covered(chosen) >= self.need and cost < self.least:
            self.best, self.least = list(chosen), cost

    def covered(self, chosen: Iterable[int]) -> int:
        """Count the changed URLs below a choice."""
        return sum(self.covers[at] for at in chosen)

    def roots(self) -> list[int]:
        """List the outermost folders, those with the most changes first: nothing covers more with as many."""
        roots = [at for at, parent in enumerate(self.parents) if parent < 0]
        return sorted(roots, key=lambda at: (-self.covers[at], self.costs[at]))[: self.most]
