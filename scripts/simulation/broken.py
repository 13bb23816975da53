"""Deliberately broken variants of the product, to prove that the simulation would catch each of them.

Each replaces one part of what an instance is made of. None is ever shipped, and nothing is patched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import msgspec

from scripts.simulation.instances import Changes
from shared.cloud.clock import OssClock
from shared.cloud.provider.cdn import Cdn
from shared.cloud.spool.spool import Spool
from shared.core.errors import LogStoreDown, StoreError
from shared.core.plan.books import Ledger, Quota
from shared.core.task.model import Form, Outcome, Submission
from shared.core.task.notes import Note
from shared.core.task.notes import note as make_note
from shared.core.task.rows import Accepted, CdnTask, Page, State
from shared.core.task.stored import Lease, Survey


@dataclass(frozen=True)
class Mutant:
    """One broken variant, the rules of which one must catch it, and its runs; `only` is a kind of fault."""

    name: str
    changes: Changes
    rules: tuple[str, ...]
    only: str = ""
    rate: float = 0.05
    seed: int = 1
    """The first seed to try: near one that is known to catch it, so that the test is quick."""


class AcksBeforePut(Spool):
    """A note that could not be written is acknowledged all the same."""

    def put(self, note: Note) -> None:
        """Try to write, and say that it was done."""
        try:
            super().put(note)
        except StoreError:
            return


class MergesIntoSubmitted(Spool):
    """A new change of a URL whose refresh is under way is taken for covered by it."""

    def put(self, note: Note) -> None:
        """Write only what is not under way."""
        survey = self.survey(0.0)
        running = {
            url
            for each in self.submissions(f"{key}.accepted" for key in survey.accepted).values()
            for url in each.batch.urls
        }
        left = tuple(task for task in note.tasks if task.url not in running)
        if left:
            super().put(Note(note.key, left) if len(left) == len(note.tasks) else make_note(left))


class DeletesBeforeSettling(Spool):
    """What a drain reads it deletes at once, as a queue without acknowledgement does."""

    def read(self, keys: Sequence[str]) -> list[Note]:
        """Read notes, and delete them."""
        notes = super().read(keys)
        self.clean(notes=[note.key for note in notes])
        return notes


class LooksNotAgain(Spool):
    """The holder does not look once more after it gave the lease back."""

    _blind = False

    def release(self, lease: Lease, ledger: Ledger) -> None:
        """Give the lease back, and look at nothing until the next one."""
        super().release(lease, ledger)
        self._blind = True

    def take_lease(self, work: str, owner: str) -> Lease | None:
        """Become the holder."""
        self._blind = False
        return super().take_lease(work, owner)

    def survey(self, now: float) -> Survey:
        """See nothing after the lease was given back."""
        return Survey() if self._blind else super().survey(now)


class ForgetsAcceptance(Spool):
    """What the CDN accepted is not written down, so nobody follows it."""

    def accept(self, key: str, submission: Submission) -> None:
        """Forget it."""


class LosesDeferrals(Spool):
    """What has to wait is not written again."""

    def put(self, note: Note) -> None:
        """Write what may go at once, and nothing else."""
        if all(task.due == 0 for task in note.tasks):
            super().put(note)


class SharesKeys(Spool):
    """Notes of one second share a key, so one of them overwrites another."""

    def put(self, note: Note) -> None:
        """Write a note under the second of its change."""
        super().put(Note(note.key.partition("~")[0][: len("0000000000000-1-1790000000000")] + "-1-note", note.tasks))


class PrefetchesAtOnce(Spool):
    """Nobody looks whether a refresh of the URL waits or runs."""

    _work = ""

    def take_lease(self, work: str, owner: str) -> Lease | None:
        """Become the holder."""
        self._work = work
        return super().take_lease(work, owner)

    def survey(self, now: float) -> Survey:
        """Hide refreshes that run from the drain."""
        seen = super().survey(now)
        return seen if self._work != "drain" else msgspec.structs.replace(seen, accepted=())

    def waiting(self) -> Iterator[list[str]]:
        """Hide what waits."""
        yield []


class ForgetsDead(Spool):
    """What is given up is not kept."""

    def bury(self, bad: Any) -> None:
        """Keep nothing."""


class FollowsUpNothing(Spool):
    """That a prefetch should follow a refresh is forgotten."""

    def accept(self, key: str, submission: Submission) -> None:
        """Write it down without what should follow."""
        tasks = tuple(msgspec.structs.replace(task, then_prefetch=False) for task in submission.batch.tasks)
        batch = msgspec.structs.replace(submission.batch, tasks=tasks)
        super().accept(key, msgspec.structs.replace(submission, batch=batch))


class DeafClock(OssClock):
    """A machine's clock is believed, however wrong it is."""

    def hear(self, date: float, sent: float, received: float) -> None:
        """Ignore what OSS says."""


@dataclass
class WrongCdn:
    """The CDN's client with some of its methods replaced."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        """Leave the others as they are."""
        return getattr(self.inner, name)


class AsksNot(WrongCdn):
    """After a lost answer the task list is not asked: the call goes again."""

    def tasks(self, **_filters: object) -> Page:
        """Find nothing."""
        return Page((), 0)


class IgnoresQuota(WrongCdn):
    """The quota reads as endless."""

    def quota(self) -> Quota:
        """Tell of plenty."""
        endless = dict.fromkeys(("url", "directory", "prefetch"), 1_000_000)
        return Quota(total=endless, remaining=endless)


class DecodesUrls(WrongCdn):
    """Keys reach the CDN unencoded, so that a line feed in a key begins another URL."""

    def refresh(self, urls: Sequence[str], form: Form = Form.FILE, *, force: bool = False) -> Accepted:
        """Send them as they stand in the bucket."""
        found: Accepted = self.inner.refresh([unquote(url) for url in urls], form, force=force)
        return found


class BelievesFailures(WrongCdn):
    """A task that failed is taken for done."""

    def tasks_by_id(self, ids: Sequence[str]) -> list[CdnTask]:
        """Tell of success only."""
        rows: list[CdnTask] = self.inner.tasks_by_id(ids)
        return [
            msgspec.structs.replace(row, state=State.COMPLETE) if row.state is State.FAILED else row for row in rows
        ]


@dataclass
class LosesRecords:
    """Records that the log store did not take are gone."""

    inner: Any

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Try once."""
        try:
            self.inner.write(outcomes)
        except LogStoreDown:
            return


class EverybodyHolds(Spool):
    """The lease is given to everybody who asks. By rule 3 this costs units and loses nothing."""

    def take_lease(self, work: str, owner: str) -> Lease | None:
        """Give it, whoever has it."""
        return super().take_lease(work, owner) or Lease(work=work, number=0, ledger=Ledger())


def _with_cdn(wrong: Callable[[Cdn], Any]) -> Changes:
    return Changes(kit=lambda kit: replace(kit, cdn=wrong(kit.cdn)))  # type: ignore[arg-type]


MUTANTS = (
    Mutant("acknowledged before it is durable", Changes(spool=AcksBeforePut), ("1 lost", "2 merging"), "oss", seed=2),
    Mutant("merged into a submitted task", Changes(spool=MergesIntoSubmitted), ("2 merging",), rate=0.0, seed=2),
    Mutant(
        "deleted before it is settled", Changes(spool=DeletesBeforeSettling), ("1 lost", "2 merging"), "kill", seed=8
    ),
    Mutant("no look after giving the lease back", Changes(spool=LooksNotAgain), ("9 wake-up",), rate=0.0, seed=15),
    Mutant("sent again without asking", _with_cdn(AsksNot), ("8 twice",), "cdn.lost", rate=0.2),
    Mutant("acceptance forgotten", Changes(spool=ForgetsAcceptance), ("7 endings",), rate=0.0),
    Mutant("prefetch does not wait", Changes(spool=PrefetchesAtOnce), ("6 prefetch",), rate=0.0, seed=4),
    Mutant("no prefetch follows", Changes(spool=FollowsUpNothing), ("6 prefetch",), rate=0.0, seed=2),
    Mutant("wrong clocks are believed", Changes(clock=DeafClock), ("1 lost", "2 merging"), "clock", rate=0.3, seed=12),
    Mutant("quota ignored", _with_cdn(IgnoresQuota), ("4 limits",), rate=0.0, seed=3),
    Mutant("deferral lost", Changes(spool=LosesDeferrals), ("1 lost", "2 merging"), rate=0.0, seed=3),
    Mutant("notes share a key", Changes(spool=SharesKeys), ("1 lost", "2 merging"), rate=0.0, seed=4),
    Mutant("dead forgotten", Changes(spool=ForgetsDead), ("1 lost",), rate=0.0, seed=12),
    Mutant("keys not encoded", _with_cdn(DecodesUrls), ("5 domains",), rate=0.0),
    Mutant("failure taken for success", _with_cdn(BelievesFailures), ("1 lost", "1 stale"), "cdn.task_failed", seed=12),
    Mutant(
        "records lost",
        Changes(kit=lambda kit: replace(kit, outcomes=LosesRecords(kit.outcomes))),
        ("7 endings",),
        "sls",
        seed=2,
    ),
)
"""Each must be caught; `./scripts/simulate` proves nothing otherwise."""
