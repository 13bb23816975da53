"""This machine's clock in, and OSS's: the time that functions go by, which no machine's own error can falsify."""

from __future__ import annotations

from collections.abc import Callable


class OssClock:
    """The machine's own clock, moved as little as OSS's `Date` headers demand.

    A reply's `Date` has whole seconds and was written between the request and the reply, so it leaves a range
    of possible errors; a clock within the range stays as it is. Instances agree to about a second after that.
    """

    def __init__(self, own: Callable[[], float]) -> None:
        self.own = own
        """The machine's clock, in epoch seconds."""
        self._ahead = 0.0

    def now(self) -> float:
        """Tell the time, in epoch seconds."""
        return self.own() + self._ahead

    def hear(self, date: float, sent: float, received: float) -> None:
        """Take in the `Date` of a reply; `sent` and `received` are by the machine's own clock."""
        self._ahead = min(max(self._ahead, date - received), date + 1 - sent)
