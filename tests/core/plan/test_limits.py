"""What holds where a team says nothing of its account."""

from __future__ import annotations

from shared.core.plan.limits import Limits


def test_what_no_team_has_said_is_cautious() -> None:
    """The older page's thousand a minute, four fifths of the documented calls, and a twentieth kept back."""
    assert Limits(urls_per_minute_per_domain=1_000, calls_per_second=40.0, reserve_percent=5) == Limits()
