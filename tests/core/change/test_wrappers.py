"""Wrappers around an event: which are taken off, how many, and that nothing inside them makes reading fail."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.change.events import BAD_ELEMENTS_MAX, read
from shared.core.change.texts import BASE64_MAX
from shared.core.change.wrappers import HTTP_BODY_BYTES_MAX, LAYERS_MAX, PAYLOAD_BYTES_MAX, BadEvent, unwrap
from tests import strategies
from tests.core.change.shapes import event, native, payload

REASON_CHARACTERS_MAX = 2_000


@given(st.lists(strategies.wrappers(), max_size=LAYERS_MAX), strategies.keys())
def test_a_few_wrappers_are_taken_off(around: list[strategies.Wrap], key: str) -> None:
    """Whatever wrappers lie around an event, in whatever order, its key comes out as it stood in it."""
    wrapped: Any = event(key)
    for wrap in around:
        wrapped = wrap(wrapped)
    received = read(json.dumps(wrapped).encode(), http=True)
    assert ([key], ()) == ([each.key for each in received.changes], received.bad)


@given(st.lists(strategies.wrappers(), min_size=LAYERS_MAX + 1, max_size=LAYERS_MAX + 3))
def test_too_many_wrappers_are_named(around: list[strategies.Wrap]) -> None:
    """One more than the limit is one too many, and the reason says which they were."""
    wrapped: Any = event()
    for wrap in around:
        wrapped = wrap(wrapped)
    (bad,) = read(json.dumps(wrapped).encode(), http=True).bad
    assert bad.reason.startswith((f"wrapped more than {LAYERS_MAX} times: ", "nested deeper than", "not JSON"))
    assert len(around) != LAYERS_MAX + 1 or bad.reason.count(" > ") == LAYERS_MAX


TEXT = native(event("ü/??>>~~.css"))
STANDARD, FOR_URLS = base64.b64encode(TEXT), base64.urlsafe_b64encode(TEXT)


@pytest.mark.parametrize(
    "encoded",
    [
        STANDARD,
        FOR_URLS,
        STANDARD.rstrip(b"="),
        FOR_URLS.rstrip(b"="),
        base64.encodebytes(TEXT),
        b"\n " + STANDARD.replace(b"A", b"A\r\n"),
        base64.b64encode(STANDARD),
        b"\xef\xbb\xbf" + TEXT,
        base64.b64encode(b"\xef\xbb\xbf" + TEXT),
    ],
)
def test_base64_is_read_as_anybody_writes_it(encoded: bytes) -> None:
    """In both alphabets, padded or not, in lines, once more encoded by a queue, with a mark of byte order."""
    assert ["ü/??>>~~.css"] == [each.key for each in read(encoded).changes]


def test_base64_of_base64_has_an_end() -> None:
    """What is encoded more often than anybody does is no event."""
    encoded = TEXT
    for _ in range(BASE64_MAX + 1):
        encoded = base64.b64encode(encoded)
    (bad,) = read(encoded).bad
    assert bad.reason.startswith("not JSON: ")


@pytest.mark.parametrize(
    "envelope",
    [
        {"specversion": "1.0", "data": event()},
        {"specversion": "1.0", "data": json.dumps(event()), "datacontenttype": "text/plain"},
        {"specversion": "1.0", "data": None, "data_base64": base64.b64encode(json.dumps(event()).encode()).decode()},
        {
            "specversion": "0.3",
            "datacontentencoding": "base64",
            "data": base64.b64encode(json.dumps(event()).encode()).decode(),
        },
        {"specversion": "1.0", "data": {"messageBody": event()}},
        {"specversion": "1.0", "data": {"topic": "t", "body": event(), "systemProperties": {}, "userProperties": {}}},
        {"specversion": "1.0", "data": {"envelope": {}, "body": event(), "props": {}}},
        {"specversion": "1.0", "data": {"topic": "t", "partition": 1, "offset": 2, "value": json.dumps(event())}},
        {"MessageId": "1", "MessageBody": json.dumps({"events": [event()]})},
    ],
)
def test_each_document_is_taken_off(envelope: dict[str, Any]) -> None:
    """What CloudEvents, EventBridge's sources and the message service may write, alone and in a batch."""
    for shape in (envelope, [envelope], [json.dumps(envelope)], {"events": [envelope]}):
        assert ["a.css"] == [each.key for each in read(json.dumps(shape).encode()).changes]


def test_an_http_request_is_read_only_where_that_is_allowed() -> None:
    """Else it is named; in both cases its headers, which may hold keys, are not kept."""
    request = payload("http_request.json")
    assert ["css/site+v2 100%.css"] == [each.key for each in read(request, http=True).changes]
    (bad,) = read(request).bad
    assert "HTTP_EVENTS=true" in bad.reason
    assert json.loads(request)["body"].encode() == bad.payload
    junk = json.dumps({**json.loads(request), "body": "junk"}).encode()
    assert [b"junk"] == [each.payload for each in read(junk, http=True).bad]


def test_no_http_request_passes_for_another_wrapper() -> None:
    """What else it holds does not open a way around the setting."""
    around = {"attrs": {}, "topic": "t", "props": {}, "specversion": "1.0", "data": event(), "messageBody": "x"}
    request = {**around, "rawPath": "/", "body": json.dumps(event())}
    assert () == read(json.dumps(request).encode()).changes


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}, "an Amazon S3 event"),
        ({"EventName": "s3:ObjectCreated:Put", "Key": "b/k", "Records": []}, "an Amazon S3 event"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, "a message of Amazon SNS or SQS"),
        ({"Type": "Notification", "TopicArn": "arn", "Message": "{}"}, "a message of Amazon SNS or SQS"),
        ({"Records": [{"eventName": "ObjectCreated:Put", "obs": {}}]}, "a Huawei OBS event"),
        ({"message": {"attributes": {"bucketId": "b"}, "data": "e30="}}, "a Google Cloud Storage event"),
        (
            {"specversion": "1.0", "data": {"api": "PutBlob", "blobType": "B", "url": "u"}},
            "an Azure Blob Storage event",
        ),
        ({"jobName": "j", "taskId": "t", "cursorTime": 5}, "a log trigger's event"),
        ({"triggerTime": "2025-12-13T17:17:27Z", "triggerName": "t", "payload": ""}, "a timer's event"),
        ({"httpMethod": "GET", "body": None}, "an HTTP request without a body"),
        ({"specversion": "1.0", "type": "x"}, "CloudEvents without data"),
        ({"TopicName": "t", "MessageId": "m"}, "an MNS message without a body"),
        ({"key": "value"}, "nothing known"),
    ],
)
def test_what_is_no_oss_event_is_named_for_what_it_looks_like(value: dict[str, Any], what: str) -> None:
    """Other clouds' events, other triggers' and halves of wrappers, with the members that were seen."""
    (bad,) = read(json.dumps(value).encode()).bad
    assert f"it looks like {what}" in bad.reason
    assert "members seen: " in bad.reason


def test_members_seen_are_bounded() -> None:
    """Many long names of members make no long reason."""
    (bad,) = read(json.dumps({f"{number}" * 300: 1 for number in range(500)}).encode()).bad
    assert "and 488 more" in bad.reason
    assert len(bad.reason) < REASON_CHARACTERS_MAX


@settings(max_examples=500)
@given(st.lists(strategies.wrappers(), max_size=5), strategies.json_values(), st.booleans())
def test_nothing_inside_wrappers_makes_it_raise(around: list[strategies.Wrap], value: Any, http: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever lies in wrappers ends as changes or as reasons of bounded length, each with bytes."""
    for wrap in around:
        value = wrap(value)
    received = read(json.dumps(value).encode(), http=http)
    assert all(0 < len(each.reason) < REASON_CHARACTERS_MAX for each in received.bad)


@pytest.mark.parametrize("depth", [50, 400, 900])
@pytest.mark.parametrize(
    "member", ["eventSource", "eventName", "Records", "specversion", "data", "message", "kind", "body", "oss", "type"]
)
def test_no_depth_of_a_member_makes_it_raise(member: str, depth: int) -> None:
    """Members that are looked at may be anything, nested as deep as the decoder goes."""
    deep = b"[" * depth + b"]" * depth
    inner = b'{"%s":%s}' % (member.encode(), deep)
    for text in (inner, b'{"oss":{},"%s":%s}' % (member.encode(), deep), b'{"specversion":"1.0","data":%s}' % inner):
        assert 1 == len(read(text, http=True).bad)


@pytest.mark.parametrize("text", ["9" * 4_000, "-" + "9" * 5_000, "1e999", "-0.0", "1" + "0" * 25])
def test_no_number_makes_it_raise(text: str) -> None:
    """Numbers that are larger than any machine's."""
    for shape in (text, f'{{"eventSource":{text}}}', f'[{{"eventName":{text},"eventTime":{text}}}]'):
        assert 1 == len(read(shape.encode()).bad)


def test_a_long_http_body_is_not_looked_at() -> None:
    """Whoever knows the address could send anything: the beginning is kept."""
    request = json.dumps({"rawPath": "/", "headers": {"Authorization": "x"}, "body": " " * (HTTP_BODY_BYTES_MAX + 1)})
    (bad,) = read(request.encode(), http=True).bad
    assert b" " * HTTP_BODY_BYTES_MAX == bad.payload
    assert "longer than" in bad.reason


@pytest.mark.parametrize("is_http", [False, True])
def test_of_very_many_bad_elements_the_whole_is_kept_once(*, is_http: bool) -> None:
    """And the good ones among them are read."""
    body = json.dumps([*[1] * BAD_ELEMENTS_MAX, event(), 2])
    data = json.dumps({"rawPath": "/", "headers": {"Authorization": "x"}, "body": body}) if is_http else body
    received = read(data.encode(), http=is_http)
    assert ["a.css"] == [each.key for each in received.changes]
    (bad,) = received.bad
    assert body.encode() == bad.payload
    assert bad.reason.startswith(f"more than {BAD_ELEMENTS_MAX} elements are no events; of the first one: expected an")


def test_what_is_too_large_is_not_looked_at() -> None:
    """More than the platform delivers is kept as it is."""
    (bad,) = unwrap(b" " * (PAYLOAD_BYTES_MAX + 1))
    assert isinstance(bad, BadEvent)
    assert bad.reason.startswith("longer than")
