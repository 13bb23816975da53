"""This machine's clock in; the time that functions go by, and the time that requests are signed by, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

CLOCKS_AGREE_SECONDS = 60.0
"""The vendor's services take requests that are up to 15 minutes off."""


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


class SigningClock:
    """A clock that requests to one service are signed by: the machine's, until that service refuses it."""

    def __init__(self, own: Callable[[], float]) -> None:
        self._own = own
        self._ahead = 0.0

    def now(self) -> float:
        """Tell the time to sign with, in epoch seconds."""
        return self._own() + self._ahead

    def follow(self, headers: Mapping[str, str]) -> bool:
        """Go by the service's clock from now on; False where its reply does not tell it, or it agreed already."""
        moment = date_of(headers)
        if moment is None:
            return False
        agreed = abs(moment - self.now()) <= CLOCKS_AGREE_SECONDS
        self._ahead = moment - self._own()
        return not agreed


def date_of(headers: Mapping[str, str]) -> float | None:
    """Read the `Date` of a reply, in epoch seconds; None where there is none."""
    text = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
