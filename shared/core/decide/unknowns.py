"""Calls of unknown outcome and what the task list shows of them in; what becomes of their tasks out.

Rules:

1. A target that has a row of its own was accepted; each row is given away once, to the newest call that can have it.
   One that is spelled as a target of another open call is that call's, as far as there are not more of them.
2. "No row" counts only from a complete listing, read late enough after the call, twice. The call's tasks then go again.
3. That a call came to nothing is held against its tasks only if other calls for their domain were accepted meanwhile:
   they then go in parts until the bad one is alone. Otherwise the domain is in trouble if other domains' calls were
   accepted, else the CDN: nothing is split, counted or given up.
4. What a later call has covered since does not go again. Only a call that was answered covers: what the task list has
   shown may be of an earlier moment than it seems.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from shared.core.decide.moves import Decision, Facts
from shared.core.decide.replies import SERVICE_PAUSE_SECONDS, blame, hold_domain, hold_target
from shared.core.plan.books import SERVICE
from shared.core.plan.retry import MEANWHILE_SECONDS
from shared.core.plan.split import by_domain, by_target, in_parts
from shared.core.task.model import (
    TEXT_CHARACTERS_MAX,
    Batch,
    Outcome,
    Result,
    Step,
    Submission,
    Target,
    Task,
    digest,
)
from shared.core.task.rows import Accepted, Alike, CdnTask, Rows, alike
from shared.core.task.stored import CallKey
from shared.core.task.waits import trouble_of

CLOCKS_AGREE_SECONDS = 2.0
"""Of two calls made this close to each other nobody can tell which came first."""
PARTS_OF_UNKNOWN = 8
"""Each level of the search costs a wait for rows, so it goes in more parts than two."""
NOTHING, NOTHING_TOLD = "NotCarriedOut", "the CDN did not carry the call out"


class Asked(msgspec.Struct, frozen=True):
    """A call of unknown outcome, and what the task list has shown.

    `rows` are all of its domains, kind and time that came; `is_none` tells that they were complete, late enough and
    looked at twice; `acceptance` is there where a drain died after the answer.
    """

    key: CallKey
    batch: Batch
    rows: tuple[CdnTask, ...] = ()
    since: float = 0.0
    """Rows from before this moment, by the CDN's clock, cannot be of this call."""
    is_none: bool = False
    acceptance: Submission | None = None
    is_replaced: bool = False
    """Whether another call is known to have been made since it was refused."""
    samples: frozenset[Target] = frozenset()
    """Where the listing is too long to be read: the targets that were asked for one by one, which speak for all."""
    is_forgotten: bool = False
    """Whether it is older than what the task list tells of."""


def of_asked(asked: Sequence[Asked], followed: Iterable[Submission], facts: Facts, decision: Decision) -> list[Asked]:
    """Decide about calls of unknown outcome, the newest first; returns those about which nothing is known yet."""
    known = list(followed)
    open_calls = []
    ordered = sorted(asked, key=lambda one: one.batch.created, reverse=True)
    spelled = _Spelled(each for each in ordered if not each.is_replaced and each.acceptance is None)
    for each in ordered:
        if each.is_replaced:
            decision.met("unknown: replaced by its parts")
            decision.served.append(each.key)
        elif each.acceptance is not None:
            decision.met("unknown: accepted, and its drain died")
            _was_accepted(each, each.acceptance, decision)
        elif _settled(each, known, spelled, facts, decision):
            spelled.leave(each)
        else:
            open_calls.append(each)
    return open_calls


class _Spelled:
    """How calls of unknown outcome spell their targets: by what these look like, each URL with the number of calls."""

    def __init__(self, calls: Iterable[Asked]) -> None:
        self._urls: dict[Alike, Counter[str]] = defaultdict(Counter)
        for each in calls:
            for target in {task.target for task in each.batch.tasks}:
                self._urls[alike(target)][target.url] += 1

    def leave(self, each: Asked) -> None:
        """Count a call no more."""
        for target in {task.target for task in each.batch.tasks}:
            self._urls[alike(target)][target.url] -= 1

    def of_others(self, name: Alike, own: Collection[str]) -> Iterator[tuple[str, int]]:
        """List spellings that are none of a call's own, with the number of calls that have each."""
        return ((url, count) for url, count in self._urls.get(name, {}).items() if url not in own)


def _was_accepted(each: Asked, acceptance: Submission, decision: Decision) -> None:
    decision.accepted(each.batch, Accepted(acceptance.task_ids, acceptance.request_id), acceptance.accepted)
    decision.served.append(each.key)


def _settled(each: Asked, known: list[Submission], spelled: _Spelled, facts: Facts, decision: Decision) -> bool:
    """Decide about one call by its rows; False where they do not tell."""
    found = _own_rows(each, known, spelled)
    left = tuple(task for task in each.batch.tasks if task.target not in found)
    if each.samples:
        is_all = each.samples.issubset(found)
        left = () if is_all else each.batch.tasks
        found = found if is_all else {}
    if left and not (each.is_none or each.is_forgotten):
        return False
    if found:
        batch = each.batch
        if left:  # the intent's own name would speak for all of it
            decision.met("unknown: the task list has a part of it")
            there = tuple(task for task in batch.tasks if task not in left)
            batch = msgspec.structs.replace(batch, id=digest(batch.id, "part"), tasks=there)
        ids = tuple(dict.fromkeys(found.values()))
        submission = batch.accepted(ids, "", decision.now)
        decision.met("unknown: the task list has it")
        decision.accepts.append((submission, decision.now))
        decision.accepted(batch, Accepted(ids), decision.now)
        known.append(submission)
    if left and each.rows:
        _tell_of_rows(each, decision)
    if left:
        _came_to_nothing(each, left, known, facts, decision)
    decision.served.append(each.key)
    return True


def _tell_of_rows(each: Asked, decision: Decision) -> None:
    """Tell of rows that came and match nothing: maybe the CDN has named them in a way that nobody here knows."""
    first = each.rows[0]
    told = f"{len(each.rows)} rows match no target that is missing; the first is {first.object_type} {first.url}"
    batch = each.batch
    decision.outcomes.append(Outcome(decision.now, Result.TOLD, call=batch.id, message=told[:TEXT_CHARACTERS_MAX]))


def _own_rows(each: Asked, known: Iterable[Submission], spelled: _Spelled) -> dict[Target, str]:
    """Give each target the id of the oldest row that can be of this call and of no other call of ours."""
    rows = Rows(row for row in each.rows if row.created >= each.since)
    together: dict[Alike, list[Target]] = defaultdict(list)
    for target in dict.fromkeys(task.target for task in each.batch.tasks):
        together[alike(target)].append(target)
    others = [other for other in known if other.batch.id != each.batch.id]
    claims: dict[Alike, list[tuple[Target, str]]] = defaultdict(list)
    for target, task_id in (
        (task.target, id_) for other in others for task in other.batch.tasks for id_ in other.task_ids
    ):
        claims[alike(target)].append((target, task_id))
    found = {}
    for name, targets in together.items():
        free = sorted(rows.like(targets[0]), key=lambda row: row.created)
        for claim in claims[name]:
            _claim(free, *claim)
        for url, count in spelled.of_others(name, {target.url for target in targets}):
            for row in [row for row in free if row.url == url][:count]:
                free.remove(row)
        found.update(_shared_out(free, targets))
    return found


def _claim(free: list[CdnTask], target: Target, task_id: str) -> None:
    """Take away the row of another call's target: one that is spelled like it, else one that may be."""
    possible = [row for row in free if row.task_id == task_id]
    own = [row for row in possible if row.url == target.url] or possible
    if own:
        free.remove(own[0])


def _shared_out(free: Sequence[CdnTask], targets: Sequence[Target]) -> dict[Target, str]:
    """Give targets that look alike their rows. Without their own spelling only as many rows as they are tell."""
    spelled = {target: [row for row in free if row.url == target.url] for target in targets}
    found = {target: rows[0].task_id for target, rows in spelled.items() if rows}
    left = [target for target in targets if target not in found]
    rows = [row for row in free if all(row.url != target.url for target in targets)]
    if len(rows) >= len(left):
        for number, target in enumerate(left):
            found[target] = rows[number].task_id
    return found


def _came_to_nothing(
    each: Asked, tasks: tuple[Task, ...], known: Sequence[Submission], facts: Facts, decision: Decision
) -> None:
    """Let the tasks of a call that was not carried out go again, but for those that another call covers since."""
    others = [other for other in known if other.batch.id != each.batch.id]
    made = frozenset[object]().union(*(other.tries for other in others))
    since = each.batch.created + CLOCKS_AGREE_SECONDS
    later = [task for other in others if other.request_id and other.batch.created > since for task in other.batch.tasks]
    refreshed, prefetched = {task.target for task in later}, {task.target for task in later if task.then_prefetch}
    covered = [
        task
        for task in tasks
        if task.this_try in made or task.target in (prefetched if task.then_prefetch else refreshed)
    ]
    decision.superseded(covered, "covered by a later call")
    left = tuple(task for task in tasks if task not in covered)
    decision.books = decision.books.unspent(
        facts.provider.unit(each.batch.target), len({task.target for task in tasks}), each.batch.created
    )
    if not left:
        decision.met("unknown: covered since")
    elif each.is_forgotten:
        decision.met("unknown: the task list has forgotten it")
        _once_more(left, decision)
    else:
        controls = tuple(task for task in left if task.is_control)
        if controls:
            _control_failed(controls, each.batch.created, facts, decision)
        for part in by_domain([task for task in left if task not in controls]):
            _of_domain(each, part, facts, decision, alone=len(each.batch.domains) == 1)


def _once_more(tasks: tuple[Task, ...], decision: Decision) -> None:
    step = Step(
        decision.now, Result.UNCERTAIN, "Forgotten", "the task list tells of the last days only; it goes once more"
    )
    for task in tasks:
        decision.again(task, _tried(task), step, 0.0)
    decision.met("unknown: goes once more")


def _of_domain(each: Asked, tasks: tuple[Task, ...], facts: Facts, decision: Decision, *, alone: bool) -> None:
    """Decide for the tasks of one domain: again as a whole, in parts, later, or never."""
    domain, begun = tasks[0].domain, each.batch.created - MEANWHILE_SECONDS
    unit = facts.provider.unit(tasks[0].target)
    if not alone:
        decision.met("unknown: goes again by domain")
        _again(tasks, f"{each.batch.id} {domain}", decision)
    elif all(task.unknowns == 0 for task in tasks) and not _is_troubled(unit, domain, decision):
        decision.met("unknown: goes again as a whole")
        _again(tasks, each.batch.id, decision)
    elif not decision.books.went_well_since(begun, unit, domain):
        _in_trouble(tasks, each.batch.created, facts, decision)
    elif len(by_target(tasks)) > 1:
        decision.met("unknown: goes again in parts")
        for part in in_parts(tasks, PARTS_OF_UNKNOWN):
            _again(part, f"{each.batch.id} {part[0].url}", decision)
    else:
        blame(tasks, NOTHING, "", decision)


def _is_troubled(unit: str, domain: str, decision: Decision) -> bool:
    """Whether it is known that calls fail: one probe then goes at a time, and none twice."""
    return not decision.books.holds.keys().isdisjoint({SERVICE, trouble_of(unit, domain).slot})


def _control_failed(tasks: tuple[Task, ...], begun: float, facts: Facts, decision: Decision) -> None:
    """What went only to tell whether the CDN works has told that it does not; nobody needs it to go again."""
    decision.met("unknown: a control came to nothing")
    decision.superseded(tasks, "it went only to tell whether the CDN works")
    target, since = tasks[0].target, begun - MEANWHILE_SECONDS
    if decision.books.went_well_since(since, facts.provider.unit(target), target.domain):
        return
    if decision.books.went_well_since(since):
        hold_target(target, NOTHING, NOTHING_TOLD, facts, decision, begun)
    else:
        _hold_everything(begun, decision)


def _in_trouble(tasks: tuple[Task, ...], begun: float, facts: Facts, decision: Decision) -> None:
    """Nothing of the domain has gone since the call was begun: nobody knows that the content is to blame."""
    if decision.books.went_well_since(begun - MEANWHILE_SECONDS):
        decision.met("unknown: the domain is in trouble")
        known = tuple(_known_to_fail(task) for task in tasks)
        hold_domain(known, NOTHING, NOTHING_TOLD, facts, decision, begun)
        return
    decision.met("unknown: the CDN is in trouble")
    _hold_everything(begun, decision)
    for task in tasks:
        decision.changed(task, _known_to_fail(task))


def _hold_everything(begun: float, decision: Decision) -> None:
    due = max(decision.now, begun + SERVICE_PAUSE_SECONDS)
    if not decision.books.is_held(SERVICE, begun):  # a probe that was lost has been counted when it was
        decision.books = decision.books.hold(SERVICE, due, decision.now, NOTHING, NOTHING_TOLD, failed=True)


def _again(tasks: tuple[Task, ...], mark: str, decision: Decision) -> None:
    """Let tasks go at once, apart from all others."""
    part = digest(mark)[:8]
    for task in tasks:
        decision.changed(task, msgspec.structs.replace(_tried(task), part=part))


def _tried(task: Task) -> Task:
    return msgspec.structs.replace(task, calls_tried=task.calls_tried + 1, unknowns=task.unknowns + 1)


def _known_to_fail(task: Task) -> Task:
    """A task that is told apart, though its failure is not counted."""
    return msgspec.structs.replace(task, unknowns=max(1, task.unknowns))
