"""Calls of unknown outcome in; the task list is asked about them, and what it shows is decided and applied.

Rules:

1. One listing by domain, type and time answers for all calls of a domain; where it is too long to be read, some of a
   call's targets are asked for one by one.
2. "No row" counts from a complete listing only, late enough after the call, and twice: when the first was is kept in
   the books, so the second may be another invocation's.
3. Asking has its share of the time, so that slow answers keep nothing else from being sent. Where it does not suffice
   for all domains, chance decides which come first.
4. Where the list does not answer, the CDN is in trouble: nothing is sent until it is asked again, after a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.core.decide import Alarm, Asked, Snapshot, decide
from shared.core.errors import AccountRefused, CdnError, Refused, Throttled
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE
from shared.core.task.model import Batch, Submission, Target, Try
from shared.core.task.rows import CdnTask, Page
from shared.core.task.stored import CallKey, Survey
from shared.flow.apply import Session, apply
from shared.flow.kit import Invocation, Kit

CALLS_PER_ROUND_MAX = 200
PAGES_PER_LISTING_MAX = 12
SECOND_LOOK_SECONDS = 2.0
"""How far apart the two looks are at least that find no row."""
ASK_SHARE = 0.5
"""Until which part of the time more is asked while other tasks wait to be sent."""
SAMPLES_PER_DOMAIN_MAX = 3
CLOCKS_DIFFER_SECONDS = 2.0
"""How far OSS's clock and the CDN's may be apart for a row to be taken for a call's."""
AFTER_SECONDS = 60.0
"""How far beyond now a listing asks, since no two clocks agree."""
KNOWN_READ_MAX = 200
TROUBLE_PAUSE_SECONDS = 55.0


@dataclass
class _Look:
    """What the task list has shown of one call."""

    key: CallKey
    batch: Batch
    rows: list[CdnTask] = field(default_factory=list)
    samples: frozenset[Target] = frozenset()
    is_complete: bool = False


_Group = tuple[tuple[str, str], list[_Look]]


def ask(kit: Kit, run: Invocation, survey: Survey, session: Session, until: float) -> frozenset[Try] | None:
    """Settle calls of unknown outcome as far as the task list tells; returns the tries that stay unknown.

    None where there are too many to read: nothing can then be sent in this round.
    """
    keys = sorted(survey.intents, key=lambda key: key.created, reverse=True)
    batches = kit.spool.intents(keys[:CALLS_PER_ROUND_MAX])
    looks = [_Look(key, batches[key.text]) for key in keys if key.text in batches]
    known, accepted = _known(kit, looks)
    replaced = {batch.replaces for batch in batches.values()} | {each.batch.replaces for each in known}
    open_ = [look for look in looks if look.batch.id not in accepted and look.batch.id not in replaced]
    ripe = [look for look in open_ if survey.date - look.key.modified >= kit.provider.rows_appear_within_seconds]
    if ripe and not _is_held(kit, session):
        names = {task.target.name for look in open_ for task in look.batch.tasks}
        others = any(not key.may_hold(names) for key in survey.notes)
        share = ASK_SHARE if others else 1.0
        asking_ends = kit.clock() + (until - kit.clock()) * share
        _look_up(kit, [look for look in ripe if not _is_forgotten(kit, look, survey)], session, survey, asking_ends)
    nothing = _nothing_twice(looks, session, kit.clock())
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
    if len(keys) > CALLS_PER_ROUND_MAX:
        return None
    served = {key.text for key in decision.served}
    return frozenset(task.this_try for look in looks if look.key.text not in served for task in look.batch.tasks)


def _begun(look: _Look) -> float:
    """When a call was begun; its intent may have been written again since."""
    return min(look.key.modified, float(int(look.key.created)))


def _is_held(kit: Kit, session: Session) -> bool:
    return any(session.books.is_held(name, kit.clock()) for name in (SERVICE, ACCOUNT, FLOW))


def _is_forgotten(kit: Kit, look: _Look, survey: Survey) -> bool:
    return survey.date - look.key.modified > kit.provider.look_back_seconds


def _known(kit: Kit, looks: Sequence[_Look]) -> tuple[list[Submission], dict[str, Submission]]:
    """Read accepted calls that have to do with some calls; and by their ids those that are these calls themselves."""
    calls = {look.batch.id for look in looks}
    names = {task.target.name for look in looks for task in look.batch.tasks}
    keys = [key for page in kit.spool.accepted() for key in page if key.call in calls or key.may_hold(names)]
    keys.sort(key=lambda key: (key.call not in calls, -key.created))
    read = list(kit.spool.submissions(keys[:KNOWN_READ_MAX]).values())
    return read, {each.batch.id: each for each in read if each.batch.id in calls}


def _nothing_twice(looks: Iterable[_Look], session: Session, now: float) -> frozenset[str]:
    """Tell which calls' rows were listed as a whole for the second time; note when the others' were for the first."""
    before = session.books.looked
    first = {look.batch.id: before.get(look.batch.id, now) for look in looks if look.is_complete}
    open_ = {look.batch.id for look in looks}
    session.books = session.books.with_looked({id_: at for id_, at in {**before, **first}.items() if id_ in open_})
    return frozenset(id_ for id_, at in first.items() if now - at >= SECOND_LOOK_SECONDS)


def _look_up(kit: Kit, looks: Sequence[_Look], session: Session, survey: Survey, until: float) -> None:
    """Ask for the rows of some calls."""
    try:
        _look(kit, looks, survey, until)
    except CdnError as error:
        _trouble(kit, error, session)


def _look(kit: Kit, looks: Sequence[_Look], survey: Survey, until: float) -> None:
    """List the rows of each domain and type once, from the oldest call of it on."""
    groups: dict[tuple[str, str], list[_Look]] = {}
    for look in looks:
        row_type = kit.provider.shape(look.batch.target).row_type
        for domain in look.batch.domains:
            groups.setdefault((domain, row_type), []).append(look)
    listed: Counter[str] = Counter()
    for (domain, row_type), some in _from_any(list(groups.items()), kit.chance()):
        if kit.clock() >= until:
            break
        since = min(_begun(look) for look in some) - CLOCKS_DIFFER_SECONDS
        span = (since + kit.cdn.ahead(), survey.date + kit.cdn.ahead() + AFTER_SECONDS)
        page = _listed(kit, domain, row_type, span, until) if row_type else Page((), 1)
        for look in some:
            look.rows += page.rows
            listed[look.key.text] += page.is_complete
    for look in looks:
        look.is_complete = listed[look.key.text] == len(look.batch.domains)
        if not look.is_complete:
            _look_for_samples(kit, look, survey, until)


def _from_any(groups: list[_Group], chance: float) -> list[_Group]:
    """Begin anywhere, so that each has its turn where time does not suffice for all."""
    first = int(chance * len(groups)) % max(1, len(groups))
    return groups[first:] + groups[:first]


def _listed(kit: Kit, domain: str, row_type: str, span: tuple[float, float], until: float) -> Page:
    page = kit.cdn.listed(
        domain=domain,
        object_type=row_type,
        since=span[0],
        until=span[1],
        pages_max=PAGES_PER_LISTING_MAX,
        go_on=lambda: kit.clock() < until,
    )
    kit.sleep(1.0 / kit.provider.list_calls_per_second)
    return page


def _look_for_samples(kit: Kit, look: _Look, survey: Survey, until: float) -> None:
    """Ask for some targets of a call by their URLs, which the list takes to the letter."""
    samples = _samples(look.batch)
    is_complete = True
    for target in samples:
        if kit.clock() >= until:
            return
        since, till = _begun(look) - CLOCKS_DIFFER_SECONDS, survey.date + AFTER_SECONDS
        page = kit.cdn.tasks(url=target.url, since=since + kit.cdn.ahead(), until=till + kit.cdn.ahead())
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


def _trouble(kit: Kit, error: CdnError, session: Session) -> None:
    """The task list does not answer: what is unknown stays so, and nothing is sent before it is asked again."""
    now, slot = kit.clock(), SERVICE
    pause = TROUBLE_PAUSE_SECONDS
    if isinstance(error, Throttled):
        slot, pause = FLOW, max(1.0, error.wait_seconds)
    elif isinstance(error, AccountRefused | Refused):
        slot = ACCOUNT
    books = session.books.hold(slot, now + pause, now, error.code, error.message, failed=True)
    kit.report.warning("the task list does not answer; calls of unknown outcome wait", code=error.code)
    if slot == ACCOUNT and not books.holds[slot].told:
        books = books.told([slot])
        alarm = Alarm(
            "the CDN's task list is refused to this account; calls whose answers were lost wait",
            "grant the functions' role cdn:DescribeRefreshTasks and cdn:DescribeRefreshTaskById",
        )
        kit.report.error("alarm", alarm=alarm.text, remedy=alarm.remedy, code=error.code, message=error.message)
    session.books = books
