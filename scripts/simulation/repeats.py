"""Seeds go in and are run in two processes whose hashes differ; whether both came to the same bytes comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.simulation.report import Order

ROOT = Path(__file__).parents[2]
HASH_SEEDS = ("1", "2")
CLOCKED = frozenset({"wall_seconds", "changes_per_second"})
"""Figures of the machine that runs it."""


def compared(seed: int, seeds: int, order: Order) -> dict[str, Any]:
    """Run some seeds twice at the same time; the figures that differ are named, the outcome log's digest among them."""
    first, second = _figures(seed, seeds, order)
    differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    different = [name for name in differing if name not in CLOCKED]
    return {
        "seeds": seeds,
        "changes": first["changes"],
        "outcome_logs": [first["outcome_log"], second["outcome_log"]],
        "different": different,
        "same": not different,
    }


def _figures(seed: int, seeds: int, order: Order) -> list[dict[str, Any]]:
    options = ["--seed", str(seed), "--seeds", str(seeds), "--changes", str(order.changes)]
    options += ["--faults", str(order.rate), "--only", order.only, "--jobs", "1", "--json"]
    command = [sys.executable, "-m", "scripts.simulation", *options]
    running = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for hash_seed in HASH_SEEDS
    ]
    return [json.loads(each.communicate()[0].splitlines()[-1]) for each in running]
