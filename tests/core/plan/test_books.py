"""Days, minutes and the ledger that counts what they leave."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.plan.books import (
    QUOTA_READING_SECONDS_MAX,
    RESET_MARGIN_SECONDS,
    Ledger,
    Quota,
    after_reset,
    day_of,
    minute_key,
    minute_of,
    minute_start,
    spendable,
    unit_of,
)
from shared.core.plan.limits import Limits
from shared.core.task.model import Batch, Form, Kind, Lane
from tests import strategies
from tests.strategies import NOW, make_task

READING = Quota(total={"url": 100, "directory": 10}, remaining={"url": 60, "directory": 10})


def at(text: str) -> float:
    """Read a time of the day 2026-01-02."""
    return datetime.fromisoformat(f"2026-01-02T{text}").timestamp()


def batch(*urls: str, kind: Kind = Kind.REFRESH, form: Form = Form.FILE) -> Batch:
    """Make a batch of some URLs, the first of which two tasks share."""
    tasks = [make_task(url, kind=kind, form=form) for url in urls]
    tasks.append(make_task(urls[0], kind=kind, form=form, time=1.0))
    return Batch("call", kind, form, force=False, tasks=tuple(tasks), created=NOW)


@pytest.mark.parametrize(
    ("before", "after", "days"),
    [
        ("15:59:59.999+00:00", "16:00:00+00:00", 1),
        ("23:59:59.999+08:00", "00:00:00+08:00", -1),
        ("16:00:00+00:00", "23:59:59+00:00", 0),
        ("00:00:00+00:00", "15:59:59+00:00", 0),
    ],
)
def test_a_day_begins_at_midnight_in_utc_8(before: str, after: str, days: int) -> None:
    """The vendor's day turns at 16:00 UTC."""
    assert days == day_of(at(after)) - day_of(at(before)) if days >= 0 else day_of(at(after)) == day_of(at(before))


@given(st.floats(0, 4e9))
def test_the_reset_is_the_next_midnight(now: float) -> None:
    """What waits for tomorrow is due a little after the next 16:00 UTC, never later than a day on."""
    due = after_reset(now)
    assert now + RESET_MARGIN_SECONDS < due <= now + 86_400 + RESET_MARGIN_SECONDS
    assert day_of(due) == day_of(now) + 1
    assert 16 * 3_600 == (due - RESET_MARGIN_SECONDS) % 86_400


@given(st.floats(0, 4e9))
def test_a_minute_starts_inside_itself(now: float) -> None:
    """What waits for a minute is due in it, and what waits for the next one is due later than now."""
    minute = minute_of(now)
    assert minute == minute_of(minute_start(minute))
    assert now < minute_start(minute + 1)


@pytest.mark.parametrize(
    ("kind", "form", "unit"),
    [
        (Kind.REFRESH, Form.FILE, "url"),
        (Kind.REFRESH, Form.DIRECTORY, "directory"),
        (Kind.REFRESH, Form.REGEX, "regex"),
        (Kind.REFRESH, Form.IGNORE_PARAMS, "ignore-params"),
        (Kind.PREFETCH, Form.FILE, "prefetch"),
    ],
)
def test_each_form_has_its_quota(kind: Kind, form: Form, unit: str) -> None:
    """Prefetches have one of their own, refreshes one for each form."""
    assert unit == unit_of(kind, form)


def test_a_reading_replaces_what_was_known() -> None:
    """The vendor's numbers count, since others spend from the same quota."""
    ledger = Ledger(read_at=NOW - 700, total={"url": 1}, remaining={"url": 1}, minute=3, in_minute={"a url": 1})
    read = ledger.with_reading(READING, NOW)
    assert Ledger(NOW, READING.total, READING.remaining, 3, {"a url": 1}) == read


@pytest.mark.parametrize(
    ("ledger", "needed"),
    [
        (Ledger(), True),
        (Ledger().with_reading(READING, NOW), False),
        (Ledger().with_reading(READING, NOW - QUOTA_READING_SECONDS_MAX), False),
        (Ledger().with_reading(READING, NOW - QUOTA_READING_SECONDS_MAX - 1), True),
        (Ledger().with_reading(Quota({}, {}), NOW), False),
    ],
)
def test_a_reading_is_trusted_for_ten_minutes(ledger: Ledger, needed: bool) -> None:  # noqa: FBT001 - a table
    """An account whose quota cannot be told is not asked at each drain either."""
    assert needed is ledger.needs_reading(NOW)


def test_a_new_day_asks_again() -> None:
    """A reading of a minute ago is worth nothing when midnight lies between."""
    evening = Ledger().with_reading(READING, at("15:59:50+00:00"))
    assert not evening.needs_reading(at("15:59:59+00:00"))
    assert evening.needs_reading(at("16:00:01+00:00"))
    assert {} == evening.at(at("16:00:01+00:00")).remaining


@given(strategies.ledgers(), st.integers(0, 3 * 86_400))
def test_rolling_over_twice_is_rolling_over_once(ledger: Ledger, seconds: int) -> None:
    """What a new day and a new minute make obsolete is gone, and only that."""
    now = NOW + seconds
    rolled = ledger.at(now)
    assert rolled == rolled.at(now)
    assert minute_of(now) == rolled.minute
    assert (ledger.in_minute if ledger.minute == minute_of(now) else {}) == rolled.in_minute
    assert (ledger.remaining if day_of(ledger.read_at) == day_of(now) else {}) == rolled.remaining


def test_spending_counts_each_url_once() -> None:
    """A batch costs its distinct URLs, of the day and of each domain's minute."""
    ledger = Ledger().with_reading(READING, NOW)
    spent = ledger.after(batch("https://a.example.com/1", "https://a.example.com/2", "https://b.example.com/1"), NOW)
    assert {"url": 57, "directory": 10} == spent.remaining
    assert {"a.example.com url": 2, "b.example.com url": 1} == spent.in_minute
    assert READING.total == spent.total


def test_spending_adds_up_inside_a_minute_and_starts_anew_in_the_next() -> None:
    """Two calls of one minute count together; the next minute forgets them, the day does not."""
    one = batch("https://a.example.com/1")
    ledger = Ledger().with_reading(READING, NOW).after(one, NOW).after(one, NOW + 1)
    assert ({"a.example.com url": 2}, 58) == (ledger.in_minute, ledger.remaining["url"])
    later = ledger.after(one, NOW + 60)
    assert ({"a.example.com url": 1}, 57) == (later.in_minute, later.remaining["url"])


def test_what_a_day_has_spent_is_counted_by_site() -> None:
    """A report can say who spends the quota; the next day starts at nothing."""
    one = batch("https://a.example.com/1", "https://a.example.com/2")
    ledger = Ledger().after(one, NOW).after(one, NOW + 60)
    assert ({"site url": 4}, day_of(NOW)) == (ledger.spent, ledger.day)
    assert {} == ledger.at(NOW + 86_400).spent


def test_quotas_do_not_mix() -> None:
    """A directory costs no URL, and a prefetch no refresh."""
    ledger = Ledger().with_reading(READING, NOW)
    ledger = ledger.after(batch("https://a.example.com/1/", form=Form.DIRECTORY), NOW)
    ledger = ledger.after(batch("https://a.example.com/1", kind=Kind.PREFETCH), NOW)
    assert {"url": 60, "directory": 9} == ledger.remaining
    assert {"a.example.com directory": 1, "a.example.com prefetch": 1} == ledger.in_minute


def test_what_is_left_is_never_negative() -> None:
    """Others may have spent more than was known."""
    ledger = Ledger().with_reading(Quota({"url": 100}, {"url": 1}), NOW)
    assert {"url": 0} == ledger.after(batch("https://a.example.com/1", "https://a.example.com/2"), NOW).remaining


def test_the_api_may_say_that_a_quota_is_spent() -> None:
    """Its word counts for the rest of the day, for that quota only, also where nothing was known."""
    known = Ledger().with_reading(READING, NOW).without("url", NOW + 5)
    assert {"url": 0, "directory": 10} == known.remaining
    unknown = Ledger().without("url", NOW)
    assert {"url": 0} == unknown.at(NOW + 1).remaining
    assert {} == unknown.at(NOW + 86_400).remaining


def test_the_api_may_say_that_a_minute_is_spent() -> None:
    """The domains of the call are full for this minute; others are not."""
    ledger = Ledger().minute_full({"a.example.com", "b.example.com"}, "url", 1_000, NOW)
    assert {"a.example.com url": 1_000, "b.example.com url": 1_000} == ledger.in_minute
    assert {} == ledger.at(NOW + 60).in_minute


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
    ledger = Ledger(read_at=NOW, total={"url": 100}, remaining={"url": remaining})
    assert units == spendable(ledger, "url", lane, Limits(reserve_percent=10))


def test_what_is_not_known_is_not_limited() -> None:
    """Where the quota cannot be read, the API itself says when it is spent."""
    assert float("inf") == spendable(Ledger(), "url", Lane.OVERWRITTEN, Limits())


def test_minutes_are_counted_by_domain_and_quota() -> None:
    """Scheme, path and case make no difference."""
    urls = ("https://A.example.com/1", "http://a.example.com/2?x=1", "https://a.example.com")
    assert {"a.example.com url"} == {minute_key(url, "url") for url in urls}
