"""Changed URLs in folders of several shapes in; what covering them by directories costs, beside its bound, out."""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from shared.core.cover import cover
from shared.core.cover.folders import folders_of
from shared.core.task.model import Cause, Form, Kind, Lane, Target, Task, TaskId, json_bytes

ROOT = "https://static.example.com/"
DIRECTORY_UNITS, PRICE = 70, 500.0
SHARES = (0.1, 0.5, 0.9)
"""Of the changed URLs, how many there are units for."""
URLS, FOLDERS, DEPTH_MAX = 100_000, 10_000, 20

Shape = tuple[list[str], dict[str, int]]
"""Changed URLs, and how many other objects lie in each folder."""


def measure(_asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure each shape at each share of units."""
    for name, (urls, others) in _shapes():
        for share in SHARES:
            yield _measured(f"{name}, units for {share:.0%} of the URLs", urls, others, int(len(urls) * share))


def _measured(what: str, urls: list[str], others: dict[str, int], units: int) -> dict[str, Any]:
    written = [json_bytes([_task(url) for url in urls[at : at + 1_000]]) for at in range(0, len(urls), 1_000)]
    started = time.process_time()
    tasks = [task for each in written for task in msgspec.json.decode(each, type=list[Task])]
    decoding = time.process_time() - started
    started = time.process_time()
    _, folders = folders_of((task.url for task in tasks), others)
    found = cover(folders, units, DIRECTORY_UNITS, PRICE)
    seconds = time.process_time() - started
    tracemalloc.start()
    cover(folders_of((task.url for task in tasks), others)[1], units, DIRECTORY_UNITS, PRICE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "what": what,
        "tasks": len(urls),
        "folders": len(folders),
        "seconds": round(seconds, 2),
        "times_decoding": round(seconds / decoding, 2),
        "peak_mb": round(peak / 1e6, 1),
        "directories": len(found.chosen),
        "left_uncovered": len(urls) - found.covered,
        "fits": found.fits,
        "cost": round(found.cost),
        "bound": round(found.bound),
        "over_bound_percent": round(100 * (found.cost / found.bound - 1), 2) if found.bound else 0.0,
    }


def _task(url: str) -> Task:
    cause = Cause("event", "ObjectCreated:PutObject", 1_790_000_000.0, "content", url.removeprefix(ROOT), "E")
    return Task(TaskId(url[-16:]), Target(Kind.REFRESH, Form.FILE, url), "site", Lane.OVERWRITTEN, cause)


def _shapes() -> Iterator[tuple[str, Shape]]:
    rng = Random("planner")  # noqa: S311 - the same shapes each time
    yield "40 folders with 25,000 URLs", _spread(rng, [f"d{n}/" for n in range(40)], 25_000)
    nested = [f"d{n % 10}/{n % 400}/{n}/" for n in range(4_000)]
    yield "4,000 nested folders with 25,000 URLs", _spread(rng, nested, 25_000)
    yield f"{FOLDERS:,} flat folders", _spread(rng, [f"{n}/" for n in range(FOLDERS)], URLS)
    yield f"{FOLDERS:,} folders in 100", _spread(rng, [f"{n % 100}/{n}/" for n in range(FOLDERS)], URLS)
    yield f"{FOLDERS:,} folders in one another", _spread(rng, _deep(rng), URLS)
    yield f"{FOLDERS:,} folders, few of them hot", _spread(rng, _deep(rng), URLS, is_even=False)


def _deep(rng: Random) -> list[str]:
    """Let each folder lie in one of those before it, up to twenty deep."""
    found = [f"{n}/" for n in range(10)]
    while len(found) < FOLDERS:
        outer = rng.choice(found)
        if outer.count("/") < DEPTH_MAX:
            found.append(f"{outer}{len(found)}/")
    return found


def _spread(rng: Random, folders: list[str], urls: int, *, is_even: bool = True) -> Shape:
    """Let URLs lie in folders, beside other objects."""
    count = len(folders)
    places = (int(rng.random() ** (1 if is_even else 6) * count) for _ in range(urls))
    changed = [f"{ROOT}{folders[place]}{number}.html" for number, place in enumerate(places)]
    return changed, {ROOT + folder: rng.choice((0, 5, 50, 500)) for folder in folders}
