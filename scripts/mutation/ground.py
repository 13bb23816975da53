"""Which modules are mutated, and which tests must notice: the one place to change when a module comes or goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

MODULES = ("shared/core/decide/*.py", "shared/core/plan/*.py", "shared/core/task/*.py")
"""The pure modules that decide, by path or pattern from the root."""

ENUMS = ("shared/core/**/*.py",)
"""Where the members of an enumeration are looked up, so that one can be taken for the next."""

_SIMULATION = "tests/simulation/test_simulation.py"
STAGES = (
    ("tests/core",),
    (
        "tests/flow",
        "tests/cloud",
        f"{_SIMULATION}::test_no_rule_breaks_with_one_kind_of_fault",
        f"{_SIMULATION}::test_what_was_found_stays_mended",
    ),
)
"""The tests by stage, as pytest takes them: a later stage is for what survives the earlier ones."""

EXPLAINED = Path(__file__).with_name("explained.yml")


class Ground(NamedTuple):
    """A tree to work on: its root, patterns of modules and of those with enumerations, tests by stage."""

    root: Path = ROOT
    modules: Sequence[str] = MODULES
    enums: Sequence[str] = ENUMS
    stages: Sequence[Sequence[str]] = STAGES
    explained: Path = EXPLAINED

    def paths(self) -> list[Path]:
        """List the modules to mutate; a pattern that matches none is a mistake."""
        return _matching(self.root, self.modules)

    def enum_paths(self) -> list[Path]:
        """List the modules whose enumerations are known."""
        return _matching(self.root, self.enums)


def _matching(root: Path, patterns: Sequence[str]) -> list[Path]:
    found = {pattern: sorted(root.glob(pattern)) for pattern in patterns}
    empty = [pattern for pattern, paths in found.items() if not paths]
    if empty:
        raise SystemExit(f"no module in {root} matches {', '.join(empty)}")
    return sorted({path for paths in found.values() for path in paths})


def module_name(root: Path, path: Path) -> str:
    """Name a module as it is imported from the root."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
