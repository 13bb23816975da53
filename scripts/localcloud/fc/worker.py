"""A function's code in a process of its own: calls come in as frames on a socket, results go out as frames.

The function host runs this file by its path, so it uses the standard library only. Its arguments are the
number of the inherited socket and the code directory. What the handler prints goes to file descriptors 1
and 2 and never meets the frames.

A frame is two 4-byte lengths (big-endian), then a header in JSON, then a body of raw bytes.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

LENGTHS = struct.Struct(">II")


class Context(SimpleNamespace):
    """What the platform hands to a handler beside the event."""


class LoggingContext(Context):
    """The context of python3.12: its logger is None until somebody asks for it."""

    logger: logging.Logger | None

    def getLogger(self) -> logging.Logger:  # noqa: N802 - the platform's name
        """Give the logger of this invocation, as the platform names the method."""
        self.logger = self.logger or logging.getLogger()
        return self.logger


def make_context(facts: Mapping[str, Any]) -> Context:
    """Turn `{"request_id": ..., "function": {...}}` into the object with those attributes."""
    kind = LoggingContext if "logger" in facts else Context
    return kind(
        **{name: SimpleNamespace(**value) if isinstance(value, dict) else value for name, value in facts.items()}
    )


def load(handler: str) -> Callable[..., Any]:
    """Find the function that `file.function` or `folder/file.function` names."""
    module, _, name = handler.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module.replace("/", ".")), name)
    return found


def encode_result(value: object) -> bytes:
    """Give the bytes a caller receives for what a handler returned: bytes, text, or anything JSON can say."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def describe_error(error: BaseException) -> dict[str, Any]:
    """Describe an exception of the handler in the platform's words; frames of this file are left out."""
    stack = [
        [frame.filename, frame.lineno, frame.name, frame.line or ""]
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    return {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}


def pack_frame(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Write one frame."""
    head = json.dumps(header).encode()
    return LENGTHS.pack(len(head), len(body)) + head + body


def read_frame(stream: io.BufferedRWPair) -> tuple[dict[str, Any], bytes] | None:
    """Read one frame; None once the host has closed its end."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head_bytes, body_bytes = LENGTHS.unpack(lengths)
    return json.loads(stream.read(head_bytes)), stream.read(body_bytes)


def answer(header: Mapping[str, Any], event: bytes) -> tuple[dict[str, Any], bytes]:
    """Do what a frame asks: `load` the handler, `initialize` the instance or `invoke` the handler."""
    os.environ.update(header["environment"])
    try:
        function = load(header["handler"])
        if header["do"] == "load":
            return {"ok": True}, b""
        context = make_context(header["context"])
        if header["do"] == "initialize":
            function(context)
            return {"ok": True}, b""
        return {"ok": True}, encode_result(function(event, context))
    except Exception as error:  # noqa: BLE001 - whatever the handler raises is its result
        traceback.print_exception(type(error), error, error.__traceback__)
        return {"ok": False}, json.dumps(describe_error(error)).encode()


def serve(stream: io.BufferedRWPair) -> None:
    """Answer frames one at a time until the host closes its end."""
    while (frame := read_frame(stream)) is not None:
        reply = pack_frame(*answer(*frame))
        for output in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # the handler may have closed it
                output.flush()
        stream.write(reply)
        stream.flush()


def set_paths(code: str) -> None:
    """Let imports find the code directory first, and this file's own directory not at all."""
    extra = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - sys.path holds plain text
    rest = [entry for entry in sys.path if entry not in (here, code, *extra)]
    sys.path[:] = [code, *extra, *rest]


def main(arguments: list[str]) -> None:
    """Serve on the inherited socket."""
    channel = socket.socket(fileno=int(arguments[0]))
    channel.set_inheritable(False)  # a program that the handler starts must not keep the socket open
    set_paths(arguments[1])
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(line_buffering=True)  # what was printed survives a kill
    with channel, channel.makefile("rwb") as stream:
        serve(stream)


if __name__ == "__main__":
    main(sys.argv[1:])
