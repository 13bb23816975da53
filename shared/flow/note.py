"""Events in; their tasks are made durable, and what cannot be read is kept in `dead/`.

What causes no task comes out as records, and a person is told where the site file does not seem to fit (unserved.py).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.core.change.events import read
from shared.core.change.wrappers import BadEvent, without_headers
from shared.core.errors import StoreError
from shared.core.foreign import foreign
from shared.core.site.links import ask_of, follows, linked_tasks
from shared.core.site.urls import Skipped, tasks_of
from shared.core.task.links import Ask, Links
from shared.core.task.model import ObjectChange, Outcome, Result, Task, TaskId, digest
from shared.core.task.notes import Place, notes_of
from shared.core.task.stored import Piece
from shared.core.task.waits import READY
from shared.flow.kit import Invocation, Kit
from shared.flow.unserved import watch

AHEAD_SECONDS_MAX = 300.0
"""An event's time may be this far ahead; what is later counts as now, or it would pass for newer than all after it."""
BAD_EVENTS_TOLD_MAX = 10
"""Of one invocation; all of them are kept."""


@dataclass
class _Judged:
    """What became of some events before any of it is durable."""

    changes: int = 0
    ignored: int = 0
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    bad: list[BadEvent] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    unread: StoreError | None = None
    """Why the index of links could not be read: then nobody knows whether a change is one of a link's, too."""


@dataclass(frozen=True)
class Noted:
    """What is durable of some events: a summary, which work they leave, and the records of what causes none."""

    summary: dict[str, object]
    has_tasks: bool
    has_asks: bool
    records: list[Outcome]


def note_events(kit: Kit, events: Iterable[bytes], run: Invocation) -> Noted:
    """Make durable what events ask for: their tasks, and asks about links.

    Raises `StoreError` where something is not durable, or may be missing; what is durable then goes by itself.
    """
    judged = _Judged()
    for event in events:
        _judge(kit, event, judged)
    if judged.asks and kit.links is not None:
        now = kit.clock()
        kit.links.put((ask, min(ask.time, now)) for ask in judged.asks)
    if judged.tasks:
        kit.spool.put(list(notes_of((task, Place(READY)) for task in judged.tasks.values())))
    buried = bury_events(kit, run, judged.bad)
    if judged.unread is not None:
        raise judged.unread
    now = kit.clock()
    summary: dict[str, object] = {
        "changes": judged.changes,
        "tasks": len(judged.tasks),
        "skipped": len(judged.skipped),
        "ignored": judged.ignored,
        "dead": len(judged.bad),
    }
    records = [_skip(each, now) for each in judged.skipped]
    records += [_dead(bad_id, bad, run, now) for bad_id, bad in buried.items()]
    return Noted(summary, bool(judged.tasks), bool(judged.asks), records)


def _judge(kit: Kit, event: bytes, judged: _Judged) -> None:
    """Find what one event makes stale. What cannot be judged for a fault of ours is bad: raising would lose it."""
    received = read(event, http=kit.http_events)
    changes = _in_time(kit, [change for change in received.changes if not is_own(kit, change)])
    if own := len(received.changes) - len(changes):
        tell_of_own(kit)
    judged.bad += received.bad
    tasks: dict[TaskId, Task] = {}
    skipped: list[Skipped] = []
    links = _links(kit, changes, judged)
    for change in changes:
        try:
            caused, passed_over = tasks_of(change, kit.sites, kit.provider)
            if links is not None:
                linked, also_passed_over = linked_tasks(change, kit.sites, links, kit.provider)
                caused, passed_over = caused + linked, passed_over + also_passed_over
        except Exception as error:  # noqa: BLE001, PERF203 - whatever it is, the next try would raise it; each for itself
            reason = f"it could not be judged: {type(error).__name__}: {foreign(error)}"
            judged.bad.append(BadEvent(reason, without_headers(event)))
        else:
            tasks.update((task.id, task) for task in caused)
            skipped += passed_over
            if links is not None and (ask := ask_of(change, kit.sites, links)):
                judged.asks.append(ask)
    watch(kit, skipped, has_tasks=bool(tasks))
    judged.changes += len(changes)
    judged.ignored += len(received.ignored) + own
    judged.tasks |= tasks
    judged.skipped += skipped


def _links(kit: Kit, changes: Sequence[ObjectChange], judged: _Judged) -> Links | None:
    """Look up what is known of links, if a site follows any; where that fails, the objects' own tasks are noted."""
    if kit.links is None or not follows(kit.sites, (change.bucket for change in changes)):
        return None
    try:
        return kit.links.known()
    except StoreError as error:
        judged.unread = error
        return None


def bury_events(kit: Kit, run: Invocation, bad: Sequence[BadEvent]) -> dict[str, BadEvent]:
    """Keep unreadable events with their bytes; returns them by their ids, which a second delivery shares."""
    now = kit.clock()
    bodies = {each: base64.b64encode(each.payload).decode() for each in bad}
    pieces = [Piece(digest(body), now, each.reason, body, run.request_id) for each, body in bodies.items()]
    kit.spool.bury(pieces)
    for piece in pieces[:BAD_EVENTS_TOLD_MAX]:
        kit.report.error("an event could not be read; it is kept in dead/", reason=piece.reason, dead_id=piece.id)
    if len(pieces) > BAD_EVENTS_TOLD_MAX:
        kit.report.error("events could not be read; they are kept in dead/", count=len(pieces))
    return {digest(body): each for each, body in bodies.items()}


def is_own(kit: Kit, change: ObjectChange) -> bool:
    """Whether an event is about the spool itself: a trigger covers it, and each note would cause another event."""
    bucket, prefix = kit.own
    return bool(bucket) and change.bucket == bucket and change.key.startswith(prefix)


def tell_of_own(kit: Kit) -> None:
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
