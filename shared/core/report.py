"""The ledger, what lies in the spool and the time in; the status that operators read, and its alarms, out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.core.plan.books import DAY_SECONDS, Ledger, day_of, day_start
from shared.core.task.stored import Grave, utc_day

USED_ALARM_PERCENT = 80
STUCK_ALARM_SECONDS = 900.0
"""A task that has been due for this long and still waits has no working drain."""
PUT_OFF_ALARM_SECONDS = 3_600.0
"""A change of today that is put off again and again for this long meets an error that lasts."""
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


class Status(msgspec.Struct, frozen=True):
    """What `report/status.json` says. Times are epoch seconds, keys of `by_site` are `site unit`."""

    time: float
    quota: dict[str, Unit]
    by_site: dict[str, int]
    waiting: Pile
    """Tasks that are due, and since when the first one is."""
    waiting_until_reset: Pile
    """Tasks that wait for the day's reset or longer; `oldest` is the first due time."""
    waiting_later: Pile
    """Tasks that are due before the reset; `oldest` is the first due time."""
    in_flight: Pile
    """URLs that the CDN has accepted and not finished."""
    unlogged: int
    """Batches of outcomes that wait for the log store."""
    dead: Pile
    """What was given up and still lies in `dead/`."""
    dead_today: int
    """How many of these were given up today (UTC)."""
    alarms: tuple[str, ...] = ()


class Spooled(msgspec.Struct, frozen=True):
    """What a look into the spool found: due times and sizes of notes, times and sizes of submissions, counts."""

    notes: tuple[tuple[float, float, int], ...] = ()
    """Of each note its due time (0 for at once), the time of its oldest change, and its number of tasks."""
    submissions: tuple[tuple[float, int], ...] = ()
    """Of each accepted call its time and its number of URLs."""
    unlogged: int = 0
    dead: tuple[Grave, ...] = ()


def status(ledger: Ledger, spooled: Spooled, now: float) -> Status:
    """Put the status together; the alarms are computed from it."""
    ledger = ledger.at(now)
    reset = day_start(day_of(now) + 1)
    plain = Status(
        time=now,
        quota={unit: _unit(ledger, unit, now, reset) for unit in ledger.remaining},
        by_site=dict(ledger.spent),
        waiting=_pile((max(due, arrival), count) for due, arrival, count in spooled.notes if due <= now),
        waiting_later=_pile((due, count) for due, _, count in spooled.notes if now < due < reset),
        waiting_until_reset=_pile((due, count) for due, _, count in spooled.notes if due >= reset),
        in_flight=_pile(spooled.submissions),
        unlogged=spooled.unlogged,
        dead=_pile((grave.modified, 1) for grave in spooled.dead),
        dead_today=sum(grave.day == utc_day(now) for grave in spooled.dead),
    )
    long_ago = now - PUT_OFF_ALARM_SECONDS
    put_off = any(now < due < reset and reset - DAY_SECONDS <= arrival < long_ago for due, arrival, _ in spooled.notes)
    return msgspec.structs.replace(plain, alarms=tuple(_alarms(plain, put_off=put_off)))


def new_alarms(before: Status | None, after: Status) -> list[str]:
    """Name the alarms that the last status did not have yet: each is raised once, when its threshold is passed."""
    return [alarm for alarm in after.alarms if before is None or alarm not in before.alarms]


def _unit(ledger: Ledger, unit: str, now: float, reset: float) -> Unit:
    total, remaining = ledger.total.get(unit, 0), ledger.remaining[unit]
    used = max(0, total - remaining)
    ours = sum(count for name, count in ledger.spent.items() if name.rpartition(" ")[2] == unit)
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


def _pile(items: Iterable[tuple[float, int]]) -> Pile:
    found = list(items)
    return Pile(sum(count for _, count in found), min((since for since, _ in found), default=0.0))


def _alarms(plain: Status, *, put_off: bool) -> Iterable[str]:
    for name, unit in plain.quota.items():
        if unit.total and unit.remaining == 0:
            yield f"{name} quota: spent"
        elif unit.total and (unit.total - unit.remaining) * 100 >= unit.total * USED_ALARM_PERCENT:
            yield f"{name} quota: {USED_ALARM_PERCENT} % used"
    if plain.waiting.count and plain.time - plain.waiting.oldest > STUCK_ALARM_SECONDS:
        yield "waiting: due tasks are not submitted"
    if put_off:
        yield "waiting: changes of an hour ago are put off again and again"
    if plain.in_flight.count and plain.time - plain.in_flight.oldest > IN_FLIGHT_ALARM_SECONDS:
        yield "in flight: the CDN does not finish"
    if plain.waiting_until_reset.count:
        yield "reset: tasks wait for tomorrow's quota"
    if plain.dead_today:
        yield "dead: tasks or events were given up today"
    if plain.unlogged:
        yield "log store: outcomes wait in the spool"
