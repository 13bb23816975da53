"""Short texts that tell what may be in something: never wrongly no, seldom wrongly yes."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.index import HASHED_NAMES_MAX, index_of, may_hold

NAMES = st.lists(st.text(max_size=8), max_size=80)


@given(NAMES, st.text(max_size=8))
def test_what_is_in_it_is_never_denied(names: list[str], other: str) -> None:
    """Whatever the names, each of them may be held, alone or beside others."""
    index = index_of(names)
    assert [] == [name for name in names if not may_hold(index, [name])]
    assert bool(names) <= may_hold(index, [other, *names])
    assert not may_hold(index, [])


@given(NAMES)
def test_an_index_can_stand_in_a_key(names: list[str]) -> None:
    """Only characters that a key's pattern takes, and few enough of them."""
    index = index_of(names)
    assert re.fullmatch(r"[hf][\w-]*", index)
    assert len(index) <= 641
    assert index == index_of([*reversed(names), *names])


@pytest.mark.parametrize(
    ("count", "kind", "length"), [(0, "h", 1), (1, "h", 5), (48, "h", 193), (49, "f", 641), (1_000, "f", 641)]
)
def test_few_names_are_hashed_and_many_are_filtered(count: int, kind: str, length: int) -> None:
    """Three bytes a name up to a number, 480 bytes beyond it."""
    index = index_of(str(number) for number in range(count))
    assert (kind, length) == (index[0], len(index))
    assert 48 == HASHED_NAMES_MAX


@pytest.mark.parametrize(("count", "most"), [(1, 0), (48, 0), (49, 5), (200, 40), (1_000, 1_700)])
def test_what_is_not_in_it_is_seldom_claimed(count: int, most: int) -> None:
    """Of ten thousand other names hardly any are claimed by few, and one in six by a full batch."""
    index = index_of(f"name {number}" for number in range(count))
    assert most >= sum(may_hold(index, [f"other {number}"]) for number in range(10_000))


@pytest.mark.parametrize(
    "index",
    [
        *("", "x", "habc", "hä", "häääääääää", "h=", "hAA==", "hAAA=", "hAAAA=", "hAAAAAAA=", "hAAA+", "hAAAA\n"),
        *("h" + "A" * 5, "h" + "A" * 6, "fAAAA", "f", "gAAAA", "A" * 641, "x" + "A" * 640),
        *("f" + "A" * 639, "f" + "A" * 639 + "=", "f" + "A" * 639 + "+", "f" + "A" * 644, "f" + "A" * 640 + "="),
    ],
)
def test_what_cannot_be_read_may_hold_anything(index: str) -> None:
    """An index of another version is a reason to look, not to pass over."""
    assert may_hold(index, ["a"])


def test_an_index_in_another_alphabet_may_hold_anything() -> None:
    """What a newer version writes in other characters is not read as an index of nothing."""
    assert may_hold("h!!!!", ["a"])


def test_an_index_never_changes() -> None:
    """Indexes lie in keys across deployments."""
    assert ("h", "hG6PF", "hG6PFeMda") == (index_of([]), index_of(["a"]), index_of(["b", "a", "b"]))
    many = index_of(map(str, range(49)))
    assert "a736331675b6f4bc" == hashlib.sha256(many.encode()).hexdigest()[:16]


def test_any_of_several_names_is_enough() -> None:
    """Whoever looks for several things reads what may hold one of them."""
    few, many = index_of(["a"]), index_of(map(str, range(49)))
    assert [True, False] == [may_hold(few, names) for names in (["b", "a"], ["b", "c"])]
    assert [True, False] == [may_hold(many, names) for names in (["b", "7"], ["b", "c"])]


def test_names_that_no_encoding_can_write_are_names() -> None:
    """A key may hold half of a surrogate pair."""
    assert may_hold(index_of(["\ud800"]), ["\ud800"])
