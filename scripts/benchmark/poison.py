"""A batch with bad URLs at some places in; how many calls of the API its drain makes until all good ones are accepted.

Each trial is one event of as many changes, handled by the flow with its own clients, on a virtual clock against the
local cloud in this process. Its CDN refuses each call that holds a bad URL, as the API does: as a whole. Which URLs
are bad is told by their places in the first call, so a place means the same to each trial.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scripts.benchmark.instance import make_instance
from scripts.localcloud.cdn import reply
from scripts.localcloud.cdn.auth import read_claim
from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.paths import split_items
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request, Response
from shared import flow, logs

BATCHES = ((1_000, 1), (1_000, 2), (1_000, 10), (100, 1), (10, 1))
"""How many URLs, and how many of them bad."""
START = 1_789_970_000.0
"""13:53 in China, far from the daily reset."""
FUNCTION_SECONDS = 45.0
"""How long one invocation goes on."""
BLAMES_A_URL = "InvalidObjectPath.Malformed"


class StrictCdn:
    """The CDN API, refusing what holds a URL that stood at one of some places in its first call."""

    def __init__(self, cloud: LocalCloud, places: Collection[int]) -> None:
        self.refresh_calls = 0
        self._cdn, self._places = cloud.cdn, places
        self._bad: frozenset[str] = frozenset()

    def handle(self, request: Request) -> Response:
        """Answer one request of a client."""
        claim = read_claim(request)
        if claim.action != "RefreshObjectCaches":
            return self._cdn.handle(request)
        self.refresh_calls += 1
        urls = split_items(claim.params["ObjectPath"])
        if self.refresh_calls == 1:
            self._bad = frozenset(urls[place] for place in self._places)
        if self._bad.isdisjoint(urls):
            return self._cdn.handle(request)
        return reply.refusal("refused", RefusedError(BLAMES_A_URL, url="one of them"), as_xml=False)


@dataclass(frozen=True)
class Trial:
    """What one batch came to, by the books of the CDN and the spool."""

    refresh_calls: int
    good_accepted: int
    dead: int
    units: int


def measure(asked: argparse.Namespace, batches: Iterable[tuple[int, int]] = BATCHES) -> Iterator[dict[str, Any]]:
    """Try each batch with its bad URLs at several places."""
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
    clock = VirtualClock(START)
    cloud = LocalCloud(Options(), clock)
    cdn = StrictCdn(cloud, places)
    event = _event_of(cloud, urls)
    kit = make_instance(
        cloud.options.facts_in_process(),
        {},
        cdn_transport=HttpxTransport(cdn.handle, clock),
        oss_adapter=RequestsAdapter(cloud.handle_for("oss"), clock),
        log_adapter=RequestsAdapter(cloud.handle_for("sls"), clock),
        clock=clock.now,
        sleep=clock.advance,
        report=logs.logger("ERROR", io.StringIO()),
        chance=random.Random(1).random,  # noqa: S311 - a workload, the same in each run
        readers=1,
    ).kit
    flow.receive(kit, event, flow.Invocation("object_created", "poison", START + FUNCTION_SECONDS))
    return Trial(
        refresh_calls=cdn.refresh_calls,
        good_accepted=len({row.path for row in cloud.cdn.submissions}),
        dead=sum("/dead/" in key for key in cloud.oss.keys(cloud.options.spool_bucket)),
        units=cloud.cdn.spent()["file"],
    )


def _places(urls: int, bad: int, count: int) -> Iterator[Collection[int]]:
    """Choose places of the bad URLs: the first, the last, then any."""
    chance = random.Random(f"{bad} of {urls}")  # noqa: S311 - a workload, the same in each run
    yield range(bad)
    yield range(urls - bad, urls)
    for _ in range(count - 2):
        yield chance.sample(range(urls), bad)


def _event_of(cloud: LocalCloud, urls: int) -> bytes:
    """Write as many objects, and put what OSS tells of them into one event."""
    told: list[dict[str, Any]] = []
    cloud.on_changed.append(lambda payload: told.extend(payload["events"]))
    for number in range(urls):
        cloud.oss.put(cloud.options.bucket, f"{number:04d}.html", b"new")
    cloud.on_changed.clear()
    return json.dumps({"events": told}).encode()
