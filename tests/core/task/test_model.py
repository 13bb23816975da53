"""The values that travel: names, URLs of a batch, outcomes, and that all of it survives the spool."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.model import (
    HISTORY_STEPS_MAX,
    Batch,
    Form,
    Kind,
    Lane,
    Outcome,
    Result,
    Step,
    Submission,
    Task,
    digest,
    domain_of,
    json_bytes,
    outcome,
)
from tests import strategies
from tests.strategies import NOW, make_task


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://static.example.com/a.css", "static.example.com"),
        ("http://Static.Example.com/", "static.example.com"),
        ("https://static.example.com", "static.example.com"),
        ("https://static.example.com?w=1", "static.example.com"),
        ("https://static.example.com/a?u=http://b.example.com/", "static.example.com"),
        ("https://static.example.com//b.example.com/", "static.example.com"),
        ("static.example.com/a.css", ""),
        ("", ""),
    ],
)
def test_the_domain_of_a_url_is_its_host(url: str, domain: str) -> None:
    """Limits count by domain, so paths and queries must not be taken for hosts."""
    assert domain == domain_of(url)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_parts_have_different_names(one: list[str], other: list[str]) -> None:
    """Where parts end matters: `ab, c` is not `a, bc`."""
    assert (one == other) == (digest(*one) == digest(*other))


def test_a_name_never_changes() -> None:
    """Names lie in the spool across deployments: the first 20 hex digits of SHA-256 of the parts as compact JSON."""
    assert "529c6f7c6925ad7eaf54" == digest("a", "b", "中")
    assert 20 == len(digest())


def batch(*tasks: Task) -> Batch:
    """Make a batch of file refreshes."""
    return Batch("call", Kind.REFRESH, Form.FILE, force=False, tasks=tasks, created=NOW)


def test_a_url_is_sent_once() -> None:
    """Tasks may share a URL; what is sent, and paid for, are the distinct ones in order."""
    tasks = [make_task(f"https://a.example.com/{name}", time=NOW - age) for age, name in enumerate("bacab")]
    assert ("https://a.example.com/b", "https://a.example.com/a", "https://a.example.com/c") == batch(*tasks).urls


@given(strategies.tasks(), st.lists(strategies.steps(), max_size=3))
def test_tasks_survive_the_spool(task: Task, steps: list[Step]) -> None:
    """A task comes back from JSON as it was, alone, in a batch and in a submission."""
    for step in steps:
        task = task.with_step(step)
    sent = Submission(batch(task), ("1", "2"), "request", NOW)
    assert task == msgspec.json.decode(json_bytes(task), type=Task)
    assert sent == msgspec.json.decode(json_bytes(sent), type=Submission)


def test_a_history_is_bounded() -> None:
    """A task that is tried for days keeps its newest steps only."""
    task = make_task("https://a.example.com/a")
    for number in range(HISTORY_STEPS_MAX + 5):
        task = task.with_step(Step(NOW + number, Result.DEFERRED))
    assert [NOW + number for number in range(5, HISTORY_STEPS_MAX + 5)] == [step.at for step in task.history]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_one_second_s_changes_the_one_that_asks_for_a_prefetch_is_followed(order: tuple[int, ...]) -> None:
    """Created, removed and created again within a second: the prefetch is not forgotten, whatever the order."""
    url = "https://a.example.com/a"
    asks = msgspec.structs.replace(make_task(url), id="asks", then_prefetch=True)
    removal = make_task(url, lane=Lane.REMOVED)
    older = make_task(url, time=NOW - 1)
    made = batch(*((older, removal, asks)[place] for place in order)).accepted(("1",), "request", NOW)
    assert (asks,) == made.batch.tasks
    assert {older.id, removal.id} == set(made.covered)
    assert {task.id for task in (older, removal, asks)} == set(made.task_names)


def test_lanes_are_ordered_by_urgency() -> None:
    """Their numbers are part of the spool's keys."""
    assert [0, 1, 2, 3] == [Lane.REMOVED, Lane.OVERWRITTEN, Lane.MANUAL, Lane.PREFETCH]


def test_an_outcome_tells_task_and_cause() -> None:
    """A record can be found by URL, by object and by event."""
    task = make_task("https://A.example.com/a", lane=Lane.REMOVED)
    record = outcome(task, Result.DEFERRED, NOW + 1, code="Throttling", due=NOW + 60)
    assert (
        Outcome(
            time=NOW + 1,
            result=Result.DEFERRED,
            task_id=task.id,
            event_id=task.cause.event_id,
            event_name="ObjectCreated:PutObject",
            event_time=NOW,
            bucket="content",
            key="https://A.example.com/a",
            site="site",
            lane="removed",
            url="https://A.example.com/a",
            domain="a.example.com",
            kind="refresh",
            form="file",
            code="Throttling",
            due=NOW + 60,
        )
        == record
    )
    assert record == msgspec.json.decode(json_bytes(record), type=Outcome)
