"""What the CDN says of its tasks: an acceptance, a row of the task list, and how to read one leniently."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import Any

import msgspec


class State(str, Enum):
    """Where a row stands. What the vendor may add later reads as still running."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


_STATES = {"complete": State.COMPLETE, "failed": State.FAILED, "timeout": State.FAILED, "canceled": State.FAILED}


class Accepted(msgspec.Struct, frozen=True):
    """A submission that was taken: the ids of its tasks (several share one id), and the call's id."""

    task_ids: tuple[str, ...]
    request_id: str = ""


class CdnTask(msgspec.Struct, frozen=True):
    """One row: one path of one task. `created` is in epoch seconds; `percent` from 0 to 100."""

    task_id: str
    url: str
    object_type: str
    state: State
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
        state=_STATES.get(status.lower(), State.RUNNING),
        status=status,
        percent=_percent(row.get("Process", "")),
        created=_moment(str(row.get("CreationTime", ""))),
        description=str(row.get("Description") or "").replace(" ", ""),
    )


def _percent(value: Any) -> float:
    try:
        return float(str(value).strip().removesuffix("%") or 0)
    except ValueError:
        return 0.0


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except ValueError:
        return 0.0
