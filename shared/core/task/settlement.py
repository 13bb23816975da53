"""A submission and the CDN's rows in; which of its tasks are done, failed or still running out.

An id can carry rows of other calls made in the same second, so a row counts by what it is of, never by its id alone.
A row that is missing may still appear: its task is running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from shared.core.task.model import Cause, Form, Kind, Lane, Submission, Target, Task, TaskId, digest
from shared.core.task.provider import Provider
from shared.core.task.rows import Alike, CdnTask, Rows, RowState, alike

CLOCKS_AND_PAUSES_SECONDS = 86_400.0
"""A task that runs until this long before the CDN forgets it counts as failed."""
_CHECKS = ((900.0, 60.0), (6 * 3_600.0, 300.0), (float("inf"), 1_800.0))
"""Up to which age of a submission (seconds) it is looked at how often: a refresh takes five to six minutes."""


class Settlement(msgspec.Struct, frozen=True):
    """Where the tasks of a submission stand. `failed` carries the CDN's words, as code and message."""

    done: tuple[Task, ...] = ()
    failed: tuple[tuple[Task, str, str], ...] = ()
    running: tuple[Task, ...] = ()


def settlement(submission: Submission, rows: Iterable[CdnTask], now: float, provider: Provider) -> Settlement:
    """Sort the tasks of a submission by what the CDN says of their targets."""
    own_rows = Rows(row for row in rows if row.task_id in submission.task_ids)
    after = provider.look_back_seconds - CLOCKS_AND_PAUSES_SECONDS
    is_late = now - submission.accepted > after
    unfinished = _unfinished(submission, own_rows)
    done, failed, running = [], [], []
    for task in submission.batch.tasks:
        own = own_rows.of(task.target)
        states = {row.state for row in own}
        if is_late and states != {RowState.COMPLETE}:
            failed.append((task, "Unfinished", f"not complete after {after:.0f} seconds"))
        elif alike(task.target) in unfinished:
            running.append(task)
        elif RowState.FAILED in states:
            worst = next(row for row in own if row.state is RowState.FAILED)
            failed.append((task, worst.status, worst.description))
        else:
            done.append(task)
    return Settlement(tuple(done), tuple(failed), tuple(running))


def _unfinished(submission: Submission, rows: Rows) -> set[Alike]:
    """Name the targets that are not finished: those that look alike in the list are so together.

    Without their own spelling only as many rows as they are tell of them.
    """
    targets = {task.target for task in submission.batch.tasks}
    counts = Counter(map(alike, targets))
    found = set()
    for target in targets:
        own = rows.of(target)
        is_spelled = bool(own) and own[0].url == target.url
        is_told = is_spelled or len(own) >= counts[alike(target)]
        if not is_told or any(row.state is RowState.RUNNING for row in own):
            found.add(alike(target))
    return found


def next_check(submission: Submission, now: float) -> float:
    """When to look at a running submission again, in epoch seconds."""
    age = now - submission.accepted
    return now + next(pause for limit, pause in _CHECKS if age <= limit)


def prefetch_after(task: Task, call: str) -> Task:
    """Make the prefetch that follows a completed refresh, which the call of this id had asked for."""
    cause, target = task.cause, task.target
    return Task(
        id=TaskId(digest(task.id, call, "then prefetch")),
        target=Target(Kind.PREFETCH, Form.FILE, target.url, provider=target.provider, account=target.account),
        site=task.site,
        lane=Lane.PREFETCH,
        cause=Cause(cause.event_id, cause.event_name, cause.time, cause.bucket, cause.key, cause.etag),
    )
