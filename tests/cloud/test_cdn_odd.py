"""The CDN client against answers that the API would never give, or gives in parts."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.credentials import Credentials, KeyRing
from shared.cloud.provider.cdn import PAGES_BY_ID_MAX, Cdn
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.errors import CdnError, OutcomeUnknown, QuotaSpent, Throttled, Unsent
from shared.core.task.rows import Page
from tests.cloud.mock_cdn import NOW, URL, answering, client

KEYS = Credentials("STS.thekeyidofthecdn", "the-secret-of-the-cdn", "CAISthetokenofthecdn/+==")

ASKED: list[Callable[[Cdn], object]] = [
    lambda cdn: cdn.refresh([URL]),
    lambda cdn: cdn.prefetch([URL]),
    lambda cdn: cdn.tasks(),
    lambda cdn: cdn.tasks_by_id(["1"]),
    lambda cdn: cdn.listed(domain="a.example.com", object_type="file", since=NOW - 60, until=NOW),
    lambda cdn: cdn.quota(),
]


def error_of(cdn: Cdn, ask: Callable[[Cdn], object] = ASKED[0]) -> CdnError:
    """Make a call that must fail; its error."""
    with pytest.raises(CdnError) as caught:
        ask(cdn)
    return caught.value


# What is none of the API's answers


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(ask: Callable[[Cdn], object], status: int) -> None:
    """The token stays with the API, and nobody knows what became of the call."""
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(status, headers={"location": "https://elsewhere.example.com/?token"}, json={"Tasks": []})

    error = error_of(client(answer), ask)
    assert (OutcomeUnknown, "Redirected", ["cdn.aliyuncs.com"]) == (type(error), error.code, hosts)
    assert error.message.endswith(f"answered {status}, which points to elsewhere.example.com; no redirect is followed")


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"Code": "Throttling", "Message": "m", "RequestId": "R"}, Throttled, "Throttling"),
        ({"Code": "QuotaExceeded.Refresh", "Message": "m", "RequestId": "R"}, QuotaSpent, "QuotaExceeded.Refresh"),
        ({"code": "Throttling.User", "message": "m", "requestId": "R", "Tasks": None}, Throttled, "Throttling.User"),
        ({"Code": "SomethingNew", "Message": "m", "RequestId": "R"}, OutcomeUnknown, "SomethingNew"),
    ],
)
def test_a_success_that_holds_an_error_is_that_error(
    ask: Callable[[Cdn], object], body: Any, kind: type[CdnError], code: str
) -> None:
    """A gateway that answers 200 with a refusal has not said that there is nothing."""
    error = error_of(client(answering(body)), ask)
    assert (kind, code, "m", "R") == (type(error), error.code, error.message, error.request_id)


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("body", [b"<html>Please log in.</html>", b"{}", b'{"status":"ok"}', b"[]", b'"Tasks"', b""])
def test_an_answer_of_something_else_is_unknown(ask: Callable[[Cdn], object], body: bytes) -> None:
    """A page, or JSON of another origin, says nothing about the call."""
    assert OutcomeUnknown is type(error_of(client(answering(body)), ask))


@pytest.mark.parametrize(
    "body",
    [
        {"Tasks": [None], "TotalCount": 1},
        {"Tasks": ["row"]},
        {"Tasks": [[]]},
        {"Tasks": [7]},
        {"Tasks": "none"},
        {"Tasks": 7},
        {"Tasks": True},
        {"Tasks": {"CDNTask": "none"}},
        {"Tasks": {"CDNTask": {"TaskId": "1"}}},
        {"Tasks": [], "TotalCount": "x"},
        {"Tasks": [], "TotalCount": -1},
        {"Tasks": [], "TotalCount": 1.5},
        {"Tasks": [], "TotalCount": []},
        {"Tasks": [], "TotalCount": "9" * 5_000},
    ],
)
def test_a_task_list_of_unknown_shape_is_unknown(body: Any) -> None:
    """Whatever a list holds that is no row, it does not say that there are none."""
    for ask in ASKED[2:5]:
        assert (OutcomeUnknown, "OddReply") == (
            (error := error_of(client(answering(body)), ask)) and type(error),
            error.code,
        )


@pytest.mark.parametrize("ids", ["1," * 2_000, "x" * 500])
def test_ids_that_are_none_are_unknown(ids: str) -> None:
    """It was taken, but what it is called cannot be asked for."""
    assert "OddTaskId" == error_of(client(answering({"RefreshTaskId": ids}))).code


NAMES = ("Tasks", "TotalCount", "RefreshTaskId", "PushTaskId", "Code", "Message", "RequestId", "UrlQuota", "UrlRemain")
ROW_NAMES = ("TaskId", "ObjectPath", "ObjectType", "Status", "Process", "CreationTime", "Description", "CDNTask")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(ROW_NAMES), inner, max_size=8),
    max_leaves=12,
)


def outcome_of(cdn: Cdn, ask: Callable[[Cdn], object]) -> str:
    """What comes of a call: nothing but an answer or an error of the CDN."""
    try:
        ask(cdn)
    except CdnError as error:
        return str(error)
    return ""


@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=6), st.sampled_from([200, 202, 400, 404, 429, 503]))
def test_any_json_is_an_answer_or_an_error(body: Any, status: int) -> None:
    """Nothing that a service may say becomes another exception."""
    cdn = client(answering(body, status))
    assert 1_000 > max(len(outcome_of(cdn, ask)) for ask in ASKED)


@given(st.binary(max_size=60), st.sampled_from([200, 301, 400, 503]))
def test_any_bytes_are_an_error(body: bytes, status: int) -> None:
    """… nor does what is no JSON."""
    cdn = client(answering(b"\x00" + body, status))
    for ask in ASKED:
        assert OutcomeUnknown is type(error_of(cdn, ask))


# Texts


def test_an_error_holds_no_key() -> None:
    """The API echoes what it signed, token and all; a message of 60 kB stays short."""
    echo = f"server string to sign is:POST&%2F&SecurityToken%3D{KEYS.security_token}"
    body = {"Code": "SignatureDoesNotMatch", "Message": f"{KEYS.access_key_secret} no match. {echo}{'x' * 60_000}"}
    error = error_of(client(answering(body, 400), KeyRing(KEYS)))
    assert "(redacted) no match. server string to sign is: (redacted)" == error.message


def test_rows_hold_short_texts_without_keys() -> None:
    """What a row says is kept with a task; its URL stays as it is, since rows are told apart by it."""
    row = {
        "TaskId": "1",
        "ObjectPath": URL + "?Signature=0123456789",
        "ObjectType": "file",
        "Status": "Failed",
        "Description": f"d;x-acs-security-token:{KEYS.security_token};" + "d" * 9_000,
    }
    (task,) = client(answering({"Tasks": [row]}), KeyRing(KEYS)).tasks().rows
    assert URL + "?Signature=0123456789" == task.url
    assert 300 == len(task.description)
    assert KEYS.security_token[:16] not in task.description


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("file", "file"),
        ("File", "file"),
        ("path", "directory"),
        ("Directory", "directory"),
        ("dir", "directory"),
        ("preload", "preload"),
        ("prefetch", "preload"),
        ("Push", "preload"),
        ("regex", "regex"),
        ("ignoreparams", "ignoreparams"),
        ("block", "block"),
    ],
)
def test_types_go_by_one_name(said: str, read: str) -> None:
    """The API calls directory refreshes and prefetches by several names; others stay as they are."""
    body = {"Tasks": [{"TaskId": "1", "ObjectPath": URL, "ObjectType": said}]}
    assert [read] == [row.object_type for row in client(answering(body)).tasks().rows]


# Listings in parts


class Listing:
    """An API that tells of many rows, a hundred a page, and of as many by id as `by_id` lets it."""

    def __init__(self, counts: dict[str, int], by_id: int = 100) -> None:
        self.counts, self.by_id = counts, by_id
        self.slept: list[float] = []
        self.calls: list[dict[str, str]] = []
        self.fails_at = 0
        self.cdn = client(self, sleep=self.slept.append)

    def rows(self, ids: list[str]) -> list[dict[str, str]]:
        """All rows of some ids."""
        return [
            {"TaskId": task_id, "ObjectPath": f"{URL}?{number}", "ObjectType": "file", "Status": "Complete"}
            for task_id in ids
            for number in range(self.counts.get(task_id, 0))
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a look-up by ids or a page of a listing."""
        query = dict(parse_qsl(request.url.query.decode()))
        self.calls.append(query)
        if len(self.calls) == self.fails_at:
            return httpx.Response(400, json={"Code": "Throttling.User"})
        if request.headers["x-acs-action"] == "DescribeRefreshTaskById":
            found = self.rows(query["TaskId"].split(","))
            return httpx.Response(200, json={"Tasks": found[: self.by_id], "TotalCount": len(found)})
        found = self.rows([query["TaskId"]] if "TaskId" in query else list(self.counts))
        start = (int(query["PageNumber"]) - 1) * 100
        body = {"Tasks": {"CDNTask": found[start : start + 100]}, "TotalCount": len(found)}
        return httpx.Response(200, json=body)

    def listed(self, **options: Any) -> Page:
        """List a minute of a domain."""
        return self.cdn.listed(domain="a.example.com", object_type="file", since=NOW - 60, until=NOW, **options)


def test_a_look_up_that_shows_a_part_is_completed() -> None:
    """Of 300 rows the look-up by id tells the first hundred, the task list all, with pauses as its limit demands."""
    api = Listing({"1": 300})
    found = api.cdn.tasks_by_id(["1"])
    assert (300, True, 300) == (found.total, found.is_complete, len({row.url for row in found.rows}))
    assert ["1", "2", "3"] == [call["PageNumber"] for call in api.calls[1:]]
    assert [1 / ALIBABA_CDN.list_calls_per_second] * 3 == api.slept


def test_a_look_up_that_shows_all_is_one_call() -> None:
    """Nothing is listed that is not missing."""
    api = Listing({"1": 40, "2": 60})
    assert api.cdn.tasks_by_id(["1", "2"]).is_complete
    assert 1 == len(api.calls)


def test_several_ids_are_completed_one_by_one() -> None:
    """A call takes one id; each gets all of its rows."""
    api = Listing({"1": 150, "2": 20, "3": 0, "4": 250})
    found = api.cdn.tasks_by_id(["1", "2", "3", "4"])
    assert (420, True) == (found.total, found.is_complete)
    count = {task_id: sum(row.task_id == task_id for row in found.rows) for task_id in "1234"}
    assert {"1": 150, "2": 20, "3": 0, "4": 250} == count


def test_a_look_up_reads_so_many_pages_and_no_more() -> None:
    """What is not read then is said to be missing, not to be nothing; the first page of each id is read."""
    api = Listing({"1": 2_000, "2": 2_000, "3": 50})
    found = api.cdn.tasks_by_id(["1", "2", "3"])
    assert PAGES_BY_ID_MAX + 1 == len(api.calls)
    assert (4_050, 2_950, False) == (found.total, len(found.rows), found.is_complete)
    assert 50 == sum(row.task_id == "3" for row in found.rows)


@pytest.mark.parametrize("fails_at", [2, 3, 4])
def test_a_look_up_that_breaks_off_keeps_what_it_has(fails_at: int) -> None:
    """Rows that came may settle their tasks; that others are missing is told."""
    api = Listing({"1": 300})
    api.fails_at = fails_at
    found = api.cdn.tasks_by_id(["1"])
    assert (300, False, True) == (found.total, found.is_complete, len(found.rows) >= 100)


def test_a_count_that_is_not_told_completes_nothing() -> None:
    """Without it nobody knows whether a row is missing."""
    assert not client(answering({"Tasks": []})).tasks_by_id(["1"]).is_complete
    assert client(answering({"Tasks": [], "TotalCount": 0})).tasks_by_id(["1"]).is_complete


def test_a_listing_goes_through_all_pages() -> None:
    """By domain, type and time, as the API wants them."""
    api = Listing({"1": 230})
    found = api.listed()
    assert (230, True) == (len(found.rows), found.is_complete)
    filters = {
        "DomainName": "a.example.com",
        "ObjectType": "file",
        "StartTime": "2026-01-02T03:03:05Z",
        "EndTime": "2026-01-02T03:04:05Z",
        "PageSize": "100",
    }
    assert [{**filters, "PageNumber": page} for page in "123"] == api.calls
    assert [1 / ALIBABA_CDN.list_calls_per_second] * 2 == api.slept


def test_a_listing_is_bounded() -> None:
    """So many pages and no more; it then says that it is not complete."""
    api = Listing({"1": 1_000})
    found = api.listed(pages_max=3)
    assert (3, 300, False) == (len(api.calls), len(found.rows), found.is_complete)


def test_a_listing_that_breaks_off_is_not_complete() -> None:
    """A later page that fails leaves what came before it; a first one that fails is an error."""
    api = Listing({"1": 230})
    api.fails_at = 2
    assert (100, False) == (len((found := api.listed()).rows), found.is_complete)
    api = Listing({"1": 230})
    api.fails_at = 1
    with pytest.raises(Throttled):
        api.listed()


def test_an_endpoint_that_nobody_answers_is_named() -> None:
    """Nothing was sent, and the host that could not be reached is told."""
    error = error_of(Cdn("http://127.0.0.1:9", KeyRing(KEYS)))
    assert (Unsent, "Unconnected") == (type(error), error.code)
    assert error.message.startswith("RefreshObjectCaches was not sent, no connection to 127.0.0.1: ConnectError:")


def test_a_reply_without_end_is_cut_off() -> None:
    """A megabyte after the other, packed or not: beyond a few of them it is no reply, and the outcome is unknown."""
    part = b" " * 2**20
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(1)
            yield part

    error = error_of(client(lambda _: httpx.Response(200, content=endless())))
    assert (OutcomeUnknown, "EndlessReply", 5) == (type(error), error.code, len(sent))
    packed = httpx.Response(200, content=gzip.compress(part * 100), headers={"content-encoding": "gzip"})
    assert "EndlessReply" == error_of(client(lambda _: packed)).code


def test_a_reply_that_trickles_is_cut_off() -> None:
    """A byte each ten seconds is within each read's time limit, and not within that of a reply."""
    now = [NOW]

    def trickle() -> Iterator[bytes]:
        while True:
            now[0] += 10.0
            yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=trickle()))
    error = error_of(Cdn("https://cdn.aliyuncs.com", KeyRing(KEYS), transport=transport, clock=lambda: now[0]))
    assert (OutcomeUnknown, "EndlessReply") == (type(error), error.code)
    assert NOW + 40 == now[0]


def test_a_packed_reply_is_read() -> None:
    """What the gateway compresses is unpacked once."""
    body = gzip.compress(b'{"RefreshTaskId": "1", "RequestId": "r"}')
    packed = httpx.Response(200, content=body, headers={"content-encoding": "gzip"})
    assert ("1",) == client(lambda _: packed).refresh([URL]).task_ids
