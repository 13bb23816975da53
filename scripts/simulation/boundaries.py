"""A few small scenarios go in; each is run once for every call that leaves a function, and ended at exactly that call.

Enumerated, not sampled: before the request, and after it took effect but before its reply. Fresh instances, the
platform's retries and the timer then have to bring everything to rest, and the oracle judges the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.actions import Action
from scripts.simulation.faults import KillAt
from scripts.simulation.instances import Changes
from scripts.simulation.oracle import judge
from scripts.simulation.scenario import FOREIGN, RESET, STATIC, Scenario
from scripts.simulation.sites import BOTH, PREFETCH, Site
from scripts.simulation.verdict import Broken
from scripts.simulation.world import World

NEVER = -1
START = RESET - 40_000.0
SITE = Site("main", "www/", "/www/", (STATIC,))
TWICE = Site("main", "www/", "/www/", (STATIC, FOREIGN))
FOLLOWED = Site("main", "www/", "/www/", (STATIC,), created=BOTH)
WARMED = Site("main", "www/", "/www/", (STATIC,), created=PREFETCH)


@dataclass(frozen=True)
class Case:
    """One scenario, and what is prepared in its world before it runs."""

    name: str
    scenario: Scenario
    prepare: Callable[[World], None] = field(default=lambda _world: None)


@dataclass(frozen=True)
class Crash:
    """One run that was ended at one call, and what the oracle says of it."""

    case: str
    index: int
    when: str
    call: str
    broken: list[Broken]


def crashes(case: Case, changes: Changes | None = None) -> Iterator[Crash]:
    """Run a case once for each of its calls and both ways to die there."""
    for index, call in enumerate(calls(case, changes)):
        for when in ("before", "after"):
            if when == "after" and call.startswith("sleep"):
                continue
            yield Crash(case.name, index, when, call, _run(case, KillAt(index, when), changes))


def summary(cases: Iterable[Case]) -> dict[str, Any]:
    """Run all crashes of some cases; count them by case, and name those that broke a rule."""
    found = {case.name: list(crashes(case)) for case in cases}
    broken = [
        {"case": crash.case, "call": crash.call, "when": crash.when, "rule": each.rule, "message": each.message}
        for every in found.values()
        for crash in every
        for each in crash.broken
    ]
    return {
        "cases": {name: len(every) for name, every in found.items()},
        "crashes": sum(map(len, found.values())),
        "rules_broken": len(broken),
        "broken": broken,
    }


def calls(case: Case, changes: Changes | None = None) -> list[str]:
    """List the calls that leave the functions while a case runs undisturbed."""
    chances = KillAt(NEVER, "before")
    broken = _run(case, chances, changes)
    if broken:
        raise AssertionError(f"{case.name} breaks a rule undisturbed: {broken[0]}")
    return chances.calls


def _run(case: Case, chances: KillAt, changes: Changes | None) -> list[Broken]:
    world = World(case.scenario, chances=chances, changes=changes)
    case.prepare(world)
    return judge(world.run())


def make_scenario(site: Site, actions: list[Action], limits: Limits | None = None, **others: object) -> Scenario:
    """Make a scenario without chance: one site, what people do, and what the account may do."""
    times = [action.time for action in actions]
    scenario = Scenario(
        seed=7,
        start=min(times) - 1,
        stop=max(times) + 1,
        sites=(site,),
        limits=limits or _limits(),
        environment={"URLS_PER_MINUTE_PER_DOMAIN": "1000", "RESERVE_PERCENT": "0", "LINGER_SECONDS": "0.5"},
        actions=tuple(actions),
        rates={},
        instances=3,
        timers=True,
    )
    return replace(scenario, **others)  # type: ignore[arg-type]


def _limits(**changed: object) -> Limits:
    """Let tasks end soon, so that a run has few rounds of the timer."""
    return replace(Limits(refresh_duration_seconds=(50.0, 55.0), prefetch_duration_seconds=(50.0, 55.0)), **changed)  # type: ignore[arg-type]


def _puts(count: int, first: float = START + 1, gap: float = 0.05) -> list[Action]:
    return [Action(first + number * gap, "put", f"www/{number}.html") for number in range(count)]


def _lose_reply(operation: str) -> Callable[[World], None]:
    """Lose the reply of the first call of an operation: an intent stays behind."""

    def prepare(world: World) -> None:
        world.lose_first(operation)

    return prepare


def _fail_first_task(world: World) -> None:
    """Let the first task that ends have failed."""
    left = ["Internal Error"]
    world.cloud.cdn.fail = lambda _url: left.pop() if left else None


DAY = _limits(url_refreshes_per_day=2)
RESERVED = {"URLS_PER_MINUTE_PER_DOMAIN": "1000", "RESERVE_PERCENT": "34", "LINGER_SECONDS": "0.5"}
CASES = (
    Case("a single event", make_scenario(SITE, _puts(1))),
    Case("a removal", make_scenario(SITE, [*_puts(1), Action(START + 3, "remove", "www/0.html")])),
    Case("a burst with a domain that is rejected", make_scenario(TWICE, _puts(3))),
    Case("the day's quota spent", make_scenario(SITE, _puts(3, RESET - 299), DAY)),
    Case("the log service down", make_scenario(SITE, _puts(2, gap=2.0), outages=((START, START + 2.5),))),
    Case("a lost reply", make_scenario(SITE, _puts(2, gap=2.0)), _lose_reply("RefreshObjectCaches")),
    Case(
        "a hot key",
        make_scenario(SITE, [Action(START + 1 + number * 0.05, "put", "www/hot.html") for number in range(3)]),
    ),
    Case("done, and a prefetch follows", make_scenario(FOLLOWED, _puts(1))),
    Case(
        "a prefetch that a removal makes void",
        make_scenario(FOLLOWED, [*_puts(1), Action(START + 40, "remove", "www/0.html")]),
    ),
    Case(
        "a removal that takes along what waits for tomorrow",
        make_scenario(
            SITE,
            [*_puts(3, RESET - 299), Action(RESET - 290, "remove", "www/2.html")],
            _limits(url_refreshes_per_day=3),
            environment=RESERVED,
        ),
    ),
    Case("a prefetch whose reply is lost", make_scenario(WARMED, _puts(1)), _lose_reply("PushObjectCache")),
    Case("a task that failed beside one that did not", make_scenario(SITE, _puts(2)), _fail_first_task),
)
