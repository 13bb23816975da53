"""What was decided, as a value: which tasks move to which state, and what is written, sent and told for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from shared.core.plan.books import Books
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Call
from shared.core.task.model import Batch, Outcome, Result, State, Step, Submission, Task, Try, outcome
from shared.core.task.notes import Place
from shared.core.task.provider import Provider
from shared.core.task.rows import Accepted
from shared.core.task.stored import CallKey
from shared.core.task.waits import BACKOFF, READY


class Facts(msgspec.Struct, frozen=True):
    """What a decision may know of the world: the provider, the account's limits, the site file's domains, chance."""

    provider: Provider
    limits: Limits
    domains: frozenset[str]
    chance: float = 0.5
    """A number from 0 to 1, for jitter."""


class Move(msgspec.Struct, frozen=True):
    """One task that moves. `before` names the try that it was; `place` is where it waits from now on, if it does."""

    before: Try
    task: Task
    state: State
    place: Place | None = None
    reason: str = ""
    """Why it was given up, where it was."""


class Alarm(msgspec.Struct, frozen=True):
    """Something a person should know at once: what, and the vendor's words."""

    text: str
    remedy: str
    code: str = ""
    message: str = ""
    request_id: str = ""


@dataclass
class Decision:
    """Collects what a decision comes to. Nothing here touches the outside; `apply` (flow/apply.py) carries it out.

    `accepts` are submissions to keep, with the time of the next look at each; `served` and `gone` are the keys of
    intents and submissions that are not needed any more once all else is written.
    """

    books: Books
    now: float
    places: Mapping[Try, Place] = field(default_factory=dict)
    """Where tasks lie, as far as their notes were read."""
    moves: list[Move] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    """What is to be sent before anything else."""
    accepts: list[tuple[Submission, float]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    served: list[CallKey] = field(default_factory=list)
    gone: list[CallKey] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    branches: set[str] = field(default_factory=set)
    """Names of what was decided, for those who watch that every case is met."""

    def met(self, branch: str) -> None:
        """Note which case was met."""
        self.branches.add(branch)

    def accepted(self, batch: Batch, accepted: Accepted, at: float) -> None:
        """The CDN took a call: of each URL the newest task was sent, the older ones are covered by it."""
        newest = batch.newest
        for task in batch.tasks:
            sent = newest[task.url]
            is_sent = task is sent
            self.moves.append(Move(task.this_try, task, State.ACCEPTED if is_sent else State.SUPERSEDED))
            self.outcomes.append(
                outcome(
                    task,
                    Result.ACCEPTED if is_sent else Result.SUPERSEDED,
                    at,
                    units=int(is_sent),
                    call=batch.id,
                    cdn_task_ids=",".join(accepted.task_ids),
                    request_id=accepted.request_id,
                    message="" if is_sent else f"covered by task {sent.id}",
                    latency_ms=max(0, int((at - task.cause.time) * 1000)),
                )
            )

    def superseded(self, tasks: Iterable[Task], reason: str) -> None:
        """Tasks end here that something else has made needless."""
        for task in tasks:
            self.moves.append(Move(task.this_try, task, State.SUPERSEDED))
            self.outcomes.append(outcome(task, Result.SUPERSEDED, self.now, message=reason))

    def done(self, task: Task, call: str) -> None:
        """A task ends here: the CDN has completed it."""
        self.moves.append(Move(task.this_try, task, State.DONE))
        age = max(0, int((self.now - task.cause.time) * 1000))
        self.outcomes.append(outcome(task, Result.DONE, self.now, call=call, latency_ms=age))

    def buried(self, tasks: Iterable[Task], code: str, message: str, request_id: str = "") -> None:
        """Tasks that can never go end here, with their history."""
        for task in tasks:
            self.gives_up(task, task, code, message, request_id)

    def gives_up(self, before: Task, after: Task, code: str, message: str, request_id: str = "") -> None:
        """A task ends here, with what its last try has added to it."""
        step = Step(self.now, Result.DEAD, code, message, request_id)
        last = after.with_step(step)
        reason = f"{code}: {step.message}" if message else code
        self.moves.append(Move(before.this_try, last, State.DEAD, reason=reason))
        words = {"code": code, "message": message, "request_id": request_id}
        self.outcomes.append(outcome(last, Result.DEAD, self.now, **words))

    def waits(self, task: Task, place: Place, why: str = "") -> None:
        """A task waits for a reason. One that has waited before, for whatever, leaves no record of it."""
        self.moves.append(Move(task.this_try, task, State.WAITING, place))
        before = self.places.get(task.this_try)
        if before is None or before.wait == READY:
            self.outcomes.append(outcome(task, Result.DEFERRED, self.now, code=place.wait.slot, message=why))

    def again(self, before: Task, after: Task, step: Step, pause: float) -> None:
        """A task that failed by itself goes again after a pause: a step of its own."""
        last, due = after.with_step(step), self.now + pause
        self.moves.append(Move(before.this_try, last, State.WAITING, Place(BACKOFF, due)))
        words = {"code": step.code, "message": step.message, "request_id": step.request_id}
        self.outcomes.append(outcome(last, Result.DEFERRED, self.now, due=due, **words))

    def changed(self, before: Task, after: Task, place: Place | None = None) -> None:
        """A task stays ready (or where `place` says) with what has been learnt of it."""
        self.moves.append(Move(before.this_try, after, State.WAITING, place or Place(READY)))

    def arrives(self, task: Task) -> None:
        """A new task begins its life."""
        self.moves.append(Move(task.this_try, task, State.WAITING, Place(READY)))
