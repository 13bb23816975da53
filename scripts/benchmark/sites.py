"""Many sites and keys in; units a change costs, and the processor time to judge an event and to load the sites, out."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from scripts.benchmark.corpus import keys
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.site.compiled import compiled, sites_of
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Domain, Site
from shared.core.site.spelling import Spelling
from shared.core.site.urls import own_paths, tasks_of
from shared.core.task.model import Action, ObjectChange

SITES, RULES = 100, 50
EVENTS = 300
LOADS = 15
SPELLINGS = {
    "default": (Spelling.BROWSER, Spelling.STRICT),
    "strict": (Spelling.STRICT,),
    "all": tuple(Spelling),
}


def measure(_asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure each."""
    yield from _units()
    yield from _judging()
    yield _loading()


def _units() -> Iterator[dict[str, Any]]:
    corpus = keys()
    for name, spellings in SPELLINGS.items():
        site = Site("site", "content", (Domain("static.example.com"),), spellings=spellings)
        counts = [len(own_paths(key, site)) for key in corpus]
        yield {
            "what": f"a change of one of {len(corpus):,} keys, spellings: {name}",
            "units_per_change": round(statistics.mean(counts), 3),
            "keys_with_more_than_one_percent": round(100 * sum(count > 1 for count in counts) / len(counts), 1),
        }


def _judging() -> Iterator[dict[str, Any]]:
    for what, is_shared in (("one site matches", False), ("all match, a task each", True)):
        sites = read_sites(text(is_shared=is_shared))
        corpus = keys()
        started = time.process_time()
        tasks_of(_change(corpus[0], 0), sites, ALIBABA_CDN)
        first = time.process_time() - started
        took, tasks = [], 0
        for number in range(EVENTS):
            change = _change(corpus[number * 7 % len(corpus)], number)
            started = time.process_time()
            found, _ = tasks_of(change, sites, ALIBABA_CDN)
            took.append(time.process_time() - started)
            tasks += len(found)
        yield {
            "what": f"judge an event against {SITES} sites of {RULES} rules each: {what}",
            "p50_us": round(statistics.median(took) * 1e6),
            "p99_us": round(sorted(took)[len(took) * 99 // 100] * 1e6),
            "first_us": round(first * 1e6),
            "tasks_per_event": round(tasks / EVENTS, 1),
        }


def _loading() -> dict[str, Any]:
    written = text(is_shared=False).encode()
    sites = read_sites(written.decode())
    data = compiled(written, sites)
    return {
        "what": f"load {SITES} sites of {RULES} rules each",
        "compiled_ms": round(_best(lambda: sites_of(data, written), LOADS) * 1000, 1),
        "yaml_ms": round(_best(lambda: read_sites(written.decode()), 1) * 1000),
        "yaml_bytes": len(written),
        "compiled_bytes": len(data),
    }


def _best(act: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        started = time.process_time()
        act()
        took.append(time.process_time() - started)
    return statistics.median(took)


def text(*, is_shared: bool) -> str:
    """Write the site file: of one bucket each, or all of one bucket."""
    return yaml.safe_dump({"sites": [_site(number, is_shared=is_shared) for number in range(SITES)]}, width=200)


def _site(number: int, *, is_shared: bool) -> dict[str, Any]:
    bucket = "content-0" if is_shared else f"content-{number}"
    rules = [_rule(place, number) for place in range(RULES)]
    return {"name": f"site-{number}", "bucket": bucket, "domains": [f"d{number}.example.com"], "rules": rules}


def _rule(place: int, number: int) -> dict[str, Any]:
    """Give a rule, of some kinds in turn; few of them are about a key of the corpus."""
    kinds = (
        {"keys": [f"team-{place}/{number}/**"], "urls": ["{url}!thumb"]},
        {"keys": [f"*.x{place}"], "urls": ["{url}?x-oss-process=style/thumb"]},
        {"keys": [f"page-{place}.html"], "urls": ["{dir}"]},
        {"keys": [f"guide-{place}/**/*.html"], "urls": ["{dir}{stem}"]},
        {"keys": [f"**/old-{place}/*"], "created": "ignore"},
    )
    return dict(kinds[place % len(kinds)])


def _change(key: str, number: int) -> ObjectChange:
    return ObjectChange(f"event-{number}", Action.CREATED, "ObjectCreated:PutObject", "content-0", key, "E", 5, 2, 7.0)
