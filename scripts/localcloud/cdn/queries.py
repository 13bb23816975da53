"""The parameters of a query about tasks go in; the page of rows that answers it comes out.

Rules:
1. The newest row comes first.
2. `DomainName` and `Status` need `ObjectType`; `StartTime` and `EndTime` need each other.
3. Only the look-back can be queried, and a row may be invisible just after it was accepted.
4. How rows are shown, how many of them and which, is up to `RowHabits`; what is counted is what can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from scripts.localcloud.cdn.auth import TIME_FORMAT
from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cdn.paths import DIRECTORY, FILE, PREFETCH, REGEX
from scripts.localcloud.cdn.rows import RowHabits
from scripts.localcloud.cdn.tasks import Row, TaskBook, Timeline

PAGE_NUMBER_MAX = 100_000
PAGE_SIZE_MAX = 100
PAGE_SIZE_DEFAULT = 20
FORMS_TO_FILTER = frozenset({FILE, DIRECTORY, REGEX, PREFETCH, "block", "unblock"})
STATUSES_TO_FILTER = frozenset({"Complete", "Refreshing", "Failed", "Pending", "Timeout", "Canceled"})

Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Window:
    """The times of acceptance asked for, both included."""

    first: float
    last: float


def list_tasks(params: Params, book: TaskBook, limits: Limits, habits: RowHabits, now: float) -> dict[str, Any]:
    """Answer DescribeRefreshTasks, but for the RequestId."""
    number = _whole(params, "PageNumber", 1, PAGE_NUMBER_MAX)
    size = min(_whole(params, "PageSize", PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX), habits.listed_rows_max or PAGE_SIZE_MAX)
    _check_filters(params)
    window = _window(params, limits, now)
    total, rows = _Search(params, book, habits, now).page(window, (number - 1) * size, size)
    return {
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": total,
        "Tasks": {"CDNTask": [habits.described(row, now) for row in rows]},
    }


def tasks_by_id(params: Params, book: TaskBook, limits: Limits, habits: RowHabits, now: float) -> dict[str, Any]:
    """Answer DescribeRefreshTaskById, but for the RequestId."""
    if not params.get("TaskId"):
        raise RefusedError("MissingParameter", name="TaskId")
    ids = [_checked_id(text.strip()) for text in params["TaskId"].split(",")]
    if len(ids) > limits.task_ids_per_query:
        raise RefusedError("InvalidTaskId.Malformed")
    window = _window({}, limits, now)
    found = [row for task_id in dict.fromkeys(ids) for row in _within(book.of_task(task_id), window)]
    rows = [row for row in found if habits.shows(row, now)]
    return {
        "TotalCount": len(rows),
        "Tasks": [habits.described(row, now) for row in rows[: habits.by_id_rows_max]],
    }


def _check_filters(params: Params) -> None:
    form, status = params.get("ObjectType", ""), params.get("Status", "")
    if form and form not in FORMS_TO_FILTER:
        raise RefusedError("InvalidObjectType.ValueNotSupported")
    if status and status not in STATUSES_TO_FILTER:
        raise RefusedError("InvalidStatus.ValueNotSupported")
    if not form and (status or params.get("DomainName")):
        raise RefusedError("MissingParameter.ObjectType")


def _window(params: Params, limits: Limits, now: float) -> _Window:
    """Read the span of time asked for; without one it is the whole look-back."""
    start, end = params.get("StartTime", ""), params.get("EndTime", "")
    visible = now - limits.row_visible_after_seconds
    if not start and not end:
        return _Window(now - limits.lookback_seconds, visible)
    if not start or not end:
        raise RefusedError("MissingTimeParameter")
    first, last = _epoch(start, "InvalidStartTime.Malformed"), _epoch(end, "InvalidEndTime.Malformed")
    if last <= first:
        raise RefusedError("InvalidEndTime.Mismatch")
    if first < int(now) - limits.lookback_seconds:
        raise RefusedError("InvalidTime", days=limits.lookback_days)
    # Times are shown to the second, so the last second is included as a whole.
    return _Window(first, min(last + 0.999_999, visible))


@dataclass(frozen=True, slots=True)
class _Search:
    """A query of DescribeRefreshTasks: what its rows must be."""

    params: Params
    book: TaskBook
    habits: RowHabits
    now: float

    def page(self, window: _Window, skip: int, size: int) -> tuple[int, list[Row]]:
        """Count the rows that match, and take one page of them, without looking at all rows if possible."""
        timeline, exact = self._timeline()
        places = timeline.span(window.first, window.last)[::-1]
        if exact and self.habits.shows_all:
            return len(places), timeline.rows(places[skip : skip + size])
        rows = [row for row in timeline.rows(places) if self._matches(row)]
        return len(rows), rows[skip : skip + size]

    def _timeline(self) -> tuple[Timeline, bool]:
        """Return the fewest rows that hold all that match, and whether all of them do."""
        form, domain, path = (self.params.get(name, "") for name in ("ObjectType", "DomainName", "ObjectPath"))
        if self.params.get("TaskId"):
            return self.book.of_task(_checked_id(self.params["TaskId"])), False
        if path and not self.habits.paths_match_as_shown:
            return self.book.of_path(path), False
        return self.book.of_form(form, domain.lower()), not path and not self.params.get("Status")

    def _matches(self, row: Row) -> bool:
        shown = self.habits.path(row) if self.habits.paths_match_as_shown else row.path
        said = {
            "ObjectType": row.form,
            "DomainName": row.domain,
            "ObjectPath": shown,
            "Status": self.habits.status(row, self.now),
        }
        wanted = {**self.params, "DomainName": self.params.get("DomainName", "").lower()}
        return self.habits.shows(row, self.now) and all(
            value == wanted[name] for name, value in said.items() if wanted.get(name)
        )


def _within(timeline: Timeline, window: _Window) -> list[Row]:
    return timeline.rows(timeline.span(window.first, window.last))


def _checked_id(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise RefusedError("InvalidTaskId.Malformed")
    return text


def _whole(params: Params, name: str, default: int, most: int) -> int:
    text = params.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise RefusedError("InvalidParameter", name=name)
    return int(text)


def _epoch(text: str, code: str) -> float:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise RefusedError(code) from None
