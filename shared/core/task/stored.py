"""The values that pass between the flow and the spool: a lease, a survey of what lies there, a burial."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import msgspec

from shared.core.plan.books import Ledger
from shared.core.task.model import Batch, Task


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
    """Keys of what lies in the spool. `later` tells that there are further notes: not due yet, or too many to list."""

    intents: tuple[Intent, ...] = ()
    accepted: tuple[str, ...] = ()
    unlogged: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    later: bool = False
    date: float = 0.0
    """When it was made, in whole epoch seconds by OSS's clock."""


class Grave(msgspec.Struct, frozen=True):
    """Where something given up lies: its key `DAY/ID`, and when it was written (epoch seconds, by OSS)."""

    key: str
    modified: float

    @property
    def day(self) -> str:
        """The day it was given up, YYYY-MM-DD in UTC."""
        return self.key.partition("/")[0]

    @property
    def id(self) -> str:
        """What `Bad.id` says."""
        return self.key.partition("/")[2]


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


def utc_day(now: float) -> str:
    """The day that `dead/` sorts by: YYYY-MM-DD in UTC."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")


def submission_key(batch: Batch, check: float) -> str:
    """Name a submission in the spool: when to ask for its status, when it was made (ms), its URLs, its batch."""
    return f"{int(check * 1000):013d}-{int(batch.created * 1000):013d}-{len(batch.urls)}-{batch.id}"


_KEY = re.compile(r"\d{13}-\d{13}-\d+-\w+")


def submission_state(name: str) -> tuple[str, str]:
    """Split an object's name below `submitted/` into the submission's key and its state; two empty texts if none."""
    key, _, state = name.rpartition(".")
    return (key, state) if _KEY.fullmatch(key) else ("", "")


def check_of(key: str) -> float:
    """When to ask for the status of a submission, in epoch seconds."""
    return int(key.partition("-")[0]) / 1000


def call_of(key: str) -> str:
    """The id of a submission's batch, which stays the same however often the submission is written again."""
    return key.rpartition("-")[2]


def size_of(key: str) -> tuple[float, int]:
    """When a submission was made (epoch seconds), and how many URLs of it are not finished."""
    _, created, urls, _ = key.split("-", 3)
    return int(created) / 1000, int(urls)
