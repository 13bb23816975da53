"""Native events as tests need them, and the payload files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parent.parent.parent / "events"


def event(key: str = "a.css", **members: Any) -> dict[str, Any]:
    """Make one native event."""
    return {
        "eventName": "ObjectCreated:PutObject",
        "eventSource": "acs:oss",
        "eventTime": "2025-12-13T17:17:27.000Z",
        "oss": {"bucket": {"name": "content"}, "object": {"key": key, "size": 5, "deltaSize": 5, "eTag": "E"}},
        "responseElements": {"requestId": "693D9F77F2B8A53530A1B2C3"},
        **members,
    }


def native(*events: Any) -> bytes:
    """Make the payload of a native trigger."""
    return json.dumps({"events": events}).encode()


def payload(name: str) -> bytes:
    """Read a payload file."""
    return (EVENTS / name).read_bytes()
