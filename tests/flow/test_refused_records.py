"""Records that the log store refuses among many: they alone are set aside, however long it takes to find them."""

from __future__ import annotations

import base64
import json

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cloud import Options
from scripts.localcloud.sls.answers import PUT_LOGS, SlsCall, refuse_records, rule
from shared.core.task.codec import encode_outcomes
from shared.core.task.model import Outcome, Result
from tests.flow.world import LATENCIES, World

COUNT = 300


@pytest.mark.parametrize(("write_seconds", "step"), [(0.02, 15), (0.8, 150)])
def test_refused_records_among_many_are_set_aside_alone(write_seconds: float, step: int) -> None:
    """Of hundreds in one object some are refused: the others are in the log, each once, after some ticks."""
    world = World(options=Options(latencies={**LATENCIES, "sls": write_seconds}))
    keys = [f"{number}.html" for number in range(COUNT)]
    bad = set(keys[7::step])
    world.cloud.sls.answers.append(refuse_records(lambda record: record.get("key") in bad))
    now = world.clock.now()
    body = encode_outcomes(tuple(Outcome(now, Result.DEFERRED, f"task-{key}", key=key) for key in keys))
    world.stray(f"kept/{int(now * 1000):013d}-0000-{0:020d}", body)
    world.limited_minutes(8)
    assert sorted(bad) == sorted(json.loads(base64.b64decode(piece["event"]))["key"] for piece in world.pieces())
    assert sorted(set(keys) - bad) == sorted(record["key"] for record in world.outcomes() if record.get("key"))
    assert [] == world.spool("kept/")
    assert 0 == world.killed


def test_what_was_found_of_refused_records_outlives_a_log_store_that_goes_down() -> None:
    """In the midst of the search the log store goes down: what was written then is not written again afterwards."""
    world = World(options=Options(latencies=LATENCIES))
    world.cloud.sls.answers.append(refuse_records(lambda record: record.get("key") == "90.html"))
    _go_down_after(world, 4)
    now = world.clock.now()
    records = tuple(Outcome(now, Result.DEFERRED, f"task-{number}", key=f"{number}.html") for number in range(100))
    world.stray(f"kept/{int(now * 1000):013d}-0000-{0:020d}", encode_outcomes(records))
    world.limited_minutes(1)
    assert 50 <= sum(bool(record.get("key")) for record in world.outcomes()) < 99
    world.cloud.sls.answers.pop(0)
    world.limited_minutes(4)
    told = sorted(record["key"] for record in world.outcomes() if record.get("key"))
    assert sorted(f"{number}.html" for number in range(100) if number != 90) == told
    assert 1 == len(world.pieces())


def _go_down_after(world: World, most: int) -> None:
    writes: list[int] = []

    def is_over(call: SlsCall) -> bool:
        writes.append(len(call.records))
        return len(writes) > most

    world.cloud.sls.answers.insert(0, rule(Answer("ServerBusy", 503), operations=[PUT_LOGS], when=is_over))
