"""The command: mutants of what decides go in; the share that tests notice, and each survivor, come out.

    ./scripts/mutate                                     all mutants
    ./scripts/mutate --sample 1/8 --minutes 10 --json    an eighth, the same each time, begun within ten minutes
    ./scripts/mutate --only plan/books.py:97             one file, or one line of it
    ./scripts/mutate --list                              tells the mutants and tries none

A mutant has survived if every test passed that reaches it. `explained.yml` says of some why they may.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scripts.mutation import explained, ground
from scripts.mutation.figures import figures, is_in_order
from scripts.mutation.judge import Judge, Verdict
from scripts.mutation.mutants import Mutant, in_order_of_chance, is_in_sample, mutants_of

PROGRESS_SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where a mutant survived unexplained, or an explanation is out of date."""
    started = time.monotonic()
    options = _options(arguments)
    here = _ground(options)
    every = mutants_of(here)
    explanations = explained.read_explanations(here.explained)
    chosen = [mutant for mutant in every if is_in_sample(mutant, options.sample) and _is_meant(mutant, options.only)]
    if options.list:
        print("\n".join(map(str, chosen)))
        return 0
    ends = started + options.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(here, options.jobs, Path(folder))
        tried = judge.verdicts(in_order_of_chance(chosen), explanations, ends)
        verdicts = list(_told(tried, len(chosen), quiet=options.json))
    found: dict[str, Any] = {
        **figures(verdicts, explanations, explained.stale(explanations, every)),
        "left": len(chosen) - len(verdicts),
        "sample": "/".join(map(str, options.sample)),
        "seconds": round(time.monotonic() - started, 1),
    }
    if found["left"]:
        print(f"{found['left']} of {len(chosen)} mutants were not tried: the time was up", file=sys.stderr)
    if not options.json:
        _explain(found)
    print(json.dumps(found, ensure_ascii=False))
    whole = len(chosen) == len(every) and not found["left"]
    return 0 if is_in_order(found, whole=whole) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/mutate", description="Tests the tests of what decides.")
    parser.add_argument("--sample", type=_share, default=(1, 1), help="a part of all mutants, the same each time (1/1)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further mutant after so long")
    parser.add_argument("--only", default="", help="only of this file, or of this line: plan/books.py:97")
    parser.add_argument("--list", action="store_true", help="tell the mutants and try none")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each CPU)")
    parser.add_argument("--json", action="store_true", help="no words for people about the figures")
    parser.add_argument("--root", type=Path, default=ground.ROOT, help="another tree than this one")
    parser.add_argument("--modules", nargs="+", default=(), help="other modules, by path or pattern from the root")
    parser.add_argument(
        "--tests", nargs="+", default=(), help="other tests, as pytest takes them: few, for a quick look"
    )
    parser.add_argument("--explained", type=Path, default=ground.EXPLAINED, help="another file of explanations")
    return parser.parse_args(arguments)


def _share(text: str) -> tuple[int, int]:
    part, whole = map(int, text.split("/"))
    if not 0 < part <= whole:
        raise ValueError
    return part, whole


def _ground(options: argparse.Namespace) -> ground.Ground:
    modules = options.modules or ground.MODULES
    enums = options.modules or ground.ENUMS
    stages = [options.tests] if options.tests else ground.STAGES
    return ground.Ground(options.root.resolve(), modules, enums, stages, options.explained)


def _is_meant(mutant: Mutant, only: str) -> bool:
    file, _, line = only.partition(":")
    return mutant.file.endswith(file) and line in {"", str(mutant.line)}


def _told(verdicts: Iterable[Verdict], count: int, *, quiet: bool) -> Iterable[Verdict]:
    """Say each survivor at once, and every half minute how far it is."""
    told = time.monotonic()
    survived = 0
    for number, verdict in enumerate(verdicts, 1):
        survived += not verdict.killer
        if not verdict.killer and not quiet:
            reached = "" if verdict.reached else " (no test gets there)"
            print(f"survived{reached}: {verdict.mutant}", file=sys.stderr, flush=True)
        yield verdict
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            print(f"{number} of {count} mutants tried, {survived} survived", file=sys.stderr, flush=True)


def _explain(found: dict[str, Any]) -> None:
    for name in ("stale", "needless"):
        for entry in found[name]:
            print(f"{name} explanation: {json.dumps(entry, ensure_ascii=False)}", file=sys.stderr)
    print(
        f"{found['mutants']} mutants tried, {found['killed']} killed, {found['explained']} explained, "
        f"{len(found['survivors'])} survived unexplained",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
