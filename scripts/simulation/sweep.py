"""What to sweep over goes in; the order of each row comes out, and from their tallies the figures and a table of them.

rates   all kinds of faults together, at several rates
kinds   each kind of fault alone, at one rate
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scripts.simulation.faults import KINDS
from scripts.simulation.report import Order, Tally, figures

SWEEPS = {"rates": "rate", "kinds": "kind"}
"""What each sweep calls that in which its rows differ."""
RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)

Row = dict[str, Any]
COLUMNS = ("faults", "changes", "lost", "broken", "units", "floor", "duplicates", "in %", "retry p50")


def orders_of(sweep: str, order: Order) -> list[Order]:
    """Give the order of each row, like `order` but for what is swept over."""
    if sweep == "rates":
        return [replace(order, rate=rate) for rate in RATES]
    return [replace(order, only=kind) for kind in KINDS]


def rows_of(sweep: str, totals: Mapping[Order, Tally]) -> list[Row]:
    """Give the figures of each row."""
    return [
        {SWEEPS[sweep]: order.rate if sweep == "rates" else order.only, **figures([total])}
        for order, total in totals.items()
    ]


def table(sweep: str, rows: Sequence[Row]) -> Iterator[str]:
    """Write the rows for people, a line each. Of a kind alone only its own faults count; retries are in seconds."""
    yield _line(SWEEPS[sweep], COLUMNS)
    for row in rows:
        met = row["faults"].get(row["kind"], 0) if sweep == "kinds" else sum(row["faults"].values())
        percent = f"{100 * row['duplicates'] / max(1, row['units_floor']):.1f}"
        waited = row["retry_seconds"]["p50"]
        counts = (row[name] for name in ("changes", "lost", "rules_broken", "units_spent", "units_floor", "duplicates"))
        yield _line(row[SWEEPS[sweep]], (met, *counts, percent, "-" if waited is None else waited))


def _line(name: object, cells: Sequence[object]) -> str:
    widths = (max(8, len(column)) for column in COLUMNS)
    return f"{name!s:<18}" + "".join(f"{cell!s:>{width + 2}}" for cell, width in zip(cells, widths, strict=True))
