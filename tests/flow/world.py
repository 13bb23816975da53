"""A whole world on a virtual clock: the local cloud in process, and function instances that use it."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from scripts.cloudprocess import environment_of
from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import CdnCall, rule
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request, Response
from shared import flow, logs, wiring
from shared.core.site.sitefile import read_sites
from shared.core.task.codec import encode_submission, encode_tasks
from shared.core.task.model import Batch, Kind, Task, digest
from shared.core.task.notes import Place, notes_of
from shared.core.task.stored import accepted_key
from shared.core.task.waits import READY
from shared.settings import read_settings

START = 1_789_970_000.25
"""13:53 in China, so that no test meets the daily reset by accident."""

SITES = """
sites:
  - bucket: content
    domains: [static.example.com]
"""


@dataclass
class Function:
    """The part of a context that names the function."""

    name: str = "object_created"
    timeout: int = 60


@dataclass
class Keys:
    """Temporary keys as the runtime of Python 3.10 hands them over."""

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None


@dataclass
class Context:
    """What Function Compute passes beside the event."""

    request_id: str
    credentials: Keys
    function: Function = field(default_factory=Function)


FUNCTION_SECONDS = 60.0
LATENCIES = {"cdn": 0.08, "oss": 0.008, "sls": 0.02}
"""What calls take in a region's own network, roughly."""


@dataclass
class _Limit:
    at: float
    was_reached: bool = False


class Killed(BaseException):
    """The platform ends an invocation at its time limit."""


class World:
    """The local cloud, the events it has told, and function instances to deliver them to.

    `calls` counts requests by service and method; `before` and `after` may be set to look at, or
    interfere with, each request.
    """

    def __init__(
        self,
        sites: str = SITES,
        options: Options | None = None,
        env: Mapping[str, str] | None = None,
        start: float = START,
    ) -> None:
        self.clock = VirtualClock(start)
        self.options = options or Options()
        self.cloud = LocalCloud(self.options, self.clock)
        self.events: list[dict[str, Any]] = []
        self.cloud.on_changed.append(self._told)
        self.calls: Counter[str] = Counter()
        self.trace: list[str] = []
        self.after: Callable[[str, Request], None] = lambda _service, _request: None
        self._refusals: list[tuple[str, Callable[[Request], bool]]] = []
        self.log = io.StringIO()
        self.killed = 0
        self._env = {**environment_of(self.options.facts_in_process()), **(env or {})}
        self.sites = sites
        self.requests = 0
        self.instance = self.new_instance()

    def new_instance(
        self,
        sites: str | None = None,
        *,
        unconnected: bool = False,
        faults: tuple[str, ...] = (),
        behind_seconds: float = 0.0,
    ) -> wiring.Instance:
        """Start another function instance: nothing is in its memory.

        One that is `unconnected` gets no connection to the CDN; `faults` are what is wrong with its settings; its
        machine's clock may be behind.
        """
        settings = read_settings(self._env)
        return wiring.build(
            settings,
            read_sites(sites or self.sites),
            cdn_transport=httpx.MockTransport(self._no_way)
            if unconnected
            else HttpxTransport(self._watched("cdn"), self.clock),
            oss_adapter=RequestsAdapter(self._watched("oss"), self.clock),
            log_adapter=RequestsAdapter(self._watched("sls"), self.clock),
            clock=lambda: self.clock.now() - behind_seconds,
            sleep=self.clock.advance,
            chance=random.Random(7).random,
            report=logs.logger("INFO", self.log),
            readers=1,
            faults=faults,
        )

    def context(self, function: str = "object_created") -> Context:
        """Make the context of one more invocation, with the keys of the functions' role."""
        self.requests += 1
        role = self.cloud.role
        keys = Keys(role.access_key_id, role.access_key_secret, role.security_token)
        return Context(f"request-{self.requests}", keys, Function(function))

    def refuse(self, code: str, match: Callable[[Request], bool]) -> None:
        """Let the CDN refuse every request that matches, with an error code of the vendor's."""
        self._refusals.append((code, match))

    def refuse_no_more(self) -> None:
        """Let the CDN take every request again."""
        self._refusals.clear()

    def watch_calls(self) -> list[CdnCall]:
        """Collect the calls that the CDN gets from now on, also those that it refuses."""
        seen: list[CdnCall] = []

        def see(call: CdnCall) -> bool:
            seen.append(call)
            return False

        self.cloud.cdn.answers.insert(0, rule(Answer(), when=see))
        return seen

    def put(self, key: str, data: bytes = b"new") -> dict[str, Any]:
        """Write an object of the content bucket, as a person would; returns the event OSS told."""
        self.cloud.oss.put(self.options.bucket, key, data)
        return self.events[-1]

    def link(self, key: str, target: str) -> dict[str, Any]:
        """Write a symlink in the content bucket; returns the event OSS told."""
        self.cloud.oss.link(self.options.bucket, key, target)
        return self.events[-1]

    def remove(self, key: str) -> dict[str, Any]:
        """Delete an object of the content bucket; returns the event OSS told."""
        self.cloud.oss.delete(self.options.bucket, key)
        return self.events[-1]

    def deliver(self, event: object, instance: wiring.Instance | None = None) -> Mapping[str, object]:
        """Invoke the OSS function with an event (bytes as they are, anything else as JSON)."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        return wiring.run(instance or self.instance, flow.receive, payload, self.context())

    def tick(self, instance: wiring.Instance | None = None) -> Mapping[str, object]:
        """Invoke the timer's function."""
        return wiring.run(instance or self.instance, flow.retry, b"{}", self.context("retry_failed"))

    def limited_tick(self, instance: wiring.Instance | None = None) -> bool:
        """Invoke the timer's function as the platform does; False where it was ended at its time limit."""
        with self._time_limit() as limit:
            self.tick(instance)
        return not limit.was_reached

    def limited_deliver(self, event: object) -> bool:
        """Invoke the OSS function with an event as the platform does; False where it was ended at its time limit."""
        with self._time_limit() as limit:
            self.deliver(event)
        return not limit.was_reached

    def finish(self, event: object) -> Mapping[str, object]:
        """Invoke the CDN event's function."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        return wiring.run(self.instance, flow.finished, payload, self.context("task_finished"))

    def minutes(self, count: int, step: int = 1) -> None:
        """Let minutes pass, with a tick of the timer after each `step` of them."""
        for _ in range(0, count, step):
            self.clock.advance(60 * step)
            self.tick()

    def limited_minutes(self, count: int) -> None:
        """Ring the timer once a minute, each invocation within its time limit."""
        for _ in range(count):
            began = self.clock.now()
            self.limited_tick()
            self.clock.advance_to(began + 60)

    def spool(self, area: str = "") -> list[str]:
        """List the spool's keys below an area such as `waiting/`, without the prefix."""
        prefix = "cdn-refresh/" + area
        found = [key for key in self.cloud.oss.keys(self.options.spool_bucket) if key.startswith(prefix)]
        return [key.removeprefix("cdn-refresh/") for key in found]

    def spooled(self, key: str) -> Any:
        """Read an object of the spool as JSON."""
        stored = self.cloud.oss.read(self.options.spool_bucket, "cdn-refresh/" + key)
        assert stored is not None
        return json.loads(stored.data)

    def stray(self, key: str, body: bytes) -> None:
        """Write an object below the spool's prefix, as another version or a person would."""
        self.cloud.oss.put(self.options.spool_bucket, "cdn-refresh/" + key, body)

    def wait(self, tasks: Iterable[Task], place: Place | None = None) -> None:
        """Let tasks lie in the spool as if they had been noted some time ago: no call is made for it."""
        for note in notes_of((task, place or Place(READY)) for task in tasks):
            self.stray("waiting/" + note.key.text, encode_tasks(note.tasks))

    def follow(self, tasks: Sequence[Task]) -> None:
        """Let one call be accepted by the CDN and lie in the spool as if it had been made some time ago."""
        now = self.clock.now()
        batch = Batch(digest(*(task.id for task in tasks)), tuple(tasks), now)
        operation = "PushObjectCache" if batch.target.kind is Kind.PREFETCH else "RefreshObjectCaches"
        reply = self.cloud.cdn.carry_out(operation, {"ObjectPath": "\n".join(batch.urls)})
        ids = reply.get("RefreshTaskId") or reply["PushTaskId"]
        submission = batch.accepted((ids,), reply["RequestId"], now)
        self.stray("accepted/" + accepted_key(submission, now + 60), encode_submission(submission))

    def pieces(self) -> list[dict[str, Any]]:
        """List what was given up, piece by piece."""
        return [piece for key in self.spool("dead/") for piece in self.spooled(key)["pieces"]]

    def status(self) -> Any:
        """Read the status that was written last."""
        return self.spooled("report/status.json")

    def alarms(self) -> list[str]:
        """List the alarms that were raised, in order."""
        return [line["alarm"] for line in self.lines() if line["event"] == "alarm"]

    def everything(self) -> str:
        """All that has left the functions as text: their log, the outcome log, the spool's keys and objects."""
        keys = self.cloud.oss.keys(self.options.spool_bucket)
        stored = [self.cloud.oss.read(self.options.spool_bucket, key) for key in keys]
        bodies = [each.data.decode("utf-8", "replace") for each in stored if each is not None]
        return "\n".join([self.log.getvalue(), json.dumps(self.outcomes(), ensure_ascii=False), *keys, *bodies])

    def submitted_urls(self) -> list[str]:
        """List every URL the CDN has accepted, in order, repeated as often as it was spent on."""
        return [row.path for row in self.cloud.cdn.submissions]

    def refresh_calls(self) -> list[Any]:
        """List the refresh calls that the CDN has seen."""
        return [call for call in self.cloud.cdn.calls if call.operation == "RefreshObjectCaches"]

    def accepted_at(self) -> dict[str, float]:
        """Tell when each URL was accepted first."""
        found: dict[str, float] = {}
        for row in self.cloud.cdn.submissions:
            found.setdefault(row.path, row.moment)
        return found

    def outcomes(self) -> list[dict[str, str]]:
        """List the records in the log store."""
        return self.cloud.sls.logs(self.options.log_project, self.options.logstore)

    def results(self) -> Counter[str]:
        """Count the records in the log store by result."""
        return Counter(record["result"] for record in self.outcomes())

    def lines(self) -> list[dict[str, Any]]:
        """List what the functions printed."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    @contextmanager
    def _time_limit(self) -> Iterator[_Limit]:
        """End what runs inside once a reply comes after the function's time limit."""
        limit = _Limit(self.clock.now() + FUNCTION_SECONDS)
        watched = self.after

        def end_at_limit(service: str, request: Request) -> None:
            watched(service, request)
            if self.clock.now() > limit.at:
                raise Killed

        self.after = end_at_limit
        try:
            yield limit
        except Killed:
            limit.was_reached = True
            self.killed += 1
        finally:
            self.after = watched

    def _no_way(self, request: httpx.Request) -> httpx.Response:
        """Let a connection take its time and fail."""
        self.clock.advance(3.0)
        message = "timed out"
        raise httpx.ConnectTimeout(message, request=request)

    def _told(self, payload: dict[str, Any]) -> None:
        if payload["events"][0]["oss"]["bucket"]["name"] == self.options.bucket:
            self.events.append(payload)

    def _watched(self, service: str) -> Callable[[Request], Response]:
        handle = self.cloud.handle_for(service)

        def watched(request: Request) -> Response:
            refused = [code for code, match in self._refusals if service == "cdn" and match(request)]
            response = _refusal(refused[0]) if refused else handle(request)
            assert isinstance(response, Response)
            self.calls[service] += 1
            what = request.header("x-acs-action") or f"{request.path} {request.query}"
            self.trace.append(f"{service} {request.method} {what}")
            self.after(service, request)
            return response

        return watched


def _refusal(code: str) -> Response:
    body = {"Code": code, "Message": f"refused: {code}", "RequestId": "refused", "HostId": "cdn.aliyuncs.com"}
    return Response(400, {"content-type": "application/json"}, json.dumps(body).encode())
