"""What a step needs from outside: the adapters it calls, the clock, chance, and the settings it obeys."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from shared.core.decide import Facts
from shared.core.errors import StoreError
from shared.core.plan.books import Books, Quota
from shared.core.plan.lease import Taken
from shared.core.plan.limits import Limits
from shared.core.report import Status
from shared.core.site.sites import Site
from shared.core.task.links import Ask, Links
from shared.core.task.model import Batch, Form, Outcome, Submission
from shared.core.task.notes import Note, NoteKey
from shared.core.task.provider import Provider
from shared.core.task.rows import Accepted, Page, Prefetch
from shared.core.task.stored import CallKey, Grave, Piece, Survey


class Spool(Protocol):
    """Durable state (cloud/spool/spool.py)."""

    def put(self, notes: Sequence[Note]) -> None: ...
    def read(self, keys: Sequence[NoteKey]) -> list[Note]: ...
    def slots(self) -> list[str]: ...
    def notes_in(self, slot: str = ...) -> Iterator[list[NoteKey]]: ...
    def take(self, work: str, owner: str) -> Taken | None: ...
    def release(self, taken: Taken, books: Books) -> None: ...
    def books(self, work: str) -> Books: ...
    def survey(self) -> Survey: ...
    def intend(self, batch: Batch) -> CallKey: ...
    def accept(self, submissions: Iterable[tuple[Submission, float]]) -> set[str]: ...
    def intents(self, keys: Iterable[CallKey]) -> dict[str, Batch]: ...
    def has_intents(self) -> tuple[CallKey, ...]: ...
    def accepted(self) -> Iterator[list[CallKey]]: ...
    def submissions(self, keys: Iterable[CallKey]) -> dict[str, Submission]: ...
    def bury(self, pieces: Sequence[Piece]) -> None: ...
    def dead(self, since: str = "", *, pages_max: int = ...) -> tuple[list[Grave], bool]: ...
    def keep_event(self, payload: bytes, request_id: str) -> None: ...
    def kept_events(self, most: int) -> dict[str, bytes]: ...
    def areas(self) -> set[str]: ...
    def last_status(self) -> Status | None: ...
    def write_status(self, status: Status) -> None: ...
    def keep(self, outcomes: Sequence[Outcome]) -> None: ...
    def kept(self, after: str = "", most: int = ...) -> tuple[list[tuple[str, int]], bool]: ...
    def read_kept(self, keys: Sequence[str]) -> dict[str, tuple[Outcome, ...]]: ...
    def adopt_old(self, most: int = ...) -> int: ...
    def clean(
        self,
        *,
        intents: Iterable[str] = (),
        notes: Iterable[str] = (),
        accepted: Iterable[str] = (),
        kept: Iterable[str] = (),
        dead: Iterable[str] = (),
        events: Iterable[str] = (),
        leases: Iterable[str] = (),
    ) -> None: ...


class LinkStore(Protocol):
    """What is known of symlinks, and OSS itself, which knows where they lead (cloud/spool/links.py)."""

    def known(self) -> Links: ...
    def index(self) -> Links: ...
    def write(self, links: Links) -> None: ...
    def put(self, asks: Iterable[tuple[Ask, float]]) -> set[str]: ...
    def due(self, most: int) -> list[str]: ...
    def waiting(self) -> tuple[list[float], bool]: ...
    def asks(self, keys: Iterable[str]) -> dict[str, Ask]: ...
    def delete(self, keys: Iterable[str]) -> None: ...
    def targets(self, bucket: str, keys: Sequence[str]) -> Mapping[str, str | StoreError | None]: ...


class Cdn(Protocol):
    """The CDN API (cloud/provider/cdn.py)."""

    def refresh(self, urls: Sequence[str], form: Form = Form.FILE, *, force: bool = False) -> Accepted: ...
    def prefetch(self, urls: Sequence[str], options: Prefetch | None = None) -> Accepted: ...
    def tasks(self, *, url: str = "", since: float | None = None, until: float | None = None) -> Page: ...
    def listed(
        self,
        *,
        domain: str,
        object_type: str,
        since: float,
        until: float,
        pages_max: int = ...,
        go_on: Callable[[], bool] = ...,
    ) -> Page: ...
    def tasks_by_id(self, ids: Sequence[str], go_on: Callable[[], bool] = ...) -> Page: ...
    def quota(self) -> Quota: ...
    def ahead(self) -> float: ...


class OutcomeLog(Protocol):
    """The log store (cloud/outcomes.py); `write` returns when the records are acknowledged."""

    def write(self, outcomes: Sequence[Outcome]) -> None: ...


class Report(Protocol):
    """Where a step says what a person should know at once (logs.py)."""

    def debug(self, event: str, **details: object) -> object: ...
    def info(self, event: str, **details: object) -> object: ...
    def warning(self, event: str, **details: object) -> object: ...
    def error(self, event: str, **details: object) -> object: ...


@dataclass
class Lag:
    """Until when (epoch seconds) this instance takes it that the log store does not answer."""

    until: float = 0.0


EVENTS_IN_A_ROW = 100
"""So many events within a day of which all was skipped look like a mistake."""


@dataclass
class Skips:
    """What this instance has seen of changes that cause no task (unserved.py)."""

    buckets: set[str] = field(default_factory=set)
    """Buckets that no site names, and that a person was told of."""
    in_a_row: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=EVENTS_IN_A_ROW))
    """Events since the last one that caused a task: when, of which bucket, and which site's rules skipped it."""
    told_at: float = -inf
    """When a person was told that all is skipped (epoch seconds)."""


@dataclass(frozen=True)
class Kit:
    """Adapters, clock and chance, and the settings a step obeys. Made once per instance (wiring.py)."""

    sites: tuple[Site, ...]
    limits: Limits
    provider: Provider
    spool: Spool
    cdn: Cdn
    outcomes: OutcomeLog
    report: Report
    clock: Callable[[], float]
    """Now, in epoch seconds."""
    sleep: Callable[[float], None]
    chance: Callable[[], float]
    """A number from 0 to 1, for jitter."""
    linger_seconds: float
    """How long a drain waits for a burst to fill its next call."""
    links: LinkStore | None = None
    """What is known of symlinks; None where no site follows them."""
    own: tuple[str, str] = ("", "")
    """The bucket and the key prefix of the spool: what happens there is no change of any content."""
    faults: tuple[str, ...] = ()
    """What is wrong with the settings or the site file: while anything is, events are kept and nothing is sent."""
    told: set[str] = field(default_factory=set)
    """Alarms that this instance has raised, of those that would come with each event."""
    lag: Lag = field(default_factory=Lag)
    skips: Skips = field(default_factory=Skips)
    intents: dict[str, Batch] = field(default_factory=dict)
    """Calls of unknown outcome that this instance has read, by key: those that its last round looked at."""
    dead_days: int = 90
    """How many days what was given up is kept."""
    http_events: bool = False
    """Whether an event may come as an HTTP request."""

    @property
    def facts(self) -> Facts:
        """What decisions may know of the world."""
        domains = frozenset(domain.name.lower() for site in self.sites for domain in site.domains)
        return Facts(self.provider, self.limits, domains, self.chance())


@dataclass(frozen=True)
class Invocation:
    """One run of a function: who runs, and until when (epoch seconds) it may start new work."""

    function: str
    request_id: str
    deadline: float
