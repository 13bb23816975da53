"""What is known of the account, carried from drain to drain: quotas, the minute's use, what is held back until when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from shared.core.plan.limits import Limits
from shared.core.plan.retry import trouble_pause
from shared.core.task.model import Batch, Lane, Target
from shared.core.task.notes import NoteKey
from shared.core.task.provider import Provider
from shared.core.task.waits import Wait, Why, minute_of_domain, quota_of, trouble_of, wait_of

DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
MINUTE_MARGIN_SECONDS = 1.0
QUOTA_READING_SECONDS_MAX = 600.0
"""How long a reading of the quota is trusted: others (console, scripts) spend from it too."""
HELD_READING_SECONDS_MAX = 50.0
"""The same while something waits for the day's quota: it goes as soon as a reading leaves it."""
READING_BEHIND_SECONDS = 300.0
"""How long a reading of the quota may not show yet what we spent: nobody says how old its answer is."""
PROBE_ENDS_SECONDS = 885.0
"""How long the next probe of a failing origin waits for the last one's end."""
ORIGIN_FORGOTTEN_SECONDS = 6 * 3_600.0
MINUTES_IN_VAIN_MAX = 3
"""After so many minutes that left a domain nothing, what waits for its next one is held back ever longer."""
HOLD_FORGOTTEN_SECONDS = 86_400.0
"""What nothing has tried for this long after its time, nothing has waited for."""
DOMAINS_REMEMBERED_MAX = 200
HOLDS_MAX = 500
SERVICE, ACCOUNT, FLOW = "service", "account", "flow"
"""Holds of everything: the CDN is in trouble, or refuses the account, or its flow control asks for a pause."""

_LISTING = "list"


def listing_of(domain: str, row_type: str) -> str:
    """Name the hold of a listing of the task list, of one domain and type: nothing but looks waits for it."""
    return f"{_LISTING}+{row_type}+{domain}"


def listed_by(slot: str) -> tuple[str, str] | None:
    """Read the domain and type from such a name; None for any other hold."""
    name, _, rest = slot.partition("+")
    row_type, _, domain = rest.partition("+")
    return (domain, row_type) if name == _LISTING else None


class Quota(msgspec.Struct, frozen=True):
    """Units by name (`url`, `directory`, `regex`, `ignore-params`, `prefetch`): the day's total and what is left."""

    total: dict[str, int]
    remaining: dict[str, int]


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something is held back: until when (epoch seconds), since when, how often it was tried in vain, and why."""

    due: float
    since: float
    tries: int = 0
    code: str = ""
    message: str = ""
    told: bool = False
    """Whether a person was told at once."""
    until_done: bool = False
    """Whether only a completed task lifts it, since the CDN accepts what then fails."""


class Good(msgspec.Struct, frozen=True):
    """The last call that was accepted for a domain: when (epoch seconds), and a target of it with its site."""

    at: float
    target: Target
    site: str


class Books(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last reading of the quotas less what was spent since, the current minute's use, what is held, what went well.

    `read_at` is in epoch seconds; `minute` counts minutes since the epoch; `in_minute` has units by quota name and
    domain, `spent` those of `day` by site and quota name. An unknown remainder is absent: the API then says when it is
    spent. `holds` go by the slot of what waits for them, or are one of those above. `good` has by quota name
    and domain what was last accepted.
    """

    read_at: float = 0.0
    total: dict[str, int] = {}
    remaining: dict[str, int] = {}
    minute: int = 0
    in_minute: dict[str, dict[str, int]] = {}
    day: int = 0
    spent: dict[str, dict[str, int]] = {}
    holds: dict[str, Hold] = {}
    good: dict[str, dict[str, Good]] = {}
    kept: bool = False
    """Whether records wait for the log store, so that newer ones have to wait behind them."""
    probes: int = 0
    """How many probes of everything went before the last was accepted: the next one is another."""
    looked: dict[str, float] = {}
    """Of calls of unknown outcome: when (epoch seconds) the task list was first seen to have no row of them."""
    unread_at: float = 0.0
    """When (epoch seconds) the quota could not be read the last time, since it was read."""
    unread: int = 0
    """How often in a row it could not be."""
    spent_at: dict[str, float] = {}
    """When (epoch seconds) we last spent of a quota, unless the API has called it spent since."""
    counted_at: dict[str, float] = {}
    """When (epoch seconds) what is left of a quota was last what a reading said, and not our own count of it."""

    def at(self, now: float, provider: Provider) -> Books:
        """Forget what a new day or a new minute has made obsolete, and holds of what nothing waits for any more."""
        books, day = self, day_of(now, provider)
        books = books.lift(*(slot for slot, hold in self.holds.items() if now - hold.due > HOLD_FORGOTTEN_SECONDS))
        if books.remaining and day_of(books.read_at, provider) != day:
            books = msgspec.structs.replace(books, read_at=0.0, remaining={})
        if books.day != day:
            quotas = [slot for slot in books.holds if slot.startswith(Why.QUOTA.value)]
            books = msgspec.structs.replace(books.lift(*quotas), day=day, spent={})
        if books.minute != minute_of(now):
            books = msgspec.structs.replace(books, minute=minute_of(now), in_minute={})
        return books

    def needs_reading(self, now: float) -> bool:
        """Whether the quota should be asked for before anything is planned."""
        is_held = any(slot.startswith(Why.QUOTA.value) for slot in self.holds)
        if self.unread:
            most = 2 * HELD_READING_SECONDS_MAX if is_held else QUOTA_READING_SECONDS_MAX
            if now - self.unread_at <= min(HELD_READING_SECONDS_MAX * 2.0 ** min(self.unread - 1, 10), most):
                return False
        return now - self.read_at > (HELD_READING_SECONDS_MAX if is_held else QUOTA_READING_SECONDS_MAX)

    def quota_unread(self, now: float) -> Books:
        """Note that the quota could not be read: it is tried again ever later, for each try may take its time."""
        return msgspec.structs.replace(self, unread_at=now, unread=self.unread + 1)

    def with_reading(self, quota: Quota, now: float, limits: Limits) -> Books:
        """Take over a reading of the quota, and lift what waited for units that are there now.

        What was spent a moment ago may not be in the reading yet: then our own count holds where it is less. That a
        quota was raised shows in its total, whatever was spent.
        """
        same = {unit for unit, total in quota.total.items() if total == self.total.get(unit)}
        lately = {unit for unit, at in self.spent_at.items() if unit in same and now - at <= READING_BEHIND_SECONDS}
        own = {unit: left for unit, left in self.remaining.items() if unit in lately}
        remaining = {unit: min(left, own.get(unit, left)) for unit, left in quota.remaining.items()}
        counted = {unit: now for unit, left in quota.remaining.items() if own.get(unit, left) >= left}
        books = msgspec.structs.replace(
            self,
            read_at=now,
            total=quota.total,
            remaining=remaining,
            unread_at=0.0,
            unread=0,
            counted_at={**self.counted_at, **counted},
        )
        left = [unit for unit in remaining if spendable(books, unit, Lane.OVERWRITTEN, limits) > 0]
        return books.lift(*(quota_of(unit).slot for unit in left))

    def after(self, batch: Batch, now: float, provider: Provider) -> Books:
        """Book a call that was accepted, or may have been."""
        books, unit = self.at(now, provider), provider.unit(batch.target)
        in_minute, spent = dict(books.in_minute.get(unit, {})), {site: dict(own) for site, own in books.spent.items()}
        for task in {task.url: task for task in batch.tasks}.values():
            in_minute[task.domain] = in_minute.get(task.domain, 0) + 1
            own = spent.setdefault(task.site, {})
            own[unit] = own.get(unit, 0) + 1
        remaining, spent_at = dict(books.remaining), dict(books.spent_at)
        if unit in remaining:
            remaining[unit] = max(0, remaining[unit] - len(batch.urls))
            spent_at[unit] = now
        in_minutes = {**books.in_minute, unit: in_minute}
        return msgspec.structs.replace(books, in_minute=in_minutes, remaining=remaining, spent=spent, spent_at=spent_at)

    def unspent(self, unit: str, count: int = 0, begun: float = 0.0) -> Books:
        """Book that a call which may have been accepted was not: the next reading of its quota counts.

        So do its `count` units at once, unless a reading has counted since it was begun (epoch seconds).
        """
        spent_at = {name: at for name, at in self.spent_at.items() if name != unit}
        remaining = dict(self.remaining)
        if unit in remaining and begun > self.counted_at.get(unit, begun):
            remaining[unit] = min(remaining[unit] + count, self.total.get(unit, remaining[unit]))
        return msgspec.structs.replace(self, spent_at=spent_at, remaining=remaining)

    def with_success(self, batch: Batch, now: float, provider: Provider) -> Books:
        """Note that the CDN took a call: whatever of it was in trouble is so no more."""
        unit = provider.unit(batch.target)
        good = {name: last for name, last in self.good.get(unit, {}).items() if name not in batch.domains}
        good |= {task.domain: Good(now, task.target, task.site) for task in batch.tasks}
        remembered = dict(list(good.items())[-DOMAINS_REMEMBERED_MAX:])
        books = msgspec.structs.replace(self, good={**self.good, unit: remembered})
        troubles = [trouble_of(unit, domain).slot for domain in batch.domains]
        stays = [slot for slot in troubles if slot in books.holds and books.holds[slot].until_done]
        probes = sum(self.holds[name].tries + 1 for name in (SERVICE, ACCOUNT) if name in self.holds)
        books = msgspec.structs.replace(books, probes=books.probes + probes)
        minutes = [minute_of_domain(unit, domain).slot for domain in batch.domains]
        books = books.lift(SERVICE, ACCOUNT, *minutes, *(slot for slot in troubles if slot not in stays))
        if not books.is_held(FLOW, now):
            books = books.lift(FLOW)
        later = {slot: msgspec.structs.replace(books.holds[slot], due=now + PROBE_ENDS_SECONDS) for slot in stays}
        return msgspec.structs.replace(books, holds={**books.holds, **later})

    def with_origins(self, origins: Mapping[str, Hold], unit: str, now: float) -> Books:
        """Take over which domains' origins fail, from those who follow calls to their end."""
        failing = {trouble_of(unit, domain).slot: hold for domain, hold in origins.items() if hold.until_done}
        failing = {slot: hold for slot, hold in failing.items() if now - hold.due < ORIGIN_FORGOTTEN_SECONDS}
        over = [slot for slot, hold in self.holds.items() if hold.until_done and slot not in failing]
        new = {slot: hold for slot, hold in failing.items() if slot not in self.holds}
        return msgspec.structs.replace(self, holds={**self.lift(*over).holds, **new})

    def without(self, unit: str, now: float, provider: Provider) -> Books:
        """Book that the API called a daily quota spent."""
        books = self.at(now, provider)
        remaining = {**books.remaining, unit: 0}
        return msgspec.structs.replace(books.unspent(unit), read_at=books.read_at or now, remaining=remaining)

    def minute_full(
        self, unit: str, domain: str, limit: int, now: float, provider: Provider, code: str = "", message: str = ""
    ) -> Books:
        """Book that the API called this minute spent for a domain; until a call is accepted this counts minutes."""
        books, slot = self.at(now, provider), minute_of_domain(unit, domain).slot
        of_unit = books.in_minute.get(unit, {})
        is_new = of_unit.get(domain, 0) < limit
        books = msgspec.structs.replace(books, in_minute={**books.in_minute, unit: {**of_unit, domain: limit}})
        if not is_new:
            return books
        tries = books.holds[slot].tries + 1 if slot in books.holds else 1
        pause = trouble_pause(tries) if tries > MINUTES_IN_VAIN_MAX else 0.0
        return books.hold(slot, now + pause, now, code, message, failed=True)

    def hold(
        self, slot: str, due: float, now: float, code: str = "", message: str = "", *, failed: bool = False
    ) -> Books:
        """Hold something back until `due`; `failed` counts one more try in vain."""
        before = self.holds.get(slot)
        tries = (before.tries if before else 0) + failed
        since, told = (before.since, before.told) if before else (now, False)
        words = (code, message) if code or not before else (before.code, before.message)
        until_done = before is not None and before.until_done
        holds = {**self.holds, slot: Hold(due, since, tries, *words, told, until_done)}
        return msgspec.structs.replace(self, holds=dict(list(holds.items())[-HOLDS_MAX:]))

    def lift(self, *slots: str) -> Books:
        """Hold something back no more."""
        return msgspec.structs.replace(
            self, holds={name: hold for name, hold in self.holds.items() if name not in slots}
        )

    def without_listings(self, needed: Collection[str] = ()) -> Books:
        """Hold back no listing that nobody needs any more."""
        return self.lift(*(slot for slot in self.holds if listed_by(slot) and slot not in needed))

    def is_held(self, slot: str, now: float) -> bool:
        """Whether something is held back now."""
        hold = self.holds.get(slot)
        return hold is not None and hold.due > now

    def told(self, slots: Iterable[str]) -> Books:
        """Note that a person was told of some holds."""
        marked = {name: msgspec.structs.replace(self.holds[name], told=True) for name in slots if name in self.holds}
        return msgspec.structs.replace(self, holds={**self.holds, **marked})

    def with_kept(self, *, is_kept: bool) -> Books:
        """Note whether records wait for the log store."""
        return self if self.kept == is_kept else msgspec.structs.replace(self, kept=is_kept)

    def with_looked(self, looked: Mapping[str, float]) -> Books:
        """Note of which calls of unknown outcome the task list had no row, and since when."""
        return msgspec.structs.replace(self, looked=dict(looked))

    def until_done(self, slot: str) -> Books:
        """Let only a completed task lift a hold."""
        held = msgspec.structs.replace(self.holds[slot], until_done=True)
        return msgspec.structs.replace(self, holds={**self.holds, slot: held})

    def of_kind(self, why: Why) -> dict[Wait, Hold]:
        """The holds of one kind of reason."""
        waits = ((wait_of(slot), hold) for slot, hold in self.holds.items())
        return {wait: hold for wait, hold in waits if wait is not None and wait.why is why}

    def went_well_since(self, moment: float, unit: str = "", domain: str = "") -> bool:
        """Whether a call was accepted since a moment: one of a quota for a domain, or any."""
        if unit:
            last = self.good.get(unit, {}).get(domain)
            return last is not None and last.at >= moment
        return any(last.at >= moment for of_unit in self.good.values() for last in of_unit.values())


def spendable(books: Books, unit: str, lane: Lane, limits: Limits) -> float:
    """Units of a quota that tasks of a lane may use now; infinite where nothing is known."""
    if unit not in books.remaining:
        return float("inf")
    reserved = 0
    if lane not in {Lane.REMOVED, Lane.MANUAL}:
        reserved = books.total.get(unit, 0) * limits.reserve_percent // 100
    return max(0, books.remaining[unit] - reserved)


def is_free(note: NoteKey, books: Books, limits: Limits, provider: Provider, now: float) -> bool:
    """Whether what a note waits for is lifted, as far as the books tell: its tasks may then be planned."""
    wait = note.wait
    if wait.why is Why.BACKOFF:
        return note.due <= now
    if wait.why is Why.QUOTA:
        return spendable(books, wait.unit, Lane(min(note.lane, Lane.PREFETCH)), limits) > 0
    if wait.why is Why.MINUTE:
        used = books.in_minute.get(wait.unit, {}).get(wait.domain, 0)
        return used < per_minute(wait.unit, limits, provider) and not books.is_held(wait.slot, now)
    return not books.is_held(wait.slot, now)


def per_minute(unit: str, limits: Limits, provider: Provider) -> int:
    """How many units of a quota one domain may spend in a minute."""
    stated = next((shape.per_minute for shape in provider.shapes if shape.unit == unit), None)
    return limits.urls_per_minute_per_domain if stated is None else stated


def minute_of(now: float) -> int:
    """Minutes since the epoch."""
    return int(now // MINUTE_SECONDS)


def minute_start(minute: int) -> float:
    """When tasks that wait for a minute may go, in epoch seconds."""
    return minute * MINUTE_SECONDS + MINUTE_MARGIN_SECONDS


def day_of(now: float, provider: Provider) -> int:
    """The day that daily quotas count by."""
    return int((now + provider.reset_utc_offset_seconds) // DAY_SECONDS)


def day_start(day: int, provider: Provider) -> float:
    """When a day of `day_of` begins, in epoch seconds."""
    return float(day * DAY_SECONDS - provider.reset_utc_offset_seconds)


def next_reset(now: float, provider: Provider) -> float:
    """When the day's quotas begin anew, in epoch seconds."""
    return day_start(day_of(now, provider) + 1, provider)
