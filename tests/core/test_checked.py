"""Plain data against a type: the typed value, or all that is wrong with it."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec
import pytest

from shared.core.checked import Fault, Invalid, check


class _Colour(str, Enum):
    RED = "red"


class _Inner(msgspec.Struct, frozen=True):
    name: str
    size: int = 1


class _Outer(msgspec.Struct, frozen=True, rename=lambda name: name.upper()):
    inner: tuple[str | _Inner, ...]
    colour: _Colour = _Colour.RED
    share: float = 0.5
    maybe: _Colour | None = None


def told(value: Any, *, strict: bool = True) -> list[tuple[str, str]]:
    """Check a value; the faults found."""
    faults: list[Fault] = []
    assert check(value, _Outer, "", faults, strict=strict) is None
    return [(fault.where, fault.what) for fault in faults]


def test_what_fits_comes_out_typed() -> None:
    """Lists become tuples, mappings structs, names enums; what is left out has its default."""
    faults: list[Fault] = []
    value = {"INNER": ["a", {"name": "b", "size": 2}], "COLOUR": "red", "MAYBE": None}
    assert _Outer(("a", _Inner("b", 2)), _Colour.RED) == check(value, _Outer, "", faults)
    assert [] == faults


def test_every_fault_has_its_path() -> None:
    """Deep or shallow, each fault is named by the way to it."""
    value = {"INNER": [{"name": "a", "size": "x"}, {"wholly_else": 1}], "INNRE": [], "SHARE": "half"}
    assert {
        ("INNRE", "unknown field; did you mean 'INNER'?"),
        ("INNER[0].size", "expected `int`, got 'x'"),
        ("INNER[1].name", "is missing"),
        ("INNER[1].wholly_else", "unknown field; known are name, size"),
        ("SHARE", "expected `float`, got 'half'"),
    } == set(told(value))


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (5, ("", "expected a mapping, got 5")),
        ({"INNER": "a"}, ("INNER", "expected a list, got 'a'; write ['a']")),
        ({"INNER": [5]}, ("INNER[0]", "expected a text or a mapping, got 5")),
        ({"INNER": [], "COLOUR": 5}, ("COLOUR", "expected one of red, got 5")),
        ({"INNER": [], "SHARE": "0.5"}, ("SHARE", "expected `float`, got '0.5'")),
        ({"INNER": ["x" * 99, 5], "SHARE": 1}, ("INNER[1]", "expected a text or a mapping, got 5")),
        ({}, ("INNER", "is missing")),
    ],
)
def test_a_fault_says_what_was_wanted_and_what_came(value: Any, fault: tuple[str, str]) -> None:
    """The person who reads it need not know the code."""
    assert [fault] == told(value)


def test_long_values_are_cut() -> None:
    """A message stays readable, whatever was given."""
    ((_, what),) = told({"INNER": [], "SHARE": "x" * 10_000})
    assert len(what) < 100


def test_faults_found_before_do_not_spoil_what_fits() -> None:
    """Whether a value fits depends on that value alone."""
    faults = [Fault("elsewhere", "is wrong")]
    assert _Outer(()) == check({"INNER": []}, _Outer, "", faults)
    assert 1 == len(faults)


def test_from_text_numbers_are_read() -> None:
    """An environment has text only, so with `strict` off numbers may come as text."""
    faults: list[Fault] = []
    assert 0.25 == getattr(check({"INNER": [], "SHARE": "0.25"}, _Outer, "", faults, strict=False), "share", None)
    assert [("SHARE", "expected `float`, got 'a'")] == told({"INNER": [], "SHARE": "a"}, strict=False)


@pytest.mark.parametrize(
    ("faults", "message"),
    [(["a"], "file: 1 fault\n  - a"), (["a", "b"], "file: 2 faults\n  - a\n  - b")],
)
def test_the_error_lists_its_faults(faults: list[str], message: str) -> None:
    """One error, one line a fault, as a person reads them."""
    error = Invalid("file", faults)
    assert message == str(error)
    assert faults == error.faults
