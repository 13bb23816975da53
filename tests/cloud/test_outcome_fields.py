"""Outcome records as fields of the log store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.outcomes import fields
from shared.core.task.model import Outcome, Result, Task, outcome
from tests import strategies
from tests.strategies import NOW


def test_all_fields_are_text() -> None:
    """Times have milliseconds, numbers no decoration, results their names; what says nothing is left out."""
    record = Outcome(
        time=NOW + 0.25,
        result=Result.ACCEPTED,
        task_id="t",
        key="a\nb/中.css",
        event_time=NOW,
        attempt=2,
        units=1,
        cdn_task_ids="1,2",
        latency_ms=1_500,
    )
    assert [
        ("time", "1767323045.250"),
        ("result", "accepted"),
        ("task_id", "t"),
        ("event_time", "1767323045.000"),
        ("key", "a\nb/中.css"),
        ("attempt", "2"),
        ("units", "1"),
        ("cdn_task_ids", "1,2"),
        ("latency_ms", "1500"),
    ] == fields(record)


def test_an_event_without_tasks_is_a_record_too() -> None:
    """What was skipped or unreadable is logged with the little that is known."""
    assert [("time", "0.000"), ("result", "skipped"), ("message", "no site")] == fields(
        Outcome(time=0.0, result=Result.SKIPPED, message="no site")
    )


@given(strategies.tasks(), st.sampled_from(Result))
def test_any_record_is_names_and_texts(task: Task, result: Result) -> None:
    """Names are those of `Outcome`, each once, and every value is text, as the log store's index expects."""
    found = fields(outcome(task, result, NOW, units=1))
    assert set() == {name for name, _ in found} - set(Outcome.__struct_fields__)
    assert len(found) == len(dict(found))
    assert {str} == {type(value) for _, value in found}
