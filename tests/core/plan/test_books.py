"""Days, minutes, quotas and holds: what the books carry from drain to drain."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import (
    HELD_READING_SECONDS_MAX,
    QUOTA_READING_SECONDS_MAX,
    READING_BEHIND_SECONDS,
    SERVICE,
    Books,
    Hold,
    Quota,
    day_of,
    day_start,
    is_free,
    minute_of,
    minute_start,
    next_reset,
    per_minute,
    spendable,
)
from shared.core.plan.limits import Limits
from shared.core.task.model import Batch, Form, Kind, Lane
from shared.core.task.notes import Place, notes_of
from shared.core.task.waits import (
    REFRESH,
    quota_of,
    trouble_of,
)
from tests import strategies
from tests.strategies import NOW, make_task

READING = Quota(total={"url": 100, "directory": 10}, remaining={"url": 60, "directory": 10})
FREE = Limits(reserve_percent=0)
A, B = "a.example.com", "b.example.com"
TROUBLE = trouble_of("url", A).slot


def at(text: str) -> float:
    """Read a time of the day 2026-01-02."""
    return datetime.fromisoformat(f"2026-01-02T{text}").timestamp()


def batch(*urls: str, kind: Kind = Kind.REFRESH, form: Form = Form.FILE) -> Batch:
    """Make a batch of some URLs, the first of which two tasks share."""
    tasks = [make_task(url, kind=kind, form=form) for url in urls]
    tasks.append(make_task(urls[0], kind=kind, form=form, time=1.0))
    return Batch("call", tasks=tuple(tasks), created=NOW)


# -- days and minutes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "days"),
    [
        ("15:59:59.999+00:00", "16:00:00+00:00", 1),
        ("23:59:59.999+08:00", "00:00:00+08:00", 0),
        ("16:00:00+00:00", "23:59:59+00:00", 0),
        ("00:00:00+00:00", "15:59:59+00:00", 0),
    ],
)
def test_a_day_begins_at_midnight_in_utc_8(one: str, other: str, days: int) -> None:
    """The vendor's day turns at 16:00 UTC."""
    assert days == abs(day_of(at(other), CDN) - day_of(at(one), CDN))


@given(st.floats(0, 4e9))
def test_the_reset_is_the_next_midnight(now: float) -> None:
    """The next 16:00 UTC, never more than a day away."""
    assert now < next_reset(now, CDN) <= now + 86_400
    assert 16 * 3_600 == next_reset(now, CDN) % 86_400
    assert day_start(day_of(now, CDN), CDN) <= now < day_start(day_of(now, CDN) + 1, CDN)


@given(st.floats(0, 4e9))
def test_a_minute_begins_a_second_late(now: float) -> None:
    """What waits for a minute goes a second into it, since clocks differ."""
    assert 60 * minute_of(now) <= now < 60 * minute_of(now) + 60
    assert 60 * minute_of(now) + 1.0 == minute_start(minute_of(now))


@given(strategies.books(), st.integers(0, 3 * 86_400))
def test_rolling_over_twice_is_rolling_over_once(books: Books, seconds: int) -> None:
    """What a new day and a new minute make obsolete is gone, and only that."""
    now = NOW + seconds
    rolled = books.at(now, CDN)
    assert rolled == rolled.at(now, CDN)
    assert minute_of(now) == rolled.minute
    assert (books.in_minute if books.minute == minute_of(now) else {}) == rolled.in_minute
    is_today = day_of(books.read_at, CDN) == day_of(now, CDN)
    assert (books.remaining if is_today else {}) == rolled.remaining
    assert (books.read_at if is_today or not books.remaining else 0.0) == rolled.read_at
    assert books.total == rolled.total


def test_a_new_day_lifts_what_waited_for_its_quota() -> None:
    """Quotas begin anew; a domain in trouble and a waiting prefetch do not care what day it is."""
    slots = (quota_of("url").slot, quota_of("prefetch").slot, TROUBLE, REFRESH.slot, SERVICE)
    evening, midnight = at("15:59:59+00:00"), at("16:00:00+00:00")
    books = Books(day=day_of(evening, CDN), spent={"site": {"url": 1}}, holds=dict.fromkeys(slots, Hold(NOW, NOW)))
    assert books.holds == books.at(evening, CDN).holds
    assert {"site": {"url": 1}} == books.at(evening, CDN).spent
    assert {TROUBLE, REFRESH.slot, SERVICE} == set(books.at(midnight, CDN).holds)
    assert (day_of(midnight, CDN), {}) == (books.at(midnight, CDN).day, books.at(midnight, CDN).spent)


# -- readings of the quota -----------------------------------------------------------------------------


def test_a_reading_replaces_what_was_known() -> None:
    """The vendor's numbers count, since others spend from the same quota."""
    books = Books(read_at=NOW - 700, total={"url": 1}, remaining={"url": 1}, minute=3, in_minute={"url": {A: 1}})
    read = books.with_reading(READING, NOW, FREE)
    counted = {"url": NOW, "directory": NOW}
    assert Books(NOW, READING.total, READING.remaining, 3, {"url": {A: 1}}, counted_at=counted) == read


@pytest.mark.parametrize(
    ("age", "is_held", "needed"),
    [
        (QUOTA_READING_SECONDS_MAX, False, False),
        (QUOTA_READING_SECONDS_MAX + 1, False, True),
        (HELD_READING_SECONDS_MAX, True, False),
        (HELD_READING_SECONDS_MAX + 1, True, True),
        (HELD_READING_SECONDS_MAX + 1, False, False),
    ],
)
def test_a_reading_is_trusted_for_ten_minutes_and_less_while_something_waits_for_it(
    age: float,
    is_held: bool,  # noqa: FBT001 - a table
    needed: bool,  # noqa: FBT001 - a table
) -> None:
    """What waits for a quota that was raised at noon need not wait for midnight."""
    holds = {(quota_of("url").slot if is_held else TROUBLE): Hold(NOW + 9, NOW)}
    assert needed is Books(read_at=NOW - age, holds=holds).needs_reading(NOW)


@pytest.mark.parametrize(("slots", "needed"), [((quota_of("url").slot, TROUBLE), True), ((), False)])
def test_one_that_waits_for_a_quota_is_enough_to_ask(slots: tuple[str, ...], needed: bool) -> None:  # noqa: FBT001 - a table
    """Whatever else is held, and where nothing is held at all."""
    books = Books(read_at=NOW - HELD_READING_SECONDS_MAX - 1, holds=dict.fromkeys(slots, Hold(NOW + 9, NOW)))
    assert needed is books.needs_reading(NOW)


def test_what_was_never_read_is_read() -> None:
    """Books of nothing ask; an account whose quota cannot be told is not asked at each drain either."""
    assert Books().needs_reading(NOW)
    assert not Books().with_reading(Quota({}, {}), NOW, FREE).needs_reading(NOW)


def test_a_new_day_asks_again() -> None:
    """A reading of a minute ago is worth nothing when midnight lies between."""
    evening, midnight = at("15:59:50+00:00"), at("16:00:01+00:00")
    books = Books().with_reading(READING, evening, FREE)
    assert not books.at(at("15:59:59+00:00"), CDN).needs_reading(at("15:59:59+00:00"))
    assert books.at(midnight, CDN).needs_reading(midnight)
    assert {} == books.at(midnight, CDN).remaining


@pytest.mark.parametrize(("remaining", "lifted"), [(0, False), (5, False), (6, True), (100, True)])
def test_a_reading_lifts_what_waited_for_units_that_are_there(remaining: int, lifted: bool) -> None:  # noqa: FBT001 - a table
    """Beyond the reserve there must be something; another unit's waiting stays."""
    url, other = quota_of("url").slot, quota_of("prefetch").slot
    books = Books(holds=dict.fromkeys((url, other, TROUBLE), Hold(NOW + 9, NOW)))
    read = books.with_reading(Quota({"url": 100}, {"url": remaining}), NOW, Limits(reserve_percent=5))
    assert ({other, TROUBLE} if lifted else {url, other, TROUBLE}) == set(read.holds)


@pytest.mark.parametrize(
    ("age", "read", "left"),
    [
        (READING_BEHIND_SECONDS, 60, 58),
        (READING_BEHIND_SECONDS, 57, 57),
        (READING_BEHIND_SECONDS + 1, 60, 60),
    ],
)
def test_a_reading_that_may_not_show_what_was_just_spent_is_no_raise(age: float, read: int, left: int) -> None:
    """The API's answer may be minutes old; what others spent since then counts at once all the same."""
    books = Books().with_reading(READING, NOW, FREE).after(batch(f"https://{A}/1", f"https://{A}/2"), NOW, CDN)
    later = books.with_reading(Quota({"url": 100, "directory": 10}, {"url": read, "directory": 12}), NOW + age, FREE)
    assert {"url": left, "directory": 12} == later.remaining


def test_readings_may_be_five_minutes_behind() -> None:
    """Nobody says how old they are."""
    assert READING_BEHIND_SECONDS == 300


def test_a_full_minute_holds_only_what_waits_for_it() -> None:
    """A domain's trouble has its own hold."""
    key = notes_of([(make_task(f"https://{A}/1"), Place(trouble_of("url", A)))])
    full = Books(minute=minute_of(NOW), in_minute={"url": {A: 1_000}})
    assert all(is_free(each.key, full, FREE, CDN, NOW) for each in key)


def test_what_was_not_spent_after_all_comes_back_at_once() -> None:
    """A large call that came to nothing must not keep others waiting until a reading may raise what we count."""
    two = batch(f"https://{A}/1", f"https://{A}/2")
    read = Books().with_reading(READING, NOW - 99, FREE)
    spent = read.after(two, NOW, CDN).after(batch(f"https://{A}/3"), NOW + 1, CDN)
    assert (57, 59) == (spent.remaining["url"], spent.unspent("url", 2, NOW).remaining["url"])
    assert 100 == spent.unspent("url", 99, NOW).remaining["url"]
    assert 57 == spent.unspent("url", 2, NOW - 100).remaining["url"]
    assert 57 == spent.unspent("url", 2, NOW - 99).remaining["url"]
    assert 57 == msgspec.structs.replace(spent, counted_at={}).unspent("url", 2, NOW).remaining["url"]
    assert 57 == spent.unspent("directory", 2, NOW).remaining["url"]
    assert 12 == msgspec.structs.replace(spent, total={}, remaining={"url": 12}).unspent("url", 2, NOW).remaining["url"]
    assert {} == Books().unspent("url", 2, NOW).remaining
    assert {} == msgspec.structs.replace(spent, remaining={}).unspent("url", 2, NOW).remaining


def test_a_reading_that_was_taken_in_full_knows_what_was_spent() -> None:
    """Nothing comes back that it has counted; one that our own count limits is none."""
    spent = Books().with_reading(READING, NOW - 99, FREE).after(batch(f"https://{A}/1"), NOW, CDN)
    late = spent.with_reading(READING, NOW + READING_BEHIND_SECONDS + 1, FREE)
    assert (60, 60) == (late.remaining["url"], late.unspent("url", 1, NOW).remaining["url"])
    limited = spent.with_reading(READING, NOW + 2, FREE)
    assert (NOW - 99, NOW + 2) == (limited.counted_at["url"], limited.counted_at["directory"])
    assert (59, 60) == (limited.remaining["url"], limited.unspent("url", 1, NOW).remaining["url"])
    others = spent.with_reading(Quota(READING.total, {"url": 59, "directory": 10}), NOW + 2, FREE)
    assert NOW + 2 == others.counted_at["url"]


def test_a_reading_outweighs_a_refusal_and_a_day_that_is_over() -> None:
    """Whoever was refused for the day's quota goes on as soon as a reading leaves some; so at midnight."""
    one = batch(f"https://{A}/1")
    spent = Books().with_reading(READING, NOW, FREE).after(one, NOW, CDN)
    refused = spent.without("url", NOW + 1, CDN)
    assert 0 == refused.remaining["url"]
    assert 60 == refused.with_reading(READING, NOW + 2, FREE).remaining["url"]
    assert 60 == spent.unspent("url").with_reading(READING, NOW + 2, FREE).remaining["url"]
    assert 59 == spent.unspent("directory").with_reading(READING, NOW + 2, FREE).remaining["url"]
    raised = Quota({"url": 101, "directory": 10}, {"url": 61, "directory": 10})
    assert 61 == spent.with_reading(raised, NOW + 2, FREE).remaining["url"]
    evening, midnight = at("15:59:50+00:00"), at("16:00:01+00:00")
    late = Books().with_reading(READING, evening, FREE).after(one, evening, CDN).at(midnight, CDN)
    assert 60 == late.with_reading(READING, midnight, FREE).remaining["url"]
    assert 60 == spent.with_reading(Quota({}, {}), NOW + 1, FREE).with_reading(READING, NOW + 2, FREE).remaining["url"]


# -- spending ------------------------------------------------------------------------------------------


def test_spending_counts_each_url_once() -> None:
    """A batch costs its distinct URLs, of the day, of each domain's minute and of each site."""
    books = Books().with_reading(READING, NOW, FREE)
    spent = books.after(batch(f"https://{A}/1", f"https://{A}/2", f"https://{B}/1"), NOW, CDN)
    assert {"url": 57, "directory": 10} == spent.remaining
    assert {"url": {A: 2, B: 1}} == spent.in_minute
    assert {"site": {"url": 3}} == spent.spent
    assert READING.total == spent.total


def test_spending_adds_up_inside_a_minute_and_starts_anew_in_the_next() -> None:
    """Two calls of one minute count together; the next minute forgets them, the day does not."""
    one = batch(f"https://{A}/1")
    books = Books().with_reading(READING, NOW, FREE).after(one, NOW, CDN).after(one, NOW + 1, CDN)
    assert ({"url": {A: 2}}, 58) == (books.in_minute, books.remaining["url"])
    later = books.after(one, NOW + 60, CDN)
    assert ({"url": {A: 1}}, 57) == (later.in_minute, later.remaining["url"])


def test_spending_changes_no_books_but_its_own() -> None:
    """Books are values: those of the last round still say what they said."""
    one = batch(f"https://{A}/1")
    before = Books().with_reading(READING, NOW, FREE).after(one, NOW, CDN)
    copy = msgspec.json.decode(msgspec.json.encode(before), type=Books)
    before.after(one, NOW, CDN)
    assert copy == before


def test_what_a_day_has_spent_is_counted_by_site_and_unit() -> None:
    """A report can say who spends the quota; the next day starts at nothing."""
    one = batch(f"https://{A}/1", f"https://{A}/2")
    books = Books().after(one, NOW, CDN).after(one, NOW + 60, CDN)
    books = books.after(batch(f"https://{A}/", form=Form.DIRECTORY), NOW + 60, CDN)
    assert ({"site": {"url": 4, "directory": 1}}, day_of(NOW, CDN)) == (books.spent, books.day)
    assert {} == books.at(NOW + 86_400, CDN).spent


def test_quotas_do_not_mix() -> None:
    """A directory costs no URL, and a prefetch no refresh."""
    books = Books().with_reading(READING, NOW, FREE)
    books = books.after(batch(f"https://{A}/1/", form=Form.DIRECTORY), NOW, CDN)
    books = books.after(batch(f"https://{A}/1", kind=Kind.PREFETCH), NOW, CDN)
    assert {"url": 60, "directory": 9} == books.remaining
    assert {"directory": {A: 1}, "prefetch": {A: 1}} == books.in_minute


def test_what_is_left_is_never_negative() -> None:
    """Others may have spent more than was known."""
    books = Books().with_reading(Quota({"url": 100}, {"url": 1}), NOW, FREE)
    assert {"url": 0} == books.after(batch(f"https://{A}/1", f"https://{A}/2"), NOW, CDN).remaining


def test_the_api_may_say_that_a_quota_is_spent() -> None:
    """Its word counts for the rest of the day, for that quota only, also where nothing was known."""
    known = Books().with_reading(READING, NOW, FREE).without("url", NOW + 5, CDN)
    assert ({"url": 0, "directory": 10}, NOW) == (known.remaining, known.read_at)
    unknown = Books().without("url", NOW, CDN)
    assert ({"url": 0}, NOW) == (unknown.at(NOW + 1, CDN).remaining, unknown.read_at)
    assert {} == unknown.at(NOW + 86_400, CDN).remaining


def test_the_api_may_say_that_a_minute_is_spent() -> None:
    """The domain is full for this minute; another one, and another unit of it, are not."""
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: 3, B: 4}, "directory": {A: 5}})
    full = books.minute_full("url", A, 1_000, NOW, CDN)
    assert {"url": {A: 1_000, B: 4}, "directory": {A: 5}} == full.in_minute
    assert {} == full.at(NOW + 60, CDN).in_minute


@pytest.mark.parametrize(
    ("remaining", "lane", "units"),
    [
        (100, Lane.OVERWRITTEN, 90),
        (100, Lane.PREFETCH, 90),
        (100, Lane.REMOVED, 100),
        (100, Lane.MANUAL, 100),
        (11, Lane.OVERWRITTEN, 1),
        (10, Lane.OVERWRITTEN, 0),
        (3, Lane.OVERWRITTEN, 0),
        (3, Lane.REMOVED, 3),
        (0, Lane.REMOVED, 0),
    ],
)
def test_a_reserve_is_kept_for_removals_and_people(remaining: int, lane: Lane, units: int) -> None:
    """Of a total of 100, a reserve of 10 % is out of reach of what can wait."""
    books = Books(read_at=NOW, total={"url": 100}, remaining={"url": remaining})
    assert units == spendable(books, "url", lane, Limits(reserve_percent=10))


def test_a_reserve_is_in_whole_units_of_what_is_known() -> None:
    """A share of a unit is none, and where the total is not known nothing can be reserved."""
    books = Books(read_at=NOW, total={"url": 19}, remaining={"url": 9, "directory": 9})
    assert 9 == spendable(books, "url", Lane.OVERWRITTEN, Limits(reserve_percent=5))
    assert 9 == spendable(books, "directory", Lane.OVERWRITTEN, Limits(reserve_percent=5))


def test_what_is_not_known_is_not_limited() -> None:
    """Where the quota cannot be read, the API itself says when it is spent."""
    assert float("inf") == spendable(Books(), "url", Lane.OVERWRITTEN, Limits())


@pytest.mark.parametrize(("unit", "most"), [("url", 7), ("directory", 100), ("prefetch", 7), ("unheard of", 7)])
def test_the_limit_of_a_minute_is_the_vendors_or_the_teams(unit: str, most: int) -> None:
    """Of directories the vendor states how many a minute takes; of all else the team's setting says it."""
    assert most == per_minute(unit, Limits(urls_per_minute_per_domain=7), CDN)


def test_a_stated_limit_of_nothing_is_a_limit() -> None:
    """Zero is a number that a vendor may state, not a missing one."""
    none = msgspec.structs.replace(CDN, shapes=(msgspec.structs.replace(CDN.shapes[0], per_minute=0),))
    assert 0 == per_minute("url", Limits(), none)
