"""Functions: triggers, timers and requests go in; invocations, retried as the platform does, come out.

Everything is a callback of the clock or of the runner, so the same host works on a virtual clock with
functions in this process, and in an event loop with a process per instance.

1. An asynchronous event waits in the queue of its function until an instance is free.
2. After an error of the function it is tried again, as often as its settings say, until it is too old.
3. A synchronous call is tried once; where reserved concurrency is used up it is refused, not queued.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from scripts.localcloud.clock import Clock
from scripts.localcloud.fc.api import FunctionApi
from scripts.localcloud.fc.context import Place, make_call
from scripts.localcloud.fc.run import Call, Credentials, LogLine, Outcome, Result, Runner, failure
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.fc.triggers import CdnTrigger, OssTrigger, TimerTrigger
from scripts.localcloud.web import Request, Response

INVOCATIONS_KEPT_MAX = 100_000
LOG_LINES_KEPT_MAX = 10_000
IDLE_POLL_SECONDS_MAX = 0.25
RETRIED = (Outcome.ERROR, Outcome.TIMEOUT, Outcome.EXITED)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How the host treats what it delivers."""

    retry_delays_seconds: Sequence[float] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
    """Before the first, second, ... retry; the last one repeats. The platform does not publish its own."""
    duplicate_rate: float = 0.0
    """The share of triggered events that are delivered twice."""
    delay_seconds: tuple[float, float] = (0.0, 0.0)
    """Each delivery waits between these; a wide range brings events out of order."""
    credentials: Callable[[], Credentials] | None = None
    """Gives the keys of the functions' role at each invocation; by default the host's first key."""
    show: Callable[[LogLine], None] | None = None
    """Sees each line that functions print, at once."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One attempt to run a function, as it ended. Times are epoch seconds."""

    function: str
    request_id: str
    cause: str
    """The trigger's name, or `sync` or `async` for a request."""
    attempt: int
    enqueued: float
    started: float
    ended: float
    outcome: Outcome
    error: str
    cold: bool


@dataclass(frozen=True, slots=True)
class Work:
    """One event on its way to a function. With `reply` somebody waits for the result."""

    function: FunctionSpec
    request_id: str
    event: bytes
    cause: str
    enqueued: float
    attempt: int = 1
    reply: Callable[[Result], None] | None = None


class FunctionHost:
    """Hosts the functions of one service.

    `environment` is given to every function beside its own variables, and wins over them: the place for the
    addresses of the other local services. `invocations` and `log_lines` are the books, newest last.
    """

    def __init__(  # noqa: PLR0913 - all by name, and each a separate thing
        self,
        clock: Clock,
        *,
        keys: Mapping[str, str],
        account_id: str,
        region: str,
        service: str,
        functions: Iterable[FunctionSpec],
        runner: Runner,
        rng: Random,
        options: HostOptions | None = None,
    ) -> None:
        self.functions = {function.name: function for function in functions}
        self.service = service
        self.environment: dict[str, str] = {}
        self.invocations: deque[Invocation] = deque(maxlen=INVOCATIONS_KEPT_MAX)
        self.log_lines: deque[LogLine] = deque(maxlen=LOG_LINES_KEPT_MAX)
        self._clock = clock
        self._keys = keys
        self._place = Place(account_id, region, service)
        self._runner = runner
        self._rng = rng
        self._options = options or HostOptions()
        self._made_at = clock.now()
        self._queues: dict[str, deque[Work]] = {name: deque() for name in self.functions}
        self._running: Counter[str] = Counter()
        self._open = 0
        self._pumping = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._api = FunctionApi(self, clock, keys)
        runner.watch(self._note_line)
        self._arm_timers()

    # -- requests ----------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Answer one request of the API; a synchronous invocation may be answered later."""
        return self._api.handle(request)

    def fault_response(self, kind: str, request: Request) -> Response:
        """Answer as the service does when it throttles (`throttle`) or fails (`server_error`)."""
        return self._api.fault_response(kind, request)

    def new_request_id(self) -> str:
        """Make an id of the platform's form."""
        digits = f"{self._rng.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def is_throttled(self, function: str) -> bool:
        """Tell whether the function uses up its reserved concurrency."""
        reserved = self.functions[function].reserved_concurrency
        return reserved is not None and self._running[function] >= reserved

    def invoke_async(self, function: str, event: bytes) -> str:
        """Queue one event, and give the request id of its invocation."""
        return self._deliver(self.functions[function], event, "async", 0.0)

    def invoke(self, function: str, event: bytes, reply: Callable[[Result], None]) -> str:
        """Run one event ahead of the queue, and give its result to `reply`, maybe before this returns."""
        spec, now = self.functions[function], self._clock.now()
        work = Work(spec, self.new_request_id(), event, "sync", now, reply=reply)
        self._open += 1
        self._queues[function].appendleft(work)
        self._pump()
        return work.request_id

    # -- triggers ----------------------------------------------------------------------------------

    def deliver_oss(self, payload: Mapping[str, Any]) -> None:
        """Give the payload of a change in a bucket to each function that has a trigger for it."""
        self._deliver_matching(OssTrigger, payload)

    def deliver_cdn(self, payload: Mapping[str, Any]) -> None:
        """Give the payload of a CDN event to each function that has a trigger for it."""
        self._deliver_matching(CdnTrigger, payload)

    def _deliver_matching(self, kind: type[OssTrigger | CdnTrigger], payload: Mapping[str, Any]) -> None:
        for function in self.functions.values():
            for trigger in function.triggers:
                if isinstance(trigger, kind):
                    events = [event for event in payload["events"] if trigger.matches(event)]
                    if events:
                        self._deliver_copies(function, trigger.name, {**payload, "events": events})

    def _deliver_copies(self, function: FunctionSpec, cause: str, payload: Mapping[str, Any]) -> None:
        event = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        for _ in range(2 if self._rng.random() < self._options.duplicate_rate else 1):
            self._deliver(function, event, cause, self._rng.uniform(*self._options.delay_seconds))

    def _deliver(self, function: FunctionSpec, event: bytes, cause: str, delay: float) -> str:
        work = Work(function, self.new_request_id(), event, cause, self._clock.now())
        self._open += 1
        self._later(delay, lambda: self._enqueue(work))
        return work.request_id

    def _arm_timers(self) -> None:
        for function in self.functions.values():
            for trigger in function.triggers:
                if isinstance(trigger, TimerTrigger) and trigger.enabled:
                    self._arm(function, trigger, self._made_at)

    def _arm(self, function: FunctionSpec, trigger: TimerTrigger, after: float) -> None:
        when = trigger.schedule.next_after(after, self._made_at)
        self._clock.call_at(when, lambda: self._ring(function, trigger, when))

    def _ring(self, function: FunctionSpec, trigger: TimerTrigger, when: float) -> None:
        """Deliver what a timer says; rings that passed meanwhile are skipped, not caught up on."""
        if self._closed:
            return
        self._arm(function, trigger, max(when, self._clock.now()))
        said = {
            "triggerTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)),
            "triggerName": trigger.name,
            "payload": trigger.payload,
        }
        self._deliver(function, json.dumps(said, ensure_ascii=False).encode(), trigger.name, 0.0)

    # -- the queue ---------------------------------------------------------------------------------

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` from the clock, never inside the caller; in an event loop do not await its tick."""
        self._clock.call_at(self._clock.now() + seconds, action)
        if self._loop is not None and seconds <= 0:
            self._loop.call_soon(self._clock.run_due)

    def _enqueue(self, work: Work) -> None:
        if self._closed:
            self._close_work(work, failure(Outcome.DROPPED, "the host was closed", "HostClosed"))
            return
        self._queues[work.function.name].append(work)
        self._pump()

    def _pump(self) -> None:
        """Start what can start. A call that ends at once returns here, and the outermost loop goes on."""
        self._pumping += 1
        try:
            while (work := self._next()) is not None:
                self._start(work)
        finally:
            self._pumping -= 1

    def _next(self) -> Work | None:
        """Take the oldest event for which there is room off its queue; one that is too old ends here."""
        while not self._closed:
            ready = [queue for queue in self._queues.values() if queue and self._has_room(queue[0])]
            if not ready:
                break
            work = min(ready, key=lambda queue: queue[0].enqueued).popleft()
            if not self._is_too_old(work, self._clock.now()):
                return work
            self._conclude(work, failure(Outcome.EXPIRED, "the event is too old", "EventExpired"))
        return None

    def _has_room(self, work: Work) -> bool:
        return self._runner.has_room(work.function)

    def _start(self, work: Work) -> None:
        started = self._clock.now()
        self._running[work.function.name] += 1
        call = self._call(work.function, work.request_id, work.event)
        self._runner.start(call, lambda result: self._finished(work, started, result))

    def _call(self, function: FunctionSpec, request_id: str, event: bytes) -> Call:
        credentials = self._options.credentials or self._first_key
        call = make_call(self._place, function, request_id, event, credentials())
        return replace(call, environment={**call.environment, **self.environment})

    def _first_key(self) -> Credentials:
        key_id = next(iter(self._keys))
        return Credentials(key_id, self._keys[key_id], "local-security-token")

    def _finished(self, work: Work, started: float, result: Result) -> None:
        self._running[work.function.name] -= 1
        self._record(work, started, result)
        if not self._is_retried(work, result):
            self._close_work(work, result)
        elif self._is_too_old(work, self._clock.now() + self._retry_delay(work)):
            self._conclude(work, failure(Outcome.EXPIRED, "the event is too old for a retry", "EventExpired"))
        else:
            again = replace(work, attempt=work.attempt + 1)
            self._later(self._retry_delay(work), lambda: self._enqueue(again))
        if not self._pumping:
            self._pump()

    def _is_retried(self, work: Work, result: Result) -> bool:
        left = work.attempt <= work.function.retries_max
        return left and work.reply is None and result.outcome in RETRIED and not self._closed

    def _conclude(self, work: Work, result: Result) -> None:
        """End an event that will not run (again)."""
        self._record(work, self._clock.now(), result)
        self._close_work(work, result)

    def _close_work(self, work: Work, result: Result) -> None:
        self._open -= 1
        if work.reply is not None:
            work.reply(result)
        if self._changed is not None:
            self._changed.set()

    def _retry_delay(self, work: Work) -> float:
        delays = self._options.retry_delays_seconds
        return delays[min(work.attempt, len(delays)) - 1]

    def _is_too_old(self, work: Work, when: float) -> bool:
        return work.reply is None and when - work.enqueued > work.function.event_age_seconds_max

    # -- books -------------------------------------------------------------------------------------

    def pending(self) -> int:
        """Count the events accepted and not at their end: delayed, queued, running or to be retried."""
        return self._open

    def _record(self, work: Work, started: float, result: Result) -> None:
        self.invocations.append(
            Invocation(
                function=work.function.name,
                request_id=work.request_id,
                cause=work.cause,
                attempt=work.attempt,
                enqueued=work.enqueued,
                started=started,
                ended=self._clock.now(),
                outcome=result.outcome,
                error=result.error,
                cold=result.cold,
            )
        )

    def _note_line(self, line: LogLine) -> None:
        self.log_lines.append(line)
        if self._options.show is not None:
            self._options.show(line)

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the runner ready and run what already waits; the event loop runs."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        await self._runner.open()
        self._pump()

    async def prewarm(self, function: str, count: int) -> int:
        """Make `count` instances of a function ready, as far as the caps allow; tell how many are."""
        return await self._runner.prewarm(self._call(self.functions[function], self.new_request_id(), b""), count)

    def kill_one(self, function: str | None = None) -> bool:
        """Kill an instance, a busy one if there is one, with no warning to it; False where there is none."""
        return self._runner.kill_one(function)

    async def wait_idle(self) -> None:
        """Wait until nothing is pending, running what falls due meanwhile; timers do not count."""
        while self._open and self._changed is not None:
            self._changed.clear()
            self._clock.run_due()
            due = self._clock.next_due()
            wait = IDLE_POLL_SECONDS_MAX if due is None else due - self._clock.now()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(max(wait, 0.001), IDLE_POLL_SECONDS_MAX))

    async def close(self) -> None:
        """Stop timers, drop what waits, and end every instance."""
        self._closed = True
        for queue in self._queues.values():
            while queue:
                self._close_work(queue.popleft(), failure(Outcome.DROPPED, "the host was closed", "HostClosed"))
        await self._runner.close()
