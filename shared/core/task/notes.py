"""How tasks lie in the spool's `waiting/`: the key of a note, and what to write and delete after a round.

A note is one object with the tasks of one receiving invocation. Its key orders the listing: due time
(milliseconds; zeros for at once), lane, time of the oldest change, number of tasks, then a name made of
the task ids, so a second delivery of an event writes the same object again. Where they fit, the tasks
themselves stand at the end of the key: a listing of a thousand notes then needs no thousand reads.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shared.core.task.model import Task, digest, json_bytes

TASKS_PER_NOTE_MAX = 1_000
KEY_CHARACTERS_MAX = 900
"""OSS takes keys of 1,023 bytes; the rest is left for the spool's prefix."""

_tasks = msgspec.json.Decoder(tuple[Task, ...])


class Note(msgspec.Struct, frozen=True):
    """A waiting object: its key below `waiting/`, and its tasks."""

    key: str
    tasks: tuple[Task, ...]


def note(tasks: Sequence[Task]) -> Note:
    """Make the note of some tasks; they must share their due time and there must be at least one."""
    due = int(min(task.due for task in tasks) * 1000)
    lane = min(task.lane for task in tasks)
    arrival = max(0, int(min(task.cause.time for task in tasks) * 1000))
    tasks = sorted(tasks, key=lambda task: task.id)
    name = digest(*(task.id for task in tasks))
    key = f"{due:013d}-{lane:d}-{arrival:013d}-{len(tasks)}-{name}"
    whole = f"{key}~{base64.urlsafe_b64encode(zlib.compress(json_bytes(tasks), 9)).decode()}"
    return Note(whole if len(whole) <= KEY_CHARACTERS_MAX else key, tuple(tasks))


def note_from_key(key: str) -> Note | None:
    """Read the note that stands in its key; None where the object has to be read."""
    packed = key.partition("~")[2]
    if not packed:
        return None
    try:
        return Note(key, _tasks.decode(zlib.decompress(base64.urlsafe_b64decode(packed))))
    except (ValueError, zlib.error, msgspec.DecodeError):
        return None


_KEY = re.compile(r"\d{13}-\d-\d{13}-\d+-[0-9a-f]+(~.*)?")


def is_note_key(key: str) -> bool:
    """Whether a key is one of ours: people and consoles leave other objects in a bucket, such as folder markers."""
    return _KEY.fullmatch(key) is not None


def due_of(key: str) -> float:
    """When the tasks of a note may go, in epoch seconds; 0 for at once."""
    return int(key.partition("-")[0]) / 1000


def size_of_note(key: str) -> tuple[float, int]:
    """The time of a note's oldest change (epoch seconds), and its number of tasks."""
    _, _, arrival, count, _ = key.split("-", 4)
    return int(arrival) / 1000, int(count)


class Rewrite(msgspec.Struct, frozen=True):
    """What to write first and what to delete after that. A key that is written is never deleted."""

    put: tuple[Note, ...] = ()
    delete: tuple[str, ...] = ()


def rewrite(notes: Iterable[Note], ended: set[str], changed: Mapping[str, Task]) -> Rewrite:
    """Settle a round: turns of tasks that left the spool, and tasks by id that stay there with a new due time.

    A note of which nothing ended or changed stays as it is. What is left of a partly settled note is
    written again before the old object goes, so no task is ever missing from the spool.
    """
    staying: dict[str, Task] = dict(changed)
    delete = []
    for old in notes:
        left = [task for task in old.tasks if task.turn not in ended and task.id not in changed]
        if len(left) == len(old.tasks):
            continue
        delete.append(old.key)
        staying.update((task.id, task) for task in left)
    put = tuple(notes_of(staying.values()))
    written = {new.key for new in put}
    return Rewrite(put, tuple(key for key in delete if key not in written))


def notes_of(tasks: Iterable[Task]) -> Iterable[Note]:
    """Gather tasks that are due together, each note within its limit."""
    by_due: dict[tuple[float, int], list[Task]] = {}
    for task in tasks:
        by_due.setdefault((task.due, task.lane), []).append(task)
    for together in by_due.values():
        for start in range(0, len(together), TASKS_PER_NOTE_MAX):
            yield note(together[start : start + TASKS_PER_NOTE_MAX])
