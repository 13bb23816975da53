"""What is tried before a refusal of everything, or of a domain, is believed: smaller calls may be accepted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.core.decide import Decision, Snapshot, decide
from shared.core.decide.replies import AFTER_SECONDS, REFUSED_IN_A_ROW_MAX, THROTTLED_IN_A_ROW_MAX
from shared.core.errors import AccountRefused, CdnError, Refused, Throttled
from shared.core.plan.books import ACCOUNT, FLOW, Books
from shared.core.plan.planning import Call, Shrunk
from shared.core.plan.retry import MEANWHILE_SECONDS
from shared.core.task.model import CONTROL, State, Task, TaskId
from shared.core.task.notes import Place
from shared.core.task.waits import BACKOFF, minute_of_domain
from tests.core.decide.snapshots import (
    FACTS,
    FOUR,
    ONE,
    OTHERS,
    THREE,
    TROUBLE,
    TWO,
    A,
    fates,
    files,
    good,
    moved,
    reply,
    sent_id,
)
from tests.strategies import NOW

SLOW, OVERDUE, BUSY = Throttled("Throttling.User"), AccountRefused("InsufficientBalance"), Refused("ServiceBusy")
BARELY = NOW - MEANWHILE_SECONDS
"""When a success is just recent enough to be a witness."""
SINCE = NOW + AFTER_SECONDS
WITNESSED = good(BARELY)

EVERYTHING_IN_PARTS = "reply: refused as everything's, tried in parts"
ONLY_HERE = "reply: refused as everything's, while others are accepted"


def refused(call: Call | list[Task], error: CdnError, books: Books | None = None, **fields: Any) -> Decision:
    """Decide about a refusal; `fields` tell what went before it in its round."""
    return decide(Snapshot(books or Books(), replies=(reply(call, error, **fields),)), FACTS, NOW)


# -- it speaks of everything ---------------------------------------------------------------------------


def test_a_throttled_call_is_tried_in_parts() -> None:
    """By domain, or else in halves; whatever it is, nothing is held yet, and each part knows since when it is tried."""
    several = refused([ONE, *OTHERS, TWO], SLOW)
    own = sent_id(several)
    assert [Call((ONE, TWO), own, since=SINCE), Call(OTHERS, own, since=SINCE)] == several.calls
    assert ({}, [], {EVERYTHING_IN_PARTS}) == (several.books.holds, several.moves, several.branches)
    halved = refused([ONE, TWO, THREE, FOUR], SLOW)
    assert [(ONE, TWO), (THREE, FOUR)] == [call.tasks for call in halved.calls]


@pytest.mark.parametrize(
    ("error", "books", "refusals", "is_tried"),
    [
        (SLOW, Books(), THROTTLED_IN_A_ROW_MAX - 1, True),
        (SLOW, Books(), THROTTLED_IN_A_ROW_MAX, False),
        (SLOW, WITNESSED, THROTTLED_IN_A_ROW_MAX, False),
        (OVERDUE, Books(), 0, False),
        (OVERDUE, WITNESSED, 0, True),
        (OVERDUE, good(0.0, BARELY), 0, True),
        (OVERDUE, good(BARELY - 0.1), 0, False),
        (OVERDUE, WITNESSED, REFUSED_IN_A_ROW_MAX - 1, True),
        (OVERDUE, WITNESSED, REFUSED_IN_A_ROW_MAX, False),
    ],
)
def test_parts_are_tried_as_long_as_there_is_doubt(
    error: CdnError,
    books: Books,
    refusals: int,
    is_tried: bool,  # noqa: FBT001 - a table
) -> None:
    """That an account is refused is doubted where a call has just been accepted, and not for ever."""
    decision = refused([ONE, TWO], error, books, refusals=refusals)
    assert is_tried is (EVERYTHING_IN_PARTS in decision.branches)
    assert ([(ONE,), (TWO,)] if is_tried else []) == [call.tasks for call in decision.calls]
    assert (set() if is_tried else {FLOW if error is SLOW else ACCOUNT}) == set(decision.books.holds)
    assert [] == decision.moves


@pytest.mark.parametrize(
    ("tasks", "is_last", "is_tried"),
    [([ONE], True, False), ([ONE], False, True), ([ONE, TWO], True, True), ([ONE, OTHERS[0]], True, True)],
)
def test_a_single_target_is_tried_again_only_after_others(tasks: list[Task], is_last: bool, is_tried: bool) -> None:  # noqa: FBT001 - a table
    """Where nothing else goes in between, the same call would tell nothing new."""
    assert is_tried is bool(refused(tasks, SLOW, is_last=is_last).calls)


def test_what_a_refused_call_holds_back_is_tried_too() -> None:
    """The other half, what was laid aside and what a smaller call left behind, since the first refusal of them."""
    shrunk = Shrunk(1, minute_of_domain("url", A), (FOUR,))
    first = NOW - 5
    decision = refused(Call((ONE,), other=(TWO,), aside=(THREE,), shrunk=shrunk, since=first), SLOW, is_last=False)
    own = sent_id(decision)
    assert [Call((task,), own, since=first) for task in (ONE, TWO, THREE, FOUR)] == decision.calls


@pytest.mark.parametrize("error", [SLOW, OVERDUE])
def test_what_is_refused_while_others_are_accepted_is_not_believed(error: CdnError) -> None:
    """Another call was accepted since the first refusal: it is this domain, or this target, that is refused."""
    call = Call((ONE,), since=NOW - 5)
    alone = refused(call, error, good(NOW - 5))
    assert {ONLY_HERE, "reply: refused alone while its domain is accepted", "blamed, goes again later"} == (
        alone.branches
    )
    assert {} == alone.books.holds
    domain = refused(call, error, good(0.0, NOW - 5))
    assert {ONLY_HERE, "reply: a domain is refused"} == domain.branches
    assert {TROUBLE.slot} == set(domain.books.holds)
    assert ONLY_HERE not in refused(call, error, good(NOW - 5.1)).branches
    assert ONLY_HERE not in refused([ONE], error, good(NOW)).branches


def test_nobody_is_told_of_a_throttled_domain() -> None:
    """It ends by itself; that a domain is refused is for a person, once."""
    call, books = Call((ONE,), since=NOW - 5), good(0.0, NOW - 5)
    slow, overdue = refused(call, SLOW, books), refused(call, OVERDUE, books)
    assert (False, []) == (slow.books.holds[TROUBLE.slot].told, slow.alarms)
    assert (True, [f"the CDN refuses calls for {A}"]) == (
        overdue.books.holds[TROUBLE.slot].told,
        [alarm.text for alarm in overdue.alarms],
    )


@pytest.mark.parametrize(
    ("tasks", "error", "books", "blamed"),
    [
        ([ONE], OVERDUE, WITNESSED, [ONE]),
        ([ONE], OVERDUE, good(0.0, BARELY), []),
        ([ONE], OVERDUE, good(BARELY, unit="prefetch"), []),
        ([ONE], OVERDUE, good(BARELY - 0.1), []),
        ([ONE], SLOW, WITNESSED, []),
        ([ONE, TWO], OVERDUE, WITNESSED, []),
    ],
)
def test_one_target_for_which_the_account_is_refused_is_blamed(
    tasks: list[Task], error: CdnError, books: Books, blamed: list[Task]
) -> None:
    """Its domain has just been accepted; it waits by itself, and everything is held until the next call has told."""
    decision = refused(tasks, error, books, refusals=0 if len(tasks) == 1 else REFUSED_IN_A_ROW_MAX)
    assert [task.this_try for task in blamed] == list(fates(decision))
    assert [1] * len(blamed) == [task.blamed for task in moved(decision, State.WAITING)]
    assert {FLOW if error is SLOW else ACCOUNT} == set(decision.books.holds)


# -- it speaks of a domain -----------------------------------------------------------------------------

HALVED = "reply: refused while its domain is accepted, halved"
BLAMED = "reply: refused alone while its domain is accepted"
LATER = "reply: refused alone, tried again after the others"
BELIEVED = "reply: a domain is refused"


@pytest.mark.parametrize(
    ("call", "books", "round_", "branch"),
    [
        (Call((ONE, TWO)), WITNESSED, {}, HALVED),
        (Call((ONE, TWO)), good(BARELY - 0.1), {}, BELIEVED),
        (Call((ONE, TWO)), good(0.0, NOW), {}, BELIEVED),
        (Call((ONE, TWO)), good(NOW, unit="prefetch"), {}, BELIEVED),
        (Call((ONE, TWO)), WITNESSED, {"refusals": REFUSED_IN_A_ROW_MAX - 1}, HALVED),
        (Call((ONE, TWO)), WITNESSED, {"refusals": REFUSED_IN_A_ROW_MAX}, BELIEVED),
        (Call((ONE, TWO), halved=True), Books(), {}, HALVED),
        (Call((ONE, TWO), halved=True), Books(), {"refusals": REFUSED_IN_A_ROW_MAX}, BELIEVED),
        (Call((ONE, TWO), since=NOW - 9), Books(), {"is_last": False}, BELIEVED),
        (Call((ONE,)), WITNESSED, {}, BLAMED),
        (Call((ONE,)), WITNESSED, {"refusals": REFUSED_IN_A_ROW_MAX}, BLAMED),
        (Call((ONE,)), good(BARELY - 0.1), {"is_last": False}, BELIEVED),
        (Call((ONE,), halved=True), Books(), {}, BELIEVED),
        (Call((ONE,), since=NOW - 9), Books(), {"is_last": False}, LATER),
        (Call((ONE,), since=NOW - 9), Books(), {"is_last": True}, BELIEVED),
        (Call((ONE,), since=NOW - 9), Books(), {"is_last": False, "refusals": REFUSED_IN_A_ROW_MAX}, BELIEVED),
        (Call((ONE,), since=NOW - 9), good(NOW - 10), {"is_last": False}, LATER),
        (Call((ONE,), since=NOW - 9), good(NOW - 9), {"is_last": False}, BLAMED),
    ],
)
def test_a_refusal_of_a_domain_is_believed_where_nothing_speaks_against_it(
    call: Call, books: Books, round_: dict[str, Any], branch: str
) -> None:
    """What was accepted of the same unit and domain since the first refusal, or shortly before, speaks against it."""
    assert branch in refused(call, BUSY, books, **round_).branches


def test_a_domain_that_is_accepted_otherwise_is_searched_in_halves() -> None:
    """Each half remembers that the domain was accepted, and since when; what was laid aside goes by itself."""
    call = Call((ONE, TWO, THREE), "before", other=(FOUR,), aside=files(9)[8:], found=1)
    decision = refused(call, BUSY, WITNESSED)
    own = sent_id(decision)
    assert [
        Call((ONE,), own, since=SINCE, halved=True),
        Call((TWO, THREE), own, since=SINCE, halved=True),
        Call((FOUR,), own, found=1),
        Call(files(9)[8:], own, found=1),
    ] == decision.calls
    assert ([], {}) == (decision.moves, decision.books.holds)
    again = refused(Call((ONE, TWO), since=NOW - 5), BUSY, good(NOW))
    assert {NOW - 5} == {half.since for half in again.calls}


def test_a_single_target_that_is_refused_is_blamed_and_the_others_go() -> None:
    """It waits by itself, with the vendor's words; the domain is not held."""
    decision = refused(Call((ONE,), other=(TWO,), aside=(THREE,)), Refused("ServiceBusy", "busy"), WITNESSED)
    own = sent_id(decision)
    assert [Call((TWO,), own), Call((THREE,), own)] == decision.calls
    (move,) = decision.moves
    assert (ONE.this_try, BACKOFF) == (move.before, (move.place or Place(TROUBLE)).wait)
    assert (1, 1, 1) == (move.task.blamed, move.task.unknowns, move.task.calls_tried)
    assert ["ServiceBusy"] == [each.code for each in decision.outcomes]


@pytest.mark.parametrize(
    ("blamed", "message", "told"),
    [
        (0, "busy", "busy"),
        (0, "", "others of its domain were accepted meanwhile"),
        (7, "busy", "8 calls for it alone came to nothing while others of its domain were accepted: busy"),
        (7, "", "8 calls for it alone came to nothing while others of its domain were accepted"),
    ],
)
def test_what_is_blamed_says_why(blamed: int, message: str, told: str) -> None:
    """With the vendor's words, where there are any; and what they come to, once it is given up."""
    task = msgspec.structs.replace(ONE, blamed=blamed)
    decision = refused([task], Refused("ServiceBusy", message), WITNESSED)
    (move,) = decision.moves
    assert ("ServiceBusy", told) == (move.task.history[-1].code, move.task.history[-1].message)
    assert ["DEAD" if blamed else "WAITING"] == [move.state.name]
    assert [("ServiceBusy", told)] == [(each.code, each.message) for each in decision.outcomes]


def test_a_control_that_is_refused_alone_has_told_what_it_went_for() -> None:
    """Nobody needs it to go again; a change that shares its call is blamed."""
    cause = msgspec.structs.replace(ONE.cause, event_id=CONTROL)
    control = msgspec.structs.replace(ONE, id=TaskId("control"), cause=cause)
    decision = refused([control, ONE], BUSY, WITNESSED)
    assert {control.this_try: State.SUPERSEDED, ONE.this_try: State.WAITING} == fates(decision)
    assert 2 == len(decision.moves)
    assert "it went only to tell whether the CDN works" in [each.message for each in decision.outcomes]


def test_a_single_target_is_tried_once_more_as_it_is() -> None:
    """After all the others of the round, which tell whether its domain is accepted at all."""
    call = Call((ONE,), "before", since=NOW - 9)
    decision = refused(call, BUSY, is_last=False)
    assert ([call], [], {}) == (decision.calls, decision.moves, decision.books.holds)


def test_parts_of_several_domains_keep_since_when_they_are_refused() -> None:
    """Each domain is judged by what was accepted since then; what was laid aside goes by itself."""
    decision = refused(Call((ONE, *OTHERS), other=(TWO,), aside=(THREE,), since=NOW - 9), BUSY)
    own = sent_id(decision)
    assert [
        Call((ONE,), own, since=NOW - 9),
        Call(OTHERS, own, since=NOW - 9),
        Call((TWO,), own),
        Call((THREE,), own),
    ] == decision.calls


def test_how_long_a_refusal_is_doubted_is_kept_in_numbers() -> None:
    """So many in a row, and each part counts only what was accepted after the answer."""
    assert (2, 8, 0.001) == (THROTTLED_IN_A_ROW_MAX, REFUSED_IN_A_ROW_MAX, AFTER_SECONDS)
