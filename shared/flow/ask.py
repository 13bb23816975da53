"""Calls of unknown outcome in; the task list is asked about them, and what it shows is decided and applied.

Rules:

1. One listing by domain, type and time answers for all calls of a domain; where it is too long to be read, some of a
   call's targets are asked for one by one.
2. "No row" counts from a complete listing only, late enough after the call, and twice: when the first was is kept in
   the books, so the second may be another invocation's.
3. Asking has its share of the time, so that slow answers keep nothing else from being sent. Where it does not suffice
   for all domains, chance decides which come first.
4. A listing that fails, or tells nothing new, is left alone for a while, ever longer up to a minute. That stops nothing
   but the calls it is about: what is unknown stays so.
5. Where every listing fails and no call was accepted lately, one call goes as a probe of the CDN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shared.core.decide import Alarm, Asked, Decision, Snapshot, decide
from shared.core.decide.replies import SERVICE_PAUSE_SECONDS
from shared.core.errors import CdnError, Refused, Throttled
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE, Books, Hold, listing_of
from shared.core.plan.retry import failed_look_pause, look_pause
from shared.core.task.model import Batch, Submission, Target, Try
from shared.core.task.rows import CdnTask, Page, names_in_list
from shared.core.task.stored import CallKey, Survey
from shared.flow.apply import Session, apply
from shared.flow.kit import Invocation, Kit

CALLS_PER_ROUND_MAX = 200
TASKS_PER_ROUND_MAX = 30_000
"""How many calls of unknown outcome are kept in memory to be asked about; of the others only the tries are."""
CALLS_PER_READ = 50
PAGES_PER_LISTING_MAX = 12
SECOND_LOOK_SECONDS = 2.0
"""How far apart the two looks are at least that find no row."""
LOST_PROBES_MAX = 3
PROBED_EACH = 5
"""How often the task list has failed when another call goes though some were lost."""
ASK_SHARE = 0.5
"""Until which part of the time more is asked while other tasks wait to be sent."""
CLOCKS_DIFFER_SECONDS = 2.0
"""How far OSS's clock and the CDN's may be apart for a row to be taken for a call's."""
AFTER_SECONDS = 60.0
"""How far beyond now a listing asks, since no two clocks agree."""
KNOWN_READ_MAX = 200
SUCCESS_COUNTS_SECONDS = 60.0
"""How long an accepted call tells that the CDN is there, whatever its task list says."""

T = TypeVar("T")
Group = tuple[str, str]
"""A domain, and how the task list calls a type."""


@dataclass(frozen=True)
class Unknown:
    """The tries that stay unknown, and from when on (epoch seconds) the task list may tell more of them."""

    tries: frozenset[Try]
    again: float


@dataclass
class _Look:
    """What the task list has shown of one call."""

    key: CallKey
    batch: Batch
    groups: tuple[Group, ...]
    rows: list[CdnTask] = field(default_factory=list)
    samples: frozenset[Target] = frozenset()
    is_complete: bool = False


@dataclass
class _Asking:
    """What was asked of the task list: the listings that came, and those that failed."""

    came: set[Group] = field(default_factory=set)
    failed: dict[Group, CdnError] = field(default_factory=dict)


def ask(kit: Kit, run: Invocation, survey: Survey, session: Session, until: float) -> Unknown | None:
    """Settle calls of unknown outcome as far as the task list tells.

    None where there was no time to read them all: nobody knows then what may be sent.
    """
    keys = sorted(_some(survey.intents, kit.chance()), key=lambda key: key.created, reverse=True)
    looks = [_Look(key, batch, _groups_of(kit, batch)) for key, batch in _read(kit, keys)]
    others = _tries_of_others(kit, survey, keys, session, until)
    if others is None:
        return None
    _read_notes_of(kit, survey, looks, session)
    known, accepted = _known(kit, looks)
    replaced = {look.batch.replaces for look in looks} | {each.batch.replaces for each in known}
    open_ = [look for look in looks if look.batch.id not in accepted and look.batch.id not in replaced]
    asking = _ask_about(kit, open_, session, survey, until)
    before = set(session.books.looked)
    nothing = _nothing_twice(looks, survey, session, kit.clock())
    asked = tuple(
        Asked(
            look.key,
            look.batch,
            tuple(look.rows),
            since=_begun(look) + kit.cdn.ahead() - CLOCKS_DIFFER_SECONDS,
            is_none=look.batch.id in nothing,
            acceptance=accepted.get(look.batch.id),
            is_replaced=look.batch.id in replaced,
            samples=look.samples,
            is_forgotten=_is_forgotten(kit, look, survey),
        )
        for look in looks
    )
    decision = decide(Snapshot(session.books, session.places, asked, tuple(known)), kit.facts, kit.clock())
    apply(kit, run, decision, session)
    left = _left(looks, decision)
    new = session.books.looked.keys() - before
    session.books = _paced(asking, looks, left, new, session.books, kit.clock())
    tries = frozenset(task.this_try for look in left for task in look.batch.tasks)
    return Unknown(tries | others, _again(kit, left, session, survey))


def _left(looks: Iterable[_Look], decision: Decision) -> list[_Look]:
    served = {key.text for key in decision.served}
    return [look for look in looks if look.key.text not in served]


def _some(keys: Sequence[CallKey], chance: float) -> list[CallKey]:
    """Choose as many calls as a round can hold; where these are not all, others each time."""
    chosen: list[CallKey] = []
    tasks = 0
    is_all = len(keys) <= CALLS_PER_ROUND_MAX and sum(key.urls for key in keys) <= TASKS_PER_ROUND_MAX
    for key in keys if is_all else _from_any(keys, chance):
        if chosen and (len(chosen) >= CALLS_PER_ROUND_MAX or tasks + key.urls > TASKS_PER_ROUND_MAX):
            break
        chosen.append(key)
        tasks += key.urls
    return chosen


def _read(kit: Kit, keys: Sequence[CallKey]) -> list[tuple[CallKey, Batch]]:
    """Read calls once an instance: what an intent says never changes, and in an outage they are many."""
    new = [key for key in keys if key.text not in kit.intents]
    there = {key.text: kit.intents[key.text] for key in keys if key.text in kit.intents}
    kit.intents.clear()
    kit.intents.update({**there, **(kit.spool.intents(new) if new else {})})
    return [(key, kit.intents[key.text]) for key in keys if key.text in kit.intents]


def _tries_of_others(
    kit: Kit, survey: Survey, keys: Sequence[CallKey], session: Session, until: float
) -> frozenset[Try] | None:
    """Tell which tries belong to calls that are not asked about in this round; None where time is up before that."""
    chosen = {key.text for key in keys}
    others = [key for key in survey.intents if key.text not in chosen]
    unread = [key for key in others if key.text not in session.tries]
    for start in range(0, len(unread), CALLS_PER_READ):
        if kit.clock() >= until:
            return None
        for text, batch in kit.spool.intents(unread[start : start + CALLS_PER_READ]).items():
            session.tries[text] = frozenset(task.this_try for task in batch.tasks)
    return frozenset[Try]().union(*(session.tries.get(key.text, ()) for key in others))


def _read_notes_of(kit: Kit, survey: Survey, looks: Sequence[_Look], session: Session) -> None:
    """Read the notes that hold tasks of calls of unknown outcome: what is decided of these is written there."""
    names = {task.target.name for look in looks for task in look.batch.tasks}
    session.add(kit.spool.read([key for key in survey.notes if key.may_hold(names)]))


def _ask_about(kit: Kit, looks: Sequence[_Look], session: Session, survey: Survey, until: float) -> _Asking:
    """Ask about the calls that are old enough and whose listings are not left alone."""
    if any(session.books.is_held(name, kit.clock()) for name in (SERVICE, ACCOUNT, FLOW)):
        return _Asking()
    now, books = kit.clock(), session.books
    known = [look for look in looks if not _is_forgotten(kit, look, survey)]
    due = [look for look in known if _is_ripe(kit, look, survey) and _is_due(kit, look, books, now)]
    if not due:
        return _Asking()
    names = {task.target.name for look in looks for task in look.batch.tasks}
    others = any(not key.may_hold(names) for key in survey.notes)
    asking = _look(kit, due, survey, now + (until - now) * (ASK_SHARE if others else 1.0))
    if asking.failed:
        session.books = _in_trouble(kit, asking, books, len(looks))
    return asking


def _begun(look: _Look) -> float:
    """When a call was begun; its intent may have been written again since."""
    return min(look.key.modified, float(int(look.key.created)))


def _is_ripe(kit: Kit, look: _Look, survey: Survey) -> bool:
    return survey.date - look.key.modified >= kit.provider.rows_appear_within_seconds


def _is_forgotten(kit: Kit, look: _Look, survey: Survey) -> bool:
    return survey.date - look.key.modified > kit.provider.look_back_seconds


def _is_due(kit: Kit, look: _Look, books: Books, now: float) -> bool:
    """Whether the listings of a call may tell something: none of them fails, and not all have just told nothing.

    They are asked for together, since only together they tell that a call has no row.
    """
    ripe_since = look.key.modified + kit.provider.rows_appear_within_seconds + CLOCKS_DIFFER_SECONDS
    return max((_due(books.holds.get(listing_of(*group)), ripe_since) for group in look.groups), default=0.0) <= now


def _due(hold: Hold | None, ripe_since: float) -> float:
    """When a listing is asked for again; at once, where a call has become old enough since it told nothing new."""
    if hold is None or not (hold.code or hold.due - look_pause(hold.tries) >= ripe_since):
        return 0.0
    return hold.due


def _again(kit: Kit, left: Iterable[_Look], session: Session, survey: Survey) -> float:
    """When the task list may tell more."""
    appear = kit.provider.rows_appear_within_seconds
    soonest = float("inf")
    for look in left:
        ripe = look.key.modified + appear
        holds = (session.books.holds.get(listing_of(*group)) for group in look.groups)
        due = max((hold.due for hold in holds if hold), default=0.0)
        soonest = min(soonest, due if _is_ripe(kit, look, survey) else max(due, ripe))
    return soonest


def _known(kit: Kit, looks: Sequence[_Look]) -> tuple[list[Submission], dict[str, Submission]]:
    """Read accepted calls that have to do with some calls; and by their ids those that are these calls themselves."""
    calls = {look.batch.id for look in looks}
    names = {name for look in looks for task in look.batch.tasks for name in names_in_list(task.target)}
    keys = [key for page in kit.spool.accepted() for key in page if key.call in calls or key.may_hold(names)]
    keys.sort(key=lambda key: (key.call not in calls, -key.created))
    read = list(kit.spool.submissions(keys[:KNOWN_READ_MAX]).values())
    return read, {each.batch.id: each for each in read if each.batch.id in calls}


def _nothing_twice(looks: Iterable[_Look], survey: Survey, session: Session, now: float) -> frozenset[str]:
    """Tell which calls' rows were listed as a whole for the second time; note when the others' were for the first."""
    before = session.books.looked
    first = {look.batch.id: before.get(look.batch.id, now) for look in looks if look.is_complete}
    open_ = {key.call for key in survey.intents}
    session.books = session.books.with_looked({id_: at for id_, at in {**before, **first}.items() if id_ in open_})
    return frozenset(id_ for id_, at in first.items() if now - at >= SECOND_LOOK_SECONDS)


def _groups_of(kit: Kit, batch: Batch) -> tuple[Group, ...]:
    row_type = kit.provider.shape(batch.target).row_type
    return tuple((domain, row_type) for domain in batch.domains)


def _look(kit: Kit, looks: Sequence[_Look], survey: Survey, until: float) -> _Asking:
    """List the rows of each domain and type once, from the oldest call of it on; one that fails stops no other."""
    groups: dict[Group, list[_Look]] = {}
    for look in looks:
        for group in look.groups:
            groups.setdefault(group, []).append(look)
    asking = _Asking()
    listed: Counter[str] = Counter()
    for group, some in _from_any(list(groups.items()), kit.chance()):
        if kit.clock() >= until:
            break
        since = min(_begun(look) for look in some) - CLOCKS_DIFFER_SECONDS
        span = (since + kit.cdn.ahead(), survey.date + kit.cdn.ahead() + AFTER_SECONDS)
        try:
            page = _listed(kit, group, span, until)
        except CdnError as error:
            asking.failed[group] = error
            continue
        asking.came.add(group)
        for look in some:
            look.rows += page.rows
            listed[look.key.text] += page.is_complete
    for look in _from_any(looks, kit.chance()):
        look.is_complete = listed[look.key.text] == len(look.groups)
        if not look.is_complete and asking.failed.keys().isdisjoint(look.groups):
            _look_for_samples(kit, look, survey, asking, until)
    return asking


def _from_any(items: Sequence[T], chance: float) -> list[T]:
    """Begin anywhere, so that each has its turn where time does not suffice for all."""
    first = int(chance * len(items)) % max(1, len(items))
    return [*items[first:], *items[:first]]


def _listed(kit: Kit, group: Group, span: tuple[float, float], until: float) -> Page:
    domain, row_type = group
    if not row_type:
        return Page((), 1)
    try:
        return kit.cdn.listed(
            domain=domain,
            object_type=row_type,
            since=span[0],
            until=span[1],
            pages_max=PAGES_PER_LISTING_MAX,
            go_on=lambda: kit.clock() < until,
        )
    finally:
        kit.sleep(1.0 / kit.provider.list_calls_per_second)


def _look_for_samples(kit: Kit, look: _Look, survey: Survey, asking: _Asking, until: float) -> None:
    """Ask for some targets of a call by their URLs, which the list takes to the letter."""
    samples = _samples(look.batch)
    is_complete = True
    for target in samples:
        if kit.clock() >= until:
            return
        since, till = _begun(look) - CLOCKS_DIFFER_SECONDS, survey.date + AFTER_SECONDS
        try:
            page = kit.cdn.tasks(url=target.url, since=since + kit.cdn.ahead(), until=till + kit.cdn.ahead())
        except CdnError as error:
            asking.failed[target.domain, look.groups[0][1]] = error
            return
        kit.sleep(1.0 / kit.provider.list_calls_per_second)
        look.rows += page.rows
        is_complete = is_complete and page.is_complete
    look.samples = frozenset(samples)
    look.is_complete = is_complete


def _samples(batch: Batch) -> Iterable[Target]:
    """Targets that together tell all ids of a call: of each domain the first, the middle and the last."""
    of_domains: dict[str, list[Target]] = {}
    for target in dict.fromkeys(task.target for task in batch.tasks):
        of_domains.setdefault(target.domain, []).append(target)
    chosen = (dict.fromkeys((own[0], own[len(own) // 2], own[-1])) for own in of_domains.values())
    return [target for own in chosen for target in own]


def _in_trouble(kit: Kit, asking: _Asking, books: Books, open_calls: int) -> Books:
    """Leave listings that fail alone for a while; where all do, find out whether the CDN is there at all.

    A call that is lost as a probe has to be asked about later, too: once there are some, to ask is probe enough, and a
    call goes now and then only, in case it is just the task list that fails.
    """
    now = kit.clock()
    for group, error in asking.failed.items():
        slot = listing_of(*group)
        books = _held(books, slot, now, error)
        kit.report.warning(
            "the task list does not answer; calls of unknown outcome wait", domain=group[0], code=error.code
        )
    if asking.came - asking.failed.keys():
        return books
    slots = [listing_of(*group) for group in asking.failed]
    errors = list(asking.failed.values())
    refusal = next((error for error in errors if isinstance(error, Refused)), None)
    if refusal is not None:
        if not any(books.holds[slot].told for slot in slots):
            _tell_of_refusal(kit, refusal)
        return books.told(slots)
    last = errors[-1]
    is_there = isinstance(last, Throttled) or books.went_well_since(now - SUCCESS_COUNTS_SECONDS)
    before = books.holds.get(SERVICE)
    if is_there or (before is not None and (open_calls < LOST_PROBES_MAX or before.tries % PROBED_EACH == 0)):
        return books
    if before is None:
        return books.hold(SERVICE, now, now, last.code, last.message)
    return books.hold(SERVICE, now + SERVICE_PAUSE_SECONDS, now, last.code, last.message, failed=True)


def _held(books: Books, slot: str, now: float, error: CdnError) -> Books:
    """Leave a listing that fails alone; how often it told nothing new before does not count."""
    before = books.holds.get(slot)
    if before is not None and not before.code:
        books, before = books.lift(slot), None
    tries = (before.tries if before else 0) + 1
    due = now + max(error.wait_seconds, failed_look_pause(tries))
    return books.hold(slot, due, now, error.code, error.message, failed=True)


def _paced(
    asking: _Asking,
    looks: Iterable[_Look],
    left: Collection[_Look],
    new: Collection[str],
    books: Books,
    now: float,
) -> Books:
    """Leave listings that told nothing new alone, ever longer, and forget those that nobody needs any more."""
    open_ = {look.key.text for look in left}
    moved = {group for look in looks if look.key.text not in open_ or look.batch.id in new for group in look.groups}
    for group in asking.came - asking.failed.keys():
        slot = listing_of(*group)
        before = books.holds.get(slot)
        if before is not None and (before.code or group in moved):
            books, before = books.lift(slot), None
        books = books.hold(slot, now + look_pause((before.tries if before else 0) + 1), now, failed=True)
    return books.without_listings({listing_of(*group) for look in left for group in look.groups})


def _tell_of_refusal(kit: Kit, error: CdnError) -> None:
    alarm = Alarm(
        "the CDN's task list is refused to this account; calls whose answers were lost wait",
        "grant the functions' role cdn:DescribeRefreshTasks and cdn:DescribeRefreshTaskById",
    )
    kit.report.error("alarm", alarm=alarm.text, remedy=alarm.remedy, code=error.code, message=error.message)
