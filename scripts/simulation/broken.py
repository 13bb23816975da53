"""Deliberately broken variants of the product, to prove that the simulation would catch each of them.

Each replaces one part of what an instance is made of. None is ever shipped, and nothing is patched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import msgspec

from scripts.simulation.brokenlinks import AsksOnce, KeepsItsIndex, LooksIntoNoIndex, with_links
from scripts.simulation.instances import Changes
from scripts.simulation.wrong import Wrong
from shared.cloud.clock import OssClock
from shared.cloud.provider.cdn import Cdn
from shared.cloud.spool.spool import Spool
from shared.core.errors import LogStoreDown, StoreError
from shared.core.plan.books import Books, Quota
from shared.core.plan.lease import Taken
from shared.core.task.model import Form, Outcome, Submission
from shared.core.task.notes import Note, NoteKey
from shared.core.task.notes import note as make_note
from shared.core.task.rows import Accepted, CdnTask, Page, RowState
from shared.core.task.stored import CallKey, Piece, Survey
from shared.core.task.waits import READY


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
    """Notes that could not be written are acknowledged all the same."""

    def put(self, notes: Sequence[Note]) -> None:
        """Try to write, and say that it was done."""
        try:
            super().put(notes)
        except StoreError:
            return


class MergesIntoSubmitted(Spool):
    """A new change of a URL whose refresh is under way is taken for covered by it."""

    def put(self, notes: Sequence[Note]) -> None:
        """Write only what is not under way."""
        keys = [key for page in self.accepted() for key in page]
        running = {url for each in self.submissions(keys).values() for url in each.batch.urls}
        super().put([left for note in notes if (left := _without(note, running))])


class DeletesBeforeSettling(Spool):
    """What a drain reads it deletes at once, as a queue without acknowledgement does."""

    def read(self, keys: Sequence[NoteKey]) -> list[Note]:
        """Read notes, and delete them."""
        notes = super().read(keys)
        self.clean(notes=[note.key.text for note in notes])
        return notes


class LooksNotAgain(Spool):
    """The holder does not look once more after it gave the lease back."""

    _blind = False

    def release(self, taken: Taken, books: Books) -> None:
        """Give the lease back, and look at nothing until the next one."""
        super().release(taken, books)
        self._blind = True

    def take(self, work: str, owner: str) -> Taken | None:
        """Become the holder."""
        self._blind = False
        return super().take(work, owner)

    def survey(self) -> Survey:
        """See nothing after the lease was given back."""
        return Survey() if self._blind else super().survey()


class ForgetsAcceptance(Spool):
    """What the CDN accepted is not written down, so nobody follows it."""

    def accept(self, submissions: Iterable[tuple[Submission, float]]) -> set[str]:  # noqa: ARG002 - it is forgotten
        """Forget it."""
        return set()


class LosesDeferrals(Spool):
    """What has to wait is not written again."""

    def put(self, notes: Sequence[Note]) -> None:
        """Write what may go at once, and nothing else."""
        super().put([note for note in notes if note.key.wait == READY])


class SharesKeys(Spool):
    """Notes of one second share a key, so one of them overwrites another."""

    def put(self, notes: Sequence[Note]) -> None:
        """Write notes under the second of their change."""
        super().put([Note(_shared(note.key), note.tasks) for note in notes])


class PrefetchesAtOnce(Spool):
    """Nobody looks whether a refresh of the URL waits or runs."""

    _work = ""

    def take(self, work: str, owner: str) -> Taken | None:
        """Become the holder."""
        self._work = work
        return super().take(work, owner)

    def accepted(self) -> Iterator[list[CallKey]]:
        """Hide refreshes that run from the drain."""
        yield from () if self._work == "drain" else super().accepted()


class ForgetsDead(Spool):
    """What is given up is not kept."""

    def bury(self, pieces: Sequence[Piece]) -> None:
        """Keep nothing."""


class FollowsUpNothing(Spool):
    """That a prefetch should follow a refresh is forgotten."""

    def accept(self, submissions: Iterable[tuple[Submission, float]]) -> set[str]:
        """Write it down without what should follow."""
        return super().accept([(_without_follow(each), check) for each, check in submissions])


def _without(note: Note, urls: set[str]) -> Note | None:
    left = tuple(task for task in note.tasks if task.url not in urls)
    if len(left) == len(note.tasks):
        return note
    return make_note(left, note.key.wait, note.key.due) if left else None


def _shared(key: NoteKey) -> NoteKey:
    head = f"{key.wait.slot}/1-{int(key.arrival):010d}000-1-{'0' * 20}!h"
    return msgspec.structs.replace(key, text=head, packed="", index="h")


def _without_follow(submission: Submission) -> Submission:
    tasks = tuple(msgspec.structs.replace(task, then_prefetch=False) for task in submission.batch.tasks)
    return msgspec.structs.replace(submission, batch=msgspec.structs.replace(submission.batch, tasks=tasks))


class DeafClock(OssClock):
    """A machine's clock is believed, however wrong it is."""

    def hear(self, date: float, sent: float, received: float) -> None:
        """Ignore what OSS says."""


class AsksNot(Wrong):
    """After a lost answer the task list is not asked: the call goes again."""

    def tasks(self, **_filters: object) -> Page:
        """Find nothing."""
        return Page((), 0)

    listed = tasks


class IgnoresQuota(Wrong):
    """The quota reads as endless."""

    def quota(self) -> Quota:
        """Tell of plenty."""
        endless = dict.fromkeys(("url", "directory", "prefetch"), 1_000_000)
        return Quota(total=endless, remaining=endless)


class DecodesUrls(Wrong):
    """Keys reach the CDN unencoded, so that a line feed in a key begins another URL."""

    def refresh(self, urls: Sequence[str], form: Form = Form.FILE, *, force: bool = False) -> Accepted:
        """Send them as they stand in the bucket."""
        found: Accepted = self.inner.refresh([unquote(url) for url in urls], form, force=force)
        return found


class BelievesFailures(Wrong):
    """A task that failed is taken for done."""

    def tasks_by_id(self, ids: Sequence[str]) -> Page:
        """Tell of success only."""
        page: Page = self.inner.tasks_by_id(ids)
        return Page(tuple(_succeeded(row) for row in page.rows), page.total)


def _succeeded(row: CdnTask) -> CdnTask:
    return msgspec.structs.replace(row, state=RowState.COMPLETE) if row.state is RowState.FAILED else row


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

    def take(self, work: str, owner: str) -> Taken | None:
        """Give it, whoever has it."""
        return super().take(work, owner) or Taken(work, 0, Books(), survey=self.survey())


def _with_cdn(wrong: Callable[[Cdn], Any]) -> Changes:
    return Changes(kit=lambda kit: replace(kit, cdn=wrong(kit.cdn)))  # type: ignore[arg-type]


MUTANTS = (
    Mutant("acknowledged before it is durable", Changes(spool=AcksBeforePut), ("1 lost", "2 merging"), "oss", seed=40),
    Mutant("merged into a submitted task", Changes(spool=MergesIntoSubmitted), ("2 merging",), rate=0.0, seed=2),
    Mutant(
        "deleted before it is settled", Changes(spool=DeletesBeforeSettling), ("1 lost", "2 merging"), "kill", seed=8
    ),
    Mutant("no look after giving the lease back", Changes(spool=LooksNotAgain), ("9 wake-up",), rate=0.0, seed=150),
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
    Mutant("links not looked up", with_links(LooksIntoNoIndex), ("1 lost", "1 stale"), rate=0.0, seed=7),
    Mutant("an old index of links", with_links(KeepsItsIndex), ("1 lost", "1 stale"), rate=0.0, seed=7),
    Mutant("links asked about once", with_links(AsksOnce), ("1 lost", "1 stale"), rate=0.0, seed=15),
)
"""Each must be caught; `./scripts/simulate` proves nothing otherwise."""
