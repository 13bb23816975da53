"""Planned calls in; they are made one after another, split where they must be, and what came of each is applied.

Rules:

1. Intent before call: what is about to be sent is durable first (`submitting/`), so a crash leaves a trace.
2. What calls have come to is written in chunks, so that progress is durable however the invocation ends.
3. What is not sent when time is up stays in its notes, marked with the part it is in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from shared.core.decide import Decision, Reply, Snapshot, decide
from shared.core.errors import AccountRefused, CdnError, OutcomeUnknown, QuotaSpent, Refused, Throttled, Unsent
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE, per_minute
from shared.core.plan.planning import Call
from shared.core.plan.retry import backoff
from shared.core.task.model import Batch, Kind, Task, digest
from shared.core.task.notes import Place
from shared.core.task.rows import Accepted
from shared.core.task.waits import Wait, minute_of_domain, quota_of, trouble_of
from shared.flow.apply import Session, apply
from shared.flow.kit import Invocation, Kit

THROTTLED_TRIES = 3
"""How often a throttled call is tried in place before all calls pause."""
CALLS_PER_CHUNK_MAX = 60
MOVES_PER_CHUNK_MAX = 3_000
UNKNOWN_IN_A_ROW_MAX = 3
"""After so many calls without an answer, and none with one, nothing more is sent in a round."""
SUCCESS_COUNTS_SECONDS = 60.0


class Sender:
    """Makes the calls of one round."""

    def __init__(self, kit: Kit, run: Invocation, session: Session, until: float) -> None:
        self._kit, self._run, self._session, self._until = kit, run, session, until
        self._pending = Decision(session.books, kit.clock())
        self._calls = self._unknown = self._refusals = 0
        self._last_call = 0.0
        self.made_progress = False

    def send(self, calls: Iterable[Call]) -> None:
        """Make calls, and those that their answers ask for, as long as time and the CDN allow."""
        queue = deque(calls)
        while queue and not self._is_over():
            call = queue.popleft()
            if self._is_held(call):
                self._hold_back(call)
                continue
            reply = msgspec.structs.replace(self._reply(call), refusals=self._refusals, is_last=not queue)
            snapshot = Snapshot(self._pending.books, self._session.places, replies=(reply,))
            decision = decide(snapshot, self._kit.facts, self._kit.clock())
            if isinstance(reply.error, Throttled | Refused):
                queue.extend(decision.calls)  # others go first: they tell whether it is these that are refused
            else:
                queue.extendleft(reversed(decision.calls))
            if isinstance(reply.error, Throttled | Unsent | AccountRefused) and not (decision.calls or decision.moves):
                queue.appendleft(call)  # it goes on where it stopped
            if reply.error is not None and any(task.is_control for task in call.tasks):
                queue = self._without_suspects(queue, call)
            self._absorb(decision)
            self._refusals = self._refusals + 1 if isinstance(reply.error, Throttled | Refused) else 0
            self._unknown = self._unknown + 1 if isinstance(reply.error, OutcomeUnknown) else 0
        self._mark(queue)
        self._flush()

    def _without_suspects(self, queue: deque[Call], control: Call) -> deque[Call]:
        """Leave out what has failed before, where its control has come to nothing: it would tell nothing more."""
        own = (self._kit.provider.unit(control.target), control.target.domain)
        return deque(
            call
            for call in queue
            if (self._kit.provider.unit(call.target), call.target.domain) != own
            or not any(task.unknowns for task in call.tasks)
        )

    def _is_over(self) -> bool:
        now = self._kit.clock()
        if now >= self._until or self._is_stopped(self._pending):
            return True
        return self._unknown >= UNKNOWN_IN_A_ROW_MAX and not self._pending.books.went_well_since(
            now - SUCCESS_COUNTS_SECONDS
        )

    def _is_stopped(self, decision: Decision) -> bool:
        return any(decision.books.is_held(name, self._kit.clock()) for name in (SERVICE, ACCOUNT, FLOW))

    def _is_held(self, call: Call) -> bool:
        """Whether something has been learnt since a call was planned that keeps tasks of it from going."""
        return any(self._wait(task) is not None for task in call.tasks)

    def _wait(self, task: Task) -> Wait | None:
        """For what a task waits: its domain's trouble, or a day or a minute that the API has called spent."""
        kit, now = self._kit, self._kit.clock()
        books, unit = self._pending.books.at(now, kit.provider), kit.provider.unit(task.target)
        trouble = trouble_of(unit, task.domain)
        if books.is_held(trouble.slot, now):
            return trouble
        if books.remaining.get(unit, 1) <= 0:
            return quota_of(unit)
        used = books.in_minute.get(unit, {}).get(task.domain, 0)
        return minute_of_domain(unit, task.domain) if used >= per_minute(unit, kit.limits, kit.provider) else None

    def _hold_back(self, call: Call) -> None:
        """Let the tasks that cannot go wait; the others stay as they are and go next."""
        decision = Decision(self._pending.books, self._kit.clock(), self._session.places)
        for task in _all_tasks(call):
            wait = self._wait(task)
            if wait is not None:
                decision.waits(task, Place(wait))
        self._absorb(decision)

    def _reply(self, call: Call) -> Reply:
        kit = self._kit
        created = kit.clock()
        batch = Batch(
            id=digest(self._run.request_id, f"{created:.6f}", str(self._calls), *(task.id for task in call.tasks)),
            tasks=call.tasks,
            created=created,
            replaces=call.replaces,
        )
        key = kit.spool.intend(batch)
        unit = kit.provider.unit(call.target)
        before = unit in self._session.refused_units
        try:
            accepted = self._accepted(batch)
        except CdnError as error:
            if isinstance(error, QuotaSpent):
                self._session.refused_units.add(unit)
            return Reply(call, batch, key, kit.clock(), error=error, was_refused_before=before)
        now = kit.clock()
        kit.spool.accept([(batch.accepted(accepted.task_ids, accepted.request_id, now), now + STATUS_AFTER_SECONDS)])
        return Reply(call, batch, key, now, accepted)

    def _accepted(self, batch: Batch) -> Accepted:
        """Make a call; where it is throttled, wait as long as asked and try again a few times."""
        for attempt in range(THROTTLED_TRIES):
            self._pace()
            try:
                return self._call(batch)
            except Throttled as error:
                wait = max(error.wait_seconds, backoff(attempt, self._kit.chance()))
                if attempt + 1 == THROTTLED_TRIES or self._kit.clock() + wait > self._until:
                    raise
                self._kit.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    def _call(self, batch: Batch) -> Accepted:
        target = batch.target
        if target.kind is Kind.PREFETCH:
            return self._kit.cdn.prefetch(batch.urls)
        return self._kit.cdn.refresh(batch.urls, target.form, force=target.force)

    def _pace(self) -> None:
        """Keep calls far enough apart for the account's limit per second."""
        rest = self._last_call + 1.0 / self._kit.limits.calls_per_second - self._kit.clock()
        if rest > 0:
            self._kit.sleep(rest)
        self._last_call = self._kit.clock()
        self._calls += 1
        self._session.totals["calls"] += 1

    def _absorb(self, decision: Decision) -> None:
        """Take over what was decided; carry it out once it is a chunk."""
        pending = self._pending
        pending.books = decision.books
        for name in ("moves", "accepts", "outcomes", "served", "gone", "alarms"):
            getattr(pending, name).extend(getattr(decision, name))
        pending.branches |= decision.branches
        if len(pending.served) >= CALLS_PER_CHUNK_MAX or len(pending.moves) >= MOVES_PER_CHUNK_MAX:
            self._flush()

    def _flush(self) -> None:
        self.made_progress |= apply(self._kit, self._run, self._pending, self._session)
        self._pending = Decision(self._session.books, self._kit.clock())

    def _mark(self, queue: Iterable[Call]) -> None:
        """Keep what a search has found so far: the next round goes on with the same parts."""
        decision = Decision(self._pending.books, self._kit.clock())
        for call in queue:
            for tasks in (call.tasks, call.other, call.aside) if call.replaces else ():
                part = digest(call.replaces, *(task.id for task in tasks))[:8]
                for task in tasks:
                    decision.changed(task, msgspec.structs.replace(task, part=part))
        self._absorb(decision)


def _all_tasks(call: Call) -> tuple[Task, ...]:
    behind = call.shrunk.behind if call.shrunk else ()
    return (*call.tasks, *call.other, *call.aside, *behind)


STATUS_AFTER_SECONDS = 60.0
"""When the CDN is first asked about an accepted call; a refresh takes five to six minutes."""
