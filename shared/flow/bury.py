"""What is given up in; it stands in `dead/` with its reason, and a person is told."""

from __future__ import annotations

import base64

from shared.core.change.events import BadEvent
from shared.core.task.model import Task, digest
from shared.core.task.stored import Bad, utc_day
from shared.flow.kit import Invocation, Kit


def bury_event(kit: Kit, run: Invocation, bad: BadEvent) -> str:
    """Keep an unreadable event with its bytes; returns its id, which a second delivery shares."""
    event = base64.b64encode(bad.payload).decode()
    bad_id = digest(event)
    now = kit.clock()
    kit.spool.bury(Bad(id=bad_id, day=utc_day(now), at=now, reason=bad.reason, event=event, request_id=run.request_id))
    kit.report.error("an event could not be read; it is kept in dead/", reason=bad.reason, dead_id=bad_id)
    return bad_id


def bury_task(kit: Kit, run: Invocation, task: Task, reason: str) -> None:
    """Keep a task that was given up, with its whole history."""
    now = kit.clock()
    kit.spool.bury(Bad(id=task.id, day=utc_day(now), at=now, reason=reason, request_id=run.request_id, task=task))
    kit.report.error("a task was given up; it is kept in dead/", url=task.url, reason=reason, dead_id=task.id)
