"""Rates, or a script, of what goes wrong go in; services that fail in these ways come out.

The kinds of fault:
    throttle      the service refuses in its own words, because of too many calls
    server_error  the service refuses in its own words, with a status of 5xx
    refused       the connection is dropped before anything took effect
    slow          it takes effect at once, but the reply is late
    lost          it takes effect, but the connection is dropped before the reply
At most one of them befalls a request. Chance comes from one seeded source, so a run can be repeated.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from scripts.localcloud.web import Request, Response, Service

Kind = Literal["throttle", "server_error", "refused", "slow", "lost"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SERVICES = ("oss", "cdn", "sls", "fc", "edge")
SLOW_SECONDS = 5.0


@dataclass(slots=True)
class _Scripted:
    """A fault that a test asked for, and how often it is still to happen."""

    kind: Kind
    times: int
    match: Callable[[Request], bool]


class Faults:
    """Decides what befalls each request, and counts it.

    `rates` gives probabilities under names such as `cdn.throttle`; `latencies` the seconds that each reply
    of a service takes; `slow_seconds` what a slow one takes on top. `counts` tells what was done, under the
    names of `rates`.
    """

    def __init__(
        self,
        rng: random.Random,
        rates: Mapping[str, float] | None = None,
        *,
        latencies: Mapping[str, float] | None = None,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.slow_seconds = slow_seconds
        self._rng = rng
        self._rates: dict[str, list[tuple[Kind, float]]] = {}
        self._latencies = dict(latencies or {})
        self._script: dict[str, list[_Scripted]] = {}
        self.set_rates(rates or {})

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Replace all rates; ValueError names those that cannot be."""
        check_rates(rates)
        self._rates = {}
        for name, rate in rates.items():
            service, _, kind = name.partition(".")
            self._rates.setdefault(service, []).append((_kind(kind), rate))

    def next(self, service: str, kind: str, times: int = 1, match: Callable[[Request], bool] | None = None) -> None:
        """Let `kind` befall the next `times` requests to a service, or those of them that `match`."""
        self._script.setdefault(service, []).append(_Scripted(_kind(kind), times, match or _every))

    def stop(self) -> None:
        """Let nothing go wrong from now on; latencies stay."""
        self._rates = {}
        self._script = {}

    def wrap(self, service: str, handle: Service, refuse: Callable[[str, Request], Response]) -> Service:
        """Return a service like `handle` with the faults of `service`; `refuse` speaks its errors."""

        def handle_with_faults(request: Request) -> Response | Awaitable[Response]:
            kind = self._befalls(service, request)
            if kind in ("throttle", "server_error"):
                return self._late(service, kind, refuse(kind, request))
            if kind == "refused":
                return self._late(service, kind, Response(lost=True))
            answer = handle(request)
            if isinstance(answer, Response):
                return self._late(service, kind, answer)
            return self._later(service, kind, answer)

        return handle_with_faults

    def _befalls(self, service: str, request: Request) -> Kind | None:
        kind = self._scripted(service, request) or self._rolled(service)
        if kind is not None:
            self.counts[f"{service}.{kind}"] += 1
        return kind

    def _scripted(self, service: str, request: Request) -> Kind | None:
        for fault in self._script.get(service, []):
            if fault.times > 0 and fault.match(request):
                fault.times -= 1
                return fault.kind
        return None

    def _rolled(self, service: str) -> Kind | None:
        rates = self._rates.get(service)
        if not rates:
            return None
        roll = self._rng.random()
        for kind, rate in rates:
            if roll < rate:
                return kind
            roll -= rate
        return None

    def _late(self, service: str, kind: Kind | None, response: Response) -> Response:
        """Let the reply take its time, and get lost if it should."""
        delay = response.delay_seconds + self._latencies.get(service, 0.0)
        if kind == "slow":
            delay += self.slow_seconds
        if delay == response.delay_seconds and kind != "lost":
            return response
        return replace(response, delay_seconds=delay, lost=response.lost or kind == "lost")

    async def _later(self, service: str, kind: Kind | None, answer: Awaitable[Response]) -> Response:
        return self._late(service, kind, await answer)


def check_rates(rates: Mapping[str, float]) -> None:
    """ValueError with one sentence for each rate that is not `service.kind` of 0 to 1, or adds up over 1."""
    faults = []
    sums: Counter[str] = Counter()
    for name, rate in rates.items():
        service, _, kind = name.partition(".")
        if service not in SERVICES or kind not in KINDS:
            faults.append(
                f"{name} is no fault: write SERVICE.KIND with a service of {', '.join(SERVICES)}"
                f" and a kind of {', '.join(KINDS)}."
            )
        if not 0 <= rate <= 1:
            faults.append(f"{name}={rate} is no probability between 0 and 1.")
        sums[service] += rate  # type: ignore[assignment]  # a Counter adds up floats as well
    faults += [f"The rates of {service} add up to more than 1." for service, total in sums.items() if total > 1]
    if faults:
        raise ValueError("\n".join(faults))


def _kind(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise ValueError(f"{name} is no kind of fault: it is one of {', '.join(KINDS)}.")


def _every(_request: Request) -> bool:
    return True
