"""Who has the right to do some work: one winner, an end for who died, and no number twice."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec
import pytest

from scripts.localcloud.web import Request
from shared.cloud.spool.bucket import Listing
from shared.cloud.spool.lease import KEPT_NUMBERS, KEPT_SECONDS, SLOW_SECONDS, Leases
from shared.core.plan.books import Books
from shared.core.plan.lease import Taken
from shared.core.task.model import json_bytes
from shared.core.task.stored import Survey
from tests.cloud.spools import LEASE_SECONDS, PREFIX, Ground
from tests.strategies import NOW

BOOKS = Books(read_at=NOW, total={"url": 9}, remaining={"url": 5})


@pytest.fixture
def ground() -> Ground:
    """An empty spool."""
    return Ground()


def cycle(leases: Leases, count: int, books: Books = BOOKS) -> None:
    """Take a lease and give it back, so many times, and delete what is old."""
    for _ in range(count):
        taken = leases.take("drain", "somebody")
        assert taken is not None
        leases.release(taken, books)


def test_the_first_one_has_it(ground: Ground) -> None:
    """Number one, with books of nothing and nothing to delete."""
    taken = ground.leases().take("drain", "me")
    assert Taken("drain", 1, Books()) == taken
    assert ["lease/drain/000000000001-held"] == ground.listed()
    assert b'{"owner":"me"}' == ground.read("lease/drain/000000000001-held")


def test_a_lease_that_is_held_is_nobody_elses(ground: Ground) -> None:
    """Another work has a lease of its own."""
    one, other = ground.leases(), ground.leases()
    assert one.take("drain", "me") is not None
    assert other.take("drain", "you") is None
    assert one.take("drain", "me again") is None
    assert other.take("settle", "you") is not None


def test_a_lease_that_is_given_back_goes_on_with_its_books(ground: Ground) -> None:
    """The next number, whoever takes it, at once."""
    one, other = ground.leases(), ground.leases()
    first = one.take("drain", "me")
    assert first is not None
    one.release(first, BOOKS)
    assert Taken("drain", 2, BOOKS) == other.take("drain", "you")


@pytest.mark.parametrize(("age", "is_free"), [(LEASE_SECONDS, False), (LEASE_SECONDS + 1, True)])
def test_a_lease_whose_holder_died_ends_after_its_time(ground: Ground, age: float, *, is_free: bool) -> None:
    """By OSS's clock, and not a moment before; the books are those of the last one that was given back."""
    leases = ground.leases()
    cycle(leases, 1)
    assert leases.take("drain", "dies") is not None
    ground.clock.advance(age)
    taken = ground.leases().take("drain", "you")
    assert is_free is (taken is not None)
    if taken is not None:
        assert (3, BOOKS) == (taken.number, taken.books)


def test_no_instance_s_clock_matters(ground: Ground) -> None:
    """One that runs an hour ahead does not take what is held."""
    assert ground.leases().take("drain", "me") is not None
    assert ground.leases(lambda: ground.clock.now() + 3_600).take("drain", "you") is None


def test_of_two_that_look_at_once_one_wins(ground: Ground) -> None:
    """The other one's write finds the number taken, between its look and its write."""
    other = ground.leases()
    taken: list[Taken | None] = []

    def meanwhile(request: Request) -> None:
        if request.method == "GET" and not taken:
            taken.append(None)
            taken[0] = other.take("drain", "other")

    ground.after = meanwhile
    assert ground.leases().take("drain", "me") is None
    assert taken[0] is not None
    assert b'{"owner":"other"}' == ground.read("lease/drain/000000000001-held")


def test_a_write_that_was_made_twice_is_ones_own(ground: Ground) -> None:
    """The first reply was lost, and the client wrote again: the number is there, with one's own name."""
    leases = ground.leases()

    def first_write(request: Request) -> None:
        if request.method == "GET":
            ground.put("lease/drain/000000000001-held", json_bytes({"owner": "me"}))

    ground.after = first_write
    assert leases.take("drain", "me") is not None
    ground.after = lambda _request: None
    assert leases.take("drain", "you") is None


# -- old numbers ---------------------------------------------------------------------------------------


def test_old_numbers_stay_for_their_time(ground: Ground) -> None:
    """However many there are: one who sleeps must not find an old number free."""
    leases = ground.leases()
    cycle(leases, 20)
    ground.clock.advance(KEPT_SECONDS)
    young = leases.take("drain", "me")
    assert young is not None
    assert () == young.old
    leases.release(young, BOOKS)
    ground.clock.advance(1)
    taken = leases.take("drain", "me")
    assert taken is not None
    assert (20 - KEPT_NUMBERS + 1, 21 - KEPT_NUMBERS) == (16, int(taken.old[-1].rpartition("/")[2].partition("-")[0]))
    assert 2 * 16 == len(taken.old)


def test_the_newest_numbers_stay_however_old_they_are(ground: Ground) -> None:
    """An idle spool keeps five, so that a number is never taken a second time."""
    leases = ground.leases()
    cycle(leases, KEPT_NUMBERS)
    ground.clock.advance(9_999)
    taken = leases.take("drain", "me")
    assert taken is not None
    assert () == taken.old
    leases.release(taken, BOOKS)
    ground.clock.advance(9_999)
    again = leases.take("drain", "me")
    assert again is not None
    assert ("lease/drain/000000000001-free", "lease/drain/000000000001-held") == again.old


def sleeping(ground: Ground, seconds: float, *, deletes: bool) -> tuple[Leases, list[str]]:
    """Make a contender that sleeps between its look and its write while others work, and delete what is old."""
    cycle(ground.leases(), 1)
    other, woken = ground.leases(), list[str]()

    def meanwhile(request: Request) -> None:
        if request.method == "GET" and not woken:
            woken.append("asleep")
            ground.clock.advance(seconds)
            cycle(other, KEPT_NUMBERS + 3)
            if deletes:
                for key in ground.listed("lease/")[:8]:
                    ground.oss.delete("spool", PREFIX + key)

    ground.after = meanwhile
    return ground.leases(), woken


def test_one_who_slept_across_the_deletion_of_its_number_does_not_win(ground: Ground) -> None:
    """The number that it writes is there no more, so it writes it; then it looks again and sees newer ones."""
    contender, woken = sleeping(ground, SLOW_SECONDS + 80, deletes=True)
    assert contender.take("drain", "sleeper") is None
    assert ["asleep"] == woken
    assert "lease/drain/000000000002-held" in ground.listed()
    assert 10 == _number(ground.leases().take("drain", "next"))


def test_one_who_slept_and_whose_number_is_there_does_not_win_either(ground: Ground) -> None:
    """Its write finds the number taken, as of any two."""
    contender, _ = sleeping(ground, SLOW_SECONDS - 5, deletes=False)
    assert contender.take("drain", "sleeper") is None


def test_one_who_was_slow_and_is_still_the_newest_wins(ground: Ground) -> None:
    """Slowness alone is no fault; it costs a second look."""
    cycle(ground.leases(), 1)
    looks: list[str] = []

    def slow(request: Request) -> None:
        if request.method == "GET":
            looks.append(request.path)
            ground.clock.advance(SLOW_SECONDS + 1 if len(looks) == 1 else 0)

    ground.after = slow
    assert 2 == _number(ground.leases().take("drain", "me"))
    assert 2 + 1 == len(looks)  # with the books of the last holder


@pytest.mark.parametrize(("pause", "looks"), [(SLOW_SECONDS, 1), (SLOW_SECONDS + 0.5, 2)])
def test_a_second_look_is_for_the_slow_only(ground: Ground, pause: float, looks: int) -> None:
    """An idle minute costs no more calls than it must."""
    seen: list[str] = []

    def slow(request: Request) -> None:
        seen.append(request.method)
        if len(seen) == 1:
            ground.clock.advance(pause)

    ground.after = slow
    assert ground.leases().take("drain", "me") is not None
    assert looks == seen.count("GET")


def _number(taken: Taken | None) -> int:
    return taken.number if taken else 0


# -- books ---------------------------------------------------------------------------------------------


def test_an_instance_remembers_its_own_books(ground: Ground) -> None:
    """Where it was the last to give the lease back, nothing is read; where another was, that one's are."""
    one, other = ground.leases(), ground.leases()
    cycle(one, 1)
    ground.requests.clear()
    taken = one.take("drain", "me")
    assert taken is not None
    assert BOOKS == taken.books
    assert ["GET", "PUT"] == [each.partition(" ")[0] for each in ground.requests]
    one.release(taken, BOOKS)
    theirs = msgspec.structs.replace(BOOKS, remaining={"url": 1})
    cycle(other, 1, theirs)
    assert theirs == one.books("drain")
    mine = one.take("drain", "me")
    assert mine is not None
    assert theirs == mine.books


def test_books_can_be_read_without_the_lease(ground: Ground) -> None:
    """Also while somebody holds it; where it was never given back they say nothing."""
    leases = ground.leases()
    assert Books() == leases.books("drain")
    assert leases.take("drain", "dies") is not None
    assert Books() == leases.books("drain")
    ground.clock.advance(LEASE_SECONDS + 1)
    cycle(leases, 1)
    assert BOOKS == ground.leases().books("drain")
    assert Books() == ground.leases().books("settle")


def test_the_books_of_the_highest_number_count(ground: Ground) -> None:
    """Ten comes after nine."""
    leases = ground.leases()
    for left in range(12):
        cycle(leases, 1, msgspec.structs.replace(BOOKS, remaining={"url": left}))
    assert {"url": 11} == ground.leases().books("drain").remaining


@pytest.mark.parametrize("body", [b"", b"junk", b"[]", b'{"in_minute":{"a.example.com url":1}}', b'{"read_at":"x"}'])
def test_books_that_cannot_be_read_stop_nobody(ground: Ground, body: bytes) -> None:
    """Of another version, or damaged: what the account has left is read again."""
    ground.put("lease/drain/000000000007-free", body)
    assert Taken("drain", 8, Books()) == ground.leases().take("drain", "me")


def test_other_objects_are_no_leases(ground: Ground) -> None:
    """Folder markers, and what people leave."""
    for key in ("lease/drain/", "lease/drain/readme", "lease/drain/x-held", "lease/drain/000000000009-lost"):
        ground.put(key, b"")
    assert 1 == _number(ground.leases().take("drain", "me"))


def test_with_a_survey_the_look_goes_on_to_what_waits(ground: Ground) -> None:
    """One listing shows the lease and all that a drain needs; the lease of another work is not mistaken for it."""
    cycle(ground.leases(), 1)
    settler = ground.leases().take("settle", "you")
    ground.put("waiting/x", b"")
    ground.requests.clear()
    seen: list[str] = []

    def survey(listing: Listing) -> Survey:
        seen.extend(entry.key for entry in listing.entries)
        return Survey(date=listing.date)

    taken = ground.leases().take("drain", "me", survey)
    assert settler is not None
    assert taken is not None
    assert (2, BOOKS, NOW) == (taken.number, taken.books, taken.survey.date)
    assert "waiting/x" in seen
    assert ["GET /", "GET /p/lease/drain/000000000001-free", "PUT /p/lease/drain/000000000002-held"] == sorted(
        unquote(request) for request in ground.requests
    )
