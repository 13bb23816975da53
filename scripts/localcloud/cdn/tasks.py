"""Accepted URLs go in; task ids, rows that progress, and the moment each takes effect come out.

Rules:
1. There is one row for each URL of each call.
2. URLs of one domain accepted in the same second share a task id, whoever sent them; a full id is followed
   by the next. Each directory has an id of its own.
3. Rows end on the clock, together where their times round to the same moment.
4. Rows older than the look-back are forgotten, oldest first, so that nothing here grows without end.
5. Rows stand in the order of their times, so none is dated before its predecessor even if the clock was set back.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cdn.paths import DIRECTORY, PREFETCH
from scripts.localcloud.clock import Clock

REFRESHING = "Refreshing"
COMPLETE = "Complete"
FAILED = "Failed"
FIRST_TASK_ID = 15_000_000_001


@dataclass(slots=True)
class Row:
    """One URL of a task. Times are epoch seconds; `description` says why a task failed.

    `accepted` and `finish` are by the CDN's clock; `moment` is when it was accepted by the world's.
    """

    task_id: str
    form: str
    path: str
    domain: str
    force: bool
    accepted: float
    finish: float
    status: str = REFRESHING
    description: str = ""
    moment: float = 0.0

    @property
    def kind(self) -> str:
        """Either "refresh" or "prefetch"."""
        return "prefetch" if self.form == PREFETCH else "refresh"

    def percent(self, now: float) -> int:
        """Return how far the task is; 100 only when it has taken effect."""
        if self.status != REFRESHING:
            return 100 if self.status == COMPLETE else 0
        share = (now - self.accepted) / max(self.finish - self.accepted, 1e-9)
        return max(0, min(99, int(100 * share)))


class Timeline:
    """Rows in the order they were accepted; the oldest can be dropped at no cost."""

    __slots__ = ("_rows", "_start")

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._rows) - self._start

    def append(self, row: Row) -> None:
        """Add the newest row."""
        self._rows.append(row)

    def oldest(self) -> Row | None:
        """Return the row that was accepted first, or None."""
        return self._rows[self._start] if len(self) else None

    def newest(self) -> Row | None:
        """Return the row that was accepted last, or None."""
        return self._rows[-1] if len(self) else None

    def drop_oldest(self) -> None:
        """Forget the row that was accepted first."""
        self._start += 1
        if self._start * 2 >= len(self._rows):
            del self._rows[: self._start]
            self._start = 0

    def span(self, first: float, last: float) -> range:
        """Return the places of the rows accepted from `first` to `last`, both included."""
        low = bisect_left(self._rows, first, lo=self._start, key=_accepted)
        return range(low, max(low, bisect_right(self._rows, last, lo=low, key=_accepted)))

    def rows(self, places: Iterable[int]) -> list[Row]:
        """Return the rows that stand at places."""
        return [self._rows[place] for place in places]


def _accepted(row: Row) -> float:
    return row.accepted


@dataclass(slots=True)
class _OpenId:
    """A task id that may still take URLs, in the second it was made."""

    task_id: str
    second: int
    urls: int = 0


@dataclass(slots=True)
class _Running:
    """The rows of a task id that were not reported as finished yet."""

    rows: list[Row] = field(default_factory=list)
    pending: int = 0


class TaskBook:
    """All tasks of an account.

    `take_effect` is called for each row when it ends and says why it failed, or nothing; `ended` is
    called with a task id's rows once all of them have ended. `limits` may be replaced; `world` is the clock of
    everybody else, where the CDN's own is another.
    """

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        rng: random.Random,
        take_effect: Callable[[Row], str],
        ended: Callable[[list[Row]], None],
        world: Clock | None = None,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._world = world or clock
        self._rng = rng
        self._take_effect = take_effect
        self._ended = ended
        self._numbers = itertools.count(FIRST_TASK_ID)
        self._open_ids: dict[tuple[bool, str], _OpenId] = {}
        self._running: dict[str, _Running] = {}
        self._alarms: dict[float, list[Row]] = {}
        self._timelines: dict[tuple[str, ...], Timeline] = defaultdict(Timeline)
        self.queued_prefetches = 0

    def accept(self, form: str, urls: Iterable[tuple[str, str]], *, force: bool) -> list[Row]:
        """Start a task for each (domain, URL) and return the rows."""
        self.forget_old()
        now, moment = self._clock.now(), self._world.now()
        newest = self.of_form().newest()
        accepted = max(now, newest.accepted) if newest else now
        rows = [
            Row(
                self._task_id(form, domain, now),
                form,
                url,
                domain,
                force=force,
                accepted=accepted,
                finish=self._finish_time(form, now),
                moment=moment,
            )
            for domain, url in urls
        ]
        for row in rows:
            self._start(row)
        return rows

    def of_task(self, task_id: str) -> Timeline:
        """Return the rows of one task id."""
        return self._timelines.get(("id", task_id), Timeline())

    def of_path(self, path: str) -> Timeline:
        """Return the rows of one URL."""
        return self._timelines.get(("path", path), Timeline())

    def of_form(self, form: str = "", domain: str = "") -> Timeline:
        """Return the rows of one form and domain; all of them where these are empty."""
        return self._timelines.get(("form", form, domain), Timeline())

    def forget_old(self) -> None:
        """Drop the rows that are older than the look-back."""
        horizon = self._clock.now() - self.limits.lookback_seconds
        while (row := self.of_form().oldest()) is not None and row.accepted < horizon:
            for name in _indexes(row):
                timeline = self._timelines[name]
                timeline.drop_oldest()
                if not timeline:
                    del self._timelines[name]

    def _task_id(self, form: str, domain: str, now: float) -> str:
        if form == DIRECTORY:
            return str(next(self._numbers))
        key = (form == PREFETCH, domain)
        found = self._open_ids.get(key)
        if found is None or found.second != int(now) or found.urls >= self.limits.urls_per_task_id(form):
            found = self._open_ids[key] = _OpenId(str(next(self._numbers)), int(now))
        found.urls += 1
        return found.task_id

    def _finish_time(self, form: str, now: float) -> float:
        """Draw when a task ends, rounded up to the resolution but not beyond the longest duration."""
        shortest, longest = self.limits.duration_seconds(form)
        step = self.limits.finish_resolution_seconds
        drawn = now + self._rng.uniform(shortest, longest)
        return min(math.ceil(drawn / step) * step, now + longest)

    def _start(self, row: Row) -> None:
        for name in _indexes(row):
            self._timelines[name].append(row)
        running = self._running.setdefault(row.task_id, _Running())
        running.rows.append(row)
        running.pending += 1
        self.queued_prefetches += row.form == PREFETCH
        if row.finish not in self._alarms:
            self._alarms[row.finish] = []
            self._clock.call_at(row.finish, partial(self._finish_all, row.finish))
        self._alarms[row.finish].append(row)

    def _finish_all(self, when: float) -> None:
        for row in self._alarms.pop(when):
            row.description = self._take_effect(row)
            row.status = FAILED if row.description else COMPLETE
            self.queued_prefetches -= row.form == PREFETCH
            running = self._running[row.task_id]
            running.pending -= 1
            if running.pending == 0:
                del self._running[row.task_id]
                self._ended(running.rows)


def _indexes(row: Row) -> tuple[tuple[str, ...], ...]:
    """Return the names of the timelines a row stands in."""
    return (
        ("form", "", ""),
        ("form", row.form, ""),
        ("form", row.form, row.domain),
        ("id", row.task_id),
        ("path", row.path),
    )
