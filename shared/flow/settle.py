"""Submissions that were accepted in; each is followed to its end: done, tried again, or dead.

Rules:

1. A task of a URL that is complete is done; where its site asks for it, a prefetch follows.
2. A task that failed at the CDN is tried again a bounded number of times (not at all where the origin has no such
   object), then kept in `dead/` with its history.
3. What follows a submission is durable before the submission is deleted.
4. While a call's outcome is unknown, the submissions of shortly before it stay: they tell whose the rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from shared.core.errors import CdnError, Rejected
from shared.core.plan.limits import STATUS_CALLS_PER_SECOND, TASK_IDS_PER_STATUS_CALL_MAX
from shared.core.plan.retry import FAILED_TRIES_MAX, failed_pause, is_hopeless
from shared.core.task.model import Outcome, Result, Step, Submission, Task, outcome
from shared.core.task.notes import notes_of
from shared.core.task.rows import CdnTask
from shared.core.task.settlement import Settlement, lost, next_check, prefetch_after, settlement
from shared.core.task.stored import call_of, check_of, size_of, submission_key
from shared.flow.bury import bury_task
from shared.flow.kit import Invocation, Kit
from shared.flow.log import log_outcomes

SUBMISSIONS_PER_RUN_MAX = 500
WITNESS_SECONDS = 5.0
"""Rows have whole seconds of the CDN's clock, so what is this close in time cannot be told apart by its rows."""


@dataclass
class _Progress:
    """What following some submissions has come to."""

    waiting: list[Task] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[tuple[Task, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: {"done": 0, "failed": 0, "prefetch_follows": 0, "running": 0}
    )


def settle(kit: Kit, run: Invocation, only: Callable[[Submission], bool] | None = None) -> dict[str, object]:
    """Ask what became of accepted submissions that are due for a look; or, with `only`, of those it picks, at once.

    Raises `StoreError` where the spool fails. Returns what the canonical log line says.
    """
    lease = kit.spool.take_lease("settle", run.request_id)
    if lease is None:
        return {"settle": "left to the holder of the lease"}
    progress = _Progress()
    try:
        for group in _groups(_due(kit, only)):
            if kit.clock() >= run.deadline or not _follow(kit, run, group, progress):
                break
    finally:
        kit.spool.release(lease, lease.ledger)
        kit.spool.clean(leases=lease.old)
    return dict(progress.counts)


def _due(kit: Kit, only: Callable[[Submission], bool] | None) -> dict[str, Submission]:
    """Read the submissions to look at now, by key; the one whose look is most overdue first.

    Where its intent still lies beside it, a drain has died there: the next one has to settle the call's notes first.
    """
    now = kit.clock()
    survey = kit.spool.survey(now)
    unsettled = {call_of(intent.key) for intent in survey.intents}
    keys = [key for key in survey.accepted if (only or check_of(key) <= now) and call_of(key) not in unsettled]
    found = kit.spool.submissions(f"{key}.accepted" for key in keys[:SUBMISSIONS_PER_RUN_MAX])
    made = [size_of(intent.key)[0] for intent in survey.intents]
    return {
        name.removesuffix(".accepted"): each
        for name, each in found.items()
        if (not only or only(each)) and not _is_witness(each, made)
    }


def _is_witness(submission: Submission, made: Iterable[float]) -> bool:
    """Whether it was accepted so shortly before a call of unknown outcome that its rows could pass for that call's."""
    return any(0 <= moment - submission.accepted < WITNESS_SECONDS for moment in made)


def _groups(submissions: dict[str, Submission]) -> Iterable[dict[str, Submission]]:
    """Bring submissions together whose task ids fit one status call; one with more ids stands alone."""
    group: dict[str, Submission] = {}
    ids: set[str] = set()
    for key, submission in submissions.items():
        if group and len(ids.union(submission.task_ids)) > TASK_IDS_PER_STATUS_CALL_MAX:
            yield group
            group, ids = {}, set()
        group[key] = submission
        ids.update(submission.task_ids)
    if group:
        yield group


def _follow(kit: Kit, run: Invocation, group: dict[str, Submission], progress: _Progress) -> bool:
    """Ask for the rows of a group and act on them. False where the CDN does not answer: the rest waits."""
    ids = list(dict.fromkeys(task_id for each in group.values() for task_id in each.task_ids))
    rows: list[CdnTask] = []
    unknown: Rejected | None = None
    try:
        for start in range(0, len(ids), TASK_IDS_PER_STATUS_CALL_MAX):
            rows += kit.cdn.tasks_by_id(ids[start : start + TASK_IDS_PER_STATUS_CALL_MAX])
            kit.sleep(1.0 / STATUS_CALLS_PER_SECOND)
    except Rejected as error:
        if len(group) > 1:
            return all(_follow(kit, run, {key: each}, progress) for key, each in group.items())
        unknown = error
    except CdnError as error:
        kit.report.warning("the CDN did not tell of its tasks; they are asked for again", code=error.code)
        return False
    step = _Progress(counts=progress.counts)
    for key, submission in group.items():
        now = kit.clock()
        settled = lost(submission, str(unknown)) if unknown else settlement(submission, rows, now)
        _act(kit, key, submission, settled, step)
    _write(kit, run, step)
    return True


def _act(kit: Kit, key: str, submission: Submission, settled: Settlement, step: _Progress) -> None:
    """Decide what follows a submission; what is still running is written under its next look."""
    now = kit.clock()
    call = submission.batch.id
    step.counts["running"] += len(settled.running)
    if settled.running:
        left = msgspec.structs.replace(submission.batch, tasks=settled.running)
        later = submission_key(left, next_check(submission, now))
        if later != key:
            kit.spool.accept(later, msgspec.structs.replace(submission, batch=left))
            step.gone.append(key)
    else:
        step.gone.append(key)
    for task in settled.done:
        step.counts["done"] += 1
        step.outcomes.append(outcome(task, Result.DONE, now, call=call, latency_ms=_age_ms(task, now)))
    follow = {task.url: task for task in settled.done if task.then_prefetch}
    step.waiting += [prefetch_after(task, call) for task in follow.values()]
    step.counts["prefetch_follows"] += len(follow)
    for task, reason in settled.failed:
        _again(kit, task, reason, now, step)


def _again(kit: Kit, task: Task, reason: str, now: float, step: _Progress) -> None:
    """Let a task that failed at the CDN wait for its next try, or give it up."""
    step.counts["failed"] += 1
    tries = task.failures + 1
    code, _, message = reason.partition(": ")
    ends = tries >= FAILED_TRIES_MAX or is_hopeless(message)
    entry = Step(now, Result.DEAD if ends else Result.DEFERRED, code, message)
    due = 0.0 if ends else now + failed_pause(tries, kit.chance())
    later = msgspec.structs.replace(task, failures=tries, attempt=task.attempt + 1, due=due).with_step(entry)
    step.outcomes.append(outcome(later, entry.result, now, code=code, message=message, due=due))
    if ends:
        step.dead.append((later, reason))
    else:
        step.waiting.append(later)


def _write(kit: Kit, run: Invocation, step: _Progress) -> None:
    """Write what follows, then the log, and only then delete the submissions that have ended."""
    for task, reason in step.dead:
        bury_task(kit, run, task, reason)
    for note in notes_of(step.waiting):
        kit.spool.put(note)
    log_outcomes(kit, step.outcomes)
    kit.spool.clean(accepted=step.gone)


def _age_ms(task: Task, now: float) -> int:
    return max(0, int((now - task.cause.time) * 1000))
