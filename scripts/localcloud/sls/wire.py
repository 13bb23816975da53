"""The body of PutLogs goes in, compressed protobuf; a `LogGroup` comes out.

The message, from the vendor's public log_logs.proto:
    LogGroup { repeated Log Logs = 1; string Category = 2; string Topic = 3; string Source = 4;
               string MachineUUID = 5; repeated LogTag LogTags = 6 { string Key = 1; string Value = 2 } }
    Log      { uint32 Time = 1; repeated Content Contents = 2 { string Key = 1; string Value = 2 };
               fixed32 Time_ns = 4 }
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import lz4.block
import zstandard

FIXED_SIZES = {1: 8, 5: 4}
"""Bytes of protobuf's fixed wire types, fixed64 and fixed32."""

Value = int | bytes


@dataclass(frozen=True, slots=True)
class Log:
    """One log: its time (epoch seconds and nanoseconds) and its fields, in order."""

    time: int
    time_ns: int
    contents: list[tuple[str, str]]


@dataclass(slots=True)
class LogGroup:
    """What one PutLogs carries."""

    topic: str = ""
    source: str = ""
    tags: list[tuple[str, str]] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)


def decompress(body: bytes, kind: str, raw_size: int) -> bytes:
    """Undo `x-log-compresstype`: `lz4` (a raw block), `zstd`, `deflate` or none; ValueError if it fails."""
    raw = _decompressed(body, kind, raw_size)
    if len(raw) != raw_size:
        raise ValueError(f"the body has {len(raw)} bytes, x-log-bodyrawsize says {raw_size}")
    return raw


def _decompressed(body: bytes, kind: str, raw_size: int) -> bytes:
    try:
        if kind == "lz4":
            return bytes(lz4.block.decompress(body, uncompressed_size=raw_size))
        if kind == "zstd":
            return zstandard.ZstdDecompressor().decompress(body, max_output_size=raw_size)
        return zlib.decompress(body) if kind == "deflate" else body
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, zlib.error) as error:
        raise ValueError(str(error)) from error


def parse_log_group(data: bytes) -> LogGroup:
    """Read a LogGroup message; ValueError where it is not one."""
    group = LogGroup()
    for number, value in _fields(data):
        if number == 1:
            group.logs.append(_log(_message(value)))
        elif number == 3:
            group.topic = _message(value).decode()
        elif number == 4:
            group.source = _message(value).decode()
        elif number == 6:
            group.tags.append(_pair(_message(value)))
    return group


def _log(data: bytes) -> Log:
    time, time_ns, contents = 0, 0, []
    for number, value in _fields(data):
        if number == 1:
            time = _number(value)
        elif number == 2:
            contents.append(_pair(_message(value)))
        elif number == 4:
            time_ns = int.from_bytes(_message(value), "little")
    return Log(time, time_ns, contents)


def _pair(data: bytes) -> tuple[str, str]:
    found = {number: _message(value).decode(errors="replace") for number, value in _fields(data)}
    return found.get(1, ""), found.get(2, "")


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the fields of one message: a varint as a number, everything else as its bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _varint(data, at)
        elif wire_type in FIXED_SIZES:
            size = FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"field {number} has the unknown wire type {wire_type}")
        if at + size > len(data):
            raise ValueError(f"field {number} ends after the message")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, least first; give it and the place after it."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number ends after the message")


def _message(value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where text or a message must")  # noqa: TRY004 - the data is wrong
    return value


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("bytes stand where a number must")  # noqa: TRY004 - the data is wrong
    return value
