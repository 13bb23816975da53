"""Asks about symlinks in; OSS tells where they lead, the index of links has it, and what could be stale is refreshed.

Rules:

1. It has a lease of its own: to ask OSS holds back no drain, and nobody else rewrites the index meanwhile.
2. The index is read after the answers have come and written at once.
3. An ask that OSS does not answer is put off, behind all others, and a person is told; it holds back nothing.
4. What comes again is durable before the index, and all that follows from an ask before the ask is deleted.

Why no change is lost stands in core/site/links.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shared.core.errors import StoreError
from shared.core.site.links import Learned, learn, newest
from shared.core.site.urls import tasks_of
from shared.core.task.links import Ask, Place
from shared.core.task.model import Task, TaskId
from shared.core.task.notes import Place as NotePlace
from shared.core.task.notes import notes_of
from shared.core.task.waits import READY
from shared.flow.kit import Invocation, Kit, LinkStore

WORK = "links"
"""The name of the lease."""
ASKS_PER_ROUND_MAX = 500
ASKED_AT_ONCE = 16
"""After so many questions the time is looked at: where OSS hangs, they take a quarter of a minute."""
PUT_OFF_SECONDS = 300.0

Answers = Mapping[Place, "str | StoreError | None"]


def resolve(kit: Kit, run: Invocation, until: float) -> dict[str, object]:
    """Ask OSS about links that are due, as many as time allows. Returns what the canonical log line says.

    Raises `StoreError` where the spool fails; nothing is lost by that.
    """
    store = kit.links
    if store is None or kit.clock() >= until or not (keys := store.due(ASKS_PER_ROUND_MAX)):
        return {}
    taken = kit.spool.take(WORK, run.request_id)
    if taken is None:
        return {"links": "left to the holder of the lease"}
    try:
        summary = _resolve(kit, store, keys, until)
        kit.spool.clean(leases=taken.old)
        return summary
    finally:
        kit.spool.release(taken, taken.books)


def _resolve(kit: Kit, store: LinkStore, keys: list[str], until: float) -> dict[str, object]:
    asks = store.asks(keys)
    by_place = newest(asks.values())
    answers = _ask(kit, store, list(by_place), until)
    told: list[tuple[Ask, str | None]] = []
    failed: list[tuple[Ask, StoreError]] = []
    for place, answer in answers.items():
        if isinstance(answer, StoreError):
            failed.append((by_place[place], answer))
        else:
            told.append((by_place[place], answer))
    due = kit.clock() + PUT_OFF_SECONDS
    written = store.put((ask, due) for ask, _ in failed)
    learned, again = record(kit, store, told)
    store.delete(key for key, ask in asks.items() if ask.place in answers and key not in written | again)
    _tell(kit, failed)
    return {"links_asked": len(told), "links_refreshed": len(learned.fresh), "links_put_off": len(failed)}


def _ask(kit: Kit, store: LinkStore, places: list[Place], until: float) -> Answers:
    """Ask where links lead, some at a time, until time is up; the first ones always."""
    answers: dict[Place, str | StoreError | None] = {}
    for start in range(0, len(places), ASKED_AT_ONCE):
        if start and kit.clock() >= until:
            break
        some = places[start : start + ASKED_AT_ONCE]
        for bucket in dict.fromkeys(bucket for bucket, _ in some):
            found = store.targets(bucket, [key for own, key in some if own == bucket])
            answers.update(((bucket, key), answer) for key, answer in found.items())
    return answers


def record(
    kit: Kit, store: LinkStore, answers: Iterable[tuple[Ask, str | None]], *, refresh: bool = True
) -> tuple[Learned, set[str]]:
    """Write down where links lead, under the lease; returns what came of it, and the keys of the asks that come again.

    Without `refresh` nothing comes again: a change within two minutes may then be missed.
    """
    known = store.index()
    learned = learn(known, answers, kit.clock())
    again = store.put((msgspec.structs.replace(ask, again=True), due) for ask, due in learned.again if refresh)
    if learned.links is not known:
        store.write(learned.links)
    if tasks := _tasks(kit, learned.fresh):
        kit.spool.put(list(notes_of((task, NotePlace(READY)) for task in tasks.values())))
    if learned.unfit:
        kit.report.error(
            "alarm",
            alarm=f"{len(learned.unfit)} links have no room in the index: changes of their targets do not reach them",
            remedy="narrow the prefix of the sites with `follow_links`, or name such links by a rule with `urls`",
            first=learned.unfit[0].key,
        )
    return learned, again


def _tasks(kit: Kit, asks: Iterable[Ask]) -> dict[TaskId, Task]:
    """Find what makes up for changes that were judged before each instance knew of a link."""
    now = kit.clock()
    changes = [msgspec.structs.replace(ask.change, time=now) for ask in asks]
    following = [site for site in kit.sites if site.follow_links]
    return {task.id: task for change in changes for task in tasks_of(change, following, kit.provider)[0]}


def _tell(kit: Kit, failed: list[tuple[Ask, StoreError]]) -> None:
    """Tell a person once for each bucket and code."""
    for (bucket, _), error in {(ask.bucket, error.code): error for ask, error in failed}.items():
        is_denied = error.code == "AccessDenied"
        right = f"grant the functions' role oss:GetObject on the bucket {bucket!r}, for GetSymlink"
        kit.report.error(
            "alarm",
            alarm=f"OSS does not tell where links of the bucket {bucket!r} lead: no change of a target reaches them",
            remedy=right if is_denied else "it is asked again in some minutes",
            bucket=bucket,
            code=error.code,
            reason=str(error),
        )
