"""How tasks lie in the spool's `waiting/`: the key of a note, and what to write and delete when some of them move.

A note is one object with tasks that wait for the same reason. Its key is `SLOT/LANE-ARRIVAL-COUNT-NAME` (in `backoff`
with the due time before it, all times in milliseconds of 13 digits), so a listing of a slot has the most urgent and
oldest tasks first. The name comes from the content, so a second delivery of an event writes the same object again.
Where they fit, the tasks themselves stand at the end of the key (`~`): a listing of a thousand notes then needs no
thousand reads. Elsewhere an index of their targets does (`!`).
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from shared.core.task.codec import Undecodable, decode_tasks
from shared.core.task.covers import names_of
from shared.core.task.index import index_of, may_hold
from shared.core.task.model import Task, digest, json_bytes
from shared.core.task.waits import BACKOFF, READY, Wait, Why, wait_of

TASKS_PER_NOTE_MAX = 1_000
KEY_CHARACTERS_MAX = 900
"""OSS takes keys of 1,023 bytes; the rest is left for the spool's prefix."""
PACKED_BYTES_MAX = 64_000
"""A packed text may claim to be much larger than it is."""
MILLISECONDS_MAX = 10**13 - 1
"""What thirteen digits hold, which lasts until the year 2286."""


class NoteKey(msgspec.Struct, frozen=True):
    """What a note's key says: why its tasks wait, until when (`backoff` only, epoch seconds), the lane and the age."""

    text: str
    wait: Wait
    due: float
    lane: int
    arrival: float
    """The time of its oldest change, in epoch seconds."""
    count: int
    packed: str = ""
    index: str = ""

    @property
    def urgency(self) -> tuple[int, float, str]:
        """What goes first, whatever it waited for: the lane, then the age."""
        return (self.lane, self.arrival, self.text)

    def may_hold(self, names: Collection[str]) -> bool:
        """Whether a task with one of these names may be in the note."""
        if self.packed:
            found = note_from_key(self)
            return found is None or any(name in names for task in found.tasks for name in names_of(task))
        return may_hold(self.index, names)


class Note(msgspec.Struct, frozen=True):
    """A waiting object: its key, and its tasks."""

    key: NoteKey
    tasks: tuple[Task, ...]


def note(tasks: Sequence[Task], wait: Wait = READY, due: float = 0.0) -> Note:
    """Make the note of some tasks that wait for one reason; there must be at least one."""
    lane = min(task.lane for task in tasks)
    arrival = min(task.cause.time for task in tasks)
    tasks = tuple(sorted(tasks, key=lambda task: task.this_try))
    body = json_bytes(tasks)
    due_part = f"{milliseconds(due):013d}-" if wait.why is Why.BACKOFF else ""
    head = f"{wait.slot}/{due_part}{lane:d}-{milliseconds(arrival):013d}-{len(tasks)}-{digest(body.decode())}"
    packed = base64.urlsafe_b64encode(zlib.compress(body, 9)).decode()
    key = f"{head}~{packed}"
    if len(key) > KEY_CHARACTERS_MAX:
        packed, key = "", f"{head}!{index_of(name for task in tasks for name in names_of(task))}"
    index = "" if packed else key.rpartition("!")[2]
    return Note(NoteKey(key, wait, due, int(lane), arrival, len(tasks), packed, index), tasks)


def note_from_key(key: NoteKey) -> Note | None:
    """Read the note that stands in its key; None where the object has to be read."""
    if not key.packed:
        return None
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.urlsafe_b64decode(key.packed), PACKED_BYTES_MAX)
        return Note(key, decode_tasks(raw))
    except (ValueError, binascii.Error, zlib.error, Undecodable):
        return None


_KEY = re.compile(
    r"(?P<slot>[^/]+)/((?P<due>\d{13})-)?(?P<lane>\d)-(?P<arrival>\d{13})-(?P<count>\d{1,4})-[0-9a-f]{20}"
    r"(~(?P<packed>.+)|!(?P<index>.+))"
)
_FIRST_KEY = re.compile(
    r"(?P<due>\d{13})-(?P<lane>\d)-(?P<arrival>\d{13})-(?P<count>\d{1,4})-[0-9a-f]+(~(?P<packed>.+))?"
)
"""Keys of the first format: no slot, and each with its own due time."""


def note_key(text: str) -> NoteKey | None:
    """Read a key; None where it is none of ours: people and consoles leave other objects in a bucket."""
    found = _KEY.fullmatch(text) or _FIRST_KEY.fullmatch(text)
    if found is None:
        return None
    fields = found.groupdict()
    due = int(fields["due"] or 0) / 1000
    wait = wait_of(fields["slot"]) if "slot" in fields else BACKOFF if due else READY
    if wait is None:
        return None
    arrival = int(fields["arrival"]) / 1000
    packed, index = fields.get("packed") or "", fields.get("index") or ""
    return NoteKey(text, wait, due, int(fields["lane"]), arrival, int(fields["count"]), packed, index)


def milliseconds(moment: float) -> int:
    """A time for a key, from epoch seconds; what thirteen digits do not hold becomes what they do."""
    return min(max(0, int(moment * 1000)), MILLISECONDS_MAX)


class Place(msgspec.Struct, frozen=True):
    """Where a waiting task lies: for which reason, and in `backoff` until when (epoch seconds)."""

    wait: Wait
    due: float = 0.0


def notes_of(tasks: Iterable[tuple[Task, Place]]) -> Iterator[Note]:
    """Gather tasks that lie together, each note within its limit, the most urgent ones in the first."""
    together: dict[tuple[Wait, float, int], list[Task]] = {}
    for task, place in tasks:
        together.setdefault((place.wait, place.due, task.lane), []).append(task)
    for (wait, due, _), some in together.items():
        some.sort(key=lambda task: task.cause.time)
        for start in range(0, len(some), TASKS_PER_NOTE_MAX):
            yield note(some[start : start + TASKS_PER_NOTE_MAX], wait, due)
