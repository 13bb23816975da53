"""Cold start: a process starts, and its first task is accepted; ours beside the same with the vendor's SDK.

Each start is a new process of the Python that the code package is built for, with compiled bytecode; the three
kinds of `coldprobe.py` take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.cloudprocess import local_cloud

CODE = "dist/code"
PROBE = Path(__file__).with_name("coldprobe.py")
KINDS = ("ours", "sdk-in-place", "sdk-alone")


def measure(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Start each kind several times, in turn."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    packages = sysconfig.get_paths()["purelib"]
    paths = {"ours": [CODE], "sdk-in-place": [CODE, packages], "sdk-alone": [packages]}
    with local_cloud(["--no-functions"]) as ready, tempfile.TemporaryDirectory(prefix="cold-") as folder:
        site = {"bucket": ready["bucket"], "domains": [ready["domain"]]}
        Path(folder, "sites.yml").write_text(json.dumps({"sites": [site]}), encoding="utf-8")
        for number in range(asked.starts + 1):
            for kind in KINDS:
                milliseconds = _start(kind, json.dumps({**ready, "folder": folder}), paths[kind])
                if number:  # the first start of each kind warms the disk's cache
                    took[kind].append(milliseconds)
    medians = {kind: statistics.median(values) for kind, values in took.items()}
    yield {
        "what": "process start to first task accepted",
        "starts": asked.starts,
        **{f"{kind.replace('-', '_')}_ms": round(value) for kind, value in medians.items()},
        "ratio_to_sdk_in_place": round(medians["ours"] / medians["sdk-in-place"], 2),
        "ratio_to_sdk_alone": round(medians["ours"] / medians["sdk-alone"], 2),
    }


def _start(kind: str, ready: str, paths: Sequence[str]) -> float:
    """Start one process; milliseconds from its start to the moment it saw its first task accepted."""
    started = time.time()
    command = [sys.executable, "-I", "-S", str(PROBE), kind, ready, *paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return (float(done.stdout.splitlines()[0]) - started) * 1000
