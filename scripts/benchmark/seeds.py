"""A number in; so many objects of the functions' spool, written straight into the local OSS, out.

They are what the functions themselves would have written, one upload each, made by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scripts.localcloud.cloud import LocalCloud
from scripts.localcloud.oss.state import new_object
from shared.core.task import codec
from shared.core.task.model import (
    Batch,
    Cause,
    Form,
    Kind,
    Lane,
    Result,
    Target,
    Task,
    TaskId,
    digest,
    json_bytes,
    outcome,
)
from shared.core.task.notes import Place, notes_of
from shared.core.task.stored import Piece, accepted_key, grave_key
from shared.core.task.waits import READY, Wait

PREFIX = "cdn-refresh/"
RECORDS_PER_OBJECT = 10
"""What a drain logs at once, while uploads come one by one."""
TASK_IDS_FROM = 90_000_000_000
"""None that the local CDN gives."""


def put(cloud: LocalCloud, objects: Iterable[tuple[str, bytes]], at: float) -> None:
    """Write objects below the spool's prefix, telling nobody."""
    bucket = cloud.oss.bucket(cloud.options.spool_bucket)
    for key, data in objects:
        bucket.put(new_object(PREFIX + key, data, at, {}))


def task(number: int, domain: str, at: float) -> Task:
    """Make the task of one upload."""
    url = f"https://{domain}/seed/{number:07d}.html"
    cause = Cause(f"event-{number}", "ObjectCreated:PutObject", at, "content", f"seed/{number:07d}.html", "AB")
    return Task(TaskId(digest(url, "seed")), Target(Kind.REFRESH, Form.FILE, url), domain, Lane.OVERWRITTEN, cause)


def tasks(count: int, domains: tuple[str, ...], at: float) -> Iterator[Task]:
    """Make tasks, of each domain as many, one second apart as far as an hour goes."""
    for number in range(count):
        yield task(number, domains[number % len(domains)], at - 3_600 + 3_600 * number / count)


def waiting(some: Iterable[Task], wait: Wait = READY, per_note: int = 1) -> Iterator[tuple[str, bytes]]:
    """Let tasks wait for a reason, so many in a note."""
    gathered: list[tuple[Task, Place]] = []
    for each in some:
        gathered.append((each, Place(wait)))
        if len(gathered) == per_note:
            yield from _notes(gathered)
            gathered = []
    yield from _notes(gathered)


def _notes(gathered: list[tuple[Task, Place]]) -> Iterator[tuple[str, bytes]]:
    for note in notes_of(gathered):
        yield f"waiting/{note.key.text}", codec.encode_tasks(note.tasks)


def in_flight(some: Iterable[Task], at: float, check: float) -> Iterator[tuple[str, bytes]]:
    """Let a call for each task have been accepted, of which the status is asked for at `check`."""
    for number, each in enumerate(some):
        batch = Batch(digest(each.id, "call"), (each,), at)
        submission = batch.accepted((str(TASK_IDS_FROM + number),), f"request-{number}", at)
        yield f"accepted/{accepted_key(submission, check)}", codec.encode_submission(submission)


def given_up(some: Iterable[Task], at: float) -> Iterator[tuple[str, bytes]]:
    """Let each task have been given up, in an object of its own."""
    for each in some:
        pieces = [Piece(each.id, at, "InvalidObjectPath.Malformed: refused", task=each)]
        yield f"dead/{grave_key(pieces)}.json", json_bytes({"format": codec.FORMAT, "pieces": pieces})


def unlogged(some: Iterable[Task], at: float) -> Iterator[tuple[str, bytes]]:
    """Let a record of each task wait for the log store."""
    records = [outcome(each, Result.ACCEPTED, at, units=1, call="seed") for each in some]
    for start in range(0, len(records), RECORDS_PER_OBJECT):
        body = codec.encode_outcomes(tuple(records[start : start + RECORDS_PER_OBJECT]))
        yield f"kept/{int(at * 1000) + start:013d}-0000-{digest(str(start))}", body
