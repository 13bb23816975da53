"""An error and the time in, when to try again out. Chance is an argument: a number from 0 to 1."""

from __future__ import annotations

import re

from shared.core.errors import CdnError, MinuteSpent, QuotaSpent, Refused
from shared.core.plan.books import after_reset, minute_of, minute_start

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 120.0
REFUSED_WAIT_SECONDS = 60.0
"""A refusal needs a person, so there is no hurry; once a minute is enough to notice that it was mended."""


FAILED_TRIES_MAX = 5
"""How often a task may fail at the CDN before it is given up."""
FAILED_PAUSE_FIRST_SECONDS = 60.0
FAILED_PAUSE_MAX_SECONDS = 3_600.0


_ORIGIN_LACKS = re.compile(r"StatusCode4(?:04|10)")


def is_hopeless(description: str) -> bool:
    """Whether a failure at the CDN comes again for sure: the origin does not have the object.

    `description` is without spaces, as `cdntask` reads it. The vendor documents these texts for 5XX only.
    """
    return bool(_ORIGIN_LACKS.search(description))


def failed_pause(failures: int, chance: float) -> float:
    """How long a task waits after its n-th failure at the CDN, in seconds, between half and the whole pause."""
    pause = min(FAILED_PAUSE_MAX_SECONDS, FAILED_PAUSE_FIRST_SECONDS * 4.0 ** (failures - 1))
    return pause * (0.5 + chance / 2)


def backoff(attempt: int, chance: float) -> float:
    """Exponential backoff with full jitter, in seconds; `attempt` counts from 0."""
    ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(attempt, 10))
    return ceiling * chance


def due_after(error: CdnError, attempt: int, now: float, chance: float) -> float:
    """When a task that met an error may be tried again, in epoch seconds."""
    if isinstance(error, QuotaSpent):
        return after_reset(now)
    if isinstance(error, MinuteSpent):
        return minute_start(minute_of(now) + 1)
    if isinstance(error, Refused):
        return now + REFUSED_WAIT_SECONDS
    return now + max(error.wait_seconds, backoff(attempt, chance))
