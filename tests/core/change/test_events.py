"""Payloads as the triggers deliver them, and what is read from them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.change.events import Received, read
from shared.core.change.wrappers import NESTING_MAX
from shared.core.task.model import Action
from tests import strategies
from tests.core.change.shapes import EVENTS, event, native, payload

PUT = ("created", "ObjectCreated:PutObject", "css/site+v2 100%.css")
DELETE = ("removed", "ObjectRemoved:DeleteObject", "img/old.png")

# file -> changes (action, event name, key), reasons of what is bad, names of what is ignored
EXPECTED: dict[str, tuple[list[tuple[str, str, str]], list[str], list[str]]] = {
    "native_put.json": ([PUT], [], []),
    "native_overwrite.json": ([("created", "ObjectCreated:PutObject", "img/目录/logo.png")], [], []),
    "native_delete.json": ([DELETE], [], []),
    "native_delete_objects.json": (
        [
            ("removed", "ObjectRemoved:DeleteObjects", "a/1.txt"),
            ("removed", "ObjectRemoved:DeleteObjects", "a/2\n.txt"),
            ("removed", "ObjectRemoved:DeleteObjects", "a/%E4%B8%AD.txt"),
        ],
        [],
        [],
    ),
    "native_initiate_multipart.json": ([], [], ["ObjectCreated:InitiateMultipartUpload"]),
    "native_upload_part.json": ([], [], ["ObjectCreated:UploadPart"]),
    "native_complete_multipart.json": (
        [("created", "ObjectCreated:CompleteMultipartUpload", "video/film.mp4")],
        [],
        [],
    ),
    "native_append.json": ([("created", "ObjectCreated:AppendObject", "logs/today.log")], [], []),
    "native_copy.json": ([("created", "ObjectCreated:CopyObject", "css/copy.css")], [], []),
    "native_symlink.json": ([("created", "ObjectCreated:PutSymlink", "latest.zip")], [], []),
    "native_post.json": ([("created", "ObjectCreated:PostObject", 'uploads/form "1".pdf')], [], []),
    "eventbridge.json": ([PUT], [], []),
    "eventbridge_array.json": ([PUT, DELETE], [], ["ObjectCreated:UploadPart"]),
    "eventbridge_array_of_strings.json": ([PUT, DELETE], [], ["ObjectCreated:UploadPart"]),
    "array_with_one_bad.json": ([PUT, DELETE], ["missing required field `object`"], []),
    "mns_queue_plain.json": ([PUT, DELETE], [], []),
    "mns_queue_base64.json": ([PUT, DELETE], [], []),
    "mns_topic_json.json": ([PUT], [], []),
    "mns_topic_stream.txt": ([PUT], [], []),
    "mns_topic_stream_attributes.json": ([PUT], [], []),
    "cdn_refreshed.json": ([], ["eventSource is 'cdn'"], []),
    "timer.json": ([], ["missing required field `eventName`"], []),
    "cloudevents_base64.json": ([PUT], [], []),
    "cloudevents_base64_url_alphabet.json": ([PUT], [], []),
    "mns_topic.xml": ([PUT], [], []),
    "mns_queue.xml": ([PUT], [], []),
    "metadata_updated.json": ([("created", "ObjectModified:UpdateObjectMeta", PUT[2])], [], []),
    "replicated.json": (
        [
            ("created", "ObjectReplication:ObjectCreated", PUT[2]),
            ("created", "ObjectReplication:ObjectModified", PUT[2]),
            ("removed", "ObjectReplication:ObjectRemoved", PUT[2]),
            ("removed", "ObjectReplication:Removed", PUT[2]),
        ],
        [],
        [],
    ),
    "http_request.json": ([], ["it looks like an HTTP request: with HTTP_EVENTS=true its body is read"], []),
    "http_request_without_body.json": ([], ["it looks like an HTTP request without a body"], []),
    "s3.json": ([], ["it looks like an Amazon S3 event; members seen: Records"], []),
    "cos.json": ([], ["it looks like a Tencent COS event"], []),
    "gcs_cloudevents.json": (
        [],
        ["it looks like a Google Cloud Storage event (in CloudEvents 'google.cloud.storage.object.v1.finalized')"],
        [],
    ),
    "azure_grid.json": ([], ["it looks like an Azure Blob Storage event; members seen: topic, subject"], []),
    "half_event.json": ([], ["missing required field `object`"], []),
    "not_json.txt": ([], ["not JSON"], []),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_payload_shape_is_read(name: str) -> None:
    """Every shape that a trigger can deliver comes out as its changes, its faults and what may be ignored."""
    changes, reasons, ignored = EXPECTED[name]
    received = read(payload(name))
    assert changes == [(each.action.value, each.event_name, each.key) for each in received.changes]
    assert [True] * len(reasons) == [wanted in bad.reason for wanted, bad in zip(reasons, received.bad, strict=True)]
    assert ignored == list(received.ignored)


def test_each_payload_file_is_used() -> None:
    """No payload file lies there without an expectation."""
    assert sorted(EXPECTED) == sorted(path.name for path in EVENTS.iterdir())


def test_a_change_has_all_that_the_event_says() -> None:
    """Bucket, sizes, ETag and time come out as OSS sent them."""
    (change,) = read(payload("native_overwrite.json")).changes
    assert Action.CREATED == change.action
    assert "my-content-bucket" == change.bucket
    assert "9A0364B9E99BB480DD25E1F0284C8555" == change.etag
    assert (4_096, -1_024) == (change.size, change.delta_size)
    assert 1_765_646_401.0 == change.time
    assert not change.is_new


def test_a_growth_of_the_whole_size_means_new() -> None:
    """An object that was not there before is told from one that was overwritten."""
    new = read(payload("native_put.json")).changes[0]
    appended = read(payload("native_append.json")).changes[0]
    removed = read(payload("native_delete.json")).changes[0]
    unknown = read(native(event(oss={"bucket": {"name": "b"}, "object": {"key": "k", "size": 5}}))).changes[0]
    assert [True, False, False, False] == [each.is_new for each in (new, appended, removed, unknown)]


@given(strategies.keys())
def test_keys_are_raw(key: str) -> None:
    """A key comes out exactly as it stood in the event, in whatever it was wrapped; nothing is unquoted."""
    text = native(event(key)).decode()
    shapes = [
        text,
        base64.b64encode(text.encode()).decode(),
        json.dumps({"specversion": "1.0", "data": event(key)}),
        json.dumps([json.dumps({"specversion": "1.0", "data": event(key)}, ensure_ascii=False)]),
        json.dumps([{"specversion": "1.0", "data": {"messageBody": text}}]),
        json.dumps({"TopicName": "t", "Message": text}),
        json.dumps({"body": text, "attrs": {"a": "b"}}),
    ]
    assert [[key]] * len(shapes) == [[each.key for each in read(shape.encode()).changes] for shape in shapes]


@given(st.lists(st.sampled_from(("good", "half", "number", "text", "null")), max_size=8))
def test_one_bad_element_does_not_hold_back_the_others(kinds: list[str]) -> None:
    """Of a batch, each good element comes out in its order, and each bad one beside them."""
    bad: dict[str, Any] = {"half": {"eventName": "ObjectCreated:PutObject"}, "number": 5, "text": "x", "null": None}
    elements = [event(f"{index}.css") if kind == "good" else bad[kind] for index, kind in enumerate(kinds)]
    received = read(json.dumps(elements).encode())
    assert [f"{index}.css" for index, kind in enumerate(kinds) if kind == "good"] == [
        each.key for each in received.changes
    ]
    assert [bad[kind] for kind in kinds if kind != "good"] == [json.loads(each.payload) for each in received.bad]


def test_the_bytes_of_what_cannot_be_read_are_kept() -> None:
    """What is no JSON is kept byte by byte, and an inner element as the JSON it was."""
    junk = b'\xff\xfe{"events":'
    half = event(oss={"bucket": {"name": "b"}})
    assert [junk] == [each.payload for each in read(junk).bad]
    assert [half] == [json.loads(each.payload) for each in read(native(event(), half)).bad]


def test_a_message_whose_body_is_junk_is_kept_whole() -> None:
    """What wraps an unreadable body stays with it, so that a person sees where it came from."""
    message = {"specversion": "1.0", "id": "7", "data": {"messageId": "1", "messageBody": "<junk>"}}
    received = read(json.dumps([message]).encode())
    assert [message] == [json.loads(each.payload) for each in received.bad]


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    """Whatever bytes an invocation brings, reading them ends with an answer, here always a bad event."""
    received = read(data)
    assert isinstance(received, Received)
    assert () == received.changes


@settings(max_examples=100)
@given(strategies.json_values(), st.booleans())
def test_no_json_makes_it_raise(value: Any, encoded: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever JSON an invocation brings, Base64 or not, reading it ends with an answer."""
    data = json.dumps(value).encode()
    assert isinstance(read(base64.b64encode(data) if encoded else data), Received)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"data":' * 100_000, base64.b64encode(b"[" * 100_000)])
def test_no_depth_makes_it_raise(data: bytes) -> None:
    """JSON nested deeper than the decoder goes is a bad event like any other."""
    assert 1 == len(read(data).bad)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"data":', "}"), ('{"events":[', "]}")])
def test_no_depth_that_can_just_be_read_makes_it_raise(opening: str, closing: str) -> None:
    """What the decoder still takes may be too deep to be written again; that, too, is a bad event."""
    depths = range(400, 1_010)
    assert [1] * len(depths) == [len(read(f"{opening * depth}1{closing * depth}".encode()).bad) for depth in depths]


def test_wrapping_is_unpacked_to_a_bound() -> None:
    """An event inside too many arrays is bad, not a hazard."""
    deep: Any = event()
    for _ in range(NESTING_MAX + 1):
        deep = [deep]
    (bad,) = read(json.dumps(deep).encode()).bad
    assert f"nested deeper than {NESTING_MAX} levels" == bad.reason


@pytest.mark.parametrize("name", [name for name in EXPECTED if EXPECTED[name][0]])
def test_a_second_delivery_has_the_same_ids(name: str) -> None:
    """Delivered twice, an event is recognised; the objects of one event are told apart."""
    first, second = read(payload(name)).changes, read(payload(name)).changes
    assert [each.id for each in first] == [each.id for each in second]
    assert len(first) == len({each.id for each in first})


def test_the_same_event_by_another_way_has_the_same_id() -> None:
    """Native, through EventBridge or through a queue, one change of an object has one id."""
    files = ("native_put.json", "eventbridge.json", "mns_queue_base64.json", "mns_topic_json.json")
    assert 1 == len({read(payload(name)).changes[0].id for name in files})


@pytest.mark.parametrize(
    "other",
    [
        event(responseElements={"requestId": "693D9F77F2B8A53530A1B2C4"}),
        event(eventName="ObjectCreated:PostObject"),
        event(eventTime="2025-12-13T17:17:27.001Z"),
        event("b.css"),
        event(oss={"bucket": {"name": "other"}, "object": {"key": "a.css", "size": 5, "eTag": "E"}}),
        event(oss={"bucket": {"name": "content"}, "object": {"key": "a.css", "size": 5, "eTag": "F"}}),
    ],
)
def test_different_changes_have_different_ids(other: dict[str, Any]) -> None:
    """Another request, operation, time, key, bucket or content is another event."""
    first, second = read(native(event(), other)).changes
    assert first.id != second.id


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("eventName", "ObjectCreated:Unheard", "is not one that this package handles"),
        ("eventName", "ObjectCreated:PutBucket", "is not one that this package handles"),
        ("eventName", "ObjectRemoved:PutObject", "is not one that this package handles"),
        ("eventName", None, "Expected `str`, got `null`"),
        ("eventTime", "yesterday", "Invalid RFC3339"),
        ("eventSource", "acs:ecs", "eventSource is 'acs:ecs'"),
        ("oss", {"bucket": {"name": ""}, "object": {"key": "k"}}, "the bucket's name or the object's key is empty"),
        ("oss", {"bucket": {"name": "b"}, "object": {"key": ""}}, "the bucket's name or the object's key is empty"),
        ("oss", {"bucket": {"name": "b"}, "object": {"key": 5}}, "Expected `str`, got `int`"),
    ],
)
def test_a_bad_event_says_what_is_wrong(member: str, value: Any, reason: str) -> None:
    """The reason names the member that is wrong."""
    (bad,) = read(native(event(**{member: value}))).bad
    assert reason in bad.reason


def test_a_time_without_zone_is_utc() -> None:
    """Times are UTC where the event names no zone, and are converted where it does."""
    zones = ("2025-12-13T17:17:27", "2025-12-13T17:17:27Z", "2025-12-14T01:17:27+08:00")
    assert [1_765_646_247.0] * 3 == [read(native(event(eventTime=time))).changes[0].time for time in zones]


def test_an_event_name_may_carry_the_prefix_of_its_type() -> None:
    """`oss:`, as trigger configurations and CloudEvents write it, means the same event."""
    with_prefix = read(native(event(eventName="oss:ObjectCreated:PutObject"))).changes
    assert read(native(event())).changes == with_prefix


def test_nothing_in_it_is_nothing() -> None:
    """An empty batch is neither a change nor a fault."""
    assert [Received(), Received()] == [read(b"[]"), read(b'{"events":[]}')]
