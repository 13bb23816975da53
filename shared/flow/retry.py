"""The timer's tick in; submissions are followed to their end, and what has fallen due is submitted."""

from __future__ import annotations

from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.settle import settle


def retry(kit: Kit, _event: bytes, run: Invocation) -> dict[str, object]:
    """Settle, then drain. Raises `StoreError` where the spool fails; the next tick tries again."""
    return settle(kit, run) | drain(kit, run)
