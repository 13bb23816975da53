"""What the account may still spend, today and this minute, and the ledger that carries it from drain to drain."""

from __future__ import annotations

import msgspec

from shared.core.plan.limits import RESET_UTC_OFFSET_SECONDS, Limits
from shared.core.task.model import Batch, Form, Kind, Lane, domain_of

DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
RESET_MARGIN_SECONDS = 30
"""Tasks that wait for the reset start this much later, so that no clock's skew sends them too early."""
MINUTE_MARGIN_SECONDS = 1

QUOTA_READING_SECONDS_MAX = 600
"""How long a reading of the quota is trusted: others (console, scripts) spend from it too."""

_UNIT_BY_FORM = {
    Form.FILE: "url",
    Form.DIRECTORY: "directory",
    Form.REGEX: "regex",
    Form.IGNORE_PARAMS: "ignore-params",
}


def unit_of(kind: Kind, form: Form) -> str:
    """Name the quota that a task spends from."""
    return "prefetch" if kind is Kind.PREFETCH else _UNIT_BY_FORM[form]


class Quota(msgspec.Struct, frozen=True):
    """Units by name (`url`, `directory`, `regex`, `ignore-params`, `prefetch`): the day's total and what is left."""

    total: dict[str, int]
    remaining: dict[str, int]


class Ledger(msgspec.Struct, frozen=True):
    """What is known of the quotas: the last reading less what was spent since, and the current minute's use.

    `read_at` is in epoch seconds; `minute` counts minutes since the epoch; `in_minute` has units by
    `domain` and quota name. An unknown remainder is absent: the API itself then says when it is spent.
    """

    read_at: float = 0.0
    total: dict[str, int] = {}
    remaining: dict[str, int] = {}
    minute: int = 0
    in_minute: dict[str, int] = {}
    day: int = 0
    spent: dict[str, int] = {}
    """Units that we have spent on `day` (of `day_of`), by site and quota name."""

    def at(self, now: float) -> Ledger:
        """Forget what a new day or a new minute has made obsolete."""
        ledger = self
        if ledger.remaining and day_of(ledger.read_at) != day_of(now):
            ledger = msgspec.structs.replace(ledger, read_at=0.0, remaining={})
        if ledger.day != day_of(now):
            ledger = msgspec.structs.replace(ledger, day=day_of(now), spent={})
        if ledger.minute != minute_of(now):
            ledger = msgspec.structs.replace(ledger, minute=minute_of(now), in_minute={})
        return ledger

    def needs_reading(self, now: float) -> bool:
        """Whether the quota should be asked for before anything is planned."""
        return now - self.at(now).read_at > QUOTA_READING_SECONDS_MAX

    def with_reading(self, quota: Quota, now: float) -> Ledger:
        """Take over a reading of the quota."""
        return msgspec.structs.replace(self, read_at=now, total=quota.total, remaining=quota.remaining)

    def after(self, batch: Batch, now: float) -> Ledger:
        """Book a batch that was accepted, or may have been."""
        ledger = self.at(now)
        unit = unit_of(batch.kind, batch.form)
        in_minute = dict(ledger.in_minute)
        spent = dict(ledger.spent)
        for url, site in {task.url: task.site for task in batch.tasks}.items():
            _add(in_minute, minute_key(url, unit))
            _add(spent, f"{site} {unit}")
        remaining = dict(ledger.remaining)
        if unit in remaining:
            remaining[unit] = max(0, remaining[unit] - len(batch.urls))
        return msgspec.structs.replace(ledger, in_minute=in_minute, remaining=remaining, spent=spent)

    def without(self, unit: str, now: float) -> Ledger:
        """Book that the API called a daily quota spent."""
        ledger = self.at(now)
        return msgspec.structs.replace(ledger, read_at=ledger.read_at or now, remaining={**ledger.remaining, unit: 0})

    def minute_full(self, domains: set[str], unit: str, limit: int, now: float) -> Ledger:
        """Book that the API called this minute spent for some domains."""
        ledger = self.at(now)
        full = {f"{domain} {unit}": limit for domain in domains}
        return msgspec.structs.replace(ledger, in_minute={**ledger.in_minute, **full})


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def spendable(ledger: Ledger, unit: str, lane: Lane, limits: Limits) -> float:
    """Units of a quota that tasks of a lane may use now; infinite where nothing is known."""
    if unit not in ledger.remaining:
        return float("inf")
    reserved = 0
    if lane not in {Lane.REMOVED, Lane.MANUAL}:
        reserved = ledger.total.get(unit, 0) * limits.reserve_percent // 100
    return max(0, ledger.remaining[unit] - reserved)


def minute_key(url: str, unit: str) -> str:
    """The name under which `Ledger.in_minute` counts a URL."""
    return f"{domain_of(url)} {unit}"


def minute_of(now: float) -> int:
    """Minutes since the epoch."""
    return int(now // MINUTE_SECONDS)


def minute_start(minute: int) -> float:
    """When tasks that wait for a minute may go, in epoch seconds."""
    return float(minute * MINUTE_SECONDS + MINUTE_MARGIN_SECONDS)


def day_of(now: float) -> int:
    """The day that daily quotas count by, which begins at 00:00 UTC+8."""
    return int((now + RESET_UTC_OFFSET_SECONDS) // DAY_SECONDS)


def day_start(day: int) -> float:
    """When a day of `day_of` begins, in epoch seconds."""
    return float(day * DAY_SECONDS - RESET_UTC_OFFSET_SECONDS)


def after_reset(now: float) -> float:
    """When tasks that wait for tomorrow's quota may go, in epoch seconds."""
    return day_start(day_of(now) + 1) + RESET_MARGIN_SECONDS
