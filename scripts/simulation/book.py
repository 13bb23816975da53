"""What the oracle may look at: the books of people, platform, edges, API, log store and spool, nothing of the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.localcloud.cdn.service import CallRecord, Row
from scripts.localcloud.edge import Copy
from scripts.simulation.faults import Incident
from scripts.simulation.runner import Delivery
from scripts.simulation.scenario import Scenario


@dataclass
class Write:
    """One change a person made. `event_ids` are the names of its events; `data` is None for a removal."""

    time: float
    key: str
    data: bytes | None
    action: str
    """created, new (nothing was there before) or removed"""
    event: str
    """The id of the request that made it, which its events carry."""
    name: str
    """The event's name."""
    target: str = ""
    """The object that a link leads to."""


@dataclass(frozen=True)
class Spend:
    """Quota that somebody else used, or a refresh made by hand."""

    time: float
    units: int


@dataclass(frozen=True)
class Damage:
    """What was done to an object of the spool, and what it held."""

    time: float
    key: str
    before: bytes
    after: bytes


AT_WORK = ("waiting/", "submitting/", "accepted/", "kept/", "events/", "asks/")
"""What must be empty at rest."""


@dataclass
class Book:
    """One run, as seen from outside, at its end."""

    scenario: Scenario
    writes: list[Write] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    spends: list[Spend] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    rows: Sequence[Row] = ()
    """What the functions submitted, by the API's own book."""
    rows_by_hand: Sequence[Row] = ()
    calls: Sequence[CallRecord] = ()
    """Calls the functions made, by the API's own book."""
    records: Sequence[Mapping[str, str]] = ()
    spool: Mapping[str, Any] = field(default_factory=dict)
    """What lies in the spool at the end, by key, read as JSON."""
    dead: Mapping[str, bytes] = field(default_factory=dict)
    """The bytes of what lies in `dead/` at the end; none where nothing was damaged."""
    origin: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, Mapping[str, Copy]] = field(default_factory=dict)
    """The copies at the edges by URL and node, of every URL that serves an object people wrote."""
    keys: dict[str, str] = field(default_factory=dict)
    """The object that each of these URLs serves."""
    idle_waiting: list[str] | None = None
    """What lay in `waiting/` when all invocations had returned, before the timer began; None where it always rang."""
    ended: float = 0.0
    at_rest: bool = False
