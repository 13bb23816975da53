"""Something given up in; how a person, or another program, is shown it out."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.operators.faults import plain
from scripts.operators.graves import Dead
from scripts.operators.requeue import record_of
from shared.core.task.model import Task
from shared.core.task.stored import Piece

ID_SHOWN = 12
"""Digits of an id in a table: enough to name it, and it leaves room for the URL at 80 columns."""
UNCUT_COLUMNS = 10_000
HEX_BYTES_A_LINE = 16


def iso(moment: float) -> str:
    """Write a time (epoch seconds) as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def console() -> Console:
    """Give stdout as a terminal of its width; what goes to a file or a pipe is not cut into lines."""
    width = None if sys.stdout.isatty() else UNCUT_COLUMNS
    return Console(width=width, highlight=False, markup=False, emoji=False)


def kind(piece: Piece) -> str:
    """Say what kind of thing it is, in one word."""
    if piece.task:
        return "task"
    if piece.where:
        return "object"
    return "record" if record_of(piece) else "event"


def what(piece: Piece) -> str:
    """Say what it is about, in a few words."""
    if piece.task:
        return piece.task.url
    if piece.where:
        return f"what lay at {piece.where}"
    record = record_of(piece)
    if record:
        return f"a record, {record.result.value} {record.url or record.event_id}"
    return "an event that could not be read"


def _tries(task: Task) -> int:
    return task.calls_tried + task.cdn_failures


def facts(dead: Dead) -> dict[str, Any]:
    """Give what a list says of it, for programs."""
    piece, task = dead.piece, dead.piece.task
    return {
        "id": piece.id,
        "day": dead.day,
        "at": iso(piece.at),
        "kind": kind(piece),
        "url": task.url if task else None,
        "where": piece.where or None,
        "reason": piece.reason,
        "attempts": _tries(task) if task else None,
        "failures": task.cdn_failures if task else None,
        "request_id": piece.request_id,
    }


def everything(dead: Dead) -> dict[str, Any]:
    """Give all that is known of it, for programs; the bytes of what is no task in Base64."""
    task = dead.piece.task
    if task is None:
        return {**facts(dead), "event_base64": dead.piece.event}
    steps = [
        {"at": iso(step.at), "result": step.result.value, "code": step.code, "message": step.message}
        | {"request_id": step.request_id}
        for step in task.history
    ]
    cause = {"event_id": task.cause.event_id, "event_name": task.cause.event_name, "time": iso(task.cause.time)}
    cause |= {"bucket": task.cause.bucket, "key": task.cause.key, "etag": task.cause.etag}
    more = {"action": task.target.kind.value, "form": task.target.form.value}
    more |= {"lane": task.lane.name.lower(), "site": task.site}
    return {**facts(dead), **more, "cause": cause, "history": steps}


def table(found: Iterable[Dead]) -> None:
    """Print a list as a table, a line or more each."""
    columns = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    columns.add_column("ID", no_wrap=True)
    columns.add_column("DAY", no_wrap=True)
    columns.add_column("KIND", no_wrap=True)
    columns.add_column("TRIES", no_wrap=True, justify="right")
    columns.add_column("WHAT AND WHY", overflow="fold")
    for each in found:
        piece, task = each.piece, each.piece.task
        texts = [piece.reason] if kind(piece) == "event" else [what(piece), piece.reason]
        tries = str(_tries(task)) if task else ""
        columns.add_row(plain(piece.id[:ID_SHOWN]), each.day, kind(piece), tries, _lines(texts))
    console().print(columns)


def whole(dead: Dead) -> None:
    """Print everything about one."""
    piece = dead.piece
    out = console()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in _fields(piece):
        grid.add_row(name, plain(value))
    out.print(grid)
    if piece.task is None:
        out.print(Text(f"\n{kind(piece)}", style="bold"))
        for line in event_lines(base64.b64decode(piece.event)):
            out.print(line, soft_wrap=True)
    elif piece.task.history:
        out.print(Text("\nhistory", style="bold"))
        out.print(_history(piece.task))


def _fields(piece: Piece) -> Iterator[tuple[str, str]]:
    yield "id", piece.id
    yield "given up", iso(piece.at)
    yield "reason", piece.reason
    yield "request id", piece.request_id or "-"
    if piece.where:
        yield "lay at", piece.where
    if piece.task is None:
        return
    task, target, cause = piece.task, piece.task.target, piece.task.cause
    yield "url", task.url
    yield "task", f"{target.kind.value} of a {target.form.value}, lane {task.lane.name.lower()}, site {task.site}"
    yield "tries", f"{_tries(task)} in vain, {task.cdn_failures} of them accepted and failed at the CDN"
    yield "cause", f"{cause.event_name} at {iso(cause.time)}"
    yield "object", f"{cause.bucket}/{cause.key}"
    yield "etag", cause.etag or "-"
    yield "event id", cause.event_id


def _history(task: Task) -> Table:
    columns = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    columns.add_column("TIME", no_wrap=True)
    columns.add_column("RESULT", no_wrap=True)
    columns.add_column("CODE, MESSAGE AND REQUEST ID", overflow="fold")
    for step in task.history:
        said = ": ".join(filter(None, (step.code, step.message)))
        columns.add_row(iso(step.at), step.result.value, _lines([said, step.request_id]))
    return columns


def _lines(texts: Iterable[str]) -> Text:
    """Put texts under one another, the later ones dim."""
    first, *rest = [plain(text) for text in texts if text] or ["-"]
    return Text.assemble(first, *((f"\n{line}", "dim") for line in rest))


def event_lines(event: bytes) -> list[str]:
    """Write bytes for a terminal: JSON with indents, anything else in hex beside its letters."""
    try:
        text = json.dumps(json.loads(event), indent=2, ensure_ascii=False)
    except ValueError:
        return [_hex_line(event, start) for start in range(0, len(event), HEX_BYTES_A_LINE)]
    return [plain(line) for line in text.split("\n")]


def _hex_line(event: bytes, start: int) -> str:
    part = event[start : start + HEX_BYTES_A_LINE]
    letters = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in part)  # noqa: PLR2004 - printable ASCII
    return f"{start:06x}  {part.hex(' '):<{3 * HEX_BYTES_A_LINE - 1}}  {letters}"
