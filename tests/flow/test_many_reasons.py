"""The status where tasks wait for many reasons: each is named, and an alarm lasts as long as something waits for it."""

from __future__ import annotations

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from shared.core.task.notes import Place
from shared.core.task.waits import trouble_of
from shared.flow.report import SLOTS_MAX
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

PLENTY = Limits(urls_per_minute_per_domain=100_000, url_refreshes_per_day=1_000_000)
ENV = {"URLS_PER_MINUTE_PER_DOMAIN": "100000"}
BUSY = Answer("ServiceBusy", 403)
SITE_A = "  - {bucket: content, prefix: a/, domains: [a.example.com]}\n"
SITE_B = "  - {bucket: content, prefix: b/, domains: [b.example.com]}\n"


def _two() -> World:
    options = Options(domains=("a.example.com", "b.example.com"), limits=PLENTY, latencies=LATENCIES)
    return World("sites:\n" + SITE_A + SITE_B, options, ENV)


def _in_trouble(world: World, domains: int, tasks: int) -> None:
    for number in range(domains):
        domain = f"d{number:03d}.example.com"
        some = [make_task(f"https://{domain}/{n}.html", time=world.clock.now()) for n in range(tasks)]
        world.wait(some, Place(trouble_of("url", domain)))


def test_each_of_many_reasons_is_named() -> None:
    """Sixty domains are in trouble: all of them are counted, by one look."""
    world = World()
    world.instance = world.new_instance(faults=("nothing is sent",))
    _in_trouble(world, 2 * SLOTS_MAX, 2)
    world.tick()
    status = world.status()
    assert [2] * 2 * SLOTS_MAX == [reason["count"] for reason in status["waits"].values()]
    assert not status["is_cut"]
    assert world.calls["oss"] <= 10


def test_where_too_much_waits_to_be_counted_it_is_said() -> None:
    """One reason with thousands of notes and many behind it: what was not reached makes the status a part."""
    world = World()
    world.instance = world.new_instance(faults=("nothing is sent",))
    for number in range(5_000):
        wait = trouble_of("url", "a.example.com")
        world.stray(f"waiting/{wait.slot}/1-{number:013d}-{number:013d}-1-{number:020d}", b"")
    real = make_task("https://a.example.com/a.html", time=world.clock.now())
    world.wait([real], Place(trouble_of("url", "a.example.com")))
    _in_trouble(world, SLOTS_MAX + 5, 1)
    world.tick()
    status = world.status()
    assert status["is_cut"]
    assert len(status["waits"]) >= SLOTS_MAX - 1
    assert world.calls["oss"] <= 2 * SLOTS_MAX


class TestAlarmsEnd:
    """An alarm is about something that waits; where nothing does any more, nobody can mend anything."""

    def test_of_a_domain_that_the_site_file_names_no_longer(self) -> None:
        """Its tasks are given up with the next drain, and the alarm ends."""
        world = _two()
        world.cloud.cdn.answers.append(rule(BUSY, domains=["b.example.com"]))
        world.deliver(world.put("b/x.html"))
        world.minutes(4)
        assert any("b.example.com" in alarm for alarm in world.status()["alarms"])
        world.instance = world.new_instance("sites:\n" + SITE_A)
        world.minutes(20)
        assert [] == [alarm for alarm in world.status()["alarms"] if "b.example.com" in alarm]

    def test_of_a_domain_whose_last_task_was_a_bad_one(self) -> None:
        """It was given up with the CDN's words: no call for the domain waits."""
        world = _two()
        world.cloud.cdn.answers.append(rule(BUSY))
        world.deliver(world.put("b/x.html"))
        world.minutes(4)
        assert any("b.example.com" in alarm for alarm in world.status()["alarms"])
        world.cloud.cdn.answers.clear()
        world.cloud.cdn.answers.append(rule(Answer("InvalidObjectPath.Malformed")))
        world.minutes(20)
        assert 1 == len(world.pieces())
        assert [] == [alarm for alarm in world.status()["alarms"] if "b.example.com" in alarm]

    def test_of_the_account_with_the_last_task(self) -> None:
        """The account was refused until nothing was left to be sent."""
        world = _two()
        world.cloud.cdn.answers.append(rule(Answer("InsufficientBalance", 403)))
        world.deliver(world.put("b/x.html"))
        world.minutes(4)
        assert any(alarm.startswith("account") for alarm in world.status()["alarms"])
        for key in world.spool("waiting/"):
            world.cloud.oss.delete(world.options.spool_bucket, "cdn-refresh/" + key)
        world.minutes(2)
        assert [] == world.status()["alarms"]

    def test_not_while_anything_waits(self) -> None:
        """An hour later the domain is still in trouble, and still named."""
        world = _two()
        world.cloud.cdn.answers.append(rule(BUSY, domains=["b.example.com"]))
        world.deliver(world.put("b/x.html"))
        world.minutes(60, step=5)
        assert any("b.example.com" in alarm for alarm in world.status()["alarms"])

    def test_a_domain_that_is_in_trouble_again_days_later_begins_anew(self) -> None:
        """What was known of it then says nothing of today: it is tried each minute at first."""
        world = _two()
        world.cloud.cdn.answers.append(rule(BUSY, domains=["b.example.com"]))
        world.deliver(world.put("b/x.html"))
        world.minutes(30)
        world.cloud.cdn.answers.clear()
        world.cloud.cdn.answers.append(rule(Answer("InvalidObjectPath.Malformed")))
        world.minutes(20)
        assert [] == world.spool("waiting/")
        world.clock.advance(3 * 86_400)
        world.cloud.cdn.answers.clear()
        world.cloud.cdn.answers.append(rule(BUSY, domains=["b.example.com"]))
        world.deliver(world.put("b/y.html"))
        world.minutes(1)
        assert [] == [alarm for alarm in world.status()["alarms"] if "b.example.com" in alarm]
        world.cloud.cdn.answers.clear()
        world.minutes(2)
        assert "https://b.example.com/b/y.html" in world.submitted_urls()
