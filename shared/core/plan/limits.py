"""The vendor's limits, each a constant named with its unit, and the record of those a team may change.

Unless said otherwise the source is the CDN help page of RefreshObjectCaches or PushObjectCache
(API version 2018-05-10) as of mid 2026.
"""

from __future__ import annotations

import msgspec

URLS_PER_REFRESH_CALL_MAX = 1_000
DIRECTORIES_PER_REFRESH_CALL_MAX = 100
REGEXES_PER_REFRESH_CALL_MAX = 1
URLS_PER_PREFETCH_CALL_MAX = 100
DOMAINS_PER_CALL_MAX = 10

URL_CHARACTERS_MAX = 1_024
"""Stated for PushObjectCache; for refresh no page states a length, so the same is kept."""

DIRECTORIES_PER_MINUTE_PER_DOMAIN_MAX = 100

TASK_IDS_PER_STATUS_CALL_MAX = 10
STATUS_CALLS_PER_SECOND = 24.0
"""80 % of the documented 30 of DescribeRefreshTaskById."""
TASK_LIST_CALLS_PER_SECOND = 4.0
"""80 % of the documented 5 of DescribeRefreshTasks."""

RESET_UTC_OFFSET_SECONDS = 8 * 3_600
"""Daily quotas reset at 00:00 UTC+8 ("Manage CDN quotas", 2026-03)."""


class Limits(msgspec.Struct, frozen=True):
    """Rates and reserves that differ between accounts; every field has the cautious value as default."""

    urls_per_minute_per_domain: int = 1_000
    """Newer pages say 10,000, older ones 1,000: the lower one holds until a team says otherwise."""

    calls_per_second: float = 40.0
    """Submissions a second: 80 % of the documented 50 per account."""

    reserve_percent: int = 5
    """Share of each day's quota that only removals and people may use."""
