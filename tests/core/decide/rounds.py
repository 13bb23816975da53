"""A drain without any I/O: rounds of decisions over tasks that wait, against something that answers each call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.decide import Asked, Decision, Reply, Snapshot, Waiting, decide
from shared.core.errors import CdnError, OutcomeUnknown
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE, Books, is_free
from shared.core.plan.planning import Call
from shared.core.task.model import Batch, State, Submission, Task, Try
from shared.core.task.notes import NoteKey, Place
from shared.core.task.rows import Accepted, CdnTask
from shared.core.task.waits import READY, trouble_of
from tests.core.decide.snapshots import FACTS, batch, key_of, row
from tests.strategies import NOW

CALL_SECONDS = 0.1
ROUND_SECONDS = 20.0
"""Rows appear within 15 seconds, so a drain comes to know of a lost call in its next round."""


@dataclass
class Rounds:
    """What waits, what is under way and what has become of tasks. `verdict` returns an error or None for each call."""

    verdict: Callable[[Sequence[Task]], CdnError | None]
    books: Books = field(default_factory=Books)
    now: float = NOW
    waiting: dict[Try, tuple[Task, Place]] = field(default_factory=dict)
    intents: dict[str, Batch] = field(default_factory=dict)
    known: list[Submission] = field(default_factory=list)
    rows: list[CdnTask] = field(default_factory=list)
    ended: dict[Try, State] = field(default_factory=dict)
    last: dict[Try, Task] = field(default_factory=dict)
    calls: list[tuple[float, tuple[Task, ...]]] = field(default_factory=list)
    branches: set[str] = field(default_factory=set)

    def note(self, tasks: Sequence[Task]) -> None:
        """Let tasks begin to wait."""
        self.waiting.update((task.this_try, (task, Place(READY))) for task in tasks)

    def run(self, count: int, each: Callable[[int], None] = lambda _number: None) -> None:
        """Run so many rounds; `each` is called before every one."""
        for number in range(count):
            each(number)
            self.round()
            self.now += ROUND_SECONDS

    def of(self, state: State) -> set[Try]:
        """The tries that have come to an end of a kind."""
        return {each for each, found in self.ended.items() if found is state}

    def round(self) -> None:
        """Ask about what is unknown, then send what may go."""
        if self.intents and not self._is_stopped():
            self._take(decide(Snapshot(self.books, self._places(), self._asked(), tuple(self.known)), FACTS, self.now))
        if self._is_stopped():
            return
        held = frozenset(task.this_try for call in self.intents.values() for task in call.tasks)
        books = self.books.at(self.now, CDN)
        free = {
            each: task
            for each, (task, place) in self.waiting.items()
            if is_free(
                NoteKey("", place.wait, place.due, task.lane, task.cause.time, 1), books, FACTS.limits, CDN, self.now
            )
        }
        elsewhere = tuple(task for each, (task, _) in self.waiting.items() if each not in free)
        seen = Waiting(tuple(free.values()), elsewhere, held=held, ended=frozenset(self.ended))
        decision = decide(Snapshot(self.books, self._places(), waiting=seen), FACTS, self.now)
        self._take(decision)
        self._send(decision.calls)

    def _send(self, calls: Sequence[Call]) -> None:
        queue, unknown = deque(calls), 0
        while queue and not self._is_stopped():
            if unknown >= 3 and not self.books.went_well_since(self.now - 60):
                return
            call = queue.popleft()
            slots = {trouble_of(CDN.unit(call.target), task.domain).slot for task in call.tasks}
            if any(self.books.is_held(slot, self.now) for slot in slots):
                continue
            decision = self._reply(call)
            queue.extendleft(reversed(decision.calls))
            unknown = unknown + 1 if "reply: unknown" in decision.branches else 0

    def _reply(self, call: Call) -> Decision:
        sent = batch(call.tasks, self.now, replaces=call.replaces)
        self.calls.append((self.now, call.tasks))
        self.intents[sent.id] = sent
        self.now += CALL_SECONDS
        error = self.verdict(call.tasks)
        accepted = None if error else Accepted((f"id-{sent.id}",), "R")
        if accepted:
            self.known.append(sent.accepted(accepted.task_ids, "R", self.now))
            self.rows += [row(url, accepted.task_ids[0], self.now) for url in sent.urls]
        answer = Reply(call, sent, key_of(sent), self.now, accepted, error)
        decision = decide(Snapshot(self.books, self._places(), replies=(answer,)), FACTS, self.now)
        self._take(decision)
        return decision

    def _asked(self) -> tuple[Asked, ...]:
        replaced = {call.replaces for call in (*self.intents.values(), *(each.batch for each in self.known))}
        return tuple(
            Asked(
                key_of(call),
                call,
                tuple(self.rows),
                since=call.created - 2,
                is_none=True,
                is_replaced=call.id in replaced,
            )
            for call in self.intents.values()
            if self.now - call.created >= 15
        )

    def _take(self, decision: Decision) -> None:
        self.books = decision.books
        self.branches |= decision.branches
        self.known += [submission for submission, _ in decision.accepts]
        for key in decision.served:
            self.intents.pop(key.call, None)
        for move in decision.moves:
            self.waiting.pop(move.before, None)
            self.last[move.before] = move.task
            if move.place is not None:
                self.waiting[move.task.this_try] = (move.task, move.place)
            else:
                self.ended[move.before] = move.state

    def _places(self) -> dict[Try, Place]:
        return {each: place for each, (_, place) in self.waiting.items()}

    def _is_stopped(self) -> bool:
        return any(self.books.is_held(name, self.now) for name in (SERVICE, ACCOUNT, FLOW))


def lost_with(urls: frozenset[str]) -> Callable[[Sequence[Task]], CdnError | None]:
    """Let every call that holds one of some URLs come to nothing, without an answer that tells."""

    def verdict(tasks: Sequence[Task]) -> CdnError | None:
        return OutcomeUnknown("InternalError", "sorry") if any(task.url in urls for task in tasks) else None

    return verdict


def counted(task: Task) -> tuple[int, int, str]:
    """What has been held against a task: its blame, its failures, its part."""
    return (task.blamed, task.cdn_failures, task.part)


def without_history(task: Task) -> Task:
    """A task as it was noted."""
    return msgspec.structs.replace(task, history=())
