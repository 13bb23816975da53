"""Tasks of a call that failed are cut into parts: nothing is lost, nothing is torn apart, and the order stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.plan.split import by_domain, by_target, first_targets, in_parts
from shared.core.task.model import Form, Task
from tests import strategies
from tests.strategies import NOW, make_task

A = "https://a.example.com/"


def names(parts: list[tuple[Task, ...]]) -> list[list[str]]:
    """List the URLs of parts by their last character."""
    return [[task.url[-1] for task in part] for part in parts]


@given(strategies.few_tasks(), st.integers(1, 9))
def test_splitting_loses_nothing(tasks: list[Task], count: int) -> None:
    """By domain, by target or in parts, the parts together are the whole, and none is empty."""
    for parts in (by_domain(tasks), by_target(tasks), in_parts(tasks, count) if tasks else []):
        assert sorted(task.id for task in tasks) == sorted(task.id for part in parts for task in part)
        assert all(parts)
    assert [1] * len(by_domain(tasks)) == [len({task.domain for task in part}) for part in by_domain(tasks)]
    assert [1] * len(by_target(tasks)) == [len({task.target for task in part}) for part in by_target(tasks)]
    assert len({task.target for task in tasks}) == len(by_target(tasks))


@given(strategies.few_tasks(), st.integers(0, 40))
def test_the_first_targets_and_the_rest_are_the_whole(tasks: list[Task], count: int) -> None:
    """As many targets as asked for are split off, with all of their tasks."""
    first, rest = first_targets(tasks, count)
    assert [task for part in by_target(tasks) for task in part] == [*first, *rest]
    assert min(count, len(by_target(tasks))) == len({task.target for task in first})
    assert {task.target for task in first}.isdisjoint(task.target for task in rest)


def test_splitting_keeps_the_order() -> None:
    """The most urgent domain and target still go first."""
    tasks = [make_task(f"https://{url}") for url in ("b.example.com/2", "a.example.com/1", "b.example.com/1")]
    assert [["2", "1"], ["1"]] == names(by_domain(tasks))
    assert [["2"], ["1"], ["1"]] == names(by_target(tasks))


def test_tasks_of_one_target_stay_together() -> None:
    """What one unit covers is never sent twice, wherever the cut falls."""
    tasks = [make_task(A + name, time=NOW - age) for age, name in enumerate("abacab")]
    assert [["a", "a", "a"], ["b", "b"], ["c"]] == names(by_target(tasks))
    assert [["a", "a", "a"], ["b", "b", "c"]] == names(in_parts(tasks, 2))
    first, rest = first_targets(tasks, 1)
    assert ["aaa", "bbc"] == ["".join(task.url[-1] for task in part) for part in (first, rest)]


def test_the_form_is_part_of_the_target() -> None:
    """One URL as a file and without its parameters is two units."""
    tasks = [make_task(A + "a"), make_task(A + "a", form=Form.IGNORE_PARAMS)]
    assert 2 == len(by_target(tasks))


@pytest.mark.parametrize(
    ("targets", "count", "sizes"),
    [
        (1, 2, [1]),
        (2, 2, [1, 1]),
        (3, 2, [1, 2]),
        (1_000, 2, [500, 500]),
        (7, 8, [1] * 7),
        (8, 8, [1] * 8),
        (9, 8, [1] * 7 + [2]),
        (100, 8, [12, 13, 12, 13, 12, 13, 12, 13]),
    ],
)
def test_parts_are_nearly_equal(targets: int, count: int, sizes: list[int]) -> None:
    """So many parts as asked for, fewer where there are fewer targets, and none more than one larger than another."""
    tasks = [make_task(f"{A}{number}") for number in range(targets)]
    parts = in_parts(tasks, count)
    assert sizes == [len(part) for part in parts]
    assert tasks == [task for part in parts for task in part]
