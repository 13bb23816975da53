"""The table of what piled-up work costs: its rows at small sizes, its bounds, and where its figures come from."""

from __future__ import annotations

import argparse
import json

import pytest

from scripts.benchmark import __main__ as command
from scripts.benchmark import growth, seeds
from scripts.benchmark.functions import Functions
from scripts.benchmark.growth import MINUTE_SECONDS, World, world
from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from shared.core.task import codec
from shared.core.task.notes import note_from_key, note_key
from shared.core.task.waits import quota_of

FIELDS = {"work", "size", "oss_calls", "cdn_calls", "records", "seconds", "peak_mb"}
IDLE_OSS_CALLS_MAX = 10


def test_an_idle_minute_costs_at_most_ten_calls_of_oss() -> None:
    """A ring with nothing to do, as the mean of an hour; a month's calls are reckoned from what was counted."""
    (row,) = growth.idle()
    assert row.keys() >= FIELDS
    assert 0 < row["oss_calls"] <= IDLE_OSS_CALLS_MAX
    assert row["oss_calls_per_month"] == pytest.approx(row["oss_calls"] * 60 * 24 * 30)
    assert row["calls_per_month"] == sum(row[f"{name}_per_month"] for name in ("oss_calls", "cdn_calls", "records"))


def test_what_waits_goes_in_the_fewest_rounds() -> None:
    """200 single notes of twenty domains are one round, and each leaves one record of its own."""
    first, whole, held = growth.waiting([200])
    assert (1, 1) == (whole["rounds"], whole["floor"])
    assert 200 <= whole["records"] <= 2 * 200
    assert first["oss_calls"] <= whole["oss_calls"]
    assert IDLE_OSS_CALLS_MAX + 10 >= held["oss_calls"]
    assert 2 >= held["records"]


def test_a_pile_on_one_domain_drains_at_the_pace_of_its_limit() -> None:
    """2,500 tasks at a thousand a minute: three rounds, and at most four records a task."""
    (row,) = growth.one_domain([2_500])
    assert (3, 3) == (row["floor"], row["rounds"])
    assert 2_500 <= row["records"] <= 4 * 2_500
    assert 0 == row["invocations_killed"]


def test_calls_in_flight_and_the_dead_cost_a_ring_nothing() -> None:
    """With 50 and with 500 of them the same requests are made, also for an event that is late."""
    for work in (growth.submitted, growth.dead):
        few, many = list(work([50])), list(work([500]))
        assert [row["oss_calls"] for row in few] == [row["oss_calls"] for row in many]
        assert all(row["oss_calls"] <= 2 * IDLE_OSS_CALLS_MAX for row in many)


def test_records_that_were_kept_reach_the_log_store() -> None:
    """All of them, in their order, once it takes them."""
    (row,) = growth.unlogged([300])
    assert (1, 301) == (row["rounds"], row["records"])


def test_an_hour_of_refusals_leaves_no_record_a_task() -> None:
    """One call a minute is tried while 300 tasks wait."""
    (row,) = growth.refused([300])
    assert row["cdn_calls"] <= 3 * 60
    assert row["records"] <= 300 + 2 * 60
    assert 0 == row["invocations_killed"]


def test_an_outage_costs_reads_in_proportion_to_its_length() -> None:
    """Twice as long a silence, with uploads all the time: about twice the calls; then nothing is left waiting."""
    short, after_short, long, after_long = growth.outage(hours=(0.5, 1))
    assert short["size"] * 2 == long["size"]
    assert long["oss_calls"] <= 2.5 * short["oss_calls"]
    assert (0, 0) == (short["invocations_killed"], long["invocations_killed"])
    for row in (after_short, after_long):
        assert row["rounds"] is not None


@pytest.fixture
def small() -> World:
    """A world without functions of its own."""
    with world() as found:
        return found


def test_seeds_are_what_the_functions_themselves_write(small: World) -> None:
    """Each can be read back: notes from their keys and bodies, calls, pieces and records."""
    some = list(seeds.tasks(4, growth.DOMAINS, growth.START))
    for key, body in seeds.waiting(some, quota_of("url"), per_note=2):
        found = note_key(key.removeprefix("waiting/"))
        assert found
        assert (2, "quota+url") == (found.count, found.wait.slot)
        assert codec.decode_tasks(body)
    single = next(seeds.waiting(some))[0]
    packed = note_key(single.removeprefix("waiting/"))
    assert packed
    assert note_from_key(packed)
    small.seed(seeds.in_flight(some, growth.START, growth.START + MINUTE_SECONDS))
    assert 4 == len(small.keys("accepted/"))


def test_memory_and_time_are_of_the_functions_process_alone() -> None:
    """What the store holds does not count: fifty megabytes there change nothing here."""
    with world() as found:
        before = found.functions.figures()
        found.cloud.oss.put(found.cloud.options.spool_bucket, "elsewhere/large", b"x" * 50_000_000)
        found.minute()
        row = found.row("idle", 0, "one ring")
    assert 0 == before.invocations
    assert 0 <= row["peak_mb"] < 20
    assert 0 < row["seconds"] < 5


def test_the_command_prints_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With sizes and kinds of work as asked for, each line as soon as it is known."""
    assert 0 == command.main(["growth", "--json", "--works", "dead", "--sizes", "10", "20"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [("dead", 10), ("dead", 20)] == [(row["work"], row["size"]) for row in rows]
    assert all(row.keys() >= FIELDS for row in rows)


def test_a_million_is_an_option() -> None:
    """It is one more size, of what waits only."""
    asked = argparse.Namespace(works=["dead"], sizes=[], million=True)
    assert [] == list(growth.measure(asked))


def test_a_ring_costs_the_same_however_much_waits_for_a_refused_account() -> None:
    """More notes wait than one look shows: each ring tries one call, and is over."""
    clock = VirtualClock(growth.START)
    cloud = LocalCloud(Options(domains=growth.DOMAINS, latencies={"oss": 0.2}), clock)
    cloud.cdn.answers.append(rule(Answer(growth.REFUSED), operations=["RefreshObjectCaches"]))
    services = {name: cloud.handle_for(name) for name in ("oss", "cdn", "sls")}
    functions = Functions(cloud.options.facts_in_process(), services, clock, domains=growth.DOMAINS)
    seeds.put(cloud, seeds.waiting(seeds.tasks(2_500, growth.DOMAINS, growth.START)), growth.START)
    costs = []
    for _ in range(4):
        clock.advance_to((clock.now() // MINUTE_SECONDS + 1) * MINUTE_SECONDS)
        functions.tick()
        costs.append(functions.calls.pop("oss"))
    assert max(costs) <= 4 * IDLE_OSS_CALLS_MAX
