"""The vendor's log SDK, unmodified, against the local log service: over a socket and in process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aliyun.log import GetLogsRequest, ListLogstoresRequest, LogClient, LogException, LogItem, PutLogsRequest

from scripts.localcloud import server
from scripts.localcloud.clock import Clock
from scripts.localcloud.inprocess import RequestsAdapter
from scripts.localcloud.sls.service import LogStore
from scripts.localcloud.web import Request, Response

KEYS = {"test-key-id": "test-secret"}
REAL_ENDPOINT = "http://cn-hangzhou.log.aliyuncs.com"


def make_store(clock: Clock) -> LogStore:
    """One project with one logstore."""
    store = LogStore(clock, keys=KEYS)
    store.create("audit", "outcomes")
    return store


class OnlyLogs:
    """A local cloud with one listener."""

    listeners = ("sls",)

    def __init__(self, store: LogStore, clock: Clock) -> None:
        self.clock = clock
        self._store = store

    async def open(self, addresses: Mapping[str, str]) -> None:
        """Need nothing of the addresses."""

    def answer(self, listener: str, request: Request) -> Response:
        """Answer at the one listener."""
        assert listener == "sls"
        return self._store.handle(request)

    async def close(self) -> None:
        """Hold nothing to give back."""


def connect(store: LogStore, clock: Clock, **options: Any) -> Any:
    """The SDK under the real endpoint's name, its session mounted on the service."""
    client: Any = LogClient(REAL_ENDPOINT, "test-key-id", "test-secret", source="10.0.0.1", **options)
    client._session.mount("http://", RequestsAdapter(store.handle, clock))  # noqa: SLF001 - no public way in
    return client


def put(client: Any, *contents: tuple[str, str], compress: bool = True, **options: Any) -> None:
    """Write one log per field."""
    items = [LogItem(contents=[pair]) for pair in contents]
    request = PutLogsRequest("audit", "outcomes", "refresh", "", items, compress=compress, **options)
    client.put_logs(request)


def found(client: Any, query: str = "*", **options: Any) -> list[dict[str, str]]:
    """The fields of what a query finds in the last and next minute."""
    now = int(time.time())
    reply = client.get_log("audit", "outcomes", now - 60, now + 60, query=query, **options)
    return [log.get_contents() for log in reply.get_logs()]


@pytest.fixture
def store() -> LogStore:
    """An empty log service."""
    return make_store(Clock())


@pytest.fixture
def client(store: LogStore) -> Any:
    """The SDK in front of it."""
    return connect(store, Clock())


@pytest.mark.parametrize("compress", [True, False])
def test_what_the_sdk_writes_it_reads_back(client: Any, compress: bool) -> None:  # noqa: FBT001 - a case
    """A log written with lz4 or without is found with its fields, topic and source as they were."""
    put(client, ("url", "http://static.example.com/ä b.css"), ("outcome", "accepted"), compress=compress)
    assert found(client) == [
        {"__topic__": "refresh", "url": "http://static.example.com/ä b.css"},
        {"__topic__": "refresh", "outcome": "accepted"},
    ]


def test_both_versions_of_the_search_call_agree(client: Any) -> None:
    """The older GET and the newer POST of GetLogs give the same logs."""
    put(client, ("outcome", "accepted"), ("outcome", "dead"))
    newer = found(client, "outcome: dead")
    client._get_logs_v2_enabled = False  # noqa: SLF001 - the SDK's own switch has no public name
    assert found(client, "outcome: dead") == newer == [{"__topic__": "refresh", "outcome": "dead"}]


def test_pages_and_order_are_the_callers(client: Any) -> None:
    """Offset, size and reverse pick one page from either end."""
    put(client, *(("n", str(number)) for number in range(5)))
    assert [log["n"] for log in found(client, offset=1, size=2)] == ["1", "2"]
    assert [log["n"] for log in found(client, size=2, reverse=True)] == ["4", "3"]


def test_request_objects_work_too(client: Any) -> None:
    """`get_logs` with a request object, with a hash key and tags on the way in, finds what was put."""
    put(client, ("n", "1"), hashKey="0" * 32, logtags=[("host", "a")])
    now = int(time.time())
    reply = client.get_logs(GetLogsRequest("audit", "outcomes", now - 60, now + 60, "refresh", "n: 1"))
    assert reply.is_completed()
    assert [log.get_contents()["__tag__:host"] for log in reply.get_logs()] == ["a"]


def test_logstores_are_listed_and_described(client: Any) -> None:
    """The calls that ask what there is answer in the form the SDK expects."""
    assert client.list_logstores(ListLogstoresRequest("audit")).get_logstores() == ["outcomes"]
    assert client.get_logstore("audit", "outcomes").get_shard_count() == 2


@pytest.mark.parametrize(
    "options",
    [
        {"auth_version": "v4", "region": "cn-hangzhou"},
        {"securityToken": "session"},
        {"auth_version": "v4", "region": "cn-hangzhou", "securityToken": "session"},
    ],
)
def test_every_signature_of_the_sdk_is_accepted(store: LogStore, options: dict[str, str]) -> None:
    """Signature version 4 and temporary keys are verified like version 1."""
    put(connect(store, Clock(), **options), ("url", "a b/ä"))
    assert [log["url"] for log in store.logs("audit", "outcomes")] == ["a b/ä"]


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_wrong_secret_is_refused(store: LogStore, version: str) -> None:
    """A signature made with another secret is refused with the vendor's code, and nothing is stored."""
    client: Any = LogClient(
        REAL_ENDPOINT, "test-key-id", "guessed", source="s", auth_version=version, region="cn-hangzhou"
    )
    client._session.mount("http://", RequestsAdapter(store.handle, Clock()))  # noqa: SLF001 - no public way in
    with pytest.raises(LogException) as refusal:
        put(client, ("n", "1"))
    assert (refusal.value.get_error_code(), refusal.value.get_resp_status()) == ("SignatureNotMatch", 401)
    assert store.logs("audit", "outcomes") == []


@pytest.mark.parametrize(
    ("project", "logstore", "code"),
    [("audit", "nowhere", "LogStoreNotExist"), ("nobody", "outcomes", "ProjectNotExist")],
)
def test_what_does_not_exist_is_named(client: Any, project: str, logstore: str, code: str) -> None:
    """A missing logstore and a missing project have different codes, both with status 404."""
    with pytest.raises(LogException) as refusal:
        client.put_logs(PutLogsRequest(project, logstore, "", "", [LogItem(contents=[("n", "1")])]))
    assert (refusal.value.get_error_code(), refusal.value.get_resp_status()) == (code, 404)


def test_a_throttled_write_is_the_vendors_error(store: LogStore) -> None:
    """The SDK reads the service's fault reply as a quota error and does not retry it."""
    client: Any = LogClient(REAL_ENDPOINT, "test-key-id", "test-secret", source="s")
    adapter = RequestsAdapter(lambda request: store.fault_response("throttle", request), Clock())
    client._session.mount("http://", adapter)  # noqa: SLF001 - no public way in
    with pytest.raises(LogException) as refusal:
        put(client, ("n", "1"))
    assert (refusal.value.get_error_code(), refusal.value.get_resp_status()) == ("WriteQuotaExceed", 403)


@pytest.fixture
def address(store: LogStore) -> Iterator[str]:
    """The log service behind a socket."""
    with server.running(OnlyLogs(store, Clock())) as addresses:
        yield addresses["sls"]


def test_the_sdk_reaches_the_socket_by_address(address: str, store: LogStore) -> None:
    """On an IP the SDK names the project in the Host header only; that is enough."""
    client: Any = LogClient(address, "test-key-id", "test-secret", source="s")
    client._isRowIp = True  # noqa: SLF001 - the SDK does not recognise an IP with a port
    put(client, ("n", "1"))
    assert [log["n"] for log in store.logs("audit", "outcomes")] == ["1"]


def test_the_sdk_reaches_the_socket_as_a_proxy(address: str, store: LogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `http_proxy` set the SDK talks to the real endpoint's name and lands here."""
    monkeypatch.setenv("http_proxy", address)
    put(LogClient(REAL_ENDPOINT, "test-key-id", "test-secret", source="s"), ("n", "2"))
    assert [log["n"] for log in store.logs("audit", "outcomes")] == ["2"]
