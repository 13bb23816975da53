"""The status: what the day has cost, who spent it, what waits, and when a person must be told."""

from __future__ import annotations

import json

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cdn.paths import FILE
from scripts.localcloud.cloud import Options
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.plan.books import Books
from shared.core.report import Pile, Spooled, status
from shared.flow.report import READING_SECONDS_MAX
from tests.flow.world import World


def _small(quota: int) -> World:
    return World(options=Options(limits=Limits(url_refreshes_per_day=quota)), env={"RESERVE_PERCENT": "0"})


def test_the_status_tells_ours_from_others() -> None:
    """Units spent by us stand by site; what others spent is the difference."""
    world = _small(100)
    for number in range(3):
        world.deliver(world.put(f"{number}.html"))
    world.cloud.cdn.spend_elsewhere(FILE, 20)
    world.clock.advance(READING_SECONDS_MAX + 1)
    world.tick()
    status = world.status()
    unit = status["quota"]["url"]
    assert (100, 77, 3, 20) == (unit["total"], unit["remaining"], unit["by_us"], unit["by_others"])
    assert {"content": {"url": 3}} == status["by_site"]
    assert 3 == status["in_flight"]["count"]


def test_the_status_tells_when_the_quota_runs_out() -> None:
    """At the day's pace so far, the status names the time at which nothing will be left, if before the reset."""
    world = _small(100)
    world.cloud.cdn.spend_elsewhere(FILE, 90)
    world.tick()
    unit = world.status()["quota"]["url"]
    assert unit["per_hour"] > 0
    assert world.clock.now() < unit["runs_out"]


def test_what_waits_for_tomorrow_is_visible() -> None:
    """Tasks beyond the day's quota are counted, with the time at which they may go."""
    world = _small(1)
    for number in range(3):
        world.deliver(world.put(f"{number}.html"))
    world.tick()
    status = world.status()
    waits = status["waits"]["quota+url"]
    assert 2 == waits["count"]
    assert world.clock.now() < waits["due"] <= world.clock.now() + 86_400
    assert "reset: tasks wait for tomorrow's quota" in status["alarms"]


def test_what_was_given_up_is_counted_for_as_long_as_it_lies_there() -> None:
    """Yesterday's dead are still counted, with their age; the alarm is about today's."""
    world = _small(10)
    world.deliver(b"not an event")
    given_up = world.clock.now()
    world.tick()
    status = world.status()
    assert (1, 1) == (status["dead"]["count"], status["dead_today"])
    assert "dead: tasks or events were given up today" in status["alarms"]
    world.clock.advance(86_400)
    world.deliver(b"another")
    world.clock.advance(86_400)
    world.tick()
    status = world.status()
    assert (2, int(given_up), 0) == (status["dead"]["count"], status["dead"]["oldest"], status["dead_today"])
    assert [] == [alarm for alarm in status["alarms"] if alarm.startswith("dead")]


def test_a_domain_that_is_refused_is_named_with_the_vendor_s_words() -> None:
    """The status names the domain whose tasks wait, since when, until when and why; the alarm comes at once, once."""
    world = _small(10)
    world.refuse("Forbidden.RAM", lambda request: request.header("x-acs-action") == "RefreshObjectCaches")
    world.deliver(world.put("a.html"))
    assert ["the CDN refuses calls for static.example.com"] == world.alarms()
    world.minutes(4)
    waits = world.status()["waits"]["trouble+url+static.example.com"]
    assert (1, "Forbidden.RAM", "refused: Forbidden.RAM") == (waits["count"], waits["code"], waits["message"])
    words = "static.example.com: calls (url) come to nothing (Forbidden.RAM: refused: Forbidden.RAM)"
    assert [words] == [alarm for alarm in world.status()["alarms"] if "static" in alarm]
    world.minutes(30)
    assert ["the CDN refuses calls for static.example.com", words] == world.alarms()


def test_only_what_nothing_holds_back_can_be_stuck() -> None:
    """A change of yesterday that waits for the day's quota is not stuck; one that may go since long is."""
    now = 1_789_970_000.0
    held = Spooled(waits={"quota+url": Pile(5, now - 72_000)})
    assert ("reset: tasks wait for tomorrow's quota",) == status(Books(), held, ALIBABA_CDN, now).alarms
    stuck = status(Books(), Spooled(waits={"0-ready": Pile(5, now - 72_000)}), ALIBABA_CDN, now)
    assert ("waiting: due tasks are not submitted",) == stuck.alarms


def test_an_alarm_is_raised_once() -> None:
    """Passing a threshold prints one line, not one a minute."""
    world = _small(10)
    world.cloud.cdn.spend_elsewhere(FILE, 8)
    world.minutes(3)
    assert ["url quota: 80 % used"] == world.alarms()


def test_the_status_is_one_record_in_the_log_store() -> None:
    """Each report is one outcome record whose message is the status."""
    world = _small(10)
    world.tick()
    (record,) = world.outcomes()
    assert "report" == record["result"]
    assert world.status() == json.loads(record["message"])


def test_a_quota_that_cannot_be_read_is_said() -> None:
    """Where the quota cannot be asked, the status is still written, and the log says why it lacks the quota."""
    world = _small(10)
    world.cloud.faults.next("cdn", "throttle", times=9)
    world.tick()
    assert {} == world.status()["quota"]
    assert "the quota could not be read" in world.log.getvalue()


def test_links_that_nobody_asks_about_are_told() -> None:
    """One that is put off for some minutes is not; one that is due since long is."""
    now = 1_790_000_000.0
    put_off = status(Books(), Spooled(links=Pile(2, now + 200)), ALIBABA_CDN, now)
    assert ((), 2) == (put_off.alarms, put_off.links.count)
    late = status(Books(), Spooled(links=Pile(2, now - 1_000)), ALIBABA_CDN, now)
    assert ("links: nobody asks where they lead",) == late.alarms


def test_throttling_that_lasts_is_told_with_the_vendors_words() -> None:
    """A pause that flow control asks for is not; one after the other for minutes, and no call between, is."""
    world = _small(100)
    world.refuse("Throttling.User", lambda request: request.header("x-acs-action") == "RefreshObjectCaches")
    world.deliver(world.put("a.html"))
    world.minutes(1)
    assert not [alarm for alarm in world.alarms() if "throttled" in alarm]
    world.minutes(5)
    words = "throttled: the CDN lets no call through (Throttling.User: refused: Throttling.User)"
    assert [words] == [alarm for alarm in world.alarms() if "throttled" in alarm]
    world.refuse_no_more()
    world.minutes(3)
    assert {} == world.status()["waits"]
    assert not [alarm for alarm in world.status()["alarms"] if "throttled" in alarm]
