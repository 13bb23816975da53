"""An OSS event in; its tasks are made durable first, then the spool is drained if nobody else does it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.change.events import read
from shared.core.errors import StoreError
from shared.core.task.model import Outcome
from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.links import resolve
from shared.flow.log import log_outcomes
from shared.flow.note import Noted, is_own, note_events, tell_of_own

EVENTS_AT_ONCE = 200
"""Kept events that are noted together, so that a night's worth of them takes minutes."""
BEHIND_SECONDS = 60.0
"""How long an instance leaves the log store alone that did not take an event's records."""


def receive(kit: Kit, event: bytes, run: Invocation) -> dict[str, object]:
    """Note what an event makes stale, then drain. Returns what the canonical log line says.

    Raises only where the event could not be made durable: the platform then delivers it again.
    """
    if kit.faults:
        return _kept(kit, event, run)
    noted = note_events(kit, [event], run)
    return noted.summary | _after_durable(kit, run, noted)


def _kept(kit: Kit, event: bytes, run: Invocation) -> dict[str, object]:
    """Keep an event as it is, since nobody can tell what it means before the settings are mended.

    What means nothing whatever they say is dropped, above all what happens in the spool: keeping it would be told too.
    """
    received = read(event, http=kit.http_events)
    if not received.bad and all(is_own(kit, change) for change in received.changes):
        if received.changes:
            tell_of_own(kit)
        return {"ignored": len(received.changes) + len(received.ignored)}
    kit.spool.keep_event(event, run.request_id)
    if "kept events" not in kit.told:
        kit.told.add("kept events")
        alarm = "events are kept and nothing is sent: the settings or the site file are wrong"
        kit.report.error("alarm", alarm=alarm, faults=kit.faults)
    return {"kept": 1}


def _after_durable(kit: Kit, run: Invocation, noted: Noted) -> dict[str, object]:
    """Log what causes no task, drain, then ask where links lead. That may fail: the timer goes on from the spool.

    Raises `StoreError` where neither the log store nor the spool took the records: nothing else would tell of them.
    """
    if noted.records:
        _log(kit, noted.records)
    try:
        drained = drain(kit, run) if noted.has_tasks else {}
        return drained | (resolve(kit, run, run.deadline) if noted.has_asks else {})
    except StoreError as error:
        kit.report.error("the spool failed after the event was noted; the timer will go on", reason=str(error))
        return {"drain": "failed"}


def _log(kit: Kit, records: Sequence[Outcome]) -> None:
    """Write records; where the log store has just not answered, keep them: each event would wait for it anew."""
    is_behind = kit.clock() < kit.lag.until
    if log_outcomes(kit, records, behind=is_behind) and not is_behind:
        kit.lag.until = kit.clock() + BEHIND_SECONDS


def again(kit: Kit, run: Invocation, until: float) -> int:
    """Note events that were kept while the settings were wrong, as many as time allows; returns how many."""
    count = 0
    while kit.clock() < until and (events := kit.spool.kept_events(EVENTS_AT_ONCE)):
        noted = note_events(kit, events.values(), run)
        if noted.records:
            _log(kit, noted.records)
        kit.spool.clean(events=events)
        count += len(events)
    return count
