"""The system's state as objects in OSS: tasks that wait, calls, what was given up, records, the leases.

    accepted/    calls that the CDN took; the key begins with when to ask for their status (core/task/stored.py)
    asks/        symlinks whose target is to be asked for (links.py)
    dead/        what was given up, by day: some pieces an object, each with its reason
    events/      events that cannot be read until the settings are mended, byte for byte
    index/       which symlinks lead to which objects (links.py)
    kept/        records that the log store did not take
    lease/       who drains, who settles and who learns of links: WORK/NUMBER-held, then WORK/NUMBER-free with the books
    report/      the latest status
    submitting/  calls that are about to be made, or whose answer nobody knows
    waiting/     tasks to submit, by the reason for which they wait (core/task/notes.py)

Rules:

1. Objects are written once, or written again by the holder of the lease only.
2. What replaces an object is written before the object is deleted.
3. `lease/` sorts before `submitting/` before `waiting/`, so one listing shows all that a drain needs; what it does not
   need lies elsewhere.
4. What cannot be decoded is set aside in `dead/` with its bytes, a person is told, and nothing else waits for it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from shared.cloud.clock import OssClock
from shared.cloud.spool.bucket import Bucket, Entry, Listing
from shared.cloud.spool.lease import Leases
from shared.core.plan.books import Books
from shared.core.plan.lease import Taken
from shared.core.report import Status
from shared.core.task import codec
from shared.core.task.codec import Undecodable
from shared.core.task.model import Batch, Outcome, Submission, digest, json_bytes
from shared.core.task.notes import Note, NoteKey, note_from_key, note_key
from shared.core.task.stored import (
    CallKey,
    Grave,
    Piece,
    Survey,
    accepted_key,
    call_key,
    decode_pieces,
    grave,
    grave_key,
    intent_key,
)

NOTES_PER_SURVEY_MAX = 2_000
STATUS_KEY = "report/status.json"
KEPT_BYTES_MAX = 1_000_000
"""How large an object of kept records is at most, but for a record that alone is larger."""

EVENTS_BYTES_MAX = 2_000_000
"""How much of the events that were kept is read at once, but for one that alone is larger."""

T = TypeVar("T")


class Spool:
    """The spool below one prefix. Methods raise `StoreError`; `lease_seconds` is how long a lease is valid.

    `tell` gets a sentence and details where something was set aside.
    """

    def __init__(
        self,
        bucket: Bucket,
        lease_seconds: float,
        time: OssClock,
        tell: Callable[..., object] = lambda *_told, **_details: None,
    ) -> None:
        self._bucket, self._time, self._tell = bucket, time, tell
        self._leases = Leases(bucket, lease_seconds, time)
        self._own_notes: dict[str, Note] = {}

    def check(self) -> None:
        """Fail with `StoreError` where the spool cannot be reached with these settings and keys."""
        self._bucket.list("lease/")

    # -- tasks that wait ---------------------------------------------------------------------------

    def put(self, notes: Sequence[Note]) -> None:
        """Make tasks durable."""
        self._bucket.put_many({"waiting/" + note.key.text: codec.encode_tasks(note.tasks) for note in notes})
        self._own_notes = {note.key.text: note for note in notes}

    def read(self, keys: Sequence[NoteKey]) -> list[Note]:
        """Read notes, from their keys where they stand there; those settled meanwhile by another are absent."""
        known = {key.text: self._own_notes.get(key.text) or note_from_key(key) for key in keys}
        unread = {"waiting/" + key.text: key for key in keys if known[key.text] is None}
        bodies = self._bucket.get_many(unread) if unread else {}
        read = [Note(unread[name], tasks) for name, tasks in self._decoded(bodies, codec.decode_tasks).items()]
        return [found for found in known.values() if found] + read

    def slots(self) -> list[str]:
        """Name the reasons for which anything waits."""
        listing = self._bucket.list("waiting/", delimiter="/")
        return [prefix.removeprefix("waiting/").rstrip("/") for prefix in listing.prefixes]

    def notes_in(self, slot: str = "") -> Iterator[list[NoteKey]]:
        """List the notes that wait for one reason, the most urgent and oldest first, a thousand at a time; or all."""
        for listing in self._pages(f"waiting/{slot}/" if slot else "waiting/"):
            yield _notes(listing.entries)

    # -- the drain's look --------------------------------------------------------------------------

    def take(self, work: str, owner: str) -> Taken | None:
        """Become the one who does some work (`drain`, `settle`); None where somebody is at it, or was quicker.

        The look that finds the lease free is also the first survey.
        """
        return self._leases.take(work, owner, self._survey_from if work == "drain" else None)

    def release(self, taken: Taken, books: Books) -> None:
        """Give the lease back, with the books for the next holder."""
        self._leases.release(taken, books)

    def books(self, work: str) -> Books:
        """Read the books that the last holder of a lease left, without taking the lease."""
        return self._leases.books(work)

    def survey(self) -> Survey:
        """List what a drain has to look at: calls of unknown outcome, and the first notes."""
        return self._survey_from(self._bucket.list("", "submitting/"))

    def _survey_from(self, listing: Listing) -> Survey:
        if listing.more and listing.last < "submitting/":
            listing = self._bucket.list("", "submitting/")  # past the leases of other work, however many
        entries = [entry for entry in listing.entries if entry.key >= "submitting/"]
        while listing.more and len(entries) < NOTES_PER_SURVEY_MAX:
            listing = self._bucket.list("", listing.entries[-1].key)
            entries += listing.entries
        calls = (
            call_key(entry.key.removeprefix("submitting/"), entry.modified)
            for entry in entries
            if entry.key.startswith("submitting/")
        )
        notes = _notes(entry for entry in entries if entry.key.startswith("waiting/"))
        return Survey(tuple(call for call in calls if call), tuple(notes), listing.more, listing.date)

    # -- calls -------------------------------------------------------------------------------------

    def intend(self, batch: Batch) -> CallKey:
        """Write down that a call is about to be made."""
        text = intent_key(batch)
        self._bucket.put(f"submitting/{text}", codec.encode_intent(batch))
        key = call_key(text)
        if key is None:
            raise ValueError(f"{text} is no key of a call")
        return key

    def accept(self, submissions: Iterable[tuple[Submission, float]]) -> set[str]:
        """Write down calls that were accepted, each with when to ask for its status; returns their keys."""
        bodies = {
            "accepted/" + accepted_key(submission, check): codec.encode_submission(submission)
            for submission, check in submissions
        }
        self._bucket.put_many(bodies)
        return {name.removeprefix("accepted/") for name in bodies}

    def intents(self, keys: Iterable[CallKey]) -> dict[str, Batch]:
        """Read calls of unknown outcome, by key; those that are gone are absent."""
        return self._read("submitting/", keys, codec.decode_intent)

    def has_intents(self) -> tuple[CallKey, ...]:
        """List calls of unknown outcome."""
        entries = self._bucket.list("submitting/").entries
        calls = (call_key(entry.key.removeprefix("submitting/"), entry.modified) for entry in entries)
        return tuple(call for call in calls if call)

    def accepted(self) -> Iterator[list[CallKey]]:
        """List accepted calls, the one whose look is most overdue first, a thousand at a time."""
        for listing in self._pages("accepted/"):
            calls = (call_key(entry.key.removeprefix("accepted/"), entry.modified) for entry in listing.entries)
            yield [call for call in calls if call]

    def submissions(self, keys: Iterable[CallKey]) -> dict[str, Submission]:
        """Read accepted calls, by key; those that are gone are absent."""
        return self._read("accepted/", keys, codec.decode_submission)

    # -- what was given up -------------------------------------------------------------------------

    def bury(self, pieces: Sequence[Piece]) -> None:
        """Keep what was given up, all pieces in one object."""
        if pieces:
            body = json_bytes({"format": codec.FORMAT, "pieces": pieces})
            self._bucket.put(f"dead/{grave_key(pieces)}.json", body)

    def dead(self, since: str = "", *, pages_max: int = 1_000) -> tuple[list[Grave], bool]:
        """List what was given up, from a day (YYYY-MM-DD) on, oldest first, and whether there is more."""
        found: list[Grave] = []
        for number, listing in enumerate(self._pages("dead/", f"dead/{since}" if since else "")):
            graves = (
                grave(entry.key[len("dead/") :].removesuffix(".json"), entry.modified) for entry in listing.entries
            )
            found += [each for each in graves if each]
            if number + 1 == pages_max:
                return found, listing.more
        return found, False

    def exhume(self, graves: Iterable[Grave]) -> dict[str, tuple[Piece, ...]]:
        """Read what was given up, by key; what is gone meanwhile, or cannot be read, is absent."""
        bodies = self._bucket.get_many(f"dead/{each.key}.json" for each in graves)
        found = {}
        for name, body in bodies.items():
            try:
                found[name[len("dead/") : -len(".json")]] = decode_pieces(body)
            except Undecodable as fault:  # noqa: PERF203 - each for itself
                self._tell("something in dead/ cannot be read; it stays there", key=name, reason=str(fault))
        return found

    # -- events, records, the status ---------------------------------------------------------------

    def restore(self, key: str, body: bytes) -> bool:
        """Put an object that was set aside where it lay; False where another lies there."""
        return self._bucket.put_new(key, body) or self._bucket.get(key) == body

    def keep_event(self, payload: bytes, request_id: str) -> None:
        """Keep an event byte for byte, until it can be read."""
        self._bucket.put(f"events/{digest(base64.b64encode(payload).decode())}-{request_id[:40]}", payload)

    def kept_events(self, most: int) -> dict[str, bytes]:
        """Read some of the events that were kept, by key: at least one, and not too many bytes."""
        entries = self._bucket.list("events/").entries[:most]
        sizes = accumulate(entry.size for entry in entries)
        names = [entry.key for entry, size in zip(entries, sizes, strict=True) if size <= EVENTS_BYTES_MAX]
        names = names or [entry.key for entry in entries[:1]]
        return {name.removeprefix("events/"): body for name, body in self._bucket.get_many(names).items()}

    def areas(self) -> set[str]:
        """Name the areas that hold anything, such as `accepted`."""
        return {prefix.rstrip("/") for prefix in self._bucket.list("", delimiter="/").prefixes}

    def last_status(self) -> Status | None:
        """Read the status that was written last; None where there is none, or one of another version."""
        body = self._bucket.get(STATUS_KEY)
        try:
            return codec.decoded(body, Status) if body else None
        except Undecodable:
            return None

    def write_status(self, status: Status) -> None:
        """Write the status, in place of the last one."""
        self._bucket.put(STATUS_KEY, json_bytes(status))

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Keep records that the log store did not take, in parts bounded in bytes."""
        parts: dict[str, bytes] = {}
        for number, part in enumerate(_parts(outcomes)):
            body = codec.encode_outcomes(tuple(part))
            name = f"{int(outcomes[0].time * 1000):013d}-{number:04d}-{digest(base64.b64encode(body).decode())}"
            parts[f"kept/{name}"] = body
        self._bucket.put_many(parts)

    def kept(self, after: str = "", most: int = 1_000) -> tuple[list[tuple[str, int]], bool]:
        """List records that wait for the log store: their keys and bytes, oldest first, and whether there are more."""
        listing = self._bucket.list("kept/", f"kept/{after}" if after else "", most=most)
        return [(entry.key.removeprefix("kept/"), entry.size) for entry in listing.entries], listing.more

    def read_kept(self, keys: Sequence[str]) -> dict[str, tuple[Outcome, ...]]:
        """Read records that were kept, by key."""
        bodies = self._bucket.get_many("kept/" + key for key in keys)
        found = self._decoded(bodies, codec.decode_outcomes)
        return {name.removeprefix("kept/"): outcomes for name, outcomes in sorted(found.items())}

    # -- deletion ----------------------------------------------------------------------------------

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
    ) -> None:
        """Delete what has been replaced or settled, in one call where it fits; a call's intent before all else."""
        old_leases = tuple(leases)
        keys = [
            *("waiting/" + key for key in notes),
            *("submitting/" + key for key in intents),
            *("accepted/" + key for key in accepted),
            *("kept/" + key for key in kept),
            *(f"dead/{key}.json" for key in dead),
            *("events/" + key for key in events),
            *old_leases,
        ]
        if keys:
            self._bucket.delete(keys)
            self._leases.deleted(old_leases)

    def adopt_old(self, most: int = 500) -> int:
        """Bring what the first version kept in `submitted/` and `unlogged/` to where it lies now; returns how many."""
        moved: list[str] = []
        for entry in self._bucket.list("submitted/").entries[:most]:
            name, _, state = entry.key.removeprefix("submitted/").rpartition(".")
            body = self._bucket.get(entry.key)
            if body is None or call_key(name) is None:
                continue
            self._adopt(name, state, body, entry.key)
            moved.append(entry.key)
        for entry in self._bucket.list("unlogged/").entries[:most]:
            body = self._bucket.get(entry.key)
            if body is not None:
                self._bucket.put("kept/" + entry.key.removeprefix("unlogged/"), body)
                moved.append(entry.key)
        if moved:
            self._bucket.delete(moved)
        return len(moved)

    def _adopt(self, name: str, state: str, body: bytes, key: str) -> None:
        try:
            if state == "submitting":
                self._bucket.put(f"submitting/{name}", codec.encode_intent(codec.decode_intent(body)))
            else:
                self.accept([(codec.decode_submission(body), int(name.partition("-")[0]) / 1000)])
        except Undecodable as fault:
            self.set_aside(key, body, fault)

    # -- reading -----------------------------------------------------------------------------------

    def _read(self, area: str, keys: Iterable[CallKey], decode: Callable[[bytes], T]) -> dict[str, T]:
        bodies = self._bucket.get_many(area + key.text for key in keys)
        return {name.removeprefix(area): value for name, value in self._decoded(bodies, decode).items()}

    def _decoded(self, bodies: Mapping[str, bytes], decode: Callable[[bytes], T]) -> dict[str, T]:
        """Decode some objects; those that cannot be are set aside."""
        found = {}
        for name, body in bodies.items():
            try:
                found[name] = decode(body)
            except Undecodable as fault:  # noqa: PERF203 - each for itself
                self.set_aside(name, body, fault)
                self._bucket.delete([name])
        return found

    def set_aside(self, name: str, body: bytes, fault: Undecodable) -> None:
        """Keep bytes that cannot be decoded in `dead/`, and tell a person."""
        reason = f"cannot be decoded: {fault}"
        event = base64.b64encode(body).decode()
        piece = Piece(id=digest(name, event), at=self._time.now(), reason=reason, event=event, where=name)
        self.bury([piece])
        self._tell("alarm", alarm="a stored object cannot be read; it was set aside in dead/", key=name, reason=reason)

    def _pages(self, prefix: str, after: str = "") -> Iterator[Listing]:
        """List what lies below a prefix, page by page; there is always one."""
        listing = self._bucket.list(prefix, after)
        yield listing
        while listing.more:
            listing = self._bucket.list(prefix, listing.entries[-1].key)
            yield listing


def _notes(entries: Iterable[Entry]) -> list[NoteKey]:
    keys = (note_key(entry.key.removeprefix("waiting/")) for entry in entries)
    return [key for key in keys if key]


def _parts(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Cut records into parts of bounded bytes."""
    part: list[Outcome] = []
    size = 0
    for each in outcomes:
        own = len(json_bytes(each))
        if part and size + own > KEPT_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(each)
        size += own
    if part:
        yield part
