"""A mapping that is no OSS event in; what it looks like, and which members it has, out: one bounded sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from shared.core.change.wrappers import Element, inside_of
from shared.core.checked import shown
from shared.core.foreign import cut

MEMBERS_SHOWN_MAX = 12
MEMBER_CHARACTERS_MAX = 60

_Seen = dict[str, Any]


def described(element: Element) -> str:
    """Say what something looks like that is no OSS event, in which wrappers it came, and which members were seen."""
    value = element.value
    what = next((name for name, fits in _KNOWN if fits(value)), "nothing known")
    names = [cut(name, MEMBER_CHARACTERS_MAX) for name in list(value)[:MEMBERS_SHOWN_MAX]]
    more = f" and {len(value) - MEMBERS_SHOWN_MAX} more" if len(value) > MEMBERS_SHOWN_MAX else ""
    seen = f"members seen: {', '.join(names) or 'none'}{more}"
    return f"it looks like {what}{inside_of(element.within)}; {seen}"


def _begins(value: _Seen, names: tuple[str, ...], *beginnings: str) -> bool:
    """Whether one of these members is a text that begins so."""
    return any(isinstance(value.get(name), str) and value[name].startswith(beginnings) for name in names)


def _records(value: _Seen) -> Iterator[_Seen]:
    """The records that most clouds' notifications have, or the mapping itself where it may be one of them."""
    records = value.get("Records")
    yield from (each for each in (records if isinstance(records, list) else [value])[:1] if isinstance(each, dict))


def _record(*members: str, source: str = "") -> Callable[[_Seen], bool]:
    """Tell a record by its members or by its source."""
    return lambda value: any(
        any(isinstance(each.get(name), dict) for name in members)
        or (source != "" and _begins(each, ("eventSource", "EventSource"), source))
        for each in _records(value)
    )


def _has(*members: str) -> Callable[[_Seen], bool]:
    return lambda value: set(members) <= value.keys()


def _is_pubsub(value: _Seen) -> bool:
    message = value.get("message")
    attributes = message.get("attributes") if isinstance(message, dict) else None
    return isinstance(attributes, dict) and "bucketId" in attributes


_KNOWN: tuple[tuple[str, Callable[[_Seen], bool]], ...] = (
    ("an Amazon S3 event", _record("s3", source="aws:s3")),
    ("an Amazon S3 event", lambda value: _begins(value, ("source", "EventName"), "aws.s3", "s3:")),
    ("a message of Amazon SNS or SQS", _record("Sns", source="aws:s")),
    ("a message of Amazon SNS or SQS", _has("TopicArn", "Message")),
    ("a Tencent COS event", _record("cos")),
    ("a Huawei OBS event", _record("obs")),
    ("a Google Cloud Storage event", lambda value: _begins(value, ("kind",), "storage#object")),
    ("a Google Cloud Storage event", _is_pubsub),
    ("an Azure Blob Storage event", lambda value: _begins(value, ("eventType", "type"), "Microsoft.Storage.")),
    ("an Azure Blob Storage event", _has("api", "blobType", "url")),
    ("a CDN event", lambda value: _begins(value, ("eventSource",), "cdn")),
    ("a timer's event", _has("triggerTime", "triggerName")),
    ("a log trigger's event", _has("cursorTime", "taskId")),
    ("an HTTP request without a body", _has("rawPath")),
    ("an HTTP request without a body", _has("httpMethod")),
    ("CloudEvents without data", _has("specversion")),
    ("an MNS message without a body", _has("TopicName", "MessageId")),
)


def source_of(value: _Seen) -> str:
    """Say which source an event names, if it is another one than OSS; nothing otherwise."""
    source = value.get("eventSource", "acs:oss")
    return "" if source == "acs:oss" else f"eventSource is {shown(source)}"
