"""Rows of the task list, read leniently."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from shared.core.task.rows import CdnTask, State, task_from_row
from tests import strategies

ROW = {
    "TaskId": "704225667",
    "ObjectPath": "http://h.example.com/1.txt",
    "ObjectType": "file",
    "Status": "Complete",
    "Process": "100%",
    "CreationTime": "2014-11-27T08:23:22Z",
    "Description": "",
}


def test_a_row_is_read() -> None:
    """The vendor's own sample comes out typed."""
    assert (
        CdnTask("704225667", "http://h.example.com/1.txt", "file", State.COMPLETE, "Complete", 100.0, 1_417_076_602.0)
    ) == task_from_row(ROW)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Complete", State.COMPLETE),
        ("complete", State.COMPLETE),
        ("Refreshing", State.RUNNING),
        ("Pending", State.RUNNING),
        ("Failed", State.FAILED),
        ("Timeout", State.FAILED),
        ("Canceled", State.FAILED),
        ("SomethingNew", State.RUNNING),
        ("", State.RUNNING),
    ],
)
def test_statuses(status: str, state: State) -> None:
    """Four statuses end a task; whatever else the vendor says, it is still running."""
    assert (state, status) == (task_from_row({**ROW, "Status": status}).state, task_from_row({"Status": status}).status)


@pytest.mark.parametrize(
    ("process", "percent"),
    [
        ("100%", 100.0),
        ("99.37%", 99.37),
        ("10", 10.0),
        (10, 10.0),
        (" 5 % ", 5.0),
        ("", 0.0),
        (None, 0.0),
        ("soon", 0.0),
    ],
)
def test_percentages(process: Any, percent: float) -> None:
    """With or without the sign, as text or number; what cannot be read is nothing done yet."""
    assert percent == task_from_row({**ROW, "Process": process}).percent


@pytest.mark.parametrize(
    ("description", "read"),
    [
        ("Internal Error", "InternalError"),
        ("InternalError", "InternalError"),
        ("Origin Return StatusCode 5XX", "OriginReturnStatusCode5XX"),
        ("OriginReturn StatusCode 5XX", "OriginReturnStatusCode5XX"),
        (None, ""),
    ],
)
def test_reasons_are_spelled_one_way(description: Any, read: str) -> None:
    """The vendor's pages put spaces in different places."""
    assert read == task_from_row({**ROW, "Description": description}).description


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read"),
    [
        ("TaskId", 704225667, "task_id", "704225667"),
        ("ObjectType", "Directory", "object_type", "directory"),
        ("CreationTime", "", "created", 0.0),
        ("CreationTime", "yesterday", "created", 0.0),
        ("CreationTime", "2014-11-27T16:23:22+08:00", "created", 1_417_076_602.0),
    ],
)
def test_odd_fields(field: str, value: Any, attribute: str, read: object) -> None:
    """Ids may be numbers, types in any case, times absent or with a zone."""
    assert read == getattr(task_from_row({**ROW, field: value}), attribute)


def test_an_empty_row_is_a_row() -> None:
    """Fields that are absent have neutral values."""
    assert CdnTask("", "", "", State.RUNNING, "", 0.0, 0.0) == task_from_row({})


@given(strategies.json_values())
def test_no_row_makes_it_raise(value: Any) -> None:
    """Whatever a field holds, the row is read."""
    assert isinstance(task_from_row(dict.fromkeys(ROW, value)), CdnTask)
