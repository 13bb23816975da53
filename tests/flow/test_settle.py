"""What becomes of an accepted task: done, tried again, prefetched, or given up, and who finds out."""

from __future__ import annotations

import pytest

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from scripts.localcloud.web import Request
from tests.flow.world import World

PREFETCHING = """
sites:
  - bucket: content
    domains: [static.example.com]
    created: refresh-then-prefetch
"""
WARMING = """
sites:
  - bucket: content
    domains: [static.example.com]
    created: refresh
    new: prefetch
"""
URL = "https://static.example.com/a.html"


def test_a_refresh_is_followed_to_its_end() -> None:
    """Once the CDN has finished, the task is done in the log and gone from the spool."""
    world = World()
    world.deliver(world.put("a.html"))
    world.minutes(3)
    assert {"accepted": 1} == _ends(world)
    assert len(world.spool("accepted/")) == 1
    world.minutes(5)
    assert {"accepted": 1, "done": 1} == _ends(world)
    assert world.spool("accepted/") == []


def test_a_prefetch_follows_the_refresh_only_when_that_is_complete() -> None:
    """No prefetch is submitted while the refresh of its URL runs; once it is complete, one is."""
    world = World(PREFETCHING)
    world.deliver(world.put("a.html"))
    world.minutes(4)
    assert ["refresh"] == [row.kind for row in world.cloud.cdn.submissions]
    world.minutes(4)
    refreshed, prefetched = world.cloud.cdn.submissions
    assert ("prefetch", URL) == (prefetched.kind, prefetched.path)
    assert refreshed.finish <= prefetched.accepted


def test_a_prefetch_gives_way_to_a_newer_change() -> None:
    """Where the object changes again before the prefetch goes, that waits for the newer refresh."""
    world = World(PREFETCHING)
    world.deliver(world.put("a.html", b"1"))
    world.clock.advance(400)
    world.deliver(world.put("a.html", b"2"))
    world.minutes(40, step=4)
    kinds = [(row.kind, row.accepted, row.finish) for row in world.cloud.cdn.submissions]
    for kind, accepted, _ in kinds:
        if kind == "prefetch":
            assert all(finish <= accepted for other, start, finish in kinds if other == "refresh" and start < accepted)


def test_two_refreshes_of_a_url_are_followed_by_one_prefetch() -> None:
    """The prefetch after the first refresh waits for the second, and then goes with the one after that."""
    world = World(PREFETCHING, options=Options(limits=Limits(refresh_duration_seconds=(300.0, 300.0))))
    world.deliver(world.put("a.html", b"1"))
    world.clock.advance(290)
    world.deliver(world.put("a.html", b"2"))
    world.minutes(30)
    assert ["refresh", "refresh", "prefetch"] == [row.kind for row in world.cloud.cdn.submissions]
    assert [] == world.spool("waiting/") + world.spool("accepted/")


def test_what_was_removed_is_not_prefetched() -> None:
    """Where the object goes before its prefetch does, no unit is spent on fetching what is no more."""
    world = World(PREFETCHING)
    world.deliver(world.put("a.html"))
    world.clock.advance(290)
    world.deliver(world.remove("a.html"))
    world.minutes(60, step=5)
    assert ["refresh", "refresh"] == [row.kind for row in world.cloud.cdn.submissions]
    assert {"accepted": 2, "done": 2, "superseded": 1} == {
        result: count for result, count in _ends(world).items() if count
    }


def test_a_removal_ends_the_prefetch_that_waits_for_tomorrow() -> None:
    """Where the prefetch quota is spent and the object goes meanwhile, no unit is spent on it tomorrow."""
    world = World(WARMING, options=Options(limits=Limits(prefetches_per_day=2)), env={"RESERVE_PERCENT": "0"})
    for key in ("a.html", "b.html", "c.html"):
        world.deliver(world.put(key))
    assert len(world.spool("waiting/")) == 1
    world.clock.advance(60)
    world.deliver(world.remove("c.html"))
    assert [] == world.spool("waiting/")
    world.clock.advance(86_400)
    world.minutes(10)
    assert ["prefetch", "prefetch", "refresh"] == [row.kind for row in world.cloud.cdn.submissions]


def test_a_prefetch_s_event_that_comes_again_costs_nothing() -> None:
    """A second delivery is known while the prefetch is followed."""
    world = World(WARMING)
    event = world.put("a.html")
    world.deliver(event)
    world.clock.advance(30)
    world.deliver(event)
    assert [URL] == world.submitted_urls()
    assert [] == world.spool("waiting/")


def test_a_busy_folder_does_not_keep_prefetches_waiting() -> None:
    """Refreshes of a folder for other objects, one each five minutes, let a new object's prefetch go all the same."""
    custom = WARMING.replace("static.example.com", "{name: static.example.com, custom_cache_key: true}")
    world = World(custom + "    whole_domain: true\n")
    world.put("img/old.jpg")
    world.deliver(world.put("img/old.jpg", b"2"))
    world.deliver(world.put("img/new.jpg"))
    for number in range(6):
        world.minutes(5, step=5)
        world.deliver(world.put("img/old.jpg", b"%d" % number))
    assert ["https://static.example.com/img/new.jpg"] == [
        row.path for row in world.cloud.cdn.submissions if row.kind == "prefetch"
    ]


def test_a_task_that_fails_at_the_cdn_is_tried_again() -> None:
    """A failed refresh goes again after a pause, and is done once it succeeds."""
    world = World()
    world.cloud.cdn.fail = lambda _url: "Origin Timeout"
    world.deliver(world.put("a.html"))
    world.minutes(7)
    world.cloud.cdn.fail = lambda _url: None
    world.minutes(15)
    assert [URL, URL] == world.submitted_urls()
    assert world.results()["done"] == 1
    assert [("Failed", "OriginTimeout")] == [
        (record["code"], record["message"]) for record in world.outcomes() if record["result"] == "deferred"
    ]


def test_a_task_that_always_fails_is_given_up_with_its_history() -> None:
    """After five failures the task stands in dead/ with each of them."""
    world = World()
    world.cloud.cdn.fail = lambda _url: "Internal Error"
    world.deliver(world.put("a.html"))
    world.minutes(240, step=8)
    assert len(world.submitted_urls()) == 5
    (dead,) = world.pieces()
    assert "Failed: InternalError" == dead["reason"]
    assert 5 == dead["task"]["cdn_failures"]
    assert "dead" == dead["task"]["history"][-1]["result"]
    assert ["deferred"] * 4 + ["dead"] == [
        record["result"] for record in world.outcomes() if record["result"] in {"deferred", "dead"}
    ]
    assert world.spool("waiting/") == []


def test_a_prefetch_of_what_the_origin_lacks_is_given_up_at_once() -> None:
    """Where the origin answers 404, no further unit is spent: the task goes to dead/ with the CDN's words."""
    world = World(PREFETCHING.replace("refresh-then-prefetch", "prefetch"))
    world.cloud.cdn.fail = lambda _url: "Origin Return StatusCode 404"
    world.deliver(world.put("a.html"))
    world.minutes(60, step=5)
    assert [URL] == world.submitted_urls()
    assert ["Failed: OriginReturnStatusCode404"] == [dead["reason"] for dead in world.pieces()]


def test_objects_that_are_gone_hold_back_no_prefetch_of_others() -> None:
    """That the origin answers 404 is about one object each: what is there is prefetched within a minute."""
    world = World(PREFETCHING.replace("refresh-then-prefetch", "prefetch"))
    world.cloud.oss.habits.untold = lambda name, _key: "Removed" in name
    events = [world.put(f"gone-{number}.html") for number in range(12)]
    for number in range(12):
        world.cloud.oss.delete(world.options.bucket, f"gone-{number}.html")
    for event in events:
        world.deliver(event)
    for _ in range(40):
        if len(world.pieces()) == len(events):
            break
        world.minutes(1)
    assert 12 == len(world.pieces())
    world.deliver(world.put("there.html"))
    world.minutes(1)
    assert "https://static.example.com/there.html" == world.submitted_urls()[-1]


def test_the_cdn_s_event_settles_at_once() -> None:
    """The event of a finished task settles it before the timer looks; a foreign task's event does nothing."""
    world = World(PREFETCHING)
    told: list[dict[str, object]] = []
    world.cloud.cdn.on_finished.append(told.append)
    world.deliver(world.put("a.html"))
    assert world.finish(_finished("12345"))["finished"] == 1
    assert {"accepted": 1} == _ends(world)
    world.clock.advance(400)
    summary = world.finish(told[0])
    assert (1, 1) == (summary["done"], summary["prefetch_follows"])
    assert ["refresh", "prefetch"] == [row.kind for row in world.cloud.cdn.submissions]


def test_an_event_that_lies_is_not_believed() -> None:
    """An event about a task that still runs changes nothing: the CDN is asked."""
    world = World()
    world.deliver(world.put("a.html"))
    task_id = world.cloud.cdn.submissions[0].task_id
    assert world.finish(_finished(int(task_id)))["running"] == 1
    assert world.results() == {"accepted": 1}


@pytest.mark.parametrize("payload", [b"{", b'{"events":[{"eventName":"CachedObjectsRefreshed","eventSource":"cdn"}]}'])
def test_half_a_cdn_event_is_kept(payload: bytes) -> None:
    """What is no whole CDN event is kept in dead/ and the invocation succeeds."""
    world = World()
    assert world.finish(payload)["dead"] == 1
    assert len(world.spool("dead/")) == 1


def test_an_id_the_cdn_does_not_take_spoils_no_other() -> None:
    """When one task id is refused, the others of the same look are settled, and the task list tells of its tasks."""
    world = World()
    world.deliver(world.put("a.html"))
    world.clock.advance(2)
    world.deliver(world.put("b.html"))
    world.clock.advance(400)
    bad = world.cloud.cdn.submissions[0].task_id

    def is_bad(request: Request) -> bool:
        return request.header("x-acs-action") == "DescribeRefreshTaskById" and bad in request.query

    world.refuse("InvalidTaskId.Malformed", is_bad)
    world.tick()
    assert {"accepted": 2, "done": 2} == _ends(world)
    assert 2 == len(world.submitted_urls())


def test_rows_that_are_not_there_yet_are_no_failure() -> None:
    """Where the CDN does not list a task yet, it is running, and nothing is sent again."""
    world = World(options=Options(limits=Limits(row_visible_after_seconds=600)))
    world.deliver(world.put("a.html"))
    world.minutes(8)
    assert _ends(world) == {"accepted": 1}
    world.minutes(5)
    assert _ends(world) == {"accepted": 1, "done": 1}
    assert [URL] == world.submitted_urls()


def _finished(task_id: object) -> dict[str, object]:
    parameter = {"objectPath": ["/a.html"], "domain": "static.example.com", "taskId": task_id, "objectType": "File"}
    return {"events": [{"eventName": "CachedObjectsRefreshed", "eventSource": "cdn", "eventParameter": parameter}]}


def _ends(world: World) -> dict[str, int]:
    return {name: count for name, count in world.results().items() if name != "report"}
