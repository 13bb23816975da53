"""Waiting tasks, the books, the limits and the time in; what goes now, in which calls, and what waits for which reason.

Rules:

1. Equal targets merge: one unit covers all of their tasks.
2. The most urgent lane goes first; inside it, the oldest change.
3. A URL is not prefetched while a refresh of it waits or is unfinished, nor where that is for its object's removal.
4. What the day's or the minute's quota does not leave waits, and is never dropped.
5. Of a domain in trouble one target goes as a probe, in a call of its own; of everything one, while the CDN is.
6. Tasks of a call that failed for its content go apart from all others, with those of their part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from shared.core.plan.books import ACCOUNT, SERVICE, Books, per_minute, spendable
from shared.core.plan.limits import Limits
from shared.core.plan.retry import MEANWHILE_SECONDS
from shared.core.task.covers import covers, refreshes_of, voids
from shared.core.task.model import CONTROL, Cause, Form, Kind, Lane, Target, Task, TaskId, digest
from shared.core.task.notes import Place
from shared.core.task.provider import Provider
from shared.core.task.waits import REFRESH, Wait, minute_of_domain, quota_of, trouble_of


class Shrunk(msgspec.Struct, frozen=True):
    """A call that was made smaller: to how many targets, for want of what, and without which tasks."""

    step: int
    wait: Wait
    behind: tuple[Task, ...] = ()


class Call(msgspec.Struct, frozen=True):
    """The tasks of one call to come: one kind, form, `force`, provider and account, within the limits of a call.

    What the search for a bad target remembers: `aside` are tasks to send once that is found, `other` is the half that
    holds it if this one does not; `found` counts those found so far, `replaces` names the refused call it is a part of.
    `shrunk` tells of one that a minute or a day did not leave as a whole. `since` is when (epoch seconds) it was first
    refused, as it or as a part of more, though that need not be for what is in it; `halved` tells that its domain was
    accepted then.
    """

    tasks: tuple[Task, ...]
    replaces: str = ""
    is_probe: bool = False
    other: tuple[Task, ...] = ()
    aside: tuple[Task, ...] = ()
    found: int = 0
    shrunk: Shrunk | None = None
    since: float = 0.0
    halved: bool = False

    @property
    def target(self) -> Target:
        """The target of its first task."""
        return self.tasks[0].target


class Plan(msgspec.Struct, frozen=True):
    """What goes now, what waits where, and what is void. A task of the input that is in none stays where it is."""

    calls: tuple[Call, ...] = ()
    waits: tuple[tuple[Task, Place], ...] = ()
    void: tuple[Task, ...] = ()
    """Prefetches of objects that were removed since, as far as a refresh for the removal still waits or runs."""


class _Asked(msgspec.Struct):
    """All tasks of one target."""

    target: Target
    tasks: list[Task]

    @property
    def urgency(self) -> tuple[bool, int, float, str]:
        lane, oldest = min(task.lane for task in self.tasks), min(task.cause.time for task in self.tasks)
        return (self.target.kind is Kind.PREFETCH, lane, oldest, self.target.url)

    @property
    def part(self) -> str:
        return max(task.part for task in self.tasks)

    @property
    def was_blamed(self) -> bool:
        return any(task.blamed for task in self.tasks)

    @property
    def is_suspect(self) -> bool:
        return any(task.unknowns for task in self.tasks)


class Refreshes:
    """Refreshes that wait or run, found by what they reach."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._tasks: dict[Target, list[Task]] = {}
        for task in tasks:
            self.add(task)

    def add(self, task: Task) -> None:
        """Take in one more."""
        if task.target.kind is Kind.REFRESH:
            self._tasks.setdefault(task.target, []).append(task)

    def reaching(self, target: Target) -> list[Task]:
        """Find those that reach a target."""
        if not self._tasks:
            return []
        return [task for refresh in refreshes_of(target) for task in self._tasks.get(refresh, ())]


def plan(
    tasks: Iterable[Task], books: Books, limits: Limits, provider: Provider, now: float, refreshes: Iterable[Task] = ()
) -> Plan:
    """Plan the next calls. `refreshes` are those that run, or wait elsewhere."""
    asked = sorted(_merged(tasks), key=lambda each: each.urgency)
    budget = _Budget(books, limits, provider, now, asked)
    known = Refreshes([*refreshes, *(task for each in asked for task in each.tasks)])
    probes = [each for each in asked if budget.is_probe(each)]
    controls = list(_controls([*probes, *budget.unsure(asked)], asked, known, budget, books))
    void: list[Task] = []
    behind = _behind(asked, known, void)
    asked = [each for each in asked if each.tasks]
    if any(name in books.holds for name in (SERVICE, ACCOUNT)):
        open_ = [each for each in asked if each.target not in behind]
        probed = _probe_of_everything(open_, known, budget, books)
        return msgspec.structs.replace(probed, void=tuple(void))
    going: list[_Asked] = []
    waits: list[tuple[Task, Place]] = []
    for each in asked:
        place = behind.get(each.target) or budget.place(each)
        if place is None:
            going.append(each)
        else:
            waits += [(task, place) for task in each.tasks]
    calls = [Call(tuple(each.tasks), is_probe=True) for each in going if budget.is_probe(each)]
    going = [each for each in going if not budget.is_probe(each)]
    return Plan((*controls, *calls, *_calls(going, provider)), tuple(waits), tuple(void))


def _behind(asked: Iterable[_Asked], known: Refreshes, void: list[Task]) -> dict[Target, Place]:
    """Find the prefetches that wait for refreshes which reach them; what removals have made void leaves them."""
    prefetches = (each for each in asked if each.target.kind is Kind.PREFETCH)
    places = ((each.target, _place_of_prefetch(each, known, void)) for each in prefetches)
    return {target: place for target, place in places if place is not None}


def _probe_of_everything(asked: Sequence[_Asked], known: Refreshes, budget: _Budget, books: Books) -> Plan:
    """Let one target go, another one each time: its answer tells whether the CDN is there again."""
    allowed = [each for each in asked if budget.allows(each)]
    places = [(each, budget.place(each)) for each in asked if each not in allowed]
    waits = tuple((task, place) for each, place in places if place for task in each.tasks)
    probes = [each for each in allowed if not each.is_suspect] or allowed
    if not probes:
        return Plan(waits=waits)
    tries = books.probes + sum(books.holds[name].tries for name in (SERVICE, ACCOUNT) if name in books.holds)
    by_domain: dict[str, list[_Asked]] = {}
    for each in probes:
        by_domain.setdefault(each.target.domain, []).append(each)
    own = list(by_domain.values())[tries % len(by_domain)]
    probe = own[tries // len(by_domain) % len(own)]
    controls = _controls([probe], asked, known, budget, books)
    return Plan((*controls, Call(tuple(probe.tasks), is_probe=True)), waits)


def _controls(
    probes: Sequence[_Asked], asked: Sequence[_Asked], known: Refreshes, budget: _Budget, books: Books
) -> Iterator[Call]:
    """Let something that went well before go ahead of a probe that has failed before: if it does, the probe is bad."""
    suspects = (each.target for each in probes if each.is_suspect)
    own = sorted({(target.kind is Kind.PREFETCH, budget.unit(target), target.domain) for target in suspects})
    going = {each.target for each in probes}
    for _, unit, domain in own:  # refreshes first: they tell which prefetches may not go
        last = books.good.get(unit, {}).get(domain)
        if last is None or last.target in going or not _is_apart(last.target, asked, known):
            continue
        if budget.take(unit, domain, Lane.OVERWRITTEN) is None:
            going.add(last.target)
            cause = Cause(CONTROL, CONTROL, last.at)
            # Each is a task of its own: the one of the minute before has ended, maybe otherwise.
            task_id = TaskId(digest(CONTROL, last.target.name, f"{budget.now:.6f}"))
            task = Task(task_id, last.target, last.site, Lane.MANUAL, cause)
            known.add(task)
            yield Call((task,), is_probe=True)


def _is_apart(control: Target, asked: Sequence[_Asked], known: Refreshes) -> bool:
    """Whether a control is in no prefetch's way: it is none of what is refreshed, and refreshes no URL of one."""
    if control.kind is Kind.PREFETCH:
        return not known.reaching(control)
    return not any(each.target.kind is Kind.PREFETCH and covers(control, each.target) for each in asked)


def joined(planned: Plan, later: Iterable[Task]) -> Plan:
    """Let calls also cover what waits elsewhere and asks for the same, and end what their removals make void."""
    going = {task.this_try for call in planned.calls for task in call.tasks}
    removals = [task for call in planned.calls for task in call.tasks if task.lane is Lane.REMOVED]
    by_target: dict[Target, list[Task]] = {}
    void = list(planned.void)
    for task in {task.this_try: task for task in later}.values():
        if any(voids(removal, task) for removal in removals):
            void.append(task)
        elif task.this_try not in going:
            by_target.setdefault(task.target, []).append(task)
    return msgspec.structs.replace(
        planned, calls=tuple(_with(call, by_target) for call in planned.calls), void=tuple(void)
    )


def _with(call: Call, later: dict[Target, list[Task]]) -> Call:
    targets = dict.fromkeys(task.target for task in call.tasks)
    more = [task for target in targets for task in later.get(target, ())]
    return msgspec.structs.replace(call, tasks=(*more, *call.tasks))


def _place_of_prefetch(prefetch: _Asked, known: Refreshes, void: list[Task]) -> Place | None:
    """Tell whether a prefetch waits for refreshes that reach it; what a removal has made void leaves it.

    Of a folder's refreshes it waits for those that were asked for before it: later ones are about other objects, let
    edges revalidate what they hold, and may never end below a busy folder.
    """
    refreshes = known.reaching(prefetch.target)
    gone = [task for task in prefetch.tasks if any(voids(refresh, task) for refresh in refreshes)]
    prefetch.tasks = [task for task in prefetch.tasks if task not in gone]
    void += gone
    latest = max((task.cause.time for task in prefetch.tasks), default=0.0)
    sources = {task.cause.source for task in prefetch.tasks}
    own = [
        refresh
        for refresh in refreshes
        if refresh.target.form is not Form.DIRECTORY or refresh.cause.time <= latest or refresh.cause.source in sources
    ]
    return Place(REFRESH) if own else None


def _merged(tasks: Iterable[Task]) -> list[_Asked]:
    """Bring together the tasks that one unit covers; a task that comes twice counts once."""
    asked: dict[Target, _Asked] = {}
    for task in {task.this_try: task for task in tasks}.values():
        asked.setdefault(task.target, _Asked(task.target, [])).tasks.append(task)
    return list(asked.values())


class _Budget:
    """Counts down what the day and the minute leave, and lets one target go of each domain in trouble."""

    def __init__(self, books: Books, limits: Limits, provider: Provider, now: float, asked: Sequence[_Asked]) -> None:
        self._books, self._limits, self._provider, self.now = books, limits, provider, now
        self._spent: dict[str, int] = {}
        self._in_minute = {unit: dict(domains) for unit, domains in books.in_minute.items()}
        self._probes = self._chosen(asked)

    def place(self, each: _Asked) -> Place | None:
        """Take one unit; where none may be taken, tell for what the target waits."""
        unit, domain = self._provider.unit(each.target), each.target.domain
        trouble = trouble_of(unit, domain)
        if trouble.slot in self._books.holds and not self.is_probe(each):
            return Place(trouble)
        return self.take(unit, domain, min(task.lane for task in each.tasks))

    def unit(self, target: Target) -> str:
        """Name the quota that a target spends from."""
        return self._provider.unit(target)

    def take(self, unit: str, domain: str, lane: Lane) -> Place | None:
        """Take one unit of a quota for a domain; where none may be taken, tell for what that waits."""
        if self._spent.get(unit, 0) >= spendable(self._books, unit, lane, self._limits):
            return Place(quota_of(unit))
        of_unit = self._in_minute.setdefault(unit, {})
        if of_unit.get(domain, 0) >= per_minute(unit, self._limits, self._provider):
            return Place(minute_of_domain(unit, domain))
        of_unit[domain] = of_unit.get(domain, 0) + 1
        self._spent[unit] = self._spent.get(unit, 0) + 1
        return None

    def allows(self, each: _Asked) -> bool:
        """Whether a target may go if nothing else does."""
        unit, domain = self._provider.unit(each.target), each.target.domain
        lane = min(task.lane for task in each.tasks)
        used = self._books.in_minute.get(unit, {}).get(domain, 0)
        is_left = spendable(self._books, unit, lane, self._limits) > 0
        is_left = is_left and not self._books.is_held(trouble_of(unit, domain).slot, self.now)
        return is_left and used < per_minute(unit, self._limits, self._provider)

    def is_probe(self, each: _Asked) -> bool:
        """Whether a target is the one that goes of its domain while that is in trouble."""
        return each.target in self._probes

    def unsure(self, asked: Sequence[_Asked]) -> list[_Asked]:
        """Targets that have failed alone, and beside which nothing goes that would tell whether the CDN works."""
        since = self.now - MEANWHILE_SECONDS
        sound = {(self._provider.unit(each.target), each.target.domain) for each in asked if not each.is_suspect}
        found = []
        for each in asked:
            own = (self._provider.unit(each.target), each.target.domain)
            if each.was_blamed and own not in sound and not self._books.went_well_since(since, *own):
                found.append(each)
        return [each for each in found if self.allows(each)]

    def _chosen(self, asked: Sequence[_Asked]) -> frozenset[Target]:
        """Of each domain in trouble choose one target, another one each time."""
        of_slot: dict[str, list[Target]] = {}
        for each in sorted(asked, key=lambda each: each.is_suspect):
            slot = trouble_of(self._provider.unit(each.target), each.target.domain).slot
            if slot in self._books.holds and not self._books.is_held(slot, self.now):
                of_slot.setdefault(slot, []).append(each.target)
        return frozenset(some[self._books.holds[slot].tries % len(some)] for slot, some in of_slot.items())


def _calls(going: Sequence[_Asked], provider: Provider) -> Iterator[Call]:
    """Pack targets into as few calls as the limits of a call allow, the calls in order of urgency."""
    alike: dict[tuple[object, ...], list[_Asked]] = {}
    for each in going:
        target = each.target
        shape = (target.provider, target.account, target.kind, target.form, target.force, each.part)
        alike.setdefault(shape, []).append(each)
    boxes = [box for some in alike.values() for box in _boxes(some, provider)]
    for box in sorted(boxes, key=lambda box: box[0].urgency):
        yield Call(tuple(task for each in box for task in each.tasks))


def _boxes(asked: list[_Asked], provider: Provider) -> list[list[_Asked]]:
    """Cut each domain's targets into full calls; what is left of the domains shares calls, the largest first."""
    most = provider.shape(asked[0].target).per_call
    by_domain: dict[str, list[_Asked]] = {}
    for each in asked:
        by_domain.setdefault(each.target.domain, []).append(each)
    full: list[list[_Asked]] = []
    shared: list[list[list[_Asked]]] = []
    rests = []
    for own in by_domain.values():
        whole = len(own) - len(own) % most
        full += [own[start : start + most] for start in range(0, whole, most)]
        rests += [own[whole:]] if own[whole:] else []
    for rest in sorted(rests, key=len, reverse=True):
        fits = (
            box for box in shared if len(box) < provider.domains_per_call and sum(map(len, box)) + len(rest) <= most
        )
        box = next(fits, None)
        if box is None:
            shared.append([rest])
        else:
            box.append(rest)
    return full + [sorted((each for rest in box for each in rest), key=lambda each: each.urgency) for box in shared]
