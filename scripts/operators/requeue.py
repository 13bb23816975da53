"""What was given up, the sites and the time in; what goes again out, or the reason why not.

Rules:

1. A task that goes again is a new one, with counters at zero and the old history: its old self has ended. Its id
   follows from the old one, so a second try after a crash makes the same task.
2. Only domains that a site still names are submitted again.
3. An object that was set aside lies again where it lay, byte for byte, if this version can read it.
4. What goes again is durable before what was given up is deleted; what an operator lets go is in the log before that.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shared.cloud.spool.spool import Spool
from shared.core.change.events import read
from shared.core.errors import LogStoreDown
from shared.core.site.links import ask_of, follows, linked_tasks
from shared.core.site.sites import Site
from shared.core.site.urls import tasks_of
from shared.core.task import codec
from shared.core.task.codec import Undecodable
from shared.core.task.links import Ask, Links, decode_ask
from shared.core.task.model import Outcome, Result, Step, Task, TaskId, digest, outcome
from shared.core.task.notes import Place, notes_of
from shared.core.task.provider import Provider
from shared.core.task.stored import Piece
from shared.core.task.waits import READY
from shared.flow.kit import Kit
from shared.flow.log import log_outcomes

CODE = "Requeued"
LET_GO = "LetGo"

_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "waiting": codec.decode_tasks,
    "submitting": codec.decode_intent,
    "accepted": codec.decode_submission,
    "kept": codec.decode_outcomes,
    "asks": decode_ask,
}
"""How what lies in an area of the spool is read."""


class Again(msgspec.Struct, frozen=True):
    """What goes again: tasks and asks, the bytes of a stored object, or a record of the log; or why nothing does."""

    tasks: tuple[Task, ...] = ()
    asks: tuple[Ask, ...] = ()
    stored: bytes = b""
    record: Outcome | None = None
    refusal: str = ""


def again(piece: Piece, sites: Sequence[Site], links: Links, provider: Provider, now: float) -> Again:
    """Say what goes again of one thing that was given up."""
    if piece.where:
        return _of_object(piece)
    if piece.task is None:
        record = record_of(piece)
        return Again(record=record) if record else _of_event(piece, sites, links, provider, now)
    if piece.task.domain not in {domain.name.lower() for site in sites for domain in site.domains}:
        return Again(refusal=f"no site of the site file has the domain {piece.task.domain}")
    old = piece.task
    new_id = TaskId(digest(old.id, "requeued", f"{piece.at:.3f}"))
    new = msgspec.structs.replace(old, id=new_id, calls_tried=0, cdn_failures=0, unknowns=0, blamed=0, part="")
    return Again((_noted(new, f"by an operator; before that it was task {old.id}", now),))


def record_of(piece: Piece) -> Outcome | None:
    """Read a record of the outcome log that was set aside; None where it is something else."""
    try:
        return codec.decoded(base64.b64decode(piece.event), Outcome) if piece.event and not piece.where else None
    except Undecodable:
        return None


def _of_object(piece: Piece) -> Again:
    """Take the bytes of an object that was set aside, if it can be read now: else it would be set aside again."""
    body = base64.b64decode(piece.event)
    reader = _READERS.get(piece.where.partition("/")[0])
    if reader is None:
        return Again(refusal=f"nothing reads what lies at {piece.where}")
    try:
        reader(body)
    except Undecodable as fault:
        return Again(refusal=f"this version cannot read it either: {fault}")
    return Again(stored=body)


def _of_event(piece: Piece, sites: Sequence[Site], links: Links, provider: Provider, now: float) -> Again:
    """Read an event once more: another version, or another site file, may know it."""
    received = read(base64.b64decode(piece.event))
    if received.bad:
        return Again(refusal=received.bad[0].reason)
    following = [change for change in received.changes if follows(sites, [change.bucket])]
    found = [tasks_of(change, sites, provider) for change in received.changes]
    found += [linked_tasks(change, sites, links, provider) for change in following]
    asks = tuple(ask for change in following if (ask := ask_of(change, sites, links)))
    tasks = {task.id: _noted(task, "by an operator, from an event in dead/", now) for each, _ in found for task in each}
    if tasks or asks:
        return Again(tuple(tasks.values()), asks)
    reasons = [skip.reason for _, skipped in found for skip in skipped]
    reasons += [f"{name} changes nothing that is served" for name in received.ignored]
    return Again(refusal=reasons[0] if reasons else "it tells of no change")


def _noted(task: Task, message: str, now: float) -> Task:
    return task.with_step(Step(now, Result.DEFERRED, CODE, message))


def put_back(kit: Kit, spool: Spool, chosen: Mapping[str, tuple[Piece, Again]]) -> dict[str, str]:
    """Let what was given up go again, by the ids of the pieces; returns why some of it does not, by the same."""
    tasks = {task.id: task for _, each in chosen.values() for task in each.tasks}
    if kit.links is not None:
        kit.links.put((ask, kit.clock()) for _, each in chosen.values() for ask in each.asks)
    if tasks:
        spool.put(list(notes_of((task, Place(READY)) for task in tasks.values())))
        now = kit.clock()
        steps = [(task, task.history[-1].message) for task in tasks.values()]
        log_outcomes(kit, [outcome(task, Result.DEFERRED, now, code=CODE, message=told) for task, told in steps])
    refused = {}
    for piece_id, (piece, each) in chosen.items():
        refusal = _restored(spool, piece, each.stored) if each.stored else _written(kit, each.record)
        if refusal:
            refused[piece_id] = refusal
    return refused


def _restored(spool: Spool, piece: Piece, body: bytes) -> str:
    """Put an object where it lay; says why not."""
    return "" if spool.restore(piece.where, body) else f"another object lies at {piece.where}"


def _written(kit: Kit, record: Outcome | None) -> str:
    """Write a record that the log store had refused; says why not."""
    try:
        if record is not None:
            kit.outcomes.write([record])
    except LogStoreDown as error:
        return f"the log store does not take it: {error}"
    return ""


def let_go(kit: Kit, pieces: Iterable[Piece]) -> None:
    """Tell the log who let it go and why it had been given up; it may then be deleted."""
    log_outcomes(kit, [_dropped(piece, kit.clock()) for piece in pieces])


def _dropped(piece: Piece, now: float) -> Outcome:
    message = f"an operator let it go; it had been given up: {piece.reason}"
    if piece.task is None:
        return Outcome(now, Result.DEAD, event_id=piece.id, code=LET_GO, message=message)
    return outcome(piece.task, Result.DEAD, now, code=LET_GO, message=message)
