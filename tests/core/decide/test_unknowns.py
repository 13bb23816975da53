"""What follows from the task list's rows of a call of unknown outcome, case by case."""

from __future__ import annotations

import msgspec
import pytest

from shared.core.decide import Decision
from shared.core.decide.unknowns import NOTHING, Asked, of_asked
from shared.core.plan.books import Books
from shared.core.task.model import Form, Kind, Outcome, Result, State, Submission, Task, Try, digest
from shared.core.task.notes import Place
from shared.core.task.waits import BACKOFF
from tests.core.decide.snapshots import (
    BEGUN,
    FACTS,
    GOOD,
    HOST,
    ONE,
    OTHERS,
    THREE,
    TWO,
    A,
    asked,
    batch,
    fates,
    files,
    looked_up,
    moved,
    row,
    rows_of,
)
from tests.strategies import NOW, make_task


def sent(*tasks: Task, created: float = NOW - 50, ids: tuple[str, ...] = ("9",), request_id: str = "R") -> Submission:
    """Make an accepted call; without a request id it was looked up."""
    return batch(tasks, created).accepted(ids, request_id, created + 1)


# -- it was carried out --------------------------------------------------------------------------------


def test_a_call_that_the_task_list_has_was_accepted() -> None:
    """With the ids of its rows and no request id; it is looked at at once, since nobody knows how far it is."""
    call = asked([ONE, TWO], [row(ONE.url, "7"), row(TWO.url, "8")])
    decision = looked_up(call)
    ((submission, check),) = decision.accepts
    assert (("7", "8"), "", NOW, call.batch.id) == (
        submission.task_ids,
        submission.request_id,
        submission.accepted,
        submission.batch.id,
    )
    assert (NOW, [call.key], []) == (check, decision.served, decision.calls)
    assert {ONE.this_try: State.ACCEPTED, TWO.this_try: State.ACCEPTED} == fates(decision)
    assert [(Result.ACCEPTED, 1, "7,8", "")] * 2 == [
        (each.result, each.units, each.cdn_task_ids, each.request_id) for each in decision.outcomes
    ]
    assert {"unknown: the task list has it"} == decision.branches
    assert {} == decision.books.good


def test_of_several_tasks_of_one_row_the_older_are_covered() -> None:
    """As if the answer had come."""
    old = make_task(ONE.url, time=ONE.cause.time - 5)
    decision = looked_up(asked([old, ONE], rows_of([ONE])))
    assert {old.this_try: State.SUPERSEDED, ONE.this_try: State.ACCEPTED} == fates(decision)
    ((submission, _),) = decision.accepts
    assert ((old.this_try,), (ONE,)) == (submission.covered, submission.batch.tasks)


@pytest.mark.parametrize(("created", "is_own"), [(BEGUN - 2, True), (BEGUN - 2.1, False)])
def test_rows_from_before_the_call_are_not_of_it(created: float, *, is_own: bool) -> None:
    """As far as two clocks may differ, and no further."""
    decision = looked_up(asked([ONE], rows_of([ONE], created=created)))
    assert is_own is bool(decision.accepts)


def test_the_oldest_row_of_a_target_is_its_own() -> None:
    """Later ones may be of whoever else refreshes the same."""
    rows = [row(ONE.url, "late", NOW - 40), row(ONE.url, "own", NOW - 59), row(ONE.url, "later", NOW - 30)]
    ((submission, _),) = looked_up(asked([ONE], rows)).accepts
    assert ("own",) == submission.task_ids


def test_rows_that_another_call_of_ours_claims_are_not_taken() -> None:
    """Each row is given away once: with one row for two calls, one of them was not carried out."""
    known = sent(ONE, ids=("7",))
    one_row, two_rows = [row(ONE.url, "7")], [row(ONE.url, "7"), row(ONE.url, "7")]
    call = [make_task(ONE.url, time=NOW - 70)]
    assert [] == looked_up(asked(call, one_row), known=[known]).accepts
    assert 1 == len(looked_up(asked(call, two_rows), known=[known]).accepts)
    other_id = sent(ONE, ids=("8",))
    assert 1 == len(looked_up(asked(call, one_row), known=[other_id]).accepts)
    other_target = sent(TWO, ids=("7",))
    assert 1 == len(looked_up(asked(call, one_row), known=[other_target]).accepts)


def test_of_two_unknown_calls_the_newer_has_the_row() -> None:
    """It is decided about first; the older one's target then has no row left."""
    old, new = make_task(ONE.url, time=NOW - 90), make_task(ONE.url, time=NOW - 80)
    rows = [row(ONE.url, "7", NOW - 55)]
    older, newer = asked([old], rows, NOW - 60), asked([new], rows, NOW - 57)
    decision = looked_up(older, newer)
    assert ([newer.key], {new.this_try: State.ACCEPTED}) == (decision.served, fates(decision))


def test_the_same_call_does_not_claim_its_own_rows() -> None:
    """What is known of it already is no other call."""
    call = asked([ONE, TWO], rows_of([ONE, TWO]))
    known = msgspec.structs.replace(sent(ONE, TWO, ids=("1",)), batch=call.batch)
    assert 1 == len(looked_up(call, known=[known]).accepts)


def test_rows_are_known_however_they_are_spelled_and_typed() -> None:
    """Decoded, without scheme, the host in capitals; a directory that is called `path`; a type nobody knows."""
    task = make_task(f"{HOST}/%E4%B8%AD%20a.css")
    assert looked_up(asked([task], [row(f"{A.upper()}/\u4e2d a.css")])).accepts
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY)
    assert looked_up(asked([folder], [row(f"{HOST}/d/", object_type="path")])).accepts
    bare = make_task(f"{HOST}/a", form=Form.IGNORE_PARAMS)
    assert looked_up(asked([bare], [row(f"{HOST}/a", object_type="something")])).accepts
    prefetch = make_task(f"{HOST}/a", kind=Kind.PREFETCH)
    assert not looked_up(asked([prefetch], [row(f"{HOST}/a", object_type="something")])).accepts
    assert looked_up(asked([prefetch], [row(f"{HOST}/a", object_type="preload")])).accepts


def test_a_call_whose_drain_died_after_the_answer_was_accepted() -> None:
    """Its acceptance lies there: ids, request and time are those of the answer, and nothing is written again."""
    call = asked([ONE])
    acceptance = call.batch.accepted(("7",), "R", NOW - 59)
    decision = looked_up(msgspec.structs.replace(call, acceptance=acceptance))
    assert ([], [call.key], {ONE.this_try: State.ACCEPTED}) == (decision.accepts, decision.served, fates(decision))
    assert [("7", "R", NOW - 59, call.batch.id)] == [
        (each.cdn_task_ids, each.request_id, each.time, each.call) for each in decision.outcomes
    ]
    assert {"unknown: accepted, and its drain died"} == decision.branches


def test_a_call_that_was_replaced_is_over() -> None:
    """It was refused, and its parts were sent: of it nothing is left to find out."""
    call = asked([ONE], rows_of([ONE]), is_replaced=True)
    decision = looked_up(call)
    assert ([call.key], [], []) == (decision.served, decision.moves, decision.accepts)
    assert {"unknown: replaced by its parts"} == decision.branches


# -- partial rows, samples, nothing yet ------------------------------------------------------------------


def test_what_does_not_tell_moves_nothing() -> None:
    """Without a complete look, neither no row nor rows of some targets say anything."""
    for rows in ([], rows_of([ONE])):
        decision = looked_up(asked([ONE, TWO], rows), books=GOOD)
        assert ([], [], [], [], GOOD.good) == (
            decision.moves,
            decision.served,
            decision.accepts,
            decision.outcomes,
            decision.books.good,
        )


def test_a_part_that_is_there_is_kept_and_the_rest_goes_again() -> None:
    """Under a name of its own, since the intent's speaks for all of it."""
    call = asked([ONE, TWO, THREE], rows_of([TWO]), is_none=True)
    decision = looked_up(call)
    assert {ONE.this_try: State.WAITING, TWO.this_try: State.ACCEPTED, THREE.this_try: State.WAITING} == fates(decision)
    ((submission, _),) = decision.accepts
    assert (TWO,) == submission.batch.tasks
    assert submission.batch.id != call.batch.id
    assert [call.key] == decision.served
    assert {
        "unknown: the task list has a part of it",
        "unknown: the task list has it",
        "unknown: goes again as a whole",
    } == decision.branches


def test_one_sample_does_not_speak_for_all() -> None:
    """Where some targets were asked for one by one, all of them must have rows."""
    samples = frozenset({ONE.target, THREE.target})
    for rows, is_accepted in ((rows_of([ONE]), False), (rows_of([THREE]), False), (rows_of([ONE, THREE]), True)):
        decision = looked_up(asked(files(3), rows, samples=samples))
        assert is_accepted is bool(decision.accepts)
        assert ({ONE.this_try, TWO.this_try, THREE.this_try} if is_accepted else set()) == set(fates(decision))


def test_samples_that_are_all_there_speak_for_the_whole_call() -> None:
    """Its targets without a row of their own were accepted with them, under all ids that were seen."""
    samples = frozenset({ONE.target, THREE.target})
    ((submission, _),) = looked_up(asked(files(3), [*rows_of([ONE]), *rows_of([THREE], "2")], samples=samples)).accepts
    assert (files(3), ("1", "2")) == (submission.batch.tasks, submission.task_ids)


@pytest.mark.parametrize("path", ["x", "x" * 400])
def test_rows_that_match_nothing_are_told(path: str) -> None:
    """How many, and the first of them, cut to what a record takes: the CDN may name things as nobody here knows."""
    call = asked(
        [ONE, TWO], [row(f"{HOST}/{path}", object_type="odd"), row(f"{HOST}/y"), *rows_of([TWO])], is_none=True
    )
    *_, told = looked_up(call).outcomes
    words = f"3 rows match no target that is missing; the first is odd {HOST}/{path}"[:300]
    assert Outcome(NOW, Result.TOLD, call=call.batch.id, message=words) == told
    assert not any(each.result is Result.TOLD for each in looked_up(asked([ONE], is_none=True)).outcomes)


def test_samples_that_are_surely_not_there_speak_for_the_whole_call_too() -> None:
    """One of them missing twice, late enough: the call goes again as a whole."""
    samples = frozenset({ONE.target, THREE.target})
    decision = looked_up(asked(files(3), rows_of([ONE]), samples=samples, is_none=True))
    assert (dict.fromkeys((task.this_try for task in files(3)), State.WAITING), []) == (
        fates(decision),
        decision.accepts,
    )


# -- covered since ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("created", "covers"), [(BEGUN + 2.1, True), (BEGUN + 2.0, False), (BEGUN - 9, False)])
def test_what_a_later_call_covers_does_not_go_again(created: float, *, covers: bool) -> None:
    """Strictly later than two clocks may differ."""
    other = make_task(ONE.url, time=NOW - 20)
    decision = looked_up(asked([ONE, TWO], is_none=True), known=[sent(other, created=created)])
    assert (State.SUPERSEDED if covers else State.WAITING) is fates(decision)[ONE.this_try]
    assert State.WAITING is fates(decision)[TWO.this_try]
    if covers:
        assert [(ONE.id, Result.SUPERSEDED, "covered by a later call")] == [
            (each.task_id, each.result, each.message) for each in decision.outcomes
        ]


def test_where_all_of_it_is_covered_nothing_goes() -> None:
    """The call is over."""
    call = asked([ONE], is_none=True)
    decision = looked_up(call, known=[sent(make_task(ONE.url, time=NOW - 20))])
    assert ({"unknown: covered since"}, [call.key]) == (decision.branches, decision.served)


def test_only_a_call_that_was_answered_covers() -> None:
    """What the task list has shown may be of an earlier moment than it seems."""
    other = make_task(ONE.url, time=NOW - 20)
    decision = looked_up(asked([ONE], is_none=True), known=[sent(other, request_id="")])
    assert {ONE.this_try: State.WAITING} == fates(decision)


def test_what_asks_for_a_prefetch_is_covered_only_by_what_asks_for_one() -> None:
    """Else the prefetch that was to follow would be forgotten."""
    asks = msgspec.structs.replace(ONE, then_prefetch=True)
    other = make_task(ONE.url, time=NOW - 20)
    asking = msgspec.structs.replace(other, then_prefetch=True)
    for known, task, covers in ((other, asks, False), (asking, asks, True), (asking, ONE, True)):
        decision = looked_up(asked([task], is_none=True), known=[sent(known)])
        assert (State.SUPERSEDED if covers else State.WAITING) is fates(decision)[task.this_try]


def test_a_call_made_for_the_same_try_covers_it_whenever_it_was() -> None:
    """Its own name tells, also where it was covered itself, and where the other was looked up."""
    older = make_task(ONE.url, time=NOW - 500)
    known = sent(older, ONE, created=BEGUN - 9, request_id="")
    for task in (ONE, older):
        decision = looked_up(asked([task], is_none=True), known=[known])
        assert {task.this_try: State.SUPERSEDED} == fates(decision)


def test_a_task_that_failed_once_is_not_what_was_made_for_its_first_try() -> None:
    """The try's name counts, not the task's: what was sent before the failure does not cover what goes after it."""
    again = msgspec.structs.replace(ONE, cdn_failures=1)
    decision = looked_up(asked([again], is_none=True), known=[sent(ONE, created=BEGUN - 999)])
    assert {Try(ONE.id, 1): State.WAITING} == fates(decision)
    covered = looked_up(asked([again], is_none=True), known=[sent(again, created=BEGUN - 999)])
    assert {Try(ONE.id, 1): State.SUPERSEDED} == fates(covered)


def test_a_task_that_failed_once_and_that_another_call_covers_since_does_not_go_again() -> None:
    """A unit is not spent twice on one URL because its task has another try."""
    again = msgspec.structs.replace(ONE, cdn_failures=1)
    other = make_task(ONE.url, time=NOW - 20)
    decision = looked_up(asked([again], is_none=True), known=[sent(other)])
    assert {Try(ONE.id, 1): State.SUPERSEDED} == fates(decision)


def test_another_form_of_a_url_does_not_cover_it() -> None:
    """Targets are compared, not URLs."""
    other = make_task(ONE.url, form=Form.IGNORE_PARAMS, time=NOW - 20)
    assert {ONE.this_try: State.WAITING} == fates(looked_up(asked([ONE], is_none=True), known=[sent(other)]))


# -- forgotten -------------------------------------------------------------------------------------------


def test_what_the_task_list_has_forgotten_goes_once_more() -> None:
    """Counted, with a step that says why, and a record; at once."""
    call = asked([ONE, *OTHERS], is_forgotten=True, created=NOW - 4 * 86_400)
    decision = looked_up(call)
    assert [call.key] == decision.served
    assert [(State.WAITING, Place(BACKOFF, NOW), 1, 1)] * 3 == [
        (move.state, move.place, move.task.unknowns, move.task.calls_tried) for move in decision.moves
    ]
    (step,) = decision.moves[0].task.history
    assert (NOW, Result.UNCERTAIN, "Forgotten") == (step.at, step.result, step.code)
    assert [(Result.DEFERRED, "Forgotten", NOW)] * 3 == [
        (each.result, each.code, each.due) for each in decision.outcomes
    ]
    assert {"unknown: the task list has forgotten it", "unknown: goes once more"} == decision.branches


def test_what_was_forgotten_and_is_covered_since_does_not_go() -> None:
    """A later call of the same URL is as good as any."""
    decision = looked_up(
        asked([ONE], is_forgotten=True, created=NOW - 4 * 86_400), known=[sent(make_task(ONE.url, time=NOW - 20))]
    )
    assert {ONE.this_try: State.SUPERSEDED} == fates(decision)


def test_it_is_told_about_which_calls_nothing_is_known_yet() -> None:
    """Those that are settled are not among them."""
    decision = Decision(GOOD, NOW)
    still_open, there = asked([ONE]), asked([TWO], rows_of([TWO]))
    assert [still_open] == of_asked((still_open, there), (), FACTS, decision)


def test_a_call_does_not_cover_itself() -> None:
    """What is known under its own name is no other call."""
    call = asked([ONE], is_none=True)
    known = call.batch.accepted(("9",), "R", NOW)
    assert {ONE.this_try: State.WAITING} == fates(looked_up(call, known=[known]))


def test_names_that_lie_in_the_spool_never_change() -> None:
    """The mark of a part, the name of a part that was carried out, the code in records."""
    call = asked([ONE, TWO], rows_of([TWO]), is_none=True)
    decision = looked_up(call)
    assert {digest(call.batch.id)[:8]} == {task.part for task in moved(decision, State.WAITING)}
    assert [digest(call.batch.id, "part")] == [submission.batch.id for submission, _ in decision.accepts]
    assert ("NotCarriedOut", 0.0) == (NOTHING, Asked(call.key, call.batch).since)


# -- two spellings of one URL, which a list may show decoded ------------------------------------------------

BROWSER, STRICT = f"https://{A}/x%20@", f"https://{A}/x%20%40"
DECODED = f"https://{A}/x @"


def spelled(*rows: tuple[str, str], known: tuple[Submission, ...] = ()) -> dict[str, str]:
    """Ask about a call for both spellings; which of them was found, and under which id."""
    two = [make_task(BROWSER), make_task(STRICT)]
    listed = [row(url, task_id, NOW - 59 + number) for number, (url, task_id) in enumerate(rows)]
    decision = looked_up(asked(two, listed, is_none=True), known=known)
    sent_again = {move.task.url for move in decision.moves if move.state is State.WAITING}
    found = {task.url: ",".join(made.task_ids) for made, _ in decision.accepts for task in made.batch.tasks}
    assert sent_again.isdisjoint(found)
    assert {BROWSER, STRICT} == sent_again | set(found)
    return found


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([(DECODED, "7"), (DECODED, "7")], {BROWSER: "7", STRICT: "7"}),
        ([(DECODED, "7"), (DECODED, "7"), (DECODED, "7")], {BROWSER: "7", STRICT: "7"}),
        ([(DECODED, "7")], {}),
        ([(BROWSER, "7")], {BROWSER: "7"}),
        ([(STRICT, "7")], {STRICT: "7"}),
        ([(STRICT, "7"), (DECODED, "7")], {BROWSER: "7", STRICT: "7"}),
        ([(STRICT, "7"), (BROWSER, "7")], {BROWSER: "7", STRICT: "7"}),
    ],
)
def test_rows_speak_for_as_many_spellings_as_there_are(rows: list[tuple[str, str]], found: dict[str, str]) -> None:
    """One row of a decoded URL may be of either; to send both again loses nothing."""
    assert found == spelled(*rows)


def test_what_another_call_has_made_of_one_spelling_is_not_taken_for_the_other() -> None:
    """Whether the list spells it or not."""
    other = sent(make_task(BROWSER, time=NOW - 90), created=NOW - 55, ids=("9",), request_id="")
    assert {STRICT: "9"} == spelled((STRICT, "9"), (BROWSER, "9"), known=(other,))
    assert {} == spelled((DECODED, "9"), (DECODED, "9"), known=(other,))
    assert {BROWSER: "9", STRICT: "9"} == spelled((DECODED, "9"), (DECODED, "9"), (DECODED, "9"), known=(other,))


def two_open(*rows: tuple[str, str]) -> dict[str, str]:
    """Ask about a call for one spelling and, a second later, one for the other; which rows each was given."""
    listed = [row(url, task_id, NOW - 48 + number) for number, (url, task_id) in enumerate(rows)]
    first = asked([make_task(BROWSER)], listed, NOW - 50, is_none=True)
    second = asked([make_task(STRICT)], listed, NOW - 49, is_none=True)
    decision = looked_up(first, second)
    assert {first.key, second.key} == set(decision.served)
    return {task.url: ",".join(made.task_ids) for made, _ in decision.accepts for task in made.batch.tasks}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([(BROWSER, "7")], {BROWSER: "7"}),
        ([(STRICT, "7")], {STRICT: "7"}),
        ([(DECODED, "7")], {STRICT: "7"}),
        ([(BROWSER, "7"), (BROWSER, "8")], {BROWSER: "7", STRICT: "8"}),
        ([(BROWSER, "7"), (STRICT, "8")], {BROWSER: "7", STRICT: "8"}),
        ([], {}),
    ],
)
def test_a_row_that_is_spelled_as_another_open_call_spells_it_is_that_call_s(
    rows: list[tuple[str, str]], found: dict[str, str]
) -> None:
    """Unless there are more of them than such calls: a list that spells URLs in one way is no reason to send again."""
    assert found == two_open(*rows)


def test_the_units_of_a_call_that_came_to_nothing_are_there_again() -> None:
    """Of what is missing only, and only where our own count has them as spent."""
    books = Books(read_at=NOW, total={"url": 100}, remaining={"url": 5}, counted_at={"url": BEGUN - 9})
    call = asked([ONE, TWO, THREE], [row(ONE.url, "7")], is_none=True)
    assert 7 == looked_up(call, books=books).books.remaining["url"]
    assert 5 == looked_up(asked([ONE], [row(ONE.url, "7")]), books=books).books.remaining["url"]
    counted = msgspec.structs.replace(books, counted_at={"url": BEGUN + 9})
    assert 5 == looked_up(call, books=counted).books.remaining["url"]


@pytest.mark.parametrize("gone", ["accepted", "replaced"])
def test_a_call_that_is_open_no_more_keeps_no_row(gone: str) -> None:
    """What an accepted one has is known by its ids, and one that was replaced has none."""
    listed = [row(BROWSER, "7", NOW - 48), row(BROWSER, "8", NOW - 47)]
    other, strict = (
        asked([make_task(BROWSER)], listed, NOW - 50),
        asked([make_task(STRICT)], listed, NOW - 49, is_none=True),
    )
    made = other.batch.accepted(("7",), "R", NOW - 48)
    known = (made,) if gone == "accepted" else ()
    other = msgspec.structs.replace(other, acceptance=made if known else None, is_replaced=not known)
    decision = looked_up(other, strict, known=known)
    assert {STRICT: "8" if known else "7"} == {
        task.url: ",".join(each.task_ids) for each, _ in decision.accepts for task in each.batch.tasks
    }
