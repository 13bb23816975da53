"""The search for what is bad in a rejected batch: it finds exactly that, at a bounded number of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.plan.split import by_domain, by_url, find_bad
from shared.core.task.model import Task
from tests import strategies
from tests.strategies import make_task


def drive(items: Sequence[int], accepts: Callable[[Sequence[int]], bool]) -> tuple[list[int], list[int], int]:
    """Send items as the flow does: whole, and searched where rejected. Returns the bad, the accepted, the calls."""
    bad: list[int] = []
    accepted: list[int] = []
    calls = 0

    def send(part: Sequence[int]) -> bool:
        nonlocal calls
        calls += 1
        if accepts(part):
            accepted.extend(part)
            return True
        return False

    waiting = list(items)
    while waiting:
        if send(waiting):
            break
        search = find_bad(waiting)
        try:
            trial = next(search)
            while True:
                trial = search.send(send(trial))
        except StopIteration as found:
            one, waiting = found.value
            bad.append(one)
    return bad, accepted, calls


@given(st.integers(1, 120).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_exactly_the_bad_ones_are_found(drawn: tuple[int, set[int]]) -> None:
    """Whatever is bad, however much of it: it is found, and everything else is accepted exactly once."""
    size, wrong = drawn
    bad, accepted, _ = drive(range(size), lambda part: not wrong.intersection(part))
    assert sorted(wrong) == sorted(bad)
    assert sorted(set(range(size)) - wrong) == sorted(accepted)


@pytest.mark.parametrize("wrong", [0, 1, 499, 500, 501, 998, 999])
def test_one_bad_url_among_a_thousand_costs_eleven_more_calls(wrong: int) -> None:
    """Ten calls find it and one sends what was laid aside."""
    bad, accepted, calls = drive(range(1_000), lambda part: wrong not in part)
    assert ([wrong], 999) == (bad, len(accepted))
    assert calls - 1 <= 11


@given(st.integers(1, 1_000), st.data())
def test_a_search_never_tries_the_whole_or_nothing(size: int, data: st.DataObject) -> None:
    """Each part is smaller than what is known to hold something bad, and not empty."""
    left = size
    search = find_bad(range(size))
    try:
        trial = next(search)
        while True:
            assert 1 <= len(trial) < left
            accepted = data.draw(st.booleans())
            left = left - len(trial) if accepted else len(trial)
            trial = search.send(accepted)
    except StopIteration as found:
        bad, aside = found.value
    assert bad not in aside


@given(strategies.few_tasks())
def test_splitting_loses_nothing(tasks: list[Task]) -> None:
    """By domain or by URL, the parts together are the whole, each of one domain or URL."""
    for parts in (by_domain(tasks), by_url(tasks)):
        assert sorted(task.id for task in tasks) == sorted(task.id for part in parts for task in part)
    assert [1] * len(by_domain(tasks)) == [len({task.domain for task in part}) for part in by_domain(tasks)]
    assert [1] * len(by_url(tasks)) == [len({task.url for task in part}) for part in by_url(tasks)]


def test_splitting_keeps_the_order() -> None:
    """The most urgent domain and URL still go first."""
    tasks = [make_task(f"https://{url}") for url in ("b.example.com/2", "a.example.com/1", "b.example.com/1")]
    assert [["https://b.example.com/2", "https://b.example.com/1"], ["https://a.example.com/1"]] == [
        [task.url for task in part] for part in by_domain(tasks)
    ]
