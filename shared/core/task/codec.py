"""Stored objects in and out, as JSON with the number of their format; read leniently, also what an older version wrote.

Fields that a newer version added are passed over. What cannot be read raises `Undecodable`: whoever meets it sets the
bytes aside, so that they stop nothing and a person or a newer version finds them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import msgspec

from shared.core.task.model import Batch, Outcome, Submission, Task

FORMAT = 1
"""Of what this version writes. Objects without a number are of the first version, which this one still reads."""

T = TypeVar("T")


class Undecodable(ValueError):
    """Bytes that this version cannot read, and why."""


class _Notes(msgspec.Struct, frozen=True):
    format: int
    tasks: tuple[Task, ...]


class _Intent(msgspec.Struct, frozen=True):
    format: int
    batch: Batch


class _Submission(msgspec.Struct, frozen=True):
    format: int
    submission: Submission


class _Outcomes(msgspec.Struct, frozen=True):
    format: int
    outcomes: tuple[Outcome, ...]


P = ParamSpec("P")


def _safely(decode: Callable[P, T]) -> Callable[P, T]:
    """Let everything that odd data can do to a reader end as `Undecodable`."""

    @functools.wraps(decode)
    def decoded_safely(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return decode(*args, **kwargs)
        except (TypeError, AttributeError, ValueError, LookupError, RecursionError) as fault:
            raise fault if isinstance(fault, Undecodable) else Undecodable(f"it is of an odd shape: {fault}") from None

    return decoded_safely


def encode_tasks(tasks: tuple[Task, ...]) -> bytes:
    """Write the tasks of a note."""
    return msgspec.json.encode(_Notes(FORMAT, tasks))


def encode_intent(batch: Batch) -> bytes:
    """Write a call that is about to be made."""
    return msgspec.json.encode(_Intent(FORMAT, batch))


def encode_submission(submission: Submission) -> bytes:
    """Write a call that was accepted."""
    return msgspec.json.encode(_Submission(FORMAT, submission))


def encode_outcomes(outcomes: tuple[Outcome, ...]) -> bytes:
    """Write records that wait for the log store."""
    return msgspec.json.encode(_Outcomes(FORMAT, outcomes))


@_safely
def decode_tasks(data: bytes) -> tuple[Task, ...]:
    """Read the tasks of a note, or a plain list of them."""
    plain = _plain(data)
    items = plain.get("tasks") if isinstance(plain, dict) else plain
    if not isinstance(items, list) or not items:
        raise Undecodable("it has no list of tasks")
    return tuple(converted(_task(item), Task, _format(plain)) for item in items)


@_safely
def decode_intent(data: bytes) -> Batch:
    """Read a call that was about to be made."""
    plain = _plain(data)
    batch: Batch = converted(_batch(_member(plain, "batch")), Batch, _format(plain))
    return batch


@_safely
def decode_submission(data: bytes) -> Submission:
    """Read a call that was accepted."""
    plain = _plain(data)
    inner = _member(plain, "submission") if isinstance(plain, dict) and "submission" in plain else plain
    if not isinstance(inner, dict):
        raise Undecodable("it is no submission")
    covered = [{"task": each} if isinstance(each, str) else each for each in inner.get("covered", [])]
    upgraded = {**inner, "batch": _batch(_member(inner, "batch")), "covered": covered}
    submission: Submission = converted(upgraded, Submission, _format(plain))
    return submission


@_safely
def decode_outcomes(data: bytes) -> tuple[Outcome, ...]:
    """Read records that wait for the log store."""
    plain = _plain(data)
    items = plain.get("outcomes") if isinstance(plain, dict) else plain
    outcomes: tuple[Outcome, ...] = converted(items, tuple[Outcome, ...], _format(plain))
    return outcomes


def decoded(data: bytes, wanted: type[T]) -> T:
    """Read any other stored value."""
    value: T = converted(_plain(data), wanted, 0)
    return value


def converted(plain: Any, wanted: Any, number: int) -> Any:
    """Make the typed value of plain data, or tell why not."""
    try:
        return msgspec.convert(plain, wanted)
    except (msgspec.ValidationError, ValueError, TypeError) as fault:
        newer = f"; format {number} is newer than {FORMAT}, which this version writes" if number > FORMAT else ""
        raise Undecodable(f"{fault}{newer}") from None


def _plain(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        raise Undecodable(f"it is no JSON: {fault}") from None


def _format(plain: Any) -> int:
    number = plain.get("format") if isinstance(plain, dict) else None
    return number if isinstance(number, int) else 0


def _member(plain: Any, name: str) -> Any:
    if not isinstance(plain, dict) or not isinstance(plain.get(name), dict):
        raise Undecodable(f"it has no {name}")
    return plain[name]


def _batch(plain: dict[str, Any]) -> dict[str, Any]:
    """Bring a batch of the first format up to date: what all targets share stood beside them."""
    tasks = plain.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise Undecodable("its batch has no tasks")
    return {**plain, "tasks": [_task(task) for task in tasks]}


def _task(plain: Any) -> Any:
    """Bring a task of the first format up to date: its target stood in fields of its own."""
    if not isinstance(plain, dict) or "target" in plain or "url" not in plain:
        return plain
    return {
        **plain,
        "target": {name: plain[name] for name in ("kind", "form", "url", "force") if name in plain},
        "calls_tried": max(0, plain.get("attempt", 0) - plain.get("failures", 0)),
        "cdn_failures": plain.get("failures", 0),
    }
