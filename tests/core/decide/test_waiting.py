"""What follows for tasks that wait: which calls go, what waits on, what is over, foreign or told before."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.decide import Decision, Snapshot, Waiting, decide
from shared.core.decide.waiting import NO_DOMAIN, NO_SHAPE, REFRESH_LOOK_SECONDS
from shared.core.plan.books import Books, Hold, day_start, minute_of, next_reset
from shared.core.plan.planning import Call
from shared.core.task.model import Form, Kind, Lane, Result, State, Submission, Target, Task, Try
from shared.core.task.notes import Place
from shared.core.task.waits import READY, REFRESH, minute_of_domain, quota_of
from tests.core.decide.snapshots import FACTS, HOST, ONE, TROUBLE, TWO, A, B, batch, fates, files
from tests.strategies import NOW, make_task

PREFETCH = make_task(f"{HOST}/0.css", kind=Kind.PREFETCH, time=NOW)
EMPTY_DAY = Books(read_at=NOW, total={"url": 9}, remaining={"url": 0})


def waiting(
    *tasks: Task, books: Books | None = None, places: dict[Try, Place] | None = None, **seen: object
) -> Decision:
    """Decide about tasks that may go."""
    found = msgspec.structs.replace(Waiting(tasks), **seen)
    return decide(Snapshot(books or Books(), places or {}, waiting=found), FACTS, NOW)


def accepted(*tasks: Task) -> Submission:
    """Make a call that the CDN took before."""
    return batch(tasks, NOW - 60).accepted(("1",), "R", NOW - 59)


def test_what_may_go_goes() -> None:
    """The calls are planned, and no task moves before they are answered."""
    decision = waiting(ONE, TWO)
    assert ([Call((ONE, TWO))], [], [], set()) == (
        decision.calls,
        decision.moves,
        decision.outcomes,
        decision.branches,
    )


def test_nothing_waits_nothing_happens() -> None:
    """An empty spool makes an empty decision."""
    decision = waiting()
    assert ([], [], []) == (decision.calls, decision.moves, decision.outcomes)


@pytest.mark.parametrize("where", ["held", "ended"])
def test_what_is_unknown_or_over_does_not_go(where: str) -> None:
    """A task in a call of unknown outcome is not sent again; nor is one that moved before."""
    decision = waiting(ONE, TWO, **dict[str, Any]({where: frozenset({ONE.this_try})}))
    assert [(TWO,)] == [call.tasks for call in decision.calls]


@pytest.mark.parametrize("where", ["held", "ended"])
def test_what_is_unknown_or_over_joins_no_call_either(where: str) -> None:
    """Wherever its note lies."""
    elsewhere = make_task(ONE.url, time=NOW - 500)
    decision = waiting(ONE, elsewhere=(elsewhere,), **dict[str, Any]({where: frozenset({elsewhere.this_try})}))
    assert [(ONE,)] == [call.tasks for call in decision.calls]


def test_what_waits_elsewhere_for_the_same_target_joins() -> None:
    """One unit covers it too."""
    elsewhere = make_task(ONE.url, time=NOW - 500)
    decision = waiting(ONE, elsewhere=(elsewhere, TWO))
    assert [(elsewhere, ONE)] == [call.tasks for call in decision.calls]


# -- told before, or foreign ---------------------------------------------------------------------------


def test_an_event_that_was_told_before_ends() -> None:
    """As long as the call made for it is followed, also where that covers it only."""
    old = make_task(ONE.url, time=ONE.cause.time - 9)
    decision = waiting(ONE, old, TWO, made=(accepted(ONE, old),))
    assert {ONE.this_try: State.SUPERSEDED, old.this_try: State.SUPERSEDED} == fates(decision)
    assert [(Result.SUPERSEDED, "the event was delivered before", NOW)] * 2 == [
        (each.result, each.message, each.time) for each in decision.outcomes
    ]
    assert [(TWO,)] == [call.tasks for call in decision.calls]
    assert {"waiting: told before"} == decision.branches


def test_only_its_own_name_tells_that_an_event_was_told_before() -> None:
    """Another task of the same URL, or a later try of the same task, is another matter."""
    other = make_task(ONE.url, time=ONE.cause.time + 9)
    again = msgspec.structs.replace(ONE, cdn_failures=1)
    for made in (other, again):
        assert [(ONE,)] == [call.tasks for call in waiting(ONE, made=(accepted(made),)).calls]


def test_a_domain_that_the_site_file_no_longer_names_is_given_up() -> None:
    """Its tasks lie in `dead/` with what to do; others go."""
    foreign = make_task("https://gone.example.net/a")
    decision = waiting(foreign, ONE)
    (move,) = decision.moves
    assert (foreign.this_try, State.DEAD) == (move.before, move.state)
    assert move.reason.startswith(f"{NO_DOMAIN}: the site file names this domain no longer")
    assert [(ONE,)] == [call.tasks for call in decision.calls]
    assert [(Result.DEAD, NO_DOMAIN)] == [(each.result, each.code) for each in decision.outcomes]
    assert {"waiting: of a domain that is not configured any more"} == decision.branches


# -- prefetches ----------------------------------------------------------------------------------------


def test_a_prefetch_goes_where_no_refresh_reaches_it() -> None:
    """All refreshes were seen, and none is of its URL."""
    assert [(PREFETCH,)] == [call.tasks for call in waiting(PREFETCH, running=(TWO,)).calls]


def test_where_not_all_refreshes_were_seen_no_prefetch_goes() -> None:
    """It stays where it is, and nothing is written for it; refreshes go."""
    decision = waiting(PREFETCH, TWO, running=None)
    assert ([(TWO,)], []) == ([call.tasks for call in decision.calls], decision.moves)
    assert {"waiting: prefetches wait, since not all refreshes were seen"} == decision.branches


@pytest.mark.parametrize("where", ["running", "elsewhere", "held beside it"])
def test_a_prefetch_waits_while_its_refresh_is_unfinished(where: str) -> None:
    """Under way, waiting for something, or in a call of unknown outcome."""
    if where == "held beside it":
        decision = waiting(PREFETCH, ONE, held=frozenset({ONE.this_try}))
    else:
        decision = waiting(PREFETCH, **dict[str, Any]({where: (ONE,)}))
    assert [(PREFETCH.this_try, Place(REFRESH))] == [(move.before, move.place) for move in decision.moves]
    assert {"waiting: refresh"} == decision.branches
    assert {REFRESH.slot: Hold(NOW + REFRESH_LOOK_SECONDS, NOW)} == decision.books.holds
    assert [] == decision.calls


def test_a_prefetch_waits_while_the_outcome_of_its_refresh_is_unknown() -> None:
    """Wherever the refresh's note lies: it may be under way, and would take away what was fetched."""
    decision = waiting(PREFETCH, elsewhere=(ONE,), held=frozenset({ONE.this_try}))
    assert ([], [Place(REFRESH)]) == (decision.calls, [move.place for move in decision.moves])


def test_a_refresh_that_has_left_is_waited_for_only_while_it_runs() -> None:
    """One that moved in this round still lies in its note; one that the CDN has not completed may have moved there."""
    left = frozenset({ONE.this_try})
    for decision in (waiting(PREFETCH, elsewhere=(ONE,), ended=left), waiting(PREFETCH, ONE, ended=left)):
        assert [(PREFETCH,)] == [call.tasks for call in decision.calls]
    decision = waiting(PREFETCH, running=(ONE,), ended=left)
    assert ([], [Place(REFRESH)]) == (decision.calls, [move.place for move in decision.moves])


def test_the_time_of_the_next_look_is_kept_until_it_comes() -> None:
    """More prefetches that wait for refreshes do not put it off."""
    held = Books(holds={REFRESH.slot: Hold(NOW + 1, NOW - 9)})
    assert NOW + 1 == waiting(PREFETCH, books=held, running=(ONE,)).books.holds[REFRESH.slot].due
    over = Books(holds={REFRESH.slot: Hold(NOW, NOW - 9)})
    assert NOW + REFRESH_LOOK_SECONDS == waiting(PREFETCH, books=over, running=(ONE,)).books.holds[REFRESH.slot].due


def test_a_prefetch_whose_object_was_removed_is_over() -> None:
    """The removal runs, or goes now."""
    old = make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW - 9, key="a")
    removal = make_task(f"{HOST}/a", lane=Lane.REMOVED, key="a")
    for decision in (waiting(old, running=(removal,)), waiting(removal, elsewhere=(old,))):
        assert State.SUPERSEDED is fates(decision)[old.this_try]
        assert ["the object was removed"] == [each.message for each in decision.outcomes]


# -- waits ---------------------------------------------------------------------------------------------


def test_a_first_wait_is_told_and_a_changed_reason_is_not() -> None:
    """What lay ready leaves a record with its reason; what lay elsewhere moves silently; what lies there stays."""
    place = Place(quota_of("url"))
    first = waiting(ONE, books=EMPTY_DAY)
    assert [(Result.DEFERRED, "quota+url", ONE.id)] == [
        (each.result, each.code, each.task_id) for each in first.outcomes
    ]
    ready = waiting(ONE, books=EMPTY_DAY, places={ONE.this_try: Place(READY)})
    assert (1, 1) == (len(ready.moves), len(ready.outcomes))
    moved = waiting(ONE, books=EMPTY_DAY, places={ONE.this_try: Place(minute_of_domain("url", A))})
    assert (1, 0) == (len(moved.moves), len(moved.outcomes))
    stays = waiting(ONE, books=EMPTY_DAY, places={ONE.this_try: place})
    assert (0, 0, set()) == (len(stays.moves), len(stays.outcomes), stays.branches)
    assert {"waiting: quota"} == first.branches == moved.branches
    assert [place] == [move.place for move in first.moves]


def test_a_day_s_wait_is_held_until_the_reset() -> None:
    """Once: what waits later for the same quota does not begin it anew."""
    slot = quota_of("url").slot
    assert Hold(next_reset(NOW, CDN), NOW) == waiting(ONE, books=EMPTY_DAY).books.holds[slot]
    begun = msgspec.structs.replace(EMPTY_DAY, day=_today(), holds={slot: Hold(NOW + 5, NOW - 5, 2)})
    assert begun.holds == waiting(ONE, books=begun).books.holds


def _today() -> int:
    return int((day_start(0, CDN) * -1 + NOW) // 86_400)


def test_a_full_minute_holds_nothing() -> None:
    """It ends by itself."""
    limit = FACTS.limits.urls_per_minute_per_domain
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: limit}})
    decision = waiting(ONE, make_task(f"https://{B}/b"), books=books)
    assert ({}, {"waiting: minute"}, {ONE.this_try: State.WAITING}) == (
        decision.books.holds,
        decision.branches,
        fates(decision),
    )


def test_a_domain_in_trouble_waits_for_its_trouble() -> None:
    """The hold is the one that put it there."""
    books = Books(holds={TROUBLE.slot: Hold(NOW + 5, NOW - 5, 2)})
    decision = waiting(*files(2), books=books)
    assert (books.holds, {"waiting: trouble"}) == (decision.books.holds, decision.branches)
    assert {Place(TROUBLE)} == {move.place for move in decision.moves}


def test_what_operators_read_never_changes() -> None:
    """The codes of foreign domains and odd targets in records, and how often prefetches look for their refreshes."""
    assert ("NoSuchDomain", "NoSuchTarget", 50.0) == (NO_DOMAIN, NO_SHAPE, REFRESH_LOOK_SECONDS)


def test_yesterdays_books_bind_nobody() -> None:
    """What a decision goes by are the books of its own moment."""
    yesterday = msgspec.structs.replace(EMPTY_DAY, read_at=NOW - 86_400)
    assert [(ONE,)] == [call.tasks for call in waiting(ONE, books=yesterday).calls]


def test_a_target_that_the_provider_does_not_know_stops_nobody() -> None:
    """A newer version, or a person, may have noted a prefetch of a folder: it is set aside, and the others go."""
    odd = msgspec.structs.replace(ONE, target=Target(Kind.PREFETCH, Form.DIRECTORY, f"{HOST}/d/"))
    decision = waiting(odd, TWO)
    assert [(TWO,)] == [call.tasks for call in decision.calls]
    _buried_as_unknown(decision, odd)


@pytest.mark.parametrize("field", ["provider", "account"])
def test_what_is_for_another_cdn_or_account_is_not_sent_to_this_one(field: str) -> None:
    """After a rollback a note of a newer version may name one that this version has no adapter for."""
    other = msgspec.structs.replace(ONE, target=msgspec.structs.replace(ONE.target, **{field: "other"}))
    decision = waiting(other, TWO)
    assert [(TWO,)] == [call.tasks for call in decision.calls]
    _buried_as_unknown(decision, other)


def test_of_an_odd_target_the_domain_does_not_matter() -> None:
    """It is given up once, for what it is."""
    target = Target(Kind.PREFETCH, Form.DIRECTORY, "https://gone.example.net/d/")
    decision = waiting(msgspec.structs.replace(ONE, target=target))
    assert [NO_SHAPE] == [each.code for each in decision.outcomes]


def _buried_as_unknown(decision: Decision, task: Task) -> None:
    """See that a task was given up, with a reason that says why, and nothing else."""
    (move,) = decision.moves
    assert (task.this_try, State.DEAD) == (move.before, move.state)
    assert move.reason.startswith(f"{NO_SHAPE}: {CDN.name} takes no such target")
    assert [(Result.DEAD, NO_SHAPE)] == [(each.result, each.code) for each in decision.outcomes]
    assert {"waiting: of another provider, or a form that this one does not know"} == decision.branches


EVERY_QUERY = make_task(f"{HOST}/a/1.jpg", form=Form.IGNORE_PARAMS)
OR_DIRECTORY = msgspec.structs.replace(EVERY_QUERY, or_directory=f"{HOST}/a/")
SPENT_BOOKS = Books(NOW, {"ignore-params": 100}, {"ignore-params": 0})


def test_a_directory_goes_in_place_of_every_query_once_its_units_are_spent() -> None:
    """Where the site says so: the task ends, and another one for its folder begins, which a second try names alike."""
    decision = waiting(OR_DIRECTORY, books=SPENT_BOOKS)
    arrived, ended = decision.moves
    assert (Kind.REFRESH, Form.DIRECTORY, f"{HOST}/a/") == (
        arrived.task.target.kind,
        arrived.task.target.form,
        arrived.task.target.url,
    )
    assert (State.WAITING, Place(READY), EVERY_QUERY.cause, "") == (
        arrived.state,
        arrived.place,
        arrived.task.cause,
        arrived.task.or_directory,
    )
    assert (OR_DIRECTORY.this_try, State.SUPERSEDED) == (ended.before, ended.state)
    assert [f"its units are spent: {HOST}/a/ goes instead, as task {arrived.task.id}"] == [
        each.message for each in decision.outcomes
    ]
    assert arrived.before == waiting(OR_DIRECTORY, books=SPENT_BOOKS).moves[0].before
    assert {"waiting: a directory goes instead"} == decision.branches


def test_every_query_waits_where_the_site_says_nothing_else_or_units_are_left() -> None:
    """And for a minute, or a domain in trouble, it waits in any case."""
    assert {EVERY_QUERY.this_try: State.WAITING} == fates(waiting(EVERY_QUERY, books=SPENT_BOOKS))
    assert [(OR_DIRECTORY,)] == [call.tasks for call in waiting(OR_DIRECTORY).calls]
    minute = Books(minute=minute_of(NOW), in_minute={"ignore-params": {A: 1_000_000}})
    assert [Place(minute_of_domain("ignore-params", A))] == [
        move.place for move in waiting(OR_DIRECTORY, books=minute).moves
    ]
