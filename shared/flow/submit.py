"""One planned call in; it is made, split where it is rejected, and what came of each task goes into the round.

Rules:

1. Intent before call: what is about to be sent is durable first (`submitted/`), so a crash leaves a trace.
2. One bad URL does not hold back the others: a rejected batch is split by domain, then searched.
3. After an error that is not about the batch, nothing more of this plan is sent in the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import (
    AccountRefused,
    BadDomain,
    CdnError,
    MinuteSpent,
    OutcomeUnknown,
    QuotaSpent,
    Refused,
    Rejected,
    Throttled,
    TooLarge,
)
from shared.core.plan.books import unit_of
from shared.core.plan.planning import Call, per_minute
from shared.core.plan.retry import backoff
from shared.core.plan.split import by_domain, by_url, find_bad, halves
from shared.core.task.model import Batch, Kind, Result, Step, Task, digest
from shared.core.task.rows import Accepted
from shared.flow.kit import Invocation, Kit
from shared.flow.round import Round

THROTTLED_TRIES = 3
"""How often a throttled call is tried in place before its tasks are deferred."""


def submit(kit: Kit, run: Invocation, call: Call, state: Round) -> CdnError | None:
    """Make one planned call, in parts where it must be. Returns the error that stopped it, if one did."""
    parts = [list(call.tasks)]
    while parts:
        part = parts.pop(0)
        try:
            rejection = _send(kit, run, call, part, state)
            if rejection:
                parts = _split(kit, run, call, part, rejection, state) + parts
        except CdnError as error:
            if _concerns_domain(error):
                _stop(kit, call, part, error, state)
                continue
            _stop(kit, call, [*part, *(task for other in parts for task in other)], error, state)
            return error
    return None


def _split(
    kit: Kit, run: Invocation, call: Call, part: list[Task], rejection: CdnError, state: Round
) -> list[list[Task]]:
    """What to send next of a rejected part, once what can never go has been found and buried."""
    domains = by_domain(part)
    if len(domains) > 1:
        return domains
    if isinstance(rejection, TooLarge) and len(by_url(part)) > 1:
        return halves(part)
    if isinstance(rejection, BadDomain):
        _give_up(kit, part, rejection, state)
        return []
    search = find_bad(by_url(part))
    try:
        trial = next(search)
        while True:
            verdict = _send(kit, run, call, [task for tasks in trial for task in tasks], state)
            rejection = verdict or rejection
            trial = search.send(verdict is None)
    except StopIteration as found:
        bad, aside = found.value
    _give_up(kit, bad, rejection, state)
    return [[task for tasks in aside for task in tasks]] if aside else []


def _give_up(kit: Kit, tasks: Sequence[Task], rejection: CdnError, state: Round) -> None:
    now = kit.clock()
    state.bury(tasks, now, Step(now, Result.DEAD, rejection.code, rejection.message, rejection.request_id))


def _send(kit: Kit, run: Invocation, call: Call, tasks: Sequence[Task], state: Round) -> CdnError | None:
    """Send some tasks as one call. Returns the rejection where the batch is to blame; raises other errors."""
    created = kit.clock()
    batch = Batch(
        id=digest(run.request_id, f"{created:.6f}", str(state.calls), *(task.id for task in tasks)),
        kind=call.kind,
        form=call.form,
        force=call.force,
        tasks=tuple(tasks),
        created=created,
    )
    key = kit.spool.intend(batch)
    try:
        accepted = _try(kit, run, batch, state)
    except OutcomeUnknown as error:
        state.lost_answer(batch, error.code, error.message, kit.clock())
        raise
    except CdnError as error:
        if isinstance(error, Rejected) or (_concerns_domain(error) and len(by_domain(tasks)) > 1):
            # Nothing was carried out. It goes before its parts do, or a crash would leave two traces of one task.
            kit.spool.clean(intents=[key])
            return error
        state.intents.append(key)
        raise
    now = kit.clock()
    kit.spool.accept(key, batch.accepted(accepted.task_ids, accepted.request_id, now))
    state.intents.append(key)
    state.accepted(batch, accepted, now)
    return None


def _try(kit: Kit, run: Invocation, batch: Batch, state: Round) -> Accepted:
    """Make the call; where it is throttled, wait as long as asked and try again a few times."""
    for attempt in range(THROTTLED_TRIES):
        _pace(kit, state)
        try:
            if batch.kind is Kind.PREFETCH:
                return kit.cdn.prefetch(batch.urls)
            return kit.cdn.refresh(batch.urls, batch.form, force=batch.force)
        except MinuteSpent:
            raise
        except Throttled as error:
            wait = max(error.wait_seconds, backoff(attempt, kit.chance()))
            if attempt + 1 == THROTTLED_TRIES or kit.clock() + wait > run.deadline:
                raise
            kit.sleep(wait)
    raise AssertionError("unreachable: the last try returns or raises")


def _pace(kit: Kit, state: Round) -> None:
    """Keep calls far enough apart for the account's limit per second; the first of a round goes at once."""
    if state.calls:
        kit.sleep(1.0 / kit.limits.calls_per_second)
    state.calls += 1


def _stop(kit: Kit, call: Call, waiting: Sequence[Task], error: CdnError, state: Round) -> None:
    """Book an error that is not about the batch, and say when its tasks may try again."""
    now = kit.clock()
    unit = unit_of(call.kind, call.form)
    waiting = [task for task in waiting if task.turn not in state.ended]
    if isinstance(error, OutcomeUnknown):
        # The intent stays, and the tasks stay as they are: the next drain asks the CDN what became of them.
        kit.report.warning("the CDN's answer was lost; its task list will be asked", code=error.code, quota=unit)
        return
    if isinstance(error, QuotaSpent):
        state.ledger = state.ledger.without(unit, now)
    if isinstance(error, MinuteSpent):
        limit = per_minute(unit, kit.limits)
        state.ledger = state.ledger.minute_full({task.domain for task in waiting}, unit, limit, now)
    if isinstance(error, Refused):
        kit.report.error(
            "the CDN refuses this account's calls; an operator must act, tasks keep waiting",
            code=error.code,
            reason=error.message,
            request_id=error.request_id,
            tasks=len(waiting),
        )
    state.defer_for(error, waiting, now, kit.chance(), tried=True)


def _concerns_domain(error: CdnError) -> bool:
    return isinstance(error, Refused) and not isinstance(error, AccountRefused)
