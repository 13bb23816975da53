"""The spool and the CDN's quota in; the status is written down, logged, and a person is told of what is new in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from shared.core.errors import CdnError, LogStoreDown
from shared.core.plan.books import DAY_SECONDS, Books
from shared.core.report import Pile, Spooled, Status, new_alarms, status
from shared.core.task.model import Outcome, Result
from shared.core.task.notes import NoteKey
from shared.core.task.stored import CallKey, Grave, utc_day
from shared.flow.kit import Invocation, Kit

T = TypeVar("T")

READING_SECONDS_MAX = 120.0
"""A reading of the quota that a drain has taken serves the status for this long."""
PAGES_PER_SLOT_MAX = 3
SLOTS_MAX = 30
"""How many reasons are looked at one by one, where one look does not reach them all."""
PAGES_MAX = 5
"""How many listings one look makes at most."""
EXPIRED_PER_TICK_MAX = 500


def report(kit: Kit, run: Invocation, areas: Collection[str]) -> dict[str, object]:
    """Write `report/status.json` and one record; raise each alarm once. Raises `StoreError`."""
    now = kit.clock()
    books = _with_quota(kit, kit.spool.books("drain").at(now, kit.provider), now)
    before = kit.spool.last_status()
    swept = _sweep(kit, run, before, now) if "dead" in areas else utc_day(now)
    found = status(books, _look(kit, areas, now), kit.provider, now, kit.faults)
    found = msgspec.structs.replace(found, swept=swept)
    for alarm in new_alarms(before, found):
        kit.report.error("alarm", alarm=alarm)
    kit.spool.write_status(found)
    _log(kit, run, found)
    waiting = sum(reason.count for reason in found.waits.values())
    return {"alarms": len(found.alarms), "waiting": waiting, "in_flight": found.in_flight.count}


def _with_quota(kit: Kit, books: Books, now: float) -> Books:
    if now - books.read_at <= READING_SECONDS_MAX or kit.faults:
        return books
    try:
        return books.with_reading(kit.cdn.quota(), now, kit.limits)
    except CdnError as error:
        kit.report.warning("the quota could not be read", code=error.code, reason=error.message)
        return books


def _look(kit: Kit, areas: Collection[str], now: float) -> Spooled:
    """Look at what lies in the spool, as far as a few listings of each area tell."""
    waits, is_cut = _waits(kit) if "waiting" in areas else ({}, False)
    calls: Sequence[CallKey] = ()
    if "accepted" in areas:
        calls, more = _taken(kit.spool.accepted(), PAGES_MAX)
        is_cut = is_cut or more
    intents = kit.spool.has_intents() if "submitting" in areas else ()
    kept = kit.spool.kept()[0] if "kept" in areas else []
    dead, today = _dead(kit, now) if "dead" in areas else ([], 0)
    asks, more = kit.links.waiting() if kit.links and "asks" in areas else ([], False)
    return Spooled(
        waits=waits,
        unknown=_pile((key.created, 1) for key in intents),
        in_flight=_pile((key.created, key.urls) for key in calls),
        kept=Pile(len(kept)),
        dead=_pile((each.modified, each.count) for each in dead),
        dead_today=today,
        links=_pile((due, 1) for due in asks),
        events="events" in areas,
        is_cut=is_cut or more,
    )


def _waits(kit: Kit) -> tuple[dict[str, Pile], bool]:
    """Count the tasks that wait, by reason, and tell whether there may be more."""
    keys, is_cut = _taken(kit.spool.notes_in(), PAGES_MAX)
    found: dict[str, list[NoteKey]] = {}
    for key in keys:
        found.setdefault(key.wait.slot, []).append(key)
    if is_cut:
        reached = keys[-1].wait.slot if keys else ""
        slots = [slot for slot in kit.spool.slots() if f"{slot}/" >= f"{reached}/"]  # as their keys are ordered
        pages = {slot: _taken(kit.spool.notes_in(slot), PAGES_PER_SLOT_MAX) for slot in slots[:SLOTS_MAX]}
        found |= {slot: own for slot, (own, _) in pages.items() if len(own) > len(found.get(slot, []))}
        is_cut = len(slots) > SLOTS_MAX or any(more for _, more in pages.values())
    return {slot: _pile((key.arrival, key.count) for key in own) for slot, own in found.items() if own}, is_cut


def _taken(pages: Iterator[list[T]], most: int) -> tuple[list[T], bool]:
    """Take some pages; and tell whether there may be more."""
    taken = list(islice(pages, most))
    return [key for page in taken for key in page], len(taken) == most


def _pile(items: Iterable[tuple[float, int]]) -> Pile:
    found = list(items)
    return Pile(sum(count for _, count in found), min((since for since, _ in found), default=0.0))


def _dead(kit: Kit, now: float) -> tuple[list[Grave], int]:
    """List what was given up first, and count what was given up today: two looks, however much there is."""
    today = utc_day(now)
    oldest, more = kit.spool.dead(pages_max=1)
    newest, _ = kit.spool.dead(today, pages_max=1) if more else (oldest, False)
    return oldest, sum(each.count for each in newest if each.day == today)


def _sweep(kit: Kit, run: Invocation, before: Status | None, now: float) -> str:
    """Once a day remove what has lain in `dead/` for its time, if a person was told of it, and leave a record."""
    today = utc_day(now)
    if before is None or before.swept == today:
        return today
    last = utc_day(now - kit.dead_days * DAY_SECONDS)
    graves, _ = kit.spool.dead(pages_max=1)
    old = [each for each in graves if each.day < last and each.modified < before.time][:EXPIRED_PER_TICK_MAX]
    if not old:
        return today
    records = [
        Outcome(now, Result.EXPIRED, request_id=run.request_id, message=f"{each.key}: {each.count} given up then")
        for each in old
    ]
    try:
        kit.outcomes.write(records)
    except LogStoreDown as error:
        kit.report.warning("the log store did not take what was removed from dead/; it stays", reason=str(error))
        return before.swept
    kit.spool.clean(dead=[each.key for each in old])
    return before.swept if len(old) == EXPIRED_PER_TICK_MAX else today


def _log(kit: Kit, run: Invocation, found: Status) -> None:
    """Write the status as a record; the next one follows in a minute, so it is not kept where that fails."""
    text = msgspec.json.encode(found).decode()
    try:
        kit.outcomes.write([Outcome(found.time, Result.REPORT, request_id=run.request_id, message=text)])
    except LogStoreDown as error:
        kit.report.warning("the log store did not take the status", reason=str(error))
