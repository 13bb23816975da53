"""A survey and the books in; the tasks that may go are read, with all that has to do with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from shared.core.decide import Waiting
from shared.core.plan.books import ACCOUNT, SERVICE, is_free
from shared.core.task.covers import names_of, refreshes_of, source_name
from shared.core.task.model import Kind, Lane, Submission, Task, Try
from shared.core.task.notes import NoteKey
from shared.core.task.stored import CallKey, Survey
from shared.core.task.waits import READY, Why, wait_of
from shared.flow.apply import Session
from shared.flow.kit import Kit

TASKS_PER_ROUND_MAX = 5_000
"""What a round plans, writes and logs at most, so that it ends in time also on a small function."""
PROBE_TASKS_MAX = 200
"""Among how many tasks of a domain in trouble a probe is chosen, so that it is not the same one each time."""
PROBE_NOTES_MAX = 20
"""Among how many notes a probe is chosen while the CDN is in trouble."""
SLOTS_PER_ROUND_MAX = 20
"""How many reasons are looked at one by one where one listing does not show them all."""
PREFETCH_UNIT = "prefetch"
PAGES_MAX = 20
"""How many listings a round makes for one purpose."""
ELSEWHERE_NOTES_MAX = 12
"""How many notes of tasks that may not go yet are read for those that ask for the same; beyond them a unit may be spent
twice, never lost."""
MADE_READ_MAX = 50
REPEATED_AFTER_SECONDS = 2.0
"""What comes sooner after its change than this is taken for the first delivery: a lone upload need not look."""
LOOKS_MAX = 3
"""How often running refreshes are looked for while others move them; prefetches then wait for the next round."""


@dataclass
class Found:
    """The notes that were listed, and which of them may go."""

    keys: dict[str, NoteKey] = field(default_factory=dict)
    free: list[NoteKey] = field(default_factory=list)
    is_whole: bool = True
    """Whether all notes of refreshes were listed."""


def find(kit: Kit, survey: Survey, session: Session, held: AbstractSet[Try] = frozenset()) -> Found:
    """Choose the notes whose tasks go next: the most urgent and oldest of all that nothing holds back."""
    keys = {key.text: key for key in survey.notes if key.text not in session.replaced}
    keys.update((text, note.key) for text, note in session.notes.items())
    is_whole = not survey.more
    if survey.more:
        is_whole = _further(kit, session, keys)
    facts = (session.books.at(kit.clock(), kit.provider), kit.limits, kit.provider, kit.clock())
    free = sorted((key for key in keys.values() if is_free(key, *facts)), key=lambda key: key.urgency)
    return Found(keys, _enough(free, session, held), is_whole)


def _further(kit: Kit, session: Session, keys: dict[str, NoteKey]) -> bool:
    """List what a survey did not reach, reason by reason, those first whose time is most overdue."""
    seen_until = max(keys.values(), key=lambda key: key.text).wait.slot + "/" if keys else ""
    slots = [slot for slot in kit.spool.slots() if slot + "/" >= seen_until]
    slots.sort(key=lambda slot: session.books.holds[slot].due if slot in session.books.holds else 0.0)
    for slot in slots[:SLOTS_PER_ROUND_MAX]:
        page = next(kit.spool.notes_in(slot), [])
        keys.update((key.text, key) for key in page)
    return False


def _enough(free: Iterable[NoteKey], session: Session, held: AbstractSet[Try]) -> list[NoteKey]:
    """Take as many notes as a round can end; of a domain in trouble a few, for one target of them goes.

    What belongs to calls of unknown outcome does not count, since it does not go.
    """
    chosen: list[NoteKey] = []
    tasks = 0
    probed: Counter[str] = Counter()
    is_probe = any(name in session.books.holds for name in (SERVICE, ACCOUNT))
    for key in free:
        slot, count = key.wait.slot, _count(key, session, held)
        if not count:
            continue
        if key.wait.why is Why.TROUBLE and slot in session.books.holds:
            if probed[slot] >= PROBE_TASKS_MAX:
                continue
            probed[slot] += count
        if chosen and (tasks + count > TASKS_PER_ROUND_MAX or (is_probe and len(chosen) >= PROBE_NOTES_MAX)):
            break
        chosen.append(key)
        tasks += count
    return chosen


def _count(key: NoteKey, session: Session, held: AbstractSet[Try]) -> int:
    """Count the tasks of a note that may go; the notes of what is held were read before."""
    note = session.notes.get(key.text) if held else None
    return key.count if note is None else sum(task.this_try not in held for task in note.tasks)


def waiting(kit: Kit, found: Found, session: Session, held: frozenset[Try]) -> Waiting:
    """Read the tasks that may go, and what has to do with them: the same targets elsewhere, refreshes of prefetches."""
    known = {note.key.text for note in session.notes.values()}
    session.add(kit.spool.read([key for key in found.free if key.text not in known]))
    free = {key.text for key in found.free}
    tasks = [task for text, note in session.notes.items() if text in free for task in note.tasks]
    rest = [key for key in found.keys.values() if key.text not in free]
    prefetches = [task.target for task in tasks if task.target.kind is Kind.PREFETCH]
    if prefetches and session.books.holds:
        prefetches += [last.target for last in session.books.good.get(PREFETCH_UNIT, {}).values()]  # as controls
    names = {name for task in tasks for name in names_of(task)}
    names |= {source_name(task.cause) for task in tasks if task.lane is Lane.REMOVED}
    reaching = {refresh.name for target in prefetches for refresh in refreshes_of(target)}
    elsewhere, is_all = _elsewhere(kit, rest, names | reaching, session)
    running: list[Task] | None = []
    if prefetches:
        running = _running(kit, reaching) if is_all and _sees_refreshes(kit, found) else None
    return Waiting(
        tuple(tasks),
        tuple(elsewhere),
        None if running is None else tuple(running),
        _made_before(kit, tasks),
        held,
        frozenset(session.ended),
    )


def _sees_refreshes(kit: Kit, found: Found) -> bool:
    """Whether all refreshes that wait were listed: they come before the prefetches of their reason."""
    if found.is_whole:
        return True
    listings = 0
    for slot in kit.spool.slots():
        wait = wait_of(slot)
        if wait is None or (wait.unit == PREFETCH_UNIT and wait != READY) or wait.why is Why.REFRESH:
            continue
        for page in kit.spool.notes_in(slot):
            listings += 1
            found.keys.update((key.text, key) for key in page)
            if wait.why is not Why.BACKOFF and any(key.lane >= Lane.PREFETCH for key in page):
                break
            if listings >= PAGES_MAX:
                return False
    return True


def _elsewhere(kit: Kit, rest: Sequence[NoteKey], names: AbstractSet[str], session: Session) -> tuple[list[Task], bool]:
    """Read tasks that may not go yet and have to do with those that may; and tell whether these are all."""
    if not names:
        return [], True
    wanted = [key for key in rest if key.may_hold(names)]
    read = [key for key in wanted if key.packed or key.text in session.notes]
    more = [key for key in wanted if not key.packed and key.text not in session.notes]
    unread = [key for key in (*read, *more[:ELSEWHERE_NOTES_MAX]) if key.text not in session.notes]
    session.add(kit.spool.read(unread))
    texts = {key.text for key in wanted}
    tasks = [task for text, note in session.notes.items() if text in texts for task in note.tasks]
    return [task for task in tasks if not names.isdisjoint(names_of(task))], len(more) <= ELSEWHERE_NOTES_MAX


def _made_before(kit: Kit, tasks: Iterable[Task]) -> tuple[Submission, ...]:
    """Read accepted calls that may have been made for the same events, where those are old enough to come again."""
    now = kit.clock()
    late = [task for task in tasks if _is_new(task) and task.cause.time < now - REPEATED_AFTER_SECONDS]
    if not late:
        return ()
    names = {task.target.name for task in late}
    since = min(task.cause.time for task in late) - REPEATED_AFTER_SECONDS
    keys = [key for key in _accepted(kit) or [] if key.created >= since and key.may_hold(names)]
    keys.sort(key=lambda key: key.created, reverse=True)
    return tuple(kit.spool.submissions(keys[:MADE_READ_MAX]).values())


def _is_new(task: Task) -> bool:
    return not (task.calls_tried or task.cdn_failures or task.unknowns)


def _accepted(kit: Kit) -> list[CallKey] | None:
    """List accepted calls; None where there are too many."""
    keys: list[CallKey] = []
    for number, page in enumerate(kit.spool.accepted()):
        if number == PAGES_MAX:
            return None
        keys += page
    return keys


def _running(kit: Kit, names: Collection[str]) -> list[Task] | None:
    """Refreshes under way that reach what is to be prefetched; None where that could not be seen.

    Who follows a call writes it again under another key, so what was listed may be gone when it is read.
    """
    seen: dict[str, Submission] = {}
    for _ in range(LOOKS_MAX):
        keys = _accepted(kit)
        if keys is None:
            return None
        wanted = [key for key in keys if key.call not in seen and key.may_hold(names)]
        found = kit.spool.submissions(wanted)
        seen.update((each.batch.id, each) for each in found.values())
        if len(found) == len(wanted):
            return [task for each in seen.values() for task in each.batch.tasks]
    return None
