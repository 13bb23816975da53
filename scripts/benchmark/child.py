"""A process with our functions and nothing else: the services that they use stay in the process that started it.

What is asked of a service goes over a socket and comes back as its reply, through the vendor's own clients as they
are; the virtual clock goes with it. So a function's processor time and memory are its own, and the store's are not.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scripts.benchmark.functions import Functions
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.web import Request, Response, Service

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
KILOBYTES_PER_MB = 1024
STOP_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Figures:
    """What functions have cost since the last look. `seconds` are of the processor.

    `peak_mb` is the most memory that the process held, less what it held when idle, all imported and connected.
    """

    calls: Mapping[str, int]
    invocations: int
    killed: int
    seconds: float
    peak_mb: float


class FunctionsElsewhere:
    """Our functions in a process of their own, which ends with the block. The clock is the services'."""

    def __init__(
        self,
        facts: Mapping[str, str],
        services: Mapping[str, Service],
        clock: VirtualClock,
        domains: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.clock, self._services = clock, services
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, dict(facts), tuple(services), tuple(domains), dict(settings or {})), daemon=True
        )

    def __enter__(self) -> FunctionsElsewhere:  # noqa: PYI034 - Self came with Python 3.11
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.join(STOP_SECONDS_MAX)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def receive(self, event: bytes) -> None:
        """Deliver an event of OSS."""
        self._run("receive", event)

    def finished(self, event: bytes) -> None:
        """Deliver an event of the CDN."""
        self._run("finished", event)

    def tick(self) -> None:
        """Let the timer ring."""
        self._run("tick")

    def figures(self) -> Figures:
        """Tell what was used since the last look."""
        found: Figures = self._run("figures")
        return found

    def _run(self, verb: str, *arguments: object) -> Any:
        """Let the other process do something, and answer what it asks of the services meanwhile."""
        self._connection.send((self.clock.now(), verb, arguments))
        while True:
            kind, now, content = self._connection.recv()
            self.clock.advance_to(now)
            if kind == "asked":
                service, request = content
                self._connection.send(self._services[service](request))
            elif kind == "failed":
                raise RuntimeError(f"the functions' process failed:\n{content}")
            else:
                return content


class _Meter:
    """Tells what this process uses."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._start()

    def _start(self) -> None:
        functions = self._functions
        functions.calls.clear()
        functions.invocations = functions.killed = 0
        gc.collect()
        self._seconds = time.process_time()
        self._idle_kilobytes = _memory("VmRSS")
        if CLEAR.exists():
            CLEAR.write_text(RESET_PEAK)

    def figures(self) -> Figures:
        """Tell what was used since the last look, and begin anew."""
        functions = self._functions
        seconds, peak = time.process_time() - self._seconds, _memory("VmHWM") - self._idle_kilobytes
        calls = dict(functions.calls)
        found = Figures(calls, functions.invocations, functions.killed, seconds, max(0, peak) / KILOBYTES_PER_MB)
        self._start()
        return found


def _memory(field: str) -> int:
    """Read a figure of this process's memory, in kilobytes; where Linux does not tell, what the most was."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == f"{field}:")


def serve(
    connection: Connection,
    facts: Mapping[str, str],
    services: Sequence[str],
    domains: Sequence[str],
    settings: Mapping[str, str],
) -> None:
    """Do what is asked for until the other end is closed."""
    clock = VirtualClock(0.0)

    def elsewhere(service: str) -> Service:
        def answer(request: Request) -> Response:
            connection.send(("asked", clock.now(), (service, request)))
            response: Response = connection.recv()
            return response

        return answer

    functions = Functions(
        facts, {name: elsewhere(name) for name in services}, clock, domains=domains, settings=settings
    )
    meter = _Meter(functions)
    verbs: dict[str, Callable[..., object]] = {
        "receive": functions.receive,
        "finished": functions.finished,
        "tick": functions.tick,
        "figures": meter.figures,
    }
    while True:
        try:
            now, verb, arguments = connection.recv()
        except EOFError:
            return
        clock.advance_to(now)
        try:
            found = verbs[verb](*arguments)
        except Exception:  # noqa: BLE001 - whatever it is, who asked has to know
            connection.send(("failed", clock.now(), traceback.format_exc()))
        else:
            connection.send(("done", clock.now(), found))
