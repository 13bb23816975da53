"""Everything that leaves a function instance passes here: it takes time, others run meanwhile, and it may go wrong.

Each call is one moment at the service, between the way there and the way back. An instance may die on either.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeVar

from scripts.localcloud.cdn import reply as cdn_reply
from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.fc.run import Killed
from scripts.localcloud.web import Request, Response, Service
from scripts.simulation.faults import SLEEP, Chances, Incident
from scripts.simulation.scheduler import Hub, Life

T = TypeVar("T")
LATENCY_SECONDS = {"oss": (0.004, 0.04), "cdn": (0.03, 0.3), "sls": (0.005, 0.06)}
SLOW_SECONDS = 12.0
"""Longer than the ten seconds that the CDN's client waits."""


class Outside:
    """The way from one instance to the services. `request_id` names the invocation that runs in it."""

    def __init__(self, hub: Hub, chances: Chances, rng: Random, incidents: list[Incident]) -> None:
        self.life = Life()
        self.request_id = ""
        self._hub, self._chances, self._rng, self._incidents = hub, chances, rng, incidents

    def sleep(self, seconds: float) -> None:
        """Let a function wait; it may die meanwhile."""
        if self._befalls(SLEEP, "sleep"):
            self._die()
        self._pause(seconds)

    def call(self, service: str, operation: str, effect: Callable[[str], T]) -> T:
        """Carry out one call. `effect` is told what goes wrong (a kind of fault, or nothing) and acts on it."""
        kind = self._befalls(service, operation)
        if kind == "kill.before":
            self._die()
        shortest, longest = LATENCY_SECONDS[service]
        self._pause(self._rng.uniform(shortest, longest) / 2)
        try:
            return effect(kind)
        finally:
            if kind == "kill.after":
                self._die()
            self._pause(self._rng.uniform(shortest, longest) / 2)

    def wrapped(self, service: str, handle: Service, name: Callable[[Request], str]) -> Service:
        """Give a service as this instance sees it, for the adapters that carry whole requests."""

        def handle_from_here(request: Request) -> Response:
            return self.call(service, name(request), lambda kind: _answer(kind, handle, request, self._rng))

        return handle_from_here

    def _befalls(self, service: str, operation: str) -> str:
        if not self.life.alive:
            raise Killed
        kind = self._chances.befalls(service, operation)
        if kind:
            self._incidents.append(Incident(self._hub.clock.now(), kind, operation, self.request_id))
        return kind

    def _pause(self, seconds: float) -> None:
        if not self.life.alive:
            raise Killed
        self._hub.pause(seconds)

    def _die(self) -> None:
        self.life.alive = False
        raise Killed


def _answer(kind: str, handle: Service, request: Request, rng: Random) -> Response:
    """Let a service answer a request, or what befalls it."""
    fault = kind.rpartition(".")[2]
    if fault in {"throttle", "minute", "server_error"}:
        return _refusal(kind)
    if fault == "refused":
        return Response(lost=True)
    if fault == "internal" and rng.random() < 0.5:
        return _internal_error()
    response = handle(request)
    if not isinstance(response, Response):
        raise TypeError("Services in process answer at once.")
    return {
        "internal": _internal_error(),
        "lost": Response(lost=True),
        "slow": replace(response, delay_seconds=SLOW_SECONDS),
        "carried_out": _refusal("cdn.server_error"),
    }.get(fault, response)


def _refusal(kind: str) -> Response:
    service, _, fault = kind.partition(".")
    if service == "cdn":
        code = {"throttle": "Throttling.User", "minute": "QuotaPerMinuteExceeded.Refresh"}.get(
            fault, "ServiceUnavailable"
        )
        return cdn_reply.refusal("FAULT", RefusedError(code, what="refresh"), as_xml=False)
    if service == "sls":
        body = json.dumps({"errorCode": "ServerBusy", "errorMessage": "The server is busy."}).encode()
        return Response(503, {"content-type": "application/json", "x-log-requestid": "FAULT"}, body)
    body = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"
    return Response(500, {"content-type": "application/xml", "x-oss-request-id": "FAULT"}, body)


def _internal_error() -> Response:
    body = {"RequestId": "FAULT", "HostId": "cdn.aliyuncs.com", "Code": "InternalError", "Message": "It failed."}
    return Response(500, {"content-type": "application/json"}, json.dumps(body).encode())
