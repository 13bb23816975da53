"""Waiting tasks, the ledger, the limits and the time in; what goes now, in which calls, and what waits until when.

Rules:

1. Equal URLs of one kind and form merge: one unit covers all of their tasks.
2. The most urgent lane goes first; inside it, the oldest change.
3. A URL is not prefetched while a refresh of it waits or is unfinished, nor where that is for its object's removal.
4. What the day's or the minute's quota does not leave is deferred, never dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from shared.core.plan.books import Ledger, after_reset, minute_key, minute_start, spendable, unit_of
from shared.core.plan.limits import (
    DIRECTORIES_PER_MINUTE_PER_DOMAIN_MAX,
    DIRECTORIES_PER_REFRESH_CALL_MAX,
    DOMAINS_PER_CALL_MAX,
    REGEXES_PER_REFRESH_CALL_MAX,
    URLS_PER_PREFETCH_CALL_MAX,
    URLS_PER_REFRESH_CALL_MAX,
    Limits,
)
from shared.core.task.model import Form, Kind, Lane, Task, domain_of

UNFINISHED_REFRESH_WAIT_SECONDS = 60.0
"""How long a prefetch steps back when a refresh of its URL is still under way."""

_PER_CALL = {
    Form.FILE: URLS_PER_REFRESH_CALL_MAX,
    Form.IGNORE_PARAMS: URLS_PER_REFRESH_CALL_MAX,
    Form.DIRECTORY: DIRECTORIES_PER_REFRESH_CALL_MAX,
    Form.REGEX: REGEXES_PER_REFRESH_CALL_MAX,
}


class Call(msgspec.Struct, frozen=True):
    """The tasks of one call to come: one kind, one form, one `force`, within the limits of a call."""

    kind: Kind
    form: Form
    force: bool
    tasks: tuple[Task, ...]


class Deferral(msgspec.Struct, frozen=True):
    """A task that cannot go now: when it may (epoch seconds), and why."""

    task: Task
    due: float
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """What goes now, what waits and what is void. Every task of the input stands in exactly one of the three."""

    calls: tuple[Call, ...] = ()
    deferred: tuple[Deferral, ...] = ()
    void: tuple[Task, ...] = ()
    """Prefetches of objects that were removed since, as far as a refresh for the removal still waits or runs."""


class _Target(msgspec.Struct):
    """All tasks that one unit covers."""

    kind: Kind
    form: Form
    force: bool
    url: str
    tasks: list[Task]

    @property
    def lane(self) -> Lane:
        return min(task.lane for task in self.tasks)

    @property
    def urgency(self) -> tuple[int, float, str]:
        return (self.lane, min(task.cause.time for task in self.tasks), self.url)


class Refreshing:
    """Refreshes that wait or run, and which URLs they cover."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._tasks: dict[tuple[Form, str], list[Task]] = {}
        for task in tasks:
            self.add(task)

    def add(self, task: Task) -> None:
        """Take in one more. Its due time tells how long it waits."""
        if task.kind is Kind.REFRESH:
            self._tasks.setdefault((task.form, task.url), []).append(task)

    def covering(self, url: str) -> list[Task]:
        """Find those about a URL: of itself, of a folder above it, or of all variants of its path."""
        return [task for target in _covers_of(url) for task in self._tasks.get(target, ())] if self._tasks else []


def _covers_of(url: str) -> list[tuple[Form, str]]:
    """List the refreshes that would cover a URL, by form and URL."""
    bare = url.partition("?")[0]
    folders = [(Form.DIRECTORY, bare[: end + 1]) for end, sign in enumerate(bare) if sign == "/"]
    return [(Form.FILE, url), (Form.IGNORE_PARAMS, bare), *folders]


class Related:
    """What a round asks of the tasks that are not due: which have to do with those that are."""

    def __init__(self, due: Iterable[Task], ended: Collection[str]) -> None:
        due = list(due)
        self._ended = ended
        self._targets = {task.target for task in due}
        self._covers = {cover for task in due if task.kind is Kind.PREFETCH for cover in _covers_of(task.url)}
        self._removed = {task.cause.source for task in due if task.lane is Lane.REMOVED}

    def has(self, task: Task) -> bool:
        """Whether it asks for the same, has ended, refreshes what is to be prefetched or prefetches what is removed."""
        if task.target in self._targets or task.turn in self._ended:
            return True
        if task.kind is Kind.PREFETCH:
            return task.cause.source in self._removed
        return (task.form, task.url) in self._covers


def plan(
    tasks: Iterable[Task],
    ledger: Ledger,
    limits: Limits,
    now: float,
    refreshing: Iterable[Task] = (),
) -> Plan:
    """Plan the next calls. `refreshing` are refreshes that run, or wait for a later time."""
    targets = sorted(_merge(tasks), key=lambda target: (target.kind is Kind.PREFETCH, *target.urgency))
    known = Refreshing(refreshing)
    going: list[_Target] = []
    deferred: list[Deferral] = []
    void: list[Task] = []
    budget = _Budget(ledger.at(now), limits, now)
    for target in targets:
        due, reason = 0.0, ""
        if target.kind is Kind.PREFETCH:
            due, reason = _wait_for(target, known.covering(target.url), now, void)
        if target.tasks and not reason:
            due, reason = budget.take(target)
        for task in target.tasks:
            known.add(msgspec.structs.replace(task, due=due))
        if reason:
            deferred.extend(Deferral(task, due, reason) for task in target.tasks)
        elif target.tasks:
            going.append(target)
    return Plan(tuple(_calls(going)), tuple(deferred), tuple(void))


def joined(planned: Plan, later: Iterable[Task]) -> Plan:
    """Let calls also cover what waits for a later time and asks for the same, and end what their removals make void."""
    removals = [task for call in planned.calls for task in call.tasks if task.lane is Lane.REMOVED]
    by_source = {task.cause.source: task for task in sorted(removals, key=lambda task: task.cause.time)}
    by_target: dict[tuple[Kind, Form, bool, str], list[Task]] = {}
    void = list(planned.void)
    for task in later:
        removal = by_source.get(task.cause.source)
        if removal and task.kind is Kind.PREFETCH and _removes(removal, task):
            void.append(task)
        else:
            by_target.setdefault(task.target, []).append(task)
    return Plan(tuple(_with(call, by_target) for call in planned.calls), planned.deferred, tuple(void))


def _with(call: Call, later: dict[tuple[Kind, Form, bool, str], list[Task]]) -> Call:
    own = {task.id for task in call.tasks}
    targets = dict.fromkeys(task.target for task in call.tasks)
    more = [task for target in targets for task in later.get(target, ()) if task.id not in own]
    return msgspec.structs.replace(call, tasks=(*more, *call.tasks)) if more else call


def _wait_for(prefetch: _Target, refreshes: list[Task], now: float, void: list[Task]) -> tuple[float, str]:
    """Tell until when a prefetch waits for refreshes that cover it; what a removal has made void leaves it.

    Of a folder's refreshes it waits for those that were asked for before it: later ones are about other objects, let
    edges revalidate what they hold, and may never end below a busy folder.
    """
    gone = [task for task in prefetch.tasks if any(_removes(refresh, task) for refresh in refreshes)]
    prefetch.tasks = [task for task in prefetch.tasks if task not in gone]
    void += gone
    latest = max((task.cause.time for task in prefetch.tasks), default=0.0)
    sources = {task.cause.source for task in prefetch.tasks}
    own = [
        refresh
        for refresh in refreshes
        if refresh.form is not Form.DIRECTORY or refresh.cause.time <= latest or refresh.cause.source in sources
    ]
    if not own:
        return 0.0, ""
    ready = max(now, *(refresh.due for refresh in own))
    return ready + UNFINISHED_REFRESH_WAIT_SECONDS, "a refresh of the same URL is unfinished"


def _removes(refresh: Task, prefetch: Task) -> bool:
    """Whether a refresh is for the removal of the object, at a later time than the prefetch is about."""
    one, other = refresh.cause, prefetch.cause
    return refresh.lane is Lane.REMOVED and one.source == other.source and one.time > other.time


def _merge(tasks: Iterable[Task]) -> list[_Target]:
    """Bring together the tasks that one unit covers; a task that comes twice counts once."""
    targets: dict[tuple[Kind, Form, bool, str], _Target] = {}
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            continue
        seen.add(task.id)
        key = task.target
        if key in targets:
            targets[key].tasks.append(task)
        else:
            targets[key] = _Target(*key, [task])
    return list(targets.values())


class _Budget:
    """Counts down what the day and the minute leave, target by target."""

    def __init__(self, ledger: Ledger, limits: Limits, now: float) -> None:
        self._ledger, self._limits, self._now = ledger, limits, now
        self._spent: dict[str, int] = {}
        self._in_minutes = dict(ledger.in_minute)

    def take(self, target: _Target) -> tuple[float, str]:
        """Take one unit; where none is left, tell when there may be one and why not now."""
        unit = unit_of(target.kind, target.form)
        if self._spent.get(unit, 0) >= spendable(self._ledger, unit, target.lane, self._limits):
            return after_reset(self._now), f"the day's {unit} quota is spent"
        used = self._in_minutes.get(minute_key(target.url, unit), 0)
        self._in_minutes[minute_key(target.url, unit)] = used + 1
        minutes_ahead = used // per_minute(unit, self._limits)
        if minutes_ahead:
            domain = domain_of(target.url)
            return minute_start(self._ledger.minute + minutes_ahead), f"{domain} is at its {unit} limit per minute"
        self._spent[unit] = self._spent.get(unit, 0) + 1
        return 0.0, ""


def per_minute(unit: str, limits: Limits) -> int:
    """How many units of a quota one domain may spend in a minute."""
    if unit == "directory":
        return DIRECTORIES_PER_MINUTE_PER_DOMAIN_MAX
    return limits.urls_per_minute_per_domain


def _calls(targets: list[_Target]) -> Iterator[Call]:
    """Pack targets into as few calls as the limits of a call allow, the calls in order of urgency."""
    shapes: dict[tuple[Kind, Form, bool], list[_Target]] = {}
    for target in targets:
        shapes.setdefault((target.kind, target.form, target.force), []).append(target)
    parts = [part for (kind, form, _), same in shapes.items() for part in _parts(same, _per_call(kind, form))]
    for part in sorted(parts, key=lambda part: part[0].urgency):
        first = part[0]
        yield Call(first.kind, first.form, first.force, tuple(task for target in part for task in target.tasks))


def _per_call(kind: Kind, form: Form) -> int:
    return URLS_PER_PREFETCH_CALL_MAX if kind is Kind.PREFETCH else _PER_CALL[form]


def _parts(targets: list[_Target], most: int) -> list[list[_Target]]:
    """Cut each domain's targets into full calls; what is left of the domains shares calls, the largest first."""
    by_domain: dict[str, list[_Target]] = {}
    for target in targets:
        by_domain.setdefault(domain_of(target.url), []).append(target)
    full: list[list[_Target]] = []
    shared: list[list[list[_Target]]] = []
    rests = []
    for own in by_domain.values():
        whole = len(own) - len(own) % most
        full += [own[start : start + most] for start in range(0, whole, most)]
        rests += [own[whole:]] if own[whole:] else []
    for rest in sorted(rests, key=len, reverse=True):
        fits = (box for box in shared if len(box) < DOMAINS_PER_CALL_MAX and sum(map(len, box)) + len(rest) <= most)
        box = next(fits, None)
        if box is None:
            shared.append([rest])
        else:
            box.append(rest)
    mixed = [sorted((target for rest in box for target in rest), key=lambda each: each.urgency) for box in shared]
    return full + mixed
