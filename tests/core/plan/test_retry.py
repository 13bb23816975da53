"""When to try again, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.plan.retry import (
    BACKOFF_MAX_SECONDS,
    BLAMED_TRIES_MAX,
    FAILED_TRIES_MAX,
    LOOKS_SKIPPED_BY_FAILURE,
    MEANWHILE_SECONDS,
    REFUSED_PAUSE_SECONDS,
    backoff,
    blamed_pause,
    failed_look_pause,
    failed_pause,
    is_hopeless,
    look_pause,
    trouble_pause,
)


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (10, 30), (1_000_000, 30)]
)
def test_waits_double_up_to_half_a_minute(attempt: int, ceiling: float) -> None:
    """Full jitter: anything from nothing to the ceiling of the attempt."""
    assert [0.0, ceiling / 2, ceiling] == [backoff(attempt, chance) for chance in (0.0, 0.5, 1.0)]


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_wait_is_never_negative_nor_longer_than_the_longest(attempt: int, chance: float) -> None:
    """Whatever happens, the call goes again within the longest wait."""
    assert 0 <= backoff(attempt, chance) <= BACKOFF_MAX_SECONDS


@pytest.mark.parametrize(("failures", "pause"), [(1, 60), (2, 240), (3, 960), (4, 3_600), (5, 3_600), (9, 3_600)])
def test_what_fails_at_the_cdn_waits_longer_each_time(failures: int, pause: float) -> None:
    """Between half and the whole of a pause that quadruples up to an hour."""
    assert [pause / 2, pause * 0.75, pause] == [failed_pause(failures, chance) for chance in (0.0, 0.5, 1.0)]


def test_what_is_blamed_waits_longer_each_time() -> None:
    """Soon at first, since the blame may be wrong; then at most every eight minutes."""
    assert [45, 45, 105, 225, 465, 465, 465, 465] == [blamed_pause(blamed) for blamed in range(1, 9)]


def test_a_troubled_domain_is_tried_each_minute_at_first_and_every_fifteen_minutes_later() -> None:
    """A little less than whole minutes each time, so that no ring of the timer is missed."""
    assert [55, 55, 55, 55, 115, 235, 475, 885, 885, 885] == [trouble_pause(tries) for tries in range(10)]
    assert 55 == trouble_pause(-2)


def test_a_listing_is_asked_for_ever_more_seldom_but_each_minute() -> None:
    """One that tells nothing new, and one that fails: which is left alone as if it had been asked some times before."""
    assert [2, 2, 4, 8, 16, 30, 55, 55, 55] == [look_pause(tries) for tries in range(9)]
    assert 2 == look_pause(-2)
    assert 3 == LOOKS_SKIPPED_BY_FAILURE
    assert [8, 16, 30, 55, 55] == [failed_look_pause(tries) for tries in range(5)]


def test_tries_are_bounded() -> None:
    """How often something fails before it is given up, when a refusal is tried, which success is a witness."""
    assert (5, 8, 60.0) == (FAILED_TRIES_MAX, BLAMED_TRIES_MAX, REFUSED_PAUSE_SECONDS)
    assert 30.0 == MEANWHILE_SECONDS


@pytest.mark.parametrize(
    ("description", "hopeless"),
    [
        ("OriginReturnStatusCode404", True),
        ("OriginReturnStatusCode410", True),
        ("OriginReturnStatusCode403", False),
        ("OriginReturnStatusCode400", False),
        ("OriginReturnStatusCode4", False),
        ("OriginReturnStatusCode5XX", False),
        ("OriginReturnStatusCode429", False),
        ("OriginTimeout", False),
        ("InternalError", False),
        ("404", False),
        ("", False),
    ],
)
def test_only_what_the_origin_lacks_is_hopeless(description: str, *, hopeless: bool) -> None:
    """What is not there will not be; an origin that is slow, busy, broken or set up wrongly may be mended."""
    assert hopeless is is_hopeless(description)
