"""What was given up, the sites and the time in; tasks that wait again out, or the reason why not.

Rules:

1. A task that goes again is a new one, with counters at zero and the old history: its old self has ended. Its id
   follows from the old one, so a second try after a crash makes the same task.
2. Only domains that a site still names are submitted again.
3. The tasks are durable before what was given up is deleted; what an operator lets go is in the log before that.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import msgspec

from shared.cloud.spool.spool import Spool
from shared.core.change.events import read
from shared.core.site.sites import Site
from shared.core.site.urls import tasks_of
from shared.core.task.model import Outcome, Result, Step, Task, digest, outcome
from shared.core.task.notes import notes_of
from shared.core.task.stored import Bad
from shared.flow.kit import Kit
from shared.flow.log import log_outcomes

CODE = "Requeued"
LET_GO = "LetGo"


class Again(msgspec.Struct, frozen=True):
    """The tasks that go again, or the reason why there is none."""

    tasks: tuple[Task, ...] = ()
    refusal: str = ""


def again(bad: Bad, sites: Sequence[Site], now: float) -> Again:
    """Say what goes again of one thing that was given up."""
    if bad.task is None:
        return _of_event(bad, sites, now)
    if bad.task.domain not in {domain.name for site in sites for domain in site.domains}:
        return Again(refusal=f"no site of the site file has the domain {bad.task.domain}")
    old = bad.task
    new_id = digest(old.id, "requeued", f"{bad.at:.3f}")
    new = msgspec.structs.replace(old, id=new_id, attempt=0, failures=0, due=0.0)
    return Again((_noted(new, f"by an operator; before that it was task {old.id}", now),))


def _of_event(bad: Bad, sites: Sequence[Site], now: float) -> Again:
    """Read an event once more: another version, or another site file, may know it."""
    received = read(base64.b64decode(bad.event))
    if received.bad:
        return Again(refusal=received.bad[0].reason)
    found = [tasks_of(change, sites) for change in received.changes]
    tasks = {task.id: _noted(task, "by an operator, from an event in dead/", now) for each, _ in found for task in each}
    if tasks:
        return Again(tuple(tasks.values()))
    reasons = [skip.reason for _, skipped in found for skip in skipped]
    reasons += [f"{name} changes nothing that is served" for name in received.ignored]
    return Again(refusal=reasons[0] if reasons else "it tells of no change")


def _noted(task: Task, message: str, now: float) -> Task:
    return task.with_step(Step(now, Result.DEFERRED, CODE, message))


def put_back(kit: Kit, spool: Spool, chosen: Mapping[str, Sequence[Task]]) -> None:
    """Let tasks wait again, given by the key of what they were made of, which is then deleted from `dead/`."""
    tasks = {task.id: task for each in chosen.values() for task in each}
    for note in notes_of(tasks.values()):
        spool.put(note)
    now = kit.clock()
    log_outcomes(
        kit,
        [outcome(task, Result.DEFERRED, now, code=CODE, message=task.history[-1].message) for task in tasks.values()],
    )
    spool.clean(dead=chosen)


def let_go(kit: Kit, spool: Spool, found: Mapping[str, Bad]) -> None:
    """Delete what was given up, by its key in `dead/`, once the log tells who did it and why it had been given up."""
    log_outcomes(kit, [_dropped(bad, kit.clock()) for bad in found.values()])
    spool.clean(dead=found)


def _dropped(bad: Bad, now: float) -> Outcome:
    message = f"an operator let it go; it had been given up: {bad.reason}"
    if bad.task is None:
        return Outcome(now, Result.DEAD, event_id=bad.id, code=LET_GO, message=message)
    return outcome(bad.task, Result.DEAD, now, code=LET_GO, message=message)
