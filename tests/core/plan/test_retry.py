"""When to try again, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import CdnError, MinuteSpent, QuotaSpent, Refused, Rejected, Throttled, OutcomeUnknown
from shared.core.plan.books import after_reset, minute_start
from shared.core.plan.retry import BACKOFF_MAX_SECONDS, backoff, due_after, failed_pause, is_hopeless
from tests.strategies import NOW


@pytest.mark.parametrize(
    ("attempt", "ceiling"),
    [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 120), (8, 120), (1_000_000, 120)],
)
def test_waits_double_up_to_two_minutes(attempt: int, ceiling: float) -> None:
    """Full jitter: anything from nothing to the ceiling of the attempt."""
    assert [0.0, ceiling / 2, ceiling] == [backoff(attempt, chance) for chance in (0.0, 0.5, 1.0)]


MINUTE = int(NOW // 60)

# error, attempt, chance -> seconds from now, or a moment
WAITS: list[tuple[CdnError, int, float, float]] = [
    (QuotaSpent("QuotaExceeded.Refresh"), 0, 0.5, after_reset(NOW)),
    (QuotaSpent("QuotaExceeded.Refresh", wait_seconds=1.0), 9, 0.5, after_reset(NOW)),
    (MinuteSpent("QuotaPerMinuteExceeded.Refresh"), 0, 0.5, minute_start(MINUTE + 1)),
    (MinuteSpent("TooMany.Refresh"), 7, 0.5, minute_start(MINUTE + 1)),
    (Refused("Forbidden.RAM"), 0, 0.5, NOW + 60),
    (Refused("Forbidden.RAM"), 9, 0.0, NOW + 60),
    (Throttled("Throttling"), 0, 0.5, NOW + 0.5),
    (Throttled("Throttling"), 3, 1.0, NOW + 8),
    (Throttled("TooManyRequests", wait_seconds=2.5), 0, 0.5, NOW + 2.5),
    (Throttled("TooManyRequests", wait_seconds=2.5), 6, 1.0, NOW + 64),
    (OutcomeUnknown("ReadTimeout"), 1, 1.0, NOW + 2),
    (Rejected("InvalidObjectPath.Malformed"), 1, 1.0, NOW + 2),
]


@pytest.mark.parametrize(("error", "attempt", "chance", "due"), WAITS)
def test_each_error_has_its_wait(error: CdnError, attempt: int, chance: float, due: float) -> None:
    """A quota waits for its reset, a minute for the next, a refusal for a person, the rest backs off."""
    assert due == due_after(error, attempt, NOW, chance)


@given(st.sampled_from([row[0] for row in WAITS]), st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 4e9))
def test_a_wait_is_never_in_the_past_nor_beyond_a_day(error: CdnError, attempt: int, chance: float, now: float) -> None:
    """Whatever happens, the task has a time at which it goes again, within little more than a day."""
    assert 0 <= due_after(error, attempt, now, chance) - now <= 86_400 + 60
    assert 0 <= backoff(attempt, chance) <= BACKOFF_MAX_SECONDS


@pytest.mark.parametrize(("failures", "pause"), [(1, 60), (2, 240), (3, 960), (4, 3_600), (5, 3_600), (9, 3_600)])
def test_what_fails_at_the_cdn_waits_longer_each_time(failures: int, pause: float) -> None:
    """Between half and the whole of a pause that quadruples up to an hour."""
    assert [pause / 2, pause] == [failed_pause(failures, chance) for chance in (0.0, 1.0)]


@pytest.mark.parametrize(
    ("description", "hopeless"),
    [
        ("OriginReturnStatusCode404", True),
        ("OriginReturnStatusCode410", True),
        ("OriginReturnStatusCode403", False),
        ("OriginReturnStatusCode5XX", False),
        ("OriginReturnStatusCode429", False),
        ("OriginTimeout", False),
        ("InternalError", False),
        ("", False),
    ],
)
def test_only_what_the_origin_lacks_is_hopeless(description: str, *, hopeless: bool) -> None:
    """What is not there will not be; an origin that is slow, busy, broken or set up wrongly may be mended."""
    assert hopeless is is_hopeless(description)
