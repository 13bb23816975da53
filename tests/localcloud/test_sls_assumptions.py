"""A log service that refuses by content, is not there, redirects, or has another clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest

from scripts.localcloud.answers import Answer, RawAnswer, redirect
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.sls.answers import GET_LOGS, GET_LOGSTORE, PUT_LOGS, SlsCall, refuse_records, rule
from scripts.localcloud.sls.auth import SlsError
from scripts.localcloud.sls.service import LogStore
from scripts.localcloud.web import Response
from tests.localcloud.sls_caller import NOW, group, log, outcome, put, search, signed


@pytest.fixture
def store() -> LogStore:
    """A log service with one logstore."""
    store = LogStore(VirtualClock(NOW), keys={"key": "secret"})
    store.create("audit", "outcomes")
    return store


def is_bad(record: Mapping[str, str]) -> bool:
    """Tell whether a record is one that the service cannot take."""
    return record.get("url") == "bad"


def write(store: LogStore, *urls: str) -> Response:
    """Write a batch of one record a URL."""
    return store.handle(put(group(*(log(NOW, url=url) for url in urls))))


def written(store: LogStore) -> list[str]:
    """The URLs of all records, in order."""
    return [record["url"] for record in store.logs("audit", "outcomes")]


def test_a_batch_is_refused_for_one_record(store: LogStore) -> None:
    """A batch that holds the record is refused as a whole, each time; every other is taken."""
    store.answers.append(refuse_records(is_bad))
    assert outcome(write(store, "a", "bad")) == (400, "PostBodyInvalid")
    assert outcome(write(store, "bad")) == (400, "PostBodyInvalid")
    assert write(store, "a", "b").status == 200
    assert written(store) == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("LogStoreNotExist", 404), ("ProjectNotExist", 404), ("Unauthorized", 401), ("ServerBusy", 503), ("Odd", 400)],
)
def test_writes_are_refused_by_code(store: LogStore, code: str, status: int) -> None:
    """A rule may name any code; searches are answered as ever if it is about writes."""
    store.answers.append(rule(Answer(code), operations=[PUT_LOGS], logstores=["outcomes"]))
    assert outcome(write(store, "a")) == (status, code)
    assert (store.handle(search()).status, written(store)) == (200, [])


def test_searches_are_refused(store: LogStore) -> None:
    """A rule about searches leaves writes and the logstore's description alone, and the other way round."""
    store.answers.append(rule(Answer("Unauthorized"), operations=[GET_LOGS]))
    assert (write(store, "a").status, outcome(store.handle(search()))) == (200, (401, "Unauthorized"))
    described = signed("GET", "/logstores/outcomes", b"")
    assert store.handle(described).status == 200
    store.answers[:] = [rule(Answer("Unauthorized"), operations=[GET_LOGSTORE])]
    assert (store.handle(search()).status, outcome(store.handle(described))) == (200, (401, "Unauthorized"))


def test_what_is_dropped_is_gone(store: LogStore) -> None:
    """A deleted logstore and a deleted project are refused by name."""
    store.create("audit", "other")
    store.drop("audit", "outcomes")
    assert outcome(write(store, "a")) == (404, "LogStoreNotExist")
    store.drop("audit")
    assert outcome(write(store, "a")) == (404, "ProjectNotExist")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_write_is_redirected(store: LogStore, status: int) -> None:
    """The location is the same path of another host, and nothing is written."""
    store.answers.append(rule(redirect("http://elsewhere.example.org", status), operations=[PUT_LOGS]))
    reply = write(store, "a")
    location = "http://elsewhere.example.org/logstores/outcomes/shards/lb"
    assert (reply.status, reply.headers["Location"], written(store)) == (status, location, [])


def test_a_write_is_carried_out_and_denied(store: LogStore) -> None:
    """The record is there although the reply was 503, or no reply at all."""
    store.answers.append(rule(Answer("ServerBusy", carried_out=True), times=1))
    store.answers.append(rule(Answer(dropped=True, carried_out=True), times=1))
    assert outcome(write(store, "a")) == (503, "ServerBusy")
    assert write(store, "b").lost
    assert written(store) == ["a", "b"]


def test_rules_hold_without_http(store: LogStore) -> None:
    """`put_logs` writes, refuses and answers as the wire does."""
    store.answers.append(refuse_records(is_bad))
    store.put_logs("audit", "outcomes", [{"url": "a"}], "topic")
    with pytest.raises(SlsError) as refused:
        store.put_logs("audit", "outcomes", [{"url": "b"}, {"url": "bad"}])
    assert (refused.value.status, refused.value.code) == (400, "PostBodyInvalid")
    store.answers[:] = [rule(Answer(status=502, body=b"<html>"))]
    with pytest.raises(RawAnswer):
        store.put_logs("audit", "outcomes", [{"url": "c"}])
    with pytest.raises(SlsError, match="does not exist"):
        store.put_logs("audit", "nowhere", [{"url": "d"}])
    (record,) = store.logs("audit", "outcomes")
    assert record == {"__time__": str(NOW), "__topic__": "topic", "__source__": "", "url": "a"}
    assert store.verdict(SlsCall(PUT_LOGS, "audit", "outcomes")) == Answer(status=502, body=b"<html>")


def test_an_expired_token_is_named(store: LogStore) -> None:
    """A token that was good once is refused as expired, before anything else is said of it."""
    store.expired_tokens.add("old")
    headers = {"date": "", "x-acs-security-token": "old"}
    request = signed("GET", "/logstores", b"")
    fields = {**request.headers, **headers, "date": request.headers["date"]}
    names = sorted(name for name in fields if name.startswith(("x-log-", "x-acs-")))
    lines = "".join(f"{name}:{fields[name]}\n" for name in names)
    text = f"GET\n\n\n{fields['date']}\n{lines}/logstores"
    fields["authorization"] = (
        "LOG key:" + base64.b64encode(hmac.new(b"secret", text.encode(), hashlib.sha1).digest()).decode()
    )
    reply = store.handle(type(request)("GET", request.host, request.path, "", fields))
    assert (reply.status, json.loads(reply.body)["errorMessage"]) == (
        401,
        "The security token you provided has expired.",
    )


def test_a_signature_is_judged_by_the_services_clock(store: LogStore) -> None:
    """A client whose clock is right is refused by a service 16 minutes off, not by one 14 minutes off."""
    for minutes, code in ((14, ""), (16, "RequestTimeExpired"), (-16, "RequestTimeExpired")):
        store.clock_ahead_seconds = minutes * 60
        reply = write(store, "a")
        assert (outcome(reply)[1] if code else reply.status) == (code or 200)
