"""Folders and what has to be covered in; a cheap choice out, by prices that are bisected, and mended.

A choice at some prices covers a little more than is needed, or a little less: the one is trimmed, the other filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.cover.search import Pass, Search

_HALVINGS_OF_URLS, _HALVINGS_OF_DIRECTORIES = 20, 12
_PRICE_MAX = 1e12
_FILLED_MAX = 50
"""How many folders a choice that covers too little is filled up with."""


def nearly(search: Search) -> list[int] | None:
    """Search for a cheap choice that fits; None where there is none."""
    widest = search.roots()
    if search.covered(widest) < search.need:
        return None
    search.offer(_trimmed(search, widest))
    low, high = 0.0, 0.0
    count = _try_at(search, high)
    while count > search.most and high < _PRICE_MAX:
        low, high = high, max(1.0, 2 * high)
        count = _try_at(search, high)
    for _ in range(_HALVINGS_OF_DIRECTORIES if high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if _try_at(search, middle) > search.most else (low, middle)
    return search.best


def _try_at(search: Search, directory: float) -> int:
    """Offer what is best at a price of directories; returns how many of them that takes."""
    above, beneath = _at_directory_price(search, directory)
    search.offer(above.chosen)
    search.offer(_trimmed(search, above.chosen))
    search.offer(_trimmed(search, _filled(search, beneath.chosen)))
    return len(above.chosen)


def _at_directory_price(search: Search, directory: float) -> tuple[Pass, Pass]:
    """Bisect what a covered URL is worth: give the choices just above and just beneath what is needed."""
    low, high = 0.0, 1.0
    above, beneath = search.sweep(high, directory), Pass([], 0)
    while above.covered < search.need and high < _PRICE_MAX:
        low, high, beneath = high, 2 * high, above
        above = search.sweep(high, directory)
    for _ in range(_HALVINGS_OF_URLS):
        middle = (low + high) / 2
        found = search.sweep(middle, directory)
        if found.covered >= search.need:
            high, above = middle, found
        else:
            low, beneath = middle, found
    return above, beneath


def _trimmed(search: Search, chosen: Sequence[int]) -> list[int]:
    """Drop folders that need not be taken, the dearest first, or take what lies in them instead."""
    slack = search.covered(chosen) - search.need
    if slack < 0:
        return list(chosen)
    kept: list[int] = []
    left, units = sorted(chosen, key=lambda at: search.costs[at]), len(chosen)
    while left:
        at = left.pop()
        parts = _parts(search, at, slack, search.most - units + 1)
        slack -= search.covers[at] - search.covered(parts)
        units += len(parts) - 1
        if parts == [at]:
            kept.append(at)
        else:
            left = sorted([*left, *parts], key=lambda at: search.costs[at])
    return kept


def _parts(search: Search, at: int, slack: int, units: int) -> list[int]:
    """Give what is cheaper than a folder and does as well: nothing, one of its sub-folders, or all; else itself."""
    if search.covers[at] <= slack:
        return []
    inner = search.children[at]
    one = [each for each in inner if search.covers[at] - search.covers[each] <= slack]
    best = [min(one, key=lambda each: search.costs[each])] if one else [at]
    if inner and len(inner) <= units and search.covers[at] - search.covered(inner) <= slack:
        best = min(best, inner, key=lambda some: sum(search.costs[each] for each in some))
    return best if sum(search.costs[each] for each in best) < search.costs[at] else [at]


def _filled(search: Search, chosen: Sequence[int]) -> list[int]:
    """Take more folders, or those around taken ones, by what each further URL costs, until enough is covered."""
    own = set(chosen)
    for _ in range(_FILLED_MAX):
        missing = search.need - search.covered(own)
        if missing <= 0:
            break
        step = _next_step(search, own, missing)
        if step is None:
            break
        own = {each for each in own if not _lies_in(search, each, step)} | {step}
    return sorted(own)


def _next_step(search: Search, own: set[int], missing: int) -> int | None:
    """Choose the folder whose taking costs least: in all where it is enough by itself, else for each URL."""
    covers, costs, units = [0] * len(search.places), [0.0] * len(search.places), [0] * len(search.places)
    inside = bytearray(len(search.places))
    for at, parent in enumerate(search.parents):
        inside[at] = at in own or (parent >= 0 and inside[parent])
    for at in range(len(search.places) - 1, -1, -1):
        if at in own:
            covers[at], costs[at], units[at] = search.covers[at], search.costs[at], 1
        parent = search.parents[at]
        if parent >= 0:
            covers[parent] += covers[at]
            costs[parent] += costs[at]
            units[parent] += units[at]
    best, least = None, (True, float("inf"))
    for at in range(len(search.places)):
        more = search.covers[at] - covers[at]
        if inside[at] or more <= 0 or len(own) - units[at] + 1 > search.most:
            continue
        cost = search.costs[at] - costs[at]
        rank = (False, cost) if more >= missing else (True, cost / more)
        if best is None or rank < least:
            best, least = at, rank
    return best


def _lies_in(search: Search, at: int, outer: int) -> bool:
    while at >= 0 and at != outer:
        at = search.parents[at]
    return at == outer
