"""Where time is short for what waits, each tick of the timer gets something done all the same."""

from __future__ import annotations

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from shared import flow, wiring
from shared.core.task.codec import encode_outcomes
from shared.core.task.model import Outcome, Result
from tests.flow.world import LATENCIES, Context, Function, World
from tests.strategies import make_task

CALLS, TICKS, KEPT = 60, 6, 600


def test_accepted_calls_are_followed_though_reading_them_all_takes_longer_than_a_tick() -> None:
    """A function of ten seconds beside a slow store: within some ticks all of many calls are done."""
    limits = Limits(urls_per_minute_per_domain=100_000)
    world = World(options=Options(limits=limits, latencies={"cdn": 1.0, "oss": 0.15, "sls": 0.2}))
    for number in range(CALLS):
        url = f"https://static.example.com/{number}.html"
        world.follow([make_task(url, time=world.clock.now())])
        world.clock.advance(1)
    world.clock.advance(600)
    done = 0
    for _ in range(TICKS):
        before = world.clock.now()
        _tick(world, 10)
        assert world.clock.now() - before < 10
        assert world.results()["done"] > done
        done = world.results()["done"]
        world.clock.advance(60)


def _tick(world: World, seconds: int) -> None:
    given = world.context("retry_failed")
    context = Context(given.request_id, given.credentials, Function("retry_failed", seconds))
    wiring.run(world.instance, flow.retry, b"{}", context)


def test_records_of_many_small_objects_are_written_together() -> None:
    """Hundreds of objects of one record each, as lone uploads leave them: one tick writes them, in few requests."""
    world = World(options=Options(latencies=LATENCIES))
    now = world.clock.now()
    for number in range(KEPT):
        body = encode_outcomes((Outcome(now, Result.DEFERRED, str(number)),))
        world.stray(f"kept/{int(now * 1000) + number:013d}-0000-{number:020d}", body)
    before = world.calls["sls"]
    assert world.limited_tick()
    assert [] == world.spool("kept/")
    assert [str(number) for number in range(KEPT)] == [
        record["task_id"] for record in world.outcomes() if record["result"] == "deferred"
    ]
    assert world.calls["sls"] - before <= KEPT / 10
