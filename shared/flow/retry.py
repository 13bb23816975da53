"""The timer's tick in; submissions are followed to their end, what is due is submitted, and the status is reported."""

from __future__ import annotations

from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.report import report
from shared.flow.settle import settle


def retry(kit: Kit, _event: bytes, run: Invocation) -> dict[str, object]:
    """Settle, drain, report. Raises `StoreError` where the spool fails; the next tick tries again."""
    return settle(kit, run) | drain(kit, run) | report(kit, run)
