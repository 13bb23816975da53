"""Deliberately broken ways of following symlinks, to prove that the simulation would catch each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from scripts.simulation.instances import Changes
from scripts.simulation.wrong import Wrong
from shared.core.task.links import Ask, Links
from shared.flow.kit import Kit


class LooksIntoNoIndex(Wrong):
    """A change of a target is not taken for one of its links."""

    def known(self) -> Links:
        """Know of none."""
        return Links()


class KeepsItsIndex(Wrong):
    """An instance goes by the first index that it has read, for as long as it lives."""

    first: Links | None = None

    def known(self) -> Links:
        """Give the first one."""
        self.first = self.first or self.inner.known()
        return self.first


class AsksOnce(Wrong):
    """A link is not refreshed once more when all instances know of it."""

    def put(self, asks: Iterable[tuple[Ask, float]]) -> set[str]:
        """Write only asks that come for the first time."""
        found: set[str] = self.inner.put((ask, due) for ask, due in asks if not ask.again)
        return found


def with_links(wrong: Callable[[Any], Any]) -> Changes:
    """Replace how links are followed, where they are."""

    def change(kit: Kit) -> Kit:
        return kit if kit.links is None else replace(kit, links=wrong(kit.links))

    return Changes(kit=change)
