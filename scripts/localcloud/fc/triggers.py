"""Triggers: an entry of a template's `triggers:` goes in, a record that recognises its events comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.localcloud.fc.fields import Fields
from scripts.localcloud.fc.schedule import Every, Schedule, parse_schedule

OSS_EVENTS = {
    "ObjectCreated": (
        "PutObject",
        "PutSymlink",
        "PostObject",
        "CopyObject",
        "InitiateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "AppendObject",
        "*",
    ),
    "ObjectRemoved": ("DeleteObject", "DeleteObjects", "AbortMultipartUpload"),
    "ObjectModified": ("UpdateObjectMeta",),
    "ObjectReplication": ("ObjectCreated", "ObjectModified", "ObjectRemoved"),
}
"""The names a trigger may list, as the vendor's page on OSS triggers gives them."""

CDN_EVENTS = frozenset(
    {
        "LogFileCreated",
        "CachedObjectsRefreshed",
        "CachedObjectsPushed",
        "CachedObjectsBlocked",
        "CdnDomainStarted",
        "CdnDomainStopped",
        "CdnDomainAdded",
        "CdnDomainDeleted",
    }
)
OSS_SOURCE = re.compile(r"acs:oss:[a-z0-9-]+:[^:]+:([a-z0-9][a-z0-9-]*)")


@dataclass(frozen=True, slots=True)
class OssTrigger:
    """Changes of objects in one bucket. `events` are names as in a payload, `*` allowed at the end."""

    name: str
    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether one entry of a payload's `events` belongs to this trigger."""
        oss = event["oss"]
        key = oss["object"]["key"]
        return (
            oss["bucket"]["name"] == self.bucket
            and any(_covers(name, event["eventName"]) for name in self.events)
            and key.startswith(self.prefix)
            and key.endswith(self.suffix)
        )

    def conflicts(self, other: OssTrigger) -> bool:
        """Tell whether the platform refuses the two side by side: an object's change could belong to both."""
        return (
            self.bucket == other.bucket
            and any(_covers(a, b) or _covers(b, a) for a in self.events for b in other.events)
            and _either_way(str.startswith, self.prefix, other.prefix)
            and _either_way(str.endswith, self.suffix, other.suffix)
        )


@dataclass(frozen=True, slots=True)
class CdnTrigger:
    """One kind of CDN event, for some domains."""

    name: str
    event_name: str
    domains: tuple[str, ...]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether one entry of a payload's `events` belongs to this trigger."""
        domain = event.get("resource", {}).get("domain") or event.get("eventParameter", {}).get("domain")
        return event["eventName"] == self.event_name and domain in self.domains


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A clock that calls the function with a fixed text."""

    name: str
    schedule: Schedule
    payload: str = ""
    enabled: bool = True


Trigger = OssTrigger | CdnTrigger | TimerTrigger


def read_triggers(value: Any, path: str, faults: list[str]) -> tuple[Trigger, ...]:
    """Read the list under `triggers:`; faults are noted and the faulty entries left out."""
    if not isinstance(value, list):
        faults.append(f"{path}: must be a list")
        return ()
    triggers = [_read_trigger(Fields(item, f"{path}[{place}]", faults)) for place, item in enumerate(value)]
    found = tuple(trigger for trigger in triggers if trigger is not None)
    names = [trigger.name for trigger in found]
    faults.extend(f"{path}: the name {name!r} is taken twice" for name in {n for n in names if names.count(n) > 1})
    return found


def _read_trigger(fields: Fields) -> Trigger | None:
    kind = fields.text("triggerType")
    reader = READERS.get(kind)
    if reader is None:
        fields.fault("triggerType", f"{kind!r} is not supported: only {', '.join(READERS)}")
        return None
    if fields.text("qualifier", "LATEST") != "LATEST":
        fields.fault("qualifier", "only LATEST is supported")
    fields.ignore(("description", "invocationRole"))
    before = len(fields.faults)
    config = fields.below("triggerConfig")
    trigger = reader(fields.text("triggerName"), fields, config)
    config.finish()
    fields.finish()
    return trigger if len(fields.faults) == before else None


def _read_oss(name: str, fields: Fields, config: Fields) -> Trigger:
    source = OSS_SOURCE.fullmatch(fields.text("sourceArn"))
    if not source:
        fields.fault("sourceArn", "must be acs:oss:<region>:<account>:<bucket>")
    events = config.texts("events")
    for event in events:
        group, _, operation = event.removeprefix("oss:").partition(":")
        if not event.startswith("oss:") or operation not in OSS_EVENTS.get(group, ()):
            config.fault("events", f"{event!r} is no event of OSS")
    filters = config.below("filter")
    keys = filters.below("key")
    prefix, suffix = keys.text("prefix", ""), keys.text("suffix", "")
    keys.finish()
    filters.finish()
    bare = tuple(event.removeprefix("oss:") for event in events)
    return OssTrigger(name, source[1] if source else "", bare, prefix, suffix)


def _read_timer(name: str, _fields: Fields, config: Fields) -> Trigger:
    schedule: Schedule = Every(60)
    try:
        schedule = parse_schedule(config.text("cronExpression"))
    except ValueError as error:
        config.fault("cronExpression", str(error))
    return TimerTrigger(name, schedule, config.text("payload", ""), config.flag("enable", default=True))


def _read_cdn(name: str, fields: Fields, config: Fields) -> Trigger:
    if not re.fullmatch(r"acs:cdn:\*:[^:]+", fields.text("sourceArn")):
        fields.fault("sourceArn", "must be acs:cdn:*:<account>")
    event_name = config.text("eventName")
    if event_name not in CDN_EVENTS:
        config.fault("eventName", f"{event_name!r} is no event of the CDN")
    if config.text("eventVersion") != "1.0.0":
        config.fault("eventVersion", "must be 1.0.0")
    config.ignore(("notes",))
    filters = config.below("filter")
    domains = filters.texts("domain")
    filters.finish()
    return CdnTrigger(name, event_name, domains)


READERS: Mapping[str, Callable[[str, Fields, Fields], Trigger]] = {
    "oss": _read_oss,
    "timer": _read_timer,
    "cdn_events": _read_cdn,
}


def _covers(pattern: str, event: str) -> bool:
    """`ObjectCreated:*` covers every event of its group."""
    return event.startswith(pattern[:-1]) if pattern.endswith("*") else event == pattern


def _either_way(test: Callable[[str, str], bool], one: str, other: str) -> bool:
    return test(one, other) or test(other, one)
