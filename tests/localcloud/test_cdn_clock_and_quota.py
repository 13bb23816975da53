"""A CDN whose clock is not the world's, and quotas that change while it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scripts.localcloud.cdn.service import Limits
from tests.localcloud.cdn_caller import START, Account

A = "https://a.example.com"
MIDNIGHT = 1_767_369_600.0
"""2026-01-02 16:00:00 UTC: a quota day begins."""


def left(account: Account) -> str:
    """Ask how many URL refreshes are left."""
    remain: str = account.call("DescribeRefreshQuota")["UrlRemain"]
    return remain


@pytest.mark.parametrize("ahead", [90.0, -90.0])
def test_creation_times_are_by_the_cdns_clock(ahead: float) -> None:
    """Rows and events are dated by the CDN's clock, tasks end on time by the world's, and moments are the world's."""
    account = Account(refresh_duration_seconds=(100, 100))
    told: list[dict[str, Any]] = []
    account.cdn.on_finished.append(told.append)
    account.cdn.clock_ahead_seconds = ahead
    task_id = account.refresh(f"{A}/1")["RefreshTaskId"]
    (row,) = account.cdn.submissions
    assert (row.accepted, row.moment, account.cdn.calls[0].time) == (START + ahead, START, START)
    (shown,) = account.rows_of(task_id)
    assert shown["CreationTime"] == ("2026-01-02T03:05:35Z" if ahead > 0 else "2026-01-02T03:02:35Z")
    account.clock.advance(99)
    assert account.rows_of(task_id)[0]["Status"] == "Refreshing"
    account.clock.advance(1)
    assert account.rows_of(task_id)[0]["Status"] == "Complete"
    assert told[0]["events"][0]["eventParameter"]["createTime"] == int(START + ahead)


def test_the_date_of_replies_is_the_cdns() -> None:
    """The Date header tells what time it is for the CDN."""
    account = Account()
    account.cdn.clock_ahead_seconds = 5
    assert account.exchange("DescribeRefreshQuota").headers["Date"] == "Fri, 02 Jan 2026 03:04:10 GMT"


def test_a_time_stamp_is_judged_by_the_cdns_clock() -> None:
    """A client whose clock is right is refused by a CDN whose clock is 16 minutes behind."""
    account = Account()
    account.cdn.clock_ahead_seconds = -14 * 60
    assert account.call("DescribeRefreshQuota")["HttpStatus"] == 200
    account.cdn.clock_ahead_seconds = -16 * 60
    assert account.call("DescribeRefreshQuota")["Code"] == "InvalidTimeStamp.Expired"


def test_the_day_begins_by_the_cdns_clock() -> None:
    """A second after midnight by everybody's clock the CDN, a second and a half behind, still counts the old day."""
    account = Account(start=MIDNIGHT - 10, url_refreshes_per_day=1)
    account.cdn.clock_ahead_seconds = -1.5
    account.refresh(f"{A}/1")
    account.clock.advance_to(MIDNIGHT + 1)
    assert (left(account), account.refresh(f"{A}/2")["Code"]) == ("0", "QuotaExceeded.Refresh")
    account.clock.advance_to(MIDNIGHT + 1.5)
    assert (left(account), account.refresh(f"{A}/2")["HttpStatus"]) == ("1", 200)


def test_a_clock_that_is_set_back_keeps_the_order() -> None:
    """Rows accepted after the CDN's clock was set back stand after those before, are found, and end in time."""
    account = Account(refresh_duration_seconds=(100, 100))
    account.cdn.clock_ahead_seconds = 60
    account.refresh(f"{A}/1")
    account.cdn.clock_ahead_seconds = -60
    account.clock.advance(60)
    account.refresh(f"{A}/2")
    account.clock.advance(99)
    assert account.cdn.submissions[-1].status == "Refreshing"
    account.clock.advance(1)
    assert account.cdn.submissions[-1].status == "Complete"
    rows = account.call("DescribeRefreshTasks")["Tasks"]["CDNTask"]
    assert [row["ObjectPath"] for row in rows] == [f"{A}/2", f"{A}/1"]


def test_the_reset_comes_late() -> None:
    """Ten minutes after midnight the day's quota is still the old one's, then it is whole."""
    account = Account(start=MIDNIGHT - 10, url_refreshes_per_day=1)
    account.cdn.reset_late_seconds = 600
    account.refresh(f"{A}/1")
    account.clock.advance_to(MIDNIGHT + 599)
    assert left(account) == "0"
    account.clock.advance_to(MIDNIGHT + 600)
    assert left(account) == "1"


def test_a_quota_is_raised_while_running() -> None:
    """At its time 10,000 are allowed, of which what was spent is gone; the calls a second follow too."""
    account = Account(url_refreshes_per_day=2_000, quota_calls_per_second=1)
    account.refresh(*(f"{A}/{n}" for n in range(1_000)))
    account.clock.advance(60)
    account.refresh(*(f"{A}/{n}" for n in range(1_000)))
    assert left(account) == "0"
    account.cdn.limits_at(START + 3_600, replace(account.cdn.limits, url_refreshes_per_day=10_000))
    account.clock.advance_to(START + 3_599)
    assert account.refresh(f"{A}/x")["Code"] == "QuotaExceeded.Refresh"
    account.clock.advance_to(START + 3_600)
    assert (left(account), account.refresh(f"{A}/x")["HttpStatus"]) == ("8000", 200)
    account.cdn.limits = Limits(task_ids_per_query=1, quota_calls_per_second=1)
    assert account.call("DescribeRefreshTaskById", TaskId="1,2")["Code"] == "InvalidTaskId.Malformed"
    account.clock.advance(1)
    assert [account.call("DescribeRefreshQuota").get("Code") for _ in range(2)] == [None, "Throttling.User"]


def test_others_spend_a_domains_minute() -> None:
    """With one unit of each minute gone elsewhere, a call for all of it is refused and a smaller one is not."""
    account = Account(urls_per_minute_per_domain=10)
    stop = account.cdn.spend_each_minute("file", 1, "a.example.com")
    urls = [f"{A}/{n}" for n in range(10)]
    for _ in range(3):
        assert account.refresh(*urls)["Code"] == "QuotaPerMinuteExceeded.Refresh"
        assert account.refresh(*urls[1:])["HttpStatus"] == 200
        account.clock.advance(60)
    assert account.cdn.spent()["file"] == 3 * 10 + 1
    stop()
    account.clock.advance(60)
    assert account.refresh(*urls)["HttpStatus"] == 200


def test_others_spend_no_more_than_there_is() -> None:
    """What others take of a domain's minute and of the day ends where the limits are."""
    account = Account(urls_per_minute_per_domain=10, url_refreshes_per_day=15)
    assert account.cdn.spend_elsewhere("file", 12, "a.example.com") == 10
    account.clock.advance(60)
    assert account.cdn.spend_elsewhere("file", 12, "a.example.com") == 5
    assert left(account) == "0"
    assert account.cdn.spend_elsewhere("directory", 3) == 3
    assert account.cdn.spent() == {"file": 15, "directory": 3}
