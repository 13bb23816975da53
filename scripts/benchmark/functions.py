"""Services and a virtual clock in; our functions, run as the platform does and counted, out.

Rules:

1. Each function has an instance of its own, which stays warm until it is killed.
2. A function that works on past its time limit is killed: nothing of it runs any more, not even what would clean up.
3. Objects are read and written one after another here, where an instance has sixteen threads for it: on a clock that
   each reply moves on, the figures are those of a slower function.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from scripts.cloudprocess import environment_of
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request, Response, Service
from shared import flow, logs, wiring
from shared.core.site.sitefile import read_sites
from shared.flow.note import note_events
from shared.settings import read_settings

LIMIT_SECONDS = 60.0


class Killed(BaseException):
    """The platform ended an invocation at its time limit."""


@dataclass(frozen=True)
class Function:
    """The part of a context that names the function."""

    name: str
    timeout: float


@dataclass(frozen=True)
class Keys:
    """Temporary keys as the runtime of Python 3.10 hands them over."""

    access_key_id: str
    access_key_secret: str
    security_token: str = ""


@dataclass(frozen=True)
class Context:
    """What Function Compute passes beside the event."""

    request_id: str
    credentials: Keys
    function: Function


class Functions:
    """The functions of one deployment, for some domains. `calls` counts requests by service, `killed` invocations."""

    def __init__(
        self,
        facts: Mapping[str, str],
        services: Mapping[str, Service],
        clock: VirtualClock,
        *,
        domains: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.invocations = self.killed = 0
        self.clock = clock
        self._facts, self._services = facts, {name: self._limited(name, each) for name, each in services.items()}
        sites = {"sites": [{"bucket": facts["bucket"], "domains": list(domains or [facts["domain"]])}]}
        self._sites = read_sites(json.dumps(sites))
        self._settings = read_settings({**environment_of(facts), **(settings or {})})
        self._instances: dict[str, wiring.Instance] = {}
        self._until = float("inf")

    def receive(self, event: bytes) -> None:
        """Deliver an event of OSS."""
        self._invoke("object_created", flow.receive, event)

    def note(self, event: bytes) -> None:
        """Deliver an event of OSS while somebody else holds the lease: it is noted, and that is all."""
        self._invoke("object_created", _note, event)

    def tick(self) -> None:
        """Let the timer ring."""
        self._invoke("retry_failed", flow.retry, b"{}")

    def finished(self, event: bytes) -> None:
        """Deliver an event of the CDN."""
        self._invoke("task_finished", flow.finished, event)

    def instance(self, function: str) -> wiring.Instance:
        """Give the instance of a function, started where there is none."""
        if function not in self._instances:
            self._instances[function] = self._started()
        return self._instances[function]

    def _started(self) -> wiring.Instance:
        return wiring.build(
            self._settings,
            self._sites,
            cdn_transport=HttpxTransport(self._services["cdn"], self.clock),
            oss_adapter=RequestsAdapter(self._services["oss"], self.clock),
            log_adapter=RequestsAdapter(self._services["sls"], self.clock),
            clock=self.clock.now,
            sleep=self._sleep,
            chance=random.Random(1).random,  # noqa: S311 - a workload, the same in each run
            report=logs.logger("ERROR", io.StringIO()),
            readers=1,
        )

    def _invoke(self, name: str, step: wiring.Step, event: bytes) -> None:
        self.invocations += 1
        keys = Keys(self._facts["access_key_id"], self._facts["access_key_secret"])
        context = Context(f"bench-{self.invocations}", keys, Function(name, LIMIT_SECONDS))
        self._until = self.clock.now() + LIMIT_SECONDS
        try:
            wiring.run(self.instance(name), step, event, context)
            self._live(0.0)
        except Killed:
            self.killed += 1
            del self._instances[name]
        finally:
            self._until = float("inf")

    def _limited(self, name: str, service: Service) -> Callable[[Request], Response]:
        """Count what a service is asked; where the time limit is over, nothing more is."""

        def answer(request: Request) -> Response:
            self._live(0.0)
            self.calls[name] += 1
            response = service(request)
            if not isinstance(response, Response):
                raise TypeError(f"{name} answers later: it can only be served by a socket")
            return response

        return answer

    def _sleep(self, seconds: float) -> None:
        self._live(seconds)
        self.clock.advance(seconds)

    def _live(self, seconds: float) -> None:
        """Go on if the invocation still runs in so many seconds; else it is killed when its time is over."""
        if self.clock.now() + seconds >= self._until:
            self.clock.advance_to(self._until)
            raise Killed


def _note(kit: flow.Kit, event: bytes, run: flow.Invocation) -> Mapping[str, object]:
    return note_events(kit, [event], run).summary


def event_of(facts: Mapping[str, str], keys: Sequence[str], at: float, etag: str = "AB") -> bytes:
    """Write an event that tells of some overwritten objects at a time (epoch seconds)."""
    when = _iso(at)
    told: list[dict[str, Any]] = [
        {
            "eventName": "ObjectCreated:PutObject",
            "eventSource": "acs:oss",
            "eventTime": when,
            "oss": {
                "bucket": {"name": facts["bucket"]},
                "object": {"key": key, "size": 3, "deltaSize": 0, "eTag": etag},
            },
            "responseElements": {"requestId": f"{etag}-{key}"},
        }
        for key in keys
    ]
    return json.dumps({"events": told}).encode()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
