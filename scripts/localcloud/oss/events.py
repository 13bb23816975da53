"""Notifications: what a request did to an object goes in, the payload of a native OSS trigger comes out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """What one request did to one key. `delta` is the new size less the old one, in bytes."""

    event_name: str
    bucket: str
    key: str
    size: int
    delta: int
    etag: str
    request_id: str
    content_type: str = ""
    user_meta: Mapping[str, str] | None = None


def payload(change: Change, *, now: float, region: str, account_id: str) -> dict[str, Any]:
    """Build the payload of one change. The key stands in it as it is, never percent-encoded."""
    return {
        "events": [
            {
                "eventName": change.event_name,
                "eventSource": "acs:oss",
                "eventTime": iso_time(now),
                "eventVersion": "1.0",
                "oss": {
                    "bucket": {
                        "arn": f"acs:oss:{region}:{account_id}:{change.bucket}",
                        "name": change.bucket,
                        "ownerIdentity": account_id,
                        "virtualBucket": "",
                    },
                    "object": _object(change),
                    "ossSchemaVersion": "1.0",
                    "ruleId": hashlib.sha1(change.bucket.encode()).hexdigest(),
                },
                "region": region,
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"requestId": change.request_id},
                "userIdentity": {"principalId": account_id},
            }
        ]
    }


def _object(change: Change) -> dict[str, Any]:
    described: dict[str, Any] = {
        "deltaSize": change.delta,
        "eTag": change.etag,
        "key": change.key,
        "size": change.size,
    }
    if change.content_type:
        described["objectMeta"] = {
            "mimeType": change.content_type,
            "userMeta": dict(change.user_meta or {}),
        }
    return described


def iso_time(when: float) -> str:
    """Format a time as OSS writes it in XML and in events: UTC, whole seconds, `.000Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))
