"""The spool in; what lies in `dead/` out, found by age or by id, some objects at a time.

An object may hold many pieces, and its key does not tell their ids; so an id is looked for in the objects, from the
newest on, and only a whole id of something that lies alone is found by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone

import msgspec

from scripts.operators.faults import Fault
from shared.cloud.spool.spool import Spool
from shared.core.task.model import digest
from shared.core.task.stored import Grave, Piece

GRAVES_PER_READ = 40
PIECES_PER_READ = 5_000
"""How much is read at a time: of five thousand pieces that is some 5 MB."""
PAGES_MAX = 500
"""How many listings of a thousand objects one command makes at most."""
DAYS_BACK = (0, 1, 7, 30)
"""From how many days ago on the newest are looked for, before all is listed."""
MANY_GRAVES = 2_000
"""So many objects take a while to read, and a person is told."""

Opened = Mapping[str, tuple[Piece, ...]]
"""What lies in some objects, by their keys."""


class Dead(msgspec.Struct, frozen=True):
    """A piece, and the day it was given up by its object's key."""

    day: str
    piece: Piece


def newest(spool: Spool, since: str, most: int, now: float) -> tuple[list[Dead], bool]:
    """Find the newest pieces from a day on, at most so many, and whether there are more."""
    graves, is_all = _newest_graves(spool, since, most, now)
    found: dict[tuple[str, str], Dead] = {}
    read = _first(graves, most)
    for grave, pieces in _opened(spool, read):
        found.update(((grave.day, piece.id), Dead(grave.day, piece)) for piece in pieces)
    return list(found.values())[:most], len(found) > most or not is_all or len(read) < len(graves)


def _newest_graves(spool: Spool, since: str, most: int, now: float) -> tuple[list[Grave], bool]:
    """List the newest objects, the newest first, and whether these are all: days go back until there are enough."""
    today = datetime.fromtimestamp(now, timezone.utc)
    days = [f"{today - timedelta(days=back):%Y-%m-%d}" for back in DAYS_BACK]
    for day in (*(day for day in days if day > since), since):
        graves, more = spool.dead(day, pages_max=PAGES_MAX)
        if day == since or sum(grave.count for grave in graves) > most:
            return graves[::-1], day == since and not more
    raise AssertionError("unreachable: the last day is `since`")


def _first(graves: Sequence[Grave], most: int) -> list[Grave]:
    """Take as many objects as hold one piece more than `most`."""
    taken: list[Grave] = []
    left = most
    for grave in graves:
        if left < 0:
            break
        taken.append(grave)
        left -= grave.count
    return taken


def chunks(spool: Spool, since: str) -> Iterator[Opened]:
    """Read all that was given up from a day on, oldest first, some objects at a time."""
    graves, _ = spool.dead(since, pages_max=PAGES_MAX)
    for some in _parts(graves):
        yield spool.exhume(some)


def named(spool: Spool, which: Collection[str], since: str, say: Callable[[str], None]) -> dict[str, set[str]]:
    """Find what some ids, maybe cut short, name: the ids of each object's pieces that are meant, by its key.

    An id names one thing, though it may have been given up on several days.
    """
    graves, more = spool.dead(since, pages_max=PAGES_MAX)
    meant = _by_key(graves, which)
    if set(which) - {each for ids in meant.values() for each in ids}:
        meant = _by_reading(spool, graves[::-1], which, say)
    found = {each for ids in meant.values() for each in ids}
    for each in which:
        fitting = {piece_id for piece_id in found if piece_id.startswith(each)}
        if not fitting:
            raise Fault(f"nothing in dead/ has the id {each}" + ("; give --since, there is more" if more else ""))
        if len(fitting) > 1:
            raise Fault(f"{each} is the beginning of {len(fitting)} ids in dead/; give more of it")
    return meant


def _by_key(graves: Sequence[Grave], which: Collection[str]) -> dict[str, set[str]]:
    """Find single pieces by their whole ids: the key of one that lies alone tells its id."""
    names = {name: each for each in which for name in (each, digest(each))}
    by_name = ((grave, grave.key.rpartition("-")[2].rpartition("/")[2]) for grave in graves if grave.count == 1)
    return {grave.key: {names[name]} for grave, name in by_name if name in names}


def _by_reading(
    spool: Spool, graves: Sequence[Grave], which: Collection[str], say: Callable[[str], None]
) -> dict[str, set[str]]:
    if len(graves) > MANY_GRAVES:
        say(f"{len(graves)} objects are read; --since, or the whole id, makes it quick")
    meant: dict[str, set[str]] = {}
    for grave, pieces in _opened(spool, graves):
        ids = {piece.id for piece in pieces if piece.id.startswith(tuple(which))}
        if ids:
            meant[grave.key] = ids
    return meant


def opened(spool: Spool, keys: Iterable[str]) -> Opened:
    """Read objects by their keys."""
    return spool.exhume(Grave(key, 0.0) for key in keys)


def _opened(spool: Spool, graves: Sequence[Grave]) -> Iterator[tuple[Grave, tuple[Piece, ...]]]:
    """Read objects one after another in their order, several at a time."""
    for some in _parts(graves):
        found = spool.exhume(some)
        yield from ((grave, found[grave.key]) for grave in some if grave.key in found)


def _parts(graves: Iterable[Grave]) -> Iterator[list[Grave]]:
    """Cut objects into what is read at a time."""
    part: list[Grave] = []
    for grave in graves:
        if part and (len(part) == GRAVES_PER_READ or sum(each.count for each in part) + grave.count > PIECES_PER_READ):
            yield part
            part = []
        part.append(grave)
    if part:
        yield part


def remove(spool: Spool, opened: Opened, gone: Collection[str]) -> None:
    """Take pieces out of their objects, by their ids: what is left is written anew before the old object is deleted."""
    touched = {key: pieces for key, pieces in opened.items() if any(piece.id in gone for piece in pieces)}
    for pieces in touched.values():
        spool.bury([piece for piece in pieces if piece.id not in gone])
    spool.clean(dead=touched)
