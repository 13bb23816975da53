"""The life of a task: what asks for it, what it asks for, the states it goes through, and each step as a record.

(event) ─▶ waiting ─▶ intended ─▶ accepted ─▶ done ─▶ (a prefetch follows: a new task)
▲  │          │           │
│  │          ▼           │ rows failed
│  │       unknown ───────┤
└──┼── put off until its reason lifts
└─▶ superseded · dead          skipped: a rule of the site, before any of this
"""

from __future__ import annotations

import hashlib
from enum import Enum, IntEnum
from typing import NewType

import msgspec

TaskId = NewType("TaskId", str)


class Action(str, Enum):
    """What happened to an object."""

    CREATED = "created"
    REMOVED = "removed"


class Kind(str, Enum):
    """What the CDN is asked to do."""

    REFRESH = "refresh"
    PREFETCH = "prefetch"


class Form(str, Enum):
    """What a task's URL stands for: itself, everything below it, all its query variants, or a pattern."""

    FILE = "file"
    DIRECTORY = "directory"
    IGNORE_PARAMS = "ignore-params"
    REGEX = "regex"


class Lane(IntEnum):
    """How urgent a task is, most urgent first. The number is part of the spool's keys."""

    REMOVED = 0
    OVERWRITTEN = 1
    MANUAL = 2
    SPELLED = 3
    """Another spelling of a URL that is refreshed in the lane of its change."""
    PREFETCH = 4


class State(str, Enum):
    """Where a task stands."""

    WAITING = "waiting"
    """In `waiting/`: it goes next, or once the reason for which it waits is lifted."""
    INTENDED = "intended"
    """In `submitting/`: a call for it is about to be made, or is under way."""
    UNKNOWN = "unknown"
    """In `submitting/`: the call was made and nobody knows what came of it."""
    ACCEPTED = "accepted"
    """In `accepted/`: the CDN is at it."""
    DONE = "done"
    """The CDN has completed it."""
    SUPERSEDED = "superseded"
    """Something else covers it, or has made it needless."""
    SKIPPED = "skipped"
    """A rule of the site says to do nothing."""
    DEAD = "dead"
    """In `dead/`: given up, with its reason and its history."""


ENDS = frozenset({State.DONE, State.SUPERSEDED, State.SKIPPED, State.DEAD})


class Result(str, Enum):
    """What a record of the outcome log tells: a step of a task, or something that is about no task.

    `deferred` is told of a task's first wait and of a failure after which it goes again, not of each further wait:
    a `round` counts those by their reasons. A `report` has the status as JSON; `expired` and `told` name in their
    message what was deleted from `dead/` after its time, or what was seen that fits nothing.
    """

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    UNCERTAIN = "uncertain"
    DONE = "done"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"
    DEAD = "dead"
    ROUND = "round"
    REPORT = "report"
    EXPIRED = "expired"
    TOLD = "told"


class ObjectChange(msgspec.Struct, frozen=True):
    """One created or removed object, as OSS reported it.

    `key` is raw UTF-8; `time` is in epoch seconds; `delta_size` is the growth in bytes, None where
    the event did not say. `id` is the same for every delivery of the same event.
    """

    id: str
    action: Action
    event_name: str
    bucket: str
    key: str
    etag: str
    size: int
    delta_size: int | None
    time: float

    @property
    def is_new(self) -> bool:
        """Nothing was there before: OSS then reports a growth of the whole size.

        An overwritten empty object reports the same and cannot be told apart.
        """
        return self.action is Action.CREATED and self.delta_size == self.size


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a task exists: the event's id, name and time (epoch seconds), and the object it was about."""

    event_id: str
    event_name: str
    time: float
    bucket: str = ""
    key: str = ""
    etag: str = ""

    @property
    def source(self) -> tuple[str, str]:
        """The object: its bucket and key."""
        return (self.bucket, self.key)


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked of whom: one unit covers all tasks of the same target.

    `provider` and `account` name a CDN and an account of it. `force` matters to directories only.
    """

    kind: Kind
    form: Form
    url: str
    force: bool = False
    provider: str = "alibaba-cdn"
    account: str = ""

    @property
    def domain(self) -> str:
        """The accelerated domain, in lower case."""
        return domain_of(self.url)

    @property
    def name(self) -> str:
        """A text that only this target has, for indexes."""
        return "\n".join((self.provider, self.account, self.kind, self.form, str(self.force), self.url))


class Try(msgspec.Struct, frozen=True, order=True):
    """Names one try of a task. After a failure at the CDN the same task goes again, as its next try."""

    task: TaskId
    number: int = 0


CONTROL = "control"
"""What stands in place of an event where a target goes only to tell whether the CDN works: a unit a try."""
TEXT_CHARACTERS_MAX = 300
HISTORY_STEPS_MAX = 12


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a task's history: when (epoch seconds), what came of it, and the vendor's words."""

    at: float
    result: Result
    code: str = ""
    message: str = ""
    request_id: str = ""


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """One target to refresh or prefetch, for one cause.

    `then_prefetch` asks for a prefetch once the refresh is complete. Why and until when a task waits is said by where
    its note lies, so that nothing is written again when a reason is lifted.
    """

    id: TaskId
    target: Target
    site: str
    lane: Lane
    cause: Cause
    then_prefetch: bool = False
    calls_tried: int = 0
    """Calls it was part of that came to nothing."""
    cdn_failures: int = 0
    """How often the CDN accepted it and failed."""
    unknowns: int = 0
    """Calls it was part of whose outcome was unknown and that were not carried out."""
    blamed: int = 0
    """Of those, in how many it was alone while other calls for its domain succeeded."""
    part: str = ""
    """Tasks of a call that failed share this mark and go apart from all others, until the bad one is found."""
    history: tuple[Step, ...] = ()
    or_directory: str = ""
    """What is refreshed in its place once the units that it needs are spent; empty where it waits for them."""

    def __post_init__(self) -> None:
        """Read what earlier versions stored: they knew no second spellings, and 3 was the lane of prefetches."""
        if self.lane is Lane.SPELLED and self.target.kind is Kind.PREFETCH:
            msgspec.structs.force_setattr(self, "lane", Lane.PREFETCH)

    def with_step(self, step: Step) -> Task:
        """Add an entry to the history; an equal one before it and the oldest ones give way."""
        cut = msgspec.structs.replace(step, message=step.message[:TEXT_CHARACTERS_MAX])
        kept = self.history
        if kept and (kept[-1].result, kept[-1].code) == (cut.result, cut.code):
            kept = kept[:-1]
        return msgspec.structs.replace(self, history=(*kept, cut)[-HISTORY_STEPS_MAX:])

    @property
    def is_control(self) -> bool:
        """Whether it goes only to tell whether the CDN works; a change that shares its call does not end with it."""
        return self.cause.event_id == CONTROL

    @property
    def this_try(self) -> Try:
        """Names the current try."""
        return Try(self.id, self.cdn_failures)

    @property
    def domain(self) -> str:
        """The accelerated domain, in lower case."""
        return self.target.domain

    @property
    def url(self) -> str:
        """The URL of its target."""
        return self.target.url


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tasks of one call: targets of one kind, form, `force`, provider and account, within the limits of a call.

    Tasks may share a target: it is sent once and covers all of them. `id` names the call in the spool and in the
    outcome log; `created` is in epoch seconds, taken before the call. `replaces` names the call that was refused and
    of which this is a part: of that nothing is left to find out.
    """

    id: str
    tasks: tuple[Task, ...]
    created: float
    replaces: str = ""

    @property
    def target(self) -> Target:
        """The target of its first task: kind, form, force, provider and account are those of all."""
        return self.tasks[0].target

    @property
    def urls(self) -> tuple[str, ...]:
        """The distinct URLs, in the order of the tasks: what is sent, and how many units it costs."""
        return tuple(dict.fromkeys(task.url for task in self.tasks))

    @property
    def domains(self) -> tuple[str, ...]:
        """The distinct domains, in the order of the tasks."""
        return tuple(dict.fromkeys(task.domain for task in self.tasks))

    @property
    def newest(self) -> dict[str, Task]:
        """Of each URL the task with the latest cause: it is followed to its end, and covers the others.

        Events tell whole seconds: of two changes in one second, the one that asks for a prefetch counts as later.
        """
        found: dict[str, Task] = {}
        for task in sorted(self.tasks, key=lambda task: (not task.is_control, task.cause.time, task.then_prefetch)):
            found[task.url] = task
        return found

    def accepted(self, task_ids: tuple[str, ...], request_id: str, now: float) -> Submission:
        """What the spool keeps once the CDN took this call: older tasks of a URL have ended as superseded.

        A URL may be refreshed for several objects: the removal of one takes no prefetch from the others.
        """
        last = self.newest
        asked = {
            task.url for task in self.tasks if task.then_prefetch and task.cause.source != last[task.url].cause.source
        }
        newest = tuple(
            msgspec.structs.replace(task, then_prefetch=task.then_prefetch or url in asked)
            for url, task in last.items()
        )
        followed = {task.this_try for task in newest}
        covered = tuple(sorted({task.this_try for task in self.tasks} - followed))
        return Submission(msgspec.structs.replace(self, tasks=newest), task_ids, request_id, now, covered)


class Submission(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that the CDN accepted. Its batch has the newest task of each URL only; `covered` names the others.

    `request_id` is empty where the answer was lost and the task list has shown the call.
    """

    batch: Batch
    task_ids: tuple[str, ...] = ()
    request_id: str = ""
    accepted: float = 0.0
    covered: tuple[Try, ...] = ()

    @property
    def tries(self) -> frozenset[Try]:
        """The tries that this call was made for."""
        return frozenset(self.covered).union(task.this_try for task in self.batch.tasks)


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of one task (or one event that caused none), as it goes to the outcome log."""

    time: float
    result: Result
    task_id: str = ""
    event_id: str = ""
    event_name: str = ""
    event_time: float = 0.0
    bucket: str = ""
    key: str = ""
    site: str = ""
    lane: str = ""
    url: str = ""
    domain: str = ""
    kind: str = ""
    form: str = ""
    attempt: int = 0
    units: int = 0
    call: str = ""
    cdn_task_ids: str = ""
    request_id: str = ""
    code: str = ""
    message: str = ""
    due: float = 0.0
    latency_ms: int = 0


def domain_of(url: str) -> str:
    """The host of an absolute URL, in lower case; `""` where there is none."""
    _, _, rest = url.partition("://")
    return rest.partition("/")[0].partition("?")[0].lower()


def digest(*parts: str) -> str:
    """Name a sequence of texts in 20 hex digits; the same parts always have the same name."""
    return hashlib.sha256(json_bytes(parts)).hexdigest()[:20]


def json_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8; keys come in the order of the fields."""
    return msgspec.json.encode(value)


def outcome(task: Task, result: Result, now: float, **details: object) -> Outcome:
    """Record one step of a task; `details` are further fields of `Outcome`."""
    return Outcome(
        time=now,
        result=result,
        task_id=task.id,
        event_id=task.cause.event_id,
        event_name=task.cause.event_name,
        event_time=task.cause.time,
        bucket=task.cause.bucket,
        key=task.cause.key,
        site=task.site,
        lane=task.lane.name.lower(),
        url=task.url,
        domain=task.domain,
        kind=task.target.kind.value,
        form=task.target.form.value,
        attempt=task.calls_tried + task.cdn_failures,
        **details,  # type: ignore[arg-type]
    )
