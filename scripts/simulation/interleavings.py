"""Races go in; each is run once for every order of its calls, within bounds, and every run that broke a rule comes out.

Enumerated, not sampled, in the style of CHESS (iterative context bounding): a run is made anew for each list of
choices, and each choice that it did not take is a run of its own. `schedules` tells what a choice is. Each race is run
with the lease as it is, and with the lease given to everybody who asks.

Where somebody held the lease beside another, since everybody gets it or since it expired while its holder stood
still, what no program could help bends, is counted apart and shown as `bent`; nothing else does, and nothing is lost:

1. Each holder beside another may spend one unit more on each change, and end each task once more (rules 8 and 7).
2. A prefetch that was decided on before another holder made a refresh comes after it (rule 6): the CDN has no
   condition to make it fail. That a prefetch follows once the refresh has ended, and what edges then hold, stays.
"""

from __future__ import annotations

import itertools
import multiprocessing
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from scripts.simulation.book import Book
from scripts.simulation.branches import BRANCHES, Observer
from scripts.simulation.broken import EverybodyHolds
from scripts.simulation.facts import Facts
from scripts.simulation.faults import Incident
from scripts.simulation.holders import Holders
from scripts.simulation.instances import Changes
from scripts.simulation.oracle import every_task_ends, judge, prefetch_after_refresh
from scripts.simulation.race import EVERYBODY, HONOURED, LEASES, Race
from scripts.simulation.races import RACES
from scripts.simulation.schedules import Bounds, Choices, Director, Mark
from scripts.simulation.spending import no_blind_second_spend
from scripts.simulation.verdict import Broken
from scripts.simulation.world import World
from shared.core.task.model import Result
from shared.flow.kit import Kit

ROWS_APPEAR_SECONDS = 3.0
BROKEN_TOLD_MAX = 50
COSTLY_MAX = 8
"""Of so many races it is told how long they took."""
COUNTED = ("7 endings", "8 twice")
"""Rules by which each holder more counts as one interruption: it may end a task, or spend a unit, once more."""

Schedule = tuple[int, ...]


OF_NO_TASK = frozenset({Result.REPORT, Result.ROUND, Result.EXPIRED, Result.TOLD})
OBSERVERS: tuple[Observer, ...] = (BRANCHES,)
"""Those that the command uses."""
STATES = (
    *(f"result {each.value}" for each in Result if each not in OF_NO_TASK),
    *(f"spool {area}" for area in ("waiting", "submitting", "accepted", "kept", "dead", "lease")),
    *(f"cdn {name}" for name in ("RefreshObjectCaches", "PushObjectCache")),
    *(f"cdn {name}" for name in ("DescribeRefreshTasks", "DescribeRefreshTaskById", "DescribeRefreshQuota")),
)
"""What has to be come by: each result of a task in the outcome log, each area of the spool, each call of the CDN."""


@dataclass(frozen=True)
class Run:
    """One schedule of one race, what else could have been chosen in it, and what the oracle says of it."""

    race: str
    lease: str
    schedule: Schedule
    taken: Schedule
    counts: Schedule
    marks: tuple[Mark, ...]
    broken: list[Broken]
    bent: list[Broken]
    reached: frozenset[str]
    steps: list[str]

    def alternatives(self, place: int) -> Iterator[Schedule]:
        """List the schedules that differ from this one in a choice, and end with that."""
        return ((*self.taken[:place], choice) for choice in range(1, self.counts[place]))

    def told(self, broken: Broken, processes: int) -> dict[str, Any]:
        """Tell of a breach, with the command that runs this alone, among races of so many processes."""
        schedule = ",".join(map(str, self.schedule)) or "0"
        asked = f"--processes {processes} --case {shlex.quote(self.race)} --lease {self.lease} --schedule {schedule}"
        return {
            "case": self.race,
            "lease": self.lease,
            "rule": broken.rule,
            "message": broken.message,
            "schedule": list(self.schedule),
            "replay": f"./scripts/simulate --interleavings {asked} --json",
        }


@dataclass
class Tally:
    """What some schedules came to."""

    processes: int
    schedules: int = 0
    seconds: float = 0.0
    """How long a processor was at it."""
    reached: Counter[str] = field(default_factory=Counter)
    broken_by_rule: Counter[str] = field(default_factory=Counter)
    bent_by_rule: Counter[str] = field(default_factory=Counter)
    broken: list[dict[str, Any]] = field(default_factory=list)

    def count(self, run: Run) -> None:
        """Take in one run."""
        self.schedules += 1
        self.reached.update(run.reached)
        self.broken_by_rule.update(each.rule for each in run.broken)
        self.bent_by_rule.update(each.rule for each in run.bent)
        self.broken += [run.told(each, self.processes) for each in run.broken[: BROKEN_TOLD_MAX - len(self.broken)]]

    def add(self, other: Tally) -> None:
        """Take in the figures of other schedules."""
        self.schedules += other.schedules
        self.seconds += other.seconds
        self.reached.update(other.reached)
        self.broken_by_rule.update(other.broken_by_rule)
        self.bent_by_rule.update(other.bent_by_rule)
        self.broken += other.broken[: BROKEN_TOLD_MAX - len(self.broken)]


def run_one(
    race: Race,
    lease: str,
    bounds: Bounds,
    schedule: Sequence[int] = (),
    *,
    changes: Changes | None = None,
    observers: Iterable[Observer] = (),
) -> Run:
    """Run one schedule of a race and judge it."""
    observed: set[str] = set()
    changes = changes or Changes()
    if lease == EVERYBODY:
        changes = replace(changes, spool=EverybodyHolds)
    holders = Holders()
    changes = holders.watch(_quickened(changes))
    for observer in observers:
        changes = observer.watch(changes, observed.add)
    choices = Choices(schedule)
    director = Director(choices, bounds)
    world = World(race.scenario, changes=changes, chances=director)
    race.set_up(world)
    director.attend(world, race.hold, race.start, race.processes)
    book = world.run()
    broken, bent = _judged(book, race, director, holders.beside, is_shared=lease == EVERYBODY or director.expired)
    results = {f"result {record['result']}" for record in book.records}
    return Run(
        race=race.name,
        lease=lease,
        schedule=choices.schedule,
        taken=tuple(choices.taken),
        counts=tuple(choices.counts),
        marks=tuple(choices.marks),
        broken=broken,
        bent=bent,
        reached=frozenset(results | director.reached | observed),
        steps=director.steps,
    )


def _quickened(changes: Changes) -> Changes:
    """Let the task list tell of a call sooner, as the local cloud's does: a drain then looks at it fewer times."""

    def quick(kit: Kit) -> Kit:
        own = changes.kit(kit)
        provider = msgspec.structs.replace(own.provider, rows_appear_within_seconds=ROWS_APPEAR_SECONDS)
        return replace(own, provider=provider)

    return replace(changes, kit=quick)


def explore(
    race: Race,
    lease: str,
    bounds: Bounds,
    *,
    changes: Changes | None = None,
    observers: Iterable[Observer] = (),
) -> Iterator[Run]:
    """Run every schedule of a race, but what can follow a point that was met before with as much left to choose."""
    met: dict[tuple[int, str, bool], int] = {}
    left: list[Schedule] = [()]
    while left:
        schedule = left.pop()
        run = run_one(race, lease, bounds, schedule, changes=changes, observers=observers)
        for place in range(len(schedule), len(run.taken)):
            mark = run.marks[place]
            point = (mark.past, mark.racer, mark.ends)
            if met.get(point, mark.preemptions + 1) <= mark.preemptions:
                break
            met[point] = mark.preemptions
            left += run.alternatives(place)
        yield run


def _judged(
    book: Book, race: Race, director: Director, beside: int, *, is_shared: bool
) -> tuple[list[Broken], list[Broken]]:
    """Judge a run: what is broken, and what bends since more than one may have held the lease."""
    if director.crashed or director.expired or not race.is_faultless:
        # Only the timer goes on where something went wrong, or where a holder that lives was taken for dead: its call
        # is then looked up as one of unknown outcome.
        book.idle_waiting = None
    broken = judge(book)
    beside = max(beside, _most_at_once(book) - 1) if is_shared else 0
    if not broken or not beside:
        return broken, []
    again = [Incident(race.start, "oss.slow", "list lease/", "") for _ in range(beside)]
    counted = Facts(replace(book, incidents=[*book.incidents, *again]))
    stays = {*no_blind_second_spend(counted), *every_task_ends(counted)}
    unseen = set(prefetch_after_refresh(Facts(book)))
    bent = [each for each in broken if each in unseen or (each.rule in COUNTED and not _is_told_by(each, stays))]
    return [each for each in broken if each not in bent], bent


def _is_told_by(broken: Broken, stays: Iterable[Broken]) -> bool:
    """Tell whether a breach is one still; what it says may count otherwise now, but begins alike."""
    begins = broken.message.partition("; ")[0]
    return any(each.rule == broken.rule and each.message.partition("; ")[0] == begins for each in stays)


def _most_at_once(book: Book) -> int:
    """Count the invocations that ran at the same time, at most: each may have looked before it held anything."""
    begun = [(each.started, 1) for each in book.deliveries]
    ended = [(each.ended, -1) for each in book.deliveries]
    return max(itertools.accumulate(step for _, step in sorted(begun + ended)))


# -- all of them -----------------------------------------------------------------------------------


def command(processes: int, case: str, lease: str, schedule: str, jobs: int) -> dict[str, Any]:
    """Do what the command line asks for: one schedule, one race, or all races of up to so many processes."""
    races = [race_of(case)] if case else [race for race in RACES if race.weight <= processes]
    processes = max(processes, *(race.weight for race in races))
    if schedule:
        return replayed(races[0], lease or HONOURED, processes, [int(choice) for choice in schedule.split(",")])
    found = summary(races, processes, jobs, [lease] if lease else LEASES)
    if case:
        for name in ("states", "states_reached"):
            del found[name]  # one race alone does not have to come by all of them
    return found


def is_in_order(found: dict[str, Any]) -> bool:
    """Tell whether no rule broke, and everything was come by that has to be."""
    return not found["rules_broken"] and found.get("states") == found.get("states_reached")


def summary(races: Sequence[Race], processes: int, jobs: int = 1, leases: Sequence[str] = LEASES) -> dict[str, Any]:
    """Run all schedules of some races on some processes; give the figures that the command prints."""
    started = time.monotonic()
    asked = [(race, lease) for race in races for lease in leases if lease in race.leases]
    asked.sort(key=lambda each: (each[0].processes == 1, each[1] == HONOURED, each[0].weight))
    pieces = [
        (race.name, lease, processes) for race, lease in asked
    ]  # the longest first, so that all jobs end together
    cases: dict[str, dict[str, int]] = {race.name: {} for race in races}
    costs: list[tuple[float, str]] = []
    total = Tally(processes)
    for (name, lease, _), tally in _tallies(pieces, jobs):
        cases[name][lease] = tally.schedules
        costs.append((round(tally.seconds, 1), f"{name}, {lease}"))
        total.add(tally)
    costs.sort(reverse=True)
    wanted = states()
    return {
        "schedules": total.schedules,
        "rules_broken": total.broken_by_rule.total(),
        "states": len(wanted),
        "states_reached": sum(name in total.reached for name in wanted),
        "visits": {name: total.reached[name] for name in wanted},
        "cases": cases,
        "broken_by_rule": dict(sorted(total.broken_by_rule.items())),
        "bent_by_rule": dict(sorted(total.bent_by_rule.items())),
        "broken": total.broken,
        "costliest": [{"case": case, "cpu_seconds": seconds} for seconds, case in costs[:COSTLY_MAX]],
        "cpu_seconds": round(total.seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
    }


def replayed(race: Race, lease: str, processes: int, schedule: Sequence[int]) -> dict[str, Any]:
    """Run one schedule, and tell each step of its race."""
    run = run_one(race, lease, race.bounds(lease, processes), schedule, observers=OBSERVERS)
    return {
        "schedules": 1,
        "rules_broken": len(run.broken),
        "steps": run.steps,
        "broken": [run.told(each, processes) for each in run.broken],
        "bent": [run.told(each, processes) for each in run.bent],
    }


def states(observers: Iterable[Observer] = OBSERVERS) -> list[str]:
    """List the names that have to be come by."""
    return sorted({*STATES, *(name for observer in observers for name in observer.names)})


Piece = tuple[str, str, int]
"""A race, who gets the lease, and of how many processes the races are among which it is run."""


def _tallies(pieces: Sequence[Piece], jobs: int) -> Iterator[tuple[Piece, Tally]]:
    if jobs <= 1 or len(pieces) <= 1:
        yield from map(_explored, pieces)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_explored, pieces)


def _explored(piece: Piece) -> tuple[Piece, Tally]:
    """Run every schedule of a race."""
    name, lease, processes = piece
    race, tally, started = race_of(name), Tally(processes), time.process_time()
    for run in explore(race, lease, race.bounds(lease, processes), observers=OBSERVERS):
        tally.count(run)
    tally.seconds = time.process_time() - started
    return piece, tally


def race_of(name: str) -> Race:
    """Find a race by its name."""
    found = [race for race in RACES if race.name == name]
    if not found:
        raise SystemExit(f"there is no case {name!r}; there are: {'; '.join(race.name for race in RACES)}")
    return found[0]
