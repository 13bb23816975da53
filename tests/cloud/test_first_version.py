"""What the first version left in a spool: it is brought over, read where it lies, or set aside, and never lost."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from scripts.localcloud.web import Request
from shared import wiring
from shared.core.task import codec
from shared.core.task.model import digest
from shared.core.task.stored import decode_pieces
from shared.core.task.waits import BACKOFF, READY
from tests.cloud.spools import Ground
from tests.flow.world import World
from tests.strategies import NOW

STORED = Path(__file__).parent.parent / "stored"


@pytest.fixture
def ground() -> Ground:
    """An empty spool."""
    return Ground()


def stored(name: str) -> bytes:
    """Read a record of some format."""
    return (STORED / f"{name}.json").read_bytes()


def keys_of_first() -> dict[str, str]:
    """Tell under which keys the records of the first format lay."""
    found: dict[str, str] = json.loads(stored("first/keys"))
    return found


def first_spool(ground: Ground) -> None:
    """Let everything lie there as the first version left it."""
    keys = keys_of_first()
    for name in ("intent", "intent-folder", "accepted", "accepted-prefetch"):
        ground.put(f"submitted/{keys[name]}", stored(f"first/{name}"))
    for name in ("note-packed", "note", "note-later", "note-folder"):
        ground.put(f"waiting/{keys[name]}", stored(f"first/{name}"))
    ground.put(f"unlogged/{keys['kept']}", stored("first/kept"))
    for name in ("dead-task", "dead-event"):
        ground.put(f"dead/{keys[name]}.json", stored(f"first/{name}"))


def test_what_the_first_version_left_is_brought_over(ground: Ground) -> None:
    """Calls and records lie where they lie now, readable, with the time of their next look; nothing is left behind."""
    first_spool(ground)
    spool = ground.spool()
    assert 5 == spool.adopt_old()
    assert ([], []) == (ground.listed("submitted/"), ground.listed("unlogged/"))
    intents = spool.intents(spool.has_intents())
    assert {"0123456789abcdef0123", "fedcba98765432100123"} == {each.id for each in intents.values()}
    ((one, two),) = spool.accepted()
    assert (NOW + 60.25, NOW + 62) == (one.check, two.check)
    assert {"R-2"} == {each.request_id for each in spool.submissions([one, two]).values()}
    ((key, _),), _ = spool.kept()
    assert codec.decode_outcomes(stored("first/kept")) == spool.read_kept([key])[key]
    assert (0, []) == (spool.adopt_old(), ground.told)


def test_notes_and_graves_of_the_first_version_are_read_where_they_lie(ground: Ground) -> None:
    """Under their old keys, in the order of a survey."""
    first_spool(ground)
    spool = ground.spool()
    survey = spool.survey()
    read = spool.read(survey.notes)
    assert (4, 15) == (len(read), sum(len(each.tasks) for each in read))
    assert {READY, BACKOFF} == {key.wait for key in survey.notes}
    assert 2 == len(spool.exhume(spool.dead()[0]))
    assert [] == ground.told


def test_what_cannot_be_brought_over_is_set_aside(ground: Ground) -> None:
    """One damaged call of the first version; those beside it come over."""
    first_spool(ground)
    bad = "1767323105250-1767323045250-2-bad.accepted"
    ground.put(f"submitted/{bad}", b"junk")
    assert 6 == ground.spool().adopt_old()
    pieces = [piece for grave in ground.listed("dead/") for piece in decode_pieces(ground.read(grave))]
    assert [(f"submitted/{bad}", b"junk")] == [
        (piece.where, base64.b64decode(piece.event)) for piece in pieces if piece.where
    ]
    assert 1 == len(ground.told)
    assert 2 == len(ground.listed("accepted/"))


def test_other_objects_are_left_where_they_are(ground: Ground) -> None:
    """What a person put beside the first version's calls is none of ours."""
    for key in ("submitted/", "submitted/readme.txt", "submitted/x.accepted"):
        ground.put(key, b"")
    before = ground.listed()
    assert 0 == ground.spool().adopt_old()
    assert before == ground.listed()


def test_bringing_over_is_bounded(ground: Ground) -> None:
    """A large outage of the first version's is brought over some at a time."""
    first_spool(ground)
    spool = ground.spool()
    assert [2, 1, 2, 0] == [spool.adopt_old(most=most) for most in (1, 1, 9, 9)]
    assert [] == ground.listed("submitted/") + ground.listed("unlogged/")


def test_what_is_brought_over_is_written_before_it_is_deleted(ground: Ground) -> None:
    """Whoever dies on the way leaves each call in at least one place."""
    first_spool(ground)
    counts: list[int] = []

    def look(request: Request) -> None:
        if request.method != "GET":
            calls = {
                key.rpartition("/")[2].rpartition("-")[2].partition(".")[0].partition("!")[0] for key in _calls(ground)
            }
            counts.append(len(calls))

    ground.after = look
    ground.spool().adopt_old()
    assert {3} == set(counts)


def _calls(ground: Ground) -> list[str]:
    return [key for area in ("submitted/", "submitting/", "accepted/") for key in ground.listed(area)]


def test_a_lost_answer_of_the_first_version_costs_no_second_unit() -> None:
    """The call was carried out before the upgrade: its rows are older than the object that was brought over."""
    world = World()
    url = "https://static.example.com/a%20b.css"
    wiring.run(world.instance, lambda kit, _event, _run: {"ids": kit.cdn.refresh([url]).task_ids}, b"", world.context())
    intent = json.loads(stored("first/intent"))
    shift = world.clock.now() - NOW
    intent["batch"]["tasks"] = intent["batch"]["tasks"][:1]
    intent["batch"]["created"] += shift
    task = intent["batch"]["tasks"][0]
    task["cause"]["time"] += shift
    name = "".join(f"{int((NOW + shift + ahead) * 1000):013d}-" for ahead in (60.25, 0.25)) + "1-0123456789abcdef0123"
    world.cloud.oss.put(
        world.options.spool_bucket, f"cdn-refresh/submitted/{name}.submitting", json.dumps(intent).encode()
    )
    world.cloud.oss.put(
        world.options.spool_bucket,
        f"cdn-refresh/waiting/0000000000000-1-{int(task['cause']['time'] * 1000):013d}-1-{digest('x')}",
        json.dumps({"key": "x", "tasks": [task]}).encode(),
    )
    world.minutes(6)
    assert [url] == world.submitted_urls()
