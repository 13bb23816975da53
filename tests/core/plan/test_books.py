"""Days, minutes, quotas and holds: what the books carry from drain to drain."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import (
    ACCOUNT,
    DOMAINS_REMEMBERED_MAX,
    FLOW,
    HELD_READING_SECONDS_MAX,
    HOLDS_MAX,
    ORIGIN_FORGOTTEN_SECONDS,
    PROBE_ENDS_SECONDS,
    QUOTA_READING_SECONDS_MAX,
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
from shared.core.task.notes import NoteKey
from shared.core.task.waits import (
    BACKOFF,
    READY,
    REFRESH,
    Wait,
    Why,
    minute_of_domain,
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


def held(wait: Wait, *, due: float = 0.0, lane: int = Lane.OVERWRITTEN) -> NoteKey:
    """Make the key of a note that waits."""
    return NoteKey("", wait, due, lane, NOW, 1)


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
    assert Books(NOW, READING.total, READING.remaining, 3, {"url": {A: 1}}) == read


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


# -- holds ---------------------------------------------------------------------------------------------


def test_a_hold_says_until_when_since_when_and_why() -> None:
    """Each further try in vain counts, brings its own words, and leaves the beginning as it was."""
    once = Books().hold("x", NOW + 5, NOW, "Code", "words", failed=True)
    assert Hold(NOW + 5, NOW, 1, "Code", "words") == once.holds["x"]
    twice = once.hold("x", NOW + 9, NOW + 6, "Other", "more", failed=True)
    assert Hold(NOW + 9, NOW, 2, "Other", "more") == twice.holds["x"]
    quiet = twice.hold("x", NOW + 12, NOW + 10)
    assert Hold(NOW + 12, NOW, 2, "Other", "more") == quiet.holds["x"]
    assert Hold(NOW + 5, NOW, 0) == Books().hold("x", NOW + 5, NOW).holds["x"]


def test_a_hold_keeps_whether_a_person_was_told_and_what_lifts_it() -> None:
    """Held again, it is the same trouble: nobody is told a second time."""
    books = Books().hold("x", NOW, NOW).hold("y", NOW, NOW).told(["x", "unheard of"]).until_done("x")
    again = books.hold("x", NOW + 9, NOW, failed=True)
    assert (True, True, 1) == (again.holds["x"].told, again.holds["x"].until_done, again.holds["x"].tries)
    assert (False, False) == (again.holds["y"].told, again.holds["y"].until_done)
    assert {"x", "y"} == set(again.holds)


def test_holds_are_bounded() -> None:
    """The oldest give way where there are very many."""
    books = Books()
    for number in range(HOLDS_MAX + 2):
        books = books.hold(str(number), NOW, NOW)
    assert HOLDS_MAX == len(books.holds)
    assert ("0" in books.holds, "1" in books.holds, "2" in books.holds) == (False, False, True)


@pytest.mark.parametrize(("due", "is_held"), [(NOW + 0.1, True), (NOW, False), (NOW - 1, False)])
def test_what_is_due_is_held_no_more(due: float, is_held: bool) -> None:  # noqa: FBT001 - a table
    """At its time, and not a moment later, it goes again; what was never held is not."""
    books = Books().hold("x", due, NOW - 9)
    assert (is_held, False) == (books.is_held("x", NOW), books.is_held("y", NOW))


def test_lifting_lifts_what_is_named() -> None:
    """All else stays held."""
    books = Books(holds=dict.fromkeys("abc", Hold(NOW, NOW)))
    assert {"b"} == set(books.lift("a", "c", "unheard of").holds)
    assert books == books.lift()


def test_holds_can_be_listed_by_their_kind() -> None:
    """A quota's, a domain's; those of everything are of no kind."""
    hold = Hold(NOW, NOW)
    books = Books(holds={TROUBLE: hold, quota_of("url").slot: hold, SERVICE: hold, FLOW: hold})
    assert {trouble_of("url", A): hold} == books.of_kind(Why.TROUBLE)
    assert {quota_of("url"): hold} == books.of_kind(Why.QUOTA)
    assert {} == books.of_kind(Why.MINUTE)


def test_whether_records_are_kept_is_noted() -> None:
    """Newer records then wait behind them."""
    books = Books().with_kept(is_kept=True)
    assert (True, False) == (books.kept, books.with_kept(is_kept=False).kept)
    assert books is books.with_kept(is_kept=True)


# -- what went well ------------------------------------------------------------------------------------


def test_a_success_ends_the_trouble_of_its_domains_and_of_everything() -> None:
    """Of its unit only: that a domain's files go says nothing of its prefetches."""
    slots = (TROUBLE, trouble_of("url", B).slot, trouble_of("prefetch", A).slot, SERVICE, ACCOUNT, FLOW)
    books = Books(holds=dict.fromkeys(slots, Hold(NOW + 9, NOW)))
    after = books.with_success(batch(f"https://{A}/1"), NOW, CDN)
    assert {trouble_of("url", B).slot, trouble_of("prefetch", A).slot, FLOW} == set(after.holds)
    assert {A: NOW} == after.good


def test_a_success_is_remembered_as_the_latest() -> None:
    """Of many domains the ones longest ago are forgotten first."""
    books = Books(good={str(number): NOW - 9 for number in range(DOMAINS_REMEMBERED_MAX)} | {A: NOW - 9})
    books = books.with_success(batch(f"https://{A}/1", f"https://{B}/1"), NOW, CDN)
    assert DOMAINS_REMEMBERED_MAX == len(books.good)
    assert [A, B] == list(books.good)[-2:]
    assert ("0" in books.good, "1" in books.good, "2" in books.good) == (False, False, True)
    assert (NOW, NOW) == (books.good[A], books.good[B])


def test_an_accepted_probe_does_not_end_what_only_a_completed_task_ends() -> None:
    """The CDN accepts what then fails at the origin, so the next probe waits for this one's end."""
    slot = trouble_of("prefetch", A).slot
    books = Books().hold(slot, NOW, NOW - 9, "Failed", failed=True).until_done(slot)
    after = books.with_success(batch(f"https://{A}/1", kind=Kind.PREFETCH), NOW, CDN)
    assert {slot: Hold(NOW + PROBE_ENDS_SECONDS, NOW - 9, 1, "Failed", until_done=True)} == after.holds


@pytest.mark.parametrize(
    ("moment", "domain", "went"),
    [
        (NOW, A, True),
        (NOW + 0.1, A, False),
        (NOW, B, False),
        (NOW - 5, B, True),
        (NOW, "c.example.com", False),
        (NOW, "", True),
        (NOW + 0.1, "", False),
    ],
)
def test_it_is_known_since_when_calls_have_gone_well(moment: float, domain: str, went: bool) -> None:  # noqa: FBT001 - a table
    """For one domain, or for any."""
    assert went is Books(good={A: NOW, B: NOW - 5}).went_well_since(moment, domain)


def test_nothing_has_gone_well_at_first() -> None:
    """Books of nothing know of no success."""
    assert not Books().went_well_since(0.0)


def test_failing_origins_are_taken_over_from_who_follows_calls() -> None:
    """One that fails is held, one that fails no more is lifted, and what is held for another reason stays."""
    slot, other = trouble_of("prefetch", A).slot, trouble_of("prefetch", B).slot
    failing, failed = Hold(NOW + 9, NOW, 3, until_done=True), Hold(NOW + 9, NOW, 2)
    books = Books().with_origins({A: failing, B: failed}, "prefetch", NOW)
    assert {slot: failing} == books.holds
    probed = books.hold(slot, NOW + 99, NOW)
    assert probed == probed.with_origins({A: failing}, "prefetch", NOW)
    assert {} == books.with_origins({}, "prefetch", NOW).holds
    refused = Books().hold(other, NOW + 9, NOW, "Forbidden")
    assert refused.holds == refused.with_origins({}, "prefetch", NOW).holds


@pytest.mark.parametrize(("age", "is_held"), [(ORIGIN_FORGOTTEN_SECONDS - 1, True), (ORIGIN_FORGOTTEN_SECONDS, False)])
def test_an_origin_that_nobody_has_tried_for_long_is_tried(age: float, is_held: bool) -> None:  # noqa: FBT001 - a table
    """After six hours without a task to end it, the hold is forgotten."""
    origins = {A: Hold(NOW - age, NOW - age, 3, until_done=True)}
    assert is_held is bool(Books().with_origins(origins, "prefetch", NOW).holds)


# -- what lifts a reason -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "is_released"),
    [
        (held(READY), True),
        (held(BACKOFF, due=NOW), True),
        (held(BACKOFF, due=NOW + 0.001), False),
        (held(quota_of("url")), False),
        (held(quota_of("url"), lane=Lane.REMOVED), True),
        (held(quota_of("url"), lane=Lane.MANUAL), True),
        (held(quota_of("url"), lane=9), False),
        (held(quota_of("directory")), False),
        (held(quota_of("directory"), lane=Lane.REMOVED), False),
        (held(quota_of("regex")), True),
        (held(minute_of_domain("url", A)), False),
        (held(minute_of_domain("url", B)), True),
        (held(minute_of_domain("directory", A)), True),
        (held(minute_of_domain("prefetch", A)), True),
        (held(trouble_of("url", A)), False),
        (held(trouble_of("url", B)), True),
        (held(trouble_of("prefetch", A)), True),
        (held(REFRESH), False),
    ],
)
def test_what_lifts_a_reason_releases_what_waits_for_it(key: NoteKey, is_released: bool) -> None:  # noqa: FBT001 - a table
    """Ready goes at once; each other reason by its own time, unit, minute or hold."""
    books = Books(
        total={"url": 100, "directory": 10},
        remaining={"url": 5, "directory": 0},
        minute=minute_of(NOW),
        in_minute={"url": {A: 10, B: 9}, "directory": {A: 99}},
        holds={
            TROUBLE: Hold(NOW + 1, NOW),
            trouble_of("url", B).slot: Hold(NOW, NOW - 9),
            REFRESH.slot: Hold(NOW + 1, NOW),
        },
    )
    assert is_released is is_free(key, books, Limits(10, reserve_percent=5), CDN, NOW)
