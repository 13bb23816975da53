"""The right to do some work, as objects in OSS whose numbers only grow: who writes the next number first has it.

Rules:

1. A lease is taken by writing NUMBER+1 where nothing is (put-if-absent), and valid for a stated time by OSS's clock.
2. Old numbers stay for a while, and one who was slow between the look and the write looks again: a number that was
   deleted meanwhile could otherwise be taken a second time, by a writer that slept across the deletion.
3. The holder's books go with the lease, in the object that gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class Leases:
    """The leases of one spool. Methods raise `StoreError`."""

    def __init__(self, bucket: Bucket, lease_seconds: float, time: OssClock) -> None:
        self._bucket, self._lease_seconds, self._time = bucket, lease_seconds, time
        self._own: dict[str, tuple[int, Books]] = {}

    def take(self, work: str, owner: str, survey: Callable[[Listing], Survey] | None = None) -> Taken | None:
        """Take a lease; None where somebody has it, or was quicker. With `survey` the look goes on to what waits."""
        asked, area = self._time.own(), _area(work)
        listing = self._bucket.list("", area) if survey else self._bucket.list(area)
        numbers = _numbers(listing.entries, area)
        newest = max((number for number, _, _ in numbers), default=0)
        if not self._is_free(numbers, newest, listing.date):
            return None
        number = newest + 1
        key, body = f"{area}{number:012d}-held", json_bytes({"owner": owner})
        if not self._bucket.put_new(key, body) and self._bucket.get(key) != body:
            return None  # if it is ours, the client wrote it twice, since the first reply was lost
        if self._time.own() - asked > SLOW_SECONDS and not self._is_newest(area, number):
            return None
        old = tuple(
            entry.key
            for each, _, entry in numbers
            if each <= newest - KEPT_NUMBERS and listing.date - entry.modified > KEPT_SECONDS
        )
        seen = survey(listing) if survey else Survey()
        return Taken(work, number, self._books(area, numbers), old, seen)

    def release(self, taken: Taken, books: Books) -> None:
        """Give a lease back, with the books for the next holder."""
        self._bucket.put(f"{_area(taken.work)}{taken.number:012d}-free", json_bytes(books))
        self._own[_area(taken.work)] = (taken.number, books)

    def books(self, work: str) -> Books:
        """Read the books that the last holder left."""
        area = _area(work)
        return self._books(area, _numbers(self._bucket.list(area).entries, area))

    def _is_free(self, numbers: Sequence[tuple[int, str, Entry]], newest: int, date: float) -> bool:
        now = [(state, entry.modified) for number, state, entry in numbers if number == newest]
        if any(state == "free" for state, _ in now):
            return True
        return all(date - modified > self._lease_seconds for _, modified in now)

    def _is_newest(self, area: str, number: int) -> bool:
        numbers = _numbers(self._bucket.list(area).entries, area)
        return max((each for each, _, _ in numbers), default=0) <= number

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
