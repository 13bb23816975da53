"""A lease that was taken, as a value: it brings the books of the last holder, and what its look saw."""

from __future__ import annotations

import msgspec

from shared.core.plan.books import Books
from shared.core.task.stored import Survey


class Taken(msgspec.Struct, frozen=True):
    """The right to do some work: its number, the last holder's books, old lease objects to delete, and the look."""

    work: str
    number: int
    books: Books
    old: tuple[str, ...] = ()
    survey: Survey = Survey()
