"""The searches that an answer begins, driven to their ends: for what can never go, and for what a minute leaves."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.decide import Reply, Snapshot, decide
from shared.core.errors import (
    BadDomain,
    CdnError,
    MinuteSpent,
    Rejected,
    TooLarge,
)
from shared.core.plan.books import Books, Hold, minute_of
from shared.core.plan.planning import Call, Shrunk
from shared.core.task.model import Form, Result, State, Task
from shared.core.task.notes import Place
from shared.core.task.waits import minute_of_domain, quota_of
from tests.core.decide.snapshots import (
    FACTS,
    FOUR,
    HOST,
    ONE,
    OTHERS,
    REJECTED,
    SPENT,
    THREE,
    TWO,
    A,
    B,
    Judge,
    answered,
    fates,
    files,
    moved,
    reply,
    sent_id,
)
from tests.strategies import NOW, make_task

# -- the search for what can never go --------------------------------------------------------------------


def bad_among(bad: frozenset[str]) -> Judge:
    """Make a judge that rejects every call that holds a bad URL."""

    def verdict(tasks: Sequence[Task]) -> CdnError | None:
        return REJECTED if any(task.url in bad for task in tasks) else None

    return Judge(verdict)


def chosen(tasks: Sequence[Task], places: Sequence[int]) -> frozenset[str]:
    """The URLs of the tasks at some places."""
    return frozenset(tasks[place].url for place in places)


def check_search(tasks: Sequence[Task], bad: frozenset[str], calls_max: int) -> Judge:
    """Drive a search; exactly the bad end buried and all others accepted, within so many further calls."""
    judge = bad_among(bad).drive(tasks)
    assert {task.this_try for task in tasks if task.url in bad} == judge.of(State.DEAD)
    assert {task.this_try for task in tasks if task.url not in bad} == judge.of(State.ACCEPTED)
    sent = [call for call in judge.calls if not any(task.url in bad for task in call)]
    assert len({task.id for call in sent for task in call}) == sum(len(call) for call in sent)
    assert [] == [call for call in judge.calls if not call]
    assert len(judge.calls) - 1 <= calls_max
    return judge


@given(st.integers(1, 120).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_exactly_the_bad_ones_are_found(drawn: tuple[int, set[int]]) -> None:
    """Whatever is bad, however much of it: it is buried alone, and everything else is accepted exactly once."""
    size, places = drawn
    tasks = files(size)
    check_search(tasks, chosen(tasks, sorted(places)), 2 * size)


@pytest.mark.parametrize("place", [0, 1, 499, 500, 501, 998, 999])
def test_one_bad_url_among_a_thousand_costs_twelve_more_calls(place: int) -> None:
    """Ten halvings, one call that names it alone, and one for what was laid aside."""
    tasks = files(1_000)
    judge = check_search(tasks, chosen(tasks, [place]), 12)
    assert tasks[place : place + 1] in judge.calls


@pytest.mark.parametrize(("count", "calls_max"), [(2, 26), (3, 48), (10, 130), (50, 450), (100, 760), (400, 1_700)])
def test_many_bad_urls_cost_a_bounded_number_of_calls(count: int, calls_max: int) -> None:
    """Few are found by laying halves aside, many by sending halves as they come."""
    tasks = files(1_000)
    for seed in range(2):
        places = random.Random(seed).sample(range(1_000), count)
        check_search(tasks, chosen(tasks, places), calls_max)
    check_search(tasks, chosen(tasks, range(count)), calls_max)


def test_all_of_them_may_be_bad() -> None:
    """Then each is named alone by the CDN, and nothing is left."""
    tasks = files(64)
    judge = check_search(tasks, chosen(tasks, range(64)), 135)
    assert {"reply: rejected, halved", "reply: rejected alone, given up"} == judge.branches


def test_a_bad_one_is_buried_with_the_words_about_itself() -> None:
    """It is sent alone before it is given up, and takes its twins with it."""
    twin = make_task(ONE.url, time=NOW - 7)
    decision = answered([ONE, twin], REJECTED)
    assert [ONE, twin] == [msgspec.structs.replace(task, history=()) for task in moved(decision, State.DEAD)]
    (move, _) = decision.moves
    assert "InvalidObjectPath.Malformed: bad path" == move.reason
    assert (Result.DEAD, "InvalidObjectPath.Malformed", "bad path", "R-9", NOW) == (
        move.task.history[-1].result,
        move.task.history[-1].code,
        move.task.history[-1].message,
        move.task.history[-1].request_id,
        move.task.history[-1].at,
    )
    (first, _) = decision.outcomes
    assert (Result.DEAD, "InvalidObjectPath.Malformed", "bad path", "R-9") == (
        first.result,
        first.code,
        first.message,
        first.request_id,
    )
    assert {"reply: rejected alone, given up"} == decision.branches


def test_a_reason_without_words_is_the_code() -> None:
    """No colon stands behind nothing."""
    (move,) = answered([ONE], Rejected("Code")).moves
    assert "Code" == move.reason


def test_a_rejected_call_is_served_and_halved() -> None:
    """Nothing was carried out, so nothing of it is asked about; its first half goes, and the other is remembered."""
    decision = answered(Call((ONE, TWO, THREE), replaces="older"), REJECTED)
    sent = reply(Call((ONE, TWO, THREE), replaces="older"))
    assert [sent.key] == decision.served
    assert [Call((ONE,), sent.batch.id, other=(TWO, THREE))] == decision.calls
    assert ([], []) == (decision.moves, decision.outcomes)
    assert {"reply: rejected, halved"} == decision.branches


def test_where_one_half_is_accepted_the_other_is_searched_without_being_sent() -> None:
    """That it holds the bad one is known; of a single one its own words are still asked for."""
    call = Call((ONE,), "refused", other=(TWO, THREE), aside=(FOUR,), found=1)
    decision = answered(call)
    assert [Call((TWO,), "refused", other=(THREE,), aside=(FOUR,), found=1)] == decision.calls
    assert {
        "reply: accepted",
        "reply: accepted, so the other half is bad",
        "reply: rejected, halved",
    } == decision.branches
    alone = answered(Call((ONE,), "refused", other=(TWO,), aside=(FOUR,), found=1))
    assert [Call((TWO,), "refused", aside=(FOUR,), found=1)] == alone.calls
    assert "reply: the bad one is sent alone" in alone.branches
    assert {ONE.this_try: State.ACCEPTED} == fates(alone)


def test_where_a_half_is_rejected_the_other_is_laid_aside_while_few_were_found() -> None:
    """Probably only one is bad: then the other half goes in one call at the end."""
    for found in (0, 1):
        few = answered(Call((ONE, TWO), "r", other=(THREE,), aside=(FOUR,), found=found), REJECTED)
        assert [Call((ONE,), sent_id(few), other=(TWO,), aside=(THREE, FOUR), found=found)] == few.calls
    many = answered(Call((ONE, TWO), "r", other=(THREE,), aside=(FOUR,), found=2), REJECTED)
    assert [
        Call((THREE,), sent_id(many), found=2),
        Call((ONE,), sent_id(many), other=(TWO,), aside=(FOUR,), found=2),
    ] == many.calls


def test_once_one_is_found_what_is_left_goes() -> None:
    """In one call while few were found, else each part for itself; the count goes up."""
    for found in (0, 1):
        few = answered(Call((ONE,), "r", other=(THREE,), aside=(FOUR,), found=found), REJECTED)
        assert [Call((THREE, FOUR), sent_id(few), found=found + 1)] == few.calls
    many = answered(Call((ONE,), "r", other=(THREE,), aside=(FOUR,), found=2), REJECTED)
    assert [Call((THREE,), sent_id(many), found=3), Call((FOUR,), sent_id(many), found=3)] == many.calls
    last = answered(Call((ONE,), "r", aside=(FOUR,), found=2), REJECTED)
    assert [Call((FOUR,), sent_id(last), found=3)] == last.calls
    assert [] == answered(Call((ONE,), "r", found=2), REJECTED).calls


def test_what_was_laid_aside_goes_once_all_else_is_accepted() -> None:
    """It remembers how many were found, since it may hold more of them."""
    decision = answered(Call((ONE,), "refused", aside=(TWO, THREE), found=1))
    assert [Call((TWO, THREE), "refused", found=1)] == decision.calls
    assert {"reply: accepted", "reply: accepted, so what was laid aside goes"} == decision.branches


def test_a_rejected_call_of_several_domains_is_split_by_domain_first() -> None:
    """One domain's bad URL does not make another domain's call go in halves."""
    decision = answered([ONE, *OTHERS, TWO], REJECTED)
    assert [Call((ONE, TWO), sent_id(decision)), Call(OTHERS, sent_id(decision))] == decision.calls
    assert {"reply: rejected, split by domain"} == decision.branches


def test_what_was_laid_aside_goes_also_where_its_call_is_split() -> None:
    """Nothing that a search holds is forgotten on the way."""
    decision = answered(Call((ONE, *OTHERS), aside=(FOUR,), found=1), REJECTED)
    assert [(ONE,), OTHERS, (FOUR,)] == [call.tasks for call in decision.calls]
    assert {sent_id(decision)} == {call.replaces for call in decision.calls}


# -- too much, and foreign domains -----------------------------------------------------------------------


def test_a_call_that_is_too_large_goes_in_halves_and_nothing_is_to_blame() -> None:
    """Each target may be good: both halves go as they are."""
    decision = answered(Call((ONE, TWO, THREE), aside=(FOUR,)), TooLarge("SingleRequest.OverLimit"))
    assert [(ONE,), (TWO, THREE), (FOUR,)] == [call.tasks for call in decision.calls]
    assert [((), ())] * 3 == [(call.other, call.aside) for call in decision.calls]
    assert {sent_id(decision)} == {call.replaces for call in decision.calls}
    assert {"reply: too large, halved"} == decision.branches
    assert [] == decision.moves


def test_a_single_target_that_is_too_large_can_never_go() -> None:
    """There is nothing left to make smaller."""
    decision = answered([ONE], TooLarge("InvalidObjectPath.ExceedsMaximum"))
    assert {ONE.this_try: State.DEAD} == fates(decision)


@pytest.mark.parametrize("most", [1, 2, 7, 100])
def test_a_call_is_cut_until_it_fits(most: int) -> None:
    """Whatever the API takes at most, all of it is accepted."""
    tasks = files(250)
    judge = Judge(lambda sent: TooLarge("SingleRequest.OverLimit") if len(sent) > most else None).drive(tasks)
    assert {task.this_try for task in tasks} == judge.of(State.ACCEPTED)


def test_the_other_half_is_not_forgotten_where_a_half_is_too_large() -> None:
    """It goes in this round like what was laid aside, instead of beginning anew in the next."""
    decision = answered(Call((ONE, TWO), other=(THREE,), aside=(FOUR,)), TooLarge("SingleRequest.OverLimit"))
    assert {ONE, TWO, THREE, FOUR} == {task for call in decision.calls for task in (*call.tasks, *call.other)}


def test_a_domain_that_is_not_the_accounts_is_given_up_and_told() -> None:
    """None of its targets can go; a person is told which domain, in the CDN's words."""
    decision = answered(
        Call((ONE, TWO), aside=(FOUR,)), BadDomain("InvalidDomain.NotFound", "not yours", request_id="R-1")
    )
    assert {ONE.this_try: State.DEAD, TWO.this_try: State.DEAD} == fates(decision)
    assert [(FOUR,)] == [call.tasks for call in decision.calls]
    (alarm,) = decision.alarms
    assert (f"the CDN refuses calls for {A}", "InvalidDomain.NotFound", "not yours", "R-1") == (
        alarm.text,
        alarm.code,
        alarm.message,
        alarm.request_id,
    )
    assert alarm.remedy
    assert {"reply: a domain that is not the account's"} == decision.branches
    assert ["InvalidDomain.NotFound: not yours"] * 2 == [move.reason for move in decision.moves]


def test_one_domain_that_is_not_the_accounts_takes_no_other_with_it() -> None:
    """Split by domain, the others are accepted."""
    judge = Judge(lambda sent: BadDomain("InvalidDomain.NotFound") if any(t.domain == B for t in sent) else None)
    judge.drive([*files(3), *OTHERS])
    assert ({t.this_try for t in files(3)}, {t.this_try for t in OTHERS}) == (
        judge.of(State.ACCEPTED),
        judge.of(State.DEAD),
    )
    assert 3 == len(judge.calls)


# -- what a minute or a day leaves -----------------------------------------------------------------------


class Capacity:
    """Something that takes so many targets and no more, and calls as wholes."""

    def __init__(self, left: int, error: CdnError) -> None:
        self.left, self._error = left, error

    def __call__(self, tasks: Sequence[Task]) -> CdnError | None:
        """Take a call if all of it fits."""
        if len(tasks) > self.left:
            return self._error
        self.left -= len(tasks)
        return None


@pytest.mark.parametrize("error", SPENT, ids=["minute", "day"])
@settings(max_examples=60)
@given(st.integers(1, 1_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n + 5))))
def test_a_call_is_made_smaller_until_it_fits(error: CdnError, drawn: tuple[int, int]) -> None:
    """All but what halving rounds away is found to fit, in a call a halving; the rest waits, and nothing is lost."""
    count, left = drawn
    tasks = files(count)
    judge = _driven(tasks, Capacity(left, error), error)
    accepted = judge.of(State.ACCEPTED)
    assert min(left, count) - len(accepted) <= f"{count:b}".count("1") - 1  # where a half is odd, one is rounded away
    assert {task.this_try for task in tasks} - accepted == judge.of(State.WAITING)
    assert len(judge.calls) <= count.bit_length()


def _driven(tasks: Sequence[Task], verdict: Capacity, error: CdnError) -> Judge:
    """Drive a call that was refused before, where that matters, so that the quota is not read again."""
    judge = Judge(verdict)
    if isinstance(error, MinuteSpent) or len(tasks) <= verdict.left:
        return judge.drive(tasks)
    first = answered(tasks, error, before=True)
    if not first.calls:
        judge.fates.update(fates(first))
        judge.calls.append(tuple(tasks))
        return judge
    return judge.drive_call(first.calls[0])


@pytest.mark.parametrize("error", SPENT, ids=["minute", "day"])
@pytest.mark.parametrize("left", [1, 20, 61])
def test_little_that_is_left_is_used_too(error: CdnError, left: int) -> None:
    """Others spend from the same minute each minute: a pile of a thousand must not stop itself."""
    judge = _driven(files(1_000), Capacity(left, error), error)
    assert judge.of(State.ACCEPTED)


def test_a_minute_is_searched_in_halves() -> None:
    """Half of what was refused is tried, with what waits behind it, for the minute of its domain."""
    decision = answered(files(32), SPENT[0])
    wait = minute_of_domain("url", A)
    assert [Call(files(32)[:16], shrunk=Shrunk(16, wait, files(32)[16:]))] == decision.calls
    assert {"reply: a minute is spent", "reply: tried with fewer targets"} == decision.branches
    assert ([], {}) == (decision.moves, decision.books.in_minute)
    assert 1 == len(decision.served)


def test_where_a_smaller_call_is_accepted_half_as_much_follows() -> None:
    """What is left behind is tried in half the step, down to a single target, and no more of it than there is."""
    wait = minute_of_domain("url", A)
    decision = answered(Call(files(4), "r", shrunk=Shrunk(4, wait, files(9)[4:])))
    assert [Call(files(9)[4:6], "r", shrunk=Shrunk(2, wait, files(9)[6:]))] == decision.calls
    single = answered(Call(files(2), shrunk=Shrunk(2, wait, files(9)[2:])))
    assert [Call(files(9)[2:3], shrunk=Shrunk(1, wait, files(9)[3:]))] == single.calls
    few = answered(Call(files(4), shrunk=Shrunk(4, wait, files(6)[4:])))
    assert [Call(files(6)[4:5], shrunk=Shrunk(1, wait, files(6)[5:]))] == few.calls
    assert [] == answered(Call(files(4), shrunk=Shrunk(4, wait))).calls


def test_where_a_single_one_was_accepted_last_the_rest_waits() -> None:
    """The search ends there, and the books say that nothing is left."""
    wait = minute_of_domain("url", A)
    decision = answered(Call(files(1), "r", shrunk=Shrunk(1, wait, files(4)[1:])))
    assert ([], {"url": {A: FACTS.limits.urls_per_minute_per_domain}}) == (decision.calls, decision.books.in_minute)
    assert [State.ACCEPTED, *[State.WAITING] * 3] == [fates(decision)[task.this_try] for task in files(4)]


def test_where_the_last_of_a_smaller_call_was_accepted_nothing_is_full() -> None:
    """All of it went, so the books do not say that the minute left too little."""
    decision = answered(Call((ONE,), shrunk=Shrunk(1, minute_of_domain("url", A))))
    assert ({"url": {A: 1}}, [], {"reply: accepted"}) == (decision.books.in_minute, decision.calls, decision.branches)


def test_where_no_step_is_left_the_rest_waits_for_the_minute() -> None:
    """All that was not accepted, and the books say that the minute is full."""
    wait = minute_of_domain("url", A)
    smaller = answered(Call(files(2), shrunk=Shrunk(2, wait, files(5)[2:])), SPENT[0])
    assert ([Call(files(1), shrunk=Shrunk(1, wait, files(5)[1:]))], []) == (
        smaller.calls,
        smaller.moves,
    )
    decision = answered(Call(files(1), shrunk=Shrunk(1, wait, files(5)[1:])), SPENT[0])
    assert dict.fromkeys((task.this_try for task in files(5)), State.WAITING) == fates(decision)
    assert {Place(wait)} == {move.place for move in decision.moves}
    assert {"url": {A: FACTS.limits.urls_per_minute_per_domain}} == decision.books.in_minute
    assert minute_of(NOW) == decision.books.minute
    assert {"reply: a minute is spent", "reply: nothing is left of the minute"} == decision.branches
    assert [(Result.DEFERRED, wait.slot)] * 5 == [(each.result, each.code) for each in decision.outcomes]


def test_a_minute_in_vain_is_held_with_the_vendors_words() -> None:
    """A person who asks why a domain waits reads what the CDN has said of it."""
    decision = answered([ONE], MinuteSpent("QuotaPerMinuteExceeded.Refresh", "too fast"))
    assert {minute_of_domain("url", A).slot: Hold(NOW, NOW, 1, "QuotaPerMinuteExceeded.Refresh", "too fast")} == (
        decision.books.holds
    )


def test_where_no_step_is_left_the_rest_waits_for_the_day() -> None:
    """The books say that the quota is spent, until it is read again."""
    decision = answered([ONE], SPENT[1], Books(read_at=NOW - 5, total={"url": 9}, remaining={"url": 5}), before=True)
    assert {ONE.this_try: State.WAITING} == fates(decision)
    assert ([Place(quota_of("url"))], {"url": 0}) == (
        [move.place for move in decision.moves],
        decision.books.remaining,
    )
    assert {"reply: the day is spent", "reply: nothing is left of the day"} == decision.branches


def test_what_a_day_leaves_is_read_again_first() -> None:
    """The books were wrong: they are read and planned by, and nothing moves."""
    decision = answered(files(3), SPENT[1], Books(read_at=NOW - 5, total={"url": 9}, remaining={"url": 5}))
    assert ([], [], 0.0) == (decision.moves, decision.calls, decision.books.read_at)
    assert {"reply: the day is spent, read again"} == decision.branches
    again = answered(Call(files(4), shrunk=Shrunk(4, quota_of("url"))), SPENT[1])
    assert [2] == [len(call.tasks) for call in again.calls]


def test_what_a_search_holds_goes_where_its_call_finds_the_minute_spent() -> None:
    """The other half, and what was laid aside, each for itself: they are not forgotten for the rest of the round."""
    decision = answered(Call((ONE,), other=(TWO, THREE), aside=(FOUR,), found=1), SPENT[0])
    refused = sent_id(decision)
    assert [Call((TWO, THREE), refused, found=1), Call((FOUR,), refused, found=1)] == decision.calls
    assert {ONE.this_try: State.WAITING} == fates(decision)


def test_the_day_is_read_again_unless_that_is_known_to_have_been_done() -> None:
    """An answer is the first of its kind where nothing else is said."""
    first = msgspec.structs.replace(reply(files(3), SPENT[1]), was_refused_before=False)
    told = Reply(first.call, first.batch, first.key, NOW, error=SPENT[1])
    assert first == told
    assert {"reply: the day is spent, read again"} == decide(Snapshot(Books(), replies=(told,)), FACTS, NOW).branches


def test_a_minute_of_several_domains_is_split_by_domain() -> None:
    """Nobody says whose minute it is."""
    decision = answered([ONE, *OTHERS], SPENT[0])
    assert [Call((ONE,), sent_id(decision)), Call(OTHERS, sent_id(decision))] == decision.calls
    assert {"reply: a minute is spent, split by domain"} == decision.branches


def test_a_day_of_several_domains_is_one() -> None:
    """The quota is the account's, so splitting by domain would tell nothing."""
    decision = answered([ONE, *OTHERS], SPENT[1], before=True)
    assert [1] == [len(call.tasks) for call in decision.calls]


def test_the_unit_decides_what_is_waited_for() -> None:
    """Directories wait for the directories' minute, as full as the vendor says it is."""
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY)
    decision = answered([folder], SPENT[0])
    assert [Place(minute_of_domain("directory", A))] == [move.place for move in decision.moves]
    assert {"directory": {A: 100}} == decision.books.in_minute
