"""Books that were judged go in; the figures of all seeds, and how to replay each that broke a rule, come out."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.simulation.book import Book
from scripts.simulation.facts import FAILED, Facts
from scripts.simulation.oracle import judge_waits
from scripts.simulation.scenario import draw
from scripts.simulation.spending import units_floor
from scripts.simulation.verdict import Broken
from scripts.simulation.waits import PROMPT_SECONDS, Wait, waits
from scripts.simulation.world import World

SLOWEST_MAX = 5
"""How many of the slowest changes the figures name."""


@dataclass(frozen=True)
class Order:
    """Which runs to make."""

    changes: int
    rate: float
    only: str = ""
    wire: bool = False

    def replay(self, seed: int) -> str:
        """Write the command that runs one seed again."""
        options = f"--seeds 1 --seed {seed} --changes {self.changes} --faults {self.rate:g}"
        only = f" --only {self.only}" if self.only else ""
        wire = " --wire" if self.wire else ""
        return f"./scripts/simulate {options}{only}{wire} --json"


@dataclass
class Tally:
    """What some seeds came to."""

    seeds: int = 0
    changes: int = 0
    events: int = 0
    given_up: int = 0
    """Events the platform gave up after its retries: nothing is promised for them."""
    invocations: int = 0
    calls: int = 0
    units_spent: int = 0
    units_floor: int = 0
    repeated_records: int = 0
    failures: int = 0
    """Tasks that the CDN accepted and that failed there."""
    retries: Counter[float] = field(default_factory=Counter)
    """How many of those went again, by the seconds in between, rounded to a tenth."""
    virtual_seconds: float = 0.0
    outcome_log: int = 0
    """A number that stands for the bytes of the outcome log; that of several runs is the sum, in whatever order."""
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[dict[str, Any]] = field(default_factory=list)
    slowest: list[dict[str, Any]] = field(default_factory=list)
    """The changes that waited longest, with the seed, the seconds, and why; the slowest first."""

    def add(self, other: Tally) -> None:
        """Take in the figures of other seeds."""
        for name, value in vars(other).items():
            own = getattr(self, name)
            if isinstance(own, Counter):
                own.update(value)
            else:
                setattr(self, name, own + value)
        self.slowest = _slowest(self.slowest)

    @property
    def lost(self) -> int:
        """How many changes were lost."""
        return len({(each["seed"], each["message"]) for each in self.broken if each["rule"].split()[0] in {"1", "2"}})


def run_seed(seed: int, order: Order) -> Tally:
    """Run one seed and judge it."""
    world = World(draw(seed, order.changes, order.rate, order.only), wire=order.wire)
    facts = Facts(world.run())
    found = waits(facts)
    tally = count_facts(facts)
    tally.faults.update(world.faults.counts)
    tally.broken = [_told(seed, broken, order) for broken in judge_waits(facts, found)]
    tally.slowest = _slowest([_slow(seed, wait) for wait in found if wait.seconds > PROMPT_SECONDS])
    return tally


def count(book: Book) -> Tally:
    """Count what happened in a run."""
    return count_facts(Facts(book))


def count_facts(facts: Facts) -> Tally:
    """Count what happened in a run that was sorted already."""
    book = facts.book
    delivered = [fate for fate in facts.fates if fate.deliveries]
    records = [tuple(sorted((*record.items(),))) for record in book.records]
    tally = Tally(
        seeds=1,
        changes=len(book.writes),
        events=len(delivered),
        given_up=sum(fate.acknowledged is None for fate in facts.fates),
        invocations=len(book.deliveries),
        calls=len(book.calls),
        units_spent=len(book.rows),
        units_floor=units_floor(facts),
        repeated_records=len(records) - len(set(records)),
        failures=sum(row.status == FAILED for row in book.rows),
        retries=_retries(facts),
        virtual_seconds=book.ended - book.scenario.start,
        outcome_log=_digest(book.records),
    )
    copies = sum(len({each.request_id for each in fate.deliveries}) - 1 for fate in delivered)
    if copies:
        tally.faults["events.duplicate"] = copies
    if book.scenario.delay_seconds[1]:
        tally.faults["events.delay"] = len(delivered)
    if book.scenario.limits.row_visible_after_seconds:
        tally.faults["cdn.rows_late"] = 1
    return tally


def figures(tallies: Iterable[Tally], wall_seconds: float = 0.0) -> dict[str, Any]:
    """Give the figures that the command prints; without a time that all of them took, no speed."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    found = {
        "seeds": total.seeds,
        "changes": total.changes,
        "lost": total.lost,
        "rules_broken": len(total.broken),
        "broken": total.broken[:50],
        "given_up_by_platform": total.given_up,
        "invocations": total.invocations,
        "cdn_calls": total.calls,
        "units_spent": total.units_spent,
        "units_floor": total.units_floor,
        "duplicates": total.units_spent - total.units_floor,
        "repeated_records": total.repeated_records,
        "failures": total.failures,
        "retried": sum(total.retries.values()),
        "retry_seconds": _spread(total.retries),
        "slowest_seconds": total.slowest,
        "unexplained_waits": sum(each["rule"] == "10 waits" for each in total.broken),
        "faults": dict(sorted(total.faults.items())),
        "virtual_seconds": round(total.virtual_seconds),
        "outcome_log": f"{total.outcome_log % 2**64:016x}",
    }
    if wall_seconds:
        found["wall_seconds"] = round(wall_seconds, 2)
        found["changes_per_second"] = round(total.changes / wall_seconds, 1)
    return found


def _retries(facts: Facts) -> Counter[float]:
    """Find the submission that came next after each failure, of the same URL in the same form."""
    found: Counter[float] = Counter()
    for row in facts.book.rows:
        same = [each for each in facts.rows[row.path] if each.form == row.form] if row.status == FAILED else []
        again = next((each.accepted for each in same if each.accepted >= row.finish), None)
        if again is not None:
            found[round(again - row.finish, 1)] += 1
    return found


def _spread(retries: Counter[float]) -> dict[str, float | None]:
    """Give the median, the 99th percentile (both by nearest rank) and the most of the seconds."""
    seconds = sorted(retries.elements())
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: seconds[math.ceil(share * len(seconds)) - 1] if seconds else None for name, share in shares.items()}


def _digest(records: Sequence[Mapping[str, str]]) -> int:
    """Sum up the bytes of an outcome log, in their order."""
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    return int.from_bytes(hashlib.sha256(lines.encode()).digest()[:8], "big")


def _slow(seed: int, wait: Wait) -> dict[str, Any]:
    return {"seed": seed, "url": wait.want.url, "form": wait.want.form, "seconds": round(wait.seconds), "why": wait.why}


def _slowest(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the slowest of some changes, in an order that does not depend on who came first."""
    return sorted(found, key=lambda each: (-each["seconds"], each["seed"], each["url"]))[:SLOWEST_MAX]


def _told(seed: int, broken: Broken, order: Order) -> dict[str, Any]:
    return {"seed": seed, "rule": broken.rule, "message": broken.message, "replay": order.replay(seed)}
