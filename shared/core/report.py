"""The books, what lies in the spool and the time in; the status that operators read, and its alarms, out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from shared.core.plan.books import (
    ACCOUNT,
    DAY_SECONDS,
    FLOW,
    MINUTES_IN_VAIN_MAX,
    SERVICE,
    Books,
    Hold,
    day_of,
    day_start,
    listed_by,
)
from shared.core.task.provider import Provider
from shared.core.task.waits import Why, wait_of

USED_ALARM_PERCENT = 80
STUCK_ALARM_SECONDS = 900.0
"""A task that nothing holds back for this long, and that still waits, has no working drain."""
TROUBLE_ALARM_SECONDS = 120.0
UNKNOWN_ALARM_SECONDS = 300.0
IN_FLIGHT_ALARM_SECONDS = 3_600.0
"""A refresh takes five to six minutes and a prefetch up to thirty."""


class Unit(msgspec.Struct, frozen=True):
    """One kind of quota today, in units; rates in units an hour, times in epoch seconds.

    `by_others` is what was spent and is not in our books: people, scripts, the console. Where a holder
    of the lease died before it could hand its books on, its last calls count there too.
    """

    total: int
    remaining: int
    by_us: int
    by_others: int
    per_hour: float
    runs_out: float | None


class Pile(msgspec.Struct, frozen=True):
    """Some things that lie in the spool: how many, and since when the oldest does (epoch seconds, 0 for none)."""

    count: int = 0
    oldest: float = 0.0


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """What waits for one reason: how many tasks, the time of the oldest change, until when it is held, and why."""

    count: int = 0
    oldest: float = 0.0
    due: float = 0.0
    code: str = ""
    message: str = ""


class Spooled(msgspec.Struct, frozen=True):
    """What a look into the spool found. Where `is_cut`, there is more of it than was counted."""

    waits: dict[str, Pile] = {}
    """Tasks by the slot of what they wait for; the oldest is the time of the oldest change."""
    unknown: Pile = Pile()
    in_flight: Pile = Pile()
    kept: Pile = Pile()
    dead: Pile = Pile()
    dead_today: int = 0
    links: Pile = Pile()
    events: bool = False
    is_cut: bool = False


class Status(msgspec.Struct, frozen=True):
    """What `report/status.json` says. Times are epoch seconds."""

    time: float
    quota: dict[str, Unit]
    by_site: dict[str, dict[str, int]]
    """Units that we have spent today, by site and quota."""
    waits: dict[str, Reason]
    """Tasks by the reason for which they wait; `0-ready` go next."""
    unknown: Pile
    """Calls whose outcome nobody knows yet."""
    in_flight: Pile
    """URLs that the CDN has accepted and not finished."""
    kept: int
    """Batches of records that wait for the log store."""
    dead: Pile
    """What was given up and still lies in `dead/`."""
    dead_today: int
    """How many of these were given up today (UTC)."""
    links: Pile = Pile()
    """Symlinks whose target is to be asked for; the oldest is when the first of them was due."""
    is_cut: bool = False
    """Whether there is more of some of these than was counted."""
    swept: str = ""
    """The last day on which what lay too long in `dead/` was removed."""
    alarms: tuple[str, ...] = ()


def status(books: Books, spooled: Spooled, provider: Provider, now: float, faults: tuple[str, ...] = ()) -> Status:
    """Put the status together; the alarms are computed from it."""
    books = books.at(now, provider)
    reset = day_start(day_of(now, provider) + 1, provider)
    plain = Status(
        time=now,
        quota={unit: _unit(books, unit, now, reset) for unit in books.remaining},
        by_site=books.spent,
        waits={slot: _reason(pile, books.holds.get(slot)) for slot, pile in spooled.waits.items()},
        unknown=spooled.unknown,
        in_flight=spooled.in_flight,
        kept=spooled.kept.count,
        dead=spooled.dead,
        dead_today=spooled.dead_today,
        links=spooled.links,
        is_cut=spooled.is_cut,
    )
    alarms = (*_of_quota(plain), *_alarms(plain), *_holds(books, plain), *_of_faults(faults, spooled))
    return msgspec.structs.replace(plain, alarms=alarms)


def new_alarms(before: Status | None, after: Status) -> list[str]:
    """Name the alarms that the last status did not have yet: each is raised once, when its threshold is passed."""
    return [alarm for alarm in after.alarms if before is None or alarm not in before.alarms]


def _reason(pile: Pile, hold: Hold | None) -> Reason:
    if hold is None:
        return Reason(pile.count, pile.oldest)
    return Reason(pile.count, pile.oldest, hold.due, hold.code, hold.message)


def _unit(books: Books, unit: str, now: float, reset: float) -> Unit:
    total, remaining = books.total.get(unit, 0), books.remaining[unit]
    used = max(0, total - remaining)
    ours = sum(own.get(unit, 0) for own in books.spent.values())
    hours = max((now - (reset - DAY_SECONDS)) / 3_600, 1 / 60)
    per_hour = used / hours
    runs_out = now + remaining / per_hour * 3_600 if per_hour else None
    return Unit(
        total=total,
        remaining=remaining,
        by_us=min(ours, used),
        by_others=max(0, used - ours),
        per_hour=round(per_hour, 1),
        runs_out=runs_out if runs_out is not None and runs_out < reset else None,
    )


def _of_quota(plain: Status) -> Iterator[str]:
    for name, unit in plain.quota.items():
        if unit.total and unit.remaining == 0:
            yield f"{name} quota: spent"
        elif unit.total and (unit.total - unit.remaining) * 100 >= unit.total * USED_ALARM_PERCENT:
            yield f"{name} quota: {USED_ALARM_PERCENT} % used"


def _alarms(plain: Status) -> Iterator[str]:
    ready = plain.waits.get(Why.READY.value, Reason())
    if ready.count and plain.time - ready.oldest > STUCK_ALARM_SECONDS:
        yield "waiting: due tasks are not submitted"
    if plain.unknown.count and plain.time - plain.unknown.oldest > UNKNOWN_ALARM_SECONDS:
        yield "unknown: the task list does not tell what became of calls"
    if plain.in_flight.count and plain.time - plain.in_flight.oldest > IN_FLIGHT_ALARM_SECONDS:
        yield "in flight: the CDN does not finish"
    if plain.links.count and plain.time - plain.links.oldest > STUCK_ALARM_SECONDS:
        yield "links: nobody asks where they lead"
    if any(slot.startswith(Why.QUOTA.value) for slot in plain.waits):
        yield "reset: tasks wait for tomorrow's quota"
    if plain.dead_today:
        yield "dead: tasks or events were given up today"
    if plain.kept:
        yield "log store: records wait in the spool"


def _holds(books: Books, plain: Status) -> Iterator[str]:
    """Name what is in trouble, with the CDN's words, as long as anything waits for it."""
    for slot, hold in books.holds.items():
        if not _is_wanted(slot, plain):
            continue
        words = f"{hold.code}: {hold.message}" if hold.message else hold.code
        wait = wait_of(slot)
        lasts = plain.time - hold.since >= TROUBLE_ALARM_SECONDS
        if slot == ACCOUNT:
            yield f"account: the CDN refuses its calls ({words})"
        elif slot == SERVICE and lasts:
            yield f"CDN: calls come to nothing ({words})"
        elif slot == FLOW and lasts:
            yield f"throttled: the CDN lets no call through ({words})"
        elif wait is not None and wait.why is Why.TROUBLE and lasts:
            yield f"{wait.domain}: calls ({wait.unit}) come to nothing ({words})"
        elif (listing := listed_by(slot)) and hold.code and plain.time - hold.since >= UNKNOWN_ALARM_SECONDS:
            yield f"{listing[0]}: the task list ({listing[1]}) does not tell what became of calls ({words})"
        elif wait is not None and wait.why is Why.MINUTE and hold.tries > MINUTES_IN_VAIN_MAX:
            yield f"{wait.domain}: minute after minute no call ({wait.unit}) is left to it ({words})"


def _is_wanted(slot: str, plain: Status) -> bool:
    """Whether anything waits for a hold's end, as far as was counted; the calls of unknown outcome may."""
    if plain.unknown.count or plain.is_cut or slot in plain.waits:
        return True
    return slot in {ACCOUNT, SERVICE, FLOW} and bool(plain.waits)


def _of_faults(faults: Iterable[str], spooled: Spooled) -> Iterator[str]:
    for fault in faults:
        yield f"settings: {fault}"
    if spooled.events:
        yield "events: some are kept until the settings are mended"
