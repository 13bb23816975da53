"""Records reach the log store in their order, each once if nothing breaks, whatever it refuses and however long."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule as cdn_rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from scripts.localcloud.sls.answers import PUT_LOGS, SlsCall, refuse_records, rule
from shared.core.task.codec import encode_outcomes
from shared.core.task.model import Outcome, Result
from shared.flow.log import FLUSHED_BYTES_MAX
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

PLENTY = Limits(urls_per_minute_per_domain=100_000)
ENV = {"URLS_PER_MINUTE_PER_DOMAIN": "100000"}


def _world() -> World:
    return World(options=Options(limits=PLENTY, latencies=LATENCIES), env=ENV)


def _accepted(world: World) -> list[str]:
    return [record["key"] for record in world.outcomes() if record["result"] == "accepted"]


def _url(key: str) -> str:
    return f"https://static.example.com/{key}"


@pytest.mark.parametrize("bad", [{"17.html"}, {"0.html", "49.html"}, {f"{number}.html" for number in range(0, 50, 9)}])
def test_records_that_are_refused_for_their_content_are_set_aside_alone(bad: set[str]) -> None:
    """Every batch that holds one of them is refused: within minutes the others are in the log, in order per task."""
    world = _world()
    world.cloud.sls.answers.append(refuse_records(lambda record: record.get("key") in bad))
    keys = [f"{number}.html" for number in range(50)]
    for start in range(0, 50, 10):
        world.limited_deliver([world.put(key) for key in keys[start : start + 10]])
        world.limited_minutes(1)
    world.limited_minutes(12)
    assert [] == world.spool("kept/")
    assert [key for key in keys if key not in bad] == sorted(_accepted(world), key=keys.index)
    assert len(_accepted(world)) == len(set(_accepted(world)))
    for key in keys:
        if key not in bad:
            told = [record["result"] for record in world.outcomes() if record.get("key") == key]
            assert ["accepted", "done"] == told
    assert any("refuses some records" in alarm for alarm in world.alarms())
    assert bad == {json.loads(_event(piece))["key"] for piece in world.pieces()}
    assert 50 == len(world.submitted_urls())
    assert 0 == world.killed


def test_a_batch_of_which_every_record_is_refused_stops_nothing() -> None:
    """A hundred records that can never be written are set aside, with few writes, and later ones go in at once."""
    world = _world()
    world.cloud.sls.answers.append(refuse_records(lambda record: record.get("key", "").startswith("bad")))
    world.limited_deliver([world.put(f"bad-{number}.html") for number in range(100)])
    world.limited_minutes(2)
    assert [] == world.spool("kept/")
    assert 100 == len(world.pieces())
    world.limited_deliver(world.put("good.html"))
    world.limited_minutes(2)
    assert ["good.html"] == _accepted(world)
    assert 0 == world.killed


def test_once_the_log_store_works_again_records_go_there_at_once() -> None:
    """After what was kept has been written, an upload's record is acknowledged before its invocation ends."""
    world = _world()
    world.cloud.sls.answers.append(rule(Answer("ServerBusy", 503), operations=[PUT_LOGS]))
    world.limited_deliver(world.put("1.html"))
    world.cloud.sls.answers.clear()
    world.limited_minutes(2)
    world.limited_deliver(world.put("2.html"))
    assert ["1.html", "2.html"] == _accepted(world)
    assert [] == world.spool("kept/")


@pytest.mark.parametrize("answer", [Answer("ServerBusy", 503), Answer("WriteQuotaExceed", 403), Answer(dropped=True)])
def test_a_log_store_that_is_down_stops_no_task_and_loses_no_record(answer: Answer) -> None:
    """Three hours of it: tasks go on as ever, and afterwards every record is in the log, in order per task."""
    world = _world()
    world.cloud.sls.answers.append(rule(answer, operations=[PUT_LOGS]))
    for number in range(12):
        world.limited_deliver(world.put(f"{number}.html"))
        world.clock.advance(900)
        assert world.limited_tick()
    assert 12 == len(world.submitted_urls())
    world.cloud.sls.answers.clear()
    world.limited_minutes(12)
    assert [] == world.spool("kept/")
    for number in range(12):
        told = [record["result"] for record in world.outcomes() if record.get("key") == f"{number}.html"]
        assert ["accepted", "done"] == told


@pytest.mark.long
def test_what_was_kept_is_read_in_parts_bounded_in_bytes() -> None:
    """However much waits after hours of refusal, no tick reads more than its share of it, and all is written."""
    world = _world()
    text = "x" * 280
    count, size = 60, 0
    for number in range(count):
        records = [
            Outcome(world.clock.now(), Result.DEFERRED, f"{number}-{each}", key="k", message=text)
            for each in range(1_000)
        ]
        body = encode_outcomes(tuple(records))
        size += len(body)
        world.stray(f"kept/{int(world.clock.now() * 1000):013d}-{number:04d}-{number:020d}", body)
    assert size > 2 * FLUSHED_BYTES_MAX
    ticks = 0
    while world.spool("kept/") and ticks < 10:
        read_before = len(world.trace)
        assert world.limited_tick()
        ticks += 1
        read = [line for line in world.trace[read_before:] if line.startswith("oss GET /cdn-refresh%2Fkept")]
        assert len(read) <= FLUSHED_BYTES_MAX * 1.1 // (size // count)
        world.clock.advance(60)
    assert [] == world.spool("kept/")
    assert count * 1_000 == world.results()["deferred"]


@pytest.mark.long
def test_hours_of_refusal_leave_few_records() -> None:
    """Log store and CDN refuse for three hours while many tasks wait: what is kept does not grow with the hours."""
    world = _world()
    world.limited_deliver(world.put("warm.html"))
    world.cloud.cdn.answers.append(cdn_rule(Answer("InsufficientBalance", 403)))
    world.cloud.sls.answers.append(rule(Answer("ServerBusy", 503)))
    count = 2_000
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(count))
    for _ in range(36):
        world.clock.advance(300)
        assert world.limited_tick()
    kept = [world.cloud.oss.read(world.options.spool_bucket, "cdn-refresh/" + key) for key in world.spool("kept/")]
    assert sum(len(each.data) for each in kept if each is not None) <= count * 1_000
    world.cloud.cdn.answers.clear()
    world.cloud.sls.answers.clear()
    world.limited_minutes(3)
    assert count + 1 == len(set(world.submitted_urls())) == len(world.submitted_urls())
    assert [] == world.spool("kept/")


def test_no_write_is_larger_than_the_log_service_takes() -> None:
    """A round of thousands of tasks is logged in writes within the service's limits."""
    world = _world()
    sizes: list[int] = []

    def see(call: SlsCall) -> bool:
        sizes.append(len(call.records))
        return False

    world.cloud.sls.answers.append(rule(Answer(), operations=[PUT_LOGS], when=see))
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(6_000))
    world.limited_minutes(2)
    assert 6_000 == world.results()["accepted"]
    assert max(sizes) <= 4_096


def _event(piece: Mapping[str, str]) -> bytes:

    return base64.b64decode(piece["event"])
