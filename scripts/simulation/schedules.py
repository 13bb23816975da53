"""A world and a list of choices go in; its processes run in exactly that order, and what else was possible comes out.

Steering begins at a moment: processes that begin from then on wait until all of a race are there. One then runs at a
time, up to its next call, and every moment at which something else could happen is a choice:

1. Each call that leaves a function is one step; what lies between two calls is seen by nobody else. A step takes no
   time, so the choices alone decide the order of steps; but what changes the CDN's books takes a millisecond, since
   the oracle tells their rows apart by time.
2. To switch away from a process that could go on is a preemption. Switches at the end of a process, and where it
   sleeps, are free; in all but the lightest races the latter count as preemptions too, see `Bounds`. Whoever is
   switched to makes one call at least: without that, the switch would be none.
3. Time moves when somebody is to go on who sleeps; and once, by choice, far enough for each lease to expire, while
   whoever ran last stands still.
4. A process may end at a call, before it or after it took effect. Only ends that leave different worlds are told
   apart: nobody sees whether a process ended before or after it read something, so it ends after what it writes, and
   before its first call.
5. A choice is a number: 0 goes on as if nothing were to choose. What follows the end of the list is 0 throughout, so
   a list of choices names one run.
6. Two runs that differ so far in the order of steps that do not concern one another (of different services, or both
   only reading) stand at the same point: every value that a process has seen is the same, and so is the time; only the
   dice for pauses may differ. A `Mark` names the point, so that what can follow is tried once. Steps that move time
   concern everybody.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import greenlet

from scripts.simulation.faults import SLEEP
from scripts.simulation.scheduler import Process
from scripts.simulation.world import SPOOL_PREFIX, World

BOOKED_SECONDS = 0.001
STEPS_MAX = 5_000
"""More than any small scenario needs: a process that never ends would otherwise be explored for ever."""
TIME = SLEEP
"""What moves time is a service of its own."""
READS = ("oss list", "oss get", "cdn Describe", SLEEP)
TOLD_CHARACTERS_MAX = 90


@dataclass(frozen=True)
class Bounds:
    """How much may go against the order in which processes run by themselves."""

    preemptions: int
    crashes: int = 0
    preemptions_with_crash: int = 0
    expiries: int = 0
    """How often so much time passes at once that leases expire; not in a run in which a process is ended."""
    expiry_seconds: float = 0.0
    sleeps_are_free: bool = True
    """Whether a switch where a process sleeps is none of the preemptions."""


@dataclass(frozen=True)
class Mark:
    """A point of a run: what can follow depends on nothing else, and on the preemptions that are left."""

    past: int
    """What was done so far, whatever the order of steps that do not concern one another."""
    racer: str
    """Who ran last, or is about to end."""
    ends: bool
    """Whether the choice is about the end of a process."""
    preemptions: int
    """How many there were."""


class ChoiceError(Exception):
    """A schedule names a choice that its run does not have."""


class Choices:
    """Takes the choices of a schedule one after the other, and notes how many there were each time."""

    def __init__(self, schedule: Sequence[int] = ()) -> None:
        self.taken: list[int] = []
        self.counts: list[int] = []
        self.marks: list[Mark] = []
        self._schedule = schedule

    def take(self, count: int, mark: Mark) -> int:
        """Choose among `count` possibilities at the point that `mark` names; one alone is no choice."""
        if count == 1:
            return 0
        place = len(self.taken)
        choice = self._schedule[place] if place < len(self._schedule) else 0
        if not 0 <= choice < count:
            raise ChoiceError(f"choice {place} of the schedule is {choice}, and there are {count}")
        self.taken.append(choice)
        self.counts.append(count)
        self.marks.append(mark)
        return choice

    @property
    def schedule(self) -> tuple[int, ...]:
        """The choices up to the last one that is not 0: they name this run."""
        taken = self.taken
        return tuple(taken[: max((place for place, choice in enumerate(taken, 1) if choice), default=0)])


@dataclass
class Racer:
    """A process that is steered. `call` is what it does when it goes on, `wake` when it has slept enough."""

    name: str
    process: Process
    wake: float
    call: str = ""
    is_announced: bool = False
    """Its next pause is the way to `call`, and not the way back from the one before."""
    is_returning: bool = False
    is_fresh: bool = True
    """Nothing of it ran since it was switched to."""

    @property
    def is_alive(self) -> bool:
        """Tell whether it can still do anything."""
        return not self.process.dead

    @property
    def is_asleep(self) -> bool:
        """Tell whether it waits for time to pass."""
        return self.call.startswith(SLEEP)


@dataclass(frozen=True)
class Move:
    """What can be chosen: who goes on, and whether time passes before."""

    racer: Racer
    costs_preemption: bool = False
    lets_expire: bool = False


@dataclass(frozen=True)
class Reach:
    """What a call has to do with: a service, that it only reads, or the time."""

    service: str
    is_read: bool
    moves_time: bool

    def concerns(self, other: Reach) -> bool:
        """Tell whether the order of two calls can matter: those that move time always do."""
        if self.moves_time or other.moves_time:
            return True
        return self.service == other.service and not (self.is_read and other.is_read)


@functools.lru_cache(maxsize=10_000)
def reach(call: str) -> Reach:
    """Tell what a call has to do with."""
    is_time = call.startswith(TIME) or changes_books(call)
    return Reach(call.partition(" ")[0], call.startswith(READS), is_time)


@dataclass
class Past:
    """What was done so far, as one number that does not depend on the order of what is independent."""

    value: int = 0
    _steps: list[tuple[int, str, Reach]] = field(default_factory=list)

    def add(self, racer: str, call: str) -> None:
        """Take in a step. It is known by its doer, by itself and by all that concerned it before."""
        own = reach(call)
        before = frozenset(step for step, other, known in self._steps if other == racer or own.concerns(known))
        step = hash((racer, call, before))
        self._steps.append((step, racer, own))
        self.value ^= step


def changes_books(call: str) -> bool:
    """Tell whether a call may change what the CDN has to do."""
    return call.startswith("cdn ") and not call.startswith(READS)


@dataclass
class Director:
    """Steers one world through one schedule; it is the world's `chances` too, since it decides who dies where."""

    choices: Choices
    bounds: Bounds
    reached: set[str] = field(default_factory=set)
    """What the calls of the whole run reached: areas of the spool that were written to, operations of the others."""
    steps: list[str] = field(default_factory=list)
    """What was done in the race, in order, for people."""
    expired: bool = False
    crashed: bool = False
    racers: list[Racer] = field(default_factory=list)
    _past: Past = field(default_factory=Past)
    _preemptions: int = 0
    _by_process: dict[greenlet.greenlet, Racer] = field(default_factory=dict)

    def attend(self, world: World, hold: float, start: float, racers: int) -> None:
        """Let processes that begin from `hold` on wait, and steer them from `start` to their ends."""
        self._world = world
        world.clock.call_at(hold, self._hold)
        world.clock.call_at(start, lambda: self._race(racers))

    def befalls(self, service: str, operation: str) -> str:
        """Name what befalls a call: nothing, or the end of its process where the schedule says so."""
        self.reached.add(_place(service, operation))
        racer = self._by_process.get(greenlet.getcurrent())
        if racer is None:
            return ""
        is_first = not racer.call
        racer.call, racer.is_announced = f"{service} {operation}", True
        return self._crash(racer, is_first=is_first)

    # -- the race ----------------------------------------------------------------------------------

    def _hold(self) -> None:
        self._world.hub.steering = self._park

    def _park(self, process: Process, seconds: float) -> bool:
        """Take a process that pauses, or begins."""
        racer = self._by_process.get(process)
        if racer is None:
            function = self._world.host.functions[self._world.runner.deliveries[-1].function]
            name = f"{function.handler.partition('.')[0]}.{len(self.racers)}"
            racer = self._by_process[process] = Racer(name, process, self._world.clock.now())
            self.racers.append(racer)
            return True
        racer.is_returning = not racer.is_announced
        racer.is_announced = False
        racer.wake = self._world.clock.now() + (seconds if racer.is_asleep else 0.0)
        return True

    def _race(self, racers: int) -> None:
        """Run until everybody who races has ended; the clock goes on by itself then."""
        if len(self.racers) != racers:
            raise ChoiceError(f"{len(self.racers)} processes begin, and {racers} are to race")
        last: Racer | None = None
        for number in itertools.count():
            alive = [racer for racer in self.racers if racer.is_alive]
            if not alive:
                break
            if number >= STEPS_MAX:
                raise ChoiceError(f"the race has not ended after {STEPS_MAX} steps")
            if last is None or not last.is_alive or not (last.is_fresh or last.is_returning):
                last = self._switched(last, alive)
            self._go_on(last)
        self._world.hub.steering = None

    def _switched(self, last: Racer | None, alive: list[Racer]) -> Racer:
        moves = self._moves(last, alive)
        move = moves[self.choices.take(len(moves), self._mark(last.name if last and last.is_alive else "", ends=False))]
        self._preemptions += move.costs_preemption
        if move.racer is not last:
            move.racer.is_fresh = True
        if move.lets_expire:
            self.expired = True
            self._note("nobody", TIME, f"{self.bounds.expiry_seconds:g} seconds pass")
            self._world.clock.advance(self.bounds.expiry_seconds)
        return move.racer if move.racer.is_alive else self._switched(None, [each for each in alive if each.is_alive])

    def _moves(self, last: Racer | None, alive: list[Racer]) -> list[Move]:
        """List what can happen now; the first is what happens where nobody interferes."""
        if last is None or not last.is_alive:
            return [Move(racer) for racer in alive]
        preempts = not (last.is_asleep and self.bounds.sleeps_are_free)
        may_switch = not preempts or self._preemptions < self._preemptions_max
        others = [racer for racer in alive if racer is not last and may_switch]
        moves = [Move(last), *(Move(racer, preempts) for racer in others)]
        if self.bounds.expiries and not self.expired and not self.crashed:
            moves += [Move(racer, preempts, lets_expire=True) for racer in others]
        return moves

    def _go_on(self, racer: Racer) -> None:
        """Let a process do what it was about to do, and run up to its next call or the way back from this one."""
        if racer.call and not racer.is_returning:
            racer.is_fresh = False
            self._note(racer.name, racer.call, f"{racer.name}: {racer.call}")
            takes = BOOKED_SECONDS if changes_books(racer.call) else 0.0
            self._world.clock.advance_to(max(racer.wake, self._world.clock.now() + takes))
        racer.process.resume()

    def _note(self, racer: str, call: str, told: str) -> None:
        self._past.add(racer, call)
        self.steps.append(told[:TOLD_CHARACTERS_MAX])

    def _mark(self, racer: str, *, ends: bool) -> Mark:
        return Mark(self._past.value, racer, ends, self._preemptions)

    # -- ends --------------------------------------------------------------------------------------

    @property
    def _preemptions_max(self) -> int:
        return self.bounds.preemptions_with_crash if self.crashed else self.bounds.preemptions

    @property
    def _may_crash(self) -> bool:
        spent = self.crashed or self.expired or not self.bounds.crashes
        return not spent and self._preemptions <= self.bounds.preemptions_with_crash

    def _crash(self, racer: Racer, *, is_first: bool) -> str:
        """Choose whether a process ends at a call."""
        reads = racer.call.startswith(READS)
        ways = ["", *(["before"] if is_first else []), *([] if reads else ["after"])]
        if not self._may_crash:
            return ""
        way = ways[self.choices.take(len(ways), self._mark(racer.name, ends=True))]
        if not way:
            return ""
        self.crashed = True
        self._note(racer.name, f"{TIME} {way} {racer.call}", f"{racer.name} ends {way} {racer.call}")
        return f"kill.{way}"


def _place(service: str, operation: str) -> str:
    """Name what a call reaches: the area of the spool that it writes to, or the operation of another service."""
    verb, _, key = operation.partition(" ")
    if service != "oss":
        return f"{service} {verb}"
    return f"spool {key.removeprefix(SPOOL_PREFIX).partition('/')[0]}" if verb.startswith("put") else ""
