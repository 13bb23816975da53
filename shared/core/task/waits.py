"""Why tasks wait, as values: what lifts a reason then releases all that wait for it, without writing any of it again.

The tasks of one reason lie together, below `waiting/SLOT/`; when the reason may be lifted is held once, in the books.
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec


class Why(str, Enum):
    """A kind of reason. The text is part of the spool's keys."""

    READY = "0-ready"
    """No reason: it goes next."""
    BACKOFF = "backoff"
    """Its own pause after a failure of its own; the only reason whose due time stands in the note's key."""
    MINUTE = "minute"
    """A domain has had its targets of this minute."""
    QUOTA = "quota"
    """The day's quota of a unit is spent."""
    REFRESH = "refresh"
    """A prefetch waits for refreshes of its URL."""
    TROUBLE = "trouble"
    """Calls for a domain fail while calls for others succeed."""


class Wait(msgspec.Struct, frozen=True):
    """One reason: its kind, and of what unit and domain, where that matters."""

    why: Why = Why.READY
    unit: str = ""
    domain: str = ""

    @property
    def slot(self) -> str:
        """The folder below `waiting/` where its tasks lie."""
        return "+".join(part for part in (self.why.value, self.unit, self.domain) if part)


READY, BACKOFF = Wait(), Wait(Why.BACKOFF)
REFRESH = Wait(Why.REFRESH)

_SAFE = re.compile(r"[a-z0-9.:_\[\]-]{0,255}")


def minute_of_domain(unit: str, domain: str) -> Wait:
    """Wait for a domain's next minute."""
    return Wait(Why.MINUTE, unit, domain)


def quota_of(unit: str) -> Wait:
    """Wait for the day's quota of a unit."""
    return Wait(Why.QUOTA, unit)


def trouble_of(unit: str, domain: str) -> Wait:
    """Wait for a domain that is in trouble."""
    return Wait(Why.TROUBLE, unit, domain)


def wait_of(slot: str) -> Wait | None:
    """Read a slot; None where it is none of ours."""
    name, *rest = slot.split("+")
    parts = {Why.QUOTA: 1, Why.MINUTE: 2, Why.TROUBLE: 2}
    try:
        why = Why(name)
    except ValueError:
        return None
    if len(rest) != parts.get(why, 0) or not all(_SAFE.fullmatch(part) for part in rest):
        return None
    return Wait(why, *rest)
