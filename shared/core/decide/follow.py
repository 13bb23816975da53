"""Accepted calls and the CDN's rows of them in; which of their tasks are done, go again or are given up out.

Rules:

1. A task whose target is complete is done; where its site asks for it, a prefetch follows.
2. A task that failed at the CDN is tried again a bounded number of times (not at all where the origin has no such
   object), then given up with its history.
3. Where a domain's prefetches fail one after another, its origin is in trouble, and further ones wait.
"""

from __future__ import annotations

import msgspec

from shared.core.decide.moves import Alarm, Decision, Facts
from shared.core.plan.retry import FAILED_TRIES_MAX, failed_pause, is_hopeless, trouble_pause
from shared.core.task.model import Kind, Result, Step, Submission, Task
from shared.core.task.rows import CdnTask
from shared.core.task.settlement import next_check, prefetch_after, settlement
from shared.core.task.stored import CallKey

ORIGIN_FAILURES_MAX = 3
"""After so many prefetches of a domain that failed one after another, further ones wait."""


class Followed(msgspec.Struct, frozen=True):
    """An accepted call, and the rows of its ids, as far as they came."""

    key: CallKey
    submission: Submission
    rows: tuple[CdnTask, ...] = ()


def of_followed(each: Followed, facts: Facts, decision: Decision) -> None:
    """Decide what follows an accepted call; what is still running is kept under the time of its next look."""
    submission, now = each.submission, decision.now
    settled = settlement(submission, each.rows, now, facts.provider)
    if settled.running:
        decision.met("followed: running")
        batch = msgspec.structs.replace(submission.batch, tasks=settled.running)
        left = msgspec.structs.replace(submission, batch=batch)
        decision.accepts.append((left, next_check(submission, now)))
    decision.gone.append(each.key)
    for task in settled.done:
        decision.met("followed: done")
        decision.done(task, submission.batch.id)
        _origin_works(task, decision)
    for task in {task.url: task for task in settled.done if task.then_prefetch}.values():
        decision.met("followed: a prefetch follows")
        decision.arrives(prefetch_after(task, submission.batch.id))
    for task, code, message in settled.failed:
        _failed(task, code, message, facts, decision)


def _failed(task: Task, code: str, message: str, facts: Facts, decision: Decision) -> None:
    """Let a task that failed at the CDN go again after a pause, or give it up."""
    failures = task.cdn_failures + 1
    after = msgspec.structs.replace(task, cdn_failures=failures, unknowns=0, blamed=0, part="")
    if task.is_control:
        decision.met("followed: a control failed")
        decision.superseded([task], "it went only to tell whether the CDN works")
        return
    if not is_hopeless(message):  # that an object is gone says nothing of the others
        _origin_fails(task, code, message, decision)
    if failures >= FAILED_TRIES_MAX or is_hopeless(message):
        decision.met("followed: failed, given up")
        decision.gives_up(task, after, code, message)
        return
    decision.met("followed: failed, goes again")
    step = Step(decision.now, Result.DEFERRED, code, message)
    decision.again(task, after, step, failed_pause(failures, facts.chance))


def _origin_fails(task: Task, code: str, message: str, decision: Decision) -> None:
    if task.target.kind is not Kind.PREFETCH:
        return
    now, domain = decision.now, task.domain
    books = decision.books.hold(domain, now, now, code, message, failed=True)
    tries = books.holds[domain].tries
    if tries >= ORIGIN_FAILURES_MAX:
        books = books.hold(domain, now + trouble_pause(tries - ORIGIN_FAILURES_MAX), now)
    if tries >= ORIGIN_FAILURES_MAX and not books.holds[domain].until_done:
        decision.met("followed: an origin fails")
        books = books.until_done(domain)
        decision.alarms.append(
            Alarm(
                f"prefetches of {domain} fail one after another; further ones wait",
                "see what the domain's origin answers to the CDN",
                code,
                message,
            )
        )
    decision.books = books


def _origin_works(task: Task, decision: Decision) -> None:
    if task.target.kind is Kind.PREFETCH:
        decision.books = decision.books.lift(task.domain)
