"""Bytes of an event in, object changes out; what cannot be read comes out beside them, bytes and reason kept.

Understood are native OSS events, alone or in arrays, inside what `wrappers` can take off. Rules:

1. Keys are raw UTF-8 and are never unquoted: `+` and `%` are part of a name.
2. One unreadable element does not hold back the others of its batch.
3. Parts of a multipart upload change nothing that is served, so they are ignored, not refused.
"""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec

from shared.core.change.looks import described, source_of
from shared.core.change.wrappers import BadEvent, Element, bytes_of, unwrap, without_headers
from shared.core.checked import shown
from shared.core.task.model import Action, ObjectChange, digest

CREATED_EVENTS = frozenset(
    {"PutObject", "PostObject", "CopyObject", "AppendObject", "CompleteMultipartUpload", "PutSymlink"}
)
REMOVED_EVENTS = frozenset({"DeleteObject", "DeleteObjects"})
SAME_AS = {
    # What an edge serves changes with an object's headers, and with what another region replicates.
    "ObjectModified:UpdateObjectMeta": Action.CREATED,
    "ObjectReplication:ObjectCreated": Action.CREATED,
    "ObjectReplication:ObjectModified": Action.CREATED,
    "ObjectReplication:ObjectRemoved": Action.REMOVED,
    # The vendor's pages write them in both ways.
    "ObjectReplication:Created": Action.CREATED,
    "ObjectReplication:Modified": Action.CREATED,
    "ObjectReplication:Removed": Action.REMOVED,
}
IGNORED_EVENTS = frozenset(
    {
        "ObjectCreated:InitiateMultipartUpload",
        "ObjectCreated:UploadPart",
        "ObjectCreated:UploadPartCopy",
        "ObjectRemoved:AbortMultipartUpload",
    }
)

BAD_ELEMENTS_MAX = 1_000
"""Of one payload; where there are more, it is kept as a whole."""


class Received(msgspec.Struct, frozen=True):
    """What one payload held. `ignored` counts events by name that change nothing that is served."""

    changes: tuple[ObjectChange, ...] = ()
    bad: tuple[BadEvent, ...] = ()
    ignored: tuple[str, ...] = ()


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct, rename="camel"):
    key: str
    size: int = 0
    delta_size: int | None = None
    e_tag: str = ""


class _Oss(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Response(msgspec.Struct, rename="camel"):
    request_id: str = ""


class _OssEvent(msgspec.Struct, rename="camel"):
    event_name: str
    event_time: datetime
    oss: _Oss
    response_elements: _Response = msgspec.field(default_factory=_Response)


class _Unreadable(ValueError):
    """Carries the reason why an element is no OSS event."""


def read(payload: bytes, *, http: bool = False) -> Received:
    """Read the payload of one invocation. Never raises: what is wrong comes out as `BadEvent`.

    `http` allows that the payload is an HTTP request, whose body is read.
    """
    changes: list[ObjectChange] = []
    bad: list[BadEvent] = []
    ignored: list[str] = []
    for element in unwrap(payload, http=http):
        found = element if isinstance(element, BadEvent) else _read(element)
        if isinstance(found, ObjectChange):
            changes.append(found)
        elif isinstance(found, str):
            ignored.append(found)
        elif len(bad) <= BAD_ELEMENTS_MAX:
            bad.append(found)
    if len(bad) > BAD_ELEMENTS_MAX:
        reason = f"more than {BAD_ELEMENTS_MAX} elements are no events; of the first one: {bad[0].reason}"
        bad = [BadEvent(reason, without_headers(payload))]
    return Received(tuple(changes), tuple(bad), tuple(ignored))


def _read(element: Element) -> ObjectChange | str | BadEvent:
    """Read one element, or say why it cannot be."""
    try:
        return _change(element)
    except _Unreadable as fault:
        return BadEvent(str(fault), bytes_of(element.value, element.original))


def _change(element: Element) -> ObjectChange | str:
    """Turn one native event into a change, or into its name where it changes nothing that is served."""
    value = element.value
    if source := source_of(value):
        raise _Unreadable(f"not an OSS event: {source}; {described(element)}")
    try:
        event = msgspec.convert(value, _OssEvent)
    except (msgspec.ValidationError, RecursionError) as fault:
        what = "a whole OSS event" if "oss" in value else "an OSS event"
        more = "" if "oss" in value else f"; {described(element)}"
        raise _Unreadable(f"not {what}: {fault}{more}") from None
    name = event.event_name.removeprefix("oss:")
    if name in IGNORED_EVENTS:
        return name
    return _object_change(event, name, _action(name))


def _action(name: str) -> Action:
    """Tell whether an event name means created or removed."""
    group, _, operation = name.partition(":")
    if group == "ObjectCreated" and operation in CREATED_EVENTS:
        return Action.CREATED
    if group == "ObjectRemoved" and operation in REMOVED_EVENTS:
        return Action.REMOVED
    if name in SAME_AS:
        return SAME_AS[name]
    raise _Unreadable(f"event name {shown(name)} is not one that this package handles")


def _object_change(event: _OssEvent, name: str, action: Action) -> ObjectChange:
    """Check what the types alone do not say, and name the event.

    The id of the request that changed the object is the same for every delivery of its event.
    """
    bucket, item = event.oss.bucket.name, event.oss.object
    if not bucket or not item.key:
        raise _Unreadable("not a whole OSS event: the bucket's name or the object's key is empty")
    moment = event.event_time if event.event_time.tzinfo else event.event_time.replace(tzinfo=timezone.utc)
    request_id = event.response_elements.request_id
    return ObjectChange(
        id=digest(request_id, name, bucket, item.key, item.e_tag, moment.isoformat()),
        action=action,
        event_name=name,
        bucket=bucket,
        key=item.key,
        etag=item.e_tag,
        size=item.size,
        delta_size=item.delta_size,
        time=moment.timestamp(),
    )
