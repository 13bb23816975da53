"""Outcomes in; they reach the log store, or wait in the spool while it is down."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import LogStoreDown
from shared.core.task.model import Outcome
from shared.flow.kit import Kit

KEPT_PER_RUN_MAX = 200
"""How many kept batches one step writes at most; the rest is left to the next one."""


def log_outcomes(kit: Kit, outcomes: Sequence[Outcome], unlogged: Sequence[str] = ()) -> tuple[str, ...]:
    """Write outcomes after those that were kept under `unlogged`; returns the keys that may now be deleted.

    While the log store is down, or older ones are left, the new ones are kept in the spool, and tasks go on. The
    oldest kept batch goes alone: it tells whether the log store is there again before the others are read.
    """
    written: list[str] = []
    try:
        for part in (unlogged[:1], unlogged[1:KEPT_PER_RUN_MAX]):
            if kept := kit.spool.kept(part) if part else []:
                kit.outcomes.write(kept)
            written += part
        if outcomes and len(written) == len(unlogged):
            kit.outcomes.write(outcomes)
            outcomes = ()
    except LogStoreDown as error:
        kit.report.warning("the log store is down; outcomes are kept in the spool", reason=str(error))
    if outcomes:
        kit.spool.keep(outcomes)
    return tuple(written)
