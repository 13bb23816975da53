"""Intents that a crash or a lost answer left behind in; whether the CDN has their calls comes out.

A call is taken as accepted when the task list has rows for its sample URLs that are not older than the
intent and do not belong to an earlier submission of ours. Rows may appear late, so a young intent without rows
stays as it is, its tasks held back; an old one is given up and its tasks go again.
"""

from __future__ import annotations

import msgspec

from shared.core.cdntask import Accepted, CdnTask
from shared.core.errors import CdnError
from shared.core.model import Batch, Kind, Submission
from shared.core.notes import Note, note
from shared.core.spool import Intent, Survey
from shared.flow.kit import Kit
from shared.flow.round import Round

ROWS_APPEAR_WITHIN_SECONDS = 15.0
SAMPLE_URLS = 3


class Resolved(msgspec.Struct):
    """What became of the intents: ids of tasks to hold back, and tasks to plan again."""

    held: set[str] = msgspec.field(default_factory=set)
    notes: list[Note] = msgspec.field(default_factory=list)


def resolve(kit: Kit, survey: Survey, state: Round) -> Resolved:
    """Settle the intents of a survey as far as the CDN's task list tells."""
    resolved = Resolved()
    names = [f"{intent.key}.submitting" for intent in survey.intents]
    found = kit.spool.submissions(names) if names else {}
    for intent, name in zip(survey.intents, names, strict=True):
        if name in found:
            _resolve(kit, survey, intent, found[name].batch, state, resolved)
    return resolved


def _resolve(kit: Kit, survey: Survey, intent: Intent, batch: Batch, state: Round, resolved: Resolved) -> None:
    ids = {task.id for task in batch.tasks}
    try:
        submission = _finished(kit, survey, intent) or _looked_up(kit, survey, intent, batch)
    except CdnError as error:
        kit.report.warning("the task list could not be asked; the call's tasks wait", code=error.code, call=batch.id)
        resolved.held |= ids
        return
    now = kit.clock()
    if submission:
        accepted = Accepted(submission.task_ids, submission.request_id)
        state.accepted(batch, accepted, submission.accepted, book=False)
        state.intents.append(intent.key)
    elif now - batch.created < ROWS_APPEAR_WITHIN_SECONDS:
        resolved.held |= ids
    else:
        again = note(batch.tasks)
        kit.spool.put(again)
        resolved.notes.append(again)
        state.intents.append(intent.key)


def _finished(kit: Kit, survey: Survey, intent: Intent) -> Submission | None:
    """The acceptance that was written down before a crash came between it and the clean-up."""
    if intent.key not in survey.accepted:
        return None
    name = f"{intent.key}.accepted"
    return kit.spool.submissions([name]).get(name)


def _looked_up(kit: Kit, survey: Survey, intent: Intent, batch: Batch) -> Submission | None:
    """The acceptance that the CDN's task list shows, written down now."""
    ids = _look_up(kit, survey, batch)
    if not ids:
        return None
    submission = Submission(batch.followed, ids, "", kit.clock())
    kit.spool.accept(intent.key, submission)
    return submission


def _look_up(kit: Kit, survey: Survey, batch: Batch) -> tuple[str, ...]:
    """The task ids under which the CDN has this call; empty where a sample URL has none."""
    earlier = _earlier_ids(kit, survey, batch)
    ids: dict[str, None] = {}
    urls = batch.urls
    for url in dict.fromkeys([urls[0], urls[len(urls) // 2], urls[-1]][:SAMPLE_URLS]):
        page = kit.cdn.tasks(url=url, since=batch.created - 1, until=kit.clock() + 60)
        own = [row for row in page.rows if _is_own(row, url, batch) and row.task_id not in earlier]
        if not own:
            return ()
        ids[own[0].task_id] = None
    return tuple(ids)


def _is_own(row: CdnTask, url: str, batch: Batch) -> bool:
    """Whether a row can be of this call. Rows have whole seconds, so the intent's second counts as not older."""
    prefetch = row.object_type in {"preload", "prefetch"}
    return row.url == url and row.created >= int(batch.created) and prefetch == (batch.kind is Kind.PREFETCH)


def _earlier_ids(kit: Kit, survey: Survey, batch: Batch) -> set[str]:
    """Ids of our own submissions of the same URLs, which must not be taken for this one."""
    submissions = kit.spool.submissions(f"{key}.accepted" for key in survey.accepted)
    urls = set(batch.urls)
    return {task_id for each in submissions.values() if urls.intersection(each.batch.urls) for task_id in each.task_ids}
