"""Notes in the spool: keys that sort by urgency, say why and what waits, and come back from their texts."""

from __future__ import annotations

import base64
import re
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.covers import names_of, source_name
from shared.core.task.model import Kind, Lane, Task, digest
from shared.core.task.notes import (
    KEY_CHARACTERS_MAX,
    MILLISECONDS_MAX,
    PACKED_BYTES_MAX,
    TASKS_PER_NOTE_MAX,
    NoteKey,
    Place,
    milliseconds,
    note,
    note_from_key,
    note_key,
    notes_of,
)
from shared.core.task.waits import BACKOFF, READY, REFRESH, Wait, quota_of, trouble_of
from tests import strategies
from tests.strategies import NOW, make_task

A = "https://a.example.com/"
SOME = st.lists(strategies.tasks(), min_size=1, max_size=30, unique_by=lambda task: task.id)


def many(count: int) -> list[Task]:
    """Make tasks that compress badly."""
    return [make_task(f"{A}{digest(str(number))}") for number in range(count)]


def test_a_key_can_be_read_by_a_person() -> None:
    """The reason, the lane, the age in milliseconds, the number of tasks, a name; in `backoff` the due time first."""
    ready = note([make_task(A + "a"), make_task(A + "b", lane=Lane.MANUAL, time=NOW - 0.5)])
    later = note([make_task(A + "a")], BACKOFF, NOW + 0.25)
    quota = note(many(30), quota_of("url"), NOW)
    assert re.fullmatch(r"0-ready/1-1767323044500-2-[0-9a-f]{20}~[\w=-]+", ready.key.text)
    assert re.fullmatch(r"backoff/1767323045250-1-1767323045000-1-[0-9a-f]{20}~[\w=-]+", later.key.text)
    assert re.fullmatch(r"quota\+url/1-1767323045000-30-[0-9a-f]{20}!h[\w-]+", quota.key.text)


def test_a_listing_of_a_reason_has_the_most_urgent_and_oldest_first() -> None:
    """Lane, then age; ready before every other reason."""
    ordered = [
        note([make_task(A + "gone", lane=Lane.REMOVED)]),
        note([make_task(A + "older", time=NOW - 1)]),
        note([make_task(A + "newer", time=NOW)]),
        note([make_task(A + "asked", lane=Lane.MANUAL, time=NOW - 9)]),
        note([make_task(A + "soon", lane=Lane.MANUAL)], BACKOFF, NOW + 1),
        note([make_task(A + "gone later", lane=Lane.REMOVED)], BACKOFF, NOW + 2),
    ]
    keys = [each.key.text for each in ordered]
    assert keys == sorted(keys)
    assert ordered[:4] == sorted(ordered[:4], key=lambda each: each.key.urgency)


def test_what_a_key_holds_has_a_measure() -> None:
    """So that it fits the store's keys, and an object can be read at once."""
    assert (1_000, 900, 64_000) == (TASKS_PER_NOTE_MAX, KEY_CHARACTERS_MAX, PACKED_BYTES_MAX)


def test_a_key_is_filled_to_the_last_character() -> None:
    """One that is longer has an index in place of its tasks."""
    tasks, wait = [make_task(A + "a")], trouble_of("url", "")
    length = KEY_CHARACTERS_MAX - len(note(tasks, wait).key.text) - 1
    full = note(tasks, trouble_of("url", "d" * length))
    assert (KEY_CHARACTERS_MAX, True) == (len(full.key.text), bool(full.key.packed))
    assert not note(tasks, trouble_of("url", "d" * (length + 1))).key.packed


def test_a_key_says_nothing_of_what_it_does_not_hold() -> None:
    """Neither tasks nor an index; and where nothing else is said a task waits until no time of its own."""
    plain = NoteKey("t", READY, 0.0, 1, NOW, 1)
    assert ("", "", 0.0) == (plain.packed, plain.index, Place(READY).due)
    assert 0.0 == note([make_task(A + "a")]).key.due


def test_urgency_does_not_ask_what_was_waited_for() -> None:
    """Lane before age, age before name, whatever the folder."""
    keys = [
        NoteKey("z", quota_of("url"), 0, 0, 9.0, 1),
        NoteKey("b", READY, 0, 1, 1.0, 1),
        NoteKey("a", BACKOFF, 0, 1, 2.0, 1),
        NoteKey("b", REFRESH, 0, 1, 2.0, 1),
    ]
    shuffled = [keys[place] for place in (2, 0, 3, 1)]
    assert keys == sorted(shuffled, key=lambda key: key.urgency)


@given(SOME, strategies.waits(), st.integers(0, MILLISECONDS_MAX))
def test_a_key_comes_back_from_its_text(tasks: list[Task], wait: Wait, due: int) -> None:
    """A listing tells why, until when, how urgent, since when and how much: all but the tasks of long notes."""
    written = note(tasks, wait, due / 1000)
    key = note_key(written.key.text)
    assert key is not None
    assert (wait, min(task.lane for task in tasks), len(tasks)) == (key.wait, key.lane, key.count)
    assert (due / 1000 if wait == BACKOFF else 0.0) == key.due
    assert min(task.cause.time for task in tasks) == key.arrival
    assert (written.key.packed, written.key.index) == (key.packed, key.index)
    assert len(key.text) <= KEY_CHARACTERS_MAX


@given(SOME, strategies.waits())
def test_what_a_key_holds_comes_out_of_it(tasks: list[Task], wait: Wait) -> None:
    """Either the tasks stand in the key whole, or an index of them does."""
    written = note(tasks, wait)
    found = note_from_key(written.key)
    assert bool(written.key.packed) != bool(written.key.index)
    assert (written if written.key.packed else None) == found
    assert tuple(sorted(tasks, key=lambda task: task.this_try)) == written.tasks


@given(SOME)
def test_a_key_tells_what_may_be_in_it(tasks: list[Task]) -> None:
    """Each target, and of prefetches each object; where the tasks stand in the key it is known for sure."""
    key = note(tasks).key
    for task in tasks:
        assert [True] * len(names_of(task)) == [key.may_hold([name]) for name in names_of(task)]
    assert not key.may_hold([])
    if key.packed:
        assert not key.may_hold(["nothing of this"])


def test_a_note_that_is_too_long_for_its_key_is_looked_into_by_its_index() -> None:
    """Other targets are not in it, and a prefetch is found by its object."""
    tasks = [*many(20), make_task(A + "p", kind=Kind.PREFETCH, key="k")]
    key = note(tasks).key
    assert not key.packed
    assert key.may_hold([source_name(tasks[-1].cause)])
    assert not key.may_hold([make_task(A + "other").target.name])


def test_one_upload_fits_a_key_and_a_burst_does_not() -> None:
    """What is written most often need not be read; what is too long stands in the object."""
    one, burst = note([make_task(A + "a")]), note(many(50))
    assert [one, None] == [note_from_key(one.key), note_from_key(burst.key)]


def test_a_key_is_as_long_as_it_may_be() -> None:
    """The tasks stand in it up to the last character that fits, and not beyond."""
    lengths = [
        (len(found.key.text), bool(found.key.packed))
        for size in range(600, 900)
        if (found := note([make_task(A + "".join(digest(str(size), str(n)) for n in range(50))[:size])])) is not None
    ]
    packed = [length for length, is_packed in lengths if is_packed]
    assert KEY_CHARACTERS_MAX - 4 <= max(packed) <= KEY_CHARACTERS_MAX
    assert False in [is_packed for _, is_packed in lengths]


@given(strategies.task_orders(), strategies.waits())
def test_a_second_delivery_writes_the_same_object(orders: tuple[list[Task], list[Task]], wait: Wait) -> None:
    """The key follows from the tasks and the reason, in whatever order they come."""
    one, other = orders
    if one:
        assert note(one, wait, NOW).key.text == note(other, wait, NOW).key.text


@given(SOME, SOME)
def test_other_tasks_are_another_object(one: list[Task], other: list[Task]) -> None:
    """One note never takes the place of another one's."""
    assert ({task.id for task in one} == {task.id for task in other}) == (note(one).key == note(other).key)


def test_a_task_that_has_changed_is_another_object() -> None:
    """What has been learnt of a task is not written over by a second delivery of its event."""
    task = make_task(A + "a")
    changed = msgspec.structs.replace(task, unknowns=1)
    assert note([task]).key.text != note([changed]).key.text
    assert note([task]).key.text != note([task], quota_of("url")).key.text


@pytest.mark.parametrize(
    ("text", "wait", "due"),
    [
        ("0000000000000-1-1767323045000-12-2aa679afe3d2ee156310", READY, 0.0),
        ("1767323105500-2-1767323045000-1-fe48~eNp=", BACKOFF, NOW + 60.5),
    ],
)
def test_keys_of_the_first_format_are_read(text: str, wait: Wait, due: float) -> None:
    """They had no reason: those with a due time wait for it, all others are ready."""
    key = note_key(text)
    assert key is not None
    assert (wait, due, NOW) == (key.wait, key.due, key.arrival)
    assert text == key.text
    assert "eNp=" in key.packed if "~" in text else key.packed == ""
    assert key.index == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0-ready/",
        "0-ready",
        "somewhere/1-1767323045000-1-2aa679afe3d2ee156310!h",
        "quota/1-1767323045000-1-2aa679afe3d2ee156310!h",
        "0-ready/1-1767323045000-1-2aa679afe3d2ee156310",
        "0-ready/1-1767323045000-1-2aa679afe3d2ee15631!h",
        "0-ready/x-1767323045000-1-2aa679afe3d2ee156310!h",
        "0-ready/1-176732304500-1-2aa679afe3d2ee156310!h",
        "0-ready/1-1767323045000-12345-2aa679afe3d2ee156310!h",
        "0-ready/1-1767323045000-1-2aa679afe3d2ee156310~",
        "readme.txt",
    ],
)
def test_what_is_no_note_is_none(text: str) -> None:
    """People and consoles leave other objects in a bucket, such as folder markers."""
    assert note_key(text) is None


@given(st.text(max_size=30))
def test_a_damaged_key_is_no_note(rest: str) -> None:
    """What cannot be read from a key is read from the object."""
    key = msgspec.structs.replace(note([make_task(A + "a")]).key, packed=rest)
    assert note_from_key(key) is None
    assert not rest or key.may_hold(["anything"])


def test_a_packed_text_may_not_grow_without_end() -> None:
    """What claims to be much larger than a key can honestly be is not unpacked."""
    body = b"[" + b" " * PACKED_BYTES_MAX + b"]"
    packed = base64.urlsafe_b64encode(zlib.compress(body, 9)).decode()
    assert note_from_key(msgspec.structs.replace(note([make_task(A + "a")]).key, packed=packed)) is None


@pytest.mark.parametrize(
    ("moment", "digits"),
    [
        (NOW, 1_767_323_045_000),
        (NOW + 0.25, 1_767_323_045_250),
        (0.0, 0),
        (-1.0, 0),
        (9_999_999_999.999, MILLISECONDS_MAX),
        (10_000_000_000.0, MILLISECONDS_MAX),
        (1e300, MILLISECONDS_MAX),
    ],
)
def test_times_always_fit_their_digits(moment: float, digits: int) -> None:
    """An event dated far ahead is kept like any other, and found again."""
    assert digits == milliseconds(moment)
    assert note_key(note([make_task(A + "a", time=moment)], BACKOFF, moment).key.text) is not None


# -- gathering -----------------------------------------------------------------------------------------

PLACES = st.builds(Place, strategies.waits(), st.sampled_from((0.0, NOW)))


@given(st.lists(st.tuples(strategies.tasks(), PLACES), max_size=25))
def test_what_waits_together_lies_together(places: list[tuple[Task, Place]]) -> None:
    """Each note holds tasks of one reason, due time and lane, under a key that says so; none is lost."""
    found = list(notes_of(places))
    for each in found:
        assert 1 == len({task.lane for task in each.tasks})
        assert each == note(each.tasks, each.key.wait, each.key.due)
    expected = sorted((task.id, place.wait.slot, place.due) for task, place in places)
    assert expected == sorted((task.id, each.key.wait.slot, each.key.due) for each in found for task in each.tasks)
    together = {(each.key.wait, each.key.due, each.key.lane) for each in found}
    assert len(together) == len(found)


def test_notes_are_bounded() -> None:
    """More tasks than one object may hold are several objects, the oldest in the first."""
    tasks = [make_task(f"{A}{number}", time=NOW - number) for number in range(TASKS_PER_NOTE_MAX + 1)]
    first, second = notes_of((task, Place(READY)) for task in tasks)
    assert (TASKS_PER_NOTE_MAX, (tasks[0],)) == (len(first.tasks), second.tasks)
    (whole,) = notes_of((task, Place(trouble_of("url", "a.example.com"))) for task in tasks[1:])
    assert TASKS_PER_NOTE_MAX == whole.key.count
