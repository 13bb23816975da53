"""Carry a decision out: what replaces is written first, then the log, and only then is deleted what it replaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.core.decide import Decision, Move
from shared.core.plan.books import Books
from shared.core.task.model import ENDS, Result, State, Task, Try
from shared.core.task.notes import Note, Place, notes_of
from shared.core.task.stored import Piece
from shared.core.task.waits import READY
from shared.flow.kit import Invocation, Kit
from shared.flow.log import log_outcomes

PIECES_PER_OBJECT_MAX = 500
LEFT_WAITING = ENDS | {State.ACCEPTED}


@dataclass
class Session:
    """What one holder of a lease knows: the books, the notes it has read, and the tries that have left `waiting/`."""

    books: Books
    ended: set[Try] = field(default_factory=set)
    old_leases: tuple[str, ...] = ()
    totals: dict[str, int] = field(
        default_factory=lambda: {"calls": 0, "accepted": 0, "deferred": 0, "buried": 0, "uncertain": 0}
    )
    refused_units: set[str] = field(default_factory=set)
    """Quotas of which the API has said that the day does not leave them."""
    notes: dict[str, Note] = field(default_factory=dict)
    """Notes that were read or written in this round, by key."""
    replaced: set[str] = field(default_factory=set)
    """Keys of notes that are gone, though this round's listing has them."""
    places: dict[Try, Place] = field(default_factory=dict)
    """Where the tasks of these notes lie."""
    surplus: set[tuple[str, Try]] = field(default_factory=set)
    """Keys of notes and tries in them that lie in another note too."""
    tries: dict[str, frozenset[Try]] = field(default_factory=dict)
    """Tries of calls of unknown outcome for which there was no room, by key."""
    _tasks: dict[Try, Task] = field(default_factory=dict)
    _texts: dict[Try, str] = field(default_factory=dict)

    def add(self, notes: Iterable[Note]) -> None:
        """Take in notes that were read or written."""
        for note in notes:
            self.notes[note.key.text] = note
            place = Place(note.key.wait, note.key.due)
            for task in note.tasks:
                self._place(note.key.text, task, place)

    def _place(self, text: str, task: Task, place: Place) -> None:
        """Note where a task lies; of one that lies in two notes, since its event was told twice, one is too many."""
        each = task.this_try
        self.surplus.discard((text, each))  # a note that is written again holds what it holds
        other = self._texts.get(each)
        if other is not None and other != text and other in self.notes:
            waits_already = self.places[each].wait != READY
            self.surplus.add((text if waits_already else other, each))
            if waits_already:
                return
        self.places[each], self._tasks[each], self._texts[each] = place, task, text

    def remove(self, texts: Iterable[str]) -> None:
        """Forget notes that were replaced."""
        for text in texts:
            self.notes.pop(text, None)
            self.replaced.add(text)

    def next_round(self) -> None:
        """Forget what a new listing will show."""
        self.notes.clear()
        self.replaced.clear()
        self.places.clear()
        self.surplus.clear()
        self._tasks.clear()
        self._texts.clear()

    def lies(self, move: Move) -> bool:
        """Whether a task lies already where a move would bring it, as it is."""
        at = self.places.get(move.before)
        return move.state is State.WAITING and at == move.place and self._tasks.get(move.before) == move.task


def apply(kit: Kit, run: Invocation, decision: Decision, session: Session) -> bool:
    """Carry out a decision; True where it moved or changed anything. Raises `StoreError`; nothing is lost by that."""
    session.books = decision.books
    moves = _effective(decision.moves, session)
    _tell(kit, decision)
    dead = [move for move in moves.values() if move.state is State.DEAD]
    for start in range(0, len(dead), PIECES_PER_OBJECT_MAX):
        _bury(kit, run, dead[start : start + PIECES_PER_OBJECT_MAX])
    replaced, written = _rewrite(kit, moves, session)
    accepted = kit.spool.accept(decision.accepts) if decision.accepts else set()
    if decision.outcomes:
        is_kept = log_outcomes(kit, decision.outcomes, behind=session.books.kept)
        session.books = session.books.with_kept(is_kept=is_kept)
    gone = [key.text for key in decision.gone if key.text not in accepted]
    leases, session.old_leases = session.old_leases, ()
    kit.spool.clean(intents=[key.text for key in decision.served], notes=replaced, accepted=gone, leases=leases)
    session.remove(replaced)
    session.add(written)
    session.ended.update(move.before for move in moves.values() if move.state in LEFT_WAITING)
    _count(decision, moves.values(), session)
    return bool(moves or accepted or decision.served)


def _effective(moves: Iterable[Move], session: Session) -> dict[Try, Move]:
    """Leave out moves that move nothing. The last move of a try counts."""
    last = {move.before: move for move in moves}
    return {each: move for each, move in last.items() if not session.lies(move)}


def _rewrite(kit: Kit, moves: dict[Try, Move], session: Session) -> tuple[list[str], list[Note]]:
    """Write the notes of what waits and of what is left of notes that were broken up; tell which they replace."""
    staying: list[tuple[Task, Place]] = [
        (move.task, move.place) for move in moves.values() if move.state is State.WAITING and move.place is not None
    ]
    broken = []
    for text, note in session.notes.items():
        surplus = {each for own, each in session.surplus if own == text}
        left = [task for task in note.tasks if task.this_try not in moves and task.this_try not in surplus]
        if len(left) < len(note.tasks):
            broken.append(text)
            staying += [(task, Place(note.key.wait, note.key.due)) for task in left]
    notes = list(notes_of(staying))
    if notes:
        kit.spool.put(notes)
    written = {note.key.text for note in notes}
    return [text for text in broken if text not in written], notes


def _bury(kit: Kit, run: Invocation, dead: list[Move]) -> None:
    """Keep tasks that were given up, with their whole histories."""
    now = kit.clock()
    kit.spool.bury([Piece(move.task.id, now, move.reason, request_id=run.request_id, task=move.task) for move in dead])
    kit.report.error(
        "tasks were given up; they are kept in dead/",
        tasks=len(dead),
        first=dead[0].task.url,
        reason=dead[0].reason,
        dead_id=dead[0].task.id,
    )


def _tell(kit: Kit, decision: Decision) -> None:
    if decision.branches:
        kit.report.debug("decided", branches=sorted(decision.branches))
    for alarm in decision.alarms:
        kit.report.error(
            "alarm",
            alarm=alarm.text,
            remedy=alarm.remedy,
            code=alarm.code,
            message=alarm.message,
            request_id=alarm.request_id,
        )


def _count(decision: Decision, moves: Iterable[Move], session: Session) -> None:
    totals = session.totals
    totals["accepted"] += sum(each.result is Result.ACCEPTED for each in decision.outcomes)
    totals["deferred"] += sum(move.state is State.WAITING for move in moves)
    totals["buried"] += sum(move.state is State.DEAD for move in moves)
    totals["uncertain"] += any(each.result is Result.UNCERTAIN for each in decision.outcomes)
