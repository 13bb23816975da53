"""Leases among any number of old ones: the newest is found, the old ones go, and nobody is locked out for ever."""

from __future__ import annotations

import pytest

from scripts.localcloud.web import Request
from shared.cloud.spool.lease import (
    KEPT_NUMBERS,
    KEPT_SECONDS,
    OLD_LEFT_MAX,
    PAGES_MAX,
    SLOW_SECONDS,
    Leases,
)
from shared.core.plan.books import Books
from shared.core.task.codec import encode_tasks
from shared.core.task.model import json_bytes
from shared.core.task.notes import Place, notes_of
from shared.core.task.waits import READY
from tests.cloud.spools import Ground
from tests.flow.world import World
from tests.strategies import NOW, make_task

BOOKS = Books(read_at=NOW, total={"url": 9}, remaining={"url": 5})
PAGE = 1_000


def heap(ground: Ground, count: int, work: str = "drain") -> None:
    """Let leases lie there that were taken and given back."""
    body = json_bytes(BOOKS)
    for number in range(1, count + 1):
        ground.put(f"lease/{work}/{number:012d}-free", body)
        ground.put(f"lease/{work}/{number:012d}-held", b"{}")


def cycle(leases: Leases) -> int:
    """Take a lease and give it back; returns its number, 0 where it was not to be had."""
    taken = leases.take("drain", "somebody")
    if taken is None:
        return 0
    leases.release(taken, taken.books)
    return taken.number


@pytest.mark.parametrize("count", [PAGE // 2 - 1, PAGE // 2, PAGE // 2 + 1, PAGE, 3 * PAGE // 2])
def test_the_newest_number_is_found_among_thousands(count: int) -> None:
    """The listing begins with the oldest ones, so it is read to its end; the books are the last holder's."""
    ground = Ground()
    heap(ground, count)
    taken = ground.leases().take("drain", "me")
    assert taken is not None
    assert (count + 1, BOOKS) == (taken.number, taken.books)
    assert BOOKS == ground.leases().books("drain")
    assert ground.leases().take("drain", "you") is None


def test_a_heap_of_old_numbers_is_gone_once_somebody_had_the_lease() -> None:
    """What had locked everybody out frees itself, also where the holder finds nothing to do."""
    ground = Ground()
    heap(ground, 501)
    ground.clock.advance(KEPT_SECONDS + 1)
    assert 502 == cycle(ground.leases())
    kept = ground.listed("lease/drain/")
    assert 2 * (KEPT_NUMBERS + 1) == len(kept)
    assert "lease/drain/000000000497-free" == kept[0]
    assert 503 == cycle(ground.leases())


def test_young_numbers_stay_however_many_they_are() -> None:
    """One who sleeps must not find an old number free, so haste deletes nothing; the lease goes on all the same."""
    ground = Ground()
    heap(ground, 700)
    assert [701, 702, 703] == [cycle(ground.leases()) for _ in range(3)]
    assert 2 * 703 == len(ground.listed("lease/drain/"))


def test_holders_that_never_write_anything_leave_no_heap() -> None:
    """The lease is given back some hundred times, and nobody deletes anything on the way."""
    ground = Ground()
    leases, most = ground.leases(), 0
    for number in range(1, 151):
        assert number == cycle(leases)
        most = max(most, len(ground.listed("lease/")))
        ground.clock.advance(30)
    assert most <= OLD_LEFT_MAX + 2 * (KEPT_NUMBERS + 2)


def test_a_few_old_numbers_cost_no_call_of_their_own() -> None:
    """Mostly they go along with something else; what went along is not deleted again."""
    ground = Ground()
    heap(ground, OLD_LEFT_MAX // 2 + KEPT_NUMBERS)
    ground.clock.advance(KEPT_SECONDS + 1)
    spool = ground.spool()
    taken = spool.take("drain", "me")
    assert taken is not None
    assert OLD_LEFT_MAX == len(taken.old)
    spool.clean(leases=taken.old)
    ground.requests.clear()
    spool.release(taken, BOOKS)
    assert 1 == len(ground.requests)


def test_more_than_can_be_looked_at_frees_itself_too() -> None:
    """Nobody gets the lease by what was seen of it, but the old numbers go; the next one looks further."""
    ground = Ground()
    count = PAGES_MAX * PAGE // 2 + 10
    heap(ground, count)
    assert 0 == cycle(ground.leases())
    assert 2 * count == len(ground.listed("lease/"))
    ground.clock.advance(KEPT_SECONDS + 1)
    assert 0 == cycle(ground.leases())
    assert count + 1 == cycle(ground.leases())


def test_one_who_slept_sees_the_newest_beyond_a_thousand() -> None:
    """It slept across the deletion of its number and wrote it; others have taken hundreds since."""
    ground = Ground()
    heap(ground, 1)
    woken: list[str] = []

    def meanwhile(request: Request) -> None:
        if request.method == "GET" and not woken:
            woken.append("asleep")
            ground.clock.advance(SLOW_SECONDS + KEPT_SECONDS)
            heap(ground, 600)
            for key in ground.listed("lease/drain/000000000002"):
                ground.oss.delete("spool", "p/" + key)

    ground.after = meanwhile
    assert ground.leases().take("drain", "sleeper") is None
    assert "lease/drain/000000000002-held" in ground.listed()
    assert 601 == cycle(ground.leases())


@pytest.mark.parametrize(("drains", "settles"), [(5, 5), (501, 5), (5, 1_200), (600, 1_200)])
def test_the_survey_finds_what_waits_behind_the_leases(drains: int, settles: int) -> None:
    """However many leases of either work lie before it: they take no note's place."""
    ground = Ground()
    heap(ground, drains)
    heap(ground, settles, "settle")
    (note,) = notes_of([(make_task("https://static.example.com/a.html"), Place(READY))])
    ground.put("waiting/" + note.key.text, encode_tasks(note.tasks))
    ground.put("submitting/1789970000000-1789970000000-1-abc", b"{}")
    taken = ground.spool().take("drain", "me")
    assert taken is not None
    assert [note.key.text] == [key.text for key in taken.survey.notes]
    assert ["abc"] == [key.call for key in taken.survey.intents]
    assert not taken.survey.more


def test_events_about_what_others_did_lock_nobody_out() -> None:
    """Each takes the lease and finds nothing of ours; hours later the work goes on."""
    world = World()
    for number in range(150):
        parameter = {"taskId": 99_000_000_000 + number}
        event = {"eventName": "CachedObjectsRefreshed", "eventSource": "cdn", "eventParameter": parameter}
        world.finish({"events": [event]})
        world.clock.advance(30)
    assert len(world.spool("lease/settle/")) <= OLD_LEFT_MAX + 2 * (KEPT_NUMBERS + 2)
