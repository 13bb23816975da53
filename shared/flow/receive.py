"""An OSS event in; its tasks are made durable first, then the spool is drained if nobody else does it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

import msgspec

from shared.core.change.events import read
from shared.core.change.wrappers import BadEvent
from shared.core.errors import StoreError
from shared.core.site.urls import Skipped, tasks_of
from shared.core.task.model import ObjectChange, Outcome, Result, Task, TaskId, digest
from shared.core.task.notes import Place, notes_of
from shared.core.task.stored import Piece
from shared.core.task.waits import READY
from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.log import log_outcomes

AHEAD_SECONDS_MAX = 300.0
"""An event's time may be this far ahead; what is later counts as now, or it would pass for newer than all after it."""
BEHIND_SECONDS = 60.0
"""How long an instance leaves the log store alone that did not take an event's records."""


def receive(kit: Kit, event: bytes, run: Invocation) -> dict[str, object]:
    """Note what an event makes stale, then drain. Returns what the canonical log line says.

    Raises only where the event could not be made durable: the platform then delivers it again.
    """
    if kit.faults:
        return _kept(kit, event, run)
    summary, has_tasks, records = note_event(kit, event, run)
    return summary | _after_durable(kit, run, records, drain_now=has_tasks)


def note_event(kit: Kit, event: bytes, run: Invocation) -> tuple[dict[str, object], bool, list[Outcome]]:
    """Make an event's tasks durable; returns a summary, whether there are any, and the records of what causes none."""
    received = read(event, http=kit.http_events)
    changes = _in_time(kit, [change for change in received.changes if not _is_own(kit, change)])
    own = len(received.changes) - len(changes)
    if own:
        _tell_of_own(kit)
    tasks: dict[TaskId, Task] = {}
    skipped: list[Skipped] = []
    for change in changes:
        caused, passed_over = tasks_of(change, kit.sites, kit.provider)
        tasks.update((task.id, task) for task in caused)
        skipped += passed_over
    if tasks:
        kit.spool.put(list(notes_of((task, Place(READY)) for task in tasks.values())))
    buried = bury_events(kit, run, received.bad)
    now = kit.clock()
    summary: dict[str, object] = {
        "changes": len(changes),
        "tasks": len(tasks),
        "skipped": len(skipped),
        "ignored": len(received.ignored) + own,
        "dead": len(received.bad),
    }
    records = [_skip(each, now) for each in skipped]
    records += [_dead(bad_id, bad, run, now) for bad_id, bad in buried.items()]
    return summary, bool(tasks), records


def bury_events(kit: Kit, run: Invocation, bad: Sequence[BadEvent]) -> dict[str, BadEvent]:
    """Keep unreadable events with their bytes; returns them by their ids, which a second delivery shares."""
    now = kit.clock()
    bodies = {each: base64.b64encode(each.payload).decode() for each in bad}
    pieces = [Piece(digest(body), now, each.reason, body, run.request_id) for each, body in bodies.items()]
    kit.spool.bury(pieces)
    for piece in pieces:
        kit.report.error("an event could not be read; it is kept in dead/", reason=piece.reason, dead_id=piece.id)
    return {digest(body): each for each, body in bodies.items()}


def _kept(kit: Kit, event: bytes, run: Invocation) -> dict[str, object]:
    """Keep an event as it is, since nobody can tell what it means before the settings are mended."""
    kit.spool.keep_event(event, run.request_id)
    kit.report.error("alarm", alarm="events are kept and nothing is sent: the settings are wrong", faults=kit.faults)
    return {"kept": 1}


def _is_own(kit: Kit, change: ObjectChange) -> bool:
    """Whether an event is about the spool itself: a trigger covers it, and each note would cause another event."""
    bucket, prefix = kit.own
    return bool(bucket) and change.bucket == bucket and change.key.startswith(prefix)


def _tell_of_own(kit: Kit) -> None:
    """Tell a person once, and write nothing down: what is written would be told again."""
    if "own events" in kit.told:
        return
    kit.told.add("own events")
    kit.report.error(
        "alarm",
        alarm="a trigger covers the spool: each of its objects causes an invocation for nothing",
        remedy="narrow the trigger's prefix, or give the spool a bucket of its own",
        spool="/".join(kit.own),
    )


def _in_time(kit: Kit, changes: Sequence[ObjectChange]) -> list[ObjectChange]:
    """Let a time that lies ahead count as now, by OSS's clock: this machine's may be behind, and nobody has told it."""
    if any(change.time > kit.clock() + AHEAD_SECONDS_MAX for change in changes):
        kit.spool.areas()  # a listing, whose reply tells the time
    now = kit.clock()
    return [
        change if change.time <= now + AHEAD_SECONDS_MAX else msgspec.structs.replace(change, time=now)
        for change in changes
    ]


def _after_durable(kit: Kit, run: Invocation, records: list[Outcome], *, drain_now: bool) -> dict[str, object]:
    """Log what causes no task, then drain. A drain may fail without losing anything: the timer goes on from the spool.

    Raises `StoreError` where neither the log store nor the spool took the records: nothing else would tell of them.
    """
    if records:
        _log(kit, records)
    try:
        return drain(kit, run) if drain_now else {}
    except StoreError as error:
        kit.report.error("the spool failed after the event was noted; the timer will go on", reason=str(error))
        return {"drain": "failed"}


def _log(kit: Kit, records: Sequence[Outcome]) -> None:
    """Write records; where the log store has just not answered, keep them: each event would wait for it anew."""
    is_behind = kit.clock() < kit.lag.until
    if log_outcomes(kit, records, behind=is_behind) and not is_behind:
        kit.lag.until = kit.clock() + BEHIND_SECONDS


def again(kit: Kit, run: Invocation, events: Iterable[tuple[str, bytes]], until: float) -> int:
    """Note events that were kept while the settings were wrong; returns how many."""
    count = 0
    for key, payload in events:
        if kit.clock() >= until:
            break
        _, _, records = note_event(kit, payload, run)
        if records:
            _log(kit, records)
        kit.spool.clean(events=[key])
        count += 1
    return count


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
