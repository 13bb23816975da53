"""Rows of the task list that are capped, late, spelled otherwise or of unknown status."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.localcloud.cdn.rows import Spelling
from tests.localcloud.cdn_caller import Account

A = "https://a.example.com"


@pytest.fixture
def account() -> Account:
    """A CDN whose refreshes take 100 seconds."""
    return Account(refresh_duration_seconds=(100, 100), prefetch_duration_seconds=(100, 100))


def listed(account: Account, **query: str) -> dict[str, Any]:
    """List tasks of the last three days."""
    reply: dict[str, Any] = account.call("DescribeRefreshTasks", **query)
    return reply


def test_a_reply_by_id_is_cut_and_says_so(account: Account) -> None:
    """At most N rows come, once and for all; TotalCount names them all. The listing pages through the same id."""
    task_id = account.refresh(*(f"{A}/{n}" for n in range(250)))["RefreshTaskId"]
    account.cdn.rows.by_id_rows_max = 100
    reply = account.call("DescribeRefreshTaskById", TaskId=task_id)
    assert (len(reply["Tasks"]), reply["TotalCount"]) == (100, 250)
    pages = [listed(account, TaskId=task_id, PageSize="100", PageNumber=str(n)) for n in (1, 2, 3)]
    paths = [row["ObjectPath"] for page in pages for row in page["Tasks"]["CDNTask"]]
    assert ([page["TotalCount"] for page in pages], len(set(paths))) == ([250] * 3, 250)


def test_a_listing_is_cut_and_pages_by_what_it_gives(account: Account) -> None:
    """A page holds at most N rows whatever was asked for, says that size, and the next begins after it."""
    account.refresh(*(f"{A}/{n}" for n in range(50)))
    account.cdn.rows.listed_rows_max = 20
    pages = [listed(account, PageSize="100", PageNumber=str(n)) for n in (1, 2, 3)]
    assert [len(page["Tasks"]["CDNTask"]) for page in pages] == [20, 20, 10]
    assert {(page["TotalCount"], page["PageSize"]) for page in pages} == {(50, 20)}
    assert len({row["ObjectPath"] for page in pages for row in page["Tasks"]["CDNTask"]}) == 50


def test_forms_have_other_names(account: Account) -> None:
    """Rows say `path` for a directory; a query still names it as documented."""
    account.cdn.rows.type_names = {"directory": "path"}
    account.refresh(f"{A}/d/", ObjectType="Directory")
    account.refresh(f"{A}/f")
    assert [row["ObjectType"] for row in listed(account)["Tasks"]["CDNTask"]] == ["file", "path"]
    assert listed(account, ObjectType="directory")["TotalCount"] == 1


@pytest.mark.parametrize(
    ("spelling", "url", "shown"),
    [
        (Spelling(), "https://A.example.com/%41/", "https://A.example.com/%41/"),
        (Spelling(percent_decoded=True), f"{A}/%E4%B8%AD%20x", f"{A}/中 x"),
        (Spelling(host_lower=True), "https://A.Example.com/X", f"{A}/X"),
        (Spelling(scheme_dropped=True), f"{A}/x", "a.example.com/x"),
        (Spelling(http_scheme=True), f"{A}/x?y=1", "http://a.example.com/x?y=1"),
        (Spelling(slash_dropped=True), f"{A}/d/e/", f"{A}/d/e"),
        (Spelling(slash_dropped=True), f"{A}/", A),
        (Spelling(slash_added=True), f"{A}/d", f"{A}/d/"),
        (Spelling(slash_added=True), f"{A}/d/", f"{A}/d/"),
        (Spelling(slash_added=True), f"{A}/d?x", f"{A}/d?x"),
        (Spelling(percent_decoded=True, host_lower=True, scheme_dropped=True), "https://A.example.com/%41", None),
    ],
)
def test_urls_are_normalised(account: Account, spelling: Spelling, url: str, shown: str | None) -> None:
    """Each switch changes one thing about the URLs of rows, and they combine."""
    account.cdn.rows.spelling = spelling
    rows = account.rows_of(account.refresh(url)["RefreshTaskId"])
    assert [row["ObjectPath"] for row in rows] == [shown or "a.example.com/A"]


def test_a_path_is_looked_for_as_it_was_sent_or_as_it_is_shown(account: Account) -> None:
    """By default a query by URL finds what was sent so; with the switch only what rows show so."""
    account.cdn.rows.spelling = Spelling(percent_decoded=True)
    account.refresh(f"{A}/%41")
    assert listed(account, ObjectPath=f"{A}/%41")["TotalCount"] == 1
    account.cdn.rows.paths_match_as_shown = True
    assert listed(account, ObjectPath=f"{A}/%41")["TotalCount"] == 0
    assert listed(account, ObjectPath=f"{A}/A")["TotalCount"] == 1


def test_rows_appear_late_by_form(account: Account) -> None:
    """The rows of one form appear at once, those of another only after its delay, wherever one looks."""
    account.cdn.rows.visible_after_seconds = {"directory": 30.0}
    task_id = account.refresh(f"{A}/d/", ObjectType="Directory")["RefreshTaskId"]
    account.refresh(f"{A}/f")
    account.clock.advance(29)
    assert [row["ObjectType"] for row in listed(account)["Tasks"]["CDNTask"]] == ["file"]
    assert (account.rows_of(task_id), listed(account, ObjectType="directory")["TotalCount"]) == ([], 0)
    account.clock.advance(1)
    assert (len(account.rows_of(task_id)), listed(account)["TotalCount"]) == (1, 2)


def test_rows_vanish(account: Account) -> None:
    """After a time, or by a predicate, rows are gone though the task was carried out."""
    account.cdn.rows.vanish_after_seconds = 60.0
    task_id = account.refresh(f"{A}/1", f"{A}/2")["RefreshTaskId"]
    account.cdn.rows.hidden = lambda row, _now: row.path.endswith("2")
    assert [row["ObjectPath"] for row in account.rows_of(task_id)] == [f"{A}/1"]
    account.clock.advance(60)
    assert (account.rows_of(task_id), listed(account)["TotalCount"]) == ([], 0)


def test_statuses_have_other_names(account: Account) -> None:
    """Running rows say `Preloading`, failed ones `Timeout`; a query by status goes by what is shown."""
    account.cdn.rows.statuses = {"Refreshing": "Pending", "Failed": "Timeout"}
    account.cdn.fail = lambda url: "late" if url.endswith("bad") else None
    task_id = account.refresh(f"{A}/good", f"{A}/bad")["RefreshTaskId"]
    assert {row["Status"] for row in account.rows_of(task_id)} == {"Pending"}
    assert listed(account, ObjectType="file", Status="Pending")["TotalCount"] == 2
    account.clock.advance(100)
    assert [row["Status"] for row in account.rows_of(task_id)] == ["Complete", "Timeout"]
    assert listed(account, ObjectType="file", Status="Failed")["TotalCount"] == 0


def test_a_row_shows_a_status_of_its_own(account: Account) -> None:
    """One URL is `Whatever` for ever, or `Canceled`; an empty answer leaves the true status."""
    account.cdn.rows.status_of = lambda row, _now: "Whatever" if row.path.endswith("1") else ""
    task_id = account.refresh(f"{A}/1", f"{A}/2")["RefreshTaskId"]
    account.clock.advance(100)
    assert [row["Status"] for row in account.rows_of(task_id)] == ["Whatever", "Complete"]
