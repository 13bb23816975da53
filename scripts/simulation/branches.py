"""The source of the decisions goes in; the names of all their branches, and an observer that tells those met, out."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module

from scripts.simulation.instances import Changes, SilentReport
from shared.core import decide
from shared.core.task.waits import Why
from shared.flow.kit import Kit

DECIDED = "decided"
"""The line that tells the branches of a decision."""
PREFIX = "branch "
OF_REASON = "{wait.why.value}"
"""What stands in a name for each reason to wait."""
NOT_MET: dict[str, str] = {
    "waiting: 0-ready": "no reason is no reason to wait: a plan gives none such",
    "reply: refused alone, tried again after the others": (
        "it takes a domain with no URL but one that is refused, whose wait nothing ends, so that no race is over"
    ),
    "waiting: backoff": "its own failure is the task's own step, told as such; a plan gives no task a pause",
}
"""Names that no run can come by, and why."""


@dataclass(frozen=True)
class Observer:
    """Tells which names a run came by, where neither calls nor records do: branches of a decision, for instance.

    `watch` gives changes with which each of `names` is told to its last argument when it is come by.
    """

    names: frozenset[str]
    watch: Callable[[Changes, Callable[[str], None]], Changes]


@dataclass
class TellingReport(SilentReport):
    """Tells the branches of each decision, and drops all else."""

    told: Callable[[str], None]

    def debug(self, event: str, **details: object) -> None:
        """Tell the branches."""
        names = details.get("branches") if event == DECIDED else ()
        for name in names if isinstance(names, list) else ():
            self.told(f"{PREFIX}{name}")


def watch(changes: Changes, told: Callable[[str], None]) -> Changes:
    """Let every instance tell the branches of its decisions."""

    def telling(kit: Kit) -> Kit:
        return replace(changes.kit(kit), report=TellingReport(told))

    return replace(changes, kit=telling)


def branches() -> frozenset[str]:
    """Name all branches that the source marks."""
    names = (f"{decide.__name__}.{module.name}" for module in pkgutil.iter_modules(decide.__path__))
    trees = (ast.parse(inspect.getsource(import_module(name))) for name in names)
    return frozenset(name for tree in trees for name in marked(tree))


def marked(tree: ast.AST) -> Iterator[str]:
    """Name the branches that a part of the source marks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "met":
            yield from _texts(node.args[0])


def _texts(told: ast.expr) -> Iterator[str]:
    """Give the texts that an expression can have: it is one, one of two, or names a reason to wait."""
    if isinstance(told, ast.IfExp):
        yield from (*_texts(told.body), *_texts(told.orelse))
        return
    text = ast.literal_eval(ast.unparse(told).removeprefix("f"))
    if OF_REASON in text:
        yield from (text.replace(OF_REASON, why.value) for why in Why)
    elif isinstance(told, ast.Constant):
        yield text
    else:
        raise ValueError(f"nobody knows which branches {text!r} names")


BRANCHES = Observer(frozenset(PREFIX + name for name in branches() - NOT_MET.keys()), watch)
