"""The command: seeds, changes and a fault rate go in; figures and every broken rule come out.

    ./scripts/simulate                                        a quick run
    ./scripts/simulate --seeds 2000 --changes 40 --faults 0.05 --json
    ./scripts/simulate --only cdn.lost --faults 0.2           one kind of fault alone; `--only kinds` lists them
    ./scripts/simulate --sweep rates                          several rates of all faults, a row each
    ./scripts/simulate --sweep kinds --faults 0.2             each kind of fault alone, a row each
    ./scripts/simulate --crashes                              small scenarios, ended once at each of their calls
    ./scripts/simulate --twice --seeds 20                     each seed in two processes: the same to the last byte?
    ./scripts/simulate --interleavings                        small races, in every order of their calls, bounded
    ./scripts/simulate --wire --seeds 5                       through the vendor's clients, down to the last byte

A seed decides everything: the run that broke a rule is printed as a command that repeats it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from scripts.simulation import boundaries, interleavings, repeats, sweep
from scripts.simulation.faults import KINDS
from scripts.simulation.pool import Run, run_all
from scripts.simulation.race import LEASES
from scripts.simulation.report import Order, figures, run_seed


def main(arguments: Sequence[str] | None = None, run: Run = run_seed) -> int:
    """Run the command; 1 where a rule was broken. `run` runs one seed."""
    options = _options(arguments)
    if options.only == "kinds":
        print("\n".join(KINDS))
        return 0
    if options.crashes:
        crashes = boundaries.summary(boundaries.CASES)
        print(json.dumps(crashes, ensure_ascii=False))
        return 1 if crashes["rules_broken"] else 0
    if options.twice:
        twice = repeats.compared(options.seed, options.seeds, Order(options.changes, options.faults, options.only))
        print(json.dumps(twice, ensure_ascii=False))
        return 0 if twice["same"] else 1
    if options.interleavings:
        asked = (options.processes, options.case, options.lease, options.schedule, options.jobs)
        runs = interleavings.command(*asked)
        print(json.dumps(runs, ensure_ascii=False))
        return 0 if interleavings.is_in_order(runs) else 1
    order = Order(options.changes, options.faults, options.only, options.wire)
    orders = sweep.orders_of(options.sweep, order) if options.sweep else [order]
    started = time.monotonic()
    totals = run_all(orders, range(options.seed, options.seed + options.seeds), options.jobs, run)
    found: dict[str, Any]
    told: Iterable[str]
    if options.sweep:
        rows = sweep.rows_of(options.sweep, totals)
        found, told = {"sweep": options.sweep, "rows": rows}, sweep.table(options.sweep, rows)
    else:
        found = figures(totals.values(), time.monotonic() - started)
        told = [_explained(found)]
    if not options.json:
        print("\n".join(told), file=sys.stderr)
    print(json.dumps(found, ensure_ascii=False))
    return 1 if any(total.broken for total in totals.values()) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/simulate", description="Simulates the system and judges it.")
    parser.add_argument("--seeds", type=int, default=100, help="how many runs, of each row in a sweep (100)")
    parser.add_argument("--changes", type=int, default=40, help="changes of objects in each (40)")
    parser.add_argument("--faults", type=float, default=0.05, help="rate of all faults; 0 for none (0.05)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--only", default="", help="only this kind of fault; `kinds` lists them")
    parser.add_argument("--sweep", choices=sweep.SWEEPS, help="a row for each of several rates, or of all kinds")
    parser.add_argument("--crashes", action="store_true", help="end small scenarios at each of their calls instead")
    parser.add_argument("--twice", action="store_true", help="run all in two processes, and compare them to the byte")
    parser.add_argument("--interleavings", action="store_true", help="run small races in every order of their calls")
    parser.add_argument(
        "--processes", type=int, default=3, help="how many race in --interleavings (3; 4 takes minutes)"
    )
    parser.add_argument("--case", default="", help="only this race of --interleavings")
    parser.add_argument("--lease", choices=LEASES, default="", help="who gets the lease there (both)")
    parser.add_argument("--schedule", default="", help="only these choices in --case, with all steps told: 0,0,1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each CPU)")
    parser.add_argument("--wire", action="store_true", help="use the vendor's clients instead of fast adapters")
    parser.add_argument("--json", action="store_true", help="no words for people about the figures")
    options = parser.parse_args(arguments)
    if options.sweep == "kinds" and options.only:
        parser.error("--sweep kinds takes each kind alone: --only says nothing to it")
    if options.schedule and not options.case:
        parser.error("--schedule is one of a --case")
    return options


def _explained(found: dict[str, Any]) -> str:
    return (
        f"{found['changes']} changes in {found['seeds']} runs, {found['invocations']} invocations, "
        f"{sum(found['faults'].values())} faults: {found['lost']} lost, {found['rules_broken']} rules broken; "
        f"{found['units_spent']} units spent, {found['units_floor']} were needed"
    )


if __name__ == "__main__":
    sys.exit(main())
