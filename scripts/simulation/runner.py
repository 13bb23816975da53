"""Calls of the function host go in and run side by side as processes of the hub, each in an instance of its own.

An instance serves one call at a time and is used again; it ends when it is killed, when it runs past the time
limit, and now and then while it is idle.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from scripts.localcloud.fc.run import Call, Killed, NoProcesses, Outcome, Result, exited, instance_cap, timed_out
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.fc.worker import describe_error, encode_result, make_context
from scripts.simulation.outside import Outside
from scripts.simulation.scheduler import Hub
from shared import wiring

IDLE_DEATHS_SHARE = 0.05


class Member(Protocol):
    """An instance, and its way to the services."""

    parts: wiring.Instance
    outside: Outside


@dataclass
class Delivery:
    """One attempt to run a function on an event, as the platform sees it. `outcome` is empty while it runs."""

    function: str
    request_id: str
    event: bytes
    started: float
    ended: float = 0.0
    outcome: str = ""
    error: str = ""


class ProcessRunner(NoProcesses):
    """Runs the steps of the flow. `steps` names them by the file of a function's handler."""

    def __init__(
        self, hub: Hub, make: Callable[[], Member], steps: Mapping[str, wiring.Step], rng: Random, instances: int
    ) -> None:
        self.deliveries: list[Delivery] = []
        self.running = 0
        self._hub, self._make, self._steps, self._rng, self._instances = hub, make, steps, rng, instances
        self._idle: dict[str, list[Member]] = {}
        self._busy: Counter[str] = Counter()

    def has_room(self, function: FunctionSpec) -> bool:
        """Tell whether fewer calls of the function run than its cap."""
        return self._busy[function.name] < instance_cap(function, self._instances)

    def start(self, call: Call, done: Callable[[Result], None]) -> None:
        """Let a call begin, and give its result to `done` when it ends."""
        name = call.function.name
        delivery = Delivery(name, call.request_id, call.event, self._hub.clock.now())
        self.deliveries.append(delivery)
        self._busy[name] += 1
        self.running += 1
        member, cold = self._instance(name)
        member.outside.request_id = call.request_id
        results: list[Result] = []
        process = self._hub.spawn(lambda: self._end(call, delivery, member, results, done, cold=cold))
        limit = float(call.function.timeout_seconds)

        def cut_off() -> None:
            if not results and not delivery.outcome:
                results.append(timed_out(limit, cold=cold))
                self._hub.kill(process, member.outside.life)

        self._hub.clock.call_at(self._hub.clock.now() + limit, cut_off)

    def _instance(self, name: str) -> tuple[Member, bool]:
        idle = self._idle.setdefault(name, [])
        if idle and self._rng.random() < IDLE_DEATHS_SHARE:
            idle.pop(0)
        return (idle.pop(), False) if idle else (self._make(), True)

    def _end(
        self,
        call: Call,
        delivery: Delivery,
        member: Member,
        results: list[Result],
        done: Callable[[Result], None],
        *,
        cold: bool,
    ) -> None:
        """Run a call to its end, whatever that is, and tell the host."""
        result = self._run(call, member, cold=cold)
        if results:
            result = results[0]
        delivery.ended, delivery.outcome, delivery.error = self._hub.clock.now(), result.outcome.value, result.error
        self._busy[call.function.name] -= 1
        self.running -= 1
        if member.outside.life.alive:
            self._idle[call.function.name].append(member)
        done(result)

    def _run(self, call: Call, member: Member, *, cold: bool) -> Result:
        context = make_context({**call.context, "credentials": call.credentials.facts()})
        step = self._steps[call.function.handler.partition(".")[0]]
        try:
            if cold:
                member.parts.check(context)
            body = encode_result(dict(wiring.run(member.parts, step, call.event, context)))
        except Killed:
            return exited(cold=cold)
        except Exception as error:  # noqa: BLE001 - whatever the step raises is its result
            return Result(Outcome.ERROR, json.dumps(describe_error(error)).encode(), cold)
        return Result(Outcome.OK, body, cold)
