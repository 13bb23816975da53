"""Accepted calls in; each is followed to its end: done, tried again, or given up.

Rules:

1. What follows a call is durable before the call is forgotten, group by group.
2. While a call's outcome is unknown, calls stay that tell whose the rows are: those made shortly before it for its
   targets, and all later ones for what only looks like these. A later row of its very target may well pass for its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from shared.core.decide import Followed, Snapshot, decide
from shared.core.errors import CdnError, Rejected
from shared.core.task.model import Batch, Submission, Target
from shared.core.task.rows import Alike, CdnTask, alike
from shared.core.task.stored import CallKey
from shared.flow.apply import Session, apply
from shared.flow.kit import Invocation, Kit

CALLS_PER_RUN_MAX = 500
CALLS_READ_FIRST, CALLS_PER_READ_MAX = 5, 100
"""How many calls are read before the first of them are followed; each time twice as many, since reads may be slow."""
PAGES_MAX = 20
WITNESS_SECONDS = 5.0
"""Rows have whole seconds of the CDN's clock, so what is this close in time cannot be told apart by its rows."""

Group = list[tuple[CallKey, Submission]]
Unknown = list[tuple[CallKey, Mapping[Alike, Collection[Target]]]]
"""Calls of unknown outcome, and what they ask for, by what its rows look like."""


def settle(kit: Kit, run: Invocation, until: float, task_ids: Collection[str] = ()) -> dict[str, object]:
    """Ask what became of accepted calls that are due for a look; or, with ids, of those that have them, at once.

    Raises `StoreError` where the spool fails. Returns what the canonical log line says.
    """
    taken = kit.spool.take("settle", run.request_id)
    if taken is None:
        return {"settle": "left to the holder of the lease"}
    counts = {"done": 0, "failed": 0, "prefetch_follows": 0, "running": 0}
    session = Session(taken.books, old_leases=taken.old)
    try:
        keys, unknown = _due(kit, task_ids)
        if keys:
            waiting_records, _ = kit.spool.kept(most=1)
            session.books = session.books.with_kept(is_kept=bool(waiting_records))
        for part in _parts(keys):
            some = _read(kit, part, task_ids, unknown)
            if not _settled(kit, run, some, session, counts, until) or kit.clock() >= until:
                break
    finally:
        kit.spool.release(taken, session.books)
    return dict(counts)


def _parts(keys: Sequence[CallKey]) -> Iterator[Sequence[CallKey]]:
    start, count = 0, CALLS_READ_FIRST
    while start < len(keys):
        yield keys[start : start + count]
        start, count = start + count, min(2 * count, CALLS_PER_READ_MAX)


def _settled(kit: Kit, run: Invocation, some: Group, session: Session, counts: dict[str, int], until: float) -> bool:
    """Follow some calls; False where time is up or the CDN does not answer: the rest waits.

    Time is looked at once something was followed: where reading alone takes all of it, nothing ever would be.
    """
    is_time_up = False
    for group in _groups(some, kit.provider.ids_per_status_call):
        if is_time_up or not _follow(kit, run, group, session, counts, until):
            return False
        is_time_up = kit.clock() >= until
    return True


def _due(kit: Kit, task_ids: Collection[str]) -> tuple[list[CallKey], Unknown]:
    """List the calls to look at now, the one whose look is most overdue first; and calls of unknown outcome near them.

    Where its intent still lies beside it, a drain has died there: the next one has to settle the call's notes first.
    """
    now = kit.clock()
    found: list[CallKey] = []
    for number, page in enumerate(kit.spool.accepted()):
        found += [key for key in page if (key.may_have(task_ids) if task_ids else key.check <= now)]
        is_over = not task_ids and bool(page) and page[-1].check > now
        if is_over or number + 1 >= PAGES_MAX or len(found) >= CALLS_PER_RUN_MAX:
            break
    if not found:
        return [], []
    intents = kit.spool.has_intents()
    unsettled = {key.call for key in intents}
    due = [key for key in found[:CALLS_PER_RUN_MAX] if key.call not in unsettled]
    latest = max((key.created for key in due), default=0.0)
    near = [intent for intent in intents if intent.created - latest < 2 * WITNESS_SECONDS]
    batches = kit.spool.intents(near) if near else {}
    return due, [(intent, _looks(batches[intent.text])) for intent in near if intent.text in batches]


def _looks(batch: Batch) -> Mapping[Alike, Collection[Target]]:
    found: dict[Alike, set[Target]] = {}
    for task in batch.tasks:
        found.setdefault(alike(task.target), set()).add(task.target)
    return found


def _is_witness(key: CallKey, submission: Submission, unknown: Unknown) -> bool:
    """Whether its rows could pass for those of a call of unknown outcome, and would be wrong to."""
    gaps = [(intent.created - key.created, looks) for intent, looks in unknown]
    beside = [(gap >= -WITNESS_SECONDS, looks) for gap, looks in gaps if gap < 2 * WITNESS_SECONDS]
    for task in submission.batch.tasks if beside else ():
        name = alike(task.target)
        for is_near, looks in beside:
            targets = looks.get(name, ())
            if targets and (is_near or task.target not in targets):
                return True
    return False


def _read(kit: Kit, keys: Sequence[CallKey], task_ids: Collection[str], unknown: Unknown) -> Group:
    read = kit.spool.submissions(keys)
    there = [(key, read[key.text]) for key in keys if key.text in read]
    own = [(key, each) for key, each in there if not task_ids or not set(task_ids).isdisjoint(each.task_ids)]
    return [(key, each) for key, each in own if not _is_witness(key, each, unknown)]


def _groups(some: Group, most: int) -> Iterator[Group]:
    """Bring calls together whose task ids fit one status call; one with more ids stands alone."""
    group: Group = []
    ids: set[str] = set()
    for key, submission in some:
        if group and len(ids.union(submission.task_ids)) > most:
            yield group
            group, ids = [], set()
        group.append((key, submission))
        ids.update(submission.task_ids)
    if group:
        yield group


def _rows(kit: Kit, ids: Sequence[str], until: float) -> list[CdnTask]:
    """Ask for the rows of task ids, in as few calls as they fit. Raises `CdnError`."""
    most = kit.provider.ids_per_status_call
    rows: list[CdnTask] = []
    for start in range(0, len(ids), most):
        rows += kit.cdn.tasks_by_id(ids[start : start + most], lambda: kit.clock() < until).rows
        kit.sleep(1.0 / kit.provider.status_calls_per_second)
    return rows


def _rows_if_taken(kit: Kit, task_id: str, until: float) -> list[CdnTask]:
    """Ask for the rows of one id; of one that the CDN does not take there are none. Raises other `CdnError`s.

    That an id is not taken does not say that its tasks have failed: they run until their time is over.
    """
    try:
        return _rows(kit, [task_id], until)
    except Rejected as error:
        kit.report.warning("the CDN does not take a task's id; it is asked for again", code=error.code)
        return []


def _follow(kit: Kit, run: Invocation, group: Group, session: Session, counts: dict[str, int], until: float) -> bool:
    """Ask for the rows of a group and act on them. False where the CDN does not answer."""
    ids = list(dict.fromkeys(task_id for _, each in group for task_id in each.task_ids))
    try:
        try:
            rows = _rows(kit, ids, until)
        except Rejected:
            if len(group) > 1:
                parts = ([each] for each in group)
                return all(kit.clock() < until and _follow(kit, run, part, session, counts, until) for part in parts)
            rows = [row for task_id in ids for row in _rows_if_taken(kit, task_id, until)]
    except CdnError as error:
        kit.report.warning("the CDN did not tell of its tasks; they are asked for again", code=error.code)
        return False
    followed = tuple(Followed(key, each, tuple(rows)) for key, each in group)
    decision = decide(Snapshot(session.books, followed=followed), kit.facts, kit.clock())
    apply(kit, run, decision, session)
    session.next_round()
    for name, result in (("done", "done"), ("failed", "deferred"), ("failed", "dead")):
        counts[name] += sum(each.result.value == result for each in decision.outcomes)
    counts["prefetch_follows"] += sum(move.place is not None and move.place.due == 0 for move in decision.moves)
    counts["running"] += sum(len(each.batch.tasks) for each, _ in decision.accepts)
    return True
