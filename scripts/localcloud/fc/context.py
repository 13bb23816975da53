"""A function and a request id go in; what the platform tells the handler comes out: context and environment.

The platform changed both with python3.12: there the keys stand only in the environment, `service` is gone
from the context, and the context has a logger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.localcloud.fc.run import Call, Credentials
from scripts.localcloud.fc.template import FunctionSpec

QUALIFIER = "LATEST"
OLDER_RUNTIMES = ("python3.9", "python3.10")


@dataclass(frozen=True, slots=True)
class Place:
    """Where functions run."""

    account_id: str
    region: str
    service: str


def make_call(place: Place, function: FunctionSpec, request_id: str, event: bytes, credentials: Credentials) -> Call:
    """Put together all that a runner needs for one invocation."""
    context = _context(place, function, request_id)
    if function.runtime in OLDER_RUNTIMES:
        context["credentials"] = credentials.facts()
    environment = {**_environment(place, function), **function.environment}
    return Call(function, request_id, event, context, environment, credentials)


def _context(place: Place, function: FunctionSpec, request_id: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": function.name,
        "handler": function.handler,
        "memory": function.memory_mb,
        "timeout": function.timeout_seconds,
    }
    context: dict[str, Any] = {
        "request_id": request_id,
        "account_id": place.account_id,
        "region": place.region,
        "function": described,
    }
    logs = {"log_project": function.log_project, "log_store": function.log_store}
    if function.runtime in OLDER_RUNTIMES:
        service = {"name": place.service, **logs, "qualifier": QUALIFIER, "version_id": ""}
        return {**context, "service": service}
    described.update(version_id="", qualifier=QUALIFIER)
    return {**context, **logs, "logger": None}


def _environment(place: Place, function: FunctionSpec) -> dict[str, str]:
    """Give the variables the platform sets; those of code path, instance and keys are the runner's."""
    common = {
        "FC_ACCOUNT_ID": place.account_id,
        "FC_REGION": place.region,
        "FC_FUNCTION_NAME": function.name,
        "FC_FUNCTION_HANDLER": function.handler,
        "FC_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "FC_CUSTOM_LISTEN_PORT": "9000",
    }
    if function.runtime in OLDER_RUNTIMES:
        return {**common, "FC_VER_ID": QUALIFIER, "FC_SERVICE_NAME": place.service, "FC_QUALIFIER": QUALIFIER}
    return {**common, "FC_FUNCTION_VERSION": QUALIFIER}
