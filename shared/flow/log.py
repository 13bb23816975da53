"""Records in; they reach the log store, or wait in the spool while it is down, in their order."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from shared.core.errors import LogStoreDown, RecordsRefused
from shared.core.task.model import Outcome, digest, json_bytes
from shared.core.task.stored import Piece
from shared.flow.kit import Kit

FLUSHED_BYTES_MAX = 8_000_000
"""How much of what was kept one step reads and writes at most; the rest is left to the next one."""
FLUSHED_OBJECTS_MAX = 400
FLUSHED_AT_ONCE = 20
REFUSALS_MAX = 40
"""How many writes one search for records that the log store refuses may cost."""


def log_outcomes(kit: Kit, outcomes: Sequence[Outcome], *, behind: bool = False) -> bool:
    """Write records; where the log store is down, or older ones wait, they are kept. True where they were kept."""
    if not behind:
        try:
            kit.outcomes.write(outcomes)
        except RecordsRefused as error:
            kit.report.warning("the log store refuses records; they are looked at one by one", reason=str(error))
        except LogStoreDown as error:
            kit.report.warning("the log store is down; records are kept in the spool", reason=str(error))
        else:
            return False
    kit.spool.keep(outcomes)
    return True


def flush(kit: Kit, until: float) -> bool:
    """Write records that were kept, the oldest first and as many as time and bytes allow; True where none are left."""
    keys, is_more = kit.spool.kept(most=FLUSHED_OBJECTS_MAX)
    left = FLUSHED_BYTES_MAX
    part: list[str] = []
    for key, size in keys:
        left -= size
        if left < 0 and part:
            is_more = True
            break
        part.append(key)
    for start in range(0, len(part), FLUSHED_AT_ONCE):
        if kit.clock() >= until or not _flush_some(kit, part[start : start + FLUSHED_AT_ONCE]):
            return False
    return not is_more


def _flush_some(kit: Kit, keys: Sequence[str]) -> bool:
    """Write some objects of records, the oldest first, and delete them together; False where that has to wait."""
    written: list[str] = []
    for key, outcomes in kit.spool.read_kept(keys).items():
        if not _flushed(kit, outcomes):
            break
        written.append(key)
    is_all = len(written) == len(keys)
    kit.spool.clean(kept=written)
    return is_all


def _flushed(kit: Kit, outcomes: Sequence[Outcome]) -> bool:
    """Write one object of records; False where the log store does not take any."""
    try:
        kit.outcomes.write(outcomes)
    except RecordsRefused as error:
        return _without_refused(kit, outcomes, error)
    except LogStoreDown as error:
        kit.report.warning("the log store is down; records wait in the spool", reason=str(error))
        return False
    return True


def _without_refused(kit: Kit, outcomes: Sequence[Outcome], error: LogStoreDown) -> bool:
    """Find the records that the log store refuses, in halves, and set them aside; the others are written in order."""
    parts = [outcomes]
    tries = 0
    while parts:
        part = parts.pop(0)
        tries += 1
        try:
            kit.outcomes.write(part)
        except RecordsRefused as refusal:
            if len(part) > 1 and tries < REFUSALS_MAX:
                parts[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
            else:
                _set_aside(kit, part, refusal)
        except LogStoreDown as down:
            kit.report.warning("the log store is down; records wait in the spool", reason=str(down))
            return False
    kit.report.error("alarm", alarm="the log store refuses some records; they were set aside", reason=str(error))
    return True


def _set_aside(kit: Kit, records: Sequence[Outcome], refusal: LogStoreDown) -> None:
    now, reason = kit.clock(), f"records that the log store refuses: {refusal}"
    bodies = [base64.b64encode(json_bytes(record)).decode() for record in records]
    kit.spool.bury([Piece(digest(body), now, reason, event=body) for body in bodies])
