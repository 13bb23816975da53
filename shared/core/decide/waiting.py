"""Tasks that wait in; which calls to make for them, and what waits on, is over or was told before, out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.core.decide.moves import Decision, Facts
from shared.core.plan.books import next_reset
from shared.core.plan.planning import Plan, joined, plan
from shared.core.task.model import Form, Kind, Submission, Task, TaskId, Try, digest
from shared.core.task.notes import Place
from shared.core.task.waits import REFRESH, Why, quota_of

REFRESH_LOOK_SECONDS = 50.0
"""How often prefetches that wait for refreshes of their URLs are looked at again."""
NO_DOMAIN, NO_SHAPE = "NoSuchDomain", "NoSuchTarget"


class Waiting(msgspec.Struct, frozen=True):
    """Tasks that may go, and what has to do with them.

    `elsewhere` are tasks that wait and may not go yet, `running` refreshes that the CDN has not completed; None where
    these could not all be seen, so that no prefetch may go. `made` are accepted calls that an event may have asked for
    when it was told before. `held` names tries whose call's outcome is unknown, `ended` those that moved before.
    """

    tasks: tuple[Task, ...]
    elsewhere: tuple[Task, ...] = ()
    running: tuple[Task, ...] | None = ()
    made: tuple[Submission, ...] = ()
    held: frozenset[Try] = frozenset()
    ended: frozenset[Try] = frozenset()


def of_waiting(waiting: Waiting, facts: Facts, decision: Decision) -> None:
    """Decide about tasks that may go."""
    tasks = _left(waiting.tasks, waiting)
    tasks = _without_repeated(tasks, waiting.made, decision)
    tasks = _without_foreign(tasks, facts, decision)
    if waiting.running is None:
        decision.met("waiting: prefetches wait, since not all refreshes were seen")
        tasks = [task for task in tasks if task.target.kind is Kind.REFRESH]
    elsewhere = _left(waiting.elsewhere, waiting)
    others = _others([*waiting.elsewhere, *waiting.tasks], tasks, waiting)
    refreshes = [*(waiting.running or ()), *others]
    planned = joined(plan(tasks, decision.books, facts.limits, facts.provider, decision.now, refreshes), elsewhere)
    decision.superseded(planned.void, "the object was removed")
    decision.calls += planned.calls
    outdated = _outdated(planned, elsewhere)
    if outdated:
        decision.met("waiting: a later prefetch of the same object waits too")
        decision.superseded(outdated.values(), "a later change of the object is prefetched")
    for task, place in planned.waits:
        if task.this_try not in outdated and not _goes_as_directory(task, place, facts, decision):
            _wait(task, place, facts, decision)


def _goes_as_directory(task: Task, place: Place, facts: Facts, decision: Decision) -> bool:
    """Let a directory go in place of a task whose units are spent, where its site says so."""
    if not task.or_directory or place.wait != quota_of(facts.provider.unit(task.target)):
        return False
    decision.met("waiting: a directory goes instead")
    target = msgspec.structs.replace(task.target, form=Form.DIRECTORY, url=task.or_directory)
    directory = Task(
        id=TaskId(digest(task.id, "or directory")), target=target, site=task.site, lane=task.lane, cause=task.cause
    )
    decision.arrives(directory)
    decision.superseded([task], f"its units are spent: {task.or_directory} goes instead, as task {directory.id}")
    return True


def _outdated(planned: Plan, elsewhere: Iterable[Task]) -> dict[Try, Task]:
    """Of prefetches of one object that wait for refreshes of their URL, find all but the latest change's.

    Each refresh of an object that changes without end brings one more, and none can go before the last refresh is done.
    """
    waits = [task for task, place in planned.waits if place.wait == REFRESH]
    following = {(task.target, task.cause.source) for task in waits}
    others = [task for task in elsewhere if (task.target, task.cause.source) in following and task not in planned.void]
    latest: dict[object, Task] = {}
    outdated: dict[Try, Task] = {}
    for task in sorted((*waits, *others), key=lambda task: (task.cause.time, task.this_try)):
        before = latest.get((task.target, task.cause.source))
        if before is not None and before.this_try != task.this_try:
            outdated[before.this_try] = before
        latest[task.target, task.cause.source] = task
    return outdated


def _left(tasks: Iterable[Task], waiting: Waiting) -> list[Task]:
    """Leave out what has ended, and what belongs to a call of unknown outcome."""
    gone = waiting.held | waiting.ended
    return [task for task in tasks if task.this_try not in gone]


def _others(waiting_tasks: list[Task], tasks: list[Task], waiting: Waiting) -> list[Task]:
    """Of tasks that wait, those that are not planned now and have not left: calls of theirs may be under way."""
    planned = {task.this_try for task in tasks} | waiting.ended
    return [task for task in waiting_tasks if task.this_try not in planned]


def _without_repeated(tasks: list[Task], made: Iterable[Submission], decision: Decision) -> list[Task]:
    """End tasks of events that were told before, as long as the call made for them is followed.

    Only the task's own name tells: a change may be older than a call of its URL by the times of both, and still not
    be covered by it, since nobody says whether an event's time is that of the upload's beginning or of its end.
    """
    known = frozenset[Try]().union(*(each.tries for each in made))
    repeated = [task for task in tasks if task.this_try in known]
    if repeated:
        decision.met("waiting: told before")
        decision.superseded(repeated, "the event was delivered before")
    return [task for task in tasks if task.this_try not in known]


def _without_foreign(tasks: list[Task], facts: Facts, decision: Decision) -> list[Task]:
    """Give up tasks of domains that the site file does not name any more."""
    odd = [task for task in tasks if not _is_known(task, facts)]
    if odd:
        decision.met("waiting: of another provider, or a form that this one does not know")
        decision.buried(
            odd, NO_SHAPE, f"{facts.provider.name} takes no such target, or it is meant for another provider"
        )
    known = [task for task in tasks if _is_known(task, facts)]
    foreign = [task for task in known if task.domain not in facts.domains]
    if foreign:
        decision.met("waiting: of a domain that is not configured any more")
        decision.buried(foreign, NO_DOMAIN, "the site file names this domain no longer; put it back once it does again")
    return [task for task in known if task.domain in facts.domains]


def _is_known(task: Task, facts: Facts) -> bool:
    target = task.target
    shapes = {(shape.kind, shape.form) for shape in facts.provider.shapes}
    return (target.provider, target.account) == (facts.provider.name, "") and (target.kind, target.form) in shapes


def _wait(task: Task, place: Place, facts: Facts, decision: Decision) -> None:
    """Let a task wait; where it lies there already, nothing is written."""
    now, wait = decision.now, place.wait
    if wait.why is Why.QUOTA and wait.slot not in decision.books.holds:
        decision.books = decision.books.hold(wait.slot, next_reset(now, facts.provider), now)
    if wait.why is Why.REFRESH and not decision.books.is_held(wait.slot, now):
        decision.books = decision.books.hold(wait.slot, now + REFRESH_LOOK_SECONDS, now)
    if decision.places.get(task.this_try) != place:
        decision.met(f"waiting: {wait.why.value}")
        decision.waits(task, place)
