"""Leases that are taken and given back go in; how many were given while somebody else held the same, out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from scripts.simulation.instances import Changes
from shared.core.plan.books import Books
from shared.core.plan.lease import Taken
from shared.flow.kit import Kit


@dataclass
class Holders:
    """Counts the holders of one run. Who dies holds nothing any more."""

    beside: int = 0
    """How many became holders beside another."""
    now: Counter[str] = field(default_factory=Counter)

    def watch(self, changes: Changes) -> Changes:
        """Let every instance tell when it takes a lease and gives it back."""

        def watched(kit: Kit) -> Kit:
            own = changes.kit(kit)
            return replace(own, spool=WatchedSpool(own.spool, self))

        return replace(changes, kit=watched)


@dataclass
class WatchedSpool:
    """A spool that tells who holds its leases."""

    inner: Any
    holders: Holders

    def __getattr__(self, name: str) -> Any:
        """Leave all else as it is."""
        return getattr(self.inner, name)

    def take(self, work: str, owner: str) -> Taken | None:
        """Take a lease, and count: who looks at the spool while somebody else holds it, sees what is not done yet."""
        others = self.holders.now[work]
        taken: Taken | None = self.inner.take(work, owner)
        if taken is not None:
            self.holders.beside += max(others, self.holders.now[work]) > 0
            self.holders.now[work] += 1
        return taken

    def release(self, taken: Taken, books: Books) -> None:
        """Give it back: all that was done under it is done."""
        self.holders.now[taken.work] -= 1
        self.inner.release(taken, books)
