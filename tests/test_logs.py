"""Log lines: JSON, one a line, with data as data."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import structlog
from hypothesis import given

from shared import logs
from tests import strategies


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Read what was logged."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_level_and_time() -> None:
    """Function Compute's log store reads lines, people and queries read fields."""
    stream = io.StringIO()
    logs.logger(stream=stream).info("invocation", changes=2, took=0.5, keys=["a", "b"])
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert {"event": "invocation", "level": "info", "changes": 2, "took": 0.5, "keys": ["a", "b"]} == line


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("DEBUG", ["debug", "info", "warning", "error"]),
        ("INFO", ["info", "warning", "error"]),
        ("WARNING", ["warning", "error"]),
        ("ERROR", ["error"]),
    ],
)
def test_less_severe_lines_are_left_out(level: str, seen: list[str]) -> None:
    """The level is the least severe that is printed."""
    stream = io.StringIO()
    log = logs.logger(level, stream)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("happened")
    assert seen == [line["level"] for line in lines(stream)]


@given(strategies.keys())
def test_keys_are_data(key: str) -> None:
    """Whatever an object is called, it stands in one line as it is, and is never taken for a format."""
    stream = io.StringIO()
    logs.logger(stream=stream).error("a task was given up", key=key, url="%s %(key)s {key}")
    assert 1 == stream.getvalue().count("\n")
    (line,) = [json.loads(stream.getvalue())]
    assert (key, "%s %(key)s {key}") == (line["key"], line["url"])


def test_names_are_readable() -> None:
    """Text that is not ASCII is not escaped."""
    stream = io.StringIO()
    logs.logger(stream=stream).info("中文", key="图片.png")
    assert "图片.png" in stream.getvalue()


def test_what_an_invocation_binds_stands_in_each_of_its_lines() -> None:
    """Function and request id are bound once, and gone with the invocation."""
    stream = io.StringIO()
    log = logs.logger(stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="R"):
        log.info("inside")
    log.info("outside")
    assert ["R", None] == [line.get("request_id") for line in lines(stream)]


def test_an_exception_stands_in_its_line() -> None:
    """A stack trace is a field, not forty lines."""
    stream = io.StringIO()
    try:
        int("broken")
    except ValueError:
        logs.logger(stream=stream).error("invocation failed", exc_info=True)
    (line,) = lines(stream)
    assert "ValueError: invalid literal for int()" in line["exception"]


def test_what_json_cannot_say_is_said_as_text() -> None:
    """A log line never fails for what it is given."""
    stream = io.StringIO()
    logs.logger(stream=stream).info("odd", error=ValueError("x"), raw=b"\xff")
    (line,) = lines(stream)
    assert ("x", "b'\\xff'") == (line["error"], line["raw"])


def test_nothing_global_is_configured() -> None:
    """Two loggers of different levels live side by side."""
    loud, quiet = io.StringIO(), io.StringIO()
    logs.logger("DEBUG", loud).debug("x")
    logs.logger("ERROR", quiet).warning("x")
    assert (1, 0) == (len(lines(loud)), len(lines(quiet)))
    assert not structlog.is_configured()
