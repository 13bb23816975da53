"""The CDN client against plain functions: what it sends, how it signs, and what it mends by itself."""

from __future__ import annotations

import httpx
import pytest

from shared.cloud.credentials import Credentials, KeyRing, MissingCredentials
from shared.cloud.provider.cdn import Acs3Auth, Cdn
from shared.core.errors import Refused
from shared.core.task.model import Form
from shared.core.task.rows import Accepted, Prefetch
from tests.cloud.mock_cdn import KEYS, NONCE, NOW, PUSHED, QUOTA, REFRESHED, URL, Answer, Recorder, client

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
    record = Recorder(QUOTA)
    client(record).quota()
    signed = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
    assert (
        f"ACS3-HMAC-SHA256 Credential=testAK,SignedHeaders={signed},"
        "Signature=73397e369496aa5ea9f6303fd233d231bdb7d7f66124e39d2ede4a20305dab3b"
    ) == record.requests[0].headers["authorization"]


def test_a_token_is_sent_and_signed() -> None:
    """Temporary keys prove themselves with their token; permanent ones send none."""
    record = Recorder(QUOTA)
    keys = KeyRing(Credentials("STS.AK", "secret", "token"))
    client(record, keys).quota()
    client(record).quota()
    assert ["token", None] == [request.headers.get("x-acs-security-token") for request in record.requests]
    assert ["x-acs-security-token" in request.headers["authorization"] for request in record.requests] == [True, False]


def test_keys_are_read_at_each_request() -> None:
    """A client lives as long as its instance, keys as long as an invocation."""
    record = Recorder(QUOTA)
    ring = KeyRing(KEYS)
    lasting = client(record, ring)
    lasting.quota()
    ring.use(lambda: Credentials("STS.next", "secret", "token"))
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
    record = Recorder(QUOTA)
    cdn = Cdn("https://cdn.aliyuncs.com", KeyRing(KEYS), transport=httpx.MockTransport(record))
    cdn.quota()
    cdn.quota()
    nonces = {request.headers["x-acs-signature-nonce"] for request in record.requests}
    assert [32, 32] == [len(nonce) for nonce in nonces]


# What the client mends by itself


def expired(requests: list[httpx.Request], code: str, date: str = "") -> Answer:
    """Refuse the first request as expired and accept the others."""

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        headers = {"date": date} if date else {}
        first = len(requests) == 1
        return httpx.Response(400 if first else 200, json={"Code": code} if first else REFRESHED, headers=headers)

    return answer


def test_expired_keys_are_replaced_where_there_are_new_ones() -> None:
    """The call goes once more with the keys that the runtime has by now."""
    requests: list[httpx.Request] = []
    runtime = iter([Credentials("STS.old", "secret", "token"), Credentials("STS.new", "secret", "token")])
    ring = KeyRing()
    ring.use(lambda: next(runtime))
    assert Accepted(("704222904",), "R") == client(expired(requests, "InvalidSecurityToken.Expired"), ring).refresh(
        [URL]
    )
    used = [request.headers["authorization"].partition("Credential=")[2].partition(",")[0] for request in requests]
    assert ["STS.old", "STS.new"] == used


def test_expired_keys_are_refused_where_there_are_no_new_ones() -> None:
    """Sending the same keys again would change nothing."""
    requests: list[httpx.Request] = []
    with pytest.raises(Refused):
        client(expired(requests, "InvalidSecurityToken.Expired")).refresh([URL])
    assert 1 == len(requests)


def test_a_wrong_clock_is_set_by_the_servers() -> None:
    """The call goes once more, dated by the server's clock, and so do later ones."""
    requests: list[httpx.Request] = []
    cdn = client(expired(requests, "InvalidTimeStamp.Expired", "Fri, 02 Jan 2026 04:04:05 GMT"))
    cdn.refresh([URL])
    cdn.refresh([URL])
    assert ["2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z", "2026-01-02T04:04:05Z"] == [
        request.headers["x-acs-date"] for request in requests
    ]


@pytest.mark.parametrize("date", ["", "Fri, 02 Jan 2026 03:04:06 GMT", "soon"])
def test_a_clock_that_is_right_is_left_alone(date: str) -> None:
    """Where the server's clock agrees, or cannot be told, an operator has to look."""
    requests: list[httpx.Request] = []
    with pytest.raises(Refused):
        client(expired(requests, "InvalidTimeStamp.Expired", date)).refresh([URL])
    assert 1 == len(requests)
