"""A submission and the CDN's rows in; which of its tasks are done, failed or still running out.

An id can carry rows of other calls made in the same second, so a row counts by object type and path,
never by its id alone. A row that is missing may still appear: its task is running.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.core.task.model import Cause, Form, Kind, Lane, Submission, Task, digest
from shared.core.task.rows import CdnTask, State

UNFINISHED_AFTER_SECONDS = 2 * 86_400.0
"""A task that runs longer counts as failed: the CDN tells of the last three days only."""

_ROW_TYPES = {Form.FILE: "file", Form.DIRECTORY: "directory", Form.REGEX: "regex"}
_CHECKS = ((900.0, 60.0), (6 * 3_600.0, 300.0), (float("inf"), 1_800.0))
"""Up to which age of a submission (seconds) it is looked at how often: a refresh takes five to six minutes."""


class Settlement(msgspec.Struct, frozen=True):
    """Where the tasks of a submission stand. `failed` carries the CDN's words."""

    done: tuple[Task, ...] = ()
    failed: tuple[tuple[Task, str], ...] = ()
    running: tuple[Task, ...] = ()


def settlement(submission: Submission, rows: Iterable[CdnTask], now: float) -> Settlement:
    """Sort the tasks of a submission by what the CDN says of their URLs."""
    by_url = _rows_by_url(submission, rows)
    late = now - submission.accepted > UNFINISHED_AFTER_SECONDS
    done, failed, running = [], [], []
    for task in submission.batch.tasks:
        own = by_url.get(task.url, [])
        states = {row.state for row in own}
        if late and states != {State.COMPLETE}:
            failed.append((task, f"Unfinished: not complete after {UNFINISHED_AFTER_SECONDS:.0f} seconds"))
        elif not own or State.RUNNING in states:
            running.append(task)
        elif State.FAILED in states:
            worst = next(row for row in own if row.state is State.FAILED)
            failed.append((task, f"{worst.status}: {worst.description}" if worst.description else worst.status))
        else:
            done.append(task)
    return Settlement(tuple(done), tuple(failed), tuple(running))


def lost(submission: Submission, reason: str) -> Settlement:
    """The settlement of a submission whose ids the CDN does not know (any more): all of it failed."""
    return Settlement(failed=tuple((task, reason) for task in submission.batch.tasks))


def _rows_by_url(submission: Submission, rows: Iterable[CdnTask]) -> dict[str, list[CdnTask]]:
    batch = submission.batch
    wanted = "preload" if batch.kind is Kind.PREFETCH else _ROW_TYPES.get(batch.form, "")
    found: dict[str, list[CdnTask]] = {}
    for row in rows:
        if row.task_id in submission.task_ids and (not wanted or row.object_type == wanted):
            found.setdefault(row.url, []).append(row)
    return found


def next_check(submission: Submission, now: float) -> float:
    """When to look at a running submission again, in epoch seconds."""
    age = now - submission.accepted
    return now + next(pause for limit, pause in _CHECKS if age <= limit)


def prefetch_after(task: Task, call: str) -> Task:
    """Make the prefetch that follows a completed refresh, which the call of this id had asked for."""
    cause = task.cause
    return Task(
        id=digest(task.id, call, "then prefetch"),
        kind=Kind.PREFETCH,
        form=Form.FILE,
        url=task.url,
        site=task.site,
        lane=Lane.PREFETCH,
        cause=Cause(cause.event_id, cause.event_name, cause.time, cause.bucket, cause.key, cause.etag),
    )
