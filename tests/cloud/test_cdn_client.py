"""The CDN client against plain functions: what it sends, how it reads, and what each failure becomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from shared.cloud.cdn import Acs3Auth, Cdn
from shared.cloud.credentials import Credentials, KeyRing, MissingCredentials
from shared.core.cdntask import Accepted, CdnTask, Page, Prefetch, State
from shared.core.errors import CdnError, MinuteSpent, QuotaSpent, Refused, Rejected, Throttled, Unreachable
from shared.core.model import Form
from shared.core.quota import Quota

URL = "https://a.example.com/1.css"
NOW = 1_767_323_045.0
NONCE = "0123456789abcdef0123456789abcdef"
KEYS = Credentials("testAK", "testSecret")

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer, keys: KeyRing | None = None, **options: Any) -> Cdn:
    """Make a client whose requests a function answers, at a fixed time and with a fixed nonce."""
    return Cdn(
        "https://cdn.aliyuncs.com",
        keys or KeyRing(KEYS),
        transport=httpx.MockTransport(answer),
        clock=lambda: NOW,
        nonce=lambda: NONCE,
        **options,
    )


def answering(body: Any, status: int = 200, **headers: str) -> Answer:
    """Answer every request alike, with JSON or with bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, content=content, headers=given)


class Recorder:
    """Answers every request alike and remembers them."""

    def __init__(self, body: Any) -> None:
        self.requests: list[httpx.Request] = []
        self._body = body

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take a request."""
        self.requests.append(request)
        return httpx.Response(200, json=self._body)

    @property
    def form(self) -> dict[str, str]:
        """The last request's form."""
        return dict(parse_qsl(self.requests[-1].content.decode(), keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        """The last request's query."""
        return dict(parse_qsl(self.requests[-1].url.query.decode(), keep_blank_values=True))


REFRESHED = {"RefreshTaskId": "704222904", "RequestId": "R"}
PUSHED = {"PushTaskId": "95248880", "RequestId": "R"}


# What is sent


def test_a_refresh_goes_as_a_signed_form() -> None:
    """Method, path, headers and body are those of the vendor's own clients."""
    record = Recorder(REFRESHED)
    client(record).refresh([URL, "https://b.example.com/x%20y"])
    (request,) = record.requests
    assert ("POST", "https://cdn.aliyuncs.com/") == (request.method, str(request.url))
    expected = {
        "host": "cdn.aliyuncs.com",
        "accept": "application/json",
        "content-type": "application/x-www-form-urlencoded",
        "x-acs-action": "RefreshObjectCaches",
        "x-acs-version": "2018-05-10",
        "x-acs-date": "2026-01-02T03:04:05Z",
        "x-acs-signature-nonce": NONCE,
    }
    assert expected == {name: request.headers[name] for name in expected}
    assert (
        b"ObjectPath=https%3A%2F%2Fa.example.com%2F1.css%0Ahttps%3A%2F%2Fb.example.com%2Fx%2520y&ObjectType=File"
    ) == request.content


@pytest.mark.parametrize(
    ("form", "force", "fields"),
    [
        (Form.FILE, False, {"ObjectType": "File"}),
        (Form.FILE, True, {"ObjectType": "File"}),
        (Form.DIRECTORY, False, {"ObjectType": "Directory", "Force": "false"}),
        (Form.DIRECTORY, True, {"ObjectType": "Directory", "Force": "true"}),
        (Form.REGEX, False, {"ObjectType": "Regex", "Force": "false"}),
        (Form.IGNORE_PARAMS, False, {"ObjectType": "IgnoreParams", "Force": "false"}),
    ],
)
def test_each_form_has_its_type_and_files_no_force(form: Form, force: bool, fields: dict[str, str]) -> None:  # noqa: FBT001 - a table
    """`Force` is for what is not a file, in lower case."""
    record = Recorder(REFRESHED)
    client(record).refresh([URL], form, force=force)
    assert {"ObjectPath": URL, **fields} == record.form


def test_the_type_of_ignored_parameters_can_be_set() -> None:
    """The vendor's pages call it by two names."""
    record = Recorder(REFRESHED)
    client(record, ignore_params_type="ExQuery").refresh([URL], Form.IGNORE_PARAMS)
    assert "ExQuery" == record.form["ObjectType"]


def test_a_plain_prefetch_sends_nothing_but_urls() -> None:
    """What is left out follows the domain's own settings."""
    record = Recorder(PUSHED)
    client(record).prefetch([URL, URL + "?v=2"])
    assert "PushObjectCache" == record.requests[0].headers["x-acs-action"]
    assert {"ObjectPath": f"{URL}\n{URL}?v=2"} == record.form


def test_a_prefetch_sends_its_options() -> None:
    """Area, layers and headers as the vendor names them; booleans in lower case, headers as JSON of lists."""
    record = Recorder(PUSHED)
    options = Prefetch("domestic", True, {"Accept-Encoding": ["gzip", "br"]}, True, True)  # noqa: FBT003 - a record
    client(record).prefetch([URL], options)
    assert {
        "ObjectPath": URL,
        "Area": "domestic",
        "L2Preload": "true",
        "WithHeader": '{"Accept-Encoding":["gzip","br"]}',
        "QueryHashkey": "true",
        "ConsistencyHash": "true",
    } == record.form


def test_questions_go_in_the_query_with_an_empty_body() -> None:
    """The task list's filters, with times in UTC, and only those that are given."""
    record = Recorder({"Tasks": {"CDNTask": []}, "TotalCount": 0})
    client(record).tasks(url=URL, object_type="file", since=NOW, until=NOW + 60, page=2, page_size=50)
    (request,) = record.requests
    assert ("POST", "DescribeRefreshTasks", b"") == (request.method, request.headers["x-acs-action"], request.content)
    assert "content-type" not in request.headers
    assert {
        "ObjectPath": URL,
        "ObjectType": "file",
        "StartTime": "2026-01-02T03:04:05Z",
        "EndTime": "2026-01-02T03:05:05Z",
        "PageNumber": "2",
        "PageSize": "50",
    } == record.query


def test_several_ids_are_asked_for_at_once() -> None:
    """Up to ten, separated by commas."""
    record = Recorder({"Tasks": []})
    client(record).tasks_by_id([str(number) for number in range(10)])
    assert {"TaskId": "0,1,2,3,4,5,6,7,8,9"} == record.query


def test_more_ids_than_a_call_takes_are_refused() -> None:
    """Eleven ids are the caller's mistake, and nothing is sent."""
    record = Recorder({"Tasks": []})
    with pytest.raises(ValueError, match="11 task ids; a call takes 10"):
        client(record).tasks_by_id([str(number) for number in range(11)])
    assert [] == record.requests


# Signatures


def authorization(headers: dict[str, str], query: str = "", body: bytes = b"", token: str = "") -> str:
    """Send one request through the client's signer; the header that it got."""
    record = Recorder({})
    auth = Acs3Auth(KeyRing(Credentials("testAK", "testSecret", token)), lambda: NOW, lambda: NONCE)
    with httpx.Client(auth=auth, transport=httpx.MockTransport(record)) as http:
        http.post(f"https://cdn.aliyuncs.com/{query}", content=body, headers={"x-acs-version": "2018-05-10", **headers})
    return record.requests[0].headers["authorization"]


P = "https%3A%2F%2Fa.example.com%2Fx%20y.css%0Ahttps%3A%2F%2Fa.example.com%2F%C3%A9%2B~%2A.js"
FORM = {"x-acs-action": "RefreshObjectCaches", "content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("sent", "signature"),
    [
        pytest.param(
            authorization(FORM, body=f"Force=false&ObjectPath={P}&ObjectType=File".encode()),
            "ce213f33ee28c797d078046ae943ed4d376cbc994feff457095af2ab56a09c0f",
            id="refresh",
        ),
        pytest.param(
            authorization(FORM, body=f"Force=false&ObjectPath={P}&ObjectType=File".encode(), token="tok/en+="),
            "f3e2ae1d6951382e990861b2156bb89ae8f280346b919f63e25b5ba3a6a7ed89",
            id="refresh with a token",
        ),
        pytest.param(
            authorization({"x-acs-action": "PushObjectCache"}, query=f"?Area=domestic&ObjectPath={P}"),
            "48916c35f9d0e0b19d0c025627e183be0bef2b0d8eec63c6d3f61c0af9bf1f8a",
            id="prefetch",
        ),
    ],
)
def test_the_signer_signs_as_the_vendors_does(sent: str, signature: str) -> None:
    """Requests in the vendor's shape, through httpx as it sends them, get the vendor's signatures."""
    assert signature == sent.rpartition("Signature=")[2]


def test_the_client_signs_as_the_vendors_does() -> None:
    """A question without parameters is the same request in both clients, so its signature is too."""
    record = Recorder({})
    client(record).quota()
    signed = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
    assert (
        f"ACS3-HMAC-SHA256 Credential=testAK,SignedHeaders={signed},"
        "Signature=73397e369496aa5ea9f6303fd233d231bdb7d7f66124e39d2ede4a20305dab3b"
    ) == record.requests[0].headers["authorization"]


def test_a_token_is_sent_and_signed() -> None:
    """Temporary keys prove themselves with their token; permanent ones send none."""
    record = Recorder({})
    keys = KeyRing(Credentials("STS.AK", "secret", "token"))
    client(record, keys).quota()
    client(record).quota()
    assert ["token", None] == [request.headers.get("x-acs-security-token") for request in record.requests]
    assert ["x-acs-security-token" in request.headers["authorization"] for request in record.requests] == [True, False]


def test_keys_are_read_at_each_request() -> None:
    """A client lives as long as its instance, keys as long as an invocation."""
    record = Recorder({})
    ring = KeyRing(KEYS)
    lasting = client(record, ring)
    lasting.quota()
    ring.use(Credentials("STS.next", "secret", "token"))
    lasting.quota()
    sent = [request.headers["authorization"] for request in record.requests]
    found = [each.partition("Credential=")[2].partition(",")[0] for each in sent]
    assert ["testAK", "STS.next"] == found


def test_without_keys_nothing_is_sent() -> None:
    """Before the first invocation there is nothing to sign with."""
    record = Recorder({})
    with pytest.raises(MissingCredentials):
        client(record, KeyRing()).quota()
    assert [] == record.requests


def test_each_request_has_its_own_nonce() -> None:
    """A nonce that comes twice is refused as a replay."""
    record = Recorder({})
    cdn = Cdn("https://cdn.aliyuncs.com", KeyRing(KEYS), transport=httpx.MockTransport(record))
    cdn.quota()
    cdn.quota()
    nonces = {request.headers["x-acs-signature-nonce"] for request in record.requests}
    assert [32, 32] == [len(nonce) for nonce in nonces]


# What is read


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        ("704222904", ("704222904",)),
        (704222904, ("704222904",)),
        ("1,2,3", ("1", "2", "3")),
        ("1, 2 ,3", ("1", "2", "3")),
        ("1,,2,", ("1", "2")),
    ],
)
def test_ids_are_read_however_they_come(ids: Any, read: tuple[str, ...]) -> None:
    """Text, number or a list by commas, with or without spaces."""
    assert Accepted(read, "R") == client(answering({"RefreshTaskId": ids, "RequestId": "R"})).refresh([URL])
    assert Accepted(read, "R") == client(answering({"PushTaskId": ids, "RequestId": "R"})).prefetch([URL])


@pytest.mark.parametrize(
    "body", [{}, {"RequestId": "R"}, {"RefreshTaskId": ""}, {"RefreshTaskId": None}, {"PushTaskId": "1"}]
)
def test_an_acceptance_without_an_id_is_uncertain(body: Any) -> None:
    """It was taken, but nobody can ask for it by an id: the task list has to tell."""
    with pytest.raises(Unreachable) as caught:
        client(answering(body)).refresh([URL])
    assert "NoTaskId" == caught.value.code


ROW = {
    "TaskId": 704225667,
    "ObjectPath": URL,
    "ObjectType": "File",
    "Status": "Complete",
    "Process": "100%",
    "CreationTime": "2026-01-02T03:04:05Z",
}
TASK = CdnTask("704225667", URL, "file", State.COMPLETE, "Complete", 100.0, NOW)


@pytest.mark.parametrize(
    ("body", "page"),
    [
        ({"Tasks": {"CDNTask": [ROW]}, "TotalCount": 1}, Page((TASK,), 1)),
        ({"Tasks": [ROW], "TotalCount": "1"}, Page((TASK,), 1)),
        ({"Tasks": {}, "TotalCount": 0}, Page((), 0)),
        ({"Tasks": {"CDNTask": None}, "TotalCount": 0}, Page((), 0)),
        ({"Tasks": None}, Page((), 0)),
        ({}, Page((), 0)),
    ],
)
def test_task_lists_are_read_however_they_come(body: Any, page: Page) -> None:
    """Wrapped or plain, empty or absent, counts as number or text."""
    assert page == client(answering(body)).tasks()
    assert list(page.rows) == client(answering(body)).tasks_by_id(["1"])


@pytest.mark.parametrize(
    ("fields", "state", "percent"),
    [
        ({"Process": "99.37%", "Status": "Refreshing"}, State.RUNNING, 99.37),
        ({"Process": "10", "Status": "Pending"}, State.RUNNING, 10.0),
        ({"Process": 0, "Status": "Failed"}, State.FAILED, 0.0),
        ({"Process": "?", "Status": "Reconsidering"}, State.RUNNING, 0.0),
    ],
)
def test_rows_are_read_however_they_come(fields: dict[str, Any], state: State, percent: float) -> None:
    """Percent with or without its sign; a status nobody knows is still running."""
    (row,) = client(answering({"Tasks": [{**ROW, **fields}]})).tasks_by_id(["1"])
    assert (state, percent, fields["Status"]) == (row.state, row.percent, row.status)


def test_quotas_are_read_however_they_come() -> None:
    """Numbers or text, names in any case, all five of ours and none of the others."""
    body = {
        "UrlQuota": "2000",
        "UrlRemain": 1996,
        "dirQuota": 100,
        "DIRREMAIN": "99",
        "RegexQuota": "20",
        "RegexRemain": "20",
        "IgnoreParamsQuota": "500",
        "ignoreParamsRemain": 400,
        "PreloadQuota": "1000",
        "PreloadRemain": "7",
        "PreloadEdgeQuota": "20",
        "PreloadEdgeRemain": "10",
        "BlockQuota": "300",
        "blockRemain": 100,
        "RequestId": "R",
    }
    assert (
        Quota(
            total={"url": 2000, "directory": 100, "regex": 20, "ignore-params": 500, "prefetch": 1000},
            remaining={"url": 1996, "directory": 99, "regex": 20, "ignore-params": 400, "prefetch": 7},
        )
        == client(answering(body)).quota()
    )


@pytest.mark.parametrize(
    "body",
    [
        {"DirQuota": 9, "DirRemain": 8},
        {"DirQuota": 9, "DirRemain": 8, "UrlQuota": 5},
        {"DirQuota": 9, "DirRemain": 8, "UrlQuota": "5", "UrlRemain": None},
        {"DirQuota": 9, "DirRemain": 8, "UrlQuota": "5", "UrlRemain": ""},
        {"DirQuota": 9, "DirRemain": 8, "UrlQuota": "5", "UrlRemain": "unlimited"},
    ],
)
def test_a_quota_that_is_not_told_is_absent(body: Any) -> None:
    """What is missing or no number is not known; the other quotas are."""
    assert Quota({"directory": 9}, {"directory": 8}) == client(answering(body)).quota()


# What failures become


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "Throttling.User", Throttled),
        (503, "ServiceUnavailable", Throttled),
        (400, "QuotaPerMinuteExceeded.Refresh", MinuteSpent),
        (400, "QuotaExceeded.Refresh", QuotaSpent),
        (400, "InvalidObjectPath.Malformed", Rejected),
        (403, "Forbidden.RAM", Refused),
        (400, "SomethingNew", Refused),
        (500, "InternalError", Unreachable),
        (500, "SomethingNew", Unreachable),
    ],
)
def test_the_code_decides_what_a_failure_is(status: int, code: str, kind: type[CdnError]) -> None:
    """Code, message and request id come out in the error that fits, whatever is called."""
    body = {"Code": code, "Message": "because", "RequestId": "R", "HostId": "cdn.aliyuncs.com"}
    cdn = client(answering(body, status))
    calls: list[Callable[[], object]] = [
        lambda: cdn.refresh([URL]),
        lambda: cdn.prefetch([URL]),
        cdn.tasks,
        lambda: cdn.tasks_by_id(["1"]),
        cdn.quota,
    ]
    for call in calls:
        with pytest.raises(CdnError) as caught:
            call()
        assert (kind, code, "because", "R") == (
            type(caught.value),
            caught.value.code,
            caught.value.message,
            caught.value.request_id,
        )


def test_names_in_a_failure_may_be_in_lower_case() -> None:
    """Some gateways write them so."""
    with pytest.raises(QuotaSpent) as caught:
        client(answering({"code": "QuotaExceeded.Refresh", "message": "m", "requestId": "R"}, 400)).refresh([URL])
    assert ("m", "R") == (caught.value.message, caught.value.request_id)


@pytest.mark.parametrize(
    ("stated", "seconds"), [("2500", 2.5), ("0", 0.0), ("", 0.0), ("soon", 0.0), ("-5", 0.0), ("1.5", 0.0)]
)
def test_the_wait_that_is_asked_for_is_in_milliseconds(stated: str, seconds: float) -> None:
    """`x-acs-retry-after` is kept in seconds; what is no whole number says nothing."""
    with pytest.raises(Throttled) as caught:
        client(answering({"Code": "TooManyRequests"}, 429, x_acs_retry_after=stated)).refresh([URL])
    assert seconds == caught.value.wait_seconds


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>502 Bad Gateway</html>", 502),
        (b"", 502),
        (b"<Error><Code>QuotaExceeded.Refresh</Code></Error>", 400),
        (b"[]", 200),
        (b"null", 200),
        (b"OK", 200),
        (b'{"RefreshTaskId": "1', 200),
        (b'{"Message": "\xff"}', 502),
        (b"[" * 100_000, 502),
        (b"", 302),
    ],
)
def test_an_answer_that_is_no_json_tells_nothing(body: bytes, status: int) -> None:
    """A gateway's page does not say whether the call was carried out, so the task list has to."""
    with pytest.raises(Unreachable):
        client(answering(body, status)).refresh([URL])


def test_a_failure_without_a_code_goes_by_its_status() -> None:
    """Below 500 somebody has to look at it; from 500 on nobody knows."""
    with pytest.raises(Refused):
        client(answering({"Message": "no"}, 403)).refresh([URL])
    with pytest.raises(Unreachable) as caught:
        client(answering({}, 504)).refresh([URL])
    assert "HTTP504" == caught.value.code


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError("refused"), Throttled),
        (httpx.ConnectTimeout("slow"), Throttled),
        (httpx.PoolTimeout("busy"), Throttled),
        (httpx.ReadTimeout("slow"), Unreachable),
        (httpx.WriteTimeout("slow"), Unreachable),
        (httpx.ReadError("reset"), Unreachable),
        (httpx.WriteError("reset"), Unreachable),
        (httpx.RemoteProtocolError("closed"), Unreachable),
    ],
)
def test_a_broken_connection_is_ambiguous_once_something_was_sent(fault: Exception, kind: type[CdnError]) -> None:
    """Where no connection came about nothing was carried out; after that nobody knows."""

    def break_off(_: httpx.Request) -> httpx.Response:
        raise fault

    with pytest.raises(kind) as caught:
        client(break_off).refresh([URL])
    assert "RefreshObjectCaches" in caught.value.message


def test_nothing_is_sent_twice() -> None:
    """The client never retries by itself: who calls it knows what a unit costs."""
    requests: list[httpx.Request] = []

    def fail(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(503, json={"Code": "ServiceUnavailable"})

    with pytest.raises(Throttled):
        client(fail).refresh([URL])
    assert 1 == len(requests)
