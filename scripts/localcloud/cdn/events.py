"""The rows of a finished task go in; the payload of the CDN event that tells of it comes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from scripts.localcloud.cdn.paths import DIRECTORY, PREFETCH, split_url
from scripts.localcloud.cdn.tasks import Row

EVENT_REGION = "cn-hangzhou"
# CDN events carry local time, unlike the API, which speaks UTC.
EVENT_TIME_ZONE = timezone(timedelta(hours=8))


def finished(rows: Sequence[Row], now: float, account_id: str, trace_id: str) -> dict[str, Any]:
    """Build the payload for the rows of one task id: one event for each type of object in it.

    The event has no status, so rows that failed are in it too.
    """
    by_form: dict[str, list[Row]] = {}
    for row in rows:
        by_form.setdefault(row.form, []).append(row)
    return {"events": [_event(group, now, account_id, trace_id) for group in by_form.values()]}


def _event(rows: Sequence[Row], now: float, account_id: str, trace_id: str) -> dict[str, Any]:
    first = rows[0]
    return {
        "eventName": "CachedObjectsPushed" if first.form == PREFETCH else "CachedObjectsRefreshed",
        "eventVersion": "1.0.0",
        "eventSource": "cdn",
        "region": EVENT_REGION,
        "eventTime": datetime.fromtimestamp(int(now), EVENT_TIME_ZONE).isoformat(),
        "traceId": trace_id,
        "resource": {"domain": first.domain},
        "eventParameter": {
            "objectPath": [split_url(row.path)[1] for row in rows],
            "createTime": int(first.accepted),
            "completeTime": int(now),
            "domain": first.domain,
            "objectType": "Directory" if first.form == DIRECTORY else "File",
            "taskId": int(first.task_id),
        },
        "userIdentity": {"aliUid": account_id},
    }
