"""Sweeps of the simulation, and what a long run says of itself meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.simulation.__main__ import main
from scripts.simulation.faults import KINDS
from scripts.simulation.pool import run_all
from scripts.simulation.report import Order, Tally
from scripts.simulation.sweep import RATES

ROOT = Path(__file__).parents[2]


def run_with_a_breach(seed: int, order: Order) -> Tally:
    """Stand in for a run: lost replies of the CDN make the second seed lose something."""
    tally = Tally(seeds=1, changes=order.changes, units_spent=11, units_floor=10)
    tally.faults.update({"cdn.lost": 2, "oss.lost": 1})
    if order.only == "cdn.lost" and seed == 2:
        tally.broken = [{"seed": seed, "rule": "1 lost", "message": "a URL", "replay": order.replay(seed)}]
    return tally


def test_a_sweep_of_rates_has_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """People get a table and programs one line of JSON; without faults none are met, with more there are more."""
    status = main(["--sweep", "rates", "--seeds", "2", "--changes", "3", "--jobs", "1"])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (0, "rates", 1) == (status, found["sweep"], out.count("\n"))
    assert [(rate, 2, 0) for rate in RATES] == [
        (row["rate"], row["seeds"], row["rules_broken"]) for row in found["rows"]
    ]
    met = [sum(row["faults"].values()) for row in found["rows"]]
    assert 0 == met[0] < met[-1]
    assert ["rate", *map(str, RATES)] == [line.split()[0] for line in err.splitlines()]


def test_the_command_sweeps_over_kinds_in_one_pool() -> None:
    """Each kind is met alone; with --json the command says nothing but its last line."""
    options = ["--sweep", "kinds", "--faults", "0.2", "--seeds", "1", "--changes", "2", "--jobs", "2", "--json"]
    command = [sys.executable, "-m", "scripts.simulation", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    rows = json.loads(done.stdout)["rows"]
    assert (1, "") == (done.stdout.count("\n"), done.stderr)
    assert list(KINDS) == [row["kind"] for row in rows]
    assert [] == [row["kind"] for row in rows if not set(row["faults"]) <= {row["kind"]}]


def test_a_sweep_in_which_a_rule_breaks_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The row that broke it counts it, stderr has the command that repeats it, and the status is 1."""
    status = main(["--sweep", "kinds", "--seeds", "2", "--changes", "3", "--jobs", "1"], run_with_a_breach)
    out, err = capsys.readouterr()
    broken = {row["kind"]: row["lost"] for row in json.loads(out)["rows"] if row["rules_broken"]}
    assert (1, {"cdn.lost": 1}) == (status, broken)
    assert "./scripts/simulate --seeds 1 --seed 2 --changes 3 --faults 0.05 --only cdn.lost --json" in err
    lost = next(line.split() for line in err.splitlines() if line.startswith("cdn.lost "))
    assert ["cdn.lost", "4", "6", "1", "1", "22", "20", "2", "10.0", "-"] == lost


def test_a_long_run_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Seeds, changes and breaches so far stand on stderr, and stdout has nothing."""
    order = Order(3, 0.05, "cdn.lost")
    totals = run_all([order], range(1, 3), 1, run_with_a_breach, told_seconds=0.0)
    out, err = capsys.readouterr()
    assert ("", "2 of 2 seeds, 6 changes: 1 lost, 1 rules broken so far") == (out, err.splitlines()[-1])
    assert (2, 6) == (totals[order].seeds, totals[order].changes)


def test_a_short_run_says_nothing_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    """Until half a minute has passed nothing is said."""
    run_all([Order(3, 0.05)], range(1, 3), 1, run_with_a_breach)
    assert ("", "") == capsys.readouterr()


def test_a_sweep_over_kinds_takes_no_other_kind() -> None:
    """--only beside --sweep kinds is refused, since it would be ignored."""
    with pytest.raises(SystemExit) as refused:
        main(["--sweep", "kinds", "--only", "cdn.lost"])
    assert 2 == refused.value.code
