"""The command: seeds, changes and a fault rate go in; figures and every broken rule come out.

    ./scripts/simulate                                        a quick run
    ./scripts/simulate --seeds 2000 --changes 40 --faults 0.05 --json
    ./scripts/simulate --only cdn.lost --faults 0.2           one kind of fault alone; `--only kinds` lists them
    ./scripts/simulate --wire --seeds 5                       through the vendor's clients, down to the last byte

A seed decides everything: the run that broke a rule is printed as a command that repeats it alone.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from scripts.simulation.faults import KINDS
from scripts.simulation.report import Order, Tally, figures, run_seed

SEEDS_PER_TASK = 4


def main() -> int:
    """Run the command; 1 where a rule was broken."""
    options = _options()
    if options.only == "kinds":
        print("\n".join(KINDS))
        return 0
    order = Order(options.changes, options.faults, options.only, options.wire)
    started = time.monotonic()
    tallies = []
    for done, tally in enumerate(_runs(range(options.seed, options.seed + options.seeds), order, options.jobs), 1):
        tallies.append(tally)
        if not options.json and (tally.broken or done % 100 == 0):
            _show(done, tally)
    found = figures(tallies, time.monotonic() - started)
    if not options.json:
        _explain(found)
    print(json.dumps(found, ensure_ascii=False))
    return 1 if found["rules_broken"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/simulate", description="Simulates the system and judges it.")
    parser.add_argument("--seeds", type=int, default=100, help="how many runs (100)")
    parser.add_argument("--changes", type=int, default=40, help="changes of objects in each (40)")
    parser.add_argument("--faults", type=float, default=0.05, help="rate of all faults; 0 for none (0.05)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--only", default="", help="only this kind of fault; `kinds` lists them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each CPU)")
    parser.add_argument("--wire", action="store_true", help="use the vendor's clients instead of fast adapters")
    parser.add_argument("--json", action="store_true", help="print nothing but the figures")
    return parser.parse_args()


def _runs(seeds: range, order: Order, jobs: int) -> Iterator[Tally]:
    run = functools.partial(run_seed, order=order)
    if jobs <= 1 or len(seeds) <= 1:
        yield from map(run, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=SEEDS_PER_TASK)


def _show(done: int, tally: Tally) -> None:
    for broken in tally.broken[:3]:
        print(f"seed {broken['seed']}: {broken['rule']}: {broken['message']}\n  {broken['replay']}", file=sys.stderr)
    print(f"{done} seeds", file=sys.stderr)


def _explain(found: dict[str, object]) -> None:
    print(
        f"{found['changes']} changes in {found['seeds']} runs, {found['invocations']} invocations, "
        f"{sum(found['faults'].values())} faults: {found['lost']} lost, {found['rules_broken']} rules broken; "  # type: ignore[attr-defined]
        f"{found['units_spent']} units spent, {found['units_floor']} were needed",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
