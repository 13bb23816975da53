"""The local log service: its wire format, its search language, and what it refuses."""

from __future__ import annotations

import json
import zlib

import lz4.block
import pytest
import zstandard

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.sls.query import compile_query
from scripts.localcloud.sls.service import LINES_MAX, LogStore
from scripts.localcloud.sls.wire import decompress, parse_log_group
from scripts.localcloud.web import Request
from tests.localcloud.sls_caller import HOST, NOW, group, log, outcome, put, search, signed, text, varint


@pytest.fixture
def store() -> LogStore:
    """A log service with one logstore."""
    store = LogStore(VirtualClock(NOW), keys={"key": "secret"})
    store.create("audit", "outcomes")
    return store


@pytest.mark.parametrize(
    ("kind", "compress"),
    [
        ("lz4", lambda raw: lz4.block.compress(raw, store_size=False)),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("deflate", zlib.compress),
    ],
)
def test_every_compression_is_undone(kind: str, compress: object) -> None:
    """A body compressed in each of the three ways is read back; a damaged one is a ValueError."""
    raw = group(log(1, a="b")) * 20
    assert callable(compress)
    assert decompress(compress(raw), kind, len(raw)) == raw
    with pytest.raises(ValueError, match=r"\w"):
        decompress(b"\x00damaged", kind, len(raw))


def test_a_log_group_is_read_field_by_field() -> None:
    """Times, nanoseconds, contents, topic, source and tags come out; unknown fields are passed over."""
    nanoseconds = varint(4 << 3 | 5) + (7).to_bytes(4, "little")
    inner = varint(1 << 3) + varint(NOW) + text(2, text(1, "k") + text(2, "ü")) + nanoseconds
    tag = text(6, text(1, "host") + text(2, "a"))
    parsed = parse_log_group(text(1, inner) + text(3, "t") + text(4, "s") + tag + text(99, "later"))
    assert (parsed.topic, parsed.source, parsed.tags) == ("t", "s", [("host", "a")])
    assert [(each.time, each.time_ns, each.contents) for each in parsed.logs] == [(NOW, 7, [("k", "ü")])]


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05ab", b"\x08", b"\x80", b"\x0b", b"\x08\x01"])
def test_a_cut_or_strange_message_is_refused(data: bytes) -> None:
    """A message that ends early, or has a number where a message belongs, is a ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_log_group(data)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("", True),
        ("*", True),
        ("outcome: accepted", True),
        ("outcome:ACCEPTED", True),
        ("outcome: accept", False),
        ("outcome: acc*", True),
        ("outcome: *", True),
        ("nothing: *", False),
        ("accepted", True),
        ("missing", False),
        ("outcome: accepted and attempt: 2", True),
        ("outcome: accepted attempt: 2", True),
        ("outcome: accepted and attempt: 3", False),
        ("attempt: 3 or attempt: 2 and outcome: accepted", True),
        ("(attempt: 3 or attempt: 2) and outcome: dead", False),
        ("not outcome: dead", True),
        ("outcome: accepted not attempt: 2", False),
        ('url: "http://static.example.com/a b.css"', True),
        ('url: "http://static.example.com/other.css"', False),
        ('"url": b.css', True),
        ("latency_ms > 100", True),
        ("latency_ms >= 250 and latency_ms <= 250 and latency_ms = 250", True),
        ("latency_ms < 100", False),
        ("url > 5", False),
    ],
)
def test_the_search_language_selects(query: str, holds: bool) -> None:  # noqa: FBT001 - a column of the table
    """Each form of the search language holds for exactly the logs it should."""
    record = {
        "url": "http://static.example.com/a b.css",
        "outcome": "accepted",
        "attempt": "2",
        "latency_ms": "250",
    }
    assert compile_query(query)(record) is holds


@pytest.mark.parametrize(
    "query",
    ["* | select count(*)", 'a: "open', "(a: b", "a:", "a: b)", "a > b", ": b", "a and"],
)
def test_a_query_that_cannot_be_understood_is_refused(query: str, store: LogStore) -> None:
    """SQL and broken queries get a parameter error instead of an empty answer."""
    assert outcome(store.handle(search(query=query))) == (400, "ParameterInvalid")


def test_what_is_put_is_found_by_time_and_topic(store: LogStore) -> None:
    """From is included, to is not; another topic is left out; order is that of time."""
    for topic, times in (("a", (30, 10, 20)), ("b", (15,))):
        assert store.handle(put(group(*(log(time, n=str(time)) for time in times), topic=topic))).status == 200
    reply = json.loads(store.handle(search(**{"from": 10, "to": 30, "topic": "a"})).body)
    assert [each["n"] for each in reply["data"]] == ["10", "20"]
    assert (reply["meta"]["progress"], reply["meta"]["count"]) == ("Complete", 2)


def test_a_page_is_at_most_a_hundred_logs(store: LogStore) -> None:
    """More lines than the vendor's page are not given, whatever is asked."""
    store.handle(put(group(*(log(1, n="1") for _ in range(LINES_MAX + 1)))))
    reply = json.loads(store.handle(search(line=1000)).body)
    assert len(reply["data"]) == LINES_MAX


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (put(group(), b"x", compresstype="lz4"), (400, "PostBodyInvalid")),
        (put(group(), compresstype="brotli"), (400, "InvalidCompressType")),
        (put(group(), bodyrawsize="many"), (400, "InvalidBodyRawSize")),
        (put(group(), bodyrawsize="1"), (400, "PostBodyInvalid")),
        (put(group(), bodyrawsize=str(11 * 1024 * 1024)), (400, "PostBodyTooLarge")),
        (
            signed("POST", "/logstores/none/shards/lb", b"", headers={"bodyrawsize": "0"}),
            (404, "LogStoreNotExist"),
        ),
        (signed("POST", "/logstores/outcomes/logs", b"no json"), (400, "PostBodyInvalid")),
        (signed("DELETE", "/logstores/outcomes", b""), (404, "InvalidAPI")),
        (signed("GET", "/logstores", b"", date=NOW - 901), (400, "RequestTimeExpired")),
        (Request("GET", HOST, "/logstores"), (401, "Unauthorized")),
        (Request("GET", HOST, "/logstores", headers={"authorization": "LOG no:x"}), (401, "Unauthorized")),
        (Request("GET", "else.cn-hangzhou.log.aliyuncs.com", "/logstores"), (404, "ProjectNotExist")),
    ],
)
def test_each_refusal_has_the_vendors_code(store: LogStore, request_: Request, expected: tuple[int, str]) -> None:
    """Every kind of bad request gets the status and code of the vendor's error table and stores nothing."""
    assert outcome(store.handle(request_)) == expected
    assert store.logs("audit", "outcomes") == []


def test_a_body_that_is_not_what_its_digest_says_is_refused(store: LogStore) -> None:
    """A Content-MD5 of other bytes stops the write, though the signature is right."""
    honest = put(group(log(1, n="1")))
    changed = Request("POST", HOST, honest.path, "", honest.headers, honest.body[:-1] + b"2")
    assert outcome(store.handle(changed)) == (400, "PostBodyInvalid")


def test_old_signatures_pass_where_time_is_virtual() -> None:
    """Signatures are dated by their own clock, so virtual days do not make a client's keys fail."""
    store = LogStore(VirtualClock(NOW), keys={"key": "secret"}, signing_clock=VirtualClock(NOW - 86_400))
    store.create("audit", "outcomes")
    assert store.handle(signed("GET", "/logstores", b"", date=NOW - 86_400)).status == 200
    assert outcome(store.handle(signed("GET", "/logstores", b""))) == (400, "RequestTimeExpired")


def test_services_may_write_without_a_signature(store: LogStore) -> None:
    """What the platform writes by itself is found like what clients put."""
    store.write("audit", "outcomes", "FCLogs:f", {"message": "done"})
    reply = json.loads(store.handle(search(to=NOW + 1, query="__topic__: FCLogs")).body)
    assert [each["message"] for each in reply["data"]] == ["done"]


def test_temporary_keys_need_their_token() -> None:
    """A key that has a session token is refused without it."""
    store = LogStore(VirtualClock(NOW), keys={"key": "secret"}, tokens={"key": "session"})
    store.create("audit", "outcomes")
    assert outcome(store.handle(signed("GET", "/logstores", b""))) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("throttle", "/logstores/outcomes/shards/lb", (403, "WriteQuotaExceed")),
        ("throttle", "/logstores/outcomes/logs", (403, "ReadQuotaExceed")),
        ("server_error", "/logstores/outcomes/shards/lb", (500, "InternalServerError")),
    ],
)
def test_faults_speak_the_services_own_language(
    store: LogStore, kind: str, path: str, expected: tuple[int, str]
) -> None:
    """A fault made on purpose looks like the vendor's own refusal, request id included."""
    reply = store.fault_response(kind, Request("POST", HOST, path))
    assert outcome(reply) == expected
    assert reply.headers["x-log-requestid"]
