"""Upload to accepted, warm, one at a time: ours beside a handler that calls the API directly.

Both handle the same events over sockets in this process, in turn, so that a slower moment of the machine meets
both. The direct one has no spool, no lease and no outcome log: it is the least that any handler must do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, cast

import httpx

from scripts.benchmark.instance import make_instance
from scripts.cloudprocess import local_cloud
from shared import flow, logs
from shared.core.change.events import read
from shared.core.site.urls import tasks_of
from shared.core.task.model import Form
from shared.core.task.rows import Accepted

SERVICE_LATENCIES = ("oss=8", "sls=15", "cdn=80")
"""Milliseconds: what the services take within a region, as modelled."""
PLENTY = {"URLS_PER_MINUTE_PER_DOMAIN": "100000", "CALLS_PER_SECOND": "1000"}
"""No limit of ours is to hold anything back."""
PACE_SECONDS = 0.04
"""Between two events: the API takes 50 calls a second, and a bare one is quicker than that."""


class TimedCdn:
    """The CDN client, noting when a submission was accepted."""

    def __init__(self, cdn: Any) -> None:
        self._cdn = cdn
        self.accepted_at = 0.0

    def refresh(self, urls: Sequence[str], form: Form = Form.FILE, *, force: bool = False) -> Accepted:
        """Refresh, and note the time of the answer."""
        accepted: Accepted = self._cdn.refresh(urls, form, force=force)
        self.accepted_at = time.perf_counter()
        return accepted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cdn, name)


def measure(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure on loopback as it is, then with modelled service latencies."""
    for what, latency in (("loopback", ()), ("modelled latencies " + " ".join(SERVICE_LATENCIES), SERVICE_LATENCIES)):
        options = ["--no-functions", "--url-quota", "1000000", "--urls-per-minute", "1000000"]
        options += ["--latency", *latency] if latency else []
        with local_cloud(options) as ready:
            yield {"what": f"upload to accepted, warm, one at a time: {what}", **_compare(ready, asked.rounds)}


def _compare(ready: Mapping[str, str], rounds: int) -> dict[str, Any]:
    parts = make_instance(ready, PLENTY, report=logs.logger("ERROR"))
    cdn = TimedCdn(parts.kit.cdn)
    kit = replace(parts.kit, cdn=cast("flow.kit.Cdn", cdn))  # it passes every other call on
    ours, whole, direct = [], [], []

    def run_ours(event: bytes) -> None:
        flow.receive(kit, event, flow.Invocation("bench", str(time.time_ns()), time.time() + 60))

    def run_direct(event: bytes) -> None:
        for change in read(event).changes:
            tasks, _ = tasks_of(change, kit.sites, kit.provider)
            cdn.refresh([task.url for task in tasks])

    for number in range(rounds + 2):
        took, ended = _timed(run_ours, cdn, number, "ours")
        took_directly, _ = _timed(run_direct, cdn, number, "direct")
        if number >= 2:  # noqa: PLR2004 - the first two warm both up
            ours.append(took)
            whole.append(ended)
            direct.append(took_directly)
    figures = {f"ours_{name}_ms": value for name, value in _quantiles(ours).items()}
    figures |= {f"direct_{name}_ms": value for name, value in _quantiles(direct).items()}
    return {
        **figures,
        "p50_ratio": round(statistics.median(ours) / statistics.median(direct), 2),
        "whole_invocation_p50_ms": _quantiles(whole)["p50"],
        **{f"calls_{name}": count for name, count in _calls_of_one(ready, run_ours).items()},
    }


def _timed(run: Callable[[bytes], None], cdn: TimedCdn, number: int, who: str) -> tuple[float, float]:
    """Run one event, paced; milliseconds until the CDN accepted it, and until the handler returned."""
    time.sleep(PACE_SECONDS)
    event = _event(f"{who}/{number}.txt")
    started = time.perf_counter()
    run(event)
    ended = time.perf_counter()
    return (cdn.accepted_at - started) * 1000, (ended - started) * 1000


def _calls_of_one(ready: Mapping[str, str], run: Callable[[bytes], None]) -> dict[str, int]:
    """Count the service calls that one more uncontended event makes."""
    before = _service_calls(ready)
    run(_event("counted.txt"))
    return {name: count - before.get(name, 0) for name, count in _service_calls(ready).items()}


def _service_calls(ready: Mapping[str, str]) -> dict[str, int]:
    return dict(httpx.get(f"{ready['cdn']}/_local/books", trust_env=False).json()["requests"])


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


def _event(key: str) -> bytes:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    event = {
        "eventName": "ObjectCreated:PutObject",
        "eventSource": "acs:oss",
        "eventTime": now,
        "oss": {"bucket": {"name": "content"}, "object": {"key": key, "size": 3, "deltaSize": 3, "eTag": "AB"}},
        "responseElements": {"requestId": f"{time.time_ns():024x}"},
    }
    return json.dumps({"events": [event]}).encode()
