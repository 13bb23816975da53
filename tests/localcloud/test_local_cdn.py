"""What the local CDN allows, counts, names and reports, on a virtual clock."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ET
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest

from scripts.localcloud.cdn.auth import rpc_signature, rpc_string_to_sign
from scripts.localcloud.cdn.service import CdnApi, Purge
from scripts.localcloud.web import Request
from tests.localcloud.cdn_caller import START, Account, signed_request

A = "https://a.example.com"
B = "https://b.example.com"
DAY = 86_400.0


def outcome(answer: dict[str, Any]) -> tuple[int, str]:
    """Read the HTTP status and the code of an answer."""
    return answer["HttpStatus"], answer.get("Code", "OK")


def urls(count: int, domain: str = A) -> list[str]:
    """Make URLs of one domain."""
    return [f"{domain}/{number}.js" for number in range(count)]


def test_a_refresh_answers_with_text_and_an_id() -> None:
    """The reply has two strings, the second of which names the task."""
    answer = Account().refresh(f"{A}/a.js")
    assert sorted(answer) == ["HttpStatus", "RefreshTaskId", "RequestId"]
    assert answer["RefreshTaskId"].isdigit()


def test_a_directory_has_an_id_of_its_own() -> None:
    """Directories of one call are named one by one, joined with commas."""
    answer = Account().refresh(f"{A}/x/", f"{A}/y/", ObjectType="Directory")
    assert len(set(answer["RefreshTaskId"].split(","))) == 2


def test_urls_of_one_domain_and_second_share_an_id_across_calls() -> None:
    """Two calls in one second get the same id for a domain; the next second begins another."""
    account = Account("a.example.com", "b.example.com")
    first = account.refresh(f"{A}/1", f"{B}/1")["RefreshTaskId"].split(",")
    second = account.refresh(f"{A}/2", ObjectType="IgnoreParams")["RefreshTaskId"]
    account.clock.advance(1)
    third = account.refresh(f"{A}/3")["RefreshTaskId"]
    assert len(first) == 2
    assert second == first[0]
    assert third not in first
    assert [row["ObjectPath"] for row in account.rows_of(second)] == [f"{A}/1", f"{A}/2"]


def test_a_full_id_is_followed_by_the_next() -> None:
    """2,000 refreshes or 500 prefetches fill an id."""
    account = Account(urls_per_minute_per_domain=10_000)
    ids = [account.refresh(*urls(800))["RefreshTaskId"] for _ in range(3)]
    assert [len(text.split(",")) for text in ids] == [1, 1, 2]
    assert account.call("DescribeRefreshTaskById", TaskId=ids[0])["TotalCount"] == 2_000
    pushed = {text for _ in range(6) for text in account.prefetch(*urls(100))["PushTaskId"].split(",")}
    assert len(pushed) == 2


def test_items_are_lines_and_commas_part_of_a_url() -> None:
    """CR LF and LF separate, empty lines are none, and a comma separates nothing."""
    account = Account()
    account.call("RefreshObjectCaches", ObjectPath=f"{A}/1\r\n{A}/2,{A}/3\n\n")
    assert [row.path for row in account.cdn.submissions] == [f"{A}/1", f"{A}/2,{A}/3"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, (400, "MissingParameter")),
        ({"ObjectPath": f"{A}/a", "ObjectType": "Folder"}, (400, "InvalidObjectType.ValueNotSupported")),
        ({"ObjectPath": f"{A}/a", "Force": "perhaps"}, (400, "InvalidParameter")),
        ({"ObjectPath": "a.example.com/a"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": "ftp://a.example.com/a"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": "https://broken-path"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": f"{A}/a\tb"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": f"{A}/a\rb"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": f"{A}/{'a' * 1_003}"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": f"{A}/a", "ObjectType": "Directory"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": f"{A}/(a|b)", "ObjectType": "Regex"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": "https://*.example.com/a"}, (400, "InvalidExtensiveDomain.ValueNotSupported")),
        ({"ObjectPath": "https://other.example.com/a"}, (404, "InvalidDomain.NotFound")),
        ({"ObjectPath": "\n".join(urls(1_001))}, (400, "SingleRequest.OverLimit")),
        (
            {"ObjectPath": "\n".join(f"{A}/{n}/" for n in range(101)), "ObjectType": "Directory"},
            (400, "SingleRequest.OverLimit"),
        ),
        ({"ObjectPath": f"{A}/[0-9]\n{A}/[a-z]", "ObjectType": "Regex"}, (400, "SingleRequest.OverLimit")),
    ],
)
def test_refreshes_that_are_refused(params: dict[str, str], expected: tuple[int, str]) -> None:
    """Each fault has its code and status, and a call with one spends and starts nothing."""
    account = Account()
    assert outcome(account.call("RefreshObjectCaches", **params)) == expected
    assert (account.cdn.spent(), account.cdn.submissions) == ({}, [])


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"ObjectPath": f"{A}/dir/"}, (400, "InvalidObjectPath.Malformed")),
        ({"ObjectPath": f"{A}/a", "WithHeader": "Accept: x"}, (400, "InvalidCustomHeader")),
        ({"ObjectPath": f"{A}/a", "WithHeader": '{"Accept":"x"}'}, (400, "InvalidCustomHeader")),
        ({"ObjectPath": f"{A}/a", "WithHeader": '{"Accept":["x"]}', "L2Preload": "True"}, (200, "OK")),
        ({"ObjectPath": f"{A}/a", "Area": "everywhere"}, (400, "InvalidParameter")),
        ({"ObjectPath": "\n".join(urls(101))}, (400, "SingleRequest.OverLimit")),
    ],
)
def test_prefetches_that_are_checked(params: dict[str, str], expected: tuple[int, str]) -> None:
    """A prefetch takes no directories, a JSON header map, two areas, and 100 URLs."""
    assert outcome(Account().call("PushObjectCache", **params)) == expected


def test_a_domain_of_somebody_else_is_named() -> None:
    """The message says which domain of the call is not the account's."""
    answer = Account().refresh(f"{A}/a", "http://OTHER.example.com/a")
    assert answer["Message"] == "The domain [other.example.com] does not belong to you."
    assert answer["HostId"] == "cdn.aliyuncs.com"


def test_at_most_ten_domains_a_call() -> None:
    """URLs of ten domains may share a call; an eleventh is too many."""
    names = [f"d{number}.example.com" for number in range(11)]
    account = Account(*names)
    pages = [f"http://{name}/" for name in names]
    assert outcome(account.refresh(*pages)) == (400, "SingleRequest.OverLimit")
    assert outcome(account.refresh(*pages[:10])) == (200, "OK")


def test_the_day_ends_at_midnight_utc_8() -> None:
    """A spent quota is whole again at 16:00 UTC, and not a second before."""
    account = Account(url_refreshes_per_day=2)
    assert outcome(account.refresh(f"{A}/1", f"{A}/2")) == (200, "OK")
    to_reset = 16 * 3600 - (START % DAY)
    account.clock.advance(to_reset - 1)
    assert outcome(account.refresh(f"{A}/3")) == (400, "QuotaExceeded.Refresh")
    account.clock.advance(1)
    assert outcome(account.refresh(f"{A}/3")) == (200, "OK")
    assert account.cdn.spent(date(2026, 1, 2)) == {"file": 2}
    assert account.cdn.spent() == {"file": 1}


def test_a_call_over_the_day_spends_nothing() -> None:
    """Three URLs do not fit into two units; two of them do, twice the same counting twice."""
    account = Account(url_refreshes_per_day=2)
    assert outcome(account.refresh(*urls(3))) == (400, "QuotaExceeded.Refresh")
    assert account.cdn.spent() == {}
    assert outcome(account.refresh(f"{A}/1", f"{A}/1")) == (200, "OK")
    assert account.cdn.spent() == {"file": 2}


def test_each_form_has_a_quota_of_its_own() -> None:
    """Spending one form leaves the others; the quota reply shows what is left, as text."""
    account = Account()
    account.refresh(f"{A}/1", f"{A}/2")
    account.refresh(f"{A}/x/", ObjectType="Directory", Force="True")
    account.refresh(f"{A}/[0-9].*.jpg", ObjectType="Regex")
    account.refresh(f"{A}/1", ObjectType="ExQuery")
    account.prefetch(f"{A}/1")
    account.cdn.spend_elsewhere("file", 8)
    quota = account.call("DescribeRefreshQuota")
    assert {name: value for name, value in quota.items() if name.endswith("Remain")} == {
        "UrlRemain": "9990",
        "DirRemain": "99",
        "RegexRemain": "19",
        "IgnoreParamsRemain": "99",
        "PreloadRemain": "999",
        "PreloadEdgeRemain": "0",
        "BlockRemain": "0",
    }
    assert (quota["UrlQuota"], quota["PreloadQuota"]) == ("10000", "1000")


def test_a_prefetch_over_the_day_has_its_own_code() -> None:
    """The code tells which quota is spent."""
    assert outcome(Account(prefetches_per_day=1).prefetch(*urls(2))) == (400, "QuotaExceeded.Preload")


def test_a_domain_has_its_minute() -> None:
    """A domain's minute fills up for URLs, alone, as a whole call, and begins anew on the minute."""
    account = Account("a.example.com", "b.example.com", urls_per_minute_per_domain=3)
    account.clock.advance(59 - START % 60)
    assert outcome(account.refresh(*urls(2))) == (200, "OK")
    assert outcome(account.refresh(*urls(1, B), *urls(2))) == (400, "QuotaPerMinuteExceeded.Refresh")
    assert outcome(account.refresh(*urls(2), ObjectType="IgnoreParams"))[0] == 400
    assert outcome(account.refresh(*urls(3, B), *urls(1))) == (200, "OK")
    assert account.cdn.spent() == {"file": 6}
    account.clock.advance(1)
    assert outcome(account.refresh(*urls(3))) == (200, "OK")


def test_calls_a_second_are_counted_for_each_operation() -> None:
    """The sixth listing of a second is throttled, while other operations go on."""
    account = Account()
    codes = [outcome(account.call("DescribeRefreshTasks")) for _ in range(6)]
    assert codes == [(200, "OK")] * 5 + [(400, "Throttling.User")]
    assert outcome(account.call("DescribeRefreshQuota")) == (200, "OK")
    account.clock.advance(1)
    assert outcome(account.call("DescribeRefreshTasks")) == (200, "OK")


def test_the_prefetch_queue_fills_and_drains() -> None:
    """Unfinished prefetches fill the queue; those that end make room."""
    account = Account(prefetch_queue_max_urls=3, prefetch_duration_seconds=(10, 10))
    assert outcome(account.prefetch(*urls(2))) == (200, "OK")
    assert outcome(account.prefetch(*urls(2))) == (400, "PreloadQueueFull")
    account.clock.advance(10)
    assert outcome(account.prefetch(*urls(3))) == (200, "OK")


def test_a_row_progresses_and_ends() -> None:
    """A row shows its percentage, which only grows, and Complete with 100% when it took effect."""
    account = Account(refresh_duration_seconds=(300, 360))
    task_id = account.refresh(f"{A}/a.js")["RefreshTaskId"]
    seen = []
    for _ in range(37):
        seen.append(account.rows_of(task_id)[0])
        account.clock.advance(10)
    percents = [int(row["Process"].rstrip("%")) for row in seen]
    assert percents == sorted(percents)
    assert (percents[0], percents[15] in range(40, 51), percents[-1]) == (0, True, 100)
    assert seen[0] == {
        "TaskId": task_id,
        "ObjectPath": f"{A}/a.js",
        "ObjectType": "file",
        "Status": "Refreshing",
        "Process": "0%",
        "CreationTime": "2026-01-02T03:04:05Z",
        "Description": "",
    }
    assert seen[-1]["Status"] == "Complete"


def test_a_row_may_fail_and_may_be_late_to_show() -> None:
    """A task that fails says why; a row is invisible for as long as the limits say."""
    account = Account(row_visible_after_seconds=2, refresh_duration_seconds=(10, 20))
    account.cdn.fail = lambda url: "Internal Error" if url.endswith("bad") else None
    task_id = account.refresh(f"{A}/good", f"{A}/bad")["RefreshTaskId"]
    assert account.rows_of(task_id) == []
    account.clock.advance(2)
    assert [row["Status"] for row in account.rows_of(task_id)] == ["Refreshing"] * 2
    account.clock.advance(20)
    ended = [(row["Status"], row["Description"]) for row in account.rows_of(task_id)]
    assert ended == [("Complete", ""), ("Failed", "Internal Error")]


def test_tasks_take_effect_within_their_time() -> None:
    """Each refresh reaches the listeners between the shortest and the longest duration."""
    account = Account(refresh_duration_seconds=(300, 360))
    ended: list[tuple[float, Purge]] = []
    account.cdn.on_refreshed.append(lambda purge: ended.append((account.clock.now(), purge)))
    account.refresh(*urls(1_000))
    account.clock.advance(299)
    assert ended == []
    account.clock.advance(61)
    assert len(ended) == 1_000
    assert len({when for when, _ in ended}) > 10
    assert all(start <= when <= START + 360 for when, _ in ended for start in [START + 300])


def test_the_newest_rows_come_first_and_in_pages() -> None:
    """Pages of a listing meet without gap or overlap, and TotalCount is a number."""
    account = Account()
    account.refresh(*urls(45))
    pages = [account.call("DescribeRefreshTasks", PageNumber=str(number)) for number in (1, 2, 3, 4)]
    rows = [row["ObjectPath"] for page in pages for row in page["Tasks"]["CDNTask"]]
    assert rows == urls(45)[::-1]
    assert [(page["TotalCount"], page["PageSize"]) for page in pages] == [(45, 20)] * 4
    assert [len(page["Tasks"]["CDNTask"]) for page in pages] == [20, 20, 5, 0]


def listed(account: Account, **params: str) -> list[str]:
    """List tasks and read their paths, oldest first."""
    account.clock.advance(1)
    answer = account.call("DescribeRefreshTasks", **params)
    assert outcome(answer) == (200, "OK")
    paths = [row["ObjectPath"] for row in answer["Tasks"]["CDNTask"]][::-1]
    assert answer["TotalCount"] == len(paths)
    return paths


def test_rows_are_filtered() -> None:
    """A listing narrows by id, path, type, domain, status and time, and by several of them."""
    account = Account("a.example.com", "b.example.com", refresh_duration_seconds=(60, 60))
    account.refresh(f"{A}/1", f"{B}/1")
    account.clock.advance(100)
    directory = account.refresh(f"{A}/d/", ObjectType="Directory")["RefreshTaskId"]
    account.refresh(f"{A}/2")
    account.prefetch(f"{A}/1")
    assert listed(account, ObjectType="file") == [f"{A}/1", f"{B}/1", f"{A}/2"]
    assert listed(account, ObjectType="file", DomainName="a.example.com") == [f"{A}/1", f"{A}/2"]
    assert listed(account, ObjectType="file", Status="Refreshing") == [f"{A}/2"]
    assert listed(account, ObjectType="preload") == [f"{A}/1"]
    assert listed(account, TaskId=directory) == [f"{A}/d/"]
    assert listed(account, ObjectPath=f"{A}/1") == [f"{A}/1", f"{A}/1"]
    assert listed(account, ObjectPath=f"{A}/1", ObjectType="file") == [f"{A}/1"]
    early = {"StartTime": "2026-01-02T03:04:00Z", "EndTime": "2026-01-02T03:05:00Z"}
    assert listed(account, **early) == [f"{A}/1", f"{B}/1"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"DomainName": "a.example.com"}, "MissingParameter.ObjectType"),
        ({"Status": "Complete"}, "MissingParameter.ObjectType"),
        ({"ObjectType": "File"}, "InvalidObjectType.ValueNotSupported"),
        ({"ObjectType": "file", "Status": "Done"}, "InvalidStatus.ValueNotSupported"),
        ({"TaskId": "x1"}, "InvalidTaskId.Malformed"),
        ({"PageSize": "101"}, "InvalidParameter"),
        ({"StartTime": "2026-01-02T00:00:00Z"}, "MissingTimeParameter"),
        ({"StartTime": "today", "EndTime": "2026-01-02T00:00:00Z"}, "InvalidStartTime.Malformed"),
        ({"StartTime": "2026-01-02T00:00:00Z", "EndTime": "now"}, "InvalidEndTime.Malformed"),
        (
            {"StartTime": "2026-01-02T00:00:00Z", "EndTime": "2026-01-02T00:00:00Z"},
            "InvalidEndTime.Mismatch",
        ),
        ({"StartTime": "2025-12-30T03:04:04Z", "EndTime": "2026-01-02T00:00:00Z"}, "InvalidTime"),
    ],
)
def test_listings_that_are_refused(params: dict[str, str], code: str) -> None:
    """Each rule of a listing has its code."""
    assert outcome(Account().call("DescribeRefreshTasks", **params)) == (400, code)


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ("", "MissingParameter"),
        ("12,x", "InvalidTaskId.Malformed"),
        (",".join(map(str, range(11))), "InvalidTaskId.Malformed"),
        ("1, 2", "OK"),
    ],
)
def test_up_to_ten_ids_a_query(ids: str, code: str) -> None:
    """Ids are numbers, ten at most; unknown ones have no rows."""
    assert outcome(Account().call("DescribeRefreshTaskById", TaskId=ids))[1] == code


def test_rows_can_be_queried_for_three_days() -> None:
    """After three days a row is gone from every listing, while the books keep it."""
    account = Account()
    task_id = account.refresh(f"{A}/1")["RefreshTaskId"]
    account.clock.advance(3 * DAY - 1)
    assert len(account.rows_of(task_id)) == 1
    account.clock.advance(2)
    account.refresh(f"{A}/2")
    assert account.rows_of(task_id) == []
    assert listed(account) == [f"{A}/2"]
    assert [row.path for row in account.cdn.submissions] == [f"{A}/1", f"{A}/2"]


def test_a_finished_task_sends_one_event() -> None:
    """The event of an id comes once, after its last row, with paths and numbers as the vendor sends them."""
    account = Account(refresh_duration_seconds=(10, 60))
    payloads: list[dict[str, Any]] = []
    account.cdn.on_finished.append(payloads.append)
    task_id = account.refresh(f"{A}/1.js?v=1", f"{A}/2.js")["RefreshTaskId"]
    account.clock.advance(60)
    (payload,) = payloads
    (event,) = payload["events"]
    assert (event["eventName"], event["eventSource"]) == ("CachedObjectsRefreshed", "cdn")
    assert event["eventTime"].endswith("+08:00")
    parameter = event["eventParameter"]
    assert START + 10 <= parameter.pop("completeTime") <= START + 60
    assert parameter == {
        "objectPath": ["/1.js?v=1", "/2.js"],
        "createTime": int(START),
        "domain": "a.example.com",
        "objectType": "File",
        "taskId": int(task_id),
    }


def test_a_prefetch_sends_an_event_of_its_own_name() -> None:
    """A finished prefetch is told of as pushed, with its listener's verdict in the row."""
    account = Account()
    payloads: list[dict[str, Any]] = []
    account.cdn.on_finished.append(payloads.append)
    account.cdn.on_prefetched.append(lambda _url: "Origin Return StatusCode 5XX")
    task_id = account.prefetch(f"{A}/1.js")["PushTaskId"]
    account.clock.advance(1_800)
    assert payloads[0]["events"][0]["eventName"] == "CachedObjectsPushed"
    assert account.rows_of(task_id)[0]["Description"] == "Origin Return StatusCode 5XX"


def test_unknown_operations_and_versions_are_refused() -> None:
    """Only five operations of one version exist here, by GET and POST."""
    account = Account()
    assert outcome(account.call("StopCdnDomain")) == (404, "InvalidApi.NotFound")
    old = signed_request(START, "DescribeRefreshQuota", {}, nonce="old", headers={"x-acs-version": "2014-11-11"})
    assert json.loads(account.cdn.handle(old).body)["Code"] == "InvalidVersion"


def rpc_request(account: Account, **params: str) -> Request:
    """Sign a GET as an RPC client does."""
    everything = {
        "AccessKeyId": "testAK",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": "rpc",
        "Timestamp": "2026-01-02T03:04:05Z",
        "Version": "2018-05-10",
        **params,
    }
    string_to_sign = rpc_string_to_sign("GET", everything.items())
    everything["Signature"] = rpc_signature("testSecret", string_to_sign)
    assert account.clock.now() == START
    return Request("GET", "cdn.aliyuncs.com", "/", urlencode(everything))


def test_rpc_without_a_format_is_answered_in_xml() -> None:
    """Replies and errors of an RPC call that does not ask for JSON are XML under the right root."""
    account = Account()
    account.refresh(f"{A}/a&b", f"{A}/c")
    tasks = ET.fromstring(account.cdn.handle(rpc_request(account, Action="DescribeRefreshTasks")).body)  # noqa: S314 - our own reply
    assert tasks.tag == "DescribeRefreshTasksResponse"
    assert [path.text for path in tasks.findall("Tasks/CDNTask/ObjectPath")] == [f"{A}/c", f"{A}/a&b"]
    replayed = account.cdn.handle(rpc_request(account, Action="DescribeRefreshTasks"))
    error = ET.fromstring(replayed.body)  # noqa: S314 - our own reply
    assert (error.tag, error.findtext("Code")) == ("Error", "SignatureNonceUsed")


def test_trouble_can_be_made_in_the_vendors_words() -> None:
    """The replies for injected faults have the CDN's shape, in JSON or XML as the caller asked."""
    account = Account()
    request = signed_request(START, "DescribeRefreshQuota", {}, nonce="f")
    throttled = account.cdn.fault_response("throttle", request)
    assert (throttled.status, json.loads(throttled.body)["Code"]) == (400, "Throttling.User")
    broken = account.cdn.fault_response("server_error", rpc_request(account, Action="DescribeRefreshQuota"))
    assert (broken.status, b"<Code>ServiceUnavailable</Code>" in broken.body) == (503, True)
    assert account.cdn.calls == []


def test_the_books_tell_each_call() -> None:
    """Every call stands in the books with its outcome, form, number of URLs and request id."""
    account = Account()
    answer = account.refresh(f"{A}/x/", f"{A}/y/", ObjectType="Directory")
    account.refresh("nonsense")
    told = [(call.operation, call.code, call.form, call.urls) for call in account.cdn.calls]
    assert told == [
        ("RefreshObjectCaches", "OK", "directory", 2),
        ("RefreshObjectCaches", "InvalidObjectPath.Malformed", "file", 1),
    ]
    assert (account.cdn.calls[0].request_id, account.cdn.calls[0].access_key) == (
        answer["RequestId"],
        "testAK",
    )


def test_one_seed_gives_one_history() -> None:
    """The same calls under the same seed get the same ids, times and request ids."""

    def history(seed: int) -> list[Any]:
        account = Account(seed=seed)
        answers = [account.refresh(*urls(5)), account.prefetch(*urls(5))]
        return [answers, [row.finish for row in account.cdn.submissions]]

    assert history(1) == history(1) != history(2)


def test_long_histories_are_dropped() -> None:
    """Ten days of work leave only three days of rows, and no alarm once all has ended."""
    account = Account(urls_per_minute_per_domain=10_000)
    for _ in range(10):
        for _ in range(10):
            assert outcome(account.refresh(*urls(500)))[1] == "OK"
            account.clock.advance(1)
        account.clock.advance(DAY)
    assert account.call("DescribeRefreshTasks")["TotalCount"] == 2 * 5_000
    assert account.clock.next_due() is None
    assert sum(account.cdn.spent(date(2026, 1, day)).total() for day in range(2, 13)) == 50_000


def test_books_can_be_left_out() -> None:
    """A simulation that does not need the books can do without their memory."""
    account = Account()
    bare = CdnApi(
        account.clock,
        keys={"testAK": "testSecret"},
        account_id="1",
        domains=["a.example.com"],
        rng=random.Random(1),
        keep_books=False,
    )
    request = signed_request(START, "RefreshObjectCaches", {"ObjectPath": f"{A}/1"}, nonce="q")
    assert bare.handle(request).status == 200
    assert (bare.calls, bare.submissions) == ([], [])
