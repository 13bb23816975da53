"""Records of the first format, of this one and of a following one: each ends, or is set aside by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.core.task.codec import decode_intent, decode_tasks
from tests.flow.world import World
from tests.strategies import NOW

STORED = Path(__file__).parent.parent / "stored"
NOTES_OF_FIRST = ("note-packed", "note", "note-later", "note-folder")


def _stored(name: str) -> bytes:
    return (STORED / f"{name}.json").read_bytes()


def _world() -> World:
    """Make a world a minute after the records were written, so that nothing of them is forgotten."""
    return World(start=NOW + 70)


def _put_first(world: World) -> set[str]:
    """Let all lie there as the first version left it; returns the URLs that are still to be sent.

    Of one call both the intent and the acceptance lie there: its drain died between the answer and the notes.
    """
    keys = json.loads(_stored("first/keys"))
    for name in NOTES_OF_FIRST:
        world.stray(f"waiting/{keys[name]}", _stored(f"first/{name}"))
    for name in ("intent", "intent-folder", "accepted", "accepted-prefetch"):
        world.stray(f"submitted/{keys[name]}", _stored(f"first/{name}"))
    world.stray(f"unlogged/{keys['kept']}", _stored("first/kept"))
    world.stray(f"dead/{keys['dead-task']}.json", _stored("first/dead-task"))
    world.stray("lease/drain/000000000007-free", _stored("first/books"))
    made = decode_intent(_stored("first/intent"))
    waiting = [task for name in NOTES_OF_FIRST for task in decode_tasks(_stored(f"first/{name}"))]
    left = {task.url for task in waiting if task.this_try not in {task.this_try for task in made.tasks}}
    return {*left, *decode_intent(_stored("first/intent-folder")).urls}


def test_what_the_first_version_left_comes_to_its_end() -> None:
    """Its notes are sent, its calls looked up or followed, its records logged, and nothing stops."""
    world = _world()
    urls = _put_first(world)
    world.limited_minutes(6)
    assert urls <= set(world.submitted_urls())
    left = [world.spool(area) for area in ("waiting/", "submitting/", "submitted/", "unlogged/", "kept/")]
    assert [[]] * len(left) == left
    kept = json.loads(_stored("first/kept"))
    logged = {(record.get("task_id"), record["result"]) for record in world.outcomes()}
    assert {(each.get("task_id"), each["result"]) for each in kept} <= logged
    assert not any("cannot be read" in alarm for alarm in world.alarms())
    assert 0 == world.killed


@pytest.mark.parametrize("area", ["waiting", "submitting", "accepted"])
def test_a_following_version_s_records_are_read_or_set_aside(area: str) -> None:
    """After a rollback: what still fits is used, what does not is kept with its bytes, and the rest goes on."""
    world = _world()
    first = _put_first(world)
    now = int(world.clock.now() * 1000)
    name, key = {
        "waiting": ("note", f"waiting/0-ready/0-{now:013d}-12-{'0' * 20}!AAAA"),
        "submitting": ("intent", f"submitting/{now:013d}-{now:013d}-2-0123456789abcdef0199"),
        "accepted": ("accepted", f"accepted/{now:013d}-{now:013d}-2-0123456789abcdef0199!AAAA~704225"),
    }[area]
    world.stray(key, _stored(f"next/{name}"))
    odd = key.replace("0199", "0188").replace("0" * 20, "1" * 20)
    world.stray(odd, _stored(f"next/{name}-lane-5"))
    world.limited_minutes(6)
    assert [odd] == [piece["where"] for key in world.spool("dead/") for piece in world.spooled(key).get("pieces", ())]
    assert 1 == sum("cannot be read" in alarm for alarm in world.alarms())
    assert first <= set(world.submitted_urls())
    assert [] == world.spool("waiting/") + world.spool("submitting/")
    assert 0 == world.killed


def test_books_of_a_following_version_are_used_or_begun_anew() -> None:
    """The last holder's books have fields that nobody knows, or cannot be read: the drain goes on all the same."""
    for body in (_stored("next/books"), b"{", b'{"format": 9, "read_at": "tomorrow"}'):
        world = _world()
        world.stray("lease/drain/000000000007-free", body)
        world.stray("lease/settle/000000000003-free", body)
        world.limited_deliver(world.put("a.html"))
        world.limited_minutes(10)
        assert 1 == world.results()["done"]
