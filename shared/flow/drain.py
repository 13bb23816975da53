"""The spool in, submissions out: under the lease, round after round, until nothing may go or time runs short.

Rules:

1. The lease saves quota; nothing is lost where two drain at once.
2. A call whose outcome is unknown is asked about before its targets are sent again, and stops nothing else meanwhile.
3. After giving the lease back the holder looks once more, so a note written meanwhile finds a drain.
4. The first round goes at once. Only when notes keep arriving does a round wait to fill its calls.
5. Each round is load, decide, apply; what it has come to is durable chunk by chunk.
"""

from __future__ import annotations

import json
from collections import Counter

from shared.core.decide import Snapshot, decide
from shared.core.errors import CdnError
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE, Books, is_free, next_reset
from shared.core.plan.lease import Taken
from shared.core.task.model import Lane, Outcome, Result, Try
from shared.core.task.stored import Survey
from shared.core.task.waits import READY, Why
from shared.flow.apply import Session, apply
from shared.flow.ask import Unknown, ask
from shared.flow.kit import Invocation, Kit
from shared.flow.look import find, waiting
from shared.flow.send import Sender

LINGER_POLLS = 10
POLL_SECONDS = 2.0
"""How often a drain looks for new notes while it waits for rows of the task list."""
POLLING_SECONDS_MAX = 20.0
"""How long it waits for the task list's telling more; whoever comes later asks then."""
FULL_CALL = 1_000
"""A burst need not be waited for once it fills a call."""


def drain(kit: Kit, run: Invocation, until: float | None = None) -> dict[str, object]:
    """Submit what may go, unless somebody else is at it. Returns what the canonical log line says.

    Raises `StoreError` where the spool fails; nothing is lost by that.
    """
    until = run.deadline if until is None else until
    totals: Counter[str] = Counter()
    taken = kit.spool.take("drain", run.request_id)
    if taken is None:
        return {"drain": "left to the holder of the lease"}
    is_first = True
    while taken is not None:
        session = Session(_with_kept(kit, taken.books), old_leases=taken.old)
        seen: set[str] = set()
        try:
            seen = _hold(kit, run, taken, session, until, is_first=is_first)
        finally:
            kit.spool.release(taken, session.books)
        totals.update(session.totals)
        is_first = False
        taken = kit.spool.take("drain", run.request_id) if _has_come(kit, session, seen, until) else None
    return {"drain": "done", **totals}


def _with_kept(kit: Kit, books: Books) -> Books:
    """Look whether the records are written by now that once waited for the log store."""
    return books.with_kept(is_kept=bool(kit.spool.kept(most=1)[0])) if books.kept else books


def _has_come(kit: Kit, session: Session, seen: set[str], until: float) -> bool:
    """Whether notes have come that this drain has not seen: their receivers found the lease taken."""
    if kit.clock() >= until or _is_stopped(kit, session):
        return False
    books, now = session.books, kit.clock()
    notes = (key for key in kit.spool.survey().notes if key.text not in seen)
    return any(is_free(key, books, kit.limits, kit.provider, now) for key in notes)


def _hold(kit: Kit, run: Invocation, taken: Taken, session: Session, until: float, *, is_first: bool) -> set[str]:
    """Run rounds while there is something to do; returns the keys of the notes that were seen."""
    survey = taken.survey if is_first else _gather(kit, taken.survey, until)
    while True:
        unknown, made_progress = _round(kit, run, survey, session, until)
        seen = {key.text for key in survey.notes} | set(session.notes)
        now = kit.clock()
        if now >= until or _is_stopped(kit, session):
            return seen
        if not made_progress:
            if unknown is None or unknown.again - now > POLLING_SECONDS_MAX or now + POLL_SECONDS >= until:
                return seen
            kit.sleep(POLL_SECONDS)
            survey = kit.spool.survey()
        elif len(survey.notes) <= 1 and not (unknown and unknown.tries) and not session.notes:
            return seen  # a lone note: the look after giving the lease back is enough
        else:
            survey = _gather(kit, None, until)
        session.next_round()


def _is_stopped(kit: Kit, session: Session) -> bool:
    now = kit.clock()
    return any(session.books.is_held(name, now) for name in (SERVICE, ACCOUNT, FLOW))


def _round(kit: Kit, run: Invocation, survey: Survey, session: Session, until: float) -> tuple[Unknown | None, bool]:
    """Load, decide, apply: one pass. Returns what stays unknown, and whether anything moved."""
    unknown: Unknown | None = None
    ended = len(session.ended)
    if survey.intents:
        unknown = ask(kit, run, survey, session, until)
        if unknown is None:
            return None, len(session.ended) > ended
    else:
        session.books = session.books.without_listings()
    held = unknown.tries if unknown else frozenset[Try]()
    if _is_stopped(kit, session) or not survey.notes:
        return unknown, len(session.ended) > ended
    session.books = _with_quotas(kit, survey, session.books)
    if session.books.needs_reading(kit.clock()):
        _read_quota(kit, session)
    _take_over_origins(kit, survey, session)
    found = find(kit, survey, session, held)
    seen = waiting(kit, found, session, held)
    snapshot = Snapshot(session.books, session.places, waiting=seen)
    decision = decide(snapshot, kit.facts, kit.clock())
    calls, decision.calls = decision.calls, []
    put_off = Counter(move.place.wait.slot for move in decision.moves if move.place)
    if put_off:
        text = json.dumps({"waits": dict(put_off)})
        decision.outcomes.append(Outcome(kit.clock(), Result.ROUND, request_id=run.request_id, message=text))
    moved = apply(kit, run, decision, session)
    sender = Sender(kit, run, session, until)
    sender.send(calls)
    return unknown, moved or sender.made_progress


def _with_quotas(kit: Kit, survey: Survey, books: Books) -> Books:
    """Hold what waits for a quota, also when a new day has lifted it: until it goes the quota is read each minute."""
    now = kit.clock()
    books = books.at(now, kit.provider)
    for slot in {key.wait.slot for key in survey.notes if key.wait.why is Why.QUOTA} - books.holds.keys():
        books = books.hold(slot, next_reset(now, kit.provider), now)
    return books


def _read_quota(kit: Kit, session: Session) -> None:
    """Ask what the day leaves, now and then. Where that fails, the API itself says when it is spent."""
    now = kit.clock()
    try:
        session.books = session.books.at(now, kit.provider).with_reading(kit.cdn.quota(), now, kit.limits)
    except CdnError as error:
        session.books = session.books.quota_unread(kit.clock())
        kit.report.warning("the quota could not be read", code=error.code, reason=error.message)


def _take_over_origins(kit: Kit, survey: Survey, session: Session) -> None:
    """Hold back prefetches of domains whose origins fail."""
    if any(key.lane >= Lane.PREFETCH for key in survey.notes):
        origins = kit.spool.books("settle").holds
        session.books = session.books.with_origins(origins, "prefetch", kit.clock())


def _gather(kit: Kit, survey: Survey | None, until: float) -> Survey:
    """Look what has arrived meanwhile; in a burst, wait until a call is full or nothing more arrives."""
    survey = survey or kit.spool.survey()
    until = min(kit.clock() + kit.linger_seconds, until)
    seen = _ready(survey)
    while 0 < seen < FULL_CALL and kit.clock() < until:
        kit.sleep(kit.linger_seconds / LINGER_POLLS)
        survey, before = kit.spool.survey(), seen
        seen = _ready(survey)
        if seen == before:
            break
    return survey


def _ready(survey: Survey) -> int:
    return sum(key.wait == READY for key in survey.notes)
