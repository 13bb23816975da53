"""Folders with changed URLs in; those out that are refreshed as directories, so that the rest fits the URL units.

A directory is one unit, and makes all below it revalidate: what had not changed is its collateral. Chosen are folders
that do not lie in one another, at most so many, which leave no more changed URLs than there are units for, at the least

    cost = collateral + price * directories

1. Coverage and directories get a price each (Lagrange): for given prices one pass from the leaves to the roots finds
   the best choice, and a lower bound of every cost. The prices are bisected; what comes near is mended (near.py).
2. Of few folders the cheapest choice is found: all choices that no other beats are kept, bottom-up, as far as the best
   bound leaves them a chance (exact.py).
3. Where no choice leaves little enough, the one that leaves least is made; its bound is its cost.

After Soldo, Argyraki and Markopoulou, Optimal source-based filtering of malicious traffic, 2012, which solves the same
problem for prefixes of addresses.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.cover.exact import exactly
from shared.core.cover.near import nearly
from shared.core.cover.search import Cover, Folder, Search, Tree

__all__ = ["EXACT_MAX", "Cover", "Folder", "cover"]

EXACT_MAX = 100
"""Of how many folders that may be taken the cheapest choice is found."""


def cover(folders: Sequence[Folder], url_units: int, directory_units: int, price: float) -> Cover:
    """Choose the folders to refresh as directories."""
    tree = Tree(folders, price)
    need = tree.total - max(0, url_units)
    if need <= 0:
        return Cover((), 0, 0, 0.0, 0.0)
    most = max(0, directory_units)
    search = Search(tree, need, most)
    chosen = nearly(search)
    if chosen is None:
        return search.told(search.roots(), bound=None)
    if search.bound < search.least and len(search.places) <= EXACT_MAX and (best := exactly(search)) is not None:
        return search.told(best, bound=None)
    return search.told(chosen, bound=search.bound)
