"""Long outages and large backlogs: work per round stays bounded, the system recovers, and nothing is lost."""

from __future__ import annotations

import json

import pytest

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from scripts.localcloud.web import Request
from shared.cloud.outcomes import BYTES_PER_WRITE_MAX, RECORDS_PER_WRITE_MAX, parts
from shared.core.task.model import Outcome, Result
from shared.flow.look import ELSEWHERE_NOTES_MAX, TASKS_PER_ROUND_MAX
from tests.flow.world import World
from tests.strategies import make_task

FOREVER = 10**9


def test_after_a_long_outage_of_the_cdn_all_is_caught_up() -> None:
    """Forty changes that met no reply are sent once each, within minutes, though some of their calls are unknown."""
    world = World()
    world.cloud.faults.next("cdn", "refused", times=FOREVER)
    for number in range(40):
        world.deliver(world.put(f"{number}.html"))
        world.clock.advance(1)
    assert world.spool("submitting/")
    world.cloud.faults.stop()
    for _ in range(3):
        world.clock.advance(60)
        assert world.limited_tick()
    assert {f"https://static.example.com/{number}.html" for number in range(40)} == set(world.submitted_urls())
    assert 40 == len(world.submitted_urls())
    assert [] == world.spool("waiting/") + world.spool("submitting/")


def test_while_the_task_list_does_not_answer_it_is_asked_once_a_drain() -> None:
    """Ten calls of unknown outcome do not mean ten more requests that fail."""
    world = World()
    world.cloud.faults.next("cdn", "refused", times=FOREVER)
    for number in range(10):
        world.deliver(world.put(f"{number}.html"))
    before = sum(call.operation == "DescribeRefreshTasks" for call in world.cloud.cdn.calls)
    asked: list[str] = []
    world.after = lambda _service, request: asked.append(request.header("x-acs-action"))
    world.tick()
    assert 0 == before
    assert asked.count("DescribeRefreshTasks") <= 2


def test_the_log_store_s_backlog_is_not_read_while_it_is_down() -> None:
    """However many records wait, an upload costs the same, and once the log store is back all are written in order."""
    world = World()
    world.cloud.faults.next("sls", "server_error", times=FOREVER)
    costs = []
    for number in range(20):
        world.calls.clear()
        world.deliver(world.put(f"{number:02d}.html"))
        world.clock.advance(1)
        costs.append(world.calls["oss"])
    assert max(costs[5:]) == costs[5]
    world.cloud.faults.stop()
    world.tick()
    world.deliver(world.put("20.html"))
    world.tick()
    assert [] == world.spool("kept/")
    keys = [record["key"] for record in world.outcomes() if record["result"] == "accepted"]
    assert [f"{number:02d}.html" for number in range(21)] == keys


@pytest.mark.long
def test_a_round_takes_no_more_tasks_than_it_can_end() -> None:
    """Of a backlog that is due at once no more is read than a round can end before it is sent, and all of it goes."""
    plenty = Limits(url_refreshes_per_day=100_000, urls_per_minute_per_domain=100_000)
    world = World(options=Options(limits=plenty), env={"URLS_PER_MINUTE_PER_DOMAIN": "100000"})
    tasks = [
        make_task(f"https://static.example.com/{number}.html", time=world.clock.now() + number * 0.001)
        for number in range(TASKS_PER_ROUND_MAX + 1_000 * (ELSEWHERE_NOTES_MAX + 2))
    ]
    world.wait(tasks)
    world.tick()
    first = next(number for number, line in enumerate(world.trace) if "RefreshObjectCaches" in line)
    notes_read = [line for line in world.trace[:first] if line.startswith("oss GET /cdn-refresh%2Fwaiting")]
    assert TASKS_PER_ROUND_MAX // 1_000 <= len(notes_read) <= TASKS_PER_ROUND_MAX // 1_000 + ELSEWHERE_NOTES_MAX
    assert [1_000] * (len(tasks) // 1_000) == [call.urls for call in world.refresh_calls()]
    assert [task.url for task in tasks] == world.submitted_urls()
    assert [] == world.spool("waiting/")


def test_records_are_cut_into_writes_that_the_log_service_takes() -> None:
    """By their number and by their bytes; nothing is left out, and the order stays."""
    small = [Outcome(float(number), Result.DONE) for number in range(RECORDS_PER_WRITE_MAX + 1)]
    assert [RECORDS_PER_WRITE_MAX, 1] == [len(part) for part in parts(small)]
    large = [Outcome(float(number), Result.DEAD, message="é" * 500_000) for number in range(5)]
    assert [2, 2, 1] == [len(part) for part in parts(large)]
    assert large == [each for part in parts(large) for each in part]
    huge = [Outcome(1.0, Result.DEAD, message="x" * (BYTES_PER_WRITE_MAX + 1))]
    assert [huge] == list(parts(huge))
    assert [] == list(parts([]))


@pytest.mark.parametrize(("owner", "is_own"), [("request-me", True), ("request-other", False)])
def test_a_lease_that_was_taken_unknowingly_is_one_s_own(owner: str, *, is_own: bool) -> None:
    """Where the client repeats a write whose reply was lost it meets its own lease; another's it leaves alone."""
    world = World()
    world.deliver(world.put("warm.html"))
    newest = max(int(key.split("/")[2].partition("-")[0]) for key in world.spool("lease/drain/"))
    body = json.dumps({"owner": owner}, separators=(",", ":")).encode()

    def write_first(service: str, request: Request) -> None:
        if service == "oss" and request.method == "GET" and "lease" in request.query:
            world.stray(f"lease/drain/{newest + 1:012d}-held", body)

    world.after = write_first
    assert is_own is (world.instance.spool.take("drain", "request-me") is not None)
