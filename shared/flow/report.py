"""The spool and the CDN's quota in; the status is written down, logged, and a person is told of what is new in it."""

from __future__ import annotations

import msgspec

from shared.core.errors import CdnError, LogStoreDown
from shared.core.report import Status, new_alarms, status
from shared.core.task.model import Outcome, Result
from shared.flow.kit import Invocation, Kit


def report(kit: Kit, run: Invocation) -> dict[str, object]:
    """Write `report/status.json` and one outcome record; raise each alarm once. Raises `StoreError`."""
    now = kit.clock()
    ledger = kit.spool.ledger("drain").at(now)
    try:
        ledger = ledger.with_reading(kit.cdn.quota(), now)
    except CdnError as error:
        kit.report.warning("the quota could not be read", code=error.code, reason=error.message)
    found = status(ledger, kit.spool.spooled(), now)
    for alarm in new_alarms(kit.spool.last_status(), found):
        kit.report.error("alarm", alarm=alarm)
    kit.spool.write_status(found)
    _log(kit, run, found)
    return {"alarms": len(found.alarms), "waiting": found.waiting.count, "in_flight": found.in_flight.count}


def _log(kit: Kit, run: Invocation, found: Status) -> None:
    """Write the status as a record; the next one follows in a minute, so it is not kept where that fails."""
    text = msgspec.json.encode(found).decode()
    try:
        kit.outcomes.write([Outcome(found.time, Result.REPORT, request_id=run.request_id, message=text)])
    except LogStoreDown as error:
        kit.report.warning("the log store did not take the status", reason=str(error))
