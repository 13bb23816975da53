"""Bytes of an event in; what is innermost in them out: mappings that should be events, and what holds none.

Rules:

1. A wrapper is a mapping with the members of a row of `_WRAPPERS`; at most `LAYERS_MAX` lie around an event. Lists,
   JSON in a text and Base64 in either alphabet may lie between them: they say nothing of their own.
2. Nothing grows by being unpacked, and `NESTING_MAX` bounds how deep it goes, so the work is bounded by the bytes.
3. An HTTP request is a wrapper only where that is allowed: whoever knows a public address could spend quota. Of one
   only the body is kept, since its headers may hold keys, and of one that is too long only the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from shared.core.change.texts import data_of
from shared.core.checked import shown

LAYERS_MAX = 3
"""A queue behind a topic, told of by EventBridge, has three."""
NESTING_MAX = 16
"""Deepest unpacking, counting each list, mapping and text; a queue behind a topic needs ten."""
HTTP_BODY_BYTES_MAX = 1_000_000
"""Those who deliver events by HTTP send 64 KB; the platform would take 32 MB of anything from anybody."""
PAYLOAD_BYTES_MAX = 33_554_432
"""The platform's own limit of a synchronous call; asynchronous ones bring 128 KB."""


class BadEvent(msgspec.Struct, frozen=True):
    """Something that is no event, or half of one: why, and its bytes."""

    reason: str
    payload: bytes


class Element(msgspec.Struct, frozen=True):
    """A mapping that wraps nothing more: its value, the bytes around it, and its wrappers, the outermost first."""

    value: dict[str, Any]
    original: bytes
    within: tuple[str, ...] = ()


class _Wrapper(NamedTuple):
    """A mapping that has all of `members`, one of `any_of` if there are some, and the event in the first of `holds`."""

    name: str
    members: frozenset[str]
    holds: tuple[str, ...]
    any_of: frozenset[str] = frozenset()

    def content(self, value: dict[str, Any]) -> Any:
        """What it holds; None where the mapping is no such wrapper, or holds nothing."""
        if not self.members <= value.keys() or (self.any_of and not self.any_of & value.keys()):
            return None
        return next((value[name] for name in self.holds if value.get(name) is not None), None)


_HTTP = _Wrapper(
    "HTTP request",
    frozenset({"body"}),
    ("body",),
    frozenset({"isBase64Encoded", "rawPath", "httpMethod", "requestContext"}),
)
_WRAPPERS = (
    _HTTP,  # first, so that none passes for another
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    _Wrapper("CloudEvents", frozenset({"specversion"}), ("data", "data_base64")),
    _Wrapper("MNS queue message", frozenset(), ("messageBody", "MessageBody")),
    _Wrapper("MNS topic message", frozenset({"TopicName"}), ("Message",)),
    _Wrapper("MNS topic message", frozenset({"attrs"}), ("body",)),
    # What EventBridge makes of the messages of other services, as its pages about event sources show it.
    _Wrapper("RocketMQ message", frozenset({"topic"}), ("body",)),
    _Wrapper("RabbitMQ or MQTT message", frozenset(), ("body",), frozenset({"envelope", "props"})),
    _Wrapper("Kafka message", frozenset({"topic", "offset"}), ("value",)),
)


class _At(msgspec.Struct, frozen=True):
    """Where the unpacking stands: the bytes around, the wrappers so far, how deep, and whether HTTP is one."""

    original: bytes
    http: bool
    within: tuple[str, ...] = ()
    depth: int = 0

    def deeper(self, **changed: Any) -> _At:
        return msgspec.structs.replace(self, depth=self.depth + 1, **changed)


def unwrap(payload: bytes, *, http: bool = False) -> Iterator[Element | BadEvent]:
    """Yield each innermost mapping of a payload, or why there is none; `http` allows HTTP requests as wrappers."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        yield BadEvent(f"longer than {PAYLOAD_BYTES_MAX} bytes", payload)
    else:
        yield from _value(payload, _At(payload, http))


def without_headers(payload: bytes) -> bytes:
    """Of a payload that is an HTTP request the beginning of its body; any other as it is."""
    try:
        value = data_of(payload)
    except ValueError:
        return payload
    body = _HTTP.content(value) if isinstance(value, dict) else None
    return payload if body is None else _body(body)[:HTTP_BODY_BYTES_MAX]


def bytes_of(value: Any, otherwise: bytes) -> bytes:
    """Write a value down again; where it is nested too deeply for that, keep the bytes around it."""
    try:
        return msgspec.json.encode(value)
    except (RecursionError, ValueError):
        return otherwise


def _value(value: Any, at: _At) -> Iterator[Element | BadEvent]:
    """Unpack one value."""
    if at.depth > NESTING_MAX:
        yield BadEvent(f"nested deeper than {NESTING_MAX} levels", at.original)
    elif isinstance(value, bytes | str):
        yield from _text(value, at)
    elif isinstance(value, list):
        for item in value:
            yield from _value(item, at.deeper(original=bytes_of(item, at.original)))
    elif isinstance(value, dict):
        yield from _mapping(value, at)
    else:
        yield BadEvent(f"expected an event, got {shown(value)}", at.original)


def _text(text: bytes | str, at: _At) -> Iterator[Element | BadEvent]:
    """Decode a text, and unpack what it holds."""
    try:
        value = data_of(text.encode(errors="replace") if isinstance(text, str) else text)
    except ValueError as fault:
        yield BadEvent(str(fault), at.original)
    else:
        yield from _value(value, at.deeper())


def _mapping(value: dict[str, Any], at: _At) -> Iterator[Element | BadEvent]:
    """Follow what a wrapper holds; a mapping that wraps nothing should be an event."""
    if isinstance(value.get("events"), list):
        yield from _value(value["events"], at.deeper())
        return
    for wrapper in _WRAPPERS:
        content = wrapper.content(value)
        if content is not None:
            yield from _inside(wrapper, value, content, at)
            return
    yield Element(value, at.original, at.within)


def _inside(wrapper: _Wrapper, value: dict[str, Any], content: Any, at: _At) -> Iterator[Element | BadEvent]:
    """Go on inside a wrapper, if that may be."""
    kind = value.get("type")
    within = (*at.within, f"{wrapper.name} {shown(kind)}" if isinstance(kind, str) else wrapper.name)
    if wrapper is _HTTP:
        body = _body(content)
        at = msgspec.structs.replace(at, original=body[:HTTP_BODY_BYTES_MAX])
        if len(body) > HTTP_BODY_BYTES_MAX:
            yield BadEvent(f"the body of an HTTP request is longer than {HTTP_BODY_BYTES_MAX} bytes", at.original)
            return
    if len(within) > LAYERS_MAX:
        yield BadEvent(f"wrapped more than {LAYERS_MAX} times: {' > '.join(within)}", at.original)
    elif wrapper is _HTTP and not at.http:
        yield BadEvent(
            f"it looks like an HTTP request{inside_of(at.within)}: with HTTP_EVENTS=true its body is read, and whoever "
            "knows the address can spend quota",
            at.original,
        )
    else:
        yield from _value(content, at.deeper(within=within))


def _body(content: Any) -> bytes:
    return content.encode(errors="replace") if isinstance(content, str) else bytes_of(content, b"")


def inside_of(within: tuple[str, ...]) -> str:
    """Say in what something was wrapped, as the end of a sentence's noun."""
    return f" (in {' > '.join(within)})" if within else ""
