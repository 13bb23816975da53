"""The timer's tick in; records go out, links are asked for, calls followed, tasks submitted, and the status reported.

Each step has its share of the time, so that slow answers in one never starve another, and a failure in one does not
skip the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.core.errors import StoreError
from shared.flow.drain import drain
from shared.flow.kit import Invocation, Kit
from shared.flow.links import resolve
from shared.flow.log import flush
from shared.flow.receive import again
from shared.flow.report import report
from shared.flow.settle import settle

FLUSH_SHARE, LINKS_SHARE, SETTLE_SHARE, DRAIN_SHARE = 0.15, 0.25, 0.45, 0.92
"""Until which part of the time each step may begin new work; the report has the rest."""


def retry(kit: Kit, _event: bytes, run: Invocation) -> dict[str, object]:
    """Go on with everything. Raises the first `StoreError` once all steps had their turn; the next tick tries again."""
    tick = _Tick(kit, run, kit.clock(), kit.spool.areas())
    steps = [tick.bring_up, tick.resolve, tick.follow, tick.submit, tick.tell]
    for step in steps[-1:] if kit.faults else steps:
        tick.take(step)
    if tick.failures:
        raise tick.failures[0]
    return tick.summary


@dataclass
class _Tick:
    """One ring of the timer: what lies in the spool, and what its steps have come to."""

    kit: Kit
    run: Invocation
    began: float
    areas: set[str]
    summary: dict[str, object] = field(default_factory=dict)
    failures: list[StoreError] = field(default_factory=list)

    def take(self, step: Callable[[], dict[str, object]]) -> None:
        """Take one step; where the spool fails in it, the others still have their turn."""
        try:
            self.summary |= step()
        except StoreError as error:
            self.kit.report.error("a step failed; the others go on", reason=str(error))
            self.failures.append(error)

    def until(self, share: float) -> float:
        """The moment at which a share of the time is over."""
        return self.began + (self.run.deadline - self.began) * share

    def bring_up(self) -> dict[str, object]:
        """Bring what lay aside to where it goes on."""
        kit, until, found = self.kit, self.until(FLUSH_SHARE), {}
        if self.areas & {"submitted", "unlogged"}:
            found["adopted"] = kit.spool.adopt_old()
        if self.areas & {"kept", "unlogged"}:
            found["flushed"] = flush(kit, until)
        if "events" in self.areas:
            found["noted"] = again(kit, self.run, until)
        return dict(found)

    def resolve(self) -> dict[str, object]:
        """Ask where links lead, and have those refreshed that are new."""
        return resolve(self.kit, self.run, self.until(LINKS_SHARE)) if "asks" in self.areas else {}

    def follow(self) -> dict[str, object]:
        """Ask what became of accepted calls."""
        is_there = self.areas & {"accepted", "submitted"}
        return settle(self.kit, self.run, self.until(SETTLE_SHARE)) if is_there else {}

    def submit(self) -> dict[str, object]:
        """Submit what may go, also what following calls has brought."""
        brought = any(self.summary.get(name) for name in ("noted", "links_refreshed", "failed", "prefetch_follows"))
        is_there = brought or self.areas & {"waiting", "submitting", "submitted"}
        return drain(self.kit, self.run, self.until(DRAIN_SHARE)) if is_there else {}

    def tell(self) -> dict[str, object]:
        """Write the status."""
        return report(self.kit, self.run, self.areas)
