"""The system's state as objects in OSS: notes that wait, submissions, dead events, unlogged outcomes, the lease.

    waiting/     tasks to submit; the key orders by due time, lane and arrival (core/notes.py)
    submitted/   one object per call: KEY.submitting before it, KEY.accepted after it; KEY begins with the
                 time at which to ask for its status
    unlogged/    outcomes that the log store did not take
    dead/        what was given up, by day, with the reason
    lease/       who drains and who settles: WORK/NUMBER-held, then WORK/NUMBER-free with the ledger
    report/      the latest status

Rules:

1. Objects are written once, or written again by the holder of the lease only.
2. What replaces an object is written before the object is deleted.
3. `submitted/` sorts before `unlogged/` before `waiting/`, so one listing shows all that a drain needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from shared.cloud.spool.bucket import Bucket, Entry, Listing
from shared.core.plan.books import Ledger
from shared.core.report import Spooled, Status
from shared.core.task.model import Batch, Outcome, Submission, digest, json_bytes
from shared.core.task.notes import Note, due_of, is_note_key, note_from_key, size_of_note
from shared.core.task.stored import Bad, Grave, Intent, Lease, Survey, size_of, submission_key, submission_state

STATUS_AFTER_SECONDS = 60
"""When the CDN is first asked about a submission; a refresh takes five to six minutes."""

NOTES_PER_SURVEY_MAX = 2_000
TASKS_PER_SURVEY_MAX = 5_000
"""What a round plans, writes and logs at most, so that it ends in time also on a small function."""
STATUS_KEY = "report/status.json"
LEASE_NUMBERS_KEPT = 5
"""Old lease objects stay this long, so that a slow contender cannot take a number a second time."""

_bad = msgspec.json.Decoder(Bad)
_note = msgspec.json.Decoder(Note)
_submission = msgspec.json.Decoder(Submission)
_ledger = msgspec.json.Decoder(Ledger)
_status = msgspec.json.Decoder(Status)
_outcomes = msgspec.json.Decoder(list[Outcome])


class Spool:
    """The spool below one prefix. Methods raise `StoreError`; `lease_seconds` is how long a lease is valid."""

    def __init__(self, bucket: Bucket, lease_seconds: float) -> None:
        self._bucket = bucket
        self._lease_seconds = lease_seconds
        self._own_notes: dict[str, Note] = {}
        self._own_ledgers: dict[str, tuple[int, Ledger]] = {}

    def check(self) -> None:
        """Fail with `StoreError` where the spool cannot be reached with these settings and keys."""
        self._bucket.list("lease/")

    def put(self, note: Note) -> None:
        """Make tasks durable."""
        self._bucket.put("waiting/" + note.key, json_bytes(note))
        self._own_notes = {note.key: note}

    def bury(self, bad: Bad) -> None:
        """Keep what was given up: an unreadable event or a dead task, under its day."""
        body = json_bytes(bad)
        self._bucket.put(f"dead/{bad.day}/{bad.id}.json", body)

    def dead(self, since: str = "") -> list[Grave]:
        """List what was given up, from a day (YYYY-MM-DD) on, newest first."""
        entries, _ = self._all("dead/", f"dead/{since}" if since else "")
        graves = [Grave(entry.key[len("dead/") : -len(".json")], entry.modified) for entry in entries]
        return sorted(graves, key=lambda grave: (grave.day, grave.modified), reverse=True)

    def exhume(self, graves: Iterable[Grave]) -> dict[str, Bad]:
        """Read what was given up, by key; what is gone meanwhile is absent. `clean` deletes it."""
        bodies = self._bucket.get_many(f"dead/{grave.key}.json" for grave in graves)
        return {key[len("dead/") : -len(".json")]: _bad.decode(body) for key, body in bodies.items()}

    def take_lease(self, work: str, owner: str) -> Lease | None:
        """Become the one who does some work (`drain`, `settle`); None where somebody is at it, or was quicker."""
        area = f"lease/{work}/"
        entries, date = self._all(area)
        states = [(*parts, entry) for entry in entries if (parts := _lease_parts(entry.key))]
        newest = max((number for number, _, _ in states), default=0)
        now = [(state, entry.modified) for number, state, entry in states if number == newest]
        freed = any(state == "free" for state, _ in now)
        if not freed and any(date - modified <= self._lease_seconds for _, modified in now):
            return None
        number = newest + 1
        key, body = _lease_key(work, number, "held"), json_bytes({"owner": owner})
        if not self._bucket.put_new(key, body) and self._bucket.get(key) != body:
            return None  # if it is ours, the client wrote it twice, since the first reply was lost
        old = tuple(entry.key for each, _, entry in states if each <= newest - LEASE_NUMBERS_KEPT)
        left = max((each for each, state, _ in states if state == "free"), default=0)
        ledger = self._ledger_of(work, left) if left else Ledger()
        return Lease(work=work, number=number, ledger=ledger, old=old)

    def release(self, lease: Lease, ledger: Ledger) -> None:
        """Give the lease back, with the ledger for the next holder."""
        self._bucket.put(_lease_key(lease.work, lease.number, "free"), json_bytes(ledger))
        self._own_ledgers[lease.work] = (lease.number, ledger)

    def survey(self, now: float) -> Survey:
        """List what a drain has to look at; of the notes only those that are due at `now`, most urgent first."""
        found = Survey()
        after = "submitted/"
        while True:
            listing = self._bucket.list("", after)
            found = _sorted(found, listing, now)
            if len(found.due) >= NOTES_PER_SURVEY_MAX or found.later or not listing.more:
                return _cut(msgspec.structs.replace(found, later=found.later or listing.more))
            after = listing.entries[-1].key

    def read(self, keys: Sequence[str]) -> list[Note]:
        """Read notes, from their keys where they stand there; those settled meanwhile by another are absent."""
        known = {key: self._own_notes.get(key) or note_from_key(key) for key in keys}
        unread = [key for key, found in known.items() if found is None]
        bodies = self._bucket.get_many("waiting/" + key for key in unread) if unread else {}
        return [found for found in known.values() if found] + [_note.decode(body) for body in bodies.values()]

    def waiting(self) -> Iterator[list[str]]:
        """List the keys of all notes, due or not, a thousand at a time."""
        for listing in self._pages("waiting/"):
            keys = (entry.key.removeprefix("waiting/") for entry in listing.entries)
            yield [key for key in keys if is_note_key(key)]

    def intend(self, batch: Batch) -> str:
        """Write down that a call is about to be made; returns the key for `accept` and `clean`."""
        key = submission_key(batch, batch.created + STATUS_AFTER_SECONDS)
        self._bucket.put(f"submitted/{key}.submitting", json_bytes(Submission(batch)))
        return key

    def accept(self, key: str, submission: Submission) -> None:
        """Write down that a call was accepted, or what of it is still running. An intent goes with `clean`."""
        self._bucket.put(f"submitted/{key}.accepted", json_bytes(submission))

    def submissions(self, names: Iterable[str]) -> dict[str, Submission]:
        """Read submissions by the names that a survey lists; those that are gone are absent."""
        bodies = self._bucket.get_many("submitted/" + name for name in names)
        return {name.removeprefix("submitted/"): _submission.decode(body) for name, body in bodies.items()}

    def ledger(self, work: str) -> Ledger:
        """Read the ledger that the last holder of a lease left, without taking the lease."""
        found = [_lease_parts(entry.key) for entry in self._all(f"lease/{work}/")[0]]
        freed = [parts[0] for parts in found if parts and parts[1] == "free"]
        return self._ledger_of(work, max(freed)) if freed else Ledger()

    def spooled(self) -> Spooled:
        """Look at everything that lies in the spool."""
        waiting = [key for page in self.waiting() for key in page]
        names = [entry.key.removeprefix("submitted/") for entry in self._all("submitted/")[0]]
        submissions = [key for key, state in map(submission_state, names) if state == "accepted"]
        return Spooled(
            notes=tuple((due_of(key), *size_of_note(key)) for key in waiting),
            submissions=tuple(size_of(key) for key in submissions),
            unlogged=len(self._all("unlogged/")[0]),
            dead=tuple(self.dead()),
        )

    def last_status(self) -> Status | None:
        """Read the status that was written last; None where there is none, or one of another version."""
        body = self._bucket.get(STATUS_KEY)
        try:
            return _status.decode(body) if body else None
        except msgspec.DecodeError:
            return None

    def write_status(self, status: Status) -> None:
        """Write the status, in place of the last one."""
        self._bucket.put(STATUS_KEY, json_bytes(status))

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes that the log store did not take."""
        name = f"{int(outcomes[0].time * 1000):013d}-{digest(*(each.task_id + each.event_id for each in outcomes))}"
        self._bucket.put(f"unlogged/{name}", json_bytes(outcomes))

    def kept(self, keys: Sequence[str]) -> list[Outcome]:
        """Read outcomes that were kept, in their order."""
        bodies = self._bucket.get_many("unlogged/" + key for key in keys)
        return [each for key in sorted(bodies) for each in _outcomes.decode(bodies[key])]

    def clean(
        self,
        *,
        notes: Iterable[str] = (),
        intents: Iterable[str] = (),
        accepted: Iterable[str] = (),
        outcomes: Iterable[str] = (),
        leases: Iterable[str] = (),
        dead: Iterable[str] = (),
    ) -> None:
        """Delete what has been replaced or settled, in one call where it fits."""
        keys = [
            *("waiting/" + key for key in notes),
            *(f"submitted/{key}.submitting" for key in intents),
            *(f"submitted/{key}.accepted" for key in accepted),
            *("unlogged/" + key for key in outcomes),
            *(f"dead/{key}.json" for key in dead),
            *leases,
        ]
        if keys:
            self._bucket.delete(keys)

    def _ledger_of(self, work: str, number: int) -> Ledger:
        """Read the ledger that the last holder left; this instance remembers its own."""
        own_number, ledger = self._own_ledgers.get(work, (-1, Ledger()))
        if own_number == number:
            return ledger
        body = self._bucket.get(_lease_key(work, number, "free"))
        return _ledger.decode(body) if body else Ledger()

    def _all(self, prefix: str, after: str = "") -> tuple[list[Entry], float]:
        pages = list(self._pages(prefix, after))
        return [entry for page in pages for entry in page.entries], pages[-1].date

    def _pages(self, prefix: str, after: str = "") -> Iterator[Listing]:
        """List what lies below a prefix, page by page; there is always one."""
        listing = self._bucket.list(prefix, after)
        yield listing
        while listing.more:
            listing = self._bucket.list(prefix, listing.entries[-1].key)
            yield listing


def _lease_key(work: str, number: int, state: str) -> str:
    return f"lease/{work}/{number:012d}-{state}"


def _lease_parts(key: str) -> tuple[int, str] | None:
    """The number and state in a lease's key; None for an object that is no lease."""
    number, _, state = key.rpartition("/")[2].partition("-")
    return (int(number), state) if number.isdecimal() and state in {"held", "free"} else None


def _cut(found: Survey) -> Survey:
    """Leave out the least urgent notes where they hold more tasks than a round can take."""
    tasks = itertools.accumulate(size_of_note(key)[1] for key in found.due)
    fits = max(1, sum(count <= TASKS_PER_SURVEY_MAX for count in tasks))
    if fits >= len(found.due):
        return found
    return msgspec.structs.replace(found, due=found.due[:fits], later=True)


def _sorted(found: Survey, listing: Listing, now: float) -> Survey:
    """Add a page of a listing to a survey."""
    intents, accepted, unlogged = list(found.intents), list(found.accepted), list(found.unlogged)
    due, later = list(found.due), found.later
    for entry in listing.entries:
        area, _, name = entry.key.partition("/")
        if area == "submitted":
            key, state = submission_state(name)
            if state == "submitting":
                intents.append(Intent(key, entry.modified))
            elif state == "accepted":
                accepted.append(key)
        elif area == "unlogged" and name.partition("-")[0].isdecimal():
            unlogged.append(name)
        elif area == "waiting" and is_note_key(name):
            if due_of(name) <= now:
                due.append(name)
            else:
                later = True
    return Survey(tuple(intents), tuple(accepted), tuple(unlogged), tuple(due), later, listing.date)
