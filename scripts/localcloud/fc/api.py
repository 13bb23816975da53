"""Requests of Function Compute's API go in, replies come out: invocations, and a little about the functions.

Two versions of the API are spoken: 2016-08-15 (`/services/S/functions/F`, as aliyun-fc2 asks) and 2023-03-30
(`/functions/F`). An error of the function is no error of the request: status 200, with `X-Fc-Error-Type`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from scripts.localcloud.clock import Clock
from scripts.localcloud.fc import auth as fc_auth
from scripts.localcloud.fc.run import Outcome, Result
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.web import Request, Response, parse_pairs

VERSION_2, VERSION_3 = "2016-08-15", "2023-03-30"
QUALIFIERS = ("", "LATEST")
SYNC_PAYLOAD_BYTES_MAX = 32 * 1024 * 1024
ASYNC_PAYLOAD_BYTES_MAX = 128 * 1024
UNHANDLED = "UnhandledInvocationError"


class Host(Protocol):
    """What the API needs of the function host."""

    functions: dict[str, FunctionSpec]
    service: str

    def new_request_id(self) -> str:
        """Make an id of the platform's form."""

    def is_throttled(self, function: str) -> bool:
        """Tell whether the function uses up its reserved concurrency."""

    def invoke_async(self, function: str, event: bytes) -> str:
        """Queue one event, and give the request id of its invocation."""

    def invoke(self, function: str, event: bytes, reply: Callable[[Result], None]) -> str:
        """Run one event, and give its result to `reply`, maybe before this returns."""


class ApiError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names; `function` is empty where it names all of them."""

    version: str
    function: str
    operation: str


class FunctionApi:
    """Answers requests for one host."""

    def __init__(self, host: Host, clock: Clock, keys: Mapping[str, str]) -> None:
        self._host = host
        self._clock = clock
        self._keys = keys

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Answer one request; a synchronous invocation may be answered later."""
        refusal = fc_auth.check(request, self._keys, self._clock.now())
        if refusal is not None:
            return self._error(request, ApiError(refusal.status, refusal.code, refusal.message))
        try:
            return self._routed(request)
        except ApiError as error:
            return self._error(request, error)

    def fault_response(self, kind: str, request: Request) -> Response:
        """Answer as the service does when it throttles (`throttle`) or fails (`server_error`)."""
        faults = {
            "throttle": ApiError(429, "ResourceThrottled", "the resource is throttled"),
            "server_error": ApiError(500, "InternalServerError", "an internal error has occurred"),
        }
        return self._error(request, faults[kind])

    def _error(self, request: Request, error: ApiError) -> Response:
        request_id = self._host.new_request_id()
        body = {"ErrorCode": error.code, "ErrorMessage": str(error)}
        if request.path.startswith(f"/{VERSION_3}/"):
            body = {"Code": error.code, "Message": str(error), "RequestId": request_id}
        return _json_response(error.status, request_id, body)

    def _routed(self, request: Request) -> Response | Awaitable[Response]:
        target = self._target(request)
        if request.method == "POST" and target.operation == "invocations":
            return self._invocation(request, target.function)
        if request.method == "GET" and not target.operation:
            return _json_response(200, self._host.new_request_id(), self._description(request, target))
        raise ApiError(400, "PathNotSupported", f"'{request.method}' against '{request.path}' is not supported")

    def _target(self, request: Request) -> Target:
        """Read a path; what it names must exist."""
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if parts[0] == VERSION_2 and parts[1:2] == ["services"]:
            if len(parts) > 2:
                self._check_service(parts[2])
            return self._checked(VERSION_2, parts[3:])
        if parts[0] == VERSION_3 and parts[1:2] == ["functions"]:
            self._check_qualifier(dict(parse_pairs(request.query)).get("qualifier", ""))
            return self._checked(VERSION_3, parts[1:])
        raise ApiError(400, "PathNotSupported", f"'{request.method}' against '{request.path}' is not supported")

    def _checked(self, version: str, rest: list[str]) -> Target:
        """Read what follows a service: `functions`, then a name, then `invocations`, each optional."""
        name, operation = (rest[1] if len(rest) > 1 else ""), "/".join(rest[2:])
        if rest and rest[0] != "functions":
            operation = "/".join(rest)
        name = name.removeprefix(f"{self._host.service}$")
        if name and name not in self._host.functions:
            where = f" in service '{self._host.service}'" if version == VERSION_2 else ""
            raise ApiError(404, "FunctionNotFound", f"function '{name}' does not exist{where}")
        return Target(version, name, operation)

    def _check_service(self, text: str) -> None:
        service, _, qualifier = text.partition(".")
        if service != self._host.service:
            raise ApiError(404, "ServiceNotFound", f"service '{service}' does not exist")
        self._check_qualifier(qualifier)

    def _check_qualifier(self, qualifier: str) -> None:
        if qualifier not in QUALIFIERS:
            message = f"alias '{qualifier}' of service '{self._host.service}' does not exist"
            raise ApiError(404, "AliasNotFound", message)

    def _invocation(self, request: Request, function: str) -> Response | Awaitable[Response]:
        kind = request.header("x-fc-invocation-type", "Sync")
        if kind not in ("Sync", "Async"):
            raise ApiError(400, "InvalidArgument", f"invocation type '{kind}' is neither Sync nor Async")
        limit = ASYNC_PAYLOAD_BYTES_MAX if kind == "Async" else SYNC_PAYLOAD_BYTES_MAX
        if len(request.body) > limit:
            message = f"payload size exceeds maximum allowed size ({limit} bytes)"
            raise ApiError(400, "EntityTooLarge", message)
        if kind == "Async":
            return Response(202, {"x-fc-request-id": self._host.invoke_async(function, request.body)})
        if self._host.is_throttled(function):
            raise ApiError(429, "ResourceThrottled", "the function's reserved concurrency is used up")
        return self._invoked(function, request.body, tail=request.header("x-fc-log-type") == "Tail")

    def _invoked(self, function: str, event: bytes, *, tail: bool) -> Response | Awaitable[Response]:
        """Answer at once where the function already has, and else when it does."""
        results: list[Result] = []
        later: list[asyncio.Future[Response]] = []

        def reply(result: Result) -> None:
            results.append(result)
            if later and not later[0].done():
                later[0].set_result(_result_response(request_id, result, tail=tail))

        request_id = self._host.invoke(function, event, reply)
        if results:
            return _result_response(request_id, results[0], tail=tail)
        later.append(asyncio.get_running_loop().create_future())
        return later[0]

    def _description(self, request: Request, target: Target) -> dict[str, Any]:
        functions = [_described(function) for function in self._host.functions.values()]
        if target.function:
            return _described(self._host.functions[target.function])
        if target.version == VERSION_3 or request.path.rstrip("/").endswith("/functions"):
            return {"functions": functions}
        service = {"serviceName": self._host.service, "description": "", "role": ""}
        return {"services": [service]} if request.path.rstrip("/").endswith("/services") else service


def _described(function: FunctionSpec) -> dict[str, Any]:
    return {
        "functionName": function.name,
        "functionId": function.name,
        "runtime": function.runtime,
        "handler": function.handler,
        "initializer": function.initializer,
        "initializationTimeout": function.initializer_timeout_seconds,
        "timeout": function.timeout_seconds,
        "memorySize": function.memory_mb,
        "environmentVariables": dict(function.environment),
    }


def _json_response(status: int, request_id: str, body: Mapping[str, Any]) -> Response:
    headers = {"content-type": "application/json", "x-fc-request-id": request_id}
    return Response(status, headers, json.dumps(body).encode())


def _result_response(request_id: str, result: Result, *, tail: bool) -> Response:
    headers = {"x-fc-request-id": request_id, "content-type": "application/octet-stream"}
    if result.outcome is not Outcome.OK:
        headers.update({"content-type": "application/json", "x-fc-error-type": UNHANDLED})
    if tail:
        headers["x-fc-log-result"] = base64.b64encode(result.log).decode()
    return Response(200, headers, result.body)
