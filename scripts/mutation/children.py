"""Pieces of work in; each done in a fork of this process, some at a time, and what it told comes out.

A fork starts with everything imported that this process has imported, so it is ready in milliseconds. It has a limit of
memory and of time, and takes its own children with it when it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

MEMORY_BYTES_MAX = 4 * 2**30
_CHUNK_BYTES = 1 << 16

T = TypeVar("T")
Told = dict[str, Any]
Tell = Callable[[Mapping[str, Any]], None]


class _Child(NamedTuple):
    ticket: Any
    pid: int
    ends: float
    chunks: list[bytes]


class Children(Generic[T]):
    """At most `slots` forks at a time. Each has a ticket, by which what it told is known."""

    def __init__(self, slots: int, folder: Path) -> None:
        self._slots, self._folder = slots, folder
        self._selector = selectors.DefaultSelector()
        self._count = 0

    def __len__(self) -> int:
        return len(self._selector.get_map())

    @property
    def is_full(self) -> bool:
        """Whether one must end before another may start."""
        return len(self) >= self._slots

    def start(self, ticket: T, work: Callable[[Tell], None], seconds: float) -> Path:
        """Start some work that may take so many seconds; returns where its output goes."""
        reading, writing = os.pipe()
        self._count += 1
        output = self._folder / f"{self._count}.out"
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            be_fork(output, lambda: _do(work, writing))
        os.close(writing)
        os.set_blocking(reading, False)
        child = _Child(ticket, pid, time.monotonic() + seconds, [])
        self._selector.register(reading, selectors.EVENT_READ, child)
        return output

    def next(self) -> tuple[T, Told | None]:
        """Wait for the next one to end: its ticket, and what it told last.

        None if it crashed, or its time was up. What it raised is told as `broken`.
        """
        while True:
            for key, _ in self._selector.select(timeout=0.5):
                chunk = os.read(key.fd, _CHUNK_BYTES)
                key.data.chunks.append(chunk)
                if not chunk:
                    return self._ended(key.fd, key.data)
            now = time.monotonic()
            for key in list(self._selector.get_map().values()):
                if now > key.data.ends:
                    return self._ended(key.fd, key.data)

    def _ended(self, fd: int, child: _Child) -> tuple[T, Told | None]:
        self._selector.unregister(fd)
        os.close(fd)
        with contextlib.suppress(ProcessLookupError):  # Its group has ended before, as a rule.
            os.killpg(child.pid, signal.SIGKILL)
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        lines = b"".join(child.chunks).splitlines()
        return child.ticket, json.loads(lines[-1]) if lines else None


def _do(work: Callable[[Tell], None], writing: int) -> None:
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        work(partial(_tell, writing))
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        _tell(writing, {"failed": "", "late": False, "broken": traceback.format_exc()})


def be_fork(output: Path, work: Callable[[], None]) -> NoReturn:
    """Do a fork's work, writing to a file and reading nothing; never returns, so that nothing is done twice."""
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (file, 1), (file, 2)):
            os.dup2(source, target)
        work()
    except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as if it were the parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _tell(fd: int, told: Mapping[str, Any]) -> None:
    data = json.dumps(told).encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]
