"""Verdicts and explanations in; the figures out, and whether they are in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from scripts.mutation import explained
from scripts.mutation.explained import Explanations
from scripts.mutation.judge import Verdict
from scripts.mutation.mutants import Key

KILLED_SHARE_MIN = 0.93
"""Of all mutants, so that explanations cannot take the place of tests."""


def figures(verdicts: Sequence[Verdict], explanations: Explanations, stale: Iterable[Key]) -> dict[str, Any]:
    """Count what became of the mutants, and list those that survived without a reason."""
    killed = [verdict for verdict in verdicts if verdict.killer]
    alive = [verdict for verdict in verdicts if not verdict.killer]
    survivors = [verdict for verdict in alive if verdict.mutant.key not in explanations]
    tried = {verdict.mutant.key for verdict in verdicts}
    needed = {verdict.mutant.key for verdict in alive}
    return {
        "mutants": len(verdicts),
        "killed": len(killed),
        "explained": len(alive) - len(survivors),
        "killed_share": round(len(killed) / len(verdicts), 4) if verdicts else 0.0,
        "survivors": [_survivor(verdict) for verdict in sorted(survivors, key=lambda verdict: verdict.mutant)],
        "stale": [explained.told(key) for key in stale],
        "needless": [explained.told(key) for key in explanations if key in tried and key not in needed],
        "killed_late": sum(verdict.late for verdict in killed),
        "killed_by": dict(Counter(verdict.killer.partition("::")[0] for verdict in killed).most_common()),
        "by_operator": _shares(verdicts, [verdict.mutant.operator for verdict in verdicts]),
        "by_file": _shares(verdicts, [verdict.mutant.file for verdict in verdicts]),
    }


def is_in_order(found: dict[str, Any], *, whole: bool) -> bool:
    """Whether all is killed or explained, and each explanation is needed; of the whole, whether enough is killed."""
    faults = found["survivors"] or found["stale"] or found["needless"]
    return not faults and found["mutants"] > 0 and not (whole and found["killed_share"] < KILLED_SHARE_MIN)


def _survivor(verdict: Verdict) -> dict[str, Any]:
    mutant = verdict.mutant
    fields = ("file", "line", "column", "operator", "before", "after", "where", "text")
    return {**{name: getattr(mutant, name) for name in fields}, "reached": verdict.reached}


def _shares(verdicts: Sequence[Verdict], names: Sequence[str]) -> dict[str, str]:
    """Tell of each name how many of its mutants were killed."""
    killed = Counter(name for verdict, name in zip(verdicts, names, strict=True) if verdict.killer)
    return {name: f"{killed[name]} of {count}" for name, count in Counter(names).most_common()}
