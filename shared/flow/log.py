"""Outcomes in; they reach the log store, or wait in the spool while it is down."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import LogStoreDown
from shared.core.model import Outcome
from shared.flow.kit import Kit


def log_outcomes(kit: Kit, outcomes: Sequence[Outcome], unlogged: Sequence[str] = ()) -> tuple[str, ...]:
    """Write outcomes, those that were kept under `unlogged` first; returns the keys that may now be deleted.

    While the log store is down the new ones are kept in the spool, and tasks go on.
    """
    kept = kit.spool.kept(unlogged) if unlogged else []
    if not kept and not outcomes:
        return ()
    try:
        kit.outcomes.write([*kept, *outcomes])
    except LogStoreDown as error:
        kit.report.warning("the log store is down; outcomes are kept in the spool", reason=str(error))
        if outcomes:
            kit.spool.keep(outcomes)
        return ()
    return tuple(unlogged)
