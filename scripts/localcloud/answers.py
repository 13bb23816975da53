"""Rules about the content of calls go in; the answer to a call that fits one of them comes out.

Rules:
1. The first rule that fits answers, and goes on doing so until its `times` are used up or it leaves the list.
2. An answer is a refusal in the service's own form (`code`), a raw reply (`body`, `status`), a redirect, or no
   reply at all (`dropped`).
3. Where `carried_out` is true the service first does what was asked, and only then answers so. What it would have
   refused by itself it refuses by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from scripts.localcloud.web import Request, Response

CallT = TypeVar("CallT")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule has the service say, whatever it would have said.

    `code`, `message` and `details` (elements beside them, in OSS) make a refusal; a `status` of 0 is the one that
    goes with the code, or 200 for a raw reply. `redirect_to` is the base URL of another host; path and query stay.
    """

    code: str = ""
    status: int = 0
    message: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    redirect_to: str = ""
    dropped: bool = False
    carried_out: bool = False

    @property
    def name(self) -> str:
        """How books call it: its code, or else what came of the call."""
        return self.code or ("Dropped" if self.dropped else f"HTTP {self.status or 200}")

    def response(self, request: Request) -> Response:
        """Write it as a reply; for all but those with a code, which each service writes in its own form."""
        if self.dropped:
            return Response(lost=True)
        headers = dict(self.headers)
        if self.redirect_to:
            query = f"?{request.query}" if request.query else ""
            headers["Location"] = f"{self.redirect_to.rstrip('/')}{request.path}{query}"
        return Response(self.status or 200, headers, self.body)


class RawAnswer(Exception):
    """A call ends with an answer that is no refusal in the service's own form."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.name)


@dataclass(slots=True)
class Rule(Generic[CallT]):
    """An answer, and the calls that get it. `times` None means for ever."""

    answer: Answer
    fits: Callable[[CallT], bool]
    times: int | None = None


def first_answer(rules: list[Rule[CallT]], call: CallT) -> Answer | None:
    """Return the answer of the first rule that fits, and count it; None where the service answers as ever."""
    for rule in rules:
        if rule.times != 0 and rule.fits(call):
            if rule.times is not None:
                rule.times -= 1
            return rule.answer
    return None


def redirect(to: str, status: int = 307) -> Answer:
    """Send the client to the same path and query of another host, given as a base URL."""
    return Answer(status=status, redirect_to=to)
