"""The values that travel through the system: a change of an object, the tasks it causes, their outcomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import Enum, IntEnum

import msgspec


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
    PREFETCH = 3


class Result(str, Enum):
    """Where one step left a task; `done`, `superseded`, `skipped` and `dead` end it.

    A `report` is about no task: its message is the status as JSON.
    """

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    UNCERTAIN = "uncertain"
    DONE = "done"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"
    DEAD = "dead"
    REPORT = "report"


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
        return self.action is Action.CREATED and self.delta_size is not None and self.delta_size == self.size


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


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a task's history: when (epoch seconds), what came of it, and the vendor's words."""

    at: float
    result: Result
    code: str = ""
    message: str = ""
    request_id: str = ""


HISTORY_STEPS_MAX = 20


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """One URL to refresh or prefetch.

    `due` is in epoch seconds, 0 for at once. `force` matters to directories only. `then_prefetch`
    asks for a prefetch once the refresh is complete.
    """

    id: str
    kind: Kind
    form: Form
    url: str
    site: str
    lane: Lane
    cause: Cause
    force: bool = False
    then_prefetch: bool = False
    attempt: int = 0
    """How often it was part of a call that came to nothing, or failed at the CDN."""
    failures: int = 0
    """How often the CDN accepted it and failed."""
    due: float = 0.0
    history: tuple[Step, ...] = ()

    def with_step(self, step: Step) -> Task:
        """Add an entry to the history; the oldest ones give way."""
        return msgspec.structs.replace(self, history=(*self.history, step)[-HISTORY_STEPS_MAX:])

    @property
    def turn(self) -> str:
        """Names this try of the task: after a failure at the CDN the same task goes again, as another turn."""
        return f"{self.id}/{self.failures}" if self.failures else self.id

    @property
    def target(self) -> tuple[Kind, Form, bool, str]:
        """Names what the task asks for: one unit covers all tasks that ask for the same."""
        return (self.kind, self.form, self.force, self.url)

    @property
    def domain(self) -> str:
        """The accelerated domain, in lower case."""
        return domain_of(self.url)


class Batch(msgspec.Struct, frozen=True):
    """The tasks of one call: one kind, one form, one `force`, within the limits of a call.

    Tasks may share a URL: it is sent once and covers all of them. `id` names the call in the spool
    and in the outcome log; `created` is in epoch seconds, taken before the call.
    """

    id: str
    kind: Kind
    form: Form
    force: bool
    tasks: tuple[Task, ...]
    created: float

    @property
    def urls(self) -> tuple[str, ...]:
        """The distinct URLs, in the order of the tasks: what is sent, and how many units it costs."""
        return tuple(dict.fromkeys(task.url for task in self.tasks))

    @property
    def newest(self) -> dict[str, Task]:
        """Of each URL the task with the latest cause: it is followed to its end, and covers the others.

        Events tell whole seconds: of two changes in one second, the one that asks for a prefetch counts as later.
        """
        found: dict[str, Task] = {}
        for task in sorted(self.tasks, key=lambda task: (task.cause.time, task.then_prefetch)):
            found[task.url] = task
        return found

    def accepted(self, task_ids: tuple[str, ...], request_id: str, now: float) -> Submission:
        """What the spool keeps once the CDN took this call: older tasks of a URL have ended as superseded."""
        newest = tuple(self.newest.values())
        covered = {task.id for task in self.tasks}.difference(task.id for task in newest)
        followed = msgspec.structs.replace(self, tasks=newest)
        return Submission(followed, task_ids, request_id, now, tuple(sorted(covered)))


class Submission(msgspec.Struct, frozen=True, omit_defaults=True):
    """A batch as the spool keeps it: an intent while `task_ids` is empty, accepted afterwards.

    Once accepted, the batch has the newest task of each URL only; `covered` has the ids of the others.
    """

    batch: Batch
    task_ids: tuple[str, ...] = ()
    request_id: str = ""
    accepted: float = 0.0
    covered: tuple[str, ...] = ()

    @property
    def task_names(self) -> Iterator[str]:
        """The ids of all tasks that this call was made for."""
        yield from self.covered
        yield from (task.id for task in self.batch.tasks)


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
        kind=task.kind.value,
        form=task.form.value,
        attempt=task.attempt,
        **details,  # type: ignore[arg-type]
    )
