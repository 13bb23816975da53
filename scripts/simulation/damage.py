"""A spool and chance go in; one of its objects is cut short, emptied or replaced by that of another version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from scripts.simulation.book import Damage

AREAS = ("waiting/", "submitting/", "accepted/", "kept/", "lease/")
"""What holds notes, intents, accepted calls, records for the log store, and the books of the newest lease."""


def pick(keys: Sequence[str], rng: Random) -> str | None:
    """Choose an object: first what it is for, then which."""
    kinds = [found for area in AREAS if (found := _of(area, keys))]
    return rng.choice(rng.choice(kinds)) if kinds else None


def damaged(time: float, key: str, data: bytes, rng: Random) -> Damage:
    """Spoil an object's bytes."""
    spoiled = rng.choice((data[: len(data) // 2], b"", _foreign(data)))
    return Damage(time, key, data, spoiled)


def _of(area: str, keys: Sequence[str]) -> list[str]:
    found = [key for key in keys if key.startswith(area)]
    return [key for key in found if key.endswith("-free")][-1:] if area == "lease/" else found


def _foreign(data: bytes) -> bytes:
    """Write what a later version might have written: sound JSON that this one does not know."""
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    return json.dumps({"format": 99, "content": content}).encode()
