"""Bad URLs beside good ones in; how many calls, rounds and seconds it takes until each has come to its end.

The functions work on a virtual clock against the local cloud in this process, whose replies take their time, also
where it refuses; an invocation is killed at its time limit. Its CDN refuses each call that holds a bad URL, as the API
does: as a whole. The first round is the last event's own invocation, each further one a ring of the timer, a minute
apart.

All has ended once each good URL was accepted and each bad one lies in `dead/`: how long the CDN then takes for what it
has accepted, five to six minutes, is its own matter.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scripts.benchmark.functions import Functions, event_of
from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.service import Limits
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from shared.core.task.stored import grave

LATENCIES = {"cdn": 0.080, "oss": 0.015, "sls": 0.015}
"""Seconds that each reply takes."""
START = 1_789_970_000.0
"""13:53 in China, far from the daily reset."""
ROUND_SECONDS = 60.0
ROUNDS_MAX = 120
URLS = 1_000
REJECTED, FAILING = "InvalidObjectPath.Malformed", "InternalError"
BAD_DOMAIN = "InvalidDomain.NotFound"
"""All URLs of a call are given up at once."""
BAD: tuple[tuple[int, str], ...] = (
    *((count, REJECTED) for count in (0, 1, 2, 10, 60, 150, 400, 1_000)),
    *((count, FAILING) for count in (1, 2, 10)),
)
BURIED = 5_000
URLS_PER_NOTE = 100
PER_MINUTE = 10_000
BATCHES = ((1_000, 1), (1_000, 2), (1_000, 10), (100, 1), (10, 1))
"""How many URLs, and how many of them bad, for the calls of a search alone."""
OPERATION = "RefreshObjectCaches"


@dataclass(frozen=True)
class Work:
    """What is to be refreshed: how many URLs, which of them are bad, with what code, and how many events tell of it."""

    urls: int
    bad: frozenset[int]
    code: str = REJECTED
    events: int = 1
    per_minute: int = 1_000


class Trial:
    """One deployment that meets some work, round by round."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.clock = VirtualClock(START)
        limits = Limits(urls_per_minute_per_domain=work.per_minute)
        self.cloud = LocalCloud(Options(latencies=LATENCIES, limits=limits), self.clock)
        facts = self.cloud.options.facts_in_process()
        keys = [f"{number:04d}.html" for number in range(work.urls)]
        urls = [f"https://{facts['domain']}/{key}" for key in keys]
        self._bad = frozenset(urls[number] for number in work.bad)
        self._good = frozenset(urls) - self._bad
        if self._bad:
            answer = Answer(work.code, status=500 if work.code == FAILING else 0, message="refused: one of them")
            self.cloud.cdn.answers.append(rule(answer, operations=[OPERATION], urls=self._bad))
        self.functions = Functions(
            facts,
            {name: self.cloud.handle_for(name) for name in ("cdn", "oss", "sls")},
            self.clock,
            settings={"URLS_PER_MINUTE_PER_DOMAIN": str(work.per_minute)},
        )
        share = -(-work.urls // work.events)
        self._events = [event_of(facts, keys[start : start + share], START) for start in range(0, work.urls, share)]
        self.rounds = 0

    def next_round(self) -> None:
        """Deliver what has come, or let the timer ring."""
        self.rounds += 1
        if self.rounds == 1:
            for event in self._events[:-1]:
                self.functions.note(event)
            self.functions.receive(self._events[-1])
        else:
            self.clock.advance_to(START + (self.rounds - 1) * ROUND_SECONDS)
            self.functions.tick()

    @property
    def refresh_calls(self) -> int:
        """How many calls the CDN has seen, refused ones too."""
        return sum(call.operation == OPERATION for call in self.cloud.cdn.calls)

    @property
    def units(self) -> int:
        """What was spent."""
        return self.cloud.cdn.spent()["file"]

    @property
    def good_accepted(self) -> int:
        """How many good URLs the CDN has accepted."""
        return len(self._good & {row.path for row in self.cloud.cdn.submissions})

    @property
    def dead(self) -> int:
        """How many pieces lie in `dead/`."""
        keys = self._spooled("dead/")
        return sum(found.count for key in keys if (found := grave(key.removesuffix(".json"), 0.0)))

    @property
    def is_good_over(self) -> bool:
        """Whether each good URL was accepted."""
        return self.good_accepted == len(self._good)

    @property
    def is_over(self) -> bool:
        """Whether each URL has come to its end."""
        return self.is_good_over and self.dead == len(self._bad) and not self._waits()

    @property
    def good_seconds(self) -> float:
        """When the last good URL was accepted."""
        return max((row.moment - START for row in self.cloud.cdn.submissions), default=0.0)

    def _waits(self) -> bool:
        return bool(self._spooled("waiting/") or self._spooled("submitting/"))

    def _spooled(self, area: str) -> list[str]:
        prefix = f"cdn-refresh/{area}"
        return [key.removeprefix(prefix) for key in self.cloud.oss.keys(self.cloud.options.spool_bucket, prefix)]


def measure(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Give a row for each number of bad URLs, then those of the search alone."""
    for count, code in BAD:
        yield {"what": f"{count} bad among {URLS} URLs, {code}", **ended(chosen(URLS, count, code))}
    for code in (REJECTED, BAD_DOMAIN):
        buried = Work(BURIED, frozenset(range(BURIED)), code, events=BURIED // URLS_PER_NOTE, per_minute=PER_MINUTE)
        yield {"what": f"{BURIED} bad of {BURIED} URLs in {buried.events} notes, {code}", **ended(buried)}
    yield from search(asked)


def chosen(urls: int, bad: int, code: str = REJECTED) -> Work:
    """Let so many URLs at any places be bad."""
    chance = random.Random(f"{bad} of {urls}")  # noqa: S311 - a workload, the same in each run
    return Work(urls, frozenset(chance.sample(range(urls), bad)), code)


def ended(work: Work) -> dict[str, Any]:
    """Go on round by round until all has come to its end; the figures are None where it has not."""
    trial = Trial(work)
    good: tuple[int, float] | None = None
    all_: tuple[int, float] | None = None
    while all_ is None and trial.rounds < ROUNDS_MAX:
        trial.next_round()
        if good is None and trial.is_good_over:
            good = (trial.rounds, trial.good_seconds)
        if trial.is_over:
            all_ = (trial.rounds, trial.clock.now() - START)
    return {
        "urls": work.urls,
        "bad": len(work.bad),
        "code": work.code if work.bad else "",
        "refresh_calls": trial.refresh_calls,
        "rounds_until_good_accepted": good and good[0],
        "rounds_until_all_ended": all_ and all_[0],
        "seconds_until_good_accepted": good and round(good[1], 1),
        "seconds_until_all_ended": all_ and round(all_[1], 1),
        "invocations_killed": trial.functions.killed,
        "dead": trial.dead,
        "units": trial.units,
    }


def search(asked: argparse.Namespace, batches: Iterable[tuple[int, int]] = BATCHES) -> Iterator[dict[str, Any]]:
    """Try each batch with its bad URLs at several places: what does the search for them cost at most."""
    for urls, bad in batches:
        trials = [try_batch(urls, places) for places in _places(urls, bad, asked.places)]
        yield {"what": f"{bad} bad among {urls} URLs, at {len(trials)} places", **summary(urls, bad, trials)}


def summary(urls: int, bad: int, trials: Collection[Trial]) -> dict[str, Any]:
    """Give the figures of some trials, of each the worst."""
    calls = [trial.refresh_calls for trial in trials]
    return {
        "urls": urls,
        "bad": bad,
        "refresh_calls_most": max(calls),
        "further_calls_most": max(calls) - 1,
        "further_calls_mean": round(statistics.mean(calls) - 1, 2),
        "good_urls_accepted_least": min(trial.good_accepted for trial in trials),
        "dead_most": max(trial.dead for trial in trials),
        "units_most": max(trial.units for trial in trials),
    }


def try_batch(urls: int, places: Collection[int]) -> Trial:
    """Let one event of so many URLs be handled, of which those at some places are bad."""
    trial = Trial(Work(urls, frozenset(places)))
    trial.next_round()
    return trial


def _places(urls: int, bad: int, count: int) -> Iterator[Collection[int]]:
    """Choose places of the bad URLs: the first, the last, then any."""
    chance = random.Random(f"{bad} of {urls}")  # noqa: S311 - a workload, the same in each run
    yield range(bad)
    yield range(urls - bad, urls)
    for _ in range(count - 2):
        yield chance.sample(range(urls), bad)
