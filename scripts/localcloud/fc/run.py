"""What runs a function: a `Call` goes in, a `Result` comes out; and the runner that does it in this process.

The other runner, with a process per instance, is in `fc_process.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from scripts.localcloud.clock import Clock
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.fc.worker import describe_error, encode_result, make_context

LOG_TAIL_BYTES_MAX = 4096
"""What `x-fc-log-type: Tail` gives back of an invocation's output."""

Handler = Callable[[bytes, Any], object]
Initializer = Callable[[Any], object]


class Killed(BaseException):
    """Raised inside an in-process handler, it ends the invocation as the death of its process would.

    Not an `Exception`, so that no `except` of the function catches what a real kill would not let it see.
    """


class Outcome(str, Enum):
    """How an invocation ended."""

    OK = "ok"
    ERROR = "error"
    """The handler or the initializer raised."""
    TIMEOUT = "timeout"
    EXITED = "exited"
    """The process ended before it answered."""
    EXPIRED = "expired"
    """An asynchronous event waited longer than its age limit and never ran."""
    DROPPED = "dropped"
    """The host was closed first."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The temporary keys of the function's role."""

    access_key_id: str
    access_key_secret: str
    security_token: str

    def environment(self) -> dict[str, str]:
        """Give the variables that carry them."""
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": self.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": self.access_key_secret,
            "ALIBABA_CLOUD_SECURITY_TOKEN": self.security_token,
        }

    def facts(self) -> dict[str, str]:
        """Give the attributes of `context.credentials`."""
        return {
            "access_key_id": self.access_key_id,
            "access_key_secret": self.access_key_secret,
            "security_token": self.security_token,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation, as a runner needs it."""

    function: FunctionSpec
    request_id: str
    event: bytes
    context: Mapping[str, Any]
    environment: Mapping[str, str]
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended: its bytes, or the platform's JSON about an error."""

    outcome: Outcome
    body: bytes
    cold: bool = False
    log: bytes = b""
    """The last of what the handler printed, at most `LOG_TAIL_BYTES_MAX`."""

    @property
    def error(self) -> str:
        """The message of the error, or no text."""
        if self.outcome is Outcome.OK:
            return ""
        return str(json.loads(self.body)["errorMessage"])


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a function printed."""

    function: str
    request_id: str
    text: str


class Runner(Protocol):
    """Runs calls. `start` may end the call before it returns, or later from the event loop."""

    def watch(self, sink: Callable[[LogLine], None]) -> None:
        """Give each line that functions print to `sink`."""

    def has_room(self, function: FunctionSpec) -> bool:
        """Tell whether an instance of the function is free or can be made."""

    def start(self, call: Call, done: Callable[[Result], None]) -> None:
        """Run a call for which there is room, and give its result to `done` once."""

    def kill_one(self, function: str | None) -> bool:
        """Kill an instance, a busy one if there is one; False where there is none."""

    async def open(self) -> None:
        """Make ready; the event loop runs."""

    async def prewarm(self, call: Call, count: int) -> int:
        """Make `count` instances ready for the call's function, if the caps allow; tell how many are."""

    async def close(self) -> None:
        """End every instance."""


def instance_cap(function: FunctionSpec, instances: int) -> int:
    """Tell how many instances a function may have at once: one request runs in one instance."""
    reserved = function.reserved_concurrency
    return instances if reserved is None else min(instances, reserved)


def failure(outcome: Outcome, message: str, kind: str, *, cold: bool = False, log: bytes = b"") -> Result:
    """Make the result of a call whose process did not answer."""
    body = json.dumps({"errorMessage": message, "errorType": kind}).encode()
    return Result(outcome, body, cold, log)


def timed_out(seconds: float, *, cold: bool = False, log: bytes = b"") -> Result:
    """Make the result of a call that ran past its time limit."""
    message = f"Function time out after {seconds:g} seconds"
    return failure(Outcome.TIMEOUT, message, "FunctionTimeoutError", cold=cold, log=log)


def exited(*, cold: bool = False, log: bytes = b"") -> Result:
    """Make the result of a call whose process ended before it answered."""
    message = "Process exited unexpectedly before completing request"
    return failure(Outcome.EXITED, message, "FunctionExitedError", cold=cold, log=log)


class NoProcesses:
    """The half of a runner that has nothing to do where calls run in this process."""

    def watch(self, sink: Callable[[LogLine], None]) -> None:
        """Do nothing: what functions print goes to this process's own output."""

    def kill_one(self, function: str | None) -> bool:  # noqa: ARG002 - the runner's surface
        """Kill nothing: there is no process of its own to kill."""
        return False

    async def open(self) -> None:
        """Do nothing: there is nothing to make ready."""

    async def prewarm(self, call: Call, count: int) -> int:  # noqa: ARG002 - the runner's surface
        """Warm nothing."""
        return 0

    async def close(self) -> None:
        """Do nothing: there is no instance to end."""


@dataclass
class CallableRunner(NoProcesses):
    """Runs plain functions in this process, each call to its end before `start` returns.

    Made for a virtual clock: a handler may move the clock, and calls that fall due meanwhile run inside it,
    up to `instances` of one function; the time they take does not count against the limit of the call they
    run inside, since on the platform they would run beside it. Keys are always on the context, since the
    environment belongs to the process. What handlers print is not collected.
    """

    clock: Clock
    handlers: Mapping[str, Handler]
    initializers: Mapping[str, Initializer] = field(default_factory=dict)
    instances: int = 100
    _busy: Counter[str] = field(default_factory=Counter)
    _idle: Counter[str] = field(default_factory=Counter)
    _inner_seconds: list[float] = field(default_factory=list)

    def has_room(self, function: FunctionSpec) -> bool:
        """Tell whether fewer calls of the function run than its cap."""
        return self._busy[function.name] < instance_cap(function, self.instances)

    def start(self, call: Call, done: Callable[[Result], None]) -> None:
        """Run the call now."""
        name = call.function.name
        cold = not self._idle[name]
        if not cold:
            self._idle[name] -= 1
        self._busy[name] += 1
        survives = False
        try:
            result, own_seconds = self._timed(call, cold=cold)
            if own_seconds > call.function.timeout_seconds:
                result = timed_out(call.function.timeout_seconds, cold=cold)
            survives = result.outcome in (Outcome.OK, Outcome.ERROR)
        finally:
            self._busy[name] -= 1
            self._idle[name] += survives
        done(result)

    def _timed(self, call: Call, *, cold: bool) -> tuple[Result, float]:
        """Run a call, and tell how many seconds it took without the calls that ran inside it."""
        started = self.clock.now()
        self._inner_seconds.append(0.0)
        try:
            result = self._run(call, cold=cold)
        finally:
            seconds, inner = self.clock.now() - started, self._inner_seconds.pop()
            if self._inner_seconds:
                self._inner_seconds[-1] += seconds
        return result, seconds - inner

    def _run(self, call: Call, *, cold: bool) -> Result:
        function = call.function
        context = make_context({**call.context, "credentials": call.credentials.facts()})
        try:
            if cold and function.name in self.initializers:
                self.initializers[function.name](context)
            body = encode_result(self.handlers[function.name](call.event, context))
        except Killed:
            return exited(cold=cold)
        except Exception as error:  # noqa: BLE001 - whatever the handler raises is its result
            return Result(Outcome.ERROR, json.dumps(describe_error(error)).encode(), cold)
        return Result(Outcome.OK, body, cold)
