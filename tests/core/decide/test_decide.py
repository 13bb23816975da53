"""One snapshot in, one decision out: the parts in their order, with the books of the moment, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core import decide as room
from shared.core.decide import Alarm, Followed, Snapshot, Waiting, decide
from shared.core.decide.moves import Decision
from shared.core.plan.books import Books, Hold, day_of, minute_of
from shared.core.task.model import Result, State, Step, Task
from shared.core.task.notes import Place
from shared.core.task.waits import BACKOFF, READY, quota_of
from tests import strategies
from tests.core.decide.snapshots import FACTS, ONE, THREE, TWO, asked, fates, key_of, reply, row, rows_of
from tests.strategies import NOW


def test_nothing_in_is_nothing_out() -> None:
    """Only the books are brought up to date."""
    decision = decide(Snapshot(Books()), FACTS, NOW)
    assert Decision(Books(minute=minute_of(NOW), day=day_of(NOW, CDN)), NOW) == decision


def test_all_parts_of_a_snapshot_are_decided_by_one_set_of_books() -> None:
    """What the answers have spent is not there for what waits."""
    books = Books(read_at=NOW, total={"url": 9}, remaining={"url": 1})
    snapshot = Snapshot(books, replies=(reply([ONE]),), waiting=Waiting((TWO,)))
    decision = decide(snapshot, FACTS, NOW)
    assert {ONE.this_try: State.ACCEPTED, TWO.this_try: State.WAITING} == fates(decision)
    assert {"reply: accepted", "waiting: quota"} == decision.branches


def test_each_part_is_decided() -> None:
    """Looked-up calls, answers, accepted calls, and what waits."""
    done = asked([THREE]).batch.accepted(("1",), "R", NOW)
    snapshot = Snapshot(
        Books(),
        asked=(asked([ONE], rows_of([ONE])),),
        replies=(reply([TWO]),),
        followed=(Followed(key_of(done.batch), done, (row(THREE.url),)),),
        waiting=Waiting(()),
    )
    assert {"unknown: the task list has it", "reply: accepted", "followed: running"} == decide(
        snapshot, FACTS, NOW
    ).branches


def test_what_is_known_tells_whose_rows_are_whose() -> None:
    """An accepted call of the snapshot claims its rows."""
    known = asked([ONE], created=NOW - 50).batch.accepted(("1",), "R", NOW)
    snapshot = Snapshot(Books(), asked=(asked([ONE], rows_of([ONE])),), known=(known,))
    assert {} == fates(decide(snapshot, FACTS, NOW))


@given(st.lists(strategies.tasks(), max_size=12), strategies.troubled_books())
def test_the_same_snapshot_has_the_same_decision(tasks: list[Task], books: Books) -> None:
    """No clock, no chance, no memory; and the snapshot stays what it was."""
    snapshot = Snapshot(books, waiting=Waiting(tuple(tasks)))
    before = repr(snapshot)
    assert decide(snapshot, FACTS, NOW) == decide(snapshot, FACTS, NOW)
    assert before == repr(snapshot)


def test_what_the_room_offers_is_there() -> None:
    """Each name that it tells to those who import from it."""
    assert [] == [name for name in room.__all__ if not hasattr(room, name)]


# -- moves ---------------------------------------------------------------------------------------------


def test_what_stays_ready_with_what_was_learnt_may_be_told_where() -> None:
    """Ready, unless a place is said; the move is of the try that it was."""
    decision = Decision(Books(), NOW)
    decision.changed(ONE, TWO)
    decision.changed(ONE, TWO, Place(quota_of("url")))
    assert [(ONE.this_try, TWO, Place(READY)), (ONE.this_try, TWO, Place(quota_of("url")))] == [
        (move.before, move.task, move.place) for move in decision.moves
    ]
    assert [] == decision.outcomes


def test_going_again_is_a_step_of_its_own() -> None:
    """The history has it, the record has its words, and the pause is counted from now."""
    decision = Decision(Books(), NOW)
    step = Step(NOW, Result.DEFERRED, "C", "m", "R")
    decision.again(ONE, TWO, step, 7.0)
    (move,), (record,) = decision.moves, decision.outcomes
    assert (ONE.this_try, State.WAITING, Place(BACKOFF, NOW + 7), (step,)) == (
        move.before,
        move.state,
        move.place,
        move.task.history,
    )
    assert (TWO.id, Result.DEFERRED, "C", "m", "R", NOW + 7, NOW) == (
        record.task_id,
        record.result,
        record.code,
        record.message,
        record.request_id,
        record.due,
        record.time,
    )


def test_a_new_task_begins_ready() -> None:
    """Without a record: its refresh has one."""
    decision = Decision(Books(), NOW)
    decision.arrives(ONE)
    assert [(ONE.this_try, ONE, State.WAITING, Place(READY), "")] == [
        (move.before, move.task, move.state, move.place, move.reason) for move in decision.moves
    ]
    assert [] == decision.outcomes


def test_what_is_given_up_without_a_call_has_no_request() -> None:
    """Neither its record nor the step in its history names one."""
    decision = Decision(Books(), NOW)
    decision.buried([ONE], "C", "m")
    decision.gives_up(TWO, TWO, "C", "m")
    assert [(Step(NOW, Result.DEAD, "C", "m"),)] * 2 == [move.task.history for move in decision.moves]
    assert [(Result.DEAD, "C", "m", "")] * 2 == [
        (each.result, each.code, each.message, each.request_id) for each in decision.outcomes
    ]


def test_an_alarm_may_be_without_the_vendors_words() -> None:
    """What this package notices itself has no code and no request."""
    alarm = Alarm("what", "remedy")
    assert ("", "", "") == (alarm.code, alarm.message, alarm.request_id)


def test_holds_survive_a_decision_that_is_about_something_else() -> None:
    """Nothing is lifted in passing."""
    books = Books(day=day_of(NOW, CDN), holds={quota_of("url").slot: Hold(NOW + 9, NOW)})
    assert books.holds == decide(Snapshot(books, waiting=Waiting(())), FACTS, NOW).books.holds
