"""Calls that came to nothing: whose trouble it is, and what is held against whom."""

from __future__ import annotations

import msgspec
import pytest

from shared.core.decide.replies import SERVICE_PAUSE_SECONDS
from shared.core.decide.unknowns import NOTHING
from shared.core.plan.books import SERVICE, Books, Hold
from shared.core.plan.retry import BLAMED_TRIES_MAX
from shared.core.task.model import CONTROL, Cause, Kind, Result, State, Step
from shared.core.task.notes import Place
from shared.core.task.waits import BACKOFF, READY, trouble_of
from tests.core.decide.snapshots import (
    BEGUN,
    GOOD,
    HOST,
    ONE,
    ONLY_OTHERS_GOOD,
    OTHERS,
    SHORTLY_BEFORE,
    THREE,
    TROUBLE,
    TWO,
    A,
    B,
    asked,
    fates,
    files,
    good,
    looked_up,
    moved,
    once_unknown,
    rows_of,
)
from tests.strategies import NOW, make_task


def test_a_call_of_one_domain_goes_again_as_a_whole_the_first_time() -> None:
    """Apart from all others, counted once, at once."""
    decision = looked_up(asked([ONE, TWO], is_none=True), books=GOOD)
    assert 1 == len({task.part for task in moved(decision, State.WAITING)})
    assert [(1, 1, 0, True)] * 2 == [
        (task.unknowns, task.calls_tried, task.blamed, bool(task.part)) for task in moved(decision, State.WAITING)
    ]
    assert {Place(READY)} == {move.place for move in decision.moves}
    assert ([], {"unknown: goes again as a whole"}) == (decision.outcomes, decision.branches)
    assert {} == decision.books.holds


def test_a_call_of_several_domains_goes_again_by_domain() -> None:
    """So that one domain's trouble is that domain's."""
    decision = looked_up(asked([ONE, *OTHERS, TWO], is_none=True))
    parts = {task.url: task.part for task in moved(decision, State.WAITING)}
    assert parts[ONE.url] == parts[TWO.url] != parts[OTHERS[0].url] == parts[OTHERS[1].url]
    assert {"unknown: goes again by domain"} == decision.branches
    again = looked_up(asked(once_unknown(ONE, *OTHERS), is_none=True), books=Books())
    assert {"unknown: goes again by domain"} == again.branches


def test_each_call_that_goes_again_is_a_part_of_its_own() -> None:
    """Two calls that came to nothing are not thrown together."""
    decision = looked_up(asked([ONE], is_none=True), asked([TWO], is_none=True, created=NOW - 50))
    assert 2 == len({task.part for task in moved(decision, State.WAITING)})


@pytest.mark.parametrize(("is_there", "left"), [(False, {"prefetch": NOW}), (True, {"url": NOW, "prefetch": NOW})])
def test_what_was_booked_for_a_call_that_was_not_made_is_read_anew(is_there: bool, left: dict[str, float]) -> None:  # noqa: FBT001 - a table
    """Our own count is too low then, and another quota's is not."""
    books = Books(spent_at={"url": NOW, "prefetch": NOW})
    call = asked([ONE], rows_of([ONE])) if is_there else asked([ONE], is_none=True)
    assert left == looked_up(call, books=books).books.spent_at


def test_a_call_that_came_to_nothing_again_goes_in_parts_where_others_of_its_domain_went() -> None:
    """Eight parts, each level of the search costing a wait for rows; nothing is lost."""
    tasks = once_unknown(*files(20), part="before", calls_tried=1)
    decision = looked_up(asked(tasks, is_none=True), books=GOOD)
    again = moved(decision, State.WAITING)
    assert sorted(task.id for task in tasks) == sorted(task.id for task in again)
    assert 8 == len({task.part for task in again})
    assert {(2, 2, 0)} == {(task.unknowns, task.calls_tried, task.blamed) for task in again}
    assert {"unknown: goes again in parts"} == decision.branches


@pytest.mark.parametrize(
    ("books", "branch"),
    [
        (good(a=BEGUN), "unknown: goes again in parts"),
        (good(a=SHORTLY_BEFORE), "unknown: goes again in parts"),
        (good(a=SHORTLY_BEFORE - 0.1, b=SHORTLY_BEFORE), "unknown: the domain is in trouble"),
        (good(a=SHORTLY_BEFORE - 0.1, b=SHORTLY_BEFORE - 0.1), "unknown: the CDN is in trouble"),
        (good(b=NOW), "unknown: the domain is in trouble"),
        (good(a=NOW, unit="prefetch"), "unknown: the domain is in trouble"),
        (good(b=SHORTLY_BEFORE, unit="directory"), "unknown: the domain is in trouble"),
        (good(a=SHORTLY_BEFORE - 0.1, unit="prefetch"), "unknown: the CDN is in trouble"),
        (Books(), "unknown: the CDN is in trouble"),
    ],
)
def test_whose_trouble_it_is_follows_from_what_went_meanwhile(books: Books, branch: str) -> None:
    """Calls of its unit for its domain, shortly before it or since: the content's. Others only: the domain's.

    Where nothing at all went, it is the CDN's.
    """
    decision = looked_up(asked(once_unknown(ONE, TWO), is_none=True), books=books)
    assert {branch} == decision.branches


def test_one_task_that_is_known_to_fail_is_enough() -> None:
    """A call in which any task has failed before is not tried as a whole once more."""
    decision = looked_up(asked([*once_unknown(ONE), TWO], is_none=True), books=GOOD)
    assert {"unknown: goes again in parts"} == decision.branches


def test_a_domain_in_trouble_is_held_and_counted_against_nobody() -> None:
    """Its tasks wait for its trouble, told apart from new ones."""
    tasks = once_unknown(ONE, TWO, calls_tried=1, part="p")
    decision = looked_up(asked([*tasks, THREE], is_none=True), books=ONLY_OTHERS_GOOD)
    words = "the CDN did not carry the call out"
    assert {TROUBLE.slot: Hold(NOW + 55, NOW, 1, NOTHING, words)} == decision.books.holds
    assert [*tasks, *once_unknown(THREE)] == moved(decision, State.WAITING)
    assert {Place(TROUBLE)} == {move.place for move in decision.moves}
    assert [(Result.DEFERRED, TROUBLE.slot, f"{NOTHING}: {words}")] * 3 == [
        (each.result, each.code, each.message) for each in decision.outcomes
    ]


def test_several_calls_of_one_look_are_one_try_of_their_domain() -> None:
    """Seven calls that were lost together must not make the domain wait for fifteen minutes at once."""
    calls = [asked(once_unknown(task), is_none=True, created=BEGUN + n / 10) for n, task in enumerate(files(7))]
    decision = looked_up(*calls, books=ONLY_OTHERS_GOOD)
    held = decision.books.holds[TROUBLE.slot]
    assert (NOW + 55, 1) == (held.due, held.tries)
    assert {Place(TROUBLE)} == {move.place for move in decision.moves}
    assert 7 == len(decision.moves)


@pytest.mark.parametrize(("due", "tries"), [(NOW + 9, 3), (BEGUN + 0.1, 3), (BEGUN, 4), (BEGUN - 9, 4)])
def test_a_call_that_was_begun_before_its_domains_hold_ended_is_no_further_try(due: float, tries: int) -> None:
    """It was lost together with others, or is a probe whose loss has held its domain since; also once that is over."""
    books = msgspec.structs.replace(ONLY_OTHERS_GOOD, holds={TROUBLE.slot: Hold(due, NOW - 99, 3)})
    held = looked_up(asked(once_unknown(ONE), is_none=True), books=books).books.holds[TROUBLE.slot]
    assert (tries, due if tries == 3 else NOW + 115) == (held.tries, held.due)


@pytest.mark.parametrize(
    ("age", "pause"),
    [(0, SERVICE_PAUSE_SECONDS), (20, SERVICE_PAUSE_SECONDS - 20), (SERVICE_PAUSE_SECONDS, 0), (60, 0)],
)
def test_where_nothing_goes_the_cdn_is_held_and_nothing_is_held_against_the_tasks(age: float, pause: float) -> None:
    """They stay ready as they are; one call is tried a minute, counted from the call that came to nothing."""
    tasks = once_unknown(ONE, TWO, calls_tried=1, part="p")
    decision = looked_up(asked([*tasks, THREE], is_none=True, created=NOW - age))
    words = "the CDN did not carry the call out"
    assert {SERVICE: Hold(NOW + pause, NOW, 1, NOTHING, words)} == decision.books.holds
    assert [*tasks, *once_unknown(THREE)] == moved(decision, State.WAITING)
    assert ({Place(READY)}, []) == ({move.place for move in decision.moves}, decision.outcomes)


@pytest.mark.parametrize(("due", "tries"), [(NOW + 9, 3), (BEGUN + 0.1, 3), (BEGUN, 4), (BEGUN - 9, 4)])
def test_a_call_that_was_begun_before_the_hold_of_everything_ended_is_no_further_try(due: float, tries: int) -> None:
    """A probe that was lost has been counted when it was; one whose drain died before it knew is counted now."""
    books = Books(holds={SERVICE: Hold(due, NOW - 99, 3)})
    held = looked_up(asked(once_unknown(ONE), is_none=True), books=books).books.holds[SERVICE]
    assert (tries, due if tries == 3 else NOW) == (held.tries, held.due)


def test_a_single_target_is_blamed_where_others_of_its_domain_went() -> None:
    """It waits by itself, longer each time, with a step in its history and a record."""
    (task,) = once_unknown(ONE, calls_tried=1)
    twin = msgspec.structs.replace(make_task(ONE.url, time=NOW - 9), unknowns=1, blamed=2)
    decision = looked_up(asked([task, twin], is_none=True), books=GOOD)
    first, second = decision.moves
    assert (2, 2, 1, State.WAITING, Place(BACKOFF, NOW + 45)) == (
        first.task.unknowns,
        first.task.calls_tried,
        first.task.blamed,
        first.state,
        first.place,
    )
    assert (3, Place(BACKOFF, NOW + 105)) == (second.task.blamed, second.place)
    words = "others of its domain were accepted meanwhile"
    assert (Step(NOW, Result.UNCERTAIN, NOTHING, words),) == first.task.history
    assert [(Result.DEFERRED, NOTHING, words, NOW + 45), (Result.DEFERRED, NOTHING, words, NOW + 105)] == [
        (each.result, each.code, each.message, each.due) for each in decision.outcomes
    ]
    assert {"blamed, goes again later"} == decision.branches


@pytest.mark.parametrize(("blamed", "is_over"), [(BLAMED_TRIES_MAX - 2, False), (BLAMED_TRIES_MAX - 1, True)])
def test_what_is_blamed_for_the_last_time_is_given_up(blamed: int, *, is_over: bool) -> None:
    """With a reason that says how often, and all of its history."""
    (task,) = once_unknown(ONE, blamed=blamed)
    task = task.with_step(Step(NOW - 999, Result.UNCERTAIN, NOTHING))
    decision = looked_up(asked([task], is_none=True), books=GOOD)
    assert {task.this_try: State.DEAD if is_over else State.WAITING} == fates(decision)
    if is_over:
        (move,) = decision.moves
        why = "8 calls for it alone came to nothing while others of its domain were accepted"
        assert (f"{NOTHING}: {why}", Result.DEAD, why) == (
            move.reason,
            move.task.history[-1].result,
            move.task.history[-1].message,
        )
        assert (BLAMED_TRIES_MAX, [Result.UNCERTAIN, Result.DEAD]) == (
            move.task.blamed,
            [step.result for step in move.task.history],
        )
        assert {"blamed, given up"} == decision.branches


def test_trouble_is_of_a_unit_of_a_domain() -> None:
    """Prefetches that come to nothing do not hold back refreshes."""
    prefetch = msgspec.structs.replace(make_task(f"{HOST}/p", kind=Kind.PREFETCH), unknowns=1)
    decision = looked_up(asked([prefetch], is_none=True), books=ONLY_OTHERS_GOOD)
    assert [trouble_of("prefetch", A).slot] == list(decision.books.holds)


# -- known trouble, and controls -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "branch"),
    [
        (SERVICE, "unknown: the CDN is in trouble"),
        (TROUBLE.slot, "unknown: the CDN is in trouble"),
        (trouble_of("prefetch", A).slot, "unknown: goes again as a whole"),
        (trouble_of("url", B).slot, "unknown: goes again as a whole"),
    ],
)
def test_where_calls_are_known_to_fail_the_first_loss_counts_as_trouble(slot: str, branch: str) -> None:
    """A probe is not sent twice at once: its hold is renewed instead, and nothing is held against it."""
    books = Books(holds={slot: Hold(BEGUN, NOW - 99, 2)})
    decision = looked_up(asked([ONE], is_none=True), books=books)
    assert {branch} == decision.branches
    (move,) = decision.moves
    is_probe = branch == "unknown: the CDN is in trouble"
    assert (1, 0 if is_probe else 1, 0) == (move.task.unknowns, move.task.calls_tried, move.task.blamed)
    assert is_probe is (decision.books.holds.get(SERVICE, Hold(0, 0)).tries in {1, 3})


CONTROLLING = msgspec.structs.replace(ONE, id=make_task(f"{HOST}/control").id, cause=Cause(CONTROL, CONTROL, NOW - 600))


@pytest.mark.parametrize(
    ("books", "held"),
    [
        (GOOD, None),
        (good(a=SHORTLY_BEFORE), None),
        (good(a=SHORTLY_BEFORE - 0.1, b=SHORTLY_BEFORE), TROUBLE.slot),
        (good(a=SHORTLY_BEFORE - 0.1, b=SHORTLY_BEFORE - 0.1), SERVICE),
        (Books(), SERVICE),
    ],
)
def test_a_control_that_came_to_nothing_tells_whose_trouble_it_is(books: Books, held: str | None) -> None:
    """It ends there, since nobody needs it, and holds back what it went for: the domain, or everything."""
    decision = looked_up(asked([CONTROLLING], is_none=True), books=books)
    assert {CONTROLLING.this_try: State.SUPERSEDED} == fates(decision)
    assert {"unknown: a control came to nothing"} == decision.branches
    words = "the CDN did not carry the call out"
    due = NOW if held == SERVICE else NOW + 55
    assert ({held: Hold(due, NOW, 1, NOTHING, words)} if held else {}) == decision.books.holds


@pytest.mark.parametrize("books", [GOOD, ONLY_OTHERS_GOOD, Books()])
def test_what_shares_a_call_with_a_control_does_not_end_with_it(books: Books) -> None:
    """An object of the same URL may have changed meanwhile: that one waits on."""
    decision = looked_up(asked([CONTROLLING, ONE], is_none=True), books=books)
    assert State.WAITING is fates(decision)[ONE.this_try]


@pytest.mark.parametrize("books", [GOOD, ONLY_OTHERS_GOOD, Books()])
def test_a_control_that_was_joined_does_not_go_again(books: Books) -> None:
    """Whatever shares its call: it has told what it went for."""
    decision = looked_up(asked([ONE, CONTROLLING], is_none=True), books=books)
    assert (State.WAITING, State.SUPERSEDED) == (fates(decision)[ONE.this_try], fates(decision)[CONTROLLING.this_try])
