"""A form of task, its domains and the time go in; what is counted, or a `RefusedError`, comes out.

Rules:
1. A day begins at 00:00 UTC+8, a minute and a second where the clock shows them.
2. A call is counted as a whole or not at all: all limits are looked at before anything is counted.
3. A URL named twice counts twice.
4. Limits may change while it counts; what was spent stays spent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.paths import DIRECTORY, FILE, IGNORE_PARAMS, PREFETCH, REGEX


@dataclass(frozen=True, slots=True)
class Limits:
    """What the CDN allows one account, and how long its tasks take.

    The defaults are the vendor's (its API reference and its page "Manage CDN quotas", 2025-2026).
    """

    url_refreshes_per_day: int = 10_000
    directory_refreshes_per_day: int = 100
    regex_refreshes_per_day: int = 20
    ignore_params_refreshes_per_day: int = 100
    prefetches_per_day: int = 1_000
    # The vendor's pages say 1,000 or 10,000; the lower one binds a careful client.
    urls_per_minute_per_domain: int = 1_000
    directories_per_minute_per_domain: int = 100
    # Documented by its error only; assumed equal to the limit of refreshes, and counted apart.
    prefetches_per_minute_per_domain: int = 1_000
    urls_per_refresh_call: int = 1_000
    directories_per_refresh_call: int = 100
    regexes_per_refresh_call: int = 1
    ignore_params_per_refresh_call: int = 1_000
    urls_per_prefetch_call: int = 100
    domains_per_call: int = 10
    url_max_chars: int = 1_024
    refresh_calls_per_second: int = 50
    prefetch_calls_per_second: int = 50
    task_list_calls_per_second: int = 5
    task_by_id_calls_per_second: int = 30
    quota_calls_per_second: int = 20
    prefetch_queue_max_urls: int = 100_000
    refreshed_urls_per_task_id: int = 2_000
    prefetched_urls_per_task_id: int = 500
    task_ids_per_query: int = 10
    lookback_days: int = 3
    refresh_duration_seconds: tuple[float, float] = (300.0, 360.0)
    prefetch_duration_seconds: tuple[float, float] = (300.0, 1_800.0)
    # Tasks end together at multiples of this, so that a call of a thousand URLs sets few alarms.
    finish_resolution_seconds: float = 1.0
    row_visible_after_seconds: float = 0.0
    day_begins_utc_offset_hours: int = 8

    def units_per_day(self, form: str) -> int:
        """Return how many tasks of a form a day allows."""
        return {
            FILE: self.url_refreshes_per_day,
            DIRECTORY: self.directory_refreshes_per_day,
            REGEX: self.regex_refreshes_per_day,
            IGNORE_PARAMS: self.ignore_params_refreshes_per_day,
            PREFETCH: self.prefetches_per_day,
        }[form]

    def items_per_call(self, form: str) -> int:
        """Return how many lines the ObjectPath of one call may have."""
        return {
            FILE: self.urls_per_refresh_call,
            DIRECTORY: self.directories_per_refresh_call,
            REGEX: self.regexes_per_refresh_call,
            IGNORE_PARAMS: self.ignore_params_per_refresh_call,
            PREFETCH: self.urls_per_prefetch_call,
        }[form]

    def items_per_minute(self, form: str) -> int | None:
        """Return how many a minute one domain may have; None if that is not limited."""
        return {
            FILE: self.urls_per_minute_per_domain,
            DIRECTORY: self.directories_per_minute_per_domain,
            IGNORE_PARAMS: self.urls_per_minute_per_domain,
            PREFETCH: self.prefetches_per_minute_per_domain,
        }.get(form)

    def duration_seconds(self, form: str) -> tuple[float, float]:
        """Return the shortest and the longest time a task of a form takes."""
        return self.prefetch_duration_seconds if form == PREFETCH else self.refresh_duration_seconds

    def urls_per_task_id(self, form: str) -> int:
        """Return how many URLs of one domain and second share a task id."""
        return self.prefetched_urls_per_task_id if form == PREFETCH else self.refreshed_urls_per_task_id

    @property
    def lookback_seconds(self) -> float:
        """For how long tasks can be queried."""
        return self.lookback_days * 86_400.0


class Meter:
    """Counts what an account uses: units a day, URLs a minute and domain, calls a second.

    `limits` may be replaced at any time. A day begins `reset_late_seconds` after it should.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.reset_late_seconds = 0.0
        self._spent: dict[date, Counter[str]] = {}
        self._minutes: dict[tuple[str, str], tuple[int, int]] = {}
        self._seconds: dict[str, tuple[int, int]] = {}

    def day(self, now: float) -> date:
        """Return the quota day that `now` belongs to."""
        offset = timezone(timedelta(hours=self.limits.day_begins_utc_offset_hours))
        return datetime.fromtimestamp(now - self.reset_late_seconds, offset).date()

    def spent(self, day: date) -> Counter[str]:
        """Return the units spent on a day, by form."""
        return self._spent.setdefault(day, Counter())

    def remaining(self, form: str, now: float) -> int:
        """Return the units of a form left today, never below zero."""
        return max(0, self.limits.units_per_day(form) - self.spent(self.day(now))[form])

    def count_call(self, operation: str, most: int, now: float) -> None:
        """Count one call, or raise `Throttling.User` if this second has had enough of them."""
        used = _used(self._seconds.get(operation), int(now))
        if used >= most:
            raise RefusedError("Throttling.User")
        self._seconds[operation] = (int(now), used + 1)

    def charge(self, form: str, items_by_domain: Mapping[str, int], now: float) -> None:
        """Count the items of a call, or raise `RefusedError` and count nothing."""
        total = sum(items_by_domain.values())
        if total > self.remaining(form, now):
            raise RefusedError("QuotaExceeded.Preload" if form == PREFETCH else "QuotaExceeded.Refresh")
        minutes = self._minutes_after(form, items_by_domain, int(now // 60))
        self.spent(self.day(now))[form] += total
        self._minutes.update(minutes)

    def room(self, form: str, domain: str, now: float) -> int:
        """Return how many items of a form a domain may still have, this minute and today."""
        left, most = self.remaining(form, now), self.limits.items_per_minute(form)
        if most is None or not domain:
            return left
        used = _used(self._minutes.get((_counter(form), domain)), int(now // 60))
        return min(left, max(0, most - used))

    def _minutes_after(
        self, form: str, items_by_domain: Mapping[str, int], minute: int
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Work out the minute counters as they would stand after a call, or refuse it."""
        most = self.limits.items_per_minute(form)
        if most is None:
            return {}
        kind = _counter(form)
        after = {}
        for domain, items in items_by_domain.items():
            used = _used(self._minutes.get((kind, domain)), minute) + items
            if used > most:
                what = "preload" if form == PREFETCH else "refresh"
                raise RefusedError("QuotaPerMinuteExceeded.Refresh", what=what)
            after[kind, domain] = (minute, used)
        return after


def _counter(form: str) -> str:
    """Name the counter of a minute: files and ignore-params tasks are both URLs, and share theirs."""
    return FILE if form == IGNORE_PARAMS else form


def _used(counted: tuple[int, int] | None, period: int) -> int:
    """Return what was counted in this period; a counter of an earlier one stands at zero."""
    return counted[1] if counted is not None and counted[0] == period else 0
