"""What the tests of decisions share: facts, calls, replies, looked-up calls, and a judge that stands for the CDN."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.decide import Asked, Decision, Facts, Reply, Snapshot, decide
from shared.core.errors import CdnError, MinuteSpent, QuotaSpent, Rejected
from shared.core.plan.books import Books, Good
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Call
from shared.core.plan.retry import MEANWHILE_SECONDS
from shared.core.task.model import Batch, State, Submission, Task, Try, digest
from shared.core.task.notes import Place
from shared.core.task.rows import Accepted, CdnTask, RowState
from shared.core.task.stored import CallKey, intent_key
from shared.core.task.waits import trouble_of
from tests import strategies
from tests.strategies import NOW, make_task

BEGUN = NOW - 60
"""When calls of unknown outcome were begun, where nothing else is said."""
A, B = "a.example.com", "b.example.com"
HOST = f"https://{A}"
FACTS = Facts(
    CDN, Limits(urls_per_minute_per_domain=1_000_000, reserve_percent=0), frozenset(strategies.DOMAINS) | {A, B}
)


def files(count: int, host: str = HOST) -> tuple[Task, ...]:
    """Make refreshes of files, the first one oldest."""
    return tuple(make_task(f"{host}/{number}.css", time=NOW - 100 + number / 1000) for number in range(count))


REJECTED = Rejected("InvalidObjectPath.Malformed", "bad path", request_id="R-9")
ONE, TWO, THREE, FOUR = files(4)
OTHERS = files(2, f"https://{B}")
TROUBLE = trouble_of("url", A)
SPENT = [MinuteSpent("QuotaPerMinuteExceeded.Refresh"), QuotaSpent("QuotaExceeded.Refresh")]


def batch(tasks: Sequence[Task], created: float = NOW, name: str = "", replaces: str = "") -> Batch:
    """Make a call; its name follows from its tasks."""
    return Batch(name or digest(repr(created), *(task.id for task in tasks)), tuple(tasks), created, replaces)


def key_of(call: Batch) -> CallKey:
    """The key of a call's intent."""
    return CallKey(intent_key(call), call.created, call.created, len(call.urls), call.id, modified=call.created)


def reply(
    call: Call | Sequence[Task],
    error: CdnError | None = None,
    *,
    at: float = NOW,
    before: bool = False,
    refusals: int = 0,
    is_last: bool = True,
) -> Reply:
    """Make an answer: an acceptance, or an error."""
    call = call if isinstance(call, Call) else Call(tuple(call))
    sent = batch(call.tasks, at - 1, replaces=call.replaces)
    accepted = None if error else Accepted((f"id-{sent.id}",), "R")
    return Reply(call, sent, key_of(sent), at, accepted, error, before, refusals, is_last)


def answered(
    call: Call | Sequence[Task],
    error: CdnError | None = None,
    books: Books | None = None,
    *,
    at: float = NOW,
    before: bool = False,
    places: dict[Try, Place] | None = None,
) -> Decision:
    """Decide about one answer."""
    snapshot = Snapshot(books or Books(), places or {}, replies=(reply(call, error, at=at, before=before),))
    return decide(snapshot, FACTS, at)


def asked(tasks: Sequence[Task], rows: Iterable[CdnTask] = (), created: float = BEGUN, **fields: object) -> Asked:
    """Make a call of unknown outcome, with what the task list has shown of it."""
    call = batch(tasks, created)
    return msgspec.structs.replace(Asked(key_of(call), call, tuple(rows), since=created - 2), **fields)


def looked_up(
    *calls: Asked,
    known: Sequence[Submission] = (),
    books: Books | None = None,
    at: float = NOW,
    places: dict[Try, Place] | None = None,
) -> Decision:
    """Decide about calls of unknown outcome."""
    return decide(Snapshot(books or Books(), places or {}, calls, tuple(known)), FACTS, at)


SHORTLY_BEFORE = BEGUN - MEANWHILE_SECONDS


def good(a: float = 0.0, b: float = 0.0, unit: str = "url") -> Books:
    """Make books by which calls of a unit for the two domains were last accepted at some moments, or never."""
    last = {
        name: Good(at, make_task(f"https://{name}/good.css", time=1.0).target, "site")
        for name, at in ((A, a), (B, b))
        if at
    }
    return Books(good={unit: last})


GOOD = good(NOW - 30, NOW - 30)
"""Calls for both domains were accepted after the one in question was begun."""
ONLY_OTHERS_GOOD = good(SHORTLY_BEFORE - 1, NOW - 30)


def once_unknown(*tasks: Task, **fields: object) -> tuple[Task, ...]:
    """Let tasks have been part of one call that came to nothing."""
    return tuple(msgspec.structs.replace(task, unknowns=1, **fields) for task in tasks)


def row(url: str, task_id: str = "1", created: float = NOW - 59, object_type: str = "file") -> CdnTask:
    """Make a row of the task list."""
    return CdnTask(task_id, url, object_type, RowState.RUNNING, "Refreshing", 0.0, created)


def rows_of(tasks: Iterable[Task], task_id: str = "1", created: float = NOW - 59) -> list[CdnTask]:
    """Make a row of each of some files."""
    return [row(task.url, task_id, created) for task in tasks]


def fates(decision: Decision) -> dict[Try, State]:
    """Tell to which state each try moves; the last move counts."""
    return {move.before: move.state for move in decision.moves}


def moved(decision: Decision, state: State) -> list[Task]:
    """List the tasks that move to a state."""
    return [move.task for move in decision.moves if move.state is state]


def sent_id(decision: Decision) -> str:
    """The id of the call whose answer was decided about."""
    return decision.served[0].call


class Judge:
    """Drives a call and all that its answers ask for, as the flow does, against something that judges each call."""

    def __init__(self, verdict: Callable[[Sequence[Task]], CdnError | None]) -> None:
        self._verdict = verdict
        self.books = Books()
        self.calls: list[tuple[Task, ...]] = []
        self.fates: dict[Try, State] = {}
        self.asked: list[Call] = []
        self.branches: set[str] = set()

    def drive(self, tasks: Sequence[Task], calls_max: int = 5_000) -> Judge:
        """Send all tasks in one call, and then what is asked for until nothing is."""
        return self.drive_call(Call(tuple(tasks)), calls_max)

    def drive_call(self, first: Call, calls_max: int = 5_000) -> Judge:
        """Send a call, and then what is asked for until nothing is."""
        queue = deque([first])
        while queue and len(self.calls) < calls_max:
            call = queue.popleft()
            self.calls.append(call.tasks)
            answer = reply(call, self._verdict(call.tasks), at=NOW)
            decision = decide(Snapshot(self.books, replies=(answer,)), FACTS, NOW)
            self.books = decision.books
            self.fates.update(fates(decision))
            self.branches |= decision.branches
            self.asked += decision.calls
            queue.extendleft(reversed(decision.calls))
        assert not queue, "the search does not end"
        return self

    def of(self, state: State) -> set[Try]:
        """The tries that have come to a state."""
        return {each for each, found in self.fates.items() if found is state}
