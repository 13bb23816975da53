"""An event becomes accepted refreshes, whatever the keys, the wrapping, or what is wrong beside it."""

from __future__ import annotations

import base64
import json

import pytest

from shared.core.site.urls import own_paths
from tests.flow.world import World

ODD_KEYS = [
    "line\nbreak.html",
    'quote".html',
    "per%20cent.html",
    "a+b.html",
    "what?.html",
    "hash#.html",
    "two  spaces.html",
    "文件/图.png",
    "smile-😀.png",
    "double//slash.html",
    "trailing/",
]


@pytest.mark.parametrize("behind", [0.0, 3_000.0, 86_400.0])
def test_a_clock_that_is_behind_makes_no_event_older(behind: float) -> None:
    """An instance whose clock nobody has set yet asks OSS before it takes an event's time for one that lies ahead."""
    world = World()
    event, instance = world.put("a.html"), world.new_instance(behind_seconds=behind)
    world.deliver(event, instance)
    world.tick(instance)
    (record,) = [record for record in world.outcomes() if record["result"] == "accepted"]
    assert int(world.clock.now()) - 1 <= float(record["event_time"]) <= world.clock.now()


def test_an_event_from_the_future_counts_as_now() -> None:
    """Else it would pass for newer than all that happens until then."""
    world = World()
    event = world.put("a.html")
    event["events"][0]["eventTime"] = "2099-01-01T00:00:00.000Z"
    world.deliver(event)
    (record,) = [record for record in world.outcomes() if record["result"] == "accepted"]
    assert float(record["event_time"]) <= world.clock.now()


def test_one_upload_is_accepted_in_ten_service_calls() -> None:
    """A lone upload is submitted at once, by one call to the CDN, one to the log store and eight to the spool."""
    world = World()
    world.deliver(world.put("warm.html"))
    world.clock.advance(1)
    world.calls.clear()
    summary = world.deliver(world.put("a.html"))
    assert summary["accepted"] == 1
    assert {"oss": 8, "cdn": 1, "sls": 1} == dict(world.calls)
    assert world.submitted_urls()[-1] == "https://static.example.com/a.html"


def test_nothing_waits_after_an_upload() -> None:
    """At rest the spool holds the accepted submission and the lease's trail, and no waiting task."""
    world = World()
    world.deliver(world.put("a.html"))
    assert world.spool("waiting/") == []
    assert (0, 1) == (len(world.spool("submitting/")), len(world.spool("accepted/")))


def test_the_outcome_names_event_url_and_call() -> None:
    """The log store tells which event caused which URL, under which call and task id."""
    world = World()
    event = world.put("docs/a.html", b"12345")
    world.deliver(event)
    (record,) = world.outcomes()
    row = world.cloud.cdn.submissions[0]
    assert ("accepted", "https://static.example.com/docs/a.html", "docs/a.html", "1") == (
        record["result"],
        record["url"],
        record["key"],
        record["units"],
    )
    assert record["cdn_task_ids"] == row.task_id


def test_a_removal_is_refreshed() -> None:
    """A deleted object's URL is refreshed too."""
    world = World()
    world.deliver(world.put("a.html"))
    world.deliver(world.remove("a.html"))
    assert world.submitted_urls() == ["https://static.example.com/a.html"] * 2
    assert [record["lane"] for record in world.outcomes()] == ["overwritten", "removed"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_reach_the_cdn_as_one_url_of_each_spelling(key: str) -> None:
    """Each odd key is submitted as exactly one URL, in one row, for each way in which clients spell it."""
    world = World()
    summary = world.deliver(world.put(key))
    spellings = own_paths(key, world.new_instance().kit.sites[0])
    assert {f"https://static.example.com{path}" for path in spellings} == set(world.submitted_urls())
    assert len(spellings) == summary["accepted"] == len(world.submitted_urls())


def test_a_key_too_long_for_a_url_goes_as_its_folder_and_not_as_the_whole_domain() -> None:
    """Which takes a word in the site file; without it the outcome log says what stays stale, and why."""
    world = World()
    world.deliver(world.put("d/" + "n" * 1_021))
    world.deliver(world.put("n" * 1_023))
    assert ["https://static.example.com/d/"] == world.submitted_urls()
    (record,) = [record for record in world.outcomes() if record["result"] == "skipped"]
    assert record["message"].endswith("which takes `whole_domain: true`")


def test_an_unknown_bucket_is_skipped_with_a_reason() -> None:
    """An event of a bucket that no site serves causes no task; the outcome log says so."""
    world = World()
    event = world.put("a.html")
    event["events"][0]["oss"]["bucket"]["name"] = "elsewhere"
    summary = world.deliver(event)
    assert summary["skipped"] == 1
    assert [("skipped", "no site serves elsewhere/a.html")] == [
        (record["result"], record["message"]) for record in world.outcomes()
    ]
    assert world.refresh_calls() == []


def test_half_an_event_is_kept_and_the_rest_goes_on() -> None:
    """A broken element of a batch is kept in dead/ with its bytes and reason; the others are refreshed."""
    world = World()
    good = world.put("a.html")["events"][0]
    half = {"eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss", "oss": {"bucket": {"name": "content"}}}
    summary = world.deliver([good, half])
    assert (1, 1) == (summary["accepted"], summary["dead"])
    (dead,) = world.pieces()
    assert json.loads(base64.b64decode(dead["event"])) == half
    assert "eventTime" in dead["reason"] or "object" in dead["reason"]
    assert world.results() == {"accepted": 1, "dead": 1}


def test_bytes_that_are_no_json_are_kept() -> None:
    """An event that is no JSON at all is kept byte for byte, and the invocation succeeds."""
    world = World()
    world.deliver(b"\xff\x00 not an event")
    (dead,) = world.pieces()
    assert base64.b64decode(dead["event"]) == b"\xff\x00 not an event"


def test_a_second_delivery_while_waiting_writes_the_same_note() -> None:
    """An event delivered twice before it could be submitted costs one unit."""
    world = World()
    event = world.put("a.html")
    world.cloud.faults.next("cdn", "throttle", times=100)
    world.deliver(event)
    world.deliver(event)
    world.cloud.faults.stop()
    world.clock.advance(300)
    world.tick()
    assert world.submitted_urls() == ["https://static.example.com/a.html"]


def test_a_write_after_submission_is_refreshed_again() -> None:
    """A submitted refresh never absorbs a later write, however soon it comes."""
    world = World()
    world.deliver(world.put("a.html", b"1"))
    world.deliver(world.put("a.html", b"2"))
    assert len(world.submitted_urls()) == 2


def test_the_note_is_durable_before_anything_else() -> None:
    """The first thing an event causes outside is its note; a failed note fails the invocation."""
    world = World()
    event = world.put("a.html")
    world.cloud.faults.next("oss", "server_error", times=1)
    with pytest.raises(Exception, match=r"InternalError"):
        world.deliver(event)
    assert world.trace[0].startswith("oss PUT /cdn-refresh%2Fwaiting")
    assert world.refresh_calls() == []
