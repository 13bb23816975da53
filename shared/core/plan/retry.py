"""How often something went wrong in, how long to pause out, in seconds. Chance is an argument: a number from 0 to 1."""

from __future__ import annotations

import re

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 30.0
REFUSED_PAUSE_SECONDS = 60.0
"""A refusal needs a person, so there is no hurry; once a minute is enough to notice that it was mended."""

FAILED_TRIES_MAX = 5
"""How often a task may fail at the CDN before it is given up."""
FAILED_PAUSE_FIRST_SECONDS = 60.0
FAILED_PAUSE_MAX_SECONDS = 3_600.0

BLAMED_TRIES_MAX = 8
"""How often the call of one target may come to nothing, while others of its domain go, before it is given up."""
MEANWHILE_SECONDS = 30.0
"""A call that was accepted this shortly before another tells as much as one after it: that the CDN worked."""
_BLAMED_PAUSES_SECONDS = (45.0, 45.0, 105.0, 225.0, 465.0)

_TROUBLE_PAUSES_SECONDS = (55.0, 55.0, 55.0, 115.0, 235.0, 475.0, 885.0)
"""A domain in trouble is tried each minute at first, and at most every fifteen minutes later."""

_LOOK_PAUSES_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0, 55.0)
"""A listing that tells nothing new is asked for ever more seldom, but each minute: rows may appear late."""
LOOKS_SKIPPED_BY_FAILURE = 3
"""A listing that fails is left alone as long as one that has told nothing new so many times."""

_ORIGIN_LACKS = re.compile(r"StatusCode4(?:04|10)")


def is_hopeless(description: str) -> bool:
    """Whether a failure at the CDN comes again for sure: the origin does not have the object.

    `description` is without spaces, as rows are read. The vendor documents these texts for 5XX only.
    """
    return bool(_ORIGIN_LACKS.search(description))


def failed_pause(failures: int, chance: float) -> float:
    """How long a task waits after its n-th failure at the CDN, between half and the whole pause."""
    pause = min(FAILED_PAUSE_MAX_SECONDS, FAILED_PAUSE_FIRST_SECONDS * 4.0 ** (failures - 1))
    return pause * (0.5 + chance / 2)


def blamed_pause(blamed: int) -> float:
    """How long a target waits whose call came to nothing for the n-th time."""
    return _BLAMED_PAUSES_SECONDS[min(blamed, len(_BLAMED_PAUSES_SECONDS)) - 1]


def trouble_pause(tries: int) -> float:
    """How long a domain in trouble is left alone after the n-th try."""
    return _TROUBLE_PAUSES_SECONDS[min(max(tries, 1), len(_TROUBLE_PAUSES_SECONDS)) - 1]


def look_pause(tries: int) -> float:
    """How long a listing is left alone that has told nothing new n times."""
    return _LOOK_PAUSES_SECONDS[min(max(tries, 1), len(_LOOK_PAUSES_SECONDS)) - 1]


def failed_look_pause(tries: int) -> float:
    """How long a listing is left alone that has failed n times."""
    return look_pause(tries + LOOKS_SKIPPED_BY_FAILURE)


def backoff(attempt: int, chance: float) -> float:
    """Exponential backoff with full jitter; `attempt` counts from 0."""
    ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(attempt, 10))
    return ceiling * chance
