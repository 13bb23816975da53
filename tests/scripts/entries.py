"""Mutants and explanations, made for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from scripts.mutation.explained import FIELDS
from scripts.mutation.mutants import Mutant


def a_mutant(after: str = "2", statement: str = "") -> Mutant:
    """Make a mutant of a module that does not exist."""
    return Mutant("m.py", "f", 1, 1, "x = 1", "constant", "1", after, statement, 4, 5, after)


def write_entries(path: Path, entries: Sequence[object]) -> Path:
    """Write explanations as they stand in their file."""
    path.write_text(yaml.safe_dump(list(entries), allow_unicode=True), encoding="utf-8")
    return path


def entry_of(mutant: Mutant, why: str = "It comes to the same.") -> dict[str, str]:
    """Make the explanation of a mutant."""
    return {**dict(zip(FIELDS, mutant.key, strict=True)), "why": why}
