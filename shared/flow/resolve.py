"""Intents that a crash or a lost answer left behind in; whether the CDN has their calls comes out.

A call is taken as accepted when the task list has rows for its sample URLs that are not older than the
intent and do not belong to another submission of ours. Rows may appear late, so a young intent without rows
stays as it is, its tasks held back; an old one is given up and its tasks go again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from shared.core.errors import CdnError
from shared.core.plan.limits import TASK_LIST_CALLS_PER_SECOND
from shared.core.task.model import Batch, Form, Kind, Submission, domain_of
from shared.core.task.notes import Note, note
from shared.core.task.rows import Accepted, CdnTask
from shared.core.task.stored import Intent, Survey
from shared.flow.kit import Invocation, Kit
from shared.flow.round import Round

ROWS_APPEAR_WITHIN_SECONDS = 15.0
CLOCKS_AGREE_SECONDS = 2.0
"""Of two calls made this close to each other nobody can tell which came first."""


class Resolved(msgspec.Struct):
    """What became of the intents: ids of tasks to hold back, and tasks to plan again."""

    held: set[str] = msgspec.field(default_factory=set)
    notes: list[Note] = msgspec.field(default_factory=list)
    followed: list[Submission] = msgspec.field(default_factory=list)
    """Acceptances that are known: those of the spool, then those that the task list has shown in this round."""


def resolve(kit: Kit, run: Invocation, survey: Survey, state: Round) -> Resolved:
    """Settle the intents of a survey as far as the CDN's task list tells, and half of the time that is left allows.

    The newest comes first: a row that two of them could claim is more likely of the newer, and covers the older too.
    """
    resolved = Resolved()
    if not survey.intents:
        return resolved
    until = (kit.clock() + run.deadline) / 2
    names = {f"{intent.key}.submitting": intent for intent in survey.intents}
    batches = {name: each.batch for name, each in kit.spool.submissions(names).items()}
    resolved.followed += kit.spool.submissions(f"{key}.accepted" for key in survey.accepted).values()
    answers = True
    for name in sorted(batches, reverse=True):
        answers = answers and kit.clock() < until and _resolve(kit, survey, names[name], batches[name], state, resolved)
        if not answers:
            resolved.held.update(task.id for task in batches[name].tasks)
    return resolved


def _resolve(kit: Kit, survey: Survey, intent: Intent, batch: Batch, state: Round, resolved: Resolved) -> bool:
    """Settle one intent, or hold its tasks back. False where the CDN does not answer."""
    finished = (each for each in resolved.followed if each.batch.id == batch.id)
    try:
        submission = next(finished, None) or _looked_up(kit, survey, intent, batch, resolved)
    except CdnError as error:
        kit.report.warning("the task list could not be asked; the call's tasks wait", code=error.code, call=batch.id)
        return False
    if submission:
        accepted = Accepted(submission.task_ids, submission.request_id)
        state.accepted(batch, accepted, submission.accepted, book=False)
        state.intents.append(intent.key)
    elif survey.date - intent.modified < ROWS_APPEAR_WITHIN_SECONDS:
        resolved.held.update(task.id for task in batch.tasks)
    else:
        _give_up(kit, batch, state, resolved)
        kit.spool.clean(intents=[intent.key])  # at once: after a long outage there are many, and each counts
    return True


def _give_up(kit: Kit, batch: Batch, state: Round, resolved: Resolved) -> None:
    """Let the tasks of a call that never arrived go again, but for those whose URLs another call has covered since.

    Only a call that was answered covers: what the task list has shown may be of an earlier moment than it seems.
    """
    others = [each for each in _others(batch, resolved) if _covers(each.batch, batch)]
    made = {turn for each in others for turn in (*each.covered, *(task.turn for task in each.batch.tasks))}
    open_ = [task for task in batch.tasks if task.turn not in made | state.ended]
    since = batch.created + CLOCKS_AGREE_SECONDS
    answered = [each.batch for each in others if each.request_id and each.batch.created > since]
    later = [task for each in answered for task in each.tasks]
    refreshed, prefetched = {task.url for task in later}, {task.url for task in later if task.then_prefetch}
    covered = {task.id for task in open_ if task.url in (prefetched if task.then_prefetch else refreshed)}
    state.superseded([task for task in open_ if task.id in covered], kit.clock(), "covered by a later call")
    left = [task for task in open_ if task.id not in covered]
    if left:
        again = note(left)
        kit.spool.put(again)
        resolved.notes.append(again)


def _others(batch: Batch, resolved: Resolved) -> list[Submission]:
    """Our other submissions that are followed."""
    return [each for each in resolved.followed if each.batch.id != batch.id]


def _covers(one: Batch, other: Batch) -> bool:
    return (one.kind, one.form, one.force) == (other.kind, other.form, other.force)


def _looked_up(kit: Kit, survey: Survey, intent: Intent, batch: Batch, resolved: Resolved) -> Submission | None:
    """The acceptance that the CDN's task list shows, written down now."""
    ids = _look_up(kit, survey, intent, batch, resolved)
    if not ids:
        return None
    submission = batch.accepted(ids, "", kit.clock())
    kit.spool.accept(intent.key, submission)
    resolved.followed.append(submission)
    return submission


def _look_up(kit: Kit, survey: Survey, intent: Intent, batch: Batch, resolved: Resolved) -> tuple[str, ...]:
    """The task ids under which the CDN has this call; empty where a sample URL has none."""
    others = _others(batch, resolved)
    ids: dict[str, None] = {}
    for url in _samples(batch):
        page = kit.cdn.tasks(url=url, since=intent.modified - 1, until=survey.date + 60)
        kit.sleep(1.0 / TASK_LIST_CALLS_PER_SECOND)
        rows = Counter(row.task_id for row in page.rows if _can_be_own(row, url, intent, batch))
        # Calls of one second share an id, so of equal rows each of our other submissions of the URL takes one.
        rows.subtract(task_id for each in others if url in each.batch.urls for task_id in each.task_ids)
        own = [task_id for task_id, count in rows.items() if count > 0]
        if not own:
            return ()
        ids[own[-1]] = None  # the oldest: newer ones may be of a call that is still to be looked up
    return tuple(ids)


def _samples(batch: Batch) -> Iterable[str]:
    """URLs that together tell all ids of a call: each domain has its own, each directory and pattern too."""
    urls = batch.urls
    if batch.form in {Form.DIRECTORY, Form.REGEX}:
        return urls
    of_domains = {domain_of(url): url for url in reversed(urls)}
    return dict.fromkeys([*of_domains.values(), urls[len(urls) // 2], urls[-1]])


def _can_be_own(row: CdnTask, url: str, intent: Intent, batch: Batch) -> bool:
    """Whether a row can be of this call. Times have whole seconds, so the intent's second counts as not older."""
    prefetch = row.object_type in {"preload", "prefetch"}
    return row.url == url and row.created >= intent.modified and prefetch == (batch.kind is Kind.PREFETCH)
