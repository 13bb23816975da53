"""Two texts of a module in, what their functions differ by out; and functions that are there changed to that.

A function that is changed in place needs no import, so nothing has to be collected again. What runs as a module is
imported cannot be changed so.
"""

from __future__ import annotations

import gc
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from types import CodeType, FunctionType

Change = list[tuple[CodeType, CodeType]]
"""Code of functions as it is, and as it shall be."""


def change_of(old: CodeType, new: CodeType) -> Change | None:
    """Tell what two modules' functions differ by, those within others too; None where more than functions differs."""
    if _is_function(old) != _is_function(new):
        return None
    if _is_function(old):
        if old == new:
            return []
        own = [(old, new)]
    else:
        own = []
    inner = (list(_inner(old)), list(_inner(new)))
    is_like = old.co_freevars == new.co_freevars if own else _itself(old) == _itself(new)
    if not is_like or len(inner[0]) != len(inner[1]):
        return None
    found = [change_of(*pair) for pair in zip(*inner, strict=True)]
    return None if None in found else own + [pair for change in found if change for pair in change]


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def _itself(code: CodeType) -> tuple[object, ...]:
    """What a module, or the body of a class, does by itself."""
    constants = [(type(each), None if isinstance(each, CodeType) else repr(each)) for each in code.co_consts]
    return code.co_name, code.co_code, code.co_names, constants


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (each for each in code.co_consts if isinstance(each, CodeType))


class Functions:
    """All functions that are there of some files."""

    def __init__(self, files: Collection[Path]) -> None:
        names = {str(file) for file in files}
        self._there: dict[tuple[str, int, str], list[FunctionType]] = defaultdict(list)
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__.co_filename in names:
                self._there[_place(each.__code__)].append(each)

    def apply(self, change: Change) -> None:
        """Let functions be what a change makes of them. Raises `LookupError` where none of them is there."""
        changed = 0
        for old, new in change:
            found = [each for each in self._there.get(_place(old), ()) if each.__code__ == old]
            changed += len(found)
            for each in found:
                each.__code__ = new
        if not changed:
            names = ", ".join(f"{old.co_name} of {old.co_filename}:{old.co_firstlineno}" for old, _ in change)
            raise LookupError(f"no function is there: {names}")


def _place(code: CodeType) -> tuple[str, int, str]:
    return code.co_filename, code.co_firstlineno, code.co_name
