"""Plain data and a type in; the typed value out, or every fault at once, each with its path."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

NAME_CHARACTERS_MAX = 100
"""Of an unknown name that is compared with the known ones: comparing takes the square of it."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: where (`sites[0].domains[1]`), and what."""

    where: str
    what: str


class Invalid(ValueError):
    """Input that cannot be used; `faults` lists all that is wrong with `subject`."""

    def __init__(self, subject: str, faults: list[str]) -> None:
        self.subject, self.faults = subject, faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{subject}: {count}\n" + "\n".join(f"  - {fault}" for fault in faults))


def check(value: Any, wanted: type[T], where: str, faults: list[Fault], *, strict: bool = True) -> T | None:
    """Convert `value` to `wanted`; where it does not fit, add to `faults` and return None.

    With `strict` off, numbers and booleans may come as text, as they do from the environment.
    """
    found = len(faults)
    plain = _check(value, wanted, where, faults, strict)
    return plain if len(faults) == found else None


def _check(value: Any, wanted: Any, where: str, faults: list[Fault], strict: bool) -> Any:  # noqa: FBT001 - as in `check`
    if typing.get_origin(wanted) in {tuple, list}:
        return _check_items(value, typing.get_args(wanted)[0], where, faults, strict)
    wanted = _branch(value, wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return _check_struct(value, wanted, where, faults, strict)
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as fault:
        faults.append(Fault(where, f"{_sentence(fault, wanted)}, got {shown(value)}"))
        return None


def _branch(value: Any, wanted: Any) -> Any:
    """Of `str | Struct`, choose the struct where a mapping came; other types stay as they are."""
    if isinstance(wanted, types.UnionType) or typing.get_origin(wanted) is typing.Union:
        structs = [arm for arm in typing.get_args(wanted) if isinstance(arm, type) and issubclass(arm, msgspec.Struct)]
        if structs and isinstance(value, dict):
            return structs[0]
    return wanted


def _check_items(value: Any, item: Any, where: str, faults: list[Fault], strict: bool) -> Any:  # noqa: FBT001 - as in `check`
    if not isinstance(value, list):
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else []
        hint = f"; write {shown(parts)}" if parts else ""
        hint = "; put `- ` before the first line of each item" if isinstance(value, dict) and value else hint
        faults.append(Fault(where, f"expected a list, got {shown(value)}{hint}"))
        return None
    return tuple(_check(each, item, f"{where}[{index}]", faults, strict) for index, each in enumerate(value))


def _check_struct(value: Any, wanted: Any, where: str, faults: list[Fault], strict: bool) -> Any:  # noqa: FBT001 - as in `check`
    if not isinstance(value, Mapping):
        faults.append(Fault(where, f"expected a mapping, got {shown(value)}"))
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    faults.extend(
        Fault(_join(where, f"{name!s:.100}"), f"unknown field{_suggest(str(name), fields)}")
        for name in value
        if name not in fields
    )
    known: dict[str, Any] = {}
    found = len(faults)
    for name, field in fields.items():
        if name in value:
            known[field.name] = _check(value[name], field.type, _join(where, name), faults, strict)
        elif field.required:
            faults.append(Fault(_join(where, name), "is missing"))
    return wanted(**known) if len(faults) == found else None


def shown(value: Any) -> str:
    """Show a value in a sentence: the beginning of it, or its type where it cannot be written."""
    try:
        return "nothing" if value is None else f"{value!r:.60}"
    except (ValueError, RecursionError):
        return f"a very large {type(value).__name__}"


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _sentence(fault: Exception, wanted: Any) -> str:
    arms = [wanted, *typing.get_args(wanted)]
    if bool in arms:
        return "expected true or false"
    if wanted is str:
        return "expected a text"
    if str in arms:
        return "expected a text or a mapping"
    known = [each.value for arm in arms if isinstance(arm, type) and issubclass(arm, Enum) for each in arm]
    if known:
        return f"expected one of {', '.join(map(str, known))}"
    text = str(fault).partition(" - at ")[0].partition(", got ")[0]
    return text[:1].lower() + text[1:]


def _suggest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name[:NAME_CHARACTERS_MAX], list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"
