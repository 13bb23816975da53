"""A seed and some seconds go in; function processes are really killed under a real load, and what was lost comes out.

Everything goes over sockets: uploads, overwrites and deletes by `oss2`, viewers at the caching edges over HTTP,
functions in processes of their own that get SIGKILL at random moments. What came of it is read from outside: from
the CDN's books, from the buckets, and at the edges. Nothing of `shared/` is imported here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import oss2
import yaml

from scripts.cloudprocess import NotStarted, local_cloud

TEMPLATE = Path(__file__).parents[1] / "template.yml"
WORKER = "scripts/localcloud/fc/worker.py"
PROCESSES = Path("/proc")

FUNCTION_SECONDS = 4
"""Time limit of the functions and length of the lease here, so that a dead holder is followed soon."""
TIMER = "@every 2s"
RETRIES = 8
"""The platform's most: an event must outlive the killing, else the platform gives it up, which is not ours to mend."""
LATENCIES = ("oss=20", "cdn=80", "sls=15")
"""Milliseconds of a reply: a kill then often comes when something is written and its writer does not know it yet."""
LINGER_SECONDS = "0.5"
CALL_SECONDS = 0.12
"""From the announcement of a call in the spool until its answer is written there, with these latencies."""
IN_CALL_SHARE = 0.7
LOOK_SECONDS = 0.01
INSTANCES = "2"
"""Of each function: few, so that a machine of two cores soon has started them again."""
TASK_SECONDS = ("0.5", "1")
PLENTY = "100000"
HOT_KEYS = 10
HOT_SHARE = 0.5
DELETED_SHARE = 0.15
UPLOADERS = 4
EDGE_NODES = ("1", "2")
REST_SECONDS_MAX = 400.0
"""An event that was killed often waits for its next try for as long as two minutes."""
NOT_FOUND = 404
UNSETTLED = frozenset({"events", "submitting", "waiting"})
"""Areas of the spool, below its prefix, whose objects are not at an end."""


@dataclass(frozen=True)
class Asked:
    """How hard to try: for how long (seconds), how many changes and kills at any moment a second, and the seed."""

    seconds: float = 8.0
    changes_per_second: float = 25.0
    kills_per_second: float = 2.0
    seed: int = 1


@dataclass(frozen=True)
class Found:
    """What was done, and what came of it; the lists are empty where nothing was lost."""

    seed: int
    seconds: float
    uploads: int
    deletes: int
    kills: int
    calls_cut: int
    """How often all processes were killed in the midst of a call."""
    invocations: int
    invocations_killed: int
    urls: int
    calls: int
    units: int
    units_in_excess: int
    """Acceptances of a URL beyond the number of its object's changes: what the kills have cost."""
    rest_seconds: float
    """From the last change and kill until nothing moved any more."""
    urls_lost: list[str]
    """URLs whose object changed after they were last accepted."""
    urls_stale: list[str]
    """Keys that an edge does not serve as the bucket holds them."""
    left_over: list[str]
    """Keys of the spool that still wait or are unresolved, and events that the platform has not delivered."""

    @property
    def whole(self) -> bool:
        """Nothing was lost."""
        return not (self.urls_lost or self.urls_stale or self.left_over)


class Load:
    """Changes objects as many clients would; `viewers` keep the edges' caches filled with what gets stale."""

    def __init__(self, ready: Mapping[str, str], asked: Asked) -> None:
        self.uploads = self.deletes = 0
        self.keys: set[str] = set()
        self._ready, self._asked = ready, asked
        self._chance = random.Random(f"{asked.seed}/load")  # noqa: S311 - a workload, the same for each seed
        self._bucket = bucket_of(ready, "bucket")
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Change a first object and wait for its refresh, so that the killing finds functions at work."""
        self._change(0.0, "first.txt", b"first")
        until = time.monotonic() + REST_SECONDS_MAX
        while not told(self._ready, "books")["urls"] and time.monotonic() < until:
            time.sleep(0.1)

    def run(self) -> None:
        """Make all changes, spread over the time; each is acknowledged by OSS, or raises."""
        count = int(self._asked.seconds * self._asked.changes_per_second)
        plan = [self._next(number) for number in range(count)]
        started = time.monotonic()
        try:
            with ThreadPoolExecutor(UPLOADERS) as pool:
                changes = [
                    pool.submit(self._change, started + number / self._asked.changes_per_second, *change)
                    for number, change in enumerate(plan)
                ]
            for change in changes:
                change.result()
        finally:
            self._stopped.set()

    def view(self) -> None:
        """Read objects at the edges until the changes end."""
        chance = random.Random(f"{self._asked.seed}/viewers")  # noqa: S311 - as above
        with edge_of(self._ready) as edge:
            while not self._stopped.wait(0.02):
                if self.keys:
                    edge.get("/" + chance.choice(sorted(self.keys)), headers={"x-edge-node": chance.choice(EDGE_NODES)})

    def _next(self, number: int) -> tuple[str, bytes | None]:
        """Choose a change: the key, and the new bytes or None for a delete."""
        hot = self._chance.random() < HOT_SHARE
        key = f"hot/{self._chance.randrange(HOT_KEYS)}.txt" if hot else f"cold/{number}.txt"
        deleted = hot and self._chance.random() < DELETED_SHARE / HOT_SHARE
        return key, None if deleted else f"{key} version {number}".encode()

    def _change(self, when: float, key: str, data: bytes | None) -> None:
        time.sleep(max(0.0, when - time.monotonic()))
        self.keys.add(key)
        if data is None:
            self._bucket.delete_object(key)
            self.deletes += 1
        else:
            self._bucket.put_object(key, data)
            self.uploads += 1


class Killer:
    """Sends SIGKILL to function processes of one local cloud, in two ways at once.

    At any moment one of them is killed. And all of them are killed in the midst of a call to the CDN: it is
    announced in the spool, and nobody is left who knows whether it was made. That is the hardest to survive.
    """

    def __init__(self, ready: Mapping[str, str], asked: Asked) -> None:
        self.kills = self.calls_cut = 0
        self._ready, self._asked = ready, asked
        self._until = time.monotonic() + asked.seconds

    def at_any_moment(self) -> None:
        """Kill one process, again and again, until the time is up."""
        chance = random.Random(f"{self._asked.seed}/any moment")  # noqa: S311 - the same for each seed
        while self._sleep(chance.expovariate(self._asked.kills_per_second)):
            if workers := worker_processes(int(self._ready["pid"])):
                self._kill([chance.choice(workers)])

    def in_calls(self) -> None:
        """Kill all processes at a random moment of a call, for most calls, until the time is up."""
        chance = random.Random(f"{self._asked.seed}/calls")  # noqa: S311 - the same for each seed
        with httpx.Client(base_url=self._ready["cdn"], trust_env=False) as books:
            seen: set[str] = set()
            while self._sleep(LOOK_SECONDS):
                calls = {key for key in books.get("/_local/spool").json() if "/submitting/" in key}
                if calls <= seen:
                    continue
                seen |= calls
                if chance.random() < IN_CALL_SHARE:
                    time.sleep(chance.uniform(0, CALL_SECONDS))
                    self._kill(worker_processes(int(self._ready["pid"])))
                    self.calls_cut += 1

    def _sleep(self, seconds: float) -> bool:
        """Wait; False once the time is up."""
        time.sleep(seconds)
        return time.monotonic() < self._until

    def _kill(self, workers: Sequence[int]) -> None:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                self.kills += 1


def worker_processes(cloud: int) -> list[int]:
    """List the function processes among a process's children, by their command line."""
    tasks = (PROCESSES / str(cloud) / "task").glob("*/children")
    children = [int(pid) for each in tasks for pid in each.read_text().split()]
    return sorted(pid for pid in children if WORKER in _command(pid))


def _command(pid: int) -> str:
    try:
        return (PROCESSES / str(pid) / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def try_to_lose(asked: Asked) -> Found:
    """Start a local cloud, load it, kill in it, wait until it is at rest, and look what came of it."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        template = impatient(TEMPLATE.read_text(encoding="utf-8"))
        path = Path(folder, "template.yml")
        path.write_text(template, encoding="utf-8")
        with local_cloud(options(path, asked.seed)) as ready:
            load = Load(ready, asked)
            load.begin()
            killer = Killer(ready, asked)
            with ThreadPoolExecutor() as pool:
                parts = [pool.submit(each) for each in (load.run, load.view, killer.at_any_moment, killer.in_calls)]
                for part in parts:
                    part.result()
            stopped = time.monotonic()
            wait_until_at_rest(ready)
            return judge(ready, asked, load, killer, time.monotonic() - stopped)


def impatient(template: str) -> str:
    """Give the deployed template with short limits, a quick timer, and the platform's most retries."""
    document = yaml.safe_load(template)
    document["template"]["function"]["timeout"] = FUNCTION_SECONDS
    for resource in document["resources"].values():
        for trigger in resource["props"]["triggers"]:
            if trigger["triggerType"] == "timer":
                trigger["triggerConfig"]["cronExpression"] = TIMER
            elif trigger["triggerType"] == "oss":
                resource["props"]["asyncInvokeConfig"]["maxAsyncRetryAttempts"] = RETRIES
    return str(yaml.safe_dump(document))


def options(template: Path, seed: int) -> list[str]:
    """Give the options of the local cloud."""
    limits = ["--task-seconds", *TASK_SECONDS, "--url-quota", PLENTY, "--urls-per-minute", PLENTY]
    env = [f"LEASE_SECONDS={FUNCTION_SECONDS}", f"LINGER_SECONDS={LINGER_SECONDS}"]
    env += [f"URLS_PER_MINUTE_PER_DOMAIN={PLENTY}"]
    chance = ["--latency", *LATENCIES, "--seed", str(seed)]
    chance += ["--instances", INSTANCES]
    return [*limits, *chance, "--template", str(template), "--env", *env]


def bucket_of(ready: Mapping[str, str], name: str) -> Any:
    """Give an `oss2` client of one of the buckets."""
    auth = oss2.Auth(ready["access_key_id"], ready["access_key_secret"])
    return oss2.Bucket(auth, ready["oss"], ready[name])


@contextmanager
def edge_of(ready: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Give a client of the edges."""
    with httpx.Client(base_url=ready["edge"], headers={"host": ready["domain"]}, trust_env=False) as edge:
        yield edge


def told(ready: Mapping[str, str], what: str) -> Any:
    """Read the local cloud's books."""
    return httpx.get(f"{ready['cdn']}/_local/{what}", trust_env=False).json()


def unsettled(ready: Mapping[str, str]) -> list[str]:
    """List what in the spool waits or is unresolved."""
    return [key for key in told(ready, "spool") if key.split("/")[1] in UNSETTLED]


def wait_until_at_rest(ready: Mapping[str, str]) -> None:
    """Wait until no event is on its way and nothing in the spool waits, twice in a row."""
    until, quiet = time.monotonic() + REST_SECONDS_MAX, 0
    while quiet < 2:  # noqa: PLR2004 - the first look may fall between a note and its listing
        if time.monotonic() > until:
            return
        moving = told(ready, "books")["pending_invocations"] or unsettled(ready)
        quiet = 0 if moving else quiet + 1
        time.sleep(0.3)
    time.sleep(float(TASK_SECONDS[1]) + 0.2)


def judge(ready: Mapping[str, str], asked: Asked, load: Load, killer: Killer, rest_seconds: float) -> Found:
    """Compare what changed with what was accepted, and what the bucket holds with what the edges serve."""
    moments, books = told(ready, "moments"), told(ready, "books")
    changed = {f"https://{ready['domain']}/{key}": times for key, times in moments["changed"].items()}
    accepted: dict[str, list[float]] = moments["accepted"]
    calls = books["calls"].get("RefreshObjectCaches", {})
    return Found(
        seed=asked.seed,
        seconds=asked.seconds,
        uploads=load.uploads,
        deletes=load.deletes,
        kills=killer.kills,
        calls_cut=killer.calls_cut,
        invocations=sum(books["invocations"].values()),
        invocations_killed=books["invocations"].get("exited", 0),
        urls=len(changed),
        calls=sum(calls.values()),
        units=sum(len(times) for times in accepted.values()),
        units_in_excess=sum(max(0, len(times) - len(changed.get(url, ()))) for url, times in accepted.items()),
        rest_seconds=round(rest_seconds, 1),
        urls_lost=sorted(url for url, times in changed.items() if max(accepted.get(url, [0.0])) < max(times)),
        urls_stale=stale(ready, sorted(load.keys)),
        left_over=unsettled(ready) + (["events on their way"] if rest_seconds > REST_SECONDS_MAX else []),
    )


def stale(ready: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    """List the keys that some edge node does not serve as the bucket holds them."""
    bucket = bucket_of(ready, "bucket")
    with edge_of(ready) as edge, ThreadPoolExecutor(UPLOADERS) as pool:

        def is_stale(key: str) -> bool:
            held = _held(bucket, key)
            return any(_served(edge.get("/" + key, headers={"x-edge-node": node})) != held for node in EDGE_NODES)

        return [key for key, is_so in zip(keys, pool.map(is_stale, keys), strict=True) if is_so]


def _served(reply: httpx.Response) -> bytes | None:
    return None if reply.status_code == NOT_FOUND else reply.content


def _held(bucket: Any, key: str) -> bytes | None:
    try:
        return bytes(bucket.get_object(key).read())
    except oss2.exceptions.NoSuchKey:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Status 0 only if nothing was lost."""
    parser = argparse.ArgumentParser(
        prog="./scripts/kills", description="Kill function processes under load, and look whether anything was lost."
    )
    usual = Asked()
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="how long; default %(default)s")
    what = "changes of objects a second; default %(default)s"
    parser.add_argument("--changes-per-second", type=float, default=usual.changes_per_second, metavar="N", help=what)
    what = "kills at any moment a second, beside those in calls; default %(default)s"
    parser.add_argument("--kills-per-second", type=float, default=usual.kills_per_second, metavar="N", help=what)
    parser.add_argument("--seed", type=int, default=usual.seed, help="seed of load and moments; default %(default)s")
    parser.add_argument("--json", action="store_true", help="print what was found as one JSON object")
    asked = parser.parse_args(arguments)
    given = Asked(asked.seconds, asked.changes_per_second, asked.kills_per_second, asked.seed)
    try:
        found = try_to_lose(given)
    except NotStarted as fault:
        print(f"kills: {fault}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps(asdict(found)))
    else:
        for name, value in asdict(found).items():
            print(f"{name:<20}{value}")
    return 0 if found.whole else 1


if __name__ == "__main__":
    sys.exit(main())
