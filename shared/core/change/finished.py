"""The payload of a CDN event in, the ids of the tasks that have ended out.

The event carries no success flag and no host in its paths, so it only says which tasks to ask about.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.core.change.wrappers import BadEvent, bytes_of, unwrap
from shared.core.checked import shown

FINISHED_EVENTS = frozenset({"CachedObjectsRefreshed", "CachedObjectsPushed"})


class Finished(msgspec.Struct, frozen=True):
    """Ids of tasks that have ended, names of CDN events about something else, and what could not be read."""

    task_ids: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    bad: tuple[BadEvent, ...] = ()


def read_finished(payload: bytes) -> Finished:
    """Read the payload of one invocation. Never raises: what is wrong comes out as `BadEvent`."""
    ids: set[str] = set()
    ignored: list[str] = []
    bad: list[BadEvent] = []
    for element in unwrap(payload):
        if isinstance(element, BadEvent):
            bad.append(element)
            continue
        value = element.value
        name = value.get("eventName")
        is_finished = isinstance(name, str) and name in FINISHED_EVENTS
        if is_finished and (task_id := _task_id(value)):
            ids.add(task_id)
        elif isinstance(name, str) and not is_finished and value.get("eventSource") == "cdn":
            ignored.append(name)
        else:
            reason = f"not a whole CDN event: {shown(name)} without a task id"
            bad.append(BadEvent(reason, bytes_of(value, element.original)))
    return Finished(frozenset(ids), tuple(ignored), tuple(bad))


def _task_id(element: dict[str, Any]) -> str:
    """The task id, as text: samples show a number where the vendor's table says text."""
    parameter = element.get("eventParameter")
    value = parameter.get("taskId") if isinstance(parameter, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
