"""The timer's tick in; what has fallen due in the spool is submitted."""

from __future__ import annotations

from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit


def retry(kit: Kit, _event: bytes, run: Invocation) -> dict[str, object]:
    """Drain what is due. Raises `StoreError` where the spool fails; the next tick tries again."""
    return drain(kit, run)
