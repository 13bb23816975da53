"""What a code says of all calls, or of a domain, is not believed where smaller calls are accepted meanwhile."""

from __future__ import annotations

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from shared.core.task.model import Kind
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

REFRESH, PREFETCH = "RefreshObjectCaches", "PushObjectCache"
DOMAINS = ("a.example.com", "b.example.com")
SITES = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com], created: refresh}
  - {bucket: content, prefix: b/, domains: [b.example.com], created: refresh}
"""
BAD = "https://b.example.com/b/bad.html"


def _world() -> World:
    world = World(SITES, Options(domains=DOMAINS, latencies=LATENCIES))
    world.limited_deliver([world.put("a/warm.html"), world.put("b/warm.html")])
    world.limited_minutes(1)
    return world


def _of(domain: str, world: World) -> list[str]:
    return [url for url in world.submitted_urls() if f"//{domain}/" in url]


def test_a_throttle_of_one_domain_holds_back_only_that() -> None:
    """Calls with b in them are throttled for a quarter of an hour: a goes on, the alarm names b, and b comes after."""
    world = _world()
    throttle = rule(Answer("Throttling.User", 400), operations=[REFRESH], domains=["b.example.com"])
    world.cloud.cdn.answers.append(throttle)
    world.limited_deliver([world.put("a/first.html"), world.put("b/x.html")])
    late = []
    for number in range(12):
        began = world.clock.now()
        world.limited_deliver([world.put(f"a/{number}.html"), world.put(f"b/{number}.html")])
        world.limited_minutes(1)
        late.append(world.accepted_at()[f"https://a.example.com/a/{number}.html"] - began)
    assert max(late) <= 60
    assert max(late[2:]) <= 10
    assert any("b.example.com" in alarm and "Throttling" in alarm for alarm in world.status()["alarms"])
    world.cloud.cdn.answers.remove(throttle)
    world.limited_minutes(16)
    assert 14 == len(_of("b.example.com", world))
    assert [] == world.pieces() + world.spool("waiting/")


def test_a_throttle_of_everything_stops_after_a_few_calls() -> None:
    """Nothing is accepted: a round tries a few calls, and holds back no domain for it."""
    world = _world()
    world.cloud.cdn.answers.append(rule(Answer("Throttling.User", 400), operations=[REFRESH]))
    world.wait(make_task(f"https://{domain}/{number}", time=0.0) for domain in DOMAINS for number in range(200))
    asked = world.watch_calls()
    world.limited_tick()
    assert 3 <= sum(call.operation == REFRESH for call in asked) <= 9
    assert not any("trouble" in key for key in world.spool("waiting/"))
    world.cloud.cdn.answers.clear()
    world.limited_minutes(2)
    assert [] == world.spool("waiting/")


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "OperationDenied", "Throttling.User"])
def test_one_url_for_which_its_calls_are_refused_is_found(code: str) -> None:
    """The code is one of the account or of a domain: the others of its domain and all others go within minutes."""
    world = _world()
    world.cloud.cdn.answers.append(rule(Answer(code, 403), operations=[REFRESH], urls=[BAD]))
    keys = [f"b/{number}.html" for number in range(40)] + ["b/bad.html"] + [f"a/{number}.html" for number in range(20)]
    world.limited_deliver([world.put(key) for key in keys])
    world.limited_minutes(3)
    assert 41 == len(set(_of("b.example.com", world)))
    assert 21 == len(set(_of("a.example.com", world)))
    began = []
    for number in range(12):
        began.append(world.clock.now())
        world.limited_deliver([world.put(f"a/fresh-{number}.html"), world.put(f"b/fresh-{number}.html")])
        world.limited_minutes(1)
    world.limited_minutes(2)
    at = world.accepted_at()
    fresh = [
        (f"https://{name}.example.com/{name}/fresh-{number}.html", number) for number in range(12) for name in "ab"
    ]
    late = [at[url] - began[number] for url, number in fresh]
    assert max(late) <= 125
    assert sum(each > 5 for each in late) <= 10
    assert BAD not in world.submitted_urls()


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "Forbidden.NoPermission"])
def test_a_refusal_that_begins_right_after_a_success_is_told_at_once(code: str) -> None:
    """It is everything's: a few smaller calls tell that, nothing is blamed or given up, and all goes once it ends."""
    world = _world()
    world.limited_deliver([world.put("a/just.html"), world.put("b/just.html")])
    world.cloud.cdn.answers.append(rule(Answer(code, 403), operations=[REFRESH]))
    world.wait(make_task(f"https://{domain}/{number}", time=0.0) for domain in DOMAINS for number in range(20))
    asked = world.watch_calls()
    world.limited_tick()
    assert any("refuses" in alarm for alarm in world.alarms())
    assert sum(call.operation == REFRESH for call in asked) <= 14
    before = len(asked)
    world.limited_minutes(10)
    assert sum(call.operation == REFRESH for call in asked[before:]) <= 24
    world.cloud.cdn.answers.clear()
    world.limited_minutes(16)
    assert [] == world.pieces() + world.spool("waiting/")


@pytest.mark.parametrize("code", ["PreloadQueueFull", "QuotaExceeded.Preload"])
def test_a_day_or_minute_that_is_spent_is_found_out_once_a_minute(code: str) -> None:
    """Hundreds of prefetches wait, in many calls: the first call made smaller tells of all."""
    limits = Limits(prefetches_per_day=10_000)
    sites = "sites:\n  - {bucket: content, domains: [static.example.com], created: prefetch}\n"
    world = World(sites, Options(limits=limits, latencies=LATENCIES))
    world.wait(make_task(f"https://static.example.com/{number}.jpg", kind=Kind.PREFETCH) for number in range(800))
    world.cloud.cdn.answers.append(rule(Answer(code, 400), operations=[PREFETCH]))
    for _ in range(3):
        asked = world.watch_calls()
        world.limited_minutes(1)
        assert 1 <= sum(call.operation == PREFETCH for call in asked) <= 9
    world.cloud.cdn.answers.clear()
    world.limited_minutes(8)
    assert 800 == len(set(world.submitted_urls()))
