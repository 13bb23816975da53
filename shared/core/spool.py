"""The values that pass between the flow and the spool: a lease, a survey of what lies there, a burial."""

from __future__ import annotations

import msgspec

from shared.core.model import Task
from shared.core.quota import Ledger


class Lease(msgspec.Struct, frozen=True):
    """The right to drain: its number, the ledger that the last holder left, old lease objects to delete."""

    number: int
    ledger: Ledger
    old: tuple[str, ...] = ()


class Intent(msgspec.Struct, frozen=True):
    """A call that was about to be made: its key, and when that was written (epoch seconds, by OSS)."""

    key: str
    modified: float


class Survey(msgspec.Struct, frozen=True):
    """Keys of what lies in the spool. `later` tells that notes are there which are not due yet."""

    intents: tuple[Intent, ...] = ()
    accepted: tuple[str, ...] = ()
    unlogged: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    later: bool = False


class Bad(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something given up: why, and either the event's bytes (Base64) or the task with its history.

    `day` is YYYY-MM-DD in UTC; `at` is in epoch seconds.
    """

    id: str
    day: str
    at: float
    reason: str
    event: str = ""
    request_id: str = ""
    task: Task | None = None
