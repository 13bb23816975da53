"""Stored objects of three formats: the first one's, this one's and a following one's, each read with its values."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.plan.books import Books, Good, Hold
from shared.core.task import codec
from shared.core.task.codec import Undecodable
from shared.core.task.model import (
    Batch,
    Cause,
    Form,
    Kind,
    Lane,
    Outcome,
    Result,
    Step,
    Submission,
    Target,
    Task,
    TaskId,
    Try,
)
from shared.core.task.notes import note_from_key, note_key
from shared.core.task.stored import Piece, call_key, decode_pieces, grave
from shared.core.task.waits import BACKOFF, READY, quota_of, trouble_of
from tests import strategies
from tests.strategies import NOW

STORED = Path(__file__).parents[2] / "stored"
H = "https://static.example.com/"


def stored(name: str) -> bytes:
    """Read a record, such as `first/intent`."""
    return (STORED / f"{name}.json").read_bytes()


def keys(of: str) -> dict[str, str]:
    """Read under which keys the records of a format lie."""
    found: dict[str, str] = json.loads(stored(f"{of}/keys"))
    return found


def task(name: str, url: str, key: str = "", *, target: Target | None = None, age: float = 0.0, **fields: Any) -> Task:
    """Make a task as the records hold them: `name` is the beginning of its id."""
    cause = Cause(f"event-{name[:6]}", "ObjectCreated:PutObject", NOW - age, "content", key or url, ETAG)
    lane = fields.pop("lane", Lane.OVERWRITTEN)
    target = target or Target(Kind.REFRESH, Form.FILE, H + url)
    return Task(TaskId(name), target, "site", lane, cause, **fields)


ETAG = "5B3C1A2E053D763E1B002CC607C5A0FE"
PLAIN = task("2f17316025e9003b42dc", "a%20b.css", "a b.css")
OLDER = task("54013ad76d0a739b72c1", "a%20b.css", "a b.css", age=9)


def ids(records: str) -> dict[str, str]:
    """Tell the ids of tasks in a record by their URL and age."""
    found: dict[str, str] = {}

    def look(value: Any) -> None:
        if isinstance(value, dict) and "cause" in value:
            url = value.get("url") or value["target"]["url"]
            found[f"{url.removeprefix(H)} {NOW - value['cause']['time']:.0f}"] = value["id"]
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(each)

    look(json.loads(stored(records)))
    return found


# -- the first format ----------------------------------------------------------------------------------


def test_a_note_of_the_first_format_is_read() -> None:
    """Its target stood in fields of its own; tries that failed at the CDN counted as calls that came to nothing too."""
    assert (PLAIN,) == codec.decode_tasks(stored("first/note-packed"))
    (tried,) = codec.decode_tasks(stored("first/note-later"))
    history = (
        Step(NOW - 50, Result.DEFERRED, "Throttling.User", "too fast", "R-1"),
        Step(NOW - 40, Result.DEFERRED, "Failed", "InternalError"),
    )
    assert (
        task(
            ids("first/note-later")["img/logo.png 60"],
            "img/logo.png",
            age=60,
            then_prefetch=True,
            calls_tried=2,
            cdn_failures=1,
            history=history,
        )
        == tried
    )
    (folder,) = codec.decode_tasks(stored("first/note-folder"))
    assert Target(Kind.REFRESH, Form.DIRECTORY, H + "docs/", force=True) == folder.target
    assert Lane.MANUAL is folder.lane
    several = codec.decode_tasks(stored("first/note"))
    assert (12, {NOW - age for age in range(12)}) == (len(several), {each.cause.time for each in several})


@pytest.mark.parametrize("name", ["note-packed", "note-later", "note-folder"])
def test_a_packed_key_of_the_first_format_is_read(name: str) -> None:
    """The tasks stand in the key as they stand in the object."""
    key = note_key(keys("first")[name])
    assert key is not None
    found = note_from_key(key)
    assert found is not None
    assert codec.decode_tasks(stored(f"first/{name}")) == found.tasks
    assert (BACKOFF, NOW + 60) == (key.wait, key.due) if name == "note-later" else (READY, 0.0) == (key.wait, key.due)


def test_a_key_of_the_first_format_whose_note_lies_in_its_object() -> None:
    """Nothing can be told of what is in it, so it may hold anything."""
    key = note_key(keys("first")["note"])
    assert key is not None
    assert (READY, 12, None) == (key.wait, key.count, note_from_key(key))
    assert key.may_hold(["anything"])


def test_an_intent_of_the_first_format_is_read() -> None:
    """What all targets share stood beside the tasks; nothing told of what it is a part of."""
    batch = codec.decode_intent(stored("first/intent"))
    assert ("0123456789abcdef0123", NOW + 0.25, "") == (batch.id, batch.created, batch.replaces)
    assert (H + "a%20b.css", H + "old.css") == batch.urls
    plain, older, failed, gone = batch.tasks
    assert (PLAIN, OLDER) == (plain, older)
    assert (Try(failed.id, 1), 0) == (failed.this_try, failed.calls_tried)
    assert (Lane.REMOVED, NOW - 5) == (gone.lane, gone.cause.time)
    folder = codec.decode_intent(stored("first/intent-folder"))
    assert Target(Kind.REFRESH, Form.DIRECTORY, H + "docs/", force=True) == folder.target


def test_a_submission_of_the_first_format_is_read() -> None:
    """What it covers were ids of tasks: each counts as its task's first try."""
    found = codec.decode_submission(stored("first/accepted"))
    assert (("704225667", "704225668"), "R-2", NOW + 3) == (found.task_ids, found.request_id, found.accepted)
    assert (PLAIN, H + "old.css") == (found.batch.tasks[0], found.batch.tasks[1].url)
    assert {OLDER.this_try, Try(TaskId(ids("first/intent")["a%20b.css 19"]))} == set(found.covered)
    warm = codec.decode_submission(stored("first/accepted-prefetch"))
    assert (Kind.PREFETCH, Lane.PREFETCH, ()) == (warm.batch.target.kind, warm.batch.tasks[0].lane, warm.covered)


@pytest.mark.parametrize(("name", "urls"), [("intent", 2), ("accepted", 2), ("accepted-prefetch", 1)])
def test_a_key_of_a_call_of_the_first_format_is_read(name: str, urls: int) -> None:
    """Without its ending; nothing is told of what is in it, so it may hold anything."""
    key = call_key(keys("first")[name].rpartition(".")[0])
    assert key is not None
    batch = codec.decode_submission(stored(f"first/{name}")).batch
    assert (batch.id, batch.created, urls) == (key.call, key.created, key.urls)
    assert batch.created + 60 == key.check
    assert (True, True) == (key.may_hold(["anything"]), key.may_have(["1"]))


def test_outcomes_of_the_first_format_are_read() -> None:
    """A plain list, each record with the fields that it had."""
    accepted, deferred, skipped = codec.decode_outcomes(stored("first/kept"))
    assert (Result.ACCEPTED, PLAIN.id, 1, "704225667", 3_000) == (
        accepted.result,
        accepted.task_id,
        accepted.units,
        accepted.cdn_task_ids,
        accepted.latency_ms,
    )
    assert (Result.DEFERRED, 3, NOW + 60) == (deferred.result, deferred.attempt, deferred.due)
    assert (Result.SKIPPED, "x.tmp") == (skipped.result, skipped.key)


def test_what_was_given_up_in_the_first_format_is_read() -> None:
    """One thing an object: a task with its history, or an event's bytes."""
    (dead,) = decode_pieces(stored("first/dead-task"))
    assert ("Failed: InternalError", NOW, "R-3", "", "") == (
        dead.reason,
        dead.at,
        dead.request_id,
        dead.event,
        dead.where,
    )
    assert dead.task is not None
    assert (dead.id, 2, 1) == (dead.task.id, dead.task.calls_tried, dead.task.cdn_failures)
    assert Result.DEAD is dead.task.history[-1].result
    (event,) = decode_pieces(stored("first/dead-event"))
    assert (b"<junk>", "not JSON", None) == (base64.b64decode(event.event), event.reason, event.task)
    for name, piece in (("dead-task", dead), ("dead-event", event)):
        found = grave(keys("first")[name], NOW)
        assert found is not None
        assert ("2026-01-02", 1, piece.id) == (found.day, found.count, found.key.partition("/")[2])


def test_books_of_the_first_format_are_read_where_they_can_be() -> None:
    """What the day leaves is taken over; counts whose names carried two things at once are no counts of ours."""
    books = codec.decoded(stored("first/books"), Books)
    assert (NOW, {"url": 10_000, "directory": 100}, {"url": 9_000, "directory": 100}, 20_455) == (
        books.read_at,
        books.total,
        books.remaining,
        books.day,
    )
    with pytest.raises(Undecodable):
        codec.decoded(stored("first/books-in-use"), Books)


# -- this format ---------------------------------------------------------------------------------------

TRIED = task(
    ids("now/note-later")["img/logo.png 60"],
    "img/logo.png",
    age=60,
    then_prefetch=True,
    calls_tried=2,
    cdn_failures=1,
    unknowns=3,
    blamed=2,
    part="0a1b2c3d",
    history=(
        Step(NOW - 50, Result.UNCERTAIN, "ReadTimeout", "no reply", "R-1"),
        Step(NOW - 40, Result.DEFERRED, "Failed", "InternalError"),
    ),
)
GONE = task(ids("now/intent")["old.css 5"], "old.css", age=5, lane=Lane.REMOVED)
FAILED = msgspec.structs.replace(OLDER, cdn_failures=1)
BATCH = Batch("0123456789abcdef0123", (PLAIN, FAILED, GONE), NOW + 0.25, "fedcba98765432100123")
SENT = Submission(
    msgspec.structs.replace(BATCH, tasks=(PLAIN, GONE)),
    ("704225667", "704225668"),
    "R-2",
    NOW + 3,
    (Try(OLDER.id, 1),),
)
OUTCOMES = (
    Outcome(
        NOW + 3,
        Result.ACCEPTED,
        task_id=PLAIN.id,
        event_id="event-2f1731",
        event_name="ObjectCreated:PutObject",
        event_time=NOW,
        bucket="content",
        key="a b.css",
        site="site",
        lane="overwritten",
        url=H + "a%20b.css",
        domain="static.example.com",
        kind="refresh",
        form="file",
        units=1,
        call=BATCH.id,
        cdn_task_ids="704225667",
        request_id="R-2",
        latency_ms=3_000,
    ),
    Outcome(NOW, Result.ROUND, request_id="R-9", message='{"waits": {"quota+url": 60}}'),
)
BOOKS = Books(
    NOW,
    {"url": 10_000, "directory": 100},
    {"url": 8_998},
    29_455_384,
    {"url": {"static.example.com": 2}},
    20_455,
    {"site": {"url": 2}},
    {"trouble+url+static.example.com": Hold(NOW + 55, NOW, 1, "ServiceBusy", "configuring", told=True)},
    {"url": {"static.example.com": Good(NOW, PLAIN.target, "site")}},
    kept=True,
)


def plain_json(data: bytes) -> Any:
    """Read JSON, so that two spellings of the same are the same."""
    return json.loads(data)


@pytest.mark.parametrize(
    ("name", "decode", "value", "encode"),
    [
        ("note-packed", codec.decode_tasks, (PLAIN,), codec.encode_tasks),
        ("note-later", codec.decode_tasks, (TRIED,), codec.encode_tasks),
        ("intent", codec.decode_intent, BATCH, codec.encode_intent),
        ("accepted", codec.decode_submission, SENT, codec.encode_submission),
        ("kept", codec.decode_outcomes, OUTCOMES, codec.encode_outcomes),
    ],
)
def test_what_this_version_writes_is_read_and_written_as_it_lies(
    name: str, decode: Callable[[bytes], Any], value: Any, encode: Callable[[Any], bytes]
) -> None:
    """The record is the format: each value is read with all of its fields, and written to the same JSON."""
    data = stored(f"now/{name}")
    assert value == decode(data)
    assert plain_json(data) == plain_json(encode(value))
    assert codec.FORMAT == plain_json(data)["format"]


def test_books_are_read_as_they_lie() -> None:
    """With every hold and count."""
    assert codec.decoded(stored("now/books"), Books) == BOOKS
    assert plain_json(stored("now/books")) == plain_json(msgspec.json.encode(BOOKS))


def test_keys_of_this_version_are_read() -> None:
    """Why, until when, how many, and what is in it."""
    found = {name: note_key(keys("now")[name]) for name in ("note-packed", "note", "note-later", "note-folder")}
    assert [READY, quota_of("url"), BACKOFF, trouble_of("directory", "static.example.com")] == [
        key and key.wait for key in found.values()
    ]
    assert [1, 60, 1, 1] == [key and key.count for key in found.values()]
    assert found["note-later"] is not None
    assert NOW + 60.5 == found["note-later"].due
    call = call_key(keys("now")["accepted"])
    assert call is not None
    assert (NOW + 63, NOW + 0.25, 2, BATCH.id, "704225667,704225668") == (
        call.check,
        call.created,
        call.urls,
        call.call,
        call.ids,
    )
    assert [True, False] == [call.may_hold([each.target.name]) for each in (PLAIN, TRIED)]


def test_what_was_given_up_is_read() -> None:
    """A task, an event and a stored object, each as a piece of one object."""
    junk = base64.b64encode(b"<junk>").decode()
    dead, event, unread = decode_pieces(stored("now/dead"))
    assert Piece(TRIED.id, NOW, "Failed: InternalError", request_id="R-3", task=TRIED) == dead
    assert Piece(event.id, NOW + 1, "not JSON", junk, "R-4") == event
    assert Piece("x", NOW, "cannot be decoded", junk, where="waiting/x") == unread


# -- a following format --------------------------------------------------------------------------------


def test_fields_of_a_newer_version_are_passed_over() -> None:
    """After a rollback, all that this version knows is read as if this version had written it."""
    assert codec.decode_tasks(stored("now/note")) == codec.decode_tasks(stored("next/note"))
    assert codec.decode_intent(stored("next/intent")) == BATCH
    assert codec.decode_submission(stored("next/accepted")) == SENT
    assert codec.decode_outcomes(stored("next/kept")) == OUTCOMES
    assert codec.decoded(stored("next/books"), Books) == BOOKS
    assert decode_pieces(stored("now/dead")) == decode_pieces(stored("next/dead"))


@pytest.mark.parametrize(
    ("name", "decode"),
    [
        ("note-lane-5", codec.decode_tasks),
        ("intent-lane-5", codec.decode_intent),
        ("accepted-lane-5", codec.decode_submission),
    ],
)
def test_what_only_a_newer_version_can_read_says_so(name: str, decode: Callable[[bytes], Any]) -> None:
    """A lane that this version does not know: the reason names the value, and the format that wrote it."""
    with pytest.raises(Undecodable, match=r"5.*format 2 is newer than 1, which this version writes"):
        decode(stored(f"next/{name}"))


def test_of_its_own_format_nothing_is_said_to_be_newer() -> None:
    """Where this version's own record is damaged, nobody is sent to look for another version."""
    for number, said in ((0, ""), (1, ""), (2, "newer"), (True, ""), ("9", "")):
        body = json.dumps({"format": number, "tasks": [{"id": 5, "target": {}}]}).encode()
        with pytest.raises(Undecodable) as fault:
            codec.decode_tasks(body)
        assert ("newer" in str(fault.value)) is bool(said)


# -- what cannot be read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decode", "body", "reason"),
    [
        (codec.decode_tasks, b"", "it is no JSON"),
        (codec.decode_tasks, stored("now/note")[:-2], "it is no JSON"),
        (codec.decode_tasks, b"\xff", "it is no JSON"),
        (codec.decode_tasks, b"[" * 100_000, "it is no JSON"),
        (codec.decode_tasks, b"{}", "it has no list of tasks"),
        (codec.decode_tasks, b'{"tasks":[]}', "it has no list of tasks"),
        (codec.decode_tasks, b"[]", "it has no list of tasks"),
        (codec.decode_tasks, b'{"tasks":{}}', "it has no list of tasks"),
        (codec.decode_tasks, b"5", "it has no list of tasks"),
        (codec.decode_tasks, b"[5]", "Expected `object`, got `int`"),
        (codec.decode_tasks, b'[{"id":"a"}]', "missing required field `target`"),
        (codec.decode_tasks, b'[{"id":"a","url":"https://h/"}]', "missing required field"),
        (codec.decode_intent, b"[]", "it has no batch"),
        (codec.decode_intent, b'{"batch":[]}', "it has no batch"),
        (codec.decode_intent, b'{"batch":{}}', "its batch has no tasks"),
        (codec.decode_intent, b'{"batch":{"tasks":[]}}', "its batch has no tasks"),
        (codec.decode_intent, b'{"batch":{"tasks":5}}', "its batch has no tasks"),
        (codec.decode_submission, b"[]", "it is no submission"),
        (codec.decode_submission, b"{}", "it has no batch"),
        (codec.decode_submission, b'{"submission":5}', "it has no submission"),
        (codec.decode_submission, b'{"submission":{}}', "it has no batch"),
        (codec.decode_outcomes, b"{}", "Expected `array`, got `null`"),
        (codec.decode_outcomes, b'[{"time":1}]', "missing required field `result`"),
        (decode_pieces, b"[]", "Expected `object`, got `array`"),
        (decode_pieces, b"{}", "missing required field"),
        (decode_pieces, b'{"pieces":5}', "missing required field"),
        (decode_pieces, b'{"task":{"id":5}}', "Expected `str`, got `int`|missing required"),
    ],
)
def test_what_cannot_be_read_says_why(decode: Callable[[bytes], Any], body: bytes, reason: str) -> None:
    """Whoever finds it set aside reads what was wrong with it."""
    with pytest.raises(Undecodable, match=reason):
        decode(body)


@pytest.mark.parametrize(
    ("decode", "body", "reason"),
    [
        (codec.decode_tasks, b"{}", "it has no list of tasks"),
        (codec.decode_tasks, b'[{"id":5,"target":{}}]', "Expected `str`, got `int` - at `$.id`"),
        (codec.decode_submission, b"5", "it is no submission"),
        (codec.decode_submission, b'["submission"]', "it is no submission"),
    ],
)
def test_a_known_reason_is_told_and_nothing_else(decode: Callable[[bytes], Any], body: bytes, reason: str) -> None:
    """Only of what nobody has foreseen it is said that its shape is odd."""
    with pytest.raises(Undecodable) as fault:
        decode(body)
    assert reason == str(fault.value)


@pytest.mark.parametrize(
    ("counts", "calls_tried", "cdn_failures"),
    [({}, 0, 0), ({"attempt": 1}, 1, 0), ({"failures": 2}, 0, 2), ({"attempt": 5, "failures": 2}, 3, 2)],
)
def test_counts_of_the_first_format_are_parted(counts: dict[str, int], calls_tried: int, cdn_failures: int) -> None:
    """All tries counted there, those that failed at the CDN among them; what was nothing was left out."""
    cause = {"event_id": "e", "event_name": "n", "time": NOW}
    plain = {"id": "t", "kind": "refresh", "form": "file", "url": H, "site": "site", "lane": 1, "cause": cause}
    (found,) = codec.decode_tasks(json.dumps([{**plain, **counts}]).encode())
    assert (calls_tried, cdn_failures) == (found.calls_tried, found.cdn_failures)


def test_a_target_counts_for_more_than_what_stands_beside_it() -> None:
    """What a newer version writes beside it, under names of the first format, is passed over."""
    plain = msgspec.to_builtins(PLAIN)
    beside = {**plain, "url": H + "another", "attempt": 7, "failures": 3}
    assert (PLAIN,) == codec.decode_tasks(msgspec.json.encode({"format": 9, "tasks": [beside]}))


@pytest.mark.parametrize("counts", ['"attempt":null', '"attempt":"3"', '"attempt":1,"failures":"1"'])
def test_odd_counts_are_undecodable(counts: str) -> None:
    """One damaged record is set aside; anything but `Undecodable` would stop all others."""
    with pytest.raises(Undecodable):
        codec.decode_tasks(b'[{"id":"a","url":"https://h/","kind":"refresh",%s}]' % counts.encode())


@pytest.mark.parametrize("covered", ["null", "5", "true"])
def test_odd_lists_of_what_is_covered_are_undecodable(covered: str) -> None:
    """The same of an accepted call."""
    body = json.loads(stored("now/accepted"))
    body["submission"]["covered"] = json.loads(covered)
    with pytest.raises(Undecodable):
        codec.decode_submission(json.dumps(body).encode())


DECODERS = st.sampled_from((codec.decode_tasks, codec.decode_intent, codec.decode_outcomes, decode_pieces))


@given(DECODERS, strategies.json_values() | st.lists(strategies.json_values()), st.binary(max_size=20))
def test_no_bytes_make_it_raise_anything_else(decode: Callable[[bytes], Any], value: Any, junk: bytes) -> None:
    """Whatever lies there, it is read, or it is undecodable and is set aside."""
    for body in (junk, json.dumps(value).encode(), json.dumps({"batch": value, "tasks": value}).encode()):
        with suppress(Undecodable):
            decode(body)


@given(st.lists(strategies.tasks(), min_size=1, max_size=9), st.lists(strategies.steps(), max_size=3))
def test_what_is_written_is_read(tasks: list[Task], steps: list[Step]) -> None:
    """Every value comes back as it was."""
    some = tuple(tasks)
    for step in steps:
        some = (some[0].with_step(step), *some[1:])
    batch = Batch("call", some, NOW, "refused")
    sent = batch.accepted(("1",), "R", NOW)
    assert some == codec.decode_tasks(codec.encode_tasks(some))
    assert batch == codec.decode_intent(codec.encode_intent(batch))
    assert sent == codec.decode_submission(codec.encode_submission(sent))
    records = (Outcome(NOW, Result.TOLD), Outcome(NOW, Result.DEAD, message="m"))
    assert records == codec.decode_outcomes(codec.encode_outcomes(records))
