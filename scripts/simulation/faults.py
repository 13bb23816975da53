"""Rates and a seed go in; what befalls each call that leaves a function comes out, and a book of what did.

cdn.throttle, cdn.minute   refused in the API's words: too many calls, too many URLs in this minute
cdn.server_error           ServiceUnavailable, nothing was carried out
cdn.internal               InternalError, after or before it was carried out
cdn.refused, cdn.lost      the connection ends before it took effect, or after
cdn.slow                   it takes effect, and the reply takes longer than a client waits
oss.server_error, oss.refused, oss.lost, oss.slow     the same of the spool
sls.down                   the log service refuses for minutes at a time
sls.lost                   records were taken, the reply never came
kill.before, kill.after    the process ends before a request, or after it took effect and before the reply
events.duplicate, events.delay      events come twice, or late and out of order
cdn.task_failed            a task was accepted and fails
cdn.rows_late              rows of the task list appear some seconds after their acceptance
lease.dead                 the lease is held by somebody who is no more
clock.skew                 the clock of an instance's machine is wrong by up to half a minute, or by up to two hours
cdn.carried_out            answered ServiceUnavailable, and carried out all the same

These are drawn for a run, persist, and depend on what a call is about (features.py):
url.bad                    one or a few URLs spoil every call they are in
domain.trouble             every call with a URL of one domain is refused, or breaks, for a while
account.refused            all calls are refused for the account's keys, for a while
service.down               no call is carried out for a while
others.minute              somebody else uses up most of a domain's limit in each minute, for a while
quota.late                 the reply about the quota is some minutes old
quota.raised               the account may do more a day from some moment on
rows.decoded, rows.bare    rows tell URLs percent-decoded, or without their scheme
rows.capped                a reply has at most 100 or 20 rows, however many there are
rows.typed                 rows of directories say they are of a path
rows.odd                   no rows but a null, a throttling that says 200, states that nobody listed
clock.cdn                  the CDN's clock is some seconds from that of OSS
spool.damaged              an object of the spool is cut short, emptied or replaced by that of another version
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

WEIGHTS: dict[str, float] = {
    "cdn.throttle": 1.0,
    "cdn.minute": 0.4,
    "cdn.server_error": 0.6,
    "cdn.internal": 0.5,
    "cdn.refused": 0.6,
    "cdn.lost": 1.0,
    "cdn.slow": 0.3,
    "oss.server_error": 0.15,
    "oss.refused": 0.1,
    "oss.lost": 0.2,
    "oss.slow": 0.1,
    "sls.down": 4.0,
    "sls.lost": 0.4,
    "kill.before": 0.08,
    "kill.after": 0.12,
    "events.duplicate": 3.0,
    "events.delay": 6.0,
    "cdn.task_failed": 1.0,
    "cdn.rows_late": 6.0,
    "lease.dead": 2.0,
    "clock.skew": 3.0,
    "cdn.carried_out": 0.3,
    "url.bad": 2.0,
    "domain.trouble": 2.0,
    "account.refused": 1.0,
    "service.down": 1.0,
    "others.minute": 1.0,
    "quota.late": 1.0,
    "quota.raised": 2.0,
    "rows.decoded": 1.0,
    "rows.bare": 1.0,
    "rows.capped": 2.0,
    "rows.typed": 1.0,
    "rows.odd": 1.0,
    "clock.cdn": 2.0,
    "spool.damaged": 1.0,
}
"""How often each kind happens at a rate of 1: per call, event or task; sls.down, rows_late, lease.dead and all that
persists per run, clock.skew per instance."""

KINDS = tuple(WEIGHTS)
PER_CALL = ("throttle", "minute", "server_error", "internal", "refused", "lost", "slow", "carried_out")
SLEEP = "sleep"


@dataclass(frozen=True)
class Incident:
    """One fault that happened."""

    time: float
    kind: str
    operation: str
    request_id: str


class Chances(Protocol):
    """Decides what befalls a call."""

    def befalls(self, service: str, operation: str) -> str:
        """Name the fault of one call, as in the list above, or nothing."""
        ...


def rates_of(rate: float, only: str = "") -> dict[str, float]:
    """Give each kind its probability; with `only`, the other kinds have none (`kill` stands for both of its kinds)."""
    wanted = [kind for kind in KINDS if not only or kind == only or kind.startswith(only + ".")]
    if not wanted:
        raise ValueError(f"{only} is no kind of fault: it is one of {', '.join(KINDS)}.")
    return {kind: min(0.9, WEIGHTS[kind] * rate) for kind in wanted}


class SeededFaults:
    """Rolls the dice for each call until it is stopped."""

    def __init__(self, rng: Random, rates: Mapping[str, float]) -> None:
        self.counts: Counter[str] = Counter()
        self.stopped = False
        self._rng = rng
        self._by_service: dict[str, list[tuple[str, float]]] = {}
        kills = [(kind, rates[kind]) for kind in ("kill.before", "kill.after") if rates.get(kind)]
        for service in ("oss", "cdn", "sls"):
            own = [(f"{service}.{name}", rates.get(f"{service}.{name}", 0.0)) for name in PER_CALL]
            self._by_service[service] = kills + [(kind, each) for kind, each in own if each]
        self._by_service[SLEEP] = kills[:1]

    def befalls(self, service: str, operation: str) -> str:  # noqa: ARG002 - scripted faults need the operation
        """Name the fault of one call, or nothing."""
        rates = self._by_service.get(service)
        if self.stopped or not rates:
            return ""
        roll = self._rng.random()
        for kind, rate in rates:
            if roll < rate:
                self.counts[kind] += 1
                return kind
            roll -= rate
        return ""


class KillAt:
    """Ends the process at its n-th call, before it or after it took effect; nothing else goes wrong."""

    def __init__(self, index: int, when: str) -> None:
        self.counts: Counter[str] = Counter()
        self.calls: list[str] = []
        self.stopped = False
        self._index = index
        self._kind = f"kill.{when}"

    def befalls(self, service: str, operation: str) -> str:
        """Count one call; name the kill if it is the one."""
        self.calls.append(f"{service} {operation}")
        if self.stopped or len(self.calls) - 1 != self._index:
            return ""
        self.counts[self._kind] += 1
        return self._kind


class BefallsFirst:
    """Lets something befall the first calls of one operation of the CDN API; all else is left to `chances`."""

    def __init__(self, chances: Chances, operation: str, kind: str = "cdn.lost", times: int = 1) -> None:
        self._chances, self._operation, self._kind = chances, operation, kind
        self._left = times

    def befalls(self, service: str, operation: str) -> str:
        """Name the fault of one call, or nothing."""
        kind = self._chances.befalls(service, operation)
        if not kind and self._left and operation == self._operation:
            self._left -= 1
            return self._kind
        return kind
