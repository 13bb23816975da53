"""Prefetches of one object that wait for refreshes of its URL: only the latest change's is kept."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.decide import Decision, Snapshot, Waiting, decide
from shared.core.plan.books import Books
from shared.core.task.model import Kind, Lane, Result, State, Task, TaskId
from shared.core.task.notes import Place
from shared.core.task.waits import REFRESH, quota_of
from tests.core.decide.snapshots import FACTS, HOST, fates
from tests.strategies import NOW, make_task

URL = f"{HOST}/0.css"
REFRESHING = make_task(URL, time=NOW, key="0.css")
BRANCH = "waiting: a later prefetch of the same object waits too"


def prefetch(age: float, key: str = "0.css", url: str = URL) -> Task:
    """Make a prefetch for a change so many seconds ago."""
    return make_task(url, kind=Kind.PREFETCH, time=NOW - age, key=key)


def waiting(
    *tasks: Task,
    elsewhere: tuple[Task, ...] = (),
    running: tuple[Task, ...] = (REFRESHING,),
    books: Books | None = None,
) -> Decision:
    """Decide about prefetches of which some may go and some wait elsewhere, while a refresh runs."""
    seen = Waiting(tasks, elsewhere, running)
    return decide(Snapshot(books or Books(), waiting=seen), FACTS, NOW)


OLD, NEW = prefetch(9), prefetch(5)


@pytest.mark.parametrize(
    ("tasks", "elsewhere", "outdated", "waits"),
    [
        ((OLD, NEW), (), [OLD], [NEW]),
        ((NEW, OLD, prefetch(7)), (), [OLD, prefetch(7)], [NEW]),
        ((NEW,), (OLD,), [OLD], [NEW]),
        ((OLD,), (NEW,), [OLD], []),
        ((OLD,), (), [], [OLD]),
        ((OLD,), (OLD,), [], [OLD]),
    ],
)
def test_the_older_ones_end_wherever_they_wait(
    tasks: tuple[Task, ...], elsewhere: tuple[Task, ...], outdated: list[Task], waits: list[Task]
) -> None:
    """One that waits elsewhere for the same ends too, and lets the one that waits here end; the latest waits on."""
    decision = waiting(*tasks, elsewhere=elsewhere)
    ends = {task.this_try: State.SUPERSEDED for task in outdated}
    assert {**ends, **{task.this_try: State.WAITING for task in waits}} == fates(decision)
    assert len(outdated) + len(waits) == len(decision.moves)
    assert bool(outdated) is (BRANCH in decision.branches)
    told = [(each.result, each.message) for each in decision.outcomes if each.result is Result.SUPERSEDED]
    assert [(Result.SUPERSEDED, "a later change of the object is prefetched")] * len(outdated) == told
    assert {Place(REFRESH)} >= {move.place for move in decision.moves if move.state is State.WAITING}
    assert [] == decision.calls


@pytest.mark.parametrize("other", [prefetch(9, key="other.css"), prefetch(9, url=f"{URL}?v=1")])
def test_what_is_about_another_object_or_target_waits_on(other: Task) -> None:
    """Two objects may be served by one URL, and one object by several."""
    running = (REFRESHING, make_task(other.url, time=NOW))
    for decision in (waiting(other, NEW, running=running), waiting(NEW, elsewhere=(other,), running=running)):
        assert State.SUPERSEDED not in fates(decision).values()
        assert BRANCH not in decision.branches


def test_what_waits_elsewhere_ends_only_with_what_waits_here() -> None:
    """Prefetches of another object, of which none waits here, may not wait for refreshes at all."""
    others = (prefetch(9, "other.css", f"{HOST}/other.css"), prefetch(7, "other.css", f"{HOST}/other.css"))
    assert {NEW.this_try: State.WAITING} == fates(waiting(NEW, elsewhere=others))


def test_what_waits_for_something_else_is_not_outdated() -> None:
    """Nothing is in its way but the day's quota, and its refresh is done."""
    spent = Books(read_at=NOW, total={"prefetch": 9}, remaining={"prefetch": 0})
    decision = waiting(OLD, NEW, running=(), books=spent)
    assert {OLD.this_try: State.WAITING, NEW.this_try: State.WAITING} == fates(decision)
    assert {Place(quota_of("prefetch"))} == {move.place for move in decision.moves}


def test_what_a_removal_has_made_void_ends_once() -> None:
    """It is over for that reason alone, and makes nothing else outdated."""
    removal = make_task(URL, lane=Lane.REMOVED, time=NOW - 7, key="0.css")
    decision = waiting(removal, NEW, elsewhere=(OLD,))
    assert [OLD.this_try] == [move.before for move in decision.moves if move.state is State.SUPERSEDED]
    assert ["the object was removed"] == [
        each.message for each in decision.outcomes if each.result is Result.SUPERSEDED
    ]
    assert BRANCH not in decision.branches


@given(st.permutations(range(4)), st.integers(0, 4))
def test_of_changes_at_one_time_one_is_kept_whatever_the_order(order: list[int], here: int) -> None:
    """Events tell whole seconds: which is later is then decided by the tasks' names, the same in each round."""
    same = [msgspec.structs.replace(OLD, id=TaskId(f"task-{number}")) for number in range(4)]
    tasks = [same[number] for number in order]
    mixed = fates(waiting(NEW, *tasks[:here], elsewhere=tuple(tasks[here:])))
    assert {task.this_try for task in same} == {each for each, fate in mixed.items() if fate is State.SUPERSEDED}
    alone = fates(waiting(*tasks))
    assert [same[-1].this_try] == [each for each, fate in alone.items() if fate is State.WAITING]
