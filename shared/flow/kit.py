"""What a step needs from outside: the adapters it calls, the clock, chance, and the settings it obeys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.core.plan.books import Ledger, Quota
from shared.core.plan.limits import Limits
from shared.core.report import Spooled, Status
from shared.core.site.sites import Site
from shared.core.task.model import Batch, Form, Outcome, Submission
from shared.core.task.notes import Note
from shared.core.task.rows import Accepted, CdnTask, Page, Prefetch
from shared.core.task.stored import Bad, Lease, Survey


class Spool(Protocol):
    """Durable state (cloud/spool.py)."""

    def put(self, note: Note) -> None: ...
    def bury(self, bad: Bad) -> None: ...
    def take_lease(self, work: str, owner: str) -> Lease | None: ...
    def release(self, lease: Lease, ledger: Ledger) -> None: ...
    def survey(self, now: float) -> Survey: ...
    def waiting(self) -> Iterator[list[str]]: ...
    def read(self, keys: Sequence[str]) -> list[Note]: ...
    def intend(self, batch: Batch) -> str: ...
    def accept(self, key: str, submission: Submission) -> None: ...
    def submissions(self, names: Iterable[str]) -> dict[str, Submission]: ...
    def ledger(self, work: str) -> Ledger: ...
    def spooled(self) -> Spooled: ...
    def last_status(self) -> Status | None: ...
    def write_status(self, status: Status) -> None: ...
    def keep(self, outcomes: Sequence[Outcome]) -> None: ...
    def kept(self, keys: Sequence[str]) -> list[Outcome]: ...
    def clean(
        self,
        *,
        notes: Iterable[str] = (),
        intents: Iterable[str] = (),
        accepted: Iterable[str] = (),
        outcomes: Iterable[str] = (),
        leases: Iterable[str] = (),
    ) -> None: ...


class Cdn(Protocol):
    """The CDN API (cloud/cdn.py)."""

    def refresh(self, urls: Sequence[str], form: Form = Form.FILE, *, force: bool = False) -> Accepted: ...
    def prefetch(self, urls: Sequence[str], options: Prefetch | None = None) -> Accepted: ...
    def tasks(self, *, url: str = "", since: float | None = None, until: float | None = None) -> Page: ...
    def tasks_by_id(self, ids: Sequence[str]) -> list[CdnTask]: ...
    def quota(self) -> Quota: ...


class OutcomeLog(Protocol):
    """The log store (cloud/outcomes.py); `write` returns when the records are acknowledged."""

    def write(self, outcomes: Sequence[Outcome]) -> None: ...


class Report(Protocol):
    """Where a step says what a person should know at once (logs.py)."""

    def info(self, event: str, **details: object) -> object: ...
    def warning(self, event: str, **details: object) -> object: ...
    def error(self, event: str, **details: object) -> object: ...


@dataclass(frozen=True)
class Kit:
    """Adapters, clock and chance, and the settings a step obeys. Made once per instance (wiring.py)."""

    sites: tuple[Site, ...]
    limits: Limits
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


@dataclass(frozen=True)
class Invocation:
    """One run of a function: who runs, and until when (epoch seconds) it may start new work."""

    function: str
    request_id: str
    deadline: float
