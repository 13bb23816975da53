"""While the site file is wrong nothing is lost, nothing runs in circles, and what was kept is judged afterwards."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.localcloud.cloud import Options
from shared.core.site.sites import Site
from tests.core.change.shapes import payload
from tests.flow.world import LATENCIES, World

SHARED = """
sites:
  - {bucket: content, prefix: static/, domains: [static.example.com]}
"""
WRONG = ("sites.yml: line 3: domain: unknown field",)


def _url(key: str) -> str:
    return "https://static.example.com/" + key


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("put", "remove", "junk", "batch", "wait")), st.integers(0, 5)), max_size=12))
def test_whatever_happens_meanwhile_is_judged_afterwards(steps: list[tuple[str, int]]) -> None:
    """Any mixture of events, in wrappers or not, readable or not, at a broken version: all of it comes out later."""
    world = World()
    broken = world.new_instance(faults=WRONG)
    wanted: set[str] = set()
    junk: set[bytes] = set()
    for what, number in steps:
        if what == "wait":
            world.clock.advance(60)
            world.tick(broken)
        elif what == "junk":
            junk.add(b"junk %d" % number)
            world.deliver(b"junk %d" % number, broken)
        else:
            wanted.add(_url(f"{number}.html"))
            event = world.put(f"{number}.html")
            event = world.remove(f"{number}.html") if what == "remove" else event
            world.deliver([json.dumps(each) for each in event["events"]] if what == "batch" else event, broken)
    assert [] == world.refresh_calls() + world.pieces()
    world.clock.advance(60)
    world.minutes(3)
    assert wanted == set(world.submitted_urls())
    assert junk == {base64.b64decode(piece["event"]) for piece in world.pieces()}
    assert [] == world.spool("events/") + world.spool("waiting/")


@pytest.mark.long
def test_a_thousand_kept_events_are_noted_in_one_tick() -> None:
    """Many together, so that what a night has brought goes within minutes, in full calls."""
    world = World(options=Options(latencies=LATENCIES), env={"URLS_PER_MINUTE_PER_DOMAIN": "100000"})
    broken = world.new_instance(faults=WRONG)
    for number in range(1_000):
        world.deliver(world.put(f"{number}.html"), broken)
    world.calls.clear()
    world.clock.advance(60)
    assert world.limited_tick()
    assert 1_000 == len(set(world.submitted_urls())) == len(world.submitted_urls())
    assert [] == world.spool("events/")
    assert world.calls["oss"] < 1_100


def test_an_event_that_was_noted_and_not_removed_is_not_lost_nor_endless() -> None:
    """OSS does not delete it: the tick fails loudly, and goes on once it does."""
    world = World()
    world.deliver(world.put("a.html"), world.new_instance(faults=WRONG))
    world.cloud.oss.habits.undeleted = lambda _bucket, key: "/events/" in key
    world.clock.advance(60)
    with pytest.raises(Exception, match="NotDeleted"):
        world.tick()
    world.cloud.oss.habits.undeleted = lambda _bucket, _key: False
    world.minutes(2)
    assert {_url("a.html")} == set(world.submitted_urls())
    assert [] == world.spool("events/")


def test_a_trigger_on_the_spool_makes_no_loop_while_the_site_file_is_wrong() -> None:
    """Each event that is kept causes another event, of the spool itself: that one is not kept."""
    world = World(SHARED, Options(spool_bucket="content", latencies=LATENCIES), {"SPOOL_BUCKET": "content"})
    broken = world.new_instance(faults=WRONG)
    world.cloud.oss.put("content", "static/a.html", b"x")
    delivered = 0
    while delivered < len(world.events) and delivered < 50:
        world.deliver(world.events[delivered], broken)
        delivered += 1
    assert (2, 1) == (delivered, len(world.spool("events/")))
    assert 1 == sum("covers the spool" in alarm for alarm in world.alarms())


@pytest.mark.parametrize("name", ["native_upload_part.json", "native_initiate_multipart.json"])
def test_what_means_nothing_whatever_the_site_file_says_is_not_kept(name: str) -> None:
    """Parts of an upload are none of anybody's business."""
    world = World()
    assert {"ignored": 1} == world.deliver(payload(name), world.new_instance(faults=WRONG))
    assert [] == world.spool("events/")


def test_it_is_told_once_an_instance() -> None:
    """Thousands of events are one alarm; each invocation's line says what it kept."""
    world = World()
    broken = world.new_instance(faults=WRONG)
    for number in range(5):
        world.deliver(world.put(f"{number}.html"), broken)
    (told,) = [line for line in world.lines() if line["event"] == "alarm"]
    assert list(WRONG) == told["faults"]
    assert [1] * 5 == [line["kept"] for line in world.lines() if line["event"] == "invocation"]


def _broken_site() -> Any:
    return Site(name="broken", bucket="content", domains=(None,))  # type: ignore[arg-type]


def test_an_event_that_cannot_be_judged_is_kept_and_told_of() -> None:
    """A fault of our own would raise again at each retry until the platform drops the event; it goes into dead/."""
    world = World()
    event = world.put("a.html")
    world.instance.kit = dataclasses.replace(world.instance.kit, sites=(_broken_site(),))
    assert 1 == world.deliver(event)["dead"]
    (piece,) = world.pieces()
    assert piece["reason"].startswith("it could not be judged: ")
    assert event == json.loads(base64.b64decode(piece["event"]))
    assert any(line["level"] == "error" and "could not be judged" in line["reason"] for line in world.lines())


def test_many_unreadable_events_print_few_lines() -> None:
    """All are kept; the log names the first and counts the rest."""
    world = World()
    assert 300 == world.deliver([{"number": number} for number in range(300)])["dead"]
    assert 300 == len(world.pieces())
    assert 11 == sum("kept in dead/" in line["event"] for line in world.lines())


def test_http_events_are_a_setting() -> None:
    """Without it a request is kept with the name of the setting; with it its body is an event like any other."""
    world = World()
    request = json.loads(payload("http_request.json"))
    request["body"] = base64.b64encode(json.dumps(world.put("a.html")).encode()).decode()
    assert 1 == world.deliver(request)["dead"]
    assert "HTTP_EVENTS=true" in world.pieces()[0]["reason"]
    assert "not-a-key" not in world.everything()
    allowed = World(env={"HTTP_EVENTS": "true"})
    assert 1 == allowed.deliver(request)["accepted"]
