"""A snapshot and the time in, transitions out: the only place that moves a task.

What a drain, the look-up of lost answers and the following of accepted calls decide is decided here, each from its
own part of one snapshot. Nothing here does any I/O; `flow` loads the snapshot and carries the decision out.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.core.decide.follow import Followed, of_followed
from shared.core.decide.moves import Alarm, Decision, Facts, Move
from shared.core.decide.replies import Reply, of_reply
from shared.core.decide.unknowns import Asked, of_asked
from shared.core.decide.waiting import Waiting, of_waiting
from shared.core.plan.books import Books
from shared.core.task.model import Submission, Try
from shared.core.task.notes import Place

__all__ = ["Alarm", "Asked", "Decision", "Facts", "Followed", "Move", "Reply", "Snapshot", "Waiting", "decide"]


class Snapshot(msgspec.Struct, frozen=True):
    """What was found outside, as far as it was looked for: each part may be empty.

    `places` tells where tasks lie; `known` are accepted calls that tell whose rows are whose, and what
    has been covered since.
    """

    books: Books
    places: Mapping[Try, Place] = {}
    asked: tuple[Asked, ...] = ()
    known: tuple[Submission, ...] = ()
    waiting: Waiting | None = None
    replies: tuple[Reply, ...] = ()
    followed: tuple[Followed, ...] = ()


def decide(snapshot: Snapshot, facts: Facts, now: float) -> Decision:
    """Decide what follows from a snapshot."""
    decision = Decision(snapshot.books.at(now, facts.provider), now, snapshot.places)
    of_asked(snapshot.asked, snapshot.known, facts, decision)
    for reply in snapshot.replies:
        of_reply(reply, facts, decision)
    for each in snapshot.followed:
        of_followed(each, facts, decision)
    if snapshot.waiting is not None:
        of_waiting(snapshot.waiting, facts, decision)
    return decision
