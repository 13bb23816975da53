"""Options in; a local cloud in a process of its own, on free ports, for as long as a block runs, and how to use it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 10.0


_ENVIRONMENT = {
    "SPOOL_BUCKET": "spool_bucket",
    "LOG_PROJECT": "log_project",
    "LOGSTORE": "logstore",
    "REGION": "region",
    "OSS_ENDPOINT": "oss",
    "CDN_ENDPOINT": "cdn",
    "LOG_ENDPOINT": "sls",
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "access_key_id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "access_key_secret",
}

NEEDED = frozenset({*_ENVIRONMENT.values(), "bucket", "domain"})
"""What a ready file has to tell for that."""


def environment_of(ready: Mapping[str, str]) -> dict[str, str]:
    """Give the settings, and the keys, with which our code uses the local cloud that a ready file tells of."""
    return {name: ready[field] for name, field in _ENVIRONMENT.items()}


def site_file_of(ready: Mapping[str, str]) -> str:
    """Write the site file of its one bucket and domain."""
    return json.dumps({"sites": [{"bucket": ready["bucket"], "domains": [ready["domain"]]}]})


class NotStarted(RuntimeError):
    """The local cloud ended, or did not answer in time; the message has what it printed."""


@contextmanager
def local_cloud(options: Sequence[str] = ()) -> Iterator[Mapping[str, str]]:
    """Start `serve` with some options; yield what its ready file says, and its process id as `pid`; stop it."""
    with tempfile.TemporaryDirectory(prefix="local-cloud-") as folder:
        ready = Path(folder, "ready.json")
        command = [sys.executable, "-m", "scripts.localcloud", "serve", "--ready-file", str(ready), *options]
        with Path(folder, "log").open("w+", encoding="utf-8") as log:
            cloud = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                _wait_until_ready(cloud, ready, log)
                yield {**json.loads(ready.read_text(encoding="utf-8")), "pid": str(cloud.pid)}
            finally:
                _stop(cloud)


def _wait_until_ready(cloud: subprocess.Popen[bytes], ready: Path, log: IO[str]) -> None:
    until = time.monotonic() + START_SECONDS_MAX
    while not ready.exists():
        if cloud.poll() is not None or time.monotonic() > until:
            log.seek(0)
            raise NotStarted(f"the local cloud did not start:\n{log.read()}")
        time.sleep(0.05)


def _stop(cloud: subprocess.Popen[bytes]) -> None:
    cloud.terminate()
    try:
        cloud.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        cloud.kill()
        cloud.wait()
