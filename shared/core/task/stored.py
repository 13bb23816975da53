"""The values that pass between the flow and the spool: leases, what lies there by its keys, what was given up."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any

import msgspec
from msgspec import to_builtins

from shared.core.task.codec import Undecodable, converted, decode_tasks, decoded
from shared.core.task.index import index_of, may_hold
from shared.core.task.model import Batch, Submission, Task, digest
from shared.core.task.notes import NoteKey, milliseconds
from shared.core.task.rows import names_in_list

KEY_IDS_CHARACTERS_MAX = 150
"""How much of an accepted call's key its task ids may take; where they need more, the object has to be read."""


class CallKey(msgspec.Struct, frozen=True):
    """What the key of a submission says. Times are in epoch seconds; `urls` counts those that are not finished.

    `check` is when to ask for its status, for an intent the time of the call; `modified` is when the object was
    written, by OSS's clock in whole seconds.
    """

    text: str
    check: float
    created: float
    urls: int
    call: str
    index: str = ""
    ids: str = ""
    modified: float = 0.0

    def may_hold(self, names: Collection[str]) -> bool:
        """Whether a task with one of these names may be in it."""
        return may_hold(self.index, names)

    def may_have(self, task_ids: Collection[str]) -> bool:
        """Whether the CDN may have given it one of these task ids."""
        own = self.ids.split(",")
        return self.ids in {"", "more"} or any(task_id in own for task_id in task_ids)


_KEY = re.compile(r"(\d{13})-(\d{13})-(\d{1,4})-(\w+)(?:!([\w-]*)~([\w,.-]*))?")


def call_key(text: str, modified: float = 0.0) -> CallKey | None:
    """Read the key of a submission, also one of the first format; None where it is none of ours."""
    found = _KEY.fullmatch(text)
    if found is None:
        return None
    check, created, urls, call, index, ids = found.groups()
    return CallKey(text, int(check) / 1000, int(created) / 1000, int(urls), call, index or "", ids or "", modified)


def intent_key(batch: Batch) -> str:
    """Name a call that is about to be made: when, its URLs, its id."""
    moment = milliseconds(batch.created)
    return f"{moment:013d}-{moment:013d}-{len(batch.urls)}-{batch.id}"


def accepted_key(submission: Submission, check: float) -> str:
    """Name an accepted call: when to ask for its status, when it was made, its URLs, its id, what is in it."""
    batch = submission.batch
    head = f"{milliseconds(check):013d}-{milliseconds(batch.created):013d}-{len(batch.urls)}-{batch.id}"
    ids = ",".join(submission.task_ids)
    names = (name for task in batch.tasks for name in names_in_list(task.target))
    is_short = len(ids) <= KEY_IDS_CHARACTERS_MAX and re.fullmatch(r"[\w,.-]+", ids)
    return f"{head}!{index_of(names)}~{ids if is_short else 'more'}"


class Survey(msgspec.Struct, frozen=True):
    """What a drain has to look at, by its keys: calls of unknown outcome, and notes that wait.

    `more` tells that `waiting/` has further notes; `date` is when it was made, in whole epoch seconds by OSS's clock.
    """

    intents: tuple[CallKey, ...] = ()
    notes: tuple[NoteKey, ...] = ()
    more: bool = False
    date: float = 0.0


class Piece(msgspec.Struct, frozen=True):
    """Something given up: why, and the task with its history, or the bytes of an event or a stored object (Base64).

    `at` is in epoch seconds. `where` is the stored object's key, empty for events and tasks.
    """

    id: str
    at: float
    reason: str
    event: str = ""
    request_id: str = ""
    task: Task | None = None
    where: str = ""


class _Pieces(msgspec.Struct, frozen=True):
    pieces: tuple[Piece, ...]


def decode_pieces(data: bytes) -> tuple[Piece, ...]:
    """Read what was given up; an object of the first format holds one piece. Raises `Undecodable`."""
    try:
        return decoded(data, _Pieces).pieces
    except Undecodable:
        plain = decoded(data, dict[str, Any])
        if plain.get("task"):
            (plain["task"],) = to_builtins(decode_tasks(msgspec.json.encode([plain["task"]])))
        return (converted(plain, Piece, 0),)


class Grave(msgspec.Struct, frozen=True):
    """An object in `dead/` with some pieces: its key `DAY/NAME`, and when it was written (epoch seconds, by OSS)."""

    key: str
    modified: float
    count: int = 1

    @property
    def day(self) -> str:
        """The day it was given up, YYYY-MM-DD in UTC."""
        return self.key.partition("/")[0]


_GRAVE = re.compile(r"(\d{4}-\d\d-\d\d)/(?:(\d{13})-(\d{1,5})-)?[\w.-]+")


def grave_key(pieces: Collection[Piece]) -> str:
    """Name an object for some pieces: its day, time and count, and a name that a second delivery shares."""
    at = max(piece.at for piece in pieces)
    name = digest(*sorted(piece.id for piece in pieces))
    return f"{utc_day(at)}/{milliseconds(at):013d}-{len(pieces)}-{name}"


def grave(key: str, modified: float) -> Grave | None:
    """Read a key below `dead/`, without its ending; None where it is none of ours."""
    found = _GRAVE.fullmatch(key)
    return Grave(key, modified, int(found[3] or 1)) if found else None


def utc_day(now: float) -> str:
    """The day that `dead/` sorts by: YYYY-MM-DD in UTC."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")
