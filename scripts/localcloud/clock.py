"""Time for the local cloud: what is due when, in real time for people or virtual for tests."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable


class Clock:
    """Epoch seconds, and callbacks that fall due. In real time somebody calls `run_due` often."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._source()

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` once, at `when` (epoch seconds) or as soon after it as possible."""
        heapq.heappush(self._due, (when, next(self._order), action))

    def next_due(self) -> float | None:
        """When the earliest callback falls due, or None."""
        return self._due[0][0] if self._due else None

    def run_due(self) -> int:
        """Run every callback that is due by now, in order of time; return how many ran."""
        ran = 0
        while self._due and self._due[0][0] <= self.now():
            _, _, action = heapq.heappop(self._due)
            action()
            ran += 1
        return ran


class ShiftedClock(Clock):
    """The clock of a service that is `ahead_seconds` ahead of another clock, or behind it if negative.

    What is to be done at a time by it is done by the other clock, when this one shows that time.
    """

    def __init__(self, clock: Clock, ahead_seconds: float = 0.0) -> None:
        super().__init__(lambda: clock.now() + self.ahead_seconds)
        self.ahead_seconds = ahead_seconds
        self._clock = clock

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` once, when this clock shows `when`, by how far it is ahead now."""
        self._clock.call_at(when - self.ahead_seconds, action)

    def next_due(self) -> float | None:
        """When the earliest callback of the other clock falls due by this one, or None."""
        due = self._clock.next_due()
        return None if due is None else due + self.ahead_seconds

    def run_due(self) -> int:
        """Run what is due by the other clock."""
        return self._clock.run_due()


class VirtualClock(Clock):
    """A clock that moves only when told to, running each callback at its own time."""

    def __init__(self, start: float) -> None:
        self._now = start
        super().__init__(lambda: self._now)

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds`, stopping at each callback on the way."""
        self.advance_to(self._now + seconds)

    def advance_to(self, when: float) -> None:
        """Move time on to `when`, stopping at each callback on the way; never moves back."""
        while (due := self.next_due()) is not None and due <= when:
            self._now = max(self._now, due)
            self.run_due()
        self._now = max(self._now, when)
