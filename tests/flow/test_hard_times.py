"""Long outages and large backlogs: work per round stays bounded, the system recovers, and nothing is lost."""

from __future__ import annotations

import json

import msgspec
import pytest

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from scripts.localcloud.web import Request
from shared.cloud.outcomes import BYTES_PER_WRITE_MAX, RECORDS_PER_WRITE_MAX, parts
from shared.flow.look import TASKS_PER_ROUND_MAX
from shared.core.task.model import Outcome, Result
from shared.core.task.notes import notes_of
from tests.flow.world import World
from tests.strategies import make_task

FUNCTION_SECONDS = 60.0
FOREVER = 10**9


class Killed(BaseException):
    """The platform ends an invocation."""


def tick_with_time_limit(world: World) -> bool:
    """Ring the timer once; False where the platform ends the invocation at its time limit."""
    until = world.clock.now() + FUNCTION_SECONDS

    def end_at_limit(_service: str, _request: Request) -> None:
        if world.clock.now() > until:
            raise Killed

    world.after = end_at_limit
    try:
        world.tick()
    except Killed:
        return False
    finally:
        world.after = lambda _service, _request: None
    return True


def test_after_a_long_outage_of_the_cdn_all_is_caught_up() -> None:
    """Forty calls without a reply are looked up one by one, as fast as the API allows, over several invocations."""
    world = World()
    world.cloud.faults.next("cdn", "refused", times=FOREVER)
    for number in range(40):
        world.deliver(world.put(f"{number}.html"))
        world.clock.advance(1)
    assert len(world.spool("submitted/")) > 30
    world.cloud.faults.stop()
    for _ in range(3):
        world.clock.advance(60)
        assert tick_with_time_limit(world)
    assert {f"https://static.example.com/{number}.html" for number in range(40)} == set(world.submitted_urls())
    assert 40 == len(world.submitted_urls())
    assert [] == world.spool("waiting/")


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
    assert [] == world.spool("unlogged/")
    keys = [record["key"] for record in world.outcomes() if record["result"] == "accepted"]
    assert [f"{number:02d}.html" for number in range(21)] == keys


def test_a_round_takes_no_more_tasks_than_it_can_end() -> None:
    """A backlog that is due at once is taken in parts, the rest is seen, and all of it goes."""
    world = World(options=Options(limits=Limits(url_refreshes_per_day=100_000, urls_per_minute_per_domain=100_000)))
    world.deliver(world.put("warm.html"))
    tasks = [make_task(f"https://static.example.com/{number}.html") for number in range(TASKS_PER_SURVEY_MAX + 3_000)]
    for note in notes_of(tasks):
        world.instance.spool.put(note)
    survey = world.instance.spool.survey(world.clock.now())
    assert (TASKS_PER_SURVEY_MAX // 1_000, True) == (len(survey.due), survey.later)
    one = msgspec.structs.replace(tasks[0], due=world.clock.now() - 1)
    world.instance.spool.put(next(iter(notes_of([one]))))
    assert len(world.instance.spool.survey(world.clock.now()).due) == TASKS_PER_SURVEY_MAX // 1_000


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


@pytest.mark.parametrize(("owner", "taken"), [("request-me", True), ("request-other", False)])
def test_a_lease_that_was_taken_unknowingly_is_one_s_own(owner: str, *, taken: bool) -> None:
    """Where the client repeats a write whose reply was lost it meets its own lease; another's it leaves alone."""
    world = World()
    world.deliver(world.put("warm.html"))
    body = json.dumps({"owner": owner}, separators=(",", ":")).encode()

    def write_first(service: str, request: Request) -> None:
        if service == "oss" and request.method == "GET" and "lease" in request.query:
            world.cloud.oss.put(world.options.spool_bucket, "cdn-refresh/lease/drain/000000000002-held", body)

    world.after = write_first
    assert taken is (world.instance.spool.take_lease("drain", "request-me") is not None)
