"""Keys of calls and of what was given up: each says what its object holds, and comes back from its text."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.model import Batch, Submission, Task, digest
from shared.core.task.stored import (
    KEY_IDS_CHARACTERS_MAX,
    CallKey,
    Grave,
    Piece,
    Survey,
    accepted_key,
    call_key,
    decode_pieces,
    grave,
    grave_key,
    intent_key,
    utc_day,
)
from tests import strategies
from tests.strategies import NOW, make_task

A = "https://a.example.com/"


def batch(*tasks: Task) -> Batch:
    """Make a call of some tasks."""
    return Batch("c0ffee", tasks or (make_task(A + "a"), make_task(A + "b"), make_task(A + "a", time=1.0)), NOW + 0.25)


def accepted(*ids: str) -> Submission:
    """Make a call that the CDN took."""
    return Submission(batch(), ids, "R", NOW + 1)


def test_the_key_of_an_intent_says_when_how_many_and_which() -> None:
    """The time of the call, in milliseconds, twice; its distinct URLs; its id."""
    text = "1767323045250-1767323045250-2-c0ffee"
    assert text == intent_key(batch())
    assert CallKey(text, NOW + 0.25, NOW + 0.25, 2, "c0ffee", modified=NOW) == call_key(text, NOW)


def test_the_key_of_an_accepted_call_says_when_to_look_and_what_is_in_it() -> None:
    """When to ask, when it was made, its URLs, its id, its targets and its task ids."""
    text = accepted_key(accepted("704", "705"), NOW + 60)
    assert re.fullmatch(r"1767323105000-1767323045250-2-c0ffee!h[\w-]+~704,705", text)
    key = call_key(text, NOW + 7)
    assert key is not None
    assert (NOW + 60, NOW + 0.25, 2, "c0ffee", "704,705", NOW + 7) == (
        key.check,
        key.created,
        key.urls,
        key.call,
        key.ids,
        key.modified,
    )
    assert [True, True, False] == [key.may_hold([make_task(A + name).target.name]) for name in "abc"]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (("7",), "7"),
        (("7" * KEY_IDS_CHARACTERS_MAX,), "7" * KEY_IDS_CHARACTERS_MAX),
        (("7" * (KEY_IDS_CHARACTERS_MAX + 1),), "more"),
        (("7" * 75, "8" * 75), "more"),
        (("7/8",), "more"),
        ((), "more"),
    ],
)
def test_ids_that_do_not_fit_a_key_are_told_as_more(ids: tuple[str, ...], told: str) -> None:
    """Too long, or with a character that a key's pattern does not take: then the object has to be read."""
    key = call_key(accepted_key(accepted(*ids), NOW))
    assert key is not None
    assert told == key.ids
    assert key.may_have(ids or ["7"])


def test_a_key_tells_which_ids_it_may_have() -> None:
    """Whole ids only; a key of the first format, or with too many ids, may have any."""
    key = CallKey("", 0, 0, 1, "c", ids="704,705")
    assert [True, True, False, False, True] == [
        key.may_have(ids) for ids in (["704"], ["705"], ["70"], [], ["1", "705"])
    ]
    for other in ("", "more"):
        assert msgspec.structs.replace(key, ids=other).may_have(["1"])


@given(st.lists(strategies.tasks(), min_size=1, max_size=80), st.floats(0, 1e10), st.floats(0, 1e10))
def test_keys_of_calls_come_back(tasks: list[Task], created: float, check: float) -> None:
    """Whatever is in a call and whenever it was made, its key is read as it was written."""
    one = Batch("c0ffee", tuple(tasks), created)
    for text in (intent_key(one), accepted_key(Submission(one, ("1",)), check)):
        key = call_key(text)
        assert key is not None
        assert (text, "c0ffee", len(one.urls)) == (key.text, key.call, key.urls)
        assert abs(created - key.created) < 0.0011
        assert len(text) < 900


def test_calls_are_listed_by_when_to_look() -> None:
    """The one whose look is most overdue comes first."""
    keys = [accepted_key(accepted("1"), check) for check in (999.0, NOW, NOW + 0.5, NOW + 9e9)]
    assert sorted(keys) == keys


@pytest.mark.parametrize(
    "text",
    [
        "",
        "folder/",
        "1767323105000-1767323045250-2-",
        "176732310500-1767323045250-2-c0ffee",
        "1767323105000-1767323045250-12345-c0ffee",
        "1767323105000-1767323045250-2-c0ffee.accepted",
        "1767323105000-1767323045250-2-c0ffee!h",
        "x1767323105000-1767323045250-2-c0ffee",
    ],
)
def test_what_is_no_key_of_a_call_is_none(text: str) -> None:
    """Other objects lie in buckets too."""
    assert call_key(text) is None


def piece(name: str = "p", at: float = NOW) -> Piece:
    """Make something that was given up."""
    return Piece(name, at, "because", "ZXZlbnQ=", "R", make_task(A + "a"), "waiting/x")


def test_a_grave_says_when_and_how_many() -> None:
    """The day and the time of the latest piece, the number of pieces, and a name that a second delivery shares."""
    pieces = [piece("a"), piece("b", NOW + 1), piece("c", NOW - 86_400)]
    key = grave_key(pieces)
    assert re.fullmatch(r"2026-01-02/1767323046000-3-[0-9a-f]{20}", key)
    assert key == grave_key(pieces[::-1])
    assert key != grave_key([piece("a"), piece("b", NOW + 1), piece("d", NOW - 86_400)])
    found = grave(key, NOW + 9)
    assert found == Grave(key, NOW + 9, 3)
    assert "2026-01-02" == found.day


def test_the_name_of_a_grave_never_changes() -> None:
    """It follows from what was given up, in whatever order that came."""
    assert digest("a", "b", "c") == grave_key([piece("c"), piece("a"), piece("b")]).rpartition("-")[2]


def test_what_is_not_said_is_nothing() -> None:
    """Neither of what was given up, nor of where it lies, nor of a look that has found nothing."""
    given_up = Piece("p", NOW, "because")
    assert ("", "", None, "") == (given_up.event, given_up.request_id, given_up.task, given_up.where)
    assert 1 == Grave("2026-01-02/x", NOW).count
    assert ((), (), False, 0.0) == (Survey().intents, Survey().notes, Survey().more, Survey().date)
    key = CallKey("", 0.0, 0.0, 1, "c")
    assert ("", "", 0.0) == (key.index, key.ids, key.modified)
    found = call_key(intent_key(batch()))
    assert found is not None
    assert 0.0 == found.modified


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("2026-01-02/5e87c5179269850dd9a5", 1),
        ("2026-01-02/1767323046000-500-5e87c5179269850dd9a5", 500),
        ("2026-01-02/1767323046000-12345-x", 12_345),
    ],
)
def test_graves_of_every_format_are_found(key: str, count: int) -> None:
    """The first format had one thing an object, and no time in its name."""
    assert Grave(key, NOW, count) == grave(key, NOW)


@pytest.mark.parametrize(
    "key", ["", "2026-01-02", "2026-01-02/", "2026-1-2/x", "x/y", "2026-01-02/a/b", "2026-01-02/a b"]
)
def test_what_is_no_grave_is_none(key: str) -> None:
    """Folder markers and whatever else a person left there."""
    assert grave(key, NOW) is None


def test_days_are_those_of_utc() -> None:
    """`dead/` is sorted by days that do not depend on where anybody is."""
    assert ("2026-01-02", "2026-01-01") == (utc_day(NOW), utc_day(NOW - 11_046))
    assert "2026-01-02" == utc_day(NOW - 11_045)


@given(st.lists(st.builds(piece, st.text(max_size=5)), min_size=1, max_size=4))
def test_pieces_come_back(pieces: list[Piece]) -> None:
    """What was given up is read as it was written."""
    assert tuple(pieces) == decode_pieces(msgspec.json.encode({"format": 1, "pieces": pieces}))


def test_a_piece_of_the_first_format_comes_back() -> None:
    """It stood alone in its object: a task whose target stood in fields of its own, or an event."""
    old = {"id": "p", "at": NOW, "reason": "because"}
    task = {"id": "t", "kind": "refresh", "form": "file", "url": A, "site": "site", "lane": 1}
    task["cause"] = {"event_id": "e", "event_name": "n", "time": NOW}
    (found,) = decode_pieces(msgspec.json.encode({**old, "task": task}))
    assert found.task is not None
    assert (A, "site") == (found.task.url, found.task.site)
    (event,) = decode_pieces(msgspec.json.encode({**old, "event": "ZXZlbnQ="}))
    assert Piece("p", NOW, "because", "ZXZlbnQ=") == event
