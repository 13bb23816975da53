"""The spool in, submissions out: under the lease, round after round, until nothing is due or time runs short.

Rules:

1. The lease saves quota; nothing is lost where two drain at once.
2. A call whose outcome is unknown is looked up in the CDN's task list before its URLs are sent again.
3. After giving the lease back the holder looks once more, so a note written meanwhile finds a drain.
4. The first round goes at once. Only when notes keep arriving does a round wait to fill its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shared.core.errors import CdnError, OutcomeUnknown
from shared.core.plan.books import unit_of
from shared.core.plan.limits import URLS_PER_REFRESH_CALL_MAX
from shared.core.plan.planning import Deferral, Plan, Related, joined, plan
from shared.core.task.model import Kind, Result, Step, Submission, Task
from shared.core.task.notes import Note, rewrite
from shared.core.task.stored import Lease, Survey, call_of, size_of
from shared.flow.bury import bury_task
from shared.flow.kit import Invocation, Kit
from shared.flow.log import log_outcomes
from shared.flow.resolve import Resolved, resolve
from shared.flow.round import Round
from shared.flow.submit import submit

LINGER_POLLS = 10
REPEATED_AFTER_SECONDS = 2.0
"""What comes sooner after its change than this is taken for the first delivery: a lone upload need not look."""
LOOKS_MAX = 3
"""How often a drain looks for running refreshes while others move them; prefetches then wait for its next round."""
PAGES_MAX = 20
"""How many thousand waiting notes a round looks through. Beyond them units may be spent twice, and no prefetch goes."""


def drain(kit: Kit, run: Invocation) -> dict[str, object]:
    """Submit what is due, unless somebody else is at it. Returns what the canonical log line says.

    Raises `StoreError` where the spool fails; nothing is lost by that.
    """
    totals = {"calls": 0, "accepted": 0, "deferred": 0, "buried": 0, "uncertain": 0}
    lease = kit.spool.take_lease("drain", run.request_id)
    if lease is None:
        return {"drain": "left to the holder of the lease"}
    burst = False
    while lease is not None:
        state = Round(ledger=lease.ledger)
        left: set[str] = set()
        try:
            left = _hold(kit, run, lease, state, totals, burst=burst)
        finally:
            kit.spool.release(lease, state.ledger)
        burst = True
        lease = kit.spool.take_lease("drain", run.request_id) if _more_to_do(kit, run, left) else None
    return {"drain": "done", **totals}


def _more_to_do(kit: Kit, run: Invocation, left: set[str]) -> bool:
    """Whether notes have come that this drain has not seen: their receivers found the lease taken."""
    return kit.clock() < run.deadline and not left.issuperset(kit.spool.survey(kit.clock()).due)


def _hold(kit: Kit, run: Invocation, lease: Lease, last: Round, totals: dict[str, int], *, burst: bool) -> set[str]:
    """Run rounds while there is something to do; `last` carries the ledger out, also past an error.

    Returns the keys of the notes that were seen and could not be settled.
    """
    survey = _gather(kit, run) if burst else kit.spool.survey(kit.clock())
    old_leases: Sequence[str] = lease.old
    while True:
        state = Round(ledger=last.ledger, ended=last.ended)
        before = len(state.ended)
        try:
            _round(kit, run, survey, state, old_leases)
        finally:
            last.ledger = state.ledger
            _count(totals, state)
        progress = len(state.ended) > before or state.changed
        if state.uncertain or not progress or kit.clock() >= run.deadline:
            return set(survey.due)
        if len(survey.due) <= 1:
            return set()  # a lone note: the look after giving the lease back is enough
        old_leases = ()
        survey = _gather(kit, run)
        if not survey.due:
            return set()


def _round(kit: Kit, run: Invocation, survey: Survey, state: Round, old_leases: Sequence[str]) -> None:
    """Look, plan, submit, settle: one pass over what is due."""
    resolved = resolve(kit, run, survey, state)
    notes = [*(kit.spool.read(survey.due) if survey.due else []), *resolved.notes]
    due = [task for each in notes for task in each.tasks]
    _end_repeated(kit, survey, _free(due, resolved, state), state)
    tasks = _free(due, resolved, state)
    rest = _Rest(kit, survey, Related(tasks, state.ended))
    if tasks:
        _read_quota(kit, state)
        refreshing: list[Task] = []
        if any(task.kind is Kind.PREFETCH for task in tasks):
            running = _running(kit)  # before the rest: what fails meanwhile moves from here to there
            refreshing = [*(running or ()), *due, *rest.tasks(look=True)]
            if running is None or rest.is_cut:
                tasks = [task for task in tasks if task.kind is Kind.REFRESH]
        planned = plan(tasks, state.ledger, kit.limits, kit.clock(), refreshing)
        if planned.calls:
            planned = joined(planned, _free(rest.tasks(), resolved, state))
        _carry_out(kit, run, planned, state)
    if state.intents:
        rest.tasks()  # a call that was looked up, or made now, may have covered what is not due yet
    _settle(kit, run, survey, [*notes, *rest.notes], state, old_leases)


class _Rest:
    """The notes that a survey does not name, since they are not due yet or too many.

    There may be very many of them, so they are read once, page by page and not without end, and only those with
    a task that has to do with the round's stay in memory.
    """

    def __init__(self, kit: Kit, survey: Survey, related: Related) -> None:
        self._kit, self._due, self._related, self._some = kit, frozenset(survey.due), related, survey.later
        self._tasks: list[Task] | None = None
        self.notes: list[Note] = []
        self.is_cut = False
        """Whether there were more than have been read."""

    def tasks(self, *, look: bool = False) -> list[Task]:
        """Give the related tasks among them; `look` also where the survey saw none, for there may be some by now."""
        if self._tasks is None and (self._some or look):
            self._tasks = list(self._read())
        return self._tasks or []

    def _read(self) -> Iterator[Task]:
        for number, page in enumerate(self._kit.spool.waiting()):
            if number == PAGES_MAX:
                self.is_cut = True
                return
            for each in self._kit.spool.read([key for key in page if key not in self._due]):
                found = [task for task in each.tasks if self._related.has(task)]
                if found:
                    self.notes.append(each)
                    yield from found


def _free(tasks: Iterable[Task], resolved: Resolved, state: Round) -> list[Task]:
    """Leave out what has ended, and what belongs to a call of unknown outcome."""
    return [task for task in tasks if task.id not in resolved.held and task.turn not in state.ended]


def _end_repeated(kit: Kit, survey: Survey, tasks: Sequence[Task], state: Round) -> None:
    """End tasks of events that were delivered before, as long as the call made for them is followed.

    Only the task's own id tells: a change may be older than a call of its URL by the times of both, and still not
    be covered by it, since nobody says whether an event's time is that of the upload's beginning or of its end.
    """
    now = kit.clock()
    new = [task for task in tasks if not task.history and task.cause.time < now - REPEATED_AFTER_SECONDS]
    if not new:
        return
    since = min(task.cause.time for task in new)
    names = [f"{key}.accepted" for key in survey.accepted if size_of(key)[0] >= since]
    made = kit.spool.submissions(names).values() if names else ()
    known = {id_ for each in made for id_ in each.task_names}
    state.superseded([task for task in new if task.id in known], now, "the event was delivered before")


def _carry_out(kit: Kit, run: Invocation, planned: Plan, state: Round) -> None:
    """Make the calls of a plan, as far as errors and time allow, and book what it defers and ends."""
    now = kit.clock()
    state.superseded(planned.void, now, "the object was removed")
    for deferral in planned.deferred:
        _defer(state, deferral, now)
    stopped: dict[str, CdnError] = {}
    for call in planned.calls:
        unit = unit_of(call.kind, call.form)
        if kit.clock() >= run.deadline or any(isinstance(error, OutcomeUnknown) for error in stopped.values()):
            return  # what was not sent stays in its notes, due as before
        if unit in stopped:
            state.defer_for(stopped[unit], call.tasks, kit.clock(), kit.chance(), tried=False)
        elif error := submit(kit, run, call, state):
            stopped[unit] = error


def _read_quota(kit: Kit, state: Round) -> None:
    """Ask what the day leaves, now and then. Where that fails, the API itself says when it is spent."""
    now = kit.clock()
    if not state.ledger.needs_reading(now):
        return
    try:
        state.ledger = state.ledger.at(now).with_reading(kit.cdn.quota(), now)
    except CdnError as error:
        kit.report.warning("the quota could not be read", code=error.code, reason=error.message)


def _running(kit: Kit) -> list[Task] | None:
    """Refreshes that the CDN has accepted and not completed; None where that could not be seen.

    Who follows a submission writes it again under another key, so what was listed may be gone when it is read.
    """
    seen: dict[str, Submission] = {}
    for _ in range(LOOKS_MAX):
        accepted = kit.spool.survey(kit.clock()).accepted
        names = {call_of(key): f"{key}.accepted" for key in accepted if call_of(key) not in seen}
        found = kit.spool.submissions(names.values())
        seen.update((each.batch.id, each) for each in found.values())
        if len(found) == len(names):
            return [task for each in seen.values() for task in each.batch.tasks]
    return None


def _defer(state: Round, deferral: Deferral, now: float) -> None:
    step = Step(now, Result.DEFERRED, "Planned", deferral.reason)
    state.defer([deferral.task], deferral.due, now, step, tried=False)


def _settle(
    kit: Kit, run: Invocation, survey: Survey, notes: Sequence[Note], state: Round, old_leases: Sequence[str]
) -> None:
    """Write what stays, then the log, and only then delete what has been replaced or settled."""
    for task, reason in state.dead:
        bury_task(kit, run, task, reason)
    change = rewrite(notes, state.ended, state.changed)
    for new in change.put:
        kit.spool.put(new)
    logged = log_outcomes(kit, state.outcomes, survey.unlogged)
    kit.spool.clean(notes=change.delete, intents=state.intents, outcomes=logged, leases=old_leases)


def _gather(kit: Kit, run: Invocation) -> Survey:
    """Look what has arrived meanwhile; in a burst, wait until a call is full or nothing more arrives."""
    survey = kit.spool.survey(kit.clock())
    until = min(kit.clock() + kit.linger_seconds, run.deadline)
    while 0 < len(survey.due) < URLS_PER_REFRESH_CALL_MAX and kit.clock() < until:
        kit.sleep(kit.linger_seconds / LINGER_POLLS)
        seen = len(survey.due)
        survey = kit.spool.survey(kit.clock())
        if len(survey.due) == seen:
            break
    return survey


def _count(totals: dict[str, int], state: Round) -> None:
    totals["calls"] += state.calls
    totals["accepted"] += sum(1 for each in state.outcomes if each.result is Result.ACCEPTED)
    totals["deferred"] += len(state.changed)
    totals["buried"] += len(state.dead)
    totals["uncertain"] += int(state.uncertain)
