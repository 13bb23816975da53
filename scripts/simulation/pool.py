"""Orders and seeds go in; each seed of each order is run, on several processes, and a tally of each order comes out.

Tallies are summed as they come, so a run of a million changes needs no more memory than one of a thousand. Meanwhile
stderr has the command that repeats each seed that broke a rule, and now and then how far the run is.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from scripts.simulation.report import Order, Tally

SEEDS_PER_TASK = 4
TOLD_SECONDS = 30.0
"""How often stderr has how far the run is, at most."""
REPLAYS_PER_SEED_MAX = 3

Run = Callable[[int, Order], Tally]


def run_all(
    orders: Sequence[Order], seeds: range, jobs: int, run: Run, *, told_seconds: float = TOLD_SECONDS
) -> dict[Order, Tally]:
    """Run all seeds of all orders in one pool, and sum up each order's."""
    totals = {order: Tally() for order in orders}
    told = time.monotonic()
    for order, tally in _tallies(orders, seeds, jobs, run):
        totals[order].add(tally)
        _show_broken(tally)
        if time.monotonic() - told >= told_seconds:
            told = time.monotonic()
            print(progress(totals.values(), len(orders) * len(seeds)), file=sys.stderr, flush=True)
    return totals


def progress(tallies: Iterable[Tally], runs: int) -> str:
    """Say how far a run is."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return (
        f"{total.seeds} of {runs} seeds, {total.changes} changes: "
        f"{total.lost} lost, {len(total.broken)} rules broken so far"
    )


def _tallies(orders: Sequence[Order], seeds: range, jobs: int, run: Run) -> Iterator[tuple[Order, Tally]]:
    work = itertools.product(orders, seeds)
    run_one = functools.partial(_run_one, run)
    if jobs <= 1 or len(orders) * len(seeds) <= 1:
        yield from map(run_one, work)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_one, work, chunksize=SEEDS_PER_TASK)


def _run_one(run: Run, work: tuple[Order, int]) -> tuple[Order, Tally]:
    order, seed = work
    return order, run(seed, order)


def _show_broken(tally: Tally) -> None:
    for broken in tally.broken[:REPLAYS_PER_SEED_MAX]:
        print(f"seed {broken['seed']}: {broken['rule']}: {broken['message']}\n  {broken['replay']}", file=sys.stderr)
