"""The right to do some work, as objects in OSS whose numbers only grow: who writes the next number first has it.

Rules:

1. A lease is taken by writing NUMBER+1 where nothing is (put-if-absent), and valid for a stated time by OSS's clock.
2. Old numbers stay for a while, and one who was slow between the look and the write looks again: a number that was
   deleted meanwhile could otherwise be taken a second time, by a writer that slept across the deletion.
3. A listing begins with the oldest numbers, so it is read to the end of its area: only there is the newest.
4. Old numbers are deleted along with something else; many that are left, by whoever gives the lease back. So there
   are never many for long, whatever the holders do.
5. The holder's books go with the lease, in the object that gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from shared.cloud.clock import OssClock
from shared.cloud.spool.bucket import Bucket, Entry, Listing
from shared.core.plan.books import Books
from shared.core.plan.lease import Taken
from shared.core.task.codec import Undecodable, decoded
from shared.core.task.model import json_bytes
from shared.core.task.stored import Survey

KEPT_SECONDS = 90.0
"""How long old numbers stay at least."""
SLOW_SECONDS = 20.0
"""One who took longer from the look to the answer of the write looks again; much less than `KEPT_SECONDS`."""
KEPT_NUMBERS = 5
OLD_LEFT_MAX = 100
"""More old objects than these are deleted when the lease is given back, in a call of their own."""
PAGES_MAX = 10
"""How many listings one look makes. That many leases in `KEPT_SECONDS` are 50 a second; what is older is deleted."""


class _Look(msgspec.Struct, frozen=True):
    """What lies in the area of a lease, and the last listing of it; `is_whole` tells whether it was read to its end."""

    numbers: list[tuple[int, str, Entry]]
    listing: Listing
    is_whole: bool

    @property
    def newest(self) -> int:
        return max((number for number, _, _ in self.numbers), default=0)

    @property
    def old(self) -> tuple[str, ...]:
        """What may be deleted: nobody who looked before it was written can still be about to write."""
        date, last = self.listing.date, self.newest - KEPT_NUMBERS
        old = (each for number, _, each in self.numbers if number <= last and date - each.modified > KEPT_SECONDS)
        return tuple(each.key for each in old)


class Leases:
    """The leases of one spool. Methods raise `StoreError`."""

    def __init__(self, bucket: Bucket, lease_seconds: float, time: OssClock) -> None:
        self._bucket, self._lease_seconds, self._time = bucket, lease_seconds, time
        self._own: dict[str, tuple[int, Books]] = {}
        self._old: dict[str, set[str]] = {}

    def take(self, work: str, owner: str, survey: Callable[[Listing], Survey] | None = None) -> Taken | None:
        """Take a lease; None where somebody has it, or was quicker. With `survey` the look goes on to what waits."""
        asked, area = self._time.own(), _area(work)
        look = self._look(area, goes_on=survey is not None)
        if not look.is_whole:
            self._bucket.delete(look.old)  # so that the next look gets further
            return None
        if not self._is_free(look.numbers, look.newest, look.listing.date):
            return None
        number = look.newest + 1
        key, body = f"{area}{number:012d}-held", json_bytes({"owner": owner})
        if not self._bucket.put_new(key, body) and self._bucket.get(key) != body:
            return None  # if it is ours, the client wrote it twice, since the first reply was lost
        if self._time.own() - asked > SLOW_SECONDS and not self._is_newest(area, key):
            return None
        self._old[area] = set(look.old)
        seen = survey(look.listing) if survey else Survey()
        return Taken(work, number, self._books(area, look.numbers), look.old, seen)

    def release(self, taken: Taken, books: Books) -> None:
        """Give a lease back, with the books for the next holder; many old numbers that nobody has deleted go now."""
        area = _area(taken.work)
        self._bucket.put(f"{area}{taken.number:012d}-free", json_bytes(books))
        self._own[area] = (taken.number, books)
        left = self._old.pop(area, set())
        if len(left) > OLD_LEFT_MAX:
            self._bucket.delete(sorted(left))

    def deleted(self, keys: Iterable[str]) -> None:
        """Take note of old numbers that were deleted."""
        gone = set(keys)
        for left in self._old.values():
            left.difference_update(gone)

    def books(self, work: str) -> Books:
        """Read the books that the last holder left."""
        area = _area(work)
        return self._books(area, self._look(area).numbers)

    def _look(self, area: str, *, goes_on: bool = False) -> _Look:
        """List what lies in an area, to its end; where it `goes_on`, the last listing shows what follows the area."""
        prefix, after = ("", area) if goes_on else (area, "")
        numbers: list[tuple[int, str, Entry]] = []
        for _ in range(PAGES_MAX):
            listing = self._bucket.list(prefix, after)
            numbers += _numbers(listing.entries, area)
            after = listing.last
            if not listing.more or not after.startswith(area):
                return _Look(numbers, listing, is_whole=True)
        return _Look(numbers, listing, is_whole=False)

    def _is_free(self, numbers: Sequence[tuple[int, str, Entry]], newest: int, date: float) -> bool:
        now = [(state, entry.modified) for number, state, entry in numbers if number == newest]
        if any(state == "free" for state, _ in now):
            return True
        return all(date - modified > self._lease_seconds for _, modified in now)

    def _is_newest(self, area: str, key: str) -> bool:
        return not _numbers(self._bucket.list(area, key).entries, area)

    def _books(self, area: str, numbers: Sequence[tuple[int, str, Entry]]) -> Books:
        """Read the books of the last lease that was given back; this instance remembers its own."""
        last = max((number for number, state, _ in numbers if state == "free"), default=0)
        number, books = self._own.get(area, (0, Books()))
        if not last or number == last:
            return books if last else Books()
        body = self._bucket.get(f"{area}{last:012d}-free")
        try:
            return decoded(body, Books) if body else Books()
        except Undecodable:
            return Books()  # what the account has left is read again, and what is in trouble is met again


def _area(work: str) -> str:
    return f"lease/{work}/"


def _numbers(entries: Sequence[Entry], area: str) -> list[tuple[int, str, Entry]]:
    """The numbers and states of leases; other objects are none."""
    found = []
    for entry in entries:
        number, _, state = entry.key.removeprefix(area).partition("-")
        if entry.key.startswith(area) and number.isdecimal() and state in {"held", "free"}:
            found.append((int(number), state, entry))
    return found
