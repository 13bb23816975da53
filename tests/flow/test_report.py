"""The status: what the day has cost, who spent it, what waits, and when a person must be told."""

from __future__ import annotations

import json

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cdn.paths import FILE
from scripts.localcloud.cloud import Options
from shared.core.plan.books import Ledger
from shared.core.report import Spooled, status
from tests.flow.world import World


def _small(quota: int) -> World:
    return World(options=Options(limits=Limits(url_refreshes_per_day=quota)), env={"RESERVE_PERCENT": "0"})


def test_the_status_tells_ours_from_others() -> None:
    """Units spent by us stand by site; what others spent is the difference."""
    world = _small(100)
    for number in range(3):
        world.deliver(world.put(f"{number}.html"))
    world.cloud.cdn.spend_elsewhere(FILE, 20)
    world.tick()
    status = world.spooled("report/status.json")
    unit = status["quota"]["url"]
    assert (100, 77, 3, 20) == (unit["total"], unit["remaining"], unit["by_us"], unit["by_others"])
    assert {"content url": 3} == status["by_site"]
    assert 3 == status["in_flight"]["count"]


def test_the_status_tells_when_the_quota_runs_out() -> None:
    """At the day's pace so far, the status names the time at which nothing will be left, if before the reset."""
    world = _small(100)
    world.cloud.cdn.spend_elsewhere(FILE, 90)
    world.tick()
    unit = world.spooled("report/status.json")["quota"]["url"]
    assert unit["per_hour"] > 0
    assert world.clock.now() < unit["runs_out"]


def test_what_waits_for_tomorrow_is_visible() -> None:
    """Tasks beyond the day's quota are counted, with the time at which they may go."""
    world = _small(1)
    for number in range(3):
        world.deliver(world.put(f"{number}.html"))
    world.tick()
    status = world.spooled("report/status.json")
    assert 2 == status["waiting_until_reset"]["count"]
    assert status["waiting_until_reset"]["oldest"] > world.clock.now()
    assert "reset: tasks wait for tomorrow's quota" in status["alarms"]


def test_what_was_given_up_is_counted_for_as_long_as_it_lies_there() -> None:
    """Yesterday's dead are still counted, with their age; the alarm is about today's."""
    world = _small(10)
    world.deliver(b"not an event")
    given_up = world.clock.now()
    world.tick()
    status = world.spooled("report/status.json")
    assert (1, 1) == (status["dead"]["count"], status["dead_today"])
    assert "dead: tasks or events were given up today" in status["alarms"]
    world.clock.advance(86_400)
    world.deliver(b"another")
    world.clock.advance(86_400)
    world.tick()
    status = world.spooled("report/status.json")
    assert (2, int(given_up), 0) == (status["dead"]["count"], status["dead"]["oldest"], status["dead_today"])
    assert [] == [alarm for alarm in status["alarms"] if alarm.startswith("dead")]


def test_what_is_put_off_for_an_hour_raises_an_alarm() -> None:
    """Where the CDN refuses the account, tasks wait a minute each time; after an hour the status says so, once."""
    world = _small(10)
    world.refuse("Forbidden.RAM", lambda request: request.header("x-acs-action") == "RefreshObjectCaches")
    world.deliver(world.put("a.html"))
    world.minutes(50, step=10)
    assert [] == _alarms(world)
    world.minutes(30, step=10)
    assert ["waiting: changes of an hour ago are put off again and again"] == _alarms(world)


def test_a_task_that_was_put_off_is_not_stuck_when_its_time_comes() -> None:
    """A change of yesterday that is due since a second has a drain that works."""
    now = 1_789_970_000.0
    assert () == status(Ledger(), Spooled(notes=((now - 1, now - 72_000, 5),)), now).alarms
    stuck = status(Ledger(), Spooled(notes=((now - 1_000, now - 72_000, 5),)), now)
    assert ("waiting: due tasks are not submitted",) == stuck.alarms


def test_an_alarm_is_raised_once() -> None:
    """Passing a threshold prints one line, not one a minute."""
    world = _small(10)
    world.cloud.cdn.spend_elsewhere(FILE, 8)
    world.minutes(3)
    assert ["url quota: 80 % used"] == _alarms(world)


def test_the_status_is_one_record_in_the_log_store() -> None:
    """Each report is one outcome record whose message is the status."""
    world = _small(10)
    world.tick()
    (record,) = world.outcomes()
    assert "report" == record["result"]
    assert world.spooled("report/status.json") == json.loads(record["message"])


def test_a_quota_that_cannot_be_read_is_said() -> None:
    """Where the quota cannot be asked, the status is still written, and the log says why it lacks the quota."""
    world = _small(10)
    world.cloud.faults.next("cdn", "throttle", times=9)
    world.tick()
    assert {} == world.spooled("report/status.json")["quota"]
    assert "the quota could not be read" in world.log.getvalue()


def _alarms(world: World) -> list[str]:
    return [line["alarm"] for line in world.lines() if line["event"] == "alarm"]
