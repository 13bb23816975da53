"""Small scenarios in which a few invocations run at the same time; each is to be run in every order of their calls.

What comes before a race (objects that edges hold, a call that was accepted, one whose reply was lost) happens by the
clock alone. Invocations that begin from `hold` on are the racers: they wait until `start`, and then run as scheduled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.boundaries import FOLLOWED, SITE, START, TWICE, make_scenario
from scripts.simulation.scenario import RESET, STATIC, Action, Scenario
from scripts.simulation.schedules import Bounds
from scripts.simulation.sites import Rule
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
EVERYTHING_LATER_SECONDS = 4.0
PICTURES = Rule("main", "www/", "/www/", (STATIC,), ignored_suffixes=(".tmp",))


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
        return LEASES[:1] if self.needs_lease else LEASES

    def bounds(self, lease: str, processes: int) -> Bounds:
        """Tell how much may go against a race among those of so many processes: the more, the lighter it is."""
        bounds = BOUNDS[min(processes - self.weight, len(BOUNDS) - 1)]
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


def _scenario(rule: Rule, actions: list[Action], limits: Limits | None = None, **others: object) -> Scenario:
    """Make a scenario in which edges hold a copy of each object before anybody writes it, and no timer rings early."""
    first = min(action.time for action in actions)
    keys = dict.fromkeys(action.key for action in actions)
    seeds = [Action(first - 0.5, "seed", key) for key in keys]
    looks = [Action(first - 0.4, "read", key) for key in keys]
    seconds = (TASK_SECONDS, TASK_SECONDS)
    own = limits or Limits()
    limits = replace(own, refresh_duration_seconds=seconds, prefetch_duration_seconds=seconds)
    others = {"environment": ENVIRONMENT, "instances": 5, "timers": False, **others}
    return make_scenario(rule, [*seeds, *looks, *actions], limits, **others)


def _put(number: int, moment: float = MOMENT) -> Action:
    """Write one of a few objects."""
    return Action(moment + number * 0.01, "put", f"www/{number}.html")


def _lose_reply(world: World) -> None:
    """Lose the reply to the first refresh: its intent stays behind."""
    world.lose_first("RefreshObjectCaches")


def _fail_first_task(world: World) -> None:
    """Let the first task that ends have failed."""
    left = ["Internal Error"]
    world.cloud.cdn.fail = lambda _url: left.pop() if left else None


_LATE = RESET - 299.0
RACES = (
    Race("two receivers", 2, _scenario(SITE, [_put(0), _put(1)])),
    Race(
        "two receivers of one key",
        2,
        _scenario(SITE, [Action(MOMENT + number * 0.01, "put", "www/hot.html") for number in range(2)]),
    ),
    Race("a receiver and the timer", 2, _scenario(SITE, [_put(0)]), rings=True),
    Race("a receiver and a settler of one key", 2, _scenario(FOLLOWED, [_put(0, EARLIER), _put(0)]), weight=1),
    Race(
        "a receiver and a settler of what failed",
        2,
        _scenario(SITE, [_put(0, EARLIER), _put(0)]),
        _fail_first_task,
        is_faultless=False,
    ),
    Race(
        "a receiver and the timer, beside a call whose reply was lost",
        2,
        _scenario(SITE, [_put(0, MOMENT - 6.0), _put(0)]),
        _lose_reply,
        rings=True,
        hold=MOMENT - 1.0,
        is_faultless=False,
        weight=1,
    ),
    Race(
        "a receiver and a taker-down of one key",
        2,
        _scenario(FOLLOWED, [_put(0), Action(MOMENT + 0.01, "remove", "www/0.html")]),
    ),
    Race("two receivers with a domain that is rejected", 2, _scenario(TWICE, [_put(0), _put(1)]), weight=2),
    Race(
        "two receivers and the day's last unit",
        2,
        _scenario(SITE, [_put(0, _LATE), _put(1, _LATE)], Limits(url_refreshes_per_day=1)),
        hold=_LATE - 0.2,
        start=_LATE + GATHER_SECONDS,
        needs_lease=True,  # the books of the day go from holder to holder
    ),
    Race(
        "two receivers while the log service is down",
        2,
        _scenario(
            PICTURES,
            [_put(0), Action(MOMENT, "put", "www/draft.tmp")],
            outages=((MOMENT - 1.0, MOMENT + EVERYTHING_LATER_SECONDS),),
        ),
    ),
    Race("two receivers and the timer", 3, _scenario(SITE, [_put(0), _put(1)]), rings=True, weight=2),
    Race(
        "a receiver, a settler and the timer",
        3,
        _scenario(FOLLOWED, [_put(0, EARLIER), _put(0)]),
        rings=True,
        weight=3,
    ),
    Race("three receivers", 3, _scenario(SITE, [_put(0), _put(1), _put(1)]), weight=3),
    Race(
        "two receivers, a settler and the timer",
        4,
        _scenario(FOLLOWED, [_put(0, EARLIER), _put(0), _put(1)]),
        rings=True,
        weight=4,
    ),
    Race("three receivers and the timer", 4, _scenario(SITE, [_put(0), _put(1), _put(1)]), rings=True, weight=4),
)
