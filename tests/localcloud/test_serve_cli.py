"""The command `serve`: its ready file, its options, its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import oss2
import pytest

from scripts.localcloud.__main__ import check_host, main, make_parser, read_options
from scripts.localcloud.cloud import Options

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "scripts.localcloud", "serve"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A local cloud in a process of its own, and what its ready file says."""
    ready = tmp_path / "ready.json"
    options = ["--no-functions", "--ready-file", str(ready), "--latency", "oss=1", "--task-seconds", "0.1", "0.2"]
    options += ["--clock-ahead", "cdn=-300"]
    process = subprocess.Popen(COMMAND + options, cwd=ROOT, text=True)  # noqa: S603 - our own command
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process, json.loads(ready.read_text())
    finally:
        process.kill()
        process.wait()


def test_what_the_ready_file_names_answers_and_a_signal_ends_it(
    served: tuple[subprocess.Popen[str], dict[str, Any]],
) -> None:
    """Bucket and edge work with nothing but the ready file; SIGTERM ends it with status 0 in two seconds."""
    process, ready = served
    auth = oss2.Auth(ready["access_key_id"], ready["access_key_secret"])
    bucket = oss2.Bucket(auth, ready["oss"], ready["bucket"])
    bucket.put_object("a.txt", b"page")
    page = httpx.get(f"{ready['edge']}/a.txt", headers={"host": ready["domain"]})
    assert (page.text, page.headers["x-cache"].split()[0]) == ("page", "MISS")
    names = {"oss", "cdn", "sls", "fc", "edge", "account_id", "region", "spool_bucket", "log_project", "logstore"}
    assert names | {"service"} <= ready.keys()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert time.monotonic() - began < 2


def test_switches_reach_the_cloud_that_runs(served: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    """The CDN's replies are dated by a clock that is five minutes behind."""
    date = httpx.get(served[1]["cdn"]).headers["date"]
    assert -310 < parsedate_to_datetime(date).timestamp() - time.time() < -290


def options_of(*given: str) -> Options:
    """Read a command line into options."""
    return read_options(make_parser().parse_args(["serve", "--ready-file", "x", *given]))


def test_options_reach_the_services() -> None:
    """Numbers of the command line become limits, seconds, rates and settings of functions."""
    options = options_of(
        *("--url-quota", "20", "--directory-quota", "3", "--prefetch-quota", "4", "--urls-per-minute", "5"),
        *("--task-seconds", "0.5", "2", "--prefetch-seconds", "1", "3", "--latency", "oss=8", "sls=15", "cdn=80"),
        *("--fault", "cdn.throttle=0.05", "--fault", "oss.lost=0.1", "--seed", "9"),
        *("--instances", "2", "--env", "A=1=2", "--template", str(ROOT / "pyproject.toml")),
    )
    limits = options.limits
    assert (limits.url_refreshes_per_day, limits.directory_refreshes_per_day) == (20, 3)
    assert (limits.prefetches_per_day, limits.urls_per_minute_per_domain) == (4, 5)
    assert (limits.refresh_duration_seconds, limits.prefetch_duration_seconds) == ((0.5, 2.0), (1.0, 3.0))
    assert options.latencies == {"oss": 0.008, "sls": 0.015, "cdn": 0.08}
    assert (options.faults, options.seed) == ({"cdn.throttle": 0.05, "oss.lost": 0.1}, 9)
    assert options.functions is not None
    assert (options.functions.instances, options.functions.environment) == (2, {"A": "1=2"})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--fault", "cdn.late=0.1"], "cdn.late is no fault"),
        (["--fault", "cdn.lost=2"], "no probability"),
        (["--fault", "cdn.lost"], "write NAME=VALUE"),
        (["--latency", "dns=1"], "the services are"),
        (["--latency", "oss=soon"], "soon is no number"),
        (["--task-seconds", "5", "1"], "the shorter one first"),
        (["--code", "/nowhere"], "does not exist"),
        (["--interpreter", "/nowhere"], "does not exist"),
        (["--url-quota", "-1"], "whole number"),
        (["--host", "0.0.0.0"], "keys are public knowledge. Add --expose-to-network"),  # noqa: S104 - it is refused
        (["--host", "192.0.2.1"], "--expose-to-network"),
        (["--host", "my-machine"], "--expose-to-network"),
        (["--answers", "/nowhere"], "cannot be read"),
        (["--rows-per-reply", "0"], "whole number from 1"),
        (["--row-type", "folder=path"], "folder is none of file, directory"),
        (["--row-delay", "file=soon"], "soon is no number"),
        (["--row-spelling", "upper"], "invalid choice"),
        (["--clock-ahead", "edge=1"], "edge is none of oss, cdn, sls"),
        (["--clock-ahead", "oss"], "write NAME=VALUE"),
        (["--versioning", "nowhere=Enabled"], "nowhere is none of content, refresh-spool"),
        (["--versioning", "content=On"], "On is none of Enabled, Suspended"),
        (["--others-per-minute", "a.example.com=some"], "some is no number"),
        ([], "--ready-file"),
    ],
)
def test_wrong_options_fail_with_a_sentence(
    given: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be is named on stderr, and the status is that of wrong usage."""
    ready = ["--ready-file", "unused"] if given else []
    with pytest.raises(SystemExit) as ended:
        main(["serve", *ready, *given])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    [
        ["--host", "127.0.0.1"],
        ["--host", "127.1.2.3"],
        ["--host", "localhost"],
        ["--host", "0.0.0.0", "--expose-to-network"],  # noqa: S104 - only read, nothing is bound
    ],
)
def test_only_loopback_needs_no_leave(given: list[str]) -> None:
    """Addresses of this machine alone are taken as they are, any other with the flag that says what it means."""
    check_host(make_parser().parse_args(["serve", "--ready-file", "x", *given]))


def test_a_taken_port_fails_with_a_sentence(
    served: tuple[subprocess.Popen[str], dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A port that is in use ends the command with status 1 and no ready file."""
    port, unused = served[1]["oss"].rpartition(":")[2], tmp_path / "unused.json"
    assert main(["serve", "--no-functions", "--ready-file", str(unused), "--oss-port", port]) == 1
    assert "cannot start" in capsys.readouterr().err
    assert not unused.exists()
