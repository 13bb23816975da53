"""A clock goes in, and one comes out that is some seconds ahead of it: no two services agree to the second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from scripts.localcloud.cdn.service import CallRecord, CdnApi, Row
from scripts.localcloud.clock import Clock


class AheadClock(Clock):
    """Shows another time than `base`, and lets everything happen at the same moment."""

    def __init__(self, base: Clock, ahead: float) -> None:
        super().__init__(lambda: base.now() + ahead)
        self._base, self._ahead = base, ahead

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` once, when this clock shows `when`."""
        self._base.call_at(when - self._ahead, action)


def set_ahead(api: CdnApi, base: Clock, ahead: float) -> None:
    """Let the CDN have a clock of its own."""
    clock = AheadClock(base, ahead)
    api._clock = api._book._clock = clock  # noqa: SLF001 - the API is made with the clock of all
    api._gatekeeper._clock = clock  # noqa: SLF001 - the same


def rows_at(rows: Sequence[Row], ahead: float) -> Sequence[Row]:
    """Give rows by the clock of OSS, where they tell the CDN's."""
    if not ahead:
        return rows
    return [replace(row, accepted=row.accepted - ahead, finish=row.finish - ahead) for row in rows]


def calls_at(calls: Sequence[CallRecord], ahead: float) -> Sequence[CallRecord]:
    """Give calls by the clock of OSS, where they tell the CDN's."""
    return [replace(call, time=call.time - ahead) for call in calls] if ahead else calls
