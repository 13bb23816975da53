"""A scenario goes in; a race comes out: the same, with a few invocations at the same time, to be run in every order.

What comes before a race (objects that edges hold, a call that was accepted, one whose reply was lost) happens by the
clock alone. Invocations that begin from `hold` on are the racers: they wait until `start`, and then run as scheduled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.actions import Action
from scripts.simulation.boundaries import START, make_scenario
from scripts.simulation.scenario import RESET, STATIC, Scenario
from scripts.simulation.schedules import Bounds
from scripts.simulation.sites import Site
from scripts.simulation.world import World

HONOURED, EVERYBODY = "honoured", "everybody"
LEASES = (HONOURED, EVERYBODY)
"""Who gets the lease: one at a time, or everybody who asks."""
LEASE_SECONDS = 20
"""Shorter than the time limit of a function, so that a holder can outlive its lease."""
EXPIRY_SECONDS = LEASE_SECONDS + 2.0
BOUNDS = (
    Bounds(preemptions=1, sleeps_are_free=False),
    Bounds(preemptions=2, sleeps_are_free=False),
    Bounds(preemptions=2, crashes=1, sleeps_are_free=False),
    Bounds(preemptions=2, crashes=1, preemptions_with_crash=1, expiries=1, expiry_seconds=EXPIRY_SECONDS),
)
"""How much may go against a race whose weight is the number of processes asked for, or less by one, two, or more."""
ALONE = Bounds(preemptions=0, crashes=1)
"""How much may go against a process that nobody races with: it ends at each of its calls once."""
ENVIRONMENT = {
    "URLS_PER_MINUTE_PER_DOMAIN": "1000",
    "RESERVE_PERCENT": "0",
    "LINGER_SECONDS": "0.5",
    "LEASE_SECONDS": str(LEASE_SECONDS),
}
TASK_SECONDS = 50.0
"""How long the CDN works on a task."""
EARLIER = START + 1.0
"""When what comes before a race happens, if anything does."""
MOMENT = START + 55.0
"""When a race begins: the tasks of before have just ended, and nobody has looked at them."""
HOLD = EARLIER + 30.0
GATHER_SECONDS = 0.1
LATE = RESET - 299.0
"""Some minutes before the day's quotas begin anew."""
EVERYTHING_LATER_SECONDS = 4.0
PICTURES = Site("main", "www/", "/www/", (STATIC,), ignored_suffixes=(".tmp",))


def _nothing(_world: World) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Race:
    """One scenario. `rings` tells whether the timer's function races too, beside what the events bring about."""

    name: str
    processes: int
    scenario: Scenario
    prepare: Callable[[World], None] = _nothing
    rings: bool = False
    hold: float = HOLD
    start: float = MOMENT + GATHER_SECONDS
    is_faultless: bool = True
    """Nothing but the race itself goes wrong, so no wake-up may be missed."""
    weight: int = 0
    """How much it costs to try: it is run where this many processes are asked for, or more, see `BOUNDS`."""
    needs_lease: bool = False
    """Whether it is about what only a lease can keep, so that it is run only as long as one is kept."""

    @property
    def leases(self) -> tuple[str, ...]:
        """Who may get the lease."""
        return LEASES[:1] if self.needs_lease or self.processes == 1 else LEASES

    def bounds(self, lease: str, processes: int) -> Bounds:
        """Tell how much may go against a race among those of so many processes: the more, the lighter it is."""
        if self.processes == 1:
            return ALONE
        # Where everybody gets the lease nobody is left out, so each process makes several times the calls.
        weight = self.weight + (lease == EVERYBODY and self.weight > 0)
        bounds = BOUNDS[max(0, min(processes - weight, len(BOUNDS) - 1))]
        # Who gets the lease anyway need not wait until it expires.
        return bounds if lease == HONOURED and not self.needs_lease else replace(bounds, expiries=0)

    def set_up(self, world: World) -> None:
        """Prepare a world, and let the timer ring in time for the race."""
        self.prepare(world)
        if self.rings:
            world.clock.call_at(self.start - GATHER_SECONDS / 2, lambda: ring(world))


def ring(world: World) -> None:
    """Start the function of the timer once, as the timer does."""
    for name, function in world.host.functions.items():
        if function.handler.partition(".")[0] == "retry_failed":
            world.host.invoke_async(name, b"{}")


def scenario_of(
    site: Site,
    actions: list[Action],
    limits: Limits | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = TASK_SECONDS,
    *,
    is_seeded: bool = True,
    **others: object,
) -> Scenario:
    """Make a scenario in which no timer rings early, and edges hold a copy of each object before anybody writes it."""
    first = min(action.time for action in actions)
    keys = dict.fromkeys(action.key for action in actions if action.key and is_seeded)
    seeds = [Action(first - 0.5, "seed", key) for key in keys]
    looks = [Action(first - 0.4, "read", key) for key in keys]
    span = (seconds, seconds)
    limits = replace(limits or Limits(), refresh_duration_seconds=span, prefetch_duration_seconds=span)
    others = {"environment": {**ENVIRONMENT, **(environment or {})}, "instances": 5, "timers": False, **others}
    return make_scenario(site, [*seeds, *looks, *actions], limits, **others)


def put(number: int, moment: float = MOMENT) -> Action:
    """Write one of a few objects."""
    return Action(moment + number * 0.01, "put", f"www/{number}.html")


def lose_reply(world: World) -> None:
    """Lose the reply to the first refresh: its intent stays behind."""
    world.lose_first("RefreshObjectCaches")


def fail_first_task(world: World) -> None:
    """Let the first task that ends have failed."""
    left = ["Internal Error"]
    world.cloud.cdn.fail = lambda _url: left.pop() if left else None
