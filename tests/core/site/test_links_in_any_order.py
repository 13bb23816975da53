"""Whatever happens to links and their targets in whatever order, no change leaves a link stale.

Instances read the index when they like and go by it for its time; holders of the lease may write over each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.site.links import INDEX_KEPT_SECONDS, SETTLED_SECONDS, ask_of, learn, newest
from shared.core.task.links import Ask, Links
from tests.core.site.test_links import NOTHING, SITES, change
from tests.strategies import NOW


@settings(max_examples=300)
@given(st.data())
def test_every_change_of_a_target_is_followed_by_a_refresh_of_its_link(data: st.DataObject) -> None:
    """Instances read, links are put, targets change, answers are learned, at any time, and by two holders at once."""
    story = _Story(data.draw)
    for _ in range(data.draw(st.integers(1, 25))):
        story.step()
    story.come_to_rest()
    assert story.stale == set()


class _Story:
    """One bucket with two targets and two links; `stale` names links whose target changed since their last refresh."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.now = NOW
        self.oss: dict[str, str] = {}
        self.index = NOTHING
        self.asks: list[tuple[Ask, float]] = []
        self.caches: list[tuple[Links, float]] = [(NOTHING, NOW), (NOTHING, NOW)]
        self.stale: set[str] = set()
        self.events = 0

    def step(self) -> None:
        draw = self.draw
        self.now += draw(st.sampled_from([0.0, 1.0, 20.0, 59.0, 61.0, 119.0, 121.0]))
        draw(st.sampled_from([self.link, self.unlink, self.change, self.read, self.learn]))()

    def link(self) -> None:
        """Somebody puts a link; its own event refreshes it and leaves an ask."""
        key, target = self._key(), self.draw(st.sampled_from(["v1", "v2"]))
        self.oss[key] = target
        self._told(key, "ObjectCreated:PutSymlink")

    def unlink(self) -> None:
        key = self._key()
        self.oss.pop(key, None)
        self._told(key, "ObjectRemoved:DeleteObject")

    def change(self) -> None:
        """A target changes, and an instance judges that by its index."""
        target = self.draw(st.sampled_from(["v1", "v2"]))
        self.stale |= {key for key, leads_to in self.oss.items() if leads_to == target}
        self.stale -= set(self._index().to("content", target))

    def read(self) -> None:
        """An instance reads the index."""
        self._index()

    def learn(self) -> None:
        """The holder asks; maybe another one, who has read the same index, writes over what the first has written."""
        before = self.index
        chosen = [each for each in self.asks if each[1] <= self.now]
        both = self.draw(st.booleans()) and len(chosen) > 1
        half = len(chosen) // 2
        for part in (chosen[:half], chosen[half:]) if both else (chosen,):
            by_place = newest(ask for ask, _ in part)
            learned = learn(before, [(ask, self.oss.get(ask.key)) for ask in by_place.values()], self.now)
            self.asks = [each for each in self.asks if each not in part]
            self.asks += [(msgspec.structs.replace(ask, again=True), due) for ask, due in learned.again]
            self.index = learned.links
            self.stale -= {ask.key for ask in learned.fresh}

    def come_to_rest(self) -> None:
        """Time passes, and the holder goes on."""
        for _ in range(8):
            self.now += SETTLED_SECONDS + 1
            by_place = newest(ask for ask, due in self.asks if due <= self.now)
            learned = learn(self.index, [(ask, self.oss.get(ask.key)) for ask in by_place.values()], self.now)
            self.asks = [(msgspec.structs.replace(ask, again=True), due) for ask, due in learned.again]
            self.index = learned.links
            self.stale -= {ask.key for ask in learned.fresh}
        assert self.asks == []
        assert self.oss == {link.key: link.target for link in self.index.by_place.values()}

    def _key(self) -> str:
        return str(self.draw(st.sampled_from(["app/a", "app/b"])))

    def _told(self, key: str, name: str) -> None:
        """An instance judges an event of a link: the link itself is refreshed, and an ask is left."""
        self.events += 1
        told = msgspec.structs.replace(change(key, name), id=f"event-{self.events}", time=self.now)
        ask = ask_of(told, SITES, self._index())
        self.stale.discard(key)
        if ask:
            self.asks.append((ask, self.now))

    def _index(self) -> Links:
        """What one of the instances goes by."""
        number = int(self.draw(st.integers(0, 1)))
        _, read_at = self.caches[number]
        if self.now - read_at >= INDEX_KEPT_SECONDS:
            self.caches[number] = (self.index, self.now)
        return self.caches[number][0]
