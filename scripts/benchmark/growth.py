"""Kinds and sizes of piled-up work in; what the functions ask of the services for it, and use themselves, out.

Each row is one kind of work at one size, on a virtual clock against the local cloud, whose replies take their time; the
functions run in a process of their own (`child.py`). What is piled up is written straight into the local OSS, one
upload an object, which is the dearest form of it. In a row:

    oss_calls, cdn_calls, records   requests to OSS and the CDN, and records that the log store has got
    seconds                         of the processor, in the functions' own process
    peak_mb                         the most memory of that process, less what it holds when idle
    part                            what of the work was measured; `rounds` are rings of the timer, `floor` the fewest

    idle        nothing to do: the mean of an hour's rings, and a month's calls reckoned from it
    waiting     tasks of twenty domains wait: one ring, all rings until nothing waits, one ring while the quota is spent
    one-domain  tasks of one domain, which may have a thousand a minute
    submitted   accepted calls that are not due for a look: one ring, an event three hours late, a CDN event
    dead        pieces in `dead/`: one ring
    unlogged    records that the log store did not take, and takes now
    refused     the account is refused for an hour while tasks wait
    outage      the CDN answers nothing for some hours, with an upload each 45 s, and then answers again
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.benchmark import seeds
from scripts.benchmark.child import FunctionsElsewhere
from scripts.benchmark.functions import event_of
from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.service import Limits
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.web import Request, Response, Service
from shared.core.task.waits import quota_of

LATENCIES = {"cdn": 0.080, "oss": 0.015, "sls": 0.015}
"""Seconds that each reply takes."""
START = 1_789_970_000.0 // 60 * 60
"""13:53 in China, far from the daily reset."""
MINUTE_SECONDS, HOUR_MINUTES, MONTH_HOURS = 60.0, 60, 720
SIZES = (1_000, 10_000, 100_000)
MILLION = 1_000_000
ONE_DOMAIN_MAX = 40_000
"""At a thousand a minute the largest pile takes forty minutes."""
DOMAINS = tuple(f"cdn{number:02d}.example.com" for number in range(20))
PER_MINUTE = 1_000
PLENTY = 10_000_000
ROUNDS_MAX = 400
OUTAGE_HOURS = (4, 26)
UPLOAD_SECONDS = 45.0
LATE_SECONDS = 3 * 3_600.0
SILENT_SECONDS = 3_600.0
REFUSED = "InsufficientBalance"
Row = dict[str, Any]


@dataclass
class World:
    """A local cloud on a virtual clock, and our functions elsewhere."""

    cloud: LocalCloud
    clock: VirtualClock
    functions: FunctionsElsewhere
    is_silent: list[bool]
    """Whether the CDN answers nothing."""
    logged: int = 0

    def minute(self) -> None:
        """Let the clock come to the next full minute, and the timer ring."""
        self.clock.advance_to((self.clock.now() // MINUTE_SECONDS + 1) * MINUTE_SECONDS)
        self.functions.tick()

    def row(self, work: str, size: int, part: str, **more: object) -> Row:
        """Tell what was used since the last row."""
        figures = self.functions.figures()
        records, self.logged = self._records() - self.logged, self._records()
        return {
            "what": f"{work}, {size}: {part}",
            "work": work,
            "size": size,
            "part": part,
            "oss_calls": figures.calls.get("oss", 0),
            "cdn_calls": figures.calls.get("cdn", 0),
            "records": records,
            "seconds": round(figures.seconds, 3),
            "peak_mb": round(figures.peak_mb, 1),
            "invocations_killed": figures.killed,
            **more,
        }

    def waits(self) -> bool:
        """Whether anything waits to be submitted, or its outcome is unknown."""
        return any(self.keys("waiting/")) or any(self.keys("submitting/"))

    def keys(self, area: str) -> list[str]:
        """List what lies in an area of the spool."""
        return self.cloud.oss.keys(self.cloud.options.spool_bucket, seeds.PREFIX + area)

    def until_nothing_waits(self) -> int | None:
        """Let minutes pass until nothing waits any more; how many, None if that does not come."""
        for number in range(1, ROUNDS_MAX + 1):
            self.minute()
            if not self.waits():
                return number
        return None

    def seed(self, objects: Iterator[tuple[str, bytes]]) -> None:
        """Write objects into the spool."""
        seeds.put(self.cloud, objects, self.clock.now())

    def _records(self) -> int:
        options = self.cloud.options
        return len(self.cloud.sls.logs(options.log_project, options.logstore))


@contextmanager
def world(domains: Sequence[str] = DOMAINS, url_quota: int = PLENTY) -> Iterator[World]:
    """Make one, warm: an upload was refreshed long ago, and nothing is left of it."""
    clock = VirtualClock(START)
    limits = Limits(url_refreshes_per_day=url_quota, urls_per_minute_per_domain=PER_MINUTE)
    options = Options(domains=tuple(domains), limits=limits, latencies=LATENCIES, keep_books=False)
    cloud = LocalCloud(options, clock)
    is_silent = [False]
    services = {name: cloud.handle_for(name) for name in ("oss", "cdn", "sls")}
    services["cdn"] = _sometimes_silent(services["cdn"], is_silent)
    with FunctionsElsewhere(options.facts_in_process(), services, clock, domains) as functions:
        found = World(cloud, clock, functions, is_silent)
        functions.receive(event_of(options.facts_in_process(), ["warm.html"], clock.now()))
        for _ in range(10):
            found.minute()
        found.row("warm", 0, "")
        yield found


def _sometimes_silent(service: Service, is_silent: list[bool]) -> Service:
    """Let a service answer later than anybody waits, and do nothing, while it is silent."""

    def answer(request: Request) -> Response | Awaitable[Response]:
        return Response(delay_seconds=SILENT_SECONDS) if is_silent[0] else service(request)

    return answer


def measure(asked: argparse.Namespace) -> Iterator[Row]:
    """Give the rows of each kind of work, from the smallest size to the largest."""
    sizes = (*asked.sizes, MILLION) if asked.million else tuple(asked.sizes)
    for name in asked.works or WORKS:
        yield from WORKS[name](sizes)


def idle(_sizes: Sequence[int] = ()) -> Iterator[Row]:
    """Let an hour pass with nothing to do."""
    with world() as found:
        for _ in range(HOUR_MINUTES):
            found.minute()
        row = found.row("idle", 0, "one ring, of an hour's mean")
    totals = {name: row[name] for name in ("oss_calls", "cdn_calls", "records", "seconds")}
    months = {f"{name}_per_month": round(total * MONTH_HOURS) for name, total in totals.items() if name != "seconds"}
    means = {name: round(total / HOUR_MINUTES, 3) for name, total in totals.items()}
    yield {**row, **means, **months, "calls_per_month": sum(months.values())}


def waiting(sizes: Sequence[int]) -> Iterator[Row]:
    """Let tasks of twenty domains wait."""
    for size in sizes:
        per_note = 100 if size > max(SIZES) else 1
        with world() as found:
            found.seed(seeds.waiting(seeds.tasks(size, DOMAINS, found.clock.now()), per_note=per_note))
            found.minute()
            first = found.row("waiting", size, "one ring")
            rounds = found.until_nothing_waits() if found.waits() else 0
            rest = found.row("waiting", size, "until nothing waits")
            yield first
            floor = -(-size // (PER_MINUTE * len(DOMAINS)))
            yield {**_sum(first, rest), "rounds": rounds if rounds is None else rounds + 1, "floor": floor}
        yield _held(size, per_note)


def _sum(first: Row, rest: Row) -> Row:
    added = {name: first[name] + rest[name] for name in ("oss_calls", "cdn_calls", "records", "invocations_killed")}
    seconds, peak = round(first["seconds"] + rest["seconds"], 3), max(first["peak_mb"], rest["peak_mb"])
    return {**rest, **added, "seconds": seconds, "peak_mb": peak}


def _held(size: int, per_note: int) -> Row:
    """Let tasks wait for tomorrow's quota: what one ring costs that can do nothing for them."""
    with world(url_quota=len(DOMAINS)) as found:
        held = seeds.tasks(size, DOMAINS, found.clock.now())
        found.seed(seeds.waiting(held, quota_of("url"), per_note=per_note))
        found.minute()
        found.row("waiting", size, "")
        found.minute()
        return found.row("waiting", size, "one ring while the quota is spent")


def one_domain(sizes: Sequence[int]) -> Iterator[Row]:
    """Let tasks of one domain wait, which go at the pace of its limit."""
    for size in sorted({min(size, ONE_DOMAIN_MAX) for size in sizes}):
        with world(DOMAINS[:1]) as found:
            found.seed(seeds.waiting(seeds.tasks(size, DOMAINS[:1], found.clock.now())))
            rounds = found.until_nothing_waits()
            floor = -(-size // PER_MINUTE)
            row = found.row("one-domain", size, "until nothing waits", rounds=rounds, floor=floor)
            yield {**row, "records_per_task": round(row["records"] / size, 2)}


def submitted(sizes: Sequence[int]) -> Iterator[Row]:
    """Let many calls be in flight, none of them due for a look."""
    for size in _up_to(sizes, max(SIZES)):
        with world() as found:
            told: list[Mapping[str, Any]] = []
            found.cloud.cdn.on_finished.append(told.append)
            facts = found.cloud.options.facts_in_process()
            found.functions.receive(event_of(facts, ["real.html"], found.clock.now()))
            flying = seeds.tasks(size, DOMAINS, found.clock.now())
            found.seed(seeds.in_flight(flying, found.clock.now(), found.clock.now() + 6 * 3_600))
            found.row("submitted", size, "")
            found.minute()
            yield found.row("submitted", size, "one ring")
            found.functions.receive(event_of(facts, ["late.html"], found.clock.now() - LATE_SECONDS))
            yield found.row("submitted", size, "an event three hours late")
            found.clock.advance(10 * MINUTE_SECONDS)
            found.functions.finished(json.dumps(told[0]).encode())
            yield found.row("submitted", size, "a CDN event")


def dead(sizes: Sequence[int]) -> Iterator[Row]:
    """Let much lie in `dead/`."""
    for size in _up_to(sizes, max(SIZES)):
        with world() as found:
            found.seed(seeds.given_up(seeds.tasks(size, DOMAINS, found.clock.now()), found.clock.now() - 86_400))
            found.minute()
            yield found.row("dead", size, "one ring")


def unlogged(sizes: Sequence[int]) -> Iterator[Row]:
    """Let records wait for the log store, which works again."""
    for size in _up_to(sizes, max(SIZES)):
        with world() as found:
            found.seed(seeds.unlogged(seeds.tasks(size, DOMAINS, found.clock.now()), found.clock.now() - 3_600))
            rounds = 0
            while found.keys("kept/") and rounds < ROUNDS_MAX:
                found.minute()
                rounds += 1
            yield found.row("unlogged", size, "until all are logged", rounds=None if found.keys("kept/") else rounds)


def refused(sizes: Sequence[int]) -> Iterator[Row]:
    """Let the account be refused for an hour while tasks wait."""
    for size in _up_to(sizes, max(SIZES)):
        with world() as found:
            found.cloud.cdn.answers.append(rule(Answer(REFUSED), operations=["RefreshObjectCaches"]))
            found.seed(seeds.waiting(seeds.tasks(size, DOMAINS, found.clock.now())))
            for _ in range(HOUR_MINUTES):
                found.minute()
            yield found.row("refused", size, "an hour")


def outage(_sizes: Sequence[int] = (), hours: Sequence[float] = OUTAGE_HOURS) -> Iterator[Row]:
    """Let the CDN be silent for hours, while objects are uploaded all the time."""
    for each in hours:
        with world(DOMAINS[:1]) as found:
            found.is_silent[0] = True
            uploads = _upload(found, each * 3_600)
            yield found.row("outage", uploads, f"{each:g} hours", hours=each)
            found.is_silent[0] = False
            rounds = found.until_nothing_waits()
            yield found.row("outage", uploads, f"after {each:g} hours, until nothing waits", hours=each, rounds=rounds)


def _upload(found: World, seconds: float) -> int:
    """Let uploads and rings of the timer come, each when it is due or the one before has ended."""
    facts = found.cloud.options.facts_in_process()
    began = found.clock.now()
    count, next_ring = 0, began + MINUTE_SECONDS
    while (due := began + count * UPLOAD_SECONDS) < began + seconds:
        while next_ring <= due:
            found.clock.advance_to(next_ring)
            found.functions.tick()
            next_ring += MINUTE_SECONDS
        found.clock.advance_to(due)
        found.functions.receive(event_of(facts, [f"upload/{count:05d}.html"], found.clock.now()))
        count += 1
    return count


def _up_to(sizes: Sequence[int], most: int) -> list[int]:
    return [size for size in sizes if size <= most]


WORKS: dict[str, Callable[[Sequence[int]], Iterator[Row]]] = {
    "idle": idle,
    "waiting": waiting,
    "one-domain": one_domain,
    "submitted": submitted,
    "dead": dead,
    "unlogged": unlogged,
    "refused": refused,
    "outage": outage,
}
