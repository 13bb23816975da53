"""Records in; they reach the log store, or wait in the spool while it is down, in their order."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence

from shared.core.errors import LogStoreDown, RecordsRefused
from shared.core.task.model import Outcome, digest, json_bytes
from shared.core.task.stored import Piece
from shared.flow.kit import Kit

FLUSHED_BYTES_MAX = 8_000_000
"""How much of what was kept one step reads and writes at most; the rest is left to the next one."""
FLUSHED_OBJECTS_MAX = 1_000
FLUSHED_AT_ONCE = 20
WRITTEN_TOGETHER_MAX = 500
"""How many records of several objects go in one write: few enough to be one request."""
PIECES_PER_OBJECT_MAX = 500


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
        if kit.clock() >= until or not _flush_some(kit, part[start : start + FLUSHED_AT_ONCE], until):
            return False
    return not is_more


def _flush_some(kit: Kit, keys: Sequence[str], until: float) -> bool:
    """Write some objects of records, the oldest first, and delete them together; False where that has to wait."""
    read = kit.spool.read_kept(keys)
    if _written_together(kit, read.values()):
        kit.spool.clean(kept=list(read))
        return len(read) == len(keys)
    written: list[str] = []
    is_all = True
    for key, outcomes in read.items():
        left = _left(kit, outcomes, until)
        if left != [outcomes]:
            written.append(key)
        if left:
            is_all = False
            break
    kit.spool.clean(kept=written)
    return is_all and len(written) == len(keys)


def _written_together(kit: Kit, some: Collection[Sequence[Outcome]]) -> bool:
    """Write several small objects of records at once; False where each has to be looked at, or nothing is taken."""
    together = [record for outcomes in some for record in outcomes]
    if len(some) <= 1 or len(together) > WRITTEN_TOGETHER_MAX:
        return False
    try:
        kit.outcomes.write(together)
    except LogStoreDown:
        return False
    return True


def _left(kit: Kit, outcomes: Sequence[Outcome], until: float) -> list[Sequence[Outcome]]:
    """Write one object of records; what is left of it for later, in order. What came of the others is durable.

    Where the log store refuses some for their content, they are looked for in halves until each is alone. What was
    halved stays so where the time is over: the search goes on from there, however slow each write is.
    """
    left: list[Sequence[Outcome]] = [outcomes]
    refused: list[tuple[Outcome, LogStoreDown]] = []
    while left:
        part = left[0]
        try:
            kit.outcomes.write(part)
        except RecordsRefused as refusal:
            middle = len(part) // 2
            left[:1] = [part[:middle], part[middle:]] if middle else []
            refused += [] if middle else [(record, refusal) for record in part]
        except LogStoreDown as down:
            kit.report.warning("the log store is down; records wait in the spool", reason=str(down))
            break
        else:
            left.pop(0)
        if kit.clock() >= until:
            break
    _set_aside(kit, refused)
    if left and left != [outcomes]:
        rest = [record for part in left[1:] for record in part]
        left = [part for part in (left[0], rest) if part]
        for part in left:
            kit.spool.keep(part)
    return left


def _set_aside(kit: Kit, refused: Sequence[tuple[Outcome, LogStoreDown]]) -> None:
    """Keep records that the log store refuses where a person finds them, byte for byte."""
    if not refused:
        return
    now = kit.clock()
    bodies = [(base64.b64encode(json_bytes(record)).decode(), str(refusal)) for record, refusal in refused]
    pieces = [
        Piece(digest(body), now, f"records that the log store refuses: {told}", event=body) for body, told in bodies
    ]
    for start in range(0, len(pieces), PIECES_PER_OBJECT_MAX):
        kit.spool.bury(pieces[start : start + PIECES_PER_OBJECT_MAX])
    kit.report.error("alarm", alarm="the log store refuses some records; they were set aside", reason=bodies[0][1])
