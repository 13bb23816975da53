"""Rows of an accepted call in, its tasks by their fate out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.task.model import Batch, Form, Kind, Lane, Submission, Target, Task
from shared.core.task.rows import CdnTask, RowState
from shared.core.task.settlement import Settlement, next_check, prefetch_after, settlement
from tests.strategies import NOW, make_task

A = "https://a.example.com/"
TWO_DAYS = 2 * 86_400.0
TASKS = tuple(make_task(A + name) for name in "abc")


def submission(*tasks: Task, ids: tuple[str, ...] = ("1",)) -> Submission:
    """Make a call that the CDN took."""
    return Submission(Batch("call", tasks or TASKS, NOW), ids, "R", NOW)


def row(name: str, state: RowState = RowState.COMPLETE, task_id: str = "1", **fields: str) -> CdnTask:
    """Make a row of a file's refresh."""
    return CdnTask(task_id, A + name, "file", state, fields.get("status", ""), 0.0, NOW, fields.get("description", ""))


def test_tasks_are_sorted_by_what_the_cdn_says() -> None:
    """Complete is done, failed carries the CDN's words, and what has no row yet is running."""
    rows = [row("a"), row("b", RowState.FAILED, status="Failed", description="InternalError")]
    one, two, three = TASKS
    assert Settlement((one,), ((two, "Failed", "InternalError"),), (three,)) == settlement(
        submission(), rows, NOW + 1, CDN
    )


def test_rows_of_other_ids_do_not_count() -> None:
    """A row counts by what it is of and by its call's ids; all ids of a call count."""
    rows = [row("a", task_id="9"), row("b", task_id="2")]
    assert TASKS[1:2] == settlement(submission(ids=("1", "2")), rows, NOW, CDN).done
    assert () == settlement(submission(), rows, NOW, CDN).done


@pytest.mark.parametrize(
    ("states", "fate"),
    [
        ((RowState.COMPLETE, RowState.COMPLETE), "done"),
        ((RowState.COMPLETE, RowState.RUNNING), "running"),
        ((RowState.FAILED, RowState.RUNNING), "running"),
        ((RowState.COMPLETE, RowState.FAILED), "failed"),
    ],
)
def test_a_target_is_done_when_all_of_its_rows_are(states: tuple[RowState, ...], fate: str) -> None:
    """While one row runs the task runs; after that one failure is a failure."""
    found = settlement(submission(TASKS[0]), [row("a", state, status="S") for state in states], NOW, CDN)
    assert {"done": 1, "failed": 0, "running": 0} | {"done": 0, fate: 1} == {
        "done": len(found.done),
        "failed": len(found.failed),
        "running": len(found.running),
    }


def test_the_words_are_those_of_the_first_row_that_failed() -> None:
    """A row that is complete has nothing to say."""
    rows = [row("a", status="Complete"), *(row("a", RowState.FAILED, status=s, description=s) for s in ("X", "Y"))]
    assert ((TASKS[0], "X", "X"),) == settlement(submission(TASKS[0]), rows, NOW, CDN).failed


@pytest.mark.parametrize(("age", "is_late"), [(TWO_DAYS, False), (TWO_DAYS + 1, True)])
def test_what_runs_until_the_cdn_is_about_to_forget_it_has_failed(age: float, *, is_late: bool) -> None:
    """Two of the three days that the task list tells of; what is complete by then is done all the same."""
    rows = [row("a"), row("b", RowState.RUNNING)]
    found = settlement(submission(), rows, NOW + age, CDN)
    words = "not complete after 172800 seconds"
    assert TASKS[:1] == found.done
    assert (tuple((task, "Unfinished", words) for task in TASKS[1:]) if is_late else ()) == found.failed
    assert (() if is_late else TASKS[1:]) == found.running


@pytest.mark.parametrize(
    ("age", "pause"),
    [(0, 60), (900, 60), (901, 300), (21_600, 300), (21_601, 1_800), (1e9, 1_800), (-5, 60)],
)
def test_the_longer_a_call_runs_the_less_often_it_is_looked_at(age: float, pause: float) -> None:
    """Each minute while most of them end, then every five minutes, then every half hour."""
    assert NOW + age + pause == next_check(submission(), NOW + age)


@given(st.lists(st.sampled_from(["a", "b", "c", "x"]), max_size=8), st.integers(0, 3 * 86_400))
def test_every_task_has_one_fate(names: list[str], age: int) -> None:
    """Whatever rows come, none of a call's tasks is lost or counted twice."""
    found = settlement(submission(), [row(name, list(RowState)[len(name) % 3]) for name in names], NOW + age, CDN)
    out = [*found.done, *(task for task, _, _ in found.failed), *found.running]
    assert sorted(task.id for task in TASKS) == sorted(task.id for task in out)


def test_the_prefetch_that_follows_a_refresh() -> None:
    """Same URL, provider and account, same cause; a task of its own, in the lane of prefetches."""
    refresh = make_task(A + "a", lane=Lane.REMOVED)
    target = msgspec.structs.replace(
        refresh.target, form=Form.IGNORE_PARAMS, provider="p", account="second", force=True
    )
    refresh = msgspec.structs.replace(refresh, target=target, then_prefetch=True, cdn_failures=2, part="p", unknowns=1)
    follows = prefetch_after(refresh, "call")
    assert Target(Kind.PREFETCH, Form.FILE, A + "a", provider="p", account="second") == follows.target
    assert (refresh.cause, "site", Lane.PREFETCH) == (follows.cause, follows.site, follows.lane)
    assert (False, 0, 0, 0, "") == (
        follows.then_prefetch,
        follows.calls_tried,
        follows.cdn_failures,
        follows.unknowns,
        follows.part,
    )


def test_a_prefetch_that_follows_is_named_by_its_refresh_and_its_call() -> None:
    """Settled twice it is the same task; after another call of the same refresh it is another one."""
    one, other = TASKS[:2]
    assert prefetch_after(one, "call") == prefetch_after(one, "call")
    names = [prefetch_after(task, call).id for task, call in ((one, "call"), (one, "later"), (other, "call"))]
    assert 4 == len({one.id, *names})


@pytest.mark.parametrize(
    ("names", "done"),
    [
        (("x%20@", "x%20%40"), 2),
        (("x @", "x @"), 2),
        (("x @",), 0),
        (("x%20@",), 0),
        ((), 0),
    ],
)
def test_spellings_that_look_alike_are_finished_together(names: tuple[str, ...], done: int) -> None:
    """The row of one is not taken for the other's, and neither is let go before: its row would be taken then."""
    both = (make_task(A + "x%20@"), make_task(A + "x%20%40"))
    found = settlement(submission(*both), [row(name) for name in names], NOW, CDN)
    assert (done, 2 - done) == (len(found.done), len(found.running))
