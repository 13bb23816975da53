"""The command line's switches, and files of rules: that each of them reaches the service it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.localcloud.__main__ import make_parser
from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import TOO_LARGE
from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.rows import RowHabits, Spelling
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.oss.habits import OssHabits
from scripts.localcloud.rulefile import read_rules
from scripts.localcloud.sls.answers import PUT_LOGS, SlsCall
from scripts.localcloud.switches import read_switches

NOON = 1_767_326_400.0
"""2026-01-02 04:00:00 UTC, which is noon in UTC+8."""
URL = "https://static.example.com/a"


def cloud_of(*given: str) -> LocalCloud:
    """Make a cloud as a command line wants it."""
    cloud = LocalCloud(Options(), VirtualClock(NOON))
    asked = make_parser().parse_args(["serve", "--ready-file", "x", *given])
    read_switches(asked, (cloud.options.bucket, cloud.options.spool_bucket)).apply(cloud)
    return cloud


def refresh(cloud: LocalCloud, *urls: str) -> str:
    """Refresh URLs and return the error's code, or OK."""
    try:
        cloud.cdn.carry_out("RefreshObjectCaches", {"ObjectPath": "\n".join(urls)})
    except RefusedError as refused:
        return refused.code
    return "OK"


def test_without_switches_all_is_as_ever() -> None:
    """The command line's defaults change nothing."""
    cloud = cloud_of()
    assert (cloud.cdn.answers, cloud.oss.answers, cloud.sls.answers) == ([], [], [])
    assert (cloud.cdn.rows, cloud.oss.habits) == (RowHabits(), OssHabits())
    assert [cloud.cdn.clock_ahead_seconds, cloud.oss.clock_ahead_seconds, cloud.cdn.reset_late_seconds] == [0, 0, 0]
    assert not cloud.oss.bucket(cloud.options.spool_bucket).versioning
    assert not cloud.edge.ignore_params_spare_bare


def test_rows_are_as_the_command_line_wants_them() -> None:
    """Each option about rows sets the field of its name."""
    rows = cloud_of(
        *("--rows-per-reply", "20", "--row-type", "directory=path", "--row-status", "Refreshing=Pending"),
        *("--row-delay", "file=3", "preload=4.5", "--row-lifetime", "60"),
        *("--row-spelling", "percent-decoded", "slash-dropped"),
    ).cdn.rows
    assert rows == RowHabits(
        by_id_rows_max=20,
        listed_rows_max=20,
        type_names={"directory": "path"},
        statuses={"Refreshing": "Pending"},
        visible_after_seconds={"file": 3.0, "preload": 4.5},
        vanish_after_seconds=60.0,
        spelling=Spelling(percent_decoded=True, slash_dropped=True),
    )


def test_a_refresh_of_every_query_may_leave_the_bare_url() -> None:
    """The option reaches the edges."""
    assert cloud_of("--ignore-params-spare-bare").edge.ignore_params_spare_bare


def test_clocks_are_as_the_command_line_wants_them() -> None:
    """Services have clocks ahead or behind, and OSS's events times of their own."""
    cloud = cloud_of("--clock-ahead", "oss=2.5", "cdn=-0.9", "sls=7", "--event-ahead", "-20", "--reset-late", "600")
    ahead = (cloud.oss.clock_ahead_seconds, cloud.cdn.clock_ahead_seconds, cloud.sls.clock_ahead_seconds)
    assert (ahead, cloud.oss.habits.event_ahead_seconds, cloud.cdn.reset_late_seconds) == ((2.5, -0.9, 7.0), -20, 600)


def test_a_quota_is_raised_after_a_while() -> None:
    """After the seconds named the other quota holds."""
    cloud = cloud_of("--url-quota-later", "60", "12345")
    assert cloud.cdn.carry_out("DescribeRefreshQuota", {})["UrlQuota"] == "10000"
    cloud.clock.advance(60)  # type: ignore[attr-defined]  # it is a virtual clock
    assert cloud.cdn.carry_out("DescribeRefreshQuota", {})["UrlQuota"] == "12345"


def test_others_spend_and_calls_have_a_size() -> None:
    """Somebody refreshes URLs of a domain at once and each minute, and a call over the limit is a proxy's to refuse."""
    cloud = cloud_of("--others-per-minute", "static.example.com=3", "--cdn-call-bytes", str(len(URL)))
    cloud.clock.advance(61)  # type: ignore[attr-defined]  # it is a virtual clock
    assert cloud.cdn.spent()["file"] == 6
    assert cloud.cdn.verdict("RefreshObjectCaches", {"ObjectPath": URL}) is None
    assert cloud.cdn.verdict("RefreshObjectCaches", {"ObjectPath": URL + "b"}) == TOO_LARGE


def test_buckets_are_as_the_command_line_wants_them() -> None:
    """A bucket keeps versions, and a deletion of many leaves keys of a prefix."""
    cloud = cloud_of("--versioning", "refresh-spool=Suspended", "--undeleted", "waiting/", "--undeleted-told")
    assert cloud.oss.bucket("refresh-spool").versioning == "Suspended"
    assert cloud.oss.delete_many("refresh-spool", ["waiting/1", "lease/1"]) == ["lease/1"]
    assert cloud.oss.habits.undeleted_are_told


def test_rules_come_from_a_file(tmp_path: Path) -> None:
    """A rule for each service, with what it is about and what it answers, in the order of the file."""
    path = tmp_path / "rules.json"
    rules = [
        {"service": "cdn", "domains": ["static.example.com"], "code": "ServiceBusy", "status": 403, "times": 1},
        {"service": "cdn", "bytes_max": 40, "status": 413, "body": "<html>", "headers": {"Content-Type": "text/html"}},
        {"service": "oss", "methods": ["PUT"], "prefix": "lease/", "redirect_to": "http://elsewhere.example.org"},
        {"service": "oss", "params": ["symlink"], "code": "AccessDenied"},
        {"service": "sls", "operations": ["PutLogs"], "record": {"url": "bad"}, "code": "PostBodyInvalid"},
    ]
    path.write_text(json.dumps(rules))
    cloud = cloud_of("--answers", str(path))
    assert [refresh(cloud, URL) for _ in range(2)] == ["ServiceBusy", "OK"]
    large = Answer(status=413, body=b"<html>", headers={"Content-Type": "text/html"})
    assert cloud.cdn.verdict("RefreshObjectCaches", {"ObjectPath": "x" * 41}) == large
    answers = [cloud.oss.verdict(method, "refresh-spool", "lease/1") for method in ("PUT", "GET")]
    assert answers == [Answer(redirect_to="http://elsewhere.example.org"), None]
    asked = [cloud.oss.verdict("GET", "content", "link", {name: ""}) for name in ("symlink", "acl")]
    assert asked == [Answer("AccessDenied"), None]
    batches = [SlsCall(PUT_LOGS, "p", "l", [{"url": url}, {"url": "other"}]) for url in ("bad", "good")]
    assert [cloud.sls.verdict(batch) for batch in batches] == [Answer("PostBodyInvalid"), None]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{", "not JSON"),
        ({}, "a JSON list"),
        ([1], "Rule 1: it is an object whose service is one of cdn, oss, sls"),
        ([{"service": "dns"}], "Rule 1: it is an object whose service"),
        ([{"service": "cdn"}, {"service": "cdn", "method": "GET"}], "Rule 2: method is unknown; operations, urls"),
        ([{"service": "cdn", "status": True}], "status is a whole number"),
        ([{"service": "cdn", "urls": "a"}], "urls is a list of texts"),
        ([{"service": "cdn", "urls": [["a"]]}], "urls is a list of texts"),
        ([{"service": "oss", "bytes_max": 1}], "bytes_max is unknown"),
        ([{"service": "oss", "dropped": "yes"}], "dropped is true or false"),
    ],
)
def test_a_wrong_file_of_rules_is_named(given: Any, sentence: str) -> None:
    """Each fault has a sentence that says where it is and what would be right."""
    with pytest.raises(ValueError, match=sentence):
        read_rules(given if isinstance(given, str) else json.dumps(given))
