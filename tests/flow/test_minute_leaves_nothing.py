"""A domain whose minute leaves nothing, minute after minute: it is asked ever more rarely, and a person is told."""

from __future__ import annotations

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

SITES = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com]}
  - {bucket: content, prefix: b/, domains: [b.example.com]}
"""
FULL = Answer("TooMany.Refresh", 400)
COUNT = 300
CALLS_TO_FIND_NONE = 9
"""300 URLs, and halves of them down to one."""


def _world() -> World:
    limits = Limits(url_refreshes_per_day=1_000_000)
    world = World(SITES, Options(domains=("a.example.com", "b.example.com"), limits=limits, latencies=LATENCIES))
    world.cloud.cdn.answers.append(rule(FULL, domains=["b.example.com"]))
    world.wait(make_task(f"https://b.example.com/b/{n}.html", time=world.clock.now()) for n in range(COUNT))
    return world


def _of_b(world: World) -> list[str]:
    return [alarm for alarm in world.status()["alarms"] if "b.example.com" in alarm]


def test_a_person_is_told_with_the_vendor_s_words() -> None:
    """Within minutes, for as long as it lasts; the status has the words beside what waits."""
    world = _world()
    world.limited_minutes(3)
    assert [] == _of_b(world)
    world.limited_minutes(12)
    (alarm,) = _of_b(world)
    assert FULL.code in alarm
    waits = world.status()["waits"]["minute+url+b.example.com"]
    assert (COUNT, FULL.code) == (waits["count"], waits["code"])


def test_it_is_asked_ever_more_rarely_and_others_go_on() -> None:
    """Not each minute with a call for each half; uploads for another domain notice nothing."""
    world = _world()
    seen = world.watch_calls()
    for number in range(30):
        world.limited_deliver(world.put(f"a/{number}.html"))
        world.limited_minutes(1)
    of_b = [call for call in seen if call.operation == "RefreshObjectCaches" and "b.example.com" in str(call)]
    assert CALLS_TO_FIND_NONE * 4 <= len(of_b) <= CALLS_TO_FIND_NONE * 8
    assert 30 == len(world.submitted_urls())


def test_all_goes_once_the_minute_leaves_something() -> None:
    """Sooner or later the waiting ones are tried; a new upload is tried at once, and frees them all."""
    for is_upload in (False, True):
        world = _world()
        world.limited_minutes(30)
        world.cloud.cdn.answers.clear()
        if is_upload:
            world.limited_deliver(world.put("b/new.html"))
        world.limited_minutes(2 if is_upload else 16)
        assert COUNT + is_upload == len(set(world.submitted_urls()))
        assert [] == _of_b(world)


def test_a_minute_that_leaves_a_part_is_no_trouble() -> None:
    """Ten a minute is what the domain has: each minute ten go, and nobody is told."""
    limits = Limits(urls_per_minute_per_domain=10, url_refreshes_per_day=1_000_000)
    world = World(SITES, Options(domains=("a.example.com", "b.example.com"), limits=limits, latencies=LATENCIES))
    world.wait(make_task(f"https://b.example.com/b/{n}.html", time=world.clock.now()) for n in range(150))
    world.limited_minutes(12)
    assert [] == _of_b(world)
    assert len(world.submitted_urls()) >= 110
