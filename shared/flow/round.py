"""What one round of a drain has come to so far: which tasks left the spool, which stay changed, what to log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.core.errors import CdnError
from shared.core.plan.books import Ledger
from shared.core.plan.retry import due_after
from shared.core.task.model import Batch, Outcome, Result, Step, Task, outcome
from shared.core.task.rows import Accepted


@dataclass
class Round:
    """Collects the results of the calls of one plan. Nothing here touches the outside."""

    ledger: Ledger
    ended: set[str] = field(default_factory=set)
    """Turns of tasks that leave `waiting/`; it is kept from round to round while one holder drains."""
    changed: dict[str, Task] = field(default_factory=dict)
    """Tasks that stay in `waiting/` with a new due time or history."""
    outcomes: list[Outcome] = field(default_factory=list)
    intents: list[str] = field(default_factory=list)
    """Keys of intents that have served."""
    dead: list[tuple[Task, str]] = field(default_factory=list)
    calls: int = 0
    uncertain: bool = False

    def accepted(self, batch: Batch, accepted: Accepted, now: float, *, book: bool = True) -> None:
        """The CDN took a batch: of each URL the newest task was sent, the older ones are covered by it."""
        newest = batch.newest
        for task in batch.tasks:
            sent = newest[task.url]
            self.ended.add(task.turn)
            self.outcomes.append(
                outcome(
                    task,
                    Result.ACCEPTED if task is sent else Result.SUPERSEDED,
                    now,
                    units=1 if task is sent else 0,
                    call=batch.id,
                    cdn_task_ids=",".join(accepted.task_ids),
                    request_id=accepted.request_id,
                    message="" if task is sent else f"covered by task {sent.id}",
                    latency_ms=max(0, int((now - task.cause.time) * 1000)),
                )
            )
        if book:
            self.ledger = self.ledger.after(batch, now)

    def superseded(self, tasks: Iterable[Task], now: float, reason: str) -> None:
        """Tasks end here that something else has made needless."""
        for task in tasks:
            self.ended.add(task.turn)
            self.outcomes.append(outcome(task, Result.SUPERSEDED, now, message=reason))

    def lost_answer(self, batch: Batch, code: str, message: str, now: float) -> None:
        """A call's answer was lost: it is booked as spent, and its tasks stay until the CDN has been asked."""
        self.uncertain = True
        self.ledger = self.ledger.after(batch, now)
        self.outcomes += [
            outcome(task, Result.UNCERTAIN, now, call=batch.id, code=code, message=message) for task in batch.tasks
        ]

    def defer(self, tasks: Iterable[Task], due: float, now: float, step: Step, *, tried: bool) -> None:
        """Tasks stay in the spool until `due`; `tried` tells whether a call was made for them."""
        for task in tasks:
            later = msgspec.structs.replace(task, due=due, attempt=task.attempt + int(tried)).with_step(step)
            self.changed[task.id] = later
            self.outcomes.append(
                outcome(
                    later,
                    Result.DEFERRED,
                    now,
                    code=step.code,
                    message=step.message,
                    request_id=step.request_id,
                    due=due,
                )
            )

    def defer_for(self, error: CdnError, tasks: Iterable[Task], now: float, chance: float, *, tried: bool) -> None:
        """Tasks wait because of an error, each as long as the error and its own tries ask for."""
        step = Step(now, Result.DEFERRED, error.code, error.message, error.request_id if tried else "")
        for task in tasks:
            self.defer([task], due_after(error, task.attempt, now, chance), now, step, tried=tried)

    def bury(self, tasks: Sequence[Task], now: float, step: Step) -> None:
        """Tasks that can never go end here, with their history."""
        for task in tasks:
            last = task.with_step(step)
            self.dead.append((last, f"{step.code}: {step.message}"))
            self.ended.add(task.turn)
            self.outcomes.append(
                outcome(last, Result.DEAD, now, code=step.code, message=step.message, request_id=step.request_id)
            )
