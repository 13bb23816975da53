"""What is asked ever more seldom: a quota that cannot be read, a domain whose minutes leave nothing, a listing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import (
    ACCOUNT,
    FLOW,
    HELD_READING_SECONDS_MAX,
    HOLD_FORGOTTEN_SECONDS,
    MINUTES_IN_VAIN_MAX,
    QUOTA_READING_SECONDS_MAX,
    SERVICE,
    Books,
    Hold,
    Quota,
    is_free,
    listed_by,
    listing_of,
    minute_of,
)
from shared.core.plan.limits import Limits
from shared.core.task.model import Batch, Lane
from shared.core.task.notes import NoteKey
from shared.core.task.waits import minute_of_domain, quota_of, trouble_of
from tests.strategies import NOW, make_task

A, B = "a.example.com", "b.example.com"
TROUBLE = trouble_of("url", A).slot
MINUTE = minute_of_domain("url", A).slot

# -- a quota that cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unread", "is_held", "pause"),
    [
        *((1, False, 50), (2, False, 100), (3, False, 200), (4, False, 400)),
        *((5, False, 600), (11, False, 600), (5_000, False, 600)),
        *((1, True, 50), (2, True, 100), (3, True, 100), (5_000, True, 100)),
    ],
)
def test_a_quota_that_cannot_be_read_is_asked_ever_more_seldom(unread: int, is_held: bool, pause: float) -> None:  # noqa: FBT001 - a table
    """At most every ten minutes, and every hundred seconds while something waits for it."""
    holds = {(quota_of("url").slot if is_held else TROUBLE): Hold(NOW + 9, NOW)}
    books = Books(holds=holds, unread_at=NOW - pause, unread=unread)
    assert (False, True) == (books.needs_reading(NOW), books.needs_reading(NOW + 0.001))


def test_a_reading_that_is_trusted_still_is_not_repeated() -> None:
    """Whatever has failed before it."""
    assert not Books(read_at=NOW - 9, unread_at=NOW - 999, unread=1).needs_reading(NOW)


def test_where_nothing_has_failed_no_failure_counts() -> None:
    """That the last one was at the time 0 puts nothing off, not even right after it."""
    assert Books(read_at=-QUOTA_READING_SECONDS_MAX).needs_reading(1.0)


def test_each_failure_is_counted_until_a_reading_comes() -> None:
    """With the time of the last one; all else stays."""
    books = Books(read_at=NOW - 999, remaining={"url": 5}).quota_unread(NOW - 60).quota_unread(NOW)
    assert Books(read_at=NOW - 999, remaining={"url": 5}, unread_at=NOW, unread=2) == books
    read = books.with_reading(Quota({"url": 9}, {"url": 4}), NOW + 9, Limits())
    assert Books(read_at=NOW + 9, total={"url": 9}, remaining={"url": 4}, counted_at={"url": NOW + 9}) == read


# -- a domain whose minutes leave nothing --------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "pause"), [(0, 0), (1, 0), (2, 0), (3, 115), (4, 235), (5, 475), (6, 885), (60, 885)]
)
def test_minutes_in_vain_hold_a_domain_ever_longer(before: int, pause: float) -> None:
    """The first three are what a busy minute is; then nobody knows when there will be one that leaves something."""
    held = {MINUTE: Hold(NOW - 60, NOW - 99, before)} if before else {}
    books = Books(holds=held).minute_full("url", A, 9, NOW, CDN, "Spent", "words")
    since = NOW - 99 if before else NOW
    assert {MINUTE: Hold(NOW + pause, since, before + 1, "Spent", "words")} == books.holds


@pytest.mark.parametrize(("used", "is_counted"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_minute_counts_once(used: int, is_counted: bool) -> None:  # noqa: FBT001 - a table
    """That a minute which is full by the books is full is no news."""
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: used, B: 1}}).minute_full("url", A, 2, NOW, CDN)
    assert is_counted is (MINUTE in books.holds)
    assert {"url": {A: 2, B: 1}} == books.in_minute
    assert all(hold == Hold(NOW, NOW, 1) for hold in books.holds.values())


def test_a_minute_of_one_counts_too() -> None:
    """Nothing was used of it before."""
    assert {MINUTE: Hold(NOW, NOW, 1)} == Books().minute_full("url", A, 1, NOW, CDN).holds


def test_an_accepted_call_ends_the_count() -> None:
    """Of its unit and domains; those of others go on."""
    slots = (MINUTE, minute_of_domain("url", B).slot, minute_of_domain("prefetch", A).slot)
    books = Books(holds=dict.fromkeys(slots, Hold(NOW, NOW, 5)))
    task = make_task(f"https://{A}/1")
    assert set(slots[1:]) == set(books.with_success(Batch("call", (task,), NOW), NOW, CDN).holds)


@pytest.mark.parametrize(("due", "used", "is_released"), [(NOW, 9, True), (NOW + 1, 9, False), (NOW, 10, False)])
def test_what_waits_for_a_minute_waits_for_its_hold_too(due: float, used: int, is_released: bool) -> None:  # noqa: FBT001 - a table
    """It goes once the minute leaves something by the books, and its hold is over."""
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: used}}, holds={MINUTE: Hold(due, NOW - 9, 5)})
    key = NoteKey("", minute_of_domain("url", A), 0.0, Lane.OVERWRITTEN, NOW, 1)
    assert is_released is is_free(key, books, Limits(10), CDN, NOW)


def test_the_probes_that_went_before_an_accepted_one_are_counted() -> None:
    """It is one of them, whatever it was of, so that the next trouble begins with another one."""
    holds = {
        SERVICE: Hold(NOW, NOW, 3),
        ACCOUNT: Hold(NOW, NOW, 1),
        FLOW: Hold(NOW, NOW, 9),
        TROUBLE: Hold(NOW, NOW, 9),
    }
    call = Batch("call", (make_task(f"https://{B}/1"),), NOW)
    assert 5 + 4 + 2 == Books(probes=5, holds=holds).with_success(call, NOW, CDN).probes
    assert 5 == Books(probes=5, holds={FLOW: Hold(NOW, NOW, 9)}).with_success(call, NOW, CDN).probes


# -- listings ------------------------------------------------------------------------------------------


@given(st.from_regex(r"[a-z0-9.:-]{1,20}", fullmatch=True), st.sampled_from(("", "file", "directory", "preload")))
def test_the_hold_of_a_listing_names_its_domain_and_type(domain: str, row_type: str) -> None:
    """The name tells both, whatever they are."""
    assert (domain, row_type) == listed_by(listing_of(domain, row_type))


def test_a_listing_is_told_from_all_else_that_is_held() -> None:
    """Its name is part of the stored books, so it stays."""
    assert "list+file+a.example.com" == listing_of(A, "file")
    others = (TROUBLE, MINUTE, quota_of("url").slot, SERVICE, ACCOUNT, FLOW, "", "listing+file+a.example.com")
    assert [None] * len(others) == [listed_by(slot) for slot in others]


def test_listings_that_nobody_needs_are_held_back_no_more() -> None:
    """Those that are needed stay, and so does all that is no listing."""
    one, other = listing_of(A, "file"), listing_of(B, "file")
    books = Books(holds=dict.fromkeys((one, other, TROUBLE, SERVICE), Hold(NOW, NOW)))
    assert {other, TROUBLE, SERVICE} == set(books.without_listings({other}).holds)
    assert {TROUBLE, SERVICE} == set(books.without_listings().holds)


# -- an end to all of it -------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "is_there"), [(HOLD_FORGOTTEN_SECONDS, True), (HOLD_FORGOTTEN_SECONDS + 1, False)])
def test_what_nothing_has_tried_for_a_day_is_forgotten(age: float, is_there: bool) -> None:  # noqa: FBT001 - a table
    """Nothing waits for it any more; what was due later stays."""
    books = Books(holds={TROUBLE: Hold(NOW - age, NOW - 2 * age), SERVICE: Hold(NOW, NOW - 2 * age)})
    assert ({TROUBLE, SERVICE} if is_there else {SERVICE}) == set(books.at(NOW, CDN).holds)


def test_how_patient_it_is_is_kept_in_numbers() -> None:
    """How often a quota is read, how many minutes may be in vain, when a hold is forgotten."""
    assert (600.0, 50.0) == (QUOTA_READING_SECONDS_MAX, HELD_READING_SECONDS_MAX)
    assert (3, 86_400.0) == (MINUTES_IN_VAIN_MAX, HOLD_FORGOTTEN_SECONDS)
