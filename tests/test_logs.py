"""Log lines: JSON, one a line, with data as data."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog
from hypothesis import given

from shared import logs
from shared.core.foreign import escaped
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


@given(strategies.keys())
def test_what_is_printed_deceives_nobody(name: str) -> None:
    """Controls, separators and marks of direction never reach a terminal as they are, be it in keys or in values."""
    stream = io.StringIO()
    logs.logger(stream=stream).info("happened", keys=[name], counts={name: 1})
    printed = stream.getvalue().removesuffix("\n")
    assert escaped(printed) == printed
    (line,) = lines(stream)
    assert ([name], {name: 1}) == (line["keys"], line["counts"])


def test_half_a_character_can_be_printed() -> None:
    """A lone surrogate, which no encoding can write, does not stop a line."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    logs.logger(stream=stream).info("odd", key="a\ud800b")
    assert "a\ud800b" == json.loads(raw.getvalue())["key"]


def test_long_values_are_cut() -> None:
    """Whatever is logged, a line stays as short as the platform takes it."""
    stream = io.StringIO()
    logs.logger(stream=stream).error(
        "big", key="x" * 100_000, many=list(range(1_000)), deep={"a" * 9_000: "b" * 9_000}, exception="y" * 99_999 + "z"
    )
    assert 32_000 > len(stream.getvalue().encode())
    (line,) = lines(stream)
    assert ("x" * 3_999 + "…", [98, 99, "… 900 more"]) == (line["key"], line["many"][-3:])
    assert line["exception"].endswith("yyz")


def test_deep_values_are_cut() -> None:
    """Data within data within data ends somewhere."""
    stream = io.StringIO()
    value: Any = 1
    for _ in range(200):
        value = [value]
    logs.logger(stream=stream).info("deep", value=value)
    assert 1_000 > len(stream.getvalue())


def test_keys_and_tokens_are_not_printed() -> None:
    """Neither in a message nor in the trace of what an error was caused by."""
    stream = io.StringIO()
    log = logs.logger(stream=stream, secrets=lambda: ("the-secret-of-now", "CAISthetokenofnow+/="))
    cause = ValueError("canonical request is: x-acs-security-token:CAISthetokenofnow+/=")
    error = RuntimeError("refused with the-secret-of-now")
    error.__cause__ = cause
    log.error("invocation failed", reason=str(error), where={"CAISthetokenofnow%2B%2F%3D": 1}, exc_info=error)
    printed = stream.getvalue()
    assert "RuntimeError: refused with (redacted)" in printed
    assert "thetokenofnow" not in printed
    assert "the-secret" not in printed


def test_the_vendors_clients_print_warnings_only() -> None:
    """They print replies whole, and a line a call, where the platform's root logger lets them."""
    logs.quiet_vendors()
    assert not any(logging.getLogger(name).isEnabledFor(logging.INFO) for name in ("oss2", "httpx", "aliyun.log"))
