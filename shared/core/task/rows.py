"""What the CDN says of its tasks: an acceptance, a row of the task list, and whose a row is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import Any
from urllib.parse import unquote

import msgspec

from shared.core.task.model import Form, Kind, Target


class RowState(str, Enum):
    """Where a row stands. What the vendor may add later reads as still running."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


_STATES = {
    **dict.fromkeys(("complete", "completed", "success", "succeeded", "finished", "done"), RowState.COMPLETE),
    "failed": RowState.FAILED,
    "timeout": RowState.FAILED,
    "canceled": RowState.FAILED,
}


class Accepted(msgspec.Struct, frozen=True):
    """A submission that was taken: the ids of its tasks (several share one id), and the call's id."""

    task_ids: tuple[str, ...]
    request_id: str = ""


class CdnTask(msgspec.Struct, frozen=True):
    """One row: one path of one task. `created` is in epoch seconds by the CDN's clock; `percent` from 0 to 100."""

    task_id: str
    url: str
    object_type: str
    state: RowState
    status: str
    percent: float
    created: float
    description: str = ""


class Page(msgspec.Struct, frozen=True):
    """Rows of the task list, and how many there are in all; a negative number where that is not known."""

    rows: tuple[CdnTask, ...]
    total: int

    @property
    def is_complete(self) -> bool:
        """Whether these are all the rows: only then does it say anything that one is not there."""
        return 0 <= self.total <= len(self.rows)


class Prefetch(msgspec.Struct, frozen=True):
    """Options of a prefetch. `area` is `domestic`, `overseas` or empty for the domain's own coverage.

    `with_header` maps request headers to lists of values; by default the CDN warms the gzip variant only.
    """

    area: str = ""
    l2_preload: bool = False
    with_header: dict[str, list[str]] = {}
    query_hashkey: bool = False
    consistency_hash: bool = False


def task_from_row(row: Mapping[str, Any]) -> CdnTask:
    """Read one row. The vendor's pages spell reasons differently, so spaces are taken out of them."""
    status = str(row.get("Status", ""))
    return CdnTask(
        task_id=str(row.get("TaskId", "")),
        url=str(row.get("ObjectPath", "")),
        object_type=str(row.get("ObjectType", "")).lower(),
        state=_STATES.get(status.lower(), RowState.RUNNING),
        status=status,
        percent=_percent(row.get("Process")),
        created=_moment(str(row.get("CreationTime"))),
        description=str(row.get("Description") or "").replace(" ", ""),
    )


_PREFETCHES = frozenset({"preload", "prefetch", "push"})
_DIRECTORIES = frozenset({"directory", "dir", "path"})
_FORMS = {"file": "file", "regex": "regex", **dict.fromkeys(_DIRECTORIES, "directory")}


def is_row_of(row: CdnTask, target: Target) -> bool:
    """Whether a row can be of a target: of its URL, however it is spelled, and not of a kind or form that is another.

    A type that nobody knows may be of any refresh: how the list calls ignore-params tasks is not documented.
    """
    if (row.object_type in _PREFETCHES) != (target.kind is Kind.PREFETCH):
        return False
    if _FORMS.get(row.object_type, target.form.value) != target.form.value:
        return False
    return plain_url(row.url) == plain_url(target.url)


_SCHEME = re.compile(r"^https?://", re.IGNORECASE)
DECODINGS_MAX = 3
"""A name with a percent sign is decoded once more by those who decode what is decoded already."""


def plain_url(url: str) -> str:
    """What stays the same however a URL is spelled: no scheme, the host in lower case, nothing percent-encoded."""
    host, slash, path = _SCHEME.sub("", url).partition("/")
    for _ in range(DECODINGS_MAX):
        path = unquote(path, errors="surrogateescape")
    return (host.lower() + slash + path).rstrip("/")


Alike = tuple[Kind, Form, str]
"""What targets have in common that a row may not tell apart: two spellings of a URL are decoded to one."""


def alike(target: Target) -> Alike:
    """Name what a target looks like in a list that spells URLs in its own way."""
    return target.kind, target.form, plain_url(target.url)


def names_in_list(target: Target) -> tuple[str, str]:
    """Name a target, and what it looks like: by these, calls are found whose rows may be taken for one another's."""
    return target.name, msgspec.structs.replace(target, url=f"https://{plain_url(target.url)}").name


class Rows:
    """Rows, found by the target they are of; where one is spelled like the target, only such ones are."""

    def __init__(self, rows: Iterable[CdnTask]) -> None:
        self._by_url: dict[str, list[CdnTask]] = defaultdict(list)
        for row in rows:
            self._by_url[plain_url(row.url)].append(row)

    def of(self, target: Target) -> list[CdnTask]:
        """Find the rows of a target."""
        found = self.like(target)
        return [row for row in found if row.url == target.url] or found

    def like(self, target: Target) -> list[CdnTask]:
        """Find the rows of a target and of those that look like it."""
        return [row for row in self._by_url.get(plain_url(target.url), []) if is_row_of(row, target)]


def _percent(value: Any) -> float:
    try:
        return float(str(value).strip().removesuffix("%"))
    except ValueError:
        return 0.0


_EPOCH = datetime.fromtimestamp(0, timezone.utc)


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment.replace(tzinfo=moment.tzinfo or timezone.utc) - _EPOCH).total_seconds()
    except ValueError:
        return 0.0
