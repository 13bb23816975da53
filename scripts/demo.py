"""The local cloud goes in; what a person would see of the main job comes out, told step by step or as JSON.

Everything goes over sockets, through the vendor's own clients: uploads by `oss2`, reads from a caching edge over
HTTP, outcomes from the log service. Nothing of `shared/` is imported here.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import oss2
from aliyun.log import GetLogsRequest, LogClient

from scripts.cloudprocess import NotStarted, local_cloud

TASK_SECONDS = ("2", "3")
"""How long the local CDN takes for a refresh here; the real one takes five to six minutes."""
URLS_PER_MINUTE = "10000"
BURST_OBJECTS = 1_000
UPLOADERS = 8
WAIT_SECONDS_MAX = 60.0


class NotSeen(Exception):
    """Something that the demo promises did not happen; the message says what."""


class Cloud:
    """A client of the running local cloud: uploads, reads at the edge, and the outcome log."""

    def __init__(self, ready: Mapping[str, str]) -> None:
        self.ready = ready
        self.bucket = oss2.Bucket(
            oss2.Auth(ready["access_key_id"], ready["access_key_secret"]), ready["oss"], ready["bucket"]
        )
        self.edge = httpx.Client(base_url=ready["edge"], headers={"host": ready["domain"]}, trust_env=False)
        self._log = LogClient(ready["sls"], ready["access_key_id"], ready["access_key_secret"], source="demo")
        # The SDK puts the project before the host, which an address does not allow; it overlooks one with a port.
        setattr(self._log, "_isRowIp", True)  # noqa: B010 - the SDK's own switch, which its types do not show

    def read(self, key: str) -> tuple[int, str, str]:
        """Read a URL at the edge: status, body, and whether the cache had it."""
        reply = self.edge.get("/" + key)
        return reply.status_code, reply.text, reply.headers.get("x-cache", "").partition(" ")[0]

    def outcomes(self, since: float) -> list[dict[str, str]]:
        """Read the outcome records from a time (epoch seconds) on."""
        found: list[dict[str, str]] = []
        while True:
            page = self._log.get_logs(
                GetLogsRequest(
                    self.ready["log_project"],
                    self.ready["logstore"],
                    int(since),
                    int(time.time()) + 60,
                    "",
                    "*",
                    100,
                    len(found),
                )
            ).get_logs()
            found += [dict(each.get_contents()) for each in page]
            if not page:
                return found

    def outcome_of(self, key: str, since: float) -> dict[str, str]:
        """Wait for the record that a change of this object was accepted."""

        def accepted() -> dict[str, str] | None:
            records = self.outcomes(since - 1)
            own = [
                record
                for record in records
                if record["key"] == key and record["result"] == "accepted" and float(record["event_time"]) >= int(since)
            ]
            return own[0] if own else None

        record: dict[str, str] = wait_for(accepted, f"the refresh of {key} accepted")
        return record


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Look again and again until there is something; `NotSeen` after a minute."""
    until = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise NotSeen(f"after {WAIT_SECONDS_MAX:.0f} seconds I still have not seen {what}")


class Story:
    """Tells what happens, with the seconds since the last beginning."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def begin(self, text: str) -> None:
        """Begin a part."""
        self._started = time.monotonic()
        print(f"\n{text}", flush=True)

    def tell(self, text: str) -> None:
        """Tell one thing that was seen."""
        print(f"  {time.monotonic() - self._started:6.2f} s  {text}", flush=True)


def overwrite(cloud: Cloud, story: Story) -> dict[str, Any]:
    """Overwrite an object that the edge has cached, and watch it become fresh."""
    key, old, new = "news/today.html", "the old news", "the new news"
    story.begin(f"An object is overwritten: {key}")
    cloud.bucket.put_object(key, old)
    first = cloud.outcome_of(key, time.time() - 5)
    wait_for(lambda: time.time() > float(first["time"]) + float(TASK_SECONDS[1]) + 1, "the first refresh over")
    story.begin("The edge has it in its cache, then the object is overwritten")
    for _ in range(2):
        _, body, cache = cloud.read(key)
        story.tell(f"edge   {cache:<5}{body!r}")
    uploaded = time.time()
    cloud.bucket.put_object(key, new)
    story.tell(f"oss    PUT {key} {new!r}")
    _, body, cache = cloud.read(key)
    story.tell(f"edge   {cache:<5}{body!r}   <- stale")
    stale_seen = body == old and cache == "HIT"
    record = cloud.outcome_of(key, uploaded)
    story.tell(f"cdn    accepted task {record['cdn_task_ids']} for {record['url']}")
    wait_for(lambda: cloud.read(key)[1] == new, "the new bytes at the edge")
    fresh_seconds = time.time() - uploaded
    _, body, cache = cloud.read(key)
    story.tell(f"edge   {cache:<5}{body!r}   <- fresh, nobody did anything")
    return {
        "stale_seen": stale_seen,
        "fresh_seen": body == new,
        "upload_to_accepted_ms": round((float(record["time"]) - uploaded) * 1000),
        "upload_to_fresh_ms": round(fresh_seconds * 1000),
    }


def remove(cloud: Cloud, story: Story) -> dict[str, Any]:
    """Delete the object, and watch it go from the edge."""
    key = "news/today.html"
    story.begin(f"The object is deleted: {key}")
    removed = time.time()
    cloud.bucket.delete_object(key)
    status, body, cache = cloud.read(key)
    story.tell(f"edge   {cache:<5}{status} {body!r}   <- still there")
    still_there = status == 200  # noqa: PLR2004 - HTTP
    record = cloud.outcome_of(key, removed)
    story.tell(f"cdn    accepted task {record['cdn_task_ids']}, lane {record['lane']}")
    wait_for(lambda: cloud.read(key)[0] == 404, "the deleted object gone from the edge")  # noqa: PLR2004 - HTTP
    story.tell("edge   404   <- gone")
    return {"deleted_seen_stale": still_there, "deleted_gone": True}


def burst(cloud: Cloud, story: Story) -> dict[str, Any]:
    """Overwrite a thousand cached objects in one go, and count what it took."""
    keys = [f"burst/{number:04d}.txt" for number in range(BURST_OBJECTS)]
    story.begin(f"A burst: {BURST_OBJECTS} objects are uploaded in one go")
    since = time.time()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(lambda key: cloud.bucket.put_object(key, "burst"), keys))
    story.tell(f"oss    {BURST_OBJECTS} PUTs")
    wanted = {f"https://{cloud.ready['domain']}/{key}" for key in keys}

    def accepted() -> list[dict[str, str]]:
        records = cloud.outcomes(since - 1)
        own = [record for record in records if record["result"] == "accepted" and record["key"].startswith("burst/")]
        return own if wanted <= {record["url"] for record in own} else []

    try:
        records = wait_for(accepted, "all of the burst accepted")
    except NotSeen:
        records = [record for record in cloud.outcomes(since - 1) if record["result"] == "accepted"]
    never = wanted - {record["url"] for record in records}
    calls = {record["call"] for record in records}
    units = sum(int(record["units"]) for record in records)
    story.tell(f"cdn    {len(calls)} calls, {units} units, {len(never)} URLs never refreshed")
    return {
        "burst_objects": BURST_OBJECTS,
        "burst_refresh_calls": len(calls),
        "burst_units": units,
        "burst_urls_never_refreshed": len(never),
    }


def options(code: Path | None, interpreter: str | None) -> list[str]:
    """Give the options of the local cloud for this demo."""
    given = ["--task-seconds", *TASK_SECONDS, "--urls-per-minute", URLS_PER_MINUTE]
    given += ["--env", f"URLS_PER_MINUTE_PER_DOMAIN={URLS_PER_MINUTE}"]
    if code:
        given += ["--code", str(code)]
    if interpreter:
        given += ["--interpreter", interpreter]
    return given


def keep(ready: Mapping[str, str]) -> None:
    """Print what to try, and wait for Ctrl-C."""
    host = f"-H 'Host: {ready['domain']}'"
    print("\nThe local cloud goes on running until Ctrl-C. Try:")
    print(f"  curl -i {host} {ready['edge']}/burst/0001.txt        # twice: MISS, then HIT")
    print(f"  curl -i {host} -H 'x-edge-node: 2' {ready['edge']}/burst/0001.txt")
    print("Its addresses and keys, for any client of the vendor's:")
    print(json.dumps(ready, indent=2))
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo. Status 0 only if all of it was seen."""
    parser = argparse.ArgumentParser(prog="./scripts/demo", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="print what was seen as one JSON object, as the last line")
    parser.add_argument("--keep", action="store_true", help="leave the local cloud running afterwards")
    parser.add_argument("--code", type=Path, help="code package to run; by default the working tree")
    parser.add_argument("--interpreter", help="Python that runs the functions; by default this one")
    asked = parser.parse_args(arguments)
    seen: dict[str, Any] = {}
    story = Story()
    try:
        story.begin(f"Starting OSS, CDN, log service and functions here, from {asked.code or 'the working tree'}")
        with local_cloud(options(asked.code, asked.interpreter)) as ready:
            cloud = Cloud(ready)
            story.tell(f"ready; a refresh takes {'-'.join(TASK_SECONDS)} seconds here, 5-6 minutes on the real CDN")
            for part in (overwrite, remove, burst):
                seen |= part(cloud, story)
            if asked.keep:
                keep(ready)
    except (NotSeen, NotStarted) as fault:
        print(f"\ndemo: {fault}", file=sys.stderr)
        seen["failed"] = str(fault)
    whole = "failed" not in seen and all(
        [seen["stale_seen"], seen["fresh_seen"], seen["deleted_gone"], seen["burst_urls_never_refreshed"] == 0]
    )
    if asked.json:
        print(json.dumps(seen))
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
