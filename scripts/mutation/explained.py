"""The file of explanations in; why which mutants may survive out, and which explanations are out of date."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from scripts.mutation.mutants import Key, Mutant

FIELDS = ("file", "where", "line", "operator", "before", "after")

Explanations = dict[Key, str]


def read_explanations(path: Path) -> Explanations:
    """Read the file: a list, each entry with `FIELDS` and a sentence `why`. One error tells all faults at once."""
    # This loader leaves all scalars as the texts that they are in the source: 1_000 and True among them.
    entries = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or []  # noqa: S506 - makes texts only
    found: Explanations = {}
    faults = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or entry.keys() != {*FIELDS, "why"} or not str(entry["why"] or "").strip():
            faults.append(f"entry {number} must have {', '.join(FIELDS)} and why")
            continue
        first, *others = (" ".join(str(entry[field]).split()) for field in FIELDS)
        key: Key = (first, *others)  # type: ignore[assignment]
        if key in found:
            faults.append(f"entry {number} says again what is said above")
        found[key] = str(entry["why"])
    if faults:
        raise SystemExit(f"{path.name}: {'; '.join(faults)}")
    return found


def stale(explanations: Explanations, mutants: Iterable[Mutant]) -> list[Key]:
    """Find explanations that match no mutant any more."""
    keys = {mutant.key for mutant in mutants}
    return [key for key in explanations if key not in keys]


def told(key: Key) -> dict[str, str]:
    """Name an explanation as its file does."""
    return dict(zip(FIELDS, key, strict=True))
