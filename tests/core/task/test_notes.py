"""Notes in the spool: keys that sort by urgency, and rewriting that never loses a task."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.model import Lane, Task, digest, json_bytes
from shared.core.task.notes import (
    KEY_CHARACTERS_MAX,
    TASKS_PER_NOTE_MAX,
    Note,
    Rewrite,
    due_of,
    note,
    note_from_key,
    notes_of,
    rewrite,
    size_of_note,
)
from tests import strategies
from tests.strategies import NOW, make_task

A = "https://a.example.com/"


def after(notes: list[Note], ended: set[str], changed: dict[str, Task]) -> dict[str, Note]:
    """Carry out a rewrite on a spool that holds some notes: what it holds afterwards, by key."""
    spool = {each.key: each for each in notes}
    change = rewrite(notes, ended, changed)
    spool.update((each.key, each) for each in change.put)
    for key in change.delete:
        del spool[key]
    return spool


def test_keys_sort_by_due_time_then_lane_then_age() -> None:
    """A listing of `waiting/` shows what is due first, and of that the most urgent first."""
    ordered = [
        make_task(A + "gone", lane=Lane.REMOVED, time=NOW),
        make_task(A + "older", time=NOW - 1),
        make_task(A + "newer", time=NOW),
        make_task(A + "asked", lane=Lane.MANUAL, time=NOW - 9),
        make_task(A + "soon", lane=Lane.MANUAL, due=NOW + 1),
        make_task(A + "gone later", lane=Lane.REMOVED, due=NOW + 2),
        make_task(A + "tomorrow", due=NOW + 86_400),
    ]
    keys = [note([task]).key for task in ordered]
    assert keys == sorted(keys)


def test_a_key_can_be_read() -> None:
    """Due time and age stand in milliseconds, of equal width, then the number of tasks; a person can read the key."""
    now, later = note([make_task(A + "a"), make_task(A + "b")]), note([make_task(A + "a", due=NOW + 0.25)])
    assert re.fullmatch(r"0000000000000-1-1767323045000-2-[0-9a-f]{20}~[\w=-]+", now.key)
    assert re.fullmatch(r"1767323045250-1-1767323045000-1-[0-9a-f]{20}~[\w=-]+", later.key)


@given(strategies.few_tasks())
def test_a_listing_tells_how_much_waits_since_when(tasks: list[Task]) -> None:
    """The oldest change and the number of tasks can be told from the key alone."""
    if tasks:
        oldest = min(task.cause.time for task in tasks)
        assert (oldest, len(tasks)) == size_of_note(note(tasks).key)


@given(strategies.tasks((0.0, 0.001, NOW, NOW + 0.0004, NOW + 12.345)))
def test_the_due_time_can_be_told_from_the_key(task: Task) -> None:
    """No note is read before its time, up to the millisecond that a key can say."""
    assert 0 <= task.due - due_of(note([task]).key) < 0.001


@given(strategies.task_orders())
def test_a_second_delivery_writes_the_same_object(orders: tuple[list[Task], list[Task]]) -> None:
    """The key follows from the tasks, and its name from their ids in whatever order they come."""
    one, other = orders
    if one:
        assert note(one).key == note(list(one)).key
        assert note(one).key.partition("~")[0] == note(other).key.partition("~")[0]


@given(strategies.few_tasks(), strategies.few_tasks())
def test_other_tasks_are_another_object(one: list[Task], other: list[Task]) -> None:
    """One note never takes the place of another one's."""
    if one and other:
        assert ([task.id for task in one] == [task.id for task in other]) == (note(one).key == note(other).key)


@given(strategies.few_tasks())
def test_what_a_key_holds_comes_out_of_it(tasks: list[Task]) -> None:
    """Either the tasks stand in the key whole, or not at all; and the key leaves room for the spool's prefix."""
    if tasks:
        written = note(tasks)
        assert note_from_key(written.key) in (written, None)
        assert ("~" in written.key) == (note_from_key(written.key) is not None)
        assert len(written.key.encode()) <= KEY_CHARACTERS_MAX


def test_one_upload_fits_a_key_and_a_burst_does_not() -> None:
    """What is written most often need not be read; what is too long stands in the object."""
    one, many = note([make_task(A + "a")]), note([make_task(f"{A}{digest(str(n))}") for n in range(50)])
    assert [one, None] == [note_from_key(one.key), note_from_key(many.key)]


@given(st.text(max_size=30))
def test_a_damaged_key_is_no_note(rest: str) -> None:
    """What cannot be read from a key is read from the object."""
    assert note_from_key(f"0000000000000-1-1767323045000-1-{digest()}~{rest}") is None


@given(strategies.waiting())
def test_a_note_survives_the_spool(notes: list[Note]) -> None:
    """A note comes back from JSON as it was."""
    assert notes == [msgspec.json.decode(json_bytes(each), type=Note) for each in notes]


@given(strategies.rounds())
def test_no_task_is_lost(drawn: tuple[list[Note], set[str], dict[str, Task]]) -> None:
    """After a round the spool holds every task that has not ended, and those that have changed as they are now."""
    notes, ended, changed = drawn
    before = {task.id: task for each in notes for task in each.tasks}
    expected = {name: changed.get(name, task) for name, task in before.items() if name not in ended}
    found = [task for each in after(notes, ended, changed).values() for task in each.tasks]
    assert expected == {task.id: task for task in found}
    assert [] == [task for task in found if task != expected[task.id]]


@given(strategies.rounds())
def test_what_is_written_is_not_deleted(drawn: tuple[list[Note], set[str], dict[str, Task]]) -> None:
    """Deleting comes after writing, so a key in both would lose tasks; and only what is there is deleted."""
    notes, ended, changed = drawn
    change = rewrite(notes, ended, changed)
    assert set() == {each.key for each in change.put} & set(change.delete)
    assert set() == set(change.delete) - {each.key for each in notes}
    assert len(change.put) == len({each.key for each in change.put})


@given(strategies.rounds())
def test_what_is_due_together_lies_together(drawn: tuple[list[Note], set[str], dict[str, Task]]) -> None:
    """Each note that is written holds tasks of one due time and lane, under a key that says so."""
    notes, ended, changed = drawn
    for each in rewrite(notes, ended, changed).put:
        assert each.tasks
        assert 1 == len({(task.due, task.lane) for task in each.tasks})
        assert each == note(each.tasks)


def test_a_note_of_which_nothing_happened_stays() -> None:
    """Nothing is written or deleted without need."""
    one, other = note([make_task(A + "a")]), note([make_task(A + "b"), make_task(A + "c")])
    change = rewrite([one, other], {one.tasks[0].id}, {})
    assert ((), (one.key,)) == (change.put, change.delete)


def test_the_rest_of_a_note_is_written_before_the_note_goes() -> None:
    """A partly settled note is replaced by one with what is left."""
    both = note([make_task(A + "a"), make_task(A + "b")])
    change = rewrite([both], {both.tasks[0].id}, {})
    assert ((note([both.tasks[1]]),), (both.key,)) == (change.put, change.delete)


def test_a_task_in_two_notes_ends_in_both() -> None:
    """What a second delivery left behind does not go again."""
    task, other = make_task(A + "a"), make_task(A + "b")
    spool = after([note([task]), note([task, other])], {task.id}, {})
    assert [(other,)] == [each.tasks for each in spool.values()]


def test_a_task_that_is_tried_again_at_once_takes_its_own_place() -> None:
    """It is written with its new history, and its old note goes."""
    task = make_task(A + "a")
    later = msgspec.structs.replace(task, attempt=1)
    spool = after([note([task])], set(), {task.id: later})
    assert [(later,)] == [each.tasks for each in spool.values()]


def test_a_task_from_elsewhere_is_taken_in() -> None:
    """What changed although no note held it is written down."""
    task = make_task(A + "a", due=NOW)
    assert [(task,)] == [each.tasks for each in after([], set(), {task.id: task}).values()]


def test_notes_are_bounded() -> None:
    """More tasks than one object may hold are several objects."""
    tasks = [make_task(f"{A}{number}") for number in range(TASKS_PER_NOTE_MAX + 1)]
    assert [TASKS_PER_NOTE_MAX, 1] == [len(each.tasks) for each in notes_of(tasks)]


def test_a_task_that_goes_again_is_not_the_one_that_ended() -> None:
    """A task that failed at the CDN comes back as another turn, which an earlier end of it does not delete."""
    task = make_task("https://a.example.com/a.css")
    again = note([msgspec.structs.replace(task, failures=1)])
    assert Rewrite() == rewrite([again], {task.turn}, {})
