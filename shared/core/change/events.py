"""Bytes of an event in, object changes out; what cannot be read comes out beside them, bytes and reason kept.

Understood are native OSS events, the same inside CloudEvents (EventBridge), inside MNS messages (queue
or topic, Base64 or not), and arrays of any of these, as objects or as JSON strings. Rules:

1. Keys are raw UTF-8 and are never unquoted: `+` and `%` are part of a name.
2. One unreadable element does not hold back the others of its batch.
3. Parts of a multipart upload change nothing that is served, so they are ignored, not refused.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec

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
}
IGNORED_EVENTS = frozenset(
    {
        "ObjectCreated:InitiateMultipartUpload",
        "ObjectCreated:UploadPart",
        "ObjectCreated:UploadPartCopy",
        "ObjectRemoved:AbortMultipartUpload",
    }
)
NESTING_MAX = 16
"""Deepest wrapping that is unpacked, counting each list, mapping and text; a queue behind a topic needs ten."""


class BadEvent(msgspec.Struct, frozen=True):
    """Something that is no OSS event, or half of one: why, and its bytes."""

    reason: str
    payload: bytes


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


def read(payload: bytes) -> Received:
    """Read the payload of one invocation. Never raises: what is wrong comes out as `BadEvent`."""
    changes: list[ObjectChange] = []
    bad: list[BadEvent] = []
    ignored: list[str] = []
    for element in unwrap(payload):
        if isinstance(element, BadEvent):
            bad.append(element)
            continue
        try:
            change = _change(element)
        except _Unreadable as fault:
            bad.append(BadEvent(str(fault), bytes_of(element, payload)))
        else:
            if isinstance(change, str):
                ignored.append(change)
            else:
                changes.append(change)
    return Received(tuple(changes), tuple(bad), tuple(ignored))


def unwrap(payload: bytes) -> Iterator[Any]:
    """Yield each innermost element of a payload: a mapping that should be an event, or a `BadEvent`."""
    yield from _unwrap(payload, payload, 0)


def _unwrap(value: Any, original: bytes, depth: int) -> Iterator[Any]:
    """Unpack one value, keeping the bytes that it came in."""
    if depth > NESTING_MAX:
        yield BadEvent(f"nested deeper than {NESTING_MAX} levels", original)
    elif isinstance(value, bytes | str):
        yield from _unwrap_text(value, original, depth)
    elif isinstance(value, list):
        for item in value:
            yield from _unwrap(item, bytes_of(item, original), depth + 1)
    elif not isinstance(value, dict):
        yield BadEvent(f"expected an event, got {value!r:.60}", original)
    else:
        yield from _unwrap_mapping(value, original, depth)


def bytes_of(value: Any, otherwise: bytes) -> bytes:
    """Write a value down again; where it is nested too deeply for that, keep the bytes around it."""
    try:
        return msgspec.json.encode(value)
    except RecursionError:
        return otherwise


def _unwrap_text(text: bytes | str, original: bytes, depth: int) -> Iterator[Any]:
    """Decode JSON, or Base64 of JSON as message queues send it."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        try:
            value = msgspec.json.decode(base64.b64decode(raw.strip(), validate=True))
        except (msgspec.DecodeError, ValueError, RecursionError):
            yield BadEvent(f"not JSON: {fault}", original)
            return
    yield from _unwrap(value, original, depth + 1)


def _unwrap_mapping(value: dict[str, Any], original: bytes, depth: int) -> Iterator[Any]:
    """Follow the one member of a wrapper that holds the event; a mapping that wraps nothing is an event."""
    if isinstance(value.get("events"), list):
        yield from _unwrap(value["events"], original, depth + 1)
    elif "specversion" in value and "data" in value:
        yield from _unwrap(value["data"], original, depth + 1)
    elif (body := _message_body(value)) is not None:
        yield from _unwrap(body, original, depth + 1)
    else:
        yield value


def _message_body(value: dict[str, Any]) -> Any:
    """Find the body of an MNS message: queue, topic as JSON, or topic as a stream with attributes."""
    if "messageBody" in value:
        return value["messageBody"]
    if "TopicName" in value and "Message" in value:
        return value["Message"]
    if "body" in value and "attrs" in value:
        return value["body"]
    return None


def _change(element: dict[str, Any]) -> ObjectChange | str:
    """Turn one native event into a change, or into its name where it changes nothing that is served."""
    source = element.get("eventSource", "acs:oss")
    if source != "acs:oss":
        raise _Unreadable(f"not an OSS event: eventSource is {source!r:.60}")
    try:
        event = msgspec.convert(element, _OssEvent)
    except msgspec.ValidationError as fault:
        raise _Unreadable(f"not a whole OSS event: {fault}") from None
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
    raise _Unreadable(f"event name {name!r:.80} is not one that this package handles")


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
