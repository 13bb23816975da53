"""The CDN client against plain functions: how it reads replies, and what each failure becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.core.errors import (
    CdnError,
    MinuteSpent,
    OutcomeUnknown,
    QuotaSpent,
    Refused,
    Rejected,
    Throttled,
    Unsent,
)
from shared.core.plan.books import Quota
from shared.core.task.rows import Accepted, CdnTask, Page, RowState
from tests.cloud.mock_cdn import NOW, URL, answering, client

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
    "body",
    [
        {},
        {"RequestId": "R"},
        {"RefreshTaskId": ""},
        {"RefreshTaskId": None},
        {"RefreshTaskId": ["1"]},
        {"RefreshTaskId": True},
        {"PushTaskId": "1"},
    ],
)
def test_an_acceptance_without_an_id_is_uncertain(body: Any) -> None:
    """It was taken, but nobody can ask for it by an id: the task list has to tell."""
    with pytest.raises(OutcomeUnknown) as caught:
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
TASK = CdnTask("704225667", URL, "file", RowState.COMPLETE, "Complete", 100.0, NOW)


@pytest.mark.parametrize(
    ("body", "page"),
    [
        ({"Tasks": {"CDNTask": [ROW]}, "TotalCount": 1}, Page((TASK,), 1)),
        ({"Tasks": [ROW], "TotalCount": "1"}, Page((TASK,), 1)),
        ({"Tasks": {}, "TotalCount": 0}, Page((), 0)),
        ({"Tasks": {"CDNTask": None}, "TotalCount": 0}, Page((), 0)),
        ({"Tasks": None, "TotalCount": 0}, Page((), 0)),
        ({"Tasks": []}, Page((), -1)),
    ],
)
def test_task_lists_are_read_however_they_come(body: Any, page: Page) -> None:
    """Wrapped or plain or empty, counts as number or text."""
    assert page == client(answering(body)).tasks()
    assert page == client(answering(body)).tasks_by_id(["1"])


@pytest.mark.parametrize(
    ("fields", "state", "percent"),
    [
        ({"Process": "99.37%", "Status": "Refreshing"}, RowState.RUNNING, 99.37),
        ({"Process": "10", "Status": "Pending"}, RowState.RUNNING, 10.0),
        ({"Process": 0, "Status": "Failed"}, RowState.FAILED, 0.0),
        ({"Process": "?", "Status": "Reconsidering"}, RowState.RUNNING, 0.0),
    ],
)
def test_rows_are_read_however_they_come(fields: dict[str, Any], state: RowState, percent: float) -> None:
    """Percent with or without its sign; a status nobody knows is still running."""
    (row,) = client(answering({"Tasks": [{**ROW, **fields}]})).tasks_by_id(["1"]).rows
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
        (503, "ServiceUnavailable", OutcomeUnknown),
        (400, "QuotaPerMinuteExceeded.Refresh", MinuteSpent),
        (400, "QuotaExceeded.Refresh", QuotaSpent),
        (400, "InvalidObjectPath.Malformed", Rejected),
        (403, "Forbidden.RAM", Refused),
        (400, "SomethingNew", OutcomeUnknown),
        (500, "InternalError", OutcomeUnknown),
        (500, "SomethingNew", OutcomeUnknown),
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
    ],
)
def test_an_answer_that_is_no_json_tells_nothing(body: bytes, status: int) -> None:
    """A gateway's page does not say whether the call was carried out, so the task list has to."""
    with pytest.raises(OutcomeUnknown):
        client(answering(body, status)).refresh([URL])


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"Message": "no"}, 403, OutcomeUnknown),
        ({}, 504, OutcomeUnknown),
        ({"Code": "", "Message": ""}, 504, OutcomeUnknown),
        ({"Code": None, "Message": None}, 504, OutcomeUnknown),
    ],
)
def test_a_failure_without_a_code_goes_by_its_status(body: Any, status: int, kind: type[CdnError]) -> None:
    """Nobody knows what came of it; the status is told."""
    with pytest.raises(kind) as caught:
        client(answering(body, status)).refresh([URL])
    assert (f"HTTP{status}", body.get("Message") or "") == (caught.value.code, caught.value.message)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError("refused"), Unsent),
        (httpx.ConnectTimeout("slow"), Unsent),
        (httpx.PoolTimeout("busy"), Unsent),
        (httpx.ProxyError("403 Forbidden"), Unsent),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteTimeout("slow"), OutcomeUnknown),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.WriteError("reset"), OutcomeUnknown),
        (httpx.RemoteProtocolError("closed"), OutcomeUnknown),
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
    """The client does not retry what may have been carried out or costs a unit: who calls it decides."""
    requests: list[httpx.Request] = []

    def fail(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(503, json={"Code": "ServiceUnavailable"})

    with pytest.raises(OutcomeUnknown):
        client(fail).refresh([URL])
    assert 1 == len(requests)
