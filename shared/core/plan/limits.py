"""What a team may say of its account: rates and reserves. The vendor's own limits come with the provider."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Rates and reserves that differ between accounts; every field has the cautious value as default."""

    urls_per_minute_per_domain: int = 1_000
    """Newer pages say 10,000, older ones 1,000: the lower one holds until a team says otherwise."""

    calls_per_second: float = 40.0
    """Submissions a second: 80 % of the documented 50 per account."""

    reserve_percent: int = 5
    """Share of each day's quota that only removals and people may use."""
