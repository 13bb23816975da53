"""An OSS event in; its tasks are made durable first, then the spool is drained if nobody else does it."""

from __future__ import annotations

from shared.core.change.events import BadEvent, read
from shared.core.errors import StoreError
from shared.core.site.urls import Skipped, tasks_of
from shared.core.task.model import Outcome, Result, Task
from shared.core.task.notes import note
from shared.flow.bury import bury_event
from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.log import log_outcomes


def receive(kit: Kit, event: bytes, run: Invocation) -> dict[str, object]:
    """Note what an event makes stale, then drain. Returns what the canonical log line says.

    Raises only where the event could not be made durable: the platform then delivers it again.
    """
    received = read(event)
    tasks: dict[str, Task] = {}
    skipped: list[Skipped] = []
    for change in received.changes:
        caused, passed_over = tasks_of(change, kit.sites)
        tasks.update((task.id, task) for task in caused)
        skipped += passed_over
    if tasks:
        kit.spool.put(note(list(tasks.values())))
    buried = {bury_event(kit, run, bad): bad for bad in received.bad}
    summary: dict[str, object] = {
        "changes": len(received.changes),
        "tasks": len(tasks),
        "skipped": len(skipped),
        "ignored": len(received.ignored),
        "dead": len(received.bad),
    }
    return summary | _after_durable(kit, run, skipped, buried, drain_now=bool(tasks))


def _after_durable(
    kit: Kit, run: Invocation, skipped: list[Skipped], buried: dict[str, BadEvent], *, drain_now: bool
) -> dict[str, object]:
    """Log what causes no task, then drain. A drain may fail without losing anything: the timer goes on from the spool.

    Raises `StoreError` where neither the log store nor the spool took the records: nothing else would tell of them.
    """
    now = kit.clock()
    log_outcomes(
        kit, [_skip(each, now) for each in skipped] + [_dead(each, bad, run, now) for each, bad in buried.items()]
    )
    try:
        return drain(kit, run) if drain_now else {}
    except StoreError as error:
        kit.report.error("the spool failed after the event was noted; the timer will go on", reason=str(error))
        return {"drain": "failed"}


def _skip(skipped: Skipped, now: float) -> Outcome:
    change = skipped.change
    return Outcome(
        time=now,
        result=Result.SKIPPED,
        event_id=change.id,
        event_name=change.event_name,
        event_time=change.time,
        bucket=change.bucket,
        key=change.key,
        site=skipped.site,
        message=skipped.reason,
    )


def _dead(bad_id: str, bad: BadEvent, run: Invocation, now: float) -> Outcome:
    return Outcome(
        time=now,
        result=Result.DEAD,
        event_id=bad_id,
        request_id=run.request_id,
        code="BadEvent",
        message=bad.reason,
    )
