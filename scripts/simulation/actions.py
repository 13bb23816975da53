"""What happens outside, and when: one thing that a person, a reader or another program does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """Something that happens: `what` is put, link, remove, read, refresh (by hand) or spend (by another program).

    A link leads to the object `target`.
    """

    time: float
    what: str
    key: str = ""
    node: int = 1
    units: int = 0
    target: str = ""
