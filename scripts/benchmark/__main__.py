"""Names of figures in; each is measured and printed, as a table or as one JSON object a line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from scripts.benchmark import bursts, cold, growth, latency, package, planner, poison, sites

Figure = dict[str, Any]

FIGURES: dict[str, Callable[[argparse.Namespace], Iterator[Figure]]] = {
    "burst": bursts.distinct,
    "hot": bursts.hot,
    "latency": latency.measure,
    "poison": poison.measure,
    "growth": growth.measure,
    "sites": sites.measure,
    "planner": planner.measure,
    "cold": cold.measure,
    "package": package.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; status 0 once all of it was measured."""
    parser = argparse.ArgumentParser(prog="./scripts/bench", description="Measure the figures of the README.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}; by default all")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--events", type=int, default=10_000, help="events of a burst; default %(default)s")
    parser.add_argument("--workers", type=int, default=50, help="concurrent function instances; default %(default)s")
    parser.add_argument("--rounds", type=int, default=200, help="uploads measured one at a time; default %(default)s")
    parser.add_argument("--places", type=int, default=50, help="places of bad URLs in a batch; default %(default)s")
    parser.add_argument("--starts", type=int, default=7, help="cold starts of each kind; default %(default)s")
    what = f"kinds of piled-up work, of {', '.join(growth.WORKS)}; by default all"
    parser.add_argument("--works", nargs="+", choices=growth.WORKS, metavar="WORK", help=what)
    what = "how much is piled up; default %(default)s"
    parser.add_argument("--sizes", nargs="+", type=int, default=growth.SIZES, metavar="N", help=what)
    parser.add_argument("--million", action="store_true", help="let a million tasks wait, too")
    asked = parser.parse_args(arguments)
    unknown = set(asked.figures) - FIGURES.keys()
    if unknown:
        parser.error(f"no figure is called {', '.join(sorted(unknown))}; known are {', '.join(FIGURES)}")
    for name in asked.figures or FIGURES:
        if not asked.json:
            print(f"\n{name}", flush=True)
        for figure in FIGURES[name](asked):
            _show({"figure": name, **figure}, as_json=asked.json)
    return 0


def _show(figure: Figure, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figure), flush=True)
        return
    what = figure.pop("what", "")
    figure.pop("figure")
    print(f"  {what}" if what else "")
    for name, value in figure.items():
        print(f"      {name:<34}{value:>14}" if not isinstance(value, str) else f"      {name:<34}{value}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
