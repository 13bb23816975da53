"""A CDN event in; the calls it is about are settled at once instead of at the timer's next look."""

from __future__ import annotations

from shared.core.change.finished import read_finished
from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.note import bury_events
from shared.flow.settle import settle


def finished(kit: Kit, event: bytes, run: Invocation) -> dict[str, object]:
    """Confirm by id what the event says has ended, since it does not say how. The timer stays the safety net.

    Raises `StoreError` where the spool fails; the platform then delivers the event again.
    """
    found = read_finished(event)
    bury_events(kit, run, found.bad)
    summary: dict[str, object] = {
        "finished": len(found.task_ids),
        "ignored": len(found.ignored),
        "dead": len(found.bad),
    }
    if not found.task_ids:
        return summary
    summary |= settle(kit, run, run.deadline, found.task_ids)
    return summary | (drain(kit, run) if summary.get("prefetch_follows") and not kit.faults else {})
