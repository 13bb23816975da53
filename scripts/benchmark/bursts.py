"""Bursts of uploads through the whole local cloud: what ours spends, beside one call an event.

Everything goes over sockets: uploads by `oss2`, events by the function host to many function instances, calls
to the CDN API. What was spent is read from the API's own books, not from what the functions say.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx
import oss2

from scripts.cloudprocess import local_cloud

UPLOADERS = 4
QUIET_SECONDS = 10.0
"""Nothing has moved for this long: at rest, if all URLs have been refreshed."""
TIMER_SECONDS = 75.0
"""Otherwise the timer, which rings each minute, gets its chance first."""
WAIT_SECONDS_MAX = 900.0
HOT_KEYS = 500
ZIPF_EXPONENT = 1.1
PLENTY = "1000000"
PER_MINUTE = "100000"
"""The most that our setting takes."""

NAIVE = '''
"""One refresh call an event, straight from the event to the API: what most published functions do."""
import json
import os

from shared.cloud.provider.cdn import Cdn
from shared.cloud.credentials import KeyRing, from_invocation

keys = KeyRing()
cdn = Cdn(os.environ["CDN_ENDPOINT"], keys)


def initialize(context):
    pass


def handler(event, context):
    keys.use(lambda: from_invocation(context, os.environ))
    for each in json.loads(event)["events"]:
        cdn.refresh(["https://static.example.com/" + each["oss"]["object"]["key"]])
'''


def distinct(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Upload as many objects as there are events, each once."""
    keys = [f"burst/{number:05d}.txt" for number in range(asked.events)]
    yield from _both(asked, keys, f"{asked.events} distinct uploads, {asked.workers} function instances")


def hot(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Overwrite a few hundred hot objects again and again (Zipf)."""
    weights = list(accumulate(1 / rank**ZIPF_EXPONENT for rank in range(1, HOT_KEYS + 1)))
    chance = random.Random(1)  # noqa: S311 - a workload, the same in each run
    keys = [f"hot/{number:03d}.txt" for number in chance.choices(range(HOT_KEYS), cum_weights=weights, k=asked.events)]
    yield from _both(asked, keys, f"{asked.events} writes over {HOT_KEYS} hot keys (Zipf {ZIPF_EXPONENT})")


def _both(asked: argparse.Namespace, keys: Sequence[str], what: str) -> Iterator[dict[str, Any]]:
    yield {"what": f"{what}: ours", **_run(asked.workers, keys, [])}
    with tempfile.TemporaryDirectory(prefix="naive-") as folder:
        yield {"what": f"{what}: one call an event", **_run(asked.workers, keys, ["--code", _naive_code(folder)])}


def _naive_code(folder: str) -> str:
    """Write a code directory whose functions are the naive one under our functions' names."""
    for name in ("object_created", "object_removed"):
        Path(folder, f"{name}.py").write_text(NAIVE, encoding="utf-8")
    idle = "def initialize(context):\n    pass\n\n\ndef handler(event, context):\n    pass\n"
    for entry in Path("functions").glob("*.py"):
        if not Path(folder, entry.name).exists():
            Path(folder, entry.name).write_text(idle, encoding="utf-8")
    Path(folder, "shared").symlink_to(Path("shared").resolve())
    return folder


def _run(workers: int, keys: Sequence[str], code: Sequence[str]) -> dict[str, Any]:
    """Upload in one go, wait until nothing moves any more, and read the API's books."""
    limits = ["--url-quota", PLENTY, "--urls-per-minute", PLENTY, "--instances", str(workers)]
    settings = ["--env", f"URLS_PER_MINUTE_PER_DOMAIN={PER_MINUTE}"]
    with local_cloud([*limits, *settings, *code]) as ready:
        started = time.monotonic()
        _upload(ready, keys)
        uploaded = time.monotonic()
        wanted = {f"https://{ready['domain']}/{key}" for key in keys}
        books, moved = _settled(ready, wanted)
    calls = books["calls"].get("RefreshObjectCaches", {})
    return {
        "events": len(keys),
        "distinct_urls": len(wanted),
        "refresh_calls": sum(calls.values()),
        "refresh_calls_refused": sum(count for code, count in calls.items() if code != "OK"),
        "units": books["spent"].get("file", 0),
        "urls_never_refreshed": len(wanted - set(books["urls"])),
        "upload_seconds": round(uploaded - started, 1),
        "all_seconds": round(moved - started, 1),
    }


def _upload(ready: Mapping[str, str], keys: Sequence[str]) -> None:
    auth = oss2.Auth(ready["access_key_id"], ready["access_key_secret"])
    bucket = oss2.Bucket(auth, ready["oss"], ready["bucket"])
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(lambda key: bucket.put_object(key, "burst"), keys))


def _refreshes(books: Mapping[str, Any]) -> Any:
    return books.get("calls", {}).get("RefreshObjectCaches")


def _settled(ready: Mapping[str, str], wanted: set[str]) -> tuple[dict[str, Any], float]:
    """Wait until nothing moves any more; the API's books, and when they last changed."""
    last: dict[str, Any] = {}
    quiet_since = time.monotonic()
    until = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < until:
        books = httpx.get(f"{ready['cdn']}/_local/books", trust_env=False).json()
        if books["pending_invocations"] or _refreshes(books) != _refreshes(last):
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > (QUIET_SECONDS if wanted <= set(books["urls"]) else TIMER_SECONDS):
            return dict(books), quiet_since
        last = books
        time.sleep(0.5)
    raise TimeoutError(f"the local cloud was not at rest after {WAIT_SECONDS_MAX:.0f} seconds")
