"""What follows an answer, error by error."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.decide import Alarm, Facts, Snapshot, decide
from shared.core.decide.replies import SERVICE_PAUSE_SECONDS
from shared.core.errors import (
    AccountRefused,
    BadDomain,
    CdnError,
    OutcomeUnknown,
    Refused,
    Throttled,
    TooLarge,
    Unsent,
)
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE, Books, Good, Hold
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Call, Shrunk
from shared.core.task.model import Kind, Lane, Result, State, Task
from shared.core.task.notes import Place
from shared.core.task.waits import READY, minute_of_domain, quota_of, trouble_of
from tests.core.decide.snapshots import (
    FOUR,
    HOST,
    ONE,
    OTHERS,
    REJECTED,
    SPENT,
    THREE,
    TROUBLE,
    TWO,
    A,
    B,
    Judge,
    answered,
    fates,
    files,
    reply,
    sent_id,
)
from tests.strategies import NOW, make_task

# -- accepted ------------------------------------------------------------------------------------------


def test_an_accepted_call_moves_its_tasks_and_is_booked() -> None:
    """The intent is served, units are spent, the domain is good; each task has its record."""
    books = Books(read_at=NOW, total={"url": 9}, remaining={"url": 9}, holds={SERVICE: Hold(NOW, NOW)})
    decision = answered([ONE, TWO], books=books)
    assert {ONE.this_try: State.ACCEPTED, TWO.this_try: State.ACCEPTED} == fates(decision)
    answer = reply([ONE, TWO])
    assert [answer.key] == decision.served
    last = {"url": {A: Good(NOW, TWO.target, TWO.site)}}
    assert ({"url": 7}, last, {}) == (decision.books.remaining, decision.books.good, decision.books.holds)
    assert {"url": {A: 2}} == decision.books.in_minute
    assert [(ONE.id, Result.ACCEPTED, 1, answer.batch.id, "R", 100_000), (TWO.id, Result.ACCEPTED, 1)] == [
        (each.task_id, each.result, each.units, each.call, each.request_id, each.latency_ms)
        if each.task_id == ONE.id
        else (each.task_id, each.result, each.units)
        for each in decision.outcomes
    ]
    assert {f"id-{answer.batch.id}"} == {each.cdn_task_ids for each in decision.outcomes}
    assert {"reply: accepted"} == decision.branches
    assert ([], [], []) == (decision.calls, decision.gone, decision.alarms)


def test_of_tasks_of_one_url_the_newest_is_followed() -> None:
    """The older ones end as covered, for no further unit, at the time of the answer."""
    old, new = make_task(f"{HOST}/a", time=NOW - 9), make_task(f"{HOST}/a", time=NOW + 5)
    decision = answered([old, new])
    assert {old.this_try: State.SUPERSEDED, new.this_try: State.ACCEPTED} == fates(decision)
    told = {each.task_id: each for each in decision.outcomes}
    assert (Result.SUPERSEDED, 0, f"covered by task {new.id}", 9_000) == (
        told[old.id].result,
        told[old.id].units,
        told[old.id].message,
        told[old.id].latency_ms,
    )
    assert (Result.ACCEPTED, 1, "", 0, NOW) == (
        told[new.id].result,
        told[new.id].units,
        told[new.id].message,
        told[new.id].latency_ms,
        told[new.id].time,
    )


# -- unknown -------------------------------------------------------------------------------------------


def test_an_answer_that_does_not_tell_moves_nothing() -> None:
    """The intent stays, the units count as spent, each task has a record; nothing counts as gone well."""
    books = Books(read_at=NOW, total={"url": 9}, remaining={"url": 9})
    error = OutcomeUnknown("InternalError", "sorry", request_id="R-5")
    decision = answered([ONE, TWO], error, books)
    assert ([], [], [], {}) == (decision.moves, decision.served, decision.calls, decision.books.good)
    assert ({"url": 7}, {"url": {A: 2}}) == (decision.books.remaining, decision.books.in_minute)
    call = reply([ONE, TWO]).batch.id
    assert [(ONE.id, Result.UNCERTAIN, call, "InternalError", "sorry", "R-5", NOW)] == [
        (each.task_id, each.result, each.call, each.code, each.message, each.request_id, each.time)
        for each in decision.outcomes[:1]
    ]
    assert 2 == len(decision.outcomes)
    assert {"reply: unknown"} == decision.branches


def test_what_an_unknown_half_would_have_told_is_found_out_anew() -> None:
    """The other half and what was laid aside go by themselves."""
    decision = answered(Call((ONE,), "r", other=(TWO, THREE), aside=(FOUR,), found=1), OutcomeUnknown("ReadTimeout"))
    assert [Call((TWO, THREE), "r", found=1), Call((FOUR,), "r", found=1)] == decision.calls
    assert [] == answered(Call((ONE,), "r"), OutcomeUnknown("ReadTimeout")).calls


PREFETCH_TROUBLE = trouble_of("prefetch", A)


@pytest.mark.parametrize(
    ("slot", "tries", "pause"),
    [
        (SERVICE, 3, 55),
        (SERVICE, 9, 55),
        (TROUBLE.slot, 2, 55),
        (TROUBLE.slot, 3, 115),
        (TROUBLE.slot, 4, 235),
        (trouble_of("url", B).slot, 3, 115),
    ],
)
def test_nothing_follows_a_probe_before_its_outcome_is_known(slot: str, tries: int, pause: float) -> None:
    """What it went for is held again, longer each time, with the words of the answer; of others nothing is known."""
    holds = {slot: Hold(NOW, NOW - 99, tries), PREFETCH_TROUBLE.slot: Hold(NOW, NOW - 99, 3)}
    decision = answered([ONE, *OTHERS], OutcomeUnknown("ReadTimeout", "slow"), Books(holds=holds))
    again = Hold(NOW + pause, NOW - 99, tries + 1, "ReadTimeout", "slow")
    assert {slot: again, PREFETCH_TROUBLE.slot: Hold(NOW, NOW - 99, 3)} == decision.books.holds


def test_a_call_that_was_lost_while_its_domain_is_held_is_no_probe() -> None:
    """What was sent before is no further try, and does not put off the next one."""
    books = Books(holds=dict.fromkeys((SERVICE, TROUBLE.slot), Hold(NOW + 0.1, NOW - 99, 3)))
    assert books.holds == answered([ONE], OutcomeUnknown("ReadTimeout"), books).books.holds


# -- everything waits ------------------------------------------------------------------------------------


def test_flow_control_makes_all_calls_pause() -> None:
    """As long as the server asks, or a random while; no task moves, and nobody is told."""
    books = Books()
    asked = answered([ONE], Throttled("Throttling.User", "slow", wait_seconds=20.0), books)
    assert {FLOW: Hold(NOW + 20, NOW, 0, "Throttling.User", "slow")} == asked.books.holds
    unasked = answered([ONE], Throttled("Throttling.User", wait_seconds=1.0), books)
    assert NOW + 4 == unasked.books.holds[FLOW].due
    assert ([], [], [], 1) == (asked.moves, asked.calls, asked.alarms, len(asked.served))
    assert {"reply: throttled"} == asked.branches


def test_where_nothing_connects_the_service_is_held_and_a_person_told_once() -> None:
    """Once a minute one call is tried; the remedy names the way to the internet."""
    error = Unsent("Unconnected", "no route")
    first = answered([ONE], error)
    assert {
        SERVICE: Hold(NOW + SERVICE_PAUSE_SECONDS, NOW, 1, "Unconnected", "no route", told=True)
    } == first.books.holds
    (alarm,) = first.alarms
    assert ("the CDN's endpoint cannot be reached; tasks wait", "Unconnected", "no route") == (
        alarm.text,
        alarm.code,
        alarm.message,
    )
    assert "internetAccess" in alarm.remedy
    second = answered([ONE], error, first.books, at=NOW + 60)
    assert (2, NOW, NOW + 115, []) == (
        second.books.holds[SERVICE].tries,
        second.books.holds[SERVICE].since,
        second.books.holds[SERVICE].due,
        second.alarms,
    )
    assert ([], {"reply: unsent"}) == (first.moves, first.branches)


def test_a_refused_account_is_held_and_a_person_told_once() -> None:
    """With the vendor's words and the request's id."""
    error = AccountRefused("InsufficientBalance", "overdue", request_id="R-7")
    first = answered([ONE], error)
    assert {ACCOUNT: Hold(NOW + 55, NOW, 1, "InsufficientBalance", "overdue", told=True)} == first.books.holds
    (alarm,) = first.alarms
    assert ("InsufficientBalance", "overdue", "R-7") == (alarm.code, alarm.message, alarm.request_id)
    assert "one call a minute" in alarm.text
    assert "role" in alarm.remedy
    assert [] == answered([ONE], error, first.books).alarms
    assert ([], [], {"reply: the account is refused"}) == (first.moves, first.calls, first.branches)


def test_an_account_that_is_refused_for_several_domains_is_not_split() -> None:
    """No domain is to blame."""
    assert [] == answered([ONE, *OTHERS], AccountRefused("SignatureDoesNotMatch")).calls


# -- one domain is refused -------------------------------------------------------------------------------


def test_a_refusal_of_several_domains_is_split_by_domain() -> None:
    """It may be one of them only."""
    decision = answered([ONE, *OTHERS, TWO], Refused("Forbidden.RAM"))
    assert [Call((ONE, TWO), sent_id(decision)), Call(OTHERS, sent_id(decision))] == decision.calls
    assert ({}, [], {"reply: refused, split by domain"}) == (decision.books.holds, decision.moves, decision.branches)


def test_a_refused_domain_waits_alone_and_a_person_is_told_once() -> None:
    """Its tasks wait for its trouble, with the vendor's words; the first time an alarm names it."""
    error = Refused("ServiceBusy", "configuring", request_id="R-8")
    decision = answered([ONE, TWO], error)
    assert dict.fromkeys((ONE.this_try, TWO.this_try), State.WAITING) == fates(decision)
    assert {Place(TROUBLE)} == {move.place for move in decision.moves}
    assert {TROUBLE.slot: Hold(NOW + 55, NOW, 1, "ServiceBusy", "configuring", told=True)} == decision.books.holds
    assert [(Result.DEFERRED, TROUBLE.slot, "ServiceBusy: configuring")] * 2 == [
        (each.result, each.code, each.message) for each in decision.outcomes
    ]
    (alarm,) = decision.alarms
    assert Alarm(f"the CDN refuses calls for {A}", alarm.remedy, "ServiceBusy", "configuring", "R-8") == alarm
    beside = answered([THREE], error, decision.books, at=NOW + 54)
    assert ([], decision.books.holds) == (beside.alarms, beside.books.holds)
    assert [(THREE.this_try, Place(TROUBLE))] == [(move.before, move.place) for move in beside.moves]
    again = answered([ONE], error, decision.books, at=NOW + 55)
    assert ([], 2) == (again.alarms, again.books.holds[TROUBLE.slot].tries)
    assert {"reply: a domain is refused"} == decision.branches


@pytest.mark.parametrize(
    ("tries", "pause"), [(0, 55), (1, 55), (2, 55), (3, 115), (4, 235), (5, 475), (6, 885), (60, 885)]
)
def test_a_refused_domain_is_tried_more_and_more_seldom(tries: int, pause: float) -> None:
    """Each minute at first, at most every fifteen minutes later."""
    books = Books(holds={TROUBLE.slot: Hold(NOW - 5, NOW - 99, tries)} if tries else {})
    assert NOW + pause == answered([ONE], Refused("Forbidden"), books).books.holds[TROUBLE.slot].due


def test_a_refusal_takes_along_what_its_call_holds_back() -> None:
    """The other half, what was laid aside, and what a smaller call left behind: all of them wait."""
    call = Call((ONE,), other=(TWO,), aside=(THREE,), shrunk=Shrunk(1, minute_of_domain("url", A), (FOUR,)))
    decision = answered(call, Refused("Forbidden"))
    assert dict.fromkeys((task.this_try for task in files(4)), State.WAITING) == fates(decision)
    assert {Place(TROUBLE)} == {move.place for move in decision.moves}
    assert ["Forbidden", "", "", ""] == [each.message for each in decision.outcomes]


def test_a_unit_of_a_domain_is_refused_for_itself() -> None:
    """A form that is not taken says nothing of the other forms."""
    prefetch = make_task(f"{HOST}/p", kind=Kind.PREFETCH)
    slot = trouble_of("prefetch", A).slot
    assert [slot] == list(answered([prefetch], Refused("InvalidCustomHeader")).books.holds)


# -- records ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "told"),
    [(None, 1), (Place(READY), 1), (Place(quota_of("url")), 0), (Place(TROUBLE), 0)],
)
def test_only_the_first_wait_is_a_step(place: Place | None, told: int) -> None:
    """Being put off again, or for another reason, leaves no record."""
    places = {ONE.this_try: place} if place else {}
    decision = answered([ONE], Refused("Forbidden"), places=places)
    assert (told, 1) == (len(decision.outcomes), len(decision.moves))


@given(
    st.lists(st.sampled_from(["good", "bad", "foreign", "busy", "lost"]), min_size=1, max_size=40),
    st.integers(0, 3),
)
def test_no_task_is_lost_whatever_the_answers(kinds: list[str], seed: int) -> None:
    """Each is accepted, buried or waits, or its call is still to be asked about."""
    chance = random.Random(seed)
    tasks = [make_task(f"https://{kind}.example.com/{number}", time=NOW - number) for number, kind in enumerate(kinds)]
    errors: dict[str, CdnError] = {
        "bad": REJECTED,
        "foreign": BadDomain("InvalidDomain.NotFound"),
        "busy": Refused("ServiceBusy"),
        "lost": OutcomeUnknown("ReadTimeout"),
    }
    lost: set[str] = set()

    def verdict(sent: Sequence[Task]) -> CdnError | None:
        met = sorted({task.url.partition("://")[2].partition(".")[0] for task in sent} - {"good"})
        error = errors[chance.choice(met)] if met else None
        if isinstance(error, OutcomeUnknown):
            lost.update(task.id for task in sent)
        return error

    judge = Judge(verdict).drive(tasks)
    settled = {each.task for each in judge.fates}
    assert {task.id for task in tasks} == settled | lost
    assert {each.task for each in judge.of(State.DEAD)} <= {task.id for task in tasks if "good" not in task.url}


def test_every_error_has_its_rule() -> None:
    """An error of the tree that nobody thought of is a fault of this package, not a silent loss."""
    with pytest.raises(TypeError, match="no rule says what follows a CdnError"):
        answered([ONE], CdnError("Unheard"))


DEFINITE = [REJECTED, *SPENT, Refused("ServiceBusy"), TooLarge("OverLimit"), BadDomain("InvalidDomain.NotFound")]


@pytest.mark.parametrize("error", DEFINITE)
@pytest.mark.parametrize("slot", [SERVICE, ACCOUNT])
def test_an_answer_of_the_cdns_own_ends_its_trouble(error: CdnError, slot: str) -> None:
    """Whoever refuses one target for its content is there: the others need not go one a round."""
    books = Books(holds={slot: Hold(NOW, NOW - 99, 3, "NotCarriedOut")})
    assert slot not in answered([ONE], error, books).books.holds


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (OutcomeUnknown("ReadTimeout"), {SERVICE, ACCOUNT, FLOW, "x"}),
        (Unsent("Unconnected"), {SERVICE, ACCOUNT, FLOW, "x"}),
        (Throttled("Throttling.User"), {SERVICE, ACCOUNT, FLOW, "x"}),
        (AccountRefused("InsufficientBalance"), {SERVICE, ACCOUNT, FLOW, "x"}),
        (REJECTED, {FLOW, "x"}),
    ],
)
def test_an_answer_that_says_nothing_of_the_calls_ends_no_trouble(error: CdnError, left: set[str]) -> None:
    """Nobody was there, or it would not hear of calls; flow control ends by its own time."""
    books = Books(holds=dict.fromkeys((SERVICE, ACCOUNT, FLOW, "x"), Hold(NOW, NOW - 99, 3)))
    assert left == set(answered([ONE], error, books).books.holds)


def test_limits_are_the_teams() -> None:
    """A full minute is as full as the setting says."""
    facts = Facts(CDN, Limits(urls_per_minute_per_domain=7), frozenset({A}))
    decision = decide(Snapshot(Books(), replies=(reply([ONE], SPENT[0]),)), facts, NOW)
    assert {"url": {A: 7}} == decision.books.in_minute


def test_lanes_do_not_matter_to_an_answer() -> None:
    """A removal that is bad is bad."""
    removal = make_task(f"{HOST}/gone", lane=Lane.REMOVED)
    assert {removal.this_try: State.DEAD} == fates(answered([removal], REJECTED))
