"""The values that pass between the flow and the spool: a lease, a survey of what lies there, a burial."""

from __future__ import annotations

import msgspec

from shared.core.model import Batch, Task
from shared.core.quota import Ledger


class Lease(msgspec.Struct, frozen=True):
    """The right to do some work: its number, the ledger that the last holder left, old lease objects to delete."""

    work: str
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


def submission_key(batch: Batch, check: float) -> str:
    """Name a submission in the spool; the name begins with when to ask for its status (milliseconds)."""
    return f"{int(check * 1000):013d}-{batch.id}"


def check_of(key: str) -> float:
    """When to ask for the status of a submission, in epoch seconds."""
    return int(key.partition("-")[0]) / 1000


def call_of(key: str) -> str:
    """The id of a submission's batch."""
    return key.partition("-")[2]
