"""What is particular to Alibaba Cloud CDN: its units, the limits of its calls, its reset and its task list.

Unless said otherwise the source is the CDN help page of RefreshObjectCaches, PushObjectCache or DescribeRefreshTasks
(API version 2018-05-10) as of 2026.
"""

from __future__ import annotations

from shared.core.task.model import Form, Kind
from shared.core.task.provider import Provider, Shape

ALIBABA_CDN = Provider(
    name="alibaba-cdn",
    shapes=(
        Shape(Kind.REFRESH, Form.FILE, "url", per_call=1_000, row_type="file"),
        Shape(Kind.REFRESH, Form.DIRECTORY, "directory", per_call=100, per_minute=100, row_type="directory"),
        Shape(Kind.REFRESH, Form.REGEX, "regex", per_call=1, row_type="regex"),
        # No page names the type of the rows of these.
        Shape(Kind.REFRESH, Form.IGNORE_PARAMS, "ignore-params", per_call=1_000),
        Shape(Kind.PREFETCH, Form.FILE, "prefetch", per_call=100, row_type="preload"),
    ),
    domains_per_call=10,
    # Stated for PushObjectCache; for refresh no page states a length, so the same is kept.
    url_characters_max=1_024,
    # "Manage CDN quotas", 2026-03: daily quotas reset at 00:00 UTC+8.
    reset_utc_offset_seconds=8 * 3_600,
    look_back_seconds=3 * 86_400.0,
    # Not stated anywhere: programs treat an empty list as "not yet".
    rows_appear_within_seconds=15.0,
    ids_per_status_call=10,
    # 80 % of the documented 30 a second of DescribeRefreshTaskById, and 5 of DescribeRefreshTasks.
    status_calls_per_second=24.0,
    list_calls_per_second=4.0,
)
