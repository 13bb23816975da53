"""Plain functions go in and run at the same time, without threads: each gives way at every call that leaves it.

Rules:
1. A process runs until it pauses; nothing else runs meanwhile. What is due first runs first.
2. All order comes from the virtual clock, so the same seed gives the same order of everything.
3. A process that is killed never does anything again, whatever its `finally` clauses try.
4. Where the hub is steered, whoever steers it says which process goes on, instead of the clock.
"""

from __future__ import annotations

from collections.abc import Callable

import greenlet

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.fc.run import Killed


class Life:
    """Whether an instance is alive: the dead do not reach the outside."""

    def __init__(self) -> None:
        self.alive = True


class Process(greenlet.greenlet):
    """One function that runs beside others."""

    def resume(self) -> None:
        """Go on where it paused; one that has ended stays so."""
        if not self.dead:
            self.switch()


Steering = Callable[[Process, float], bool]
"""Told of a process that wants to go on after some seconds; True where it is going to resume that process itself."""


class Hub:
    """Runs processes on a virtual clock. The greenlet that makes the hub is the one that moves the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.steering: Steering | None = None
        self._main = greenlet.getcurrent()

    def spawn(self, work: Callable[[], None]) -> Process:
        """Let `work` begin now, once whoever called this has paused."""
        process = Process(work, parent=self._main)
        self._resume_after(process, 0.0)
        return process

    def pause(self, seconds: float) -> None:
        """Let others run until this much time has passed."""
        me = greenlet.getcurrent()
        if not isinstance(me, Process):
            raise TypeError("Only a process can pause.")
        self._resume_after(me, seconds)
        self._main.switch()

    def _resume_after(self, process: Process, seconds: float) -> None:
        if self.steering is None or not self.steering(process, seconds):
            self.clock.call_at(self.clock.now() + seconds, process.resume)

    @staticmethod
    def kill(process: Process, life: Life) -> None:
        """End a process from outside, as the end of its machine would."""
        life.alive = False
        if not process.dead:
            process.throw(Killed())


class PausingClock(VirtualClock):
    """A clock for the adapters of the local cloud: where they would move time on, the process pauses."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(0.0)
        self._hub = hub
        self._source = hub.clock.now

    def advance(self, seconds: float) -> None:
        """Pause the process that asks."""
        self._hub.pause(seconds)
