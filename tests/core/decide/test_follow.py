"""What follows an accepted call and its rows: done, again, given up, still running."""

from __future__ import annotations

import msgspec
import pytest

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.decide import Decision, Facts, Followed, Snapshot, decide
from shared.core.plan.books import Books, Hold
from shared.core.plan.retry import FAILED_TRIES_MAX
from shared.core.task.model import CONTROL, Cause, Kind, Lane, Result, State, Step, Submission, Task
from shared.core.task.notes import Place
from shared.core.task.rows import CdnTask, RowState
from shared.core.task.settlement import prefetch_after
from shared.core.task.stored import CallKey
from shared.core.task.waits import BACKOFF, READY
from tests.core.decide.snapshots import FACTS, HOST, ONE, THREE, TWO, A, B, batch, fates, files, moved
from tests.strategies import NOW, make_task

KEY = CallKey("key", NOW, NOW - 60, 3, "call")
PREFETCHES = tuple(make_task(f"{HOST}/{n}", kind=Kind.PREFETCH, time=NOW - 9 + n) for n in range(4))


def submission(*tasks: Task, accepted: float = NOW - 60) -> Submission:
    """Make a call that the CDN took."""
    return batch(tasks, accepted, "call", "refused").accepted(("1",), "R", accepted)


def row(task: Task, state: RowState = RowState.COMPLETE, description: str = "") -> CdnTask:
    """Make a row of a task, in a state."""
    object_type = "preload" if task.target.kind is Kind.PREFETCH else "file"
    return CdnTask("1", task.url, object_type, state, state.value.capitalize(), 0.0, NOW - 59, description)


def failed(task: Task, description: str = "InternalError") -> CdnTask:
    """Make a row of a task that failed."""
    return row(task, RowState.FAILED, description)


def followed(*tasks: Task, rows: list[CdnTask] | None = None, books: Books | None = None) -> Decision:
    """Decide about an accepted call."""
    each = Followed(KEY, submission(*tasks), tuple(rows or ()))
    return decide(Snapshot(books or Books(), followed=(each,)), FACTS, NOW)


def test_what_is_complete_is_done() -> None:
    """The call is forgotten, and each task has its record with its age."""
    decision = followed(ONE, TWO, rows=[row(ONE), row(TWO)])
    assert {ONE.this_try: State.DONE, TWO.this_try: State.DONE} == fates(decision)
    assert ([KEY], [], []) == (decision.gone, decision.accepts, decision.served)
    assert [(ONE.id, Result.DONE, "call", 100_000), (TWO.id, Result.DONE, "call", 99_999)] == [
        (each.task_id, each.result, each.call, each.latency_ms) for each in decision.outcomes
    ]
    assert {"followed: done"} == decision.branches


def test_an_age_is_never_negative() -> None:
    """A change may be dated ahead of the clock."""
    task = make_task(f"{HOST}/a", time=NOW + 9)
    assert [0] == [each.latency_ms for each in followed(task, rows=[row(task)]).outcomes]


def test_what_still_runs_is_kept_under_the_time_of_its_next_look() -> None:
    """Only what is left of it, and all else as it was."""
    decision = followed(ONE, TWO, THREE, rows=[row(ONE), row(TWO, RowState.RUNNING)])
    ((left, check),) = decision.accepts
    assert (NOW + 60, (TWO, THREE), "call", "refused", ("1",), "R") == (
        check,
        left.batch.tasks,
        left.batch.id,
        left.batch.replaces,
        left.task_ids,
        left.request_id,
    )
    assert ([KEY], {ONE.this_try: State.DONE}) == (decision.gone, fates(decision))
    assert {"followed: running", "followed: done"} == decision.branches


def test_a_prefetch_follows_a_refresh_that_asked_for_one() -> None:
    """Once a URL, ready at once, as a task of its own."""
    asks = msgspec.structs.replace(ONE, then_prefetch=True)
    decision = followed(asks, TWO, rows=[row(asks), row(TWO)])
    follows = prefetch_after(asks, "call")
    assert [(follows.this_try, follows, Place(READY))] == [
        (move.before, move.task, move.place) for move in decision.moves if move.state is State.WAITING
    ]
    assert {"followed: done", "followed: a prefetch follows"} == decision.branches
    assert 2 == len(decision.outcomes)


def test_no_prefetch_follows_what_is_not_done() -> None:
    """Neither a refresh that runs nor one that failed."""
    asks = msgspec.structs.replace(ONE, then_prefetch=True)
    for rows in ([row(asks, RowState.RUNNING)], [failed(asks)]):
        assert "followed: a prefetch follows" not in followed(asks, rows=rows).branches


@pytest.mark.parametrize(("failures", "pause"), [(0, 60), (1, 240), (2, 960), (3, 3_600)])
def test_what_failed_at_the_cdn_goes_again_after_a_pause(failures: int, pause: float) -> None:
    """As its next try, with nothing of earlier calls held against it, and a step with the CDN's words."""
    task = msgspec.structs.replace(
        ONE, cdn_failures=failures, unknowns=3, blamed=2, part="p", calls_tried=4, then_prefetch=True
    )
    decision = followed(task, rows=[failed(task)])
    (move,) = decision.moves
    due = NOW + pause * 0.75
    step = Step(NOW, Result.DEFERRED, "Failed", "InternalError")
    assert (task.this_try, State.WAITING, Place(BACKOFF, due)) == (move.before, move.state, move.place)
    assert (
        msgspec.structs.replace(task, cdn_failures=failures + 1, unknowns=0, blamed=0, part="", history=(step,))
        == move.task
    )
    assert [(Result.DEFERRED, "Failed", "InternalError", due, 5 + failures)] == [
        (each.result, each.code, each.message, each.due, each.attempt) for each in decision.outcomes
    ]
    assert {"followed: failed, goes again"} == decision.branches


def test_chance_spreads_the_pauses() -> None:
    """Between half and the whole of it."""
    each = Followed(KEY, submission(ONE), (failed(ONE),))
    for chance, pause in ((0.0, 30), (1.0, 60)):
        facts = Facts(CDN, FACTS.limits, FACTS.domains, chance)
        (move,) = decide(Snapshot(Books(), followed=(each,)), facts, NOW).moves
        assert Place(BACKOFF, NOW + pause) == move.place


@pytest.mark.parametrize(
    ("failures", "words", "is_over"),
    [
        (FAILED_TRIES_MAX - 2, "InternalError", False),
        (FAILED_TRIES_MAX - 1, "InternalError", True),
        (0, "OriginReturnStatusCode404", True),
        (0, "OriginReturnStatusCode403", False),
    ],
)
def test_what_fails_too_often_or_without_hope_is_given_up(failures: int, words: str, *, is_over: bool) -> None:
    """With its history and the CDN's words."""
    task = msgspec.structs.replace(ONE, cdn_failures=failures)
    decision = followed(task, rows=[failed(task, words)])
    (move,) = decision.moves
    assert (State.DEAD if is_over else State.WAITING) is move.state
    assert failures + 1 == move.task.cdn_failures
    assert words == move.task.history[-1].message
    if is_over:
        assert (f"Failed: {words}", {"followed: failed, given up"}) == (move.reason, decision.branches)
        assert [(Result.DEAD, "Failed", words)] == [
            (each.result, each.code, each.message) for each in decision.outcomes
        ]


def test_what_is_given_up_is_the_try_that_it_was() -> None:
    """A move names the try that ends."""
    decision = followed(ONE, rows=[failed(ONE, "OriginReturnStatusCode404")])
    assert [ONE.this_try] == [move.before for move in decision.moves]


def test_no_task_of_a_call_is_lost() -> None:
    """Done, failed and running together are all of it."""
    tasks = files(9)
    states = (RowState.COMPLETE, RowState.FAILED, RowState.RUNNING)
    decision = followed(*tasks, rows=[row(task, states[number % 3]) for number, task in enumerate(tasks)])
    left = [task for each, _ in decision.accepts for task in each.batch.tasks]
    assert sorted(task.id for task in tasks) == sorted(
        [*(each.task for each in fates(decision)), *(t.id for t in left)]
    )


# -- origins -------------------------------------------------------------------------------------------


def test_an_origin_whose_prefetches_fail_one_after_another_is_held() -> None:
    """From the third on; a person is told once which domain, and what the CDN said."""
    two = followed(*PREFETCHES[:2], rows=[failed(task, "OriginReturnStatusCode403") for task in PREFETCHES[:2]])
    assert ({A: Hold(NOW, NOW, 2, "Failed", "OriginReturnStatusCode403")}, []) == (two.books.holds, two.alarms)
    third = followed(PREFETCHES[2], rows=[failed(PREFETCHES[2], "OriginTimeout")], books=two.books)
    assert {A: Hold(NOW + 55, NOW, 3, "Failed", "OriginTimeout", until_done=True)} == third.books.holds
    (alarm,) = third.alarms
    assert (f"prefetches of {A} fail one after another; further ones wait", "Failed", "OriginTimeout") == (
        alarm.text,
        alarm.code,
        alarm.message,
    )
    assert "origin" in alarm.remedy
    assert "followed: an origin fails" in third.branches
    fourth = followed(PREFETCHES[3], rows=[failed(PREFETCHES[3])], books=third.books)
    assert ([], 4, NOW + 55) == (fourth.alarms, fourth.books.holds[A].tries, fourth.books.holds[A].due)


@pytest.mark.parametrize(("tries", "pause"), [(2, 55), (5, 55), (6, 115), (7, 235), (9, 885), (99, 885)])
def test_a_failing_origin_is_tried_more_and_more_seldom(tries: int, pause: float) -> None:
    """Each minute at first, at most every fifteen minutes later."""
    books = Books(holds={A: Hold(NOW - 5, NOW - 99, tries)})
    assert NOW + pause == followed(PREFETCHES[0], rows=[failed(PREFETCHES[0])], books=books).books.holds[A].due


def test_a_prefetch_that_is_done_ends_the_trouble_of_its_origin() -> None:
    """Of its domain only; a refresh says nothing of any origin."""
    hold = Hold(NOW + 99, NOW - 99, 5, until_done=True)
    books = Books(holds={A: hold, B: hold})
    assert {B: hold} == followed(PREFETCHES[0], rows=[row(PREFETCHES[0])], books=books).books.holds
    assert books.holds == followed(ONE, rows=[row(ONE)], books=books).books.holds
    assert books.holds == followed(ONE, rows=[failed(ONE)], books=books).books.holds


def test_failures_of_two_domains_are_counted_apart() -> None:
    """One domain's origin is that domain's."""
    other = [make_task(f"https://{B}/{n}", kind=Kind.PREFETCH) for n in range(2)]
    tasks = [*PREFETCHES[:2], *other]
    decision = followed(*tasks, rows=[failed(task) for task in tasks])
    assert ({A: 2, B: 2}, []) == ({name: hold.tries for name, hold in decision.books.holds.items()}, decision.alarms)


def test_lanes_and_causes_stay_what_they_were() -> None:
    """Going again changes nothing of why and how urgently."""
    removal = make_task(f"{HOST}/gone", lane=Lane.REMOVED)
    (again,) = moved(followed(removal, rows=[failed(removal)]), State.WAITING)
    assert (removal.lane, removal.cause, removal.target) == (again.lane, again.cause, again.target)


def test_an_object_that_is_gone_says_nothing_of_its_origin() -> None:
    """However many of a domain's prefetches end for that; other failures go on being counted."""
    for words in ("OriginReturnStatusCode404", "OriginReturnStatusCode410"):
        decision = followed(*PREFETCHES, rows=[failed(task, words) for task in PREFETCHES])
        assert ({}, []) == (decision.books.holds, decision.alarms)
        assert dict.fromkeys((task.this_try for task in PREFETCHES), State.DEAD) == fates(decision)


# -- controls ------------------------------------------------------------------------------------------


def control_of(task: Task) -> Task:
    """Make a task that goes only to tell whether the CDN works, and is newer than another of its target."""
    cause = Cause(CONTROL, CONTROL, task.cause.time + 9)
    return msgspec.structs.replace(task, id=make_task(f"{HOST}/control").id, cause=cause)


@pytest.mark.parametrize("task", [ONE, PREFETCHES[0]])
def test_a_control_that_failed_ends(task: Task) -> None:
    """It was accepted, which is what it went for: no further try, nothing in `dead/`, and no word of the origin."""
    control = control_of(task)
    decision = followed(control, rows=[failed(control, "OriginTimeout")])
    assert {control.this_try: State.SUPERSEDED} == fates(decision)
    assert ({}, {"followed: a control failed"}) == (decision.books.holds, decision.branches)
    assert [Result.SUPERSEDED] == [each.result for each in decision.outcomes]


def test_what_was_accepted_with_a_control_that_failed_goes_again() -> None:
    """A change that waited for the same URL joined it and was covered by it: it is still to be carried out."""
    call = submission(ONE, control_of(ONE))
    each = Followed(KEY, call, (failed(ONE),))
    decision = decide(Snapshot(Books(), followed=(each,)), FACTS, NOW)
    assert [State.WAITING] == [move.state for move in decision.moves if move.state is not State.SUPERSEDED]
