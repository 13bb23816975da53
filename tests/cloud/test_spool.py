"""The spool in the local OSS: what lies where, what cannot be read, what the first version left, what is bounded."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest

from scripts.localcloud.web import Request
from shared.cloud.spool.spool import KEPT_BYTES_MAX, NOTES_PER_SURVEY_MAX
from shared.core.plan.books import Books
from shared.core.report import Spooled, status
from shared.core.task.model import Batch, Lane, Outcome, Result, Submission, Task, digest
from shared.core.task.notes import note, note_key
from shared.core.task.stored import CallKey, Piece, call_key, decode_pieces
from shared.core.task.waits import BACKOFF, READY, quota_of, trouble_of
from tests.cloud.spools import Ground
from tests.flow.world import World
from tests.strategies import NOW, make_task

STORED = Path(__file__).parent.parent / "stored"
A = "https://a.example.com/"


@pytest.fixture
def ground() -> Ground:
    """An empty spool."""
    return Ground()


def many(count: int) -> list[Task]:
    """Make tasks that do not fit a key together."""
    return [make_task(f"{A}{digest(str(number))}") for number in range(count)]


def batch(*tasks: Task, name: str = "c0ffee", created: float = NOW - 5) -> Batch:
    """Make a call."""
    return Batch(name, tasks or (make_task(A + "a"),), created)


def sent(*tasks: Task, name: str = "c0ffee") -> Submission:
    """Make a call that the CDN took."""
    return batch(*tasks, name=name).accepted(("7",), "R", NOW)


def stored(name: str) -> bytes:
    """Read a record of some format."""
    return (STORED / f"{name}.json").read_bytes()


# -- notes -----------------------------------------------------------------------------------------------


def test_notes_come_back(ground: Ground) -> None:
    """Whether their tasks stand in the key or in the object, also from another instance."""
    notes = [note(many(1)), note(many(60), quota_of("url")), note(many(2), BACKOFF, NOW + 9)]
    one, other = ground.spool(), ground.spool()
    one.put(notes)
    assert {"waiting/" + each.key.text for each in notes} == set(ground.listed())
    for spool in (one, other):
        assert {each.key.text: each.tasks for each in notes} == {
            each.key.text: each.tasks for each in spool.read([each.key for each in notes])
        }


def test_only_what_must_be_read_is_read(ground: Ground) -> None:
    """Neither what this instance wrote itself nor what stands in its key costs a call."""
    notes = [note(many(1)), note(many(60))]
    one, other = ground.spool(), ground.spool()
    one.put(notes)
    for spool, calls in ((one, 0), (other, 1)):
        ground.requests.clear()
        spool.read([each.key for each in notes])
        assert calls == len(ground.requests)


def test_what_was_settled_meanwhile_is_absent(ground: Ground) -> None:
    """Another holder has deleted it."""
    long = note(many(60))
    ground.spool().put([long])
    ground.spool().clean(notes=[long.key.text])
    assert [] == ground.spool().read([long.key])
    assert [] == ground.listed()


def test_reasons_are_the_folders_below_waiting(ground: Ground) -> None:
    """Each once, ready first; what lies in each is listed by urgency."""
    trouble = trouble_of("url", "a.example.com")
    urgent = make_task(A + "gone", lane=Lane.REMOVED)
    notes = [
        note([make_task(A + "a")], trouble),
        note([urgent], trouble),
        note(many(2), quota_of("url")),
        note(many(1)),
    ]
    spool = ground.spool()
    spool.put(notes)
    assert [READY.slot, quota_of("url").slot, trouble.slot] == spool.slots()
    assert [[Lane.REMOVED, Lane.OVERWRITTEN]] == [[key.lane for key in page] for page in spool.notes_in(trouble.slot)]
    assert [[]] == list(spool.notes_in("backoff"))


def test_a_survey_shows_calls_and_notes_and_nothing_else(ground: Ground) -> None:
    """With OSS's date; other people's objects are passed over."""
    spool = ground.spool()
    spool.put([note(many(1)), note(many(60))])
    key = spool.intend(batch())
    spool.accept([(sent(), NOW)])
    spool.bury([Piece("p", NOW, "r")])
    for other in ("waiting/", "waiting/readme", "submitting/x", "zzz"):
        ground.put(other, b"")
    found = spool.survey()
    assert [key.text] == [each.text for each in found.intents]
    assert ([NOW], 2, False, NOW) == (
        [each.modified for each in found.intents],
        len(found.notes),
        found.more,
        found.date,
    )
    assert [note_key(each.text) for each in found.notes] == list(found.notes)


def test_a_survey_is_bounded(ground: Ground) -> None:
    """Of very many notes the first ones come, and that there are more."""
    for number in range(NOTES_PER_SURVEY_MAX + 1):
        ground.put(f"waiting/{note([make_task(A + str(number))]).key.text}", b"")
    found = ground.spool().survey()
    assert (NOTES_PER_SURVEY_MAX, True) == (len(found.notes), found.more)
    assert [1_000, 1_000, 1] == [len(page) for page in ground.spool().notes_in(READY.slot)]


# -- calls -----------------------------------------------------------------------------------------------


def test_calls_come_back(ground: Ground) -> None:
    """An intent until its answer is known, an accepted call until it has ended; what is gone is absent."""
    spool = ground.spool()
    intent = spool.intend(batch())
    texts = spool.accept([(sent(), NOW + 60), (sent(make_task(A + "b"), name="cafe"), NOW + 5)])
    assert {intent.text: batch()} == spool.intents([intent])
    ((first, second),) = spool.accepted()
    assert (["cafe", "c0ffee"], texts) == ([first.call, second.call], {first.text, second.text})
    assert {second.text: sent()} == spool.submissions([second, msgspec.structs.replace(first, text="gone")])
    assert [intent.text] == [each.text for each in spool.has_intents()]
    spool.clean(intents=[intent.text], accepted=[first.text])
    assert ({}, [f"accepted/{second.text}"]) == (spool.intents([intent]), ground.listed())


# -- what cannot be read -----------------------------------------------------------------------------------


def set_aside(ground: Ground, where: str) -> bytes:
    """Read the bytes that were set aside of an object; it must be the only one."""
    (grave,) = ground.listed("dead/")
    (piece,) = decode_pieces(ground.read(grave))
    assert (where, NOW) == (piece.where, piece.at)
    assert piece.reason.startswith("cannot be decoded: ")
    (told,) = ground.told
    assert ("alarm", where, piece.reason) == (told["event"], told["key"], told["reason"])
    assert where not in ground.listed()
    return base64.b64decode(piece.event)


@pytest.mark.parametrize("name", ["next/note-lane-5", "junk"])
def test_a_note_that_cannot_be_read_is_set_aside_and_all_others_are_read(ground: Ground, name: str) -> None:
    """Cut short, or of a newer version: its bytes lie in `dead/`, a person is told, and nothing waits for it."""
    good = [note(many(count)) for count in (1, 50, 60)]
    ground.spool().put(good)
    body = b'{"tasks":[' if name == "junk" else stored(name)
    bad = note(many(55), quota_of("url")).key
    ground.put(f"waiting/{bad.text}", body)
    read = ground.spool().read([bad, *(each.key for each in good)])
    assert {each.key.text for each in good} == {each.key.text for each in read}
    assert body == set_aside(ground, f"waiting/{bad.text}")
    assert {"waiting/" + each.key.text for each in good} == set(ground.listed("waiting/"))


@pytest.mark.parametrize(("area", "name"), [("submitting", "intent"), ("accepted", "accepted")])
def test_a_call_that_cannot_be_read_is_set_aside_and_all_others_are_read(ground: Ground, area: str, name: str) -> None:
    """The same of intents and of accepted calls."""
    spool = ground.spool()
    good = spool.intend(batch())
    spool.accept([(sent(), NOW)])
    text = "1767323045250-1767323045250-2-bad"
    ground.put(f"{area}/{text}", stored(f"next/{name}-lane-5"))
    bad = _key(text)
    if area == "submitting":
        assert {good.text} == set(spool.intents([bad, good]))
    else:
        (page,) = spool.accepted()
        assert {"c0ffee"} == {each.batch.id for each in spool.submissions([bad, *page]).values()}
    assert stored(f"next/{name}-lane-5") == set_aside(ground, f"{area}/{text}")
    assert 2 == len(ground.listed("submitting/") + ground.listed("accepted/"))


def test_records_that_cannot_be_read_are_set_aside(ground: Ground) -> None:
    """Those beside them are written to the log store."""
    spool = ground.spool()
    spool.keep([Outcome(NOW, Result.DONE)])
    ground.put("kept/0-bad", b"junk")
    keys, is_more = spool.kept()
    assert (["0-bad"], False) == ([key for key, _ in keys][:1], is_more)
    assert [(Outcome(NOW, Result.DONE),)] == list(spool.read_kept([key for key, _ in keys]).values())
    assert b"junk" == set_aside(ground, "kept/0-bad")


def test_what_is_set_aside_twice_is_one_grave(ground: Ground) -> None:
    """Two holders that meet it at once write the same object."""
    bad = note(many(55)).key
    for _ in range(2):
        ground.put(f"waiting/{bad.text}", b"junk")
        ground.spool().read([bad])
    assert 1 == len(ground.listed("dead/"))


def test_the_bytes_are_kept_before_the_object_goes(ground: Ground) -> None:
    """Whoever dies in between leaves both."""
    bad = note(many(55)).key
    ground.put(f"waiting/{bad.text}", b"junk")
    seen: list[tuple[int, int]] = []

    def look(request: Request) -> None:
        if request.method != "GET":
            seen.append((len(ground.listed("dead/")), len(ground.listed("waiting/"))))

    ground.after = look
    ground.spool().read([bad])
    assert [(1, 1), (1, 0)] == seen


def test_something_in_dead_that_cannot_be_read_stays_there(ground: Ground) -> None:
    """It is told, and what lies beside it is read."""
    spool = ground.spool()
    spool.bury([Piece("p", NOW, "r")])
    ground.put("dead/2026-01-02/bad.json", b"junk")
    graves, is_more = spool.dead()
    found = spool.exhume(graves)
    assert ([("p",)], False) == ([tuple(piece.id for piece in pieces) for pieces in found.values()], is_more)
    assert (1, "dead/2026-01-02/bad.json") == (len(ground.told), ground.told[0]["key"])
    assert "dead/2026-01-02/bad.json" in ground.listed()


def _key(text: str) -> CallKey:
    key = call_key(text)
    assert key is not None
    return key


# -- what was given up -------------------------------------------------------------------------------------


def test_many_pieces_are_one_grave(ground: Ground) -> None:
    """One write for five hundred; none for none."""
    spool = ground.spool()
    pieces = [Piece(str(number), NOW + number, "because", task=make_task(A + str(number))) for number in range(500)]
    spool.bury(pieces)
    spool.bury([])
    assert 1 == len(ground.requests)
    (grave,), _ = spool.dead()
    assert ("2026-01-02", 500) == (grave.day, grave.count)
    assert {grave.key: tuple(pieces)} == spool.exhume([grave])
    spool.clean(dead=[grave.key])
    assert [] == ground.listed()


def test_graves_are_listed_by_day(ground: Ground) -> None:
    """All, or those from a day on; a part of very many, and that there are more."""
    spool = ground.spool()
    for number in range(3):
        spool.bury([Piece(str(number), NOW + number * 86_400, "r")])
    days = ["2026-01-02", "2026-01-03", "2026-01-04"]
    assert days == [each.day for each in spool.dead()[0]]
    assert days[1:] == [each.day for each in spool.dead("2026-01-03")[0]]
    for number in range(1_000):
        ground.put(f"dead/2026-02-01/{number}.json", b"")
    first, is_more = spool.dead(pages_max=1)
    assert (1_000, True) == (len(first), is_more)
    everything, is_more = spool.dead(pages_max=2)
    assert (1_003, False) == (len(everything), is_more)


def test_records_of_what_was_given_up_in_each_format_are_read(ground: Ground) -> None:
    """One thing an object in the first, several in this, with unknown fields in the next."""
    for name, key in (("first/dead-task", "2026-01-01/a"), ("now/dead", "2026-01-02/b"), ("next/dead", "2026-01-03/c")):
        ground.put(f"dead/{key}.json", stored(name))
    spool = ground.spool()
    assert [1, 3, 3] == [len(pieces) for _, pieces in sorted(spool.exhume(spool.dead()[0]).items())]
    assert [] == ground.told


# -- records for the log store -----------------------------------------------------------------------------


def record(size: int, number: int = 0) -> Outcome:
    """Make a record of so many bytes, more or less."""
    return Outcome(NOW, Result.TOLD, message=str(number) + "x" * size)


def test_records_are_kept_in_parts_of_bounded_bytes_and_in_order(ground: Ground) -> None:
    """None is torn or lost, and only one that alone is larger makes a larger part."""
    sizes = (400_000, 500_000, 300_000, KEPT_BYTES_MAX + 500, 10, 10)
    records = [record(size, number) for number, size in enumerate(sizes)]
    spool = ground.spool()
    spool.keep(records)
    keys, _ = spool.kept()
    parts = spool.read_kept([key for key, _ in keys])
    assert [2, 1, 1, 2] == [len(part) for part in parts.values()]
    assert records == [each for part in parts.values() for each in part]
    assert [True, True, False, True] == [size <= KEPT_BYTES_MAX + 100 for _, size in keys]


def test_records_are_listed_a_few_at_a_time(ground: Ground) -> None:
    """The oldest first, with their bytes, and from a key on."""
    spool = ground.spool()
    for number in range(3):
        spool.keep([msgspec.structs.replace(record(10), time=NOW + number)])
    keys, is_more = spool.kept(most=2)
    assert (2, True) == (len(keys), is_more)
    rest, is_more = spool.kept(keys[-1][0])
    assert (1, False) == (len(rest), is_more)
    assert [len(ground.read(f"kept/{key}")) for key, _ in (*keys, *rest)] == [size for _, size in (*keys, *rest)]
    spool.clean(kept=[key for key, _ in keys])
    assert [f"kept/{rest[0][0]}"] == ground.listed()


# -- events, the status, areas -----------------------------------------------------------------------------


def test_events_are_kept_byte_for_byte(ground: Ground) -> None:
    """As many as asked for; a second delivery of the same request is the same object."""
    spool = ground.spool()
    for payload in (b"\xff junk", b"{}", b"\xff junk"):
        spool.keep_event(payload, "request")
    events = spool.kept_events(9)
    assert {b"\xff junk", b"{}"} == set(events.values())
    assert 1 == len(spool.kept_events(1))
    spool.clean(events=list(events))
    assert {} == spool.kept_events(9)


def test_the_status_is_the_last_one(ground: Ground) -> None:
    """One of another version, or a damaged one, is none."""
    spool = ground.spool()
    assert spool.last_status() is None
    found = status(Books(), Spooled(), World().instance.kit.provider, NOW)
    spool.write_status(found)
    assert found == spool.last_status()
    ground.put("report/status.json", b'{"time":"x"}')
    assert spool.last_status() is None


def test_areas_are_those_that_hold_anything(ground: Ground) -> None:
    """One call tells which steps of a tick have anything to do."""
    spool = ground.spool()
    assert set() == spool.areas()
    spool.put([note(many(1))])
    spool.bury([Piece("p", NOW, "r")])
    ground.requests.clear()
    assert ({"waiting", "dead"}, 1) == (spool.areas(), len(ground.requests))


def test_what_is_cleaned_goes_in_one_call(ground: Ground) -> None:
    """Of whatever areas; nothing to delete is no call."""
    for key in ("waiting/a", "submitting/b", "accepted/c", "kept/d", "dead/e.json", "events/f", "lease/drain/1-free"):
        ground.put(key, b"")
    ground.requests.clear()
    ground.spool().clean(
        notes=["a"],
        intents=["b"],
        accepted=["c"],
        kept=["d"],
        dead=["e"],
        events=["f"],
        leases=["lease/drain/1-free"],
    )
    assert ([], 1) == (ground.listed(), len(ground.requests))
    ground.spool().clean()
    assert 1 == len(ground.requests)
