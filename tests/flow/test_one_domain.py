"""One domain's trouble is that domain's: others go within a minute, and the alarm names the one that does not."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World

REFRESH, PREFETCH = "RefreshObjectCaches", "PushObjectCache"
DOMAINS = ("a.example.com", "b.example.com")
SITES = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com], created: CREATED}
  - {bucket: content, prefix: b/, domains: [b.example.com], created: CREATED}
"""
WITH_PREFETCH = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com], created: refresh}
  - {bucket: content, prefix: b/, domains: [b.example.com], created: prefetch}
"""
OF_A_DOMAIN = (
    *("ServiceBusy", "Forbidden", "Forbidden.NoPermission", "InvalidDomain.Checking", "IncorrectDomainStatus"),
    *("OperationDenied", "InvalidDomain.Offline", "IllegalOperation", "Forbidden.RAM"),
)
UNHEARD_OF = (("Domain.OnHold", 400), ("SomethingElse", 403), ("Unavailable.Domain", 409))


def _world(created: str = "refresh", sites: str = SITES) -> World:
    return World(sites.replace("CREATED", created), Options(domains=DOMAINS, latencies=LATENCIES))


def _of(world: World, domain: str) -> list[str]:
    return [url for url in world.submitted_urls() if f"//{domain}/" in url]


def _together(world: World, *keys: str) -> None:
    """Let changes arrive in one event, so that they would share a call."""
    world.deliver([world.put(key) for key in keys])


@pytest.mark.parametrize(
    ("code", "troubled"), [*zip(OF_A_DOMAIN, DOMAINS * 5, strict=False), ("ServiceBusy", "b.example.com")]
)
def test_what_is_refused_for_one_domain_holds_back_only_that(code: str, troubled: str) -> None:
    """Each minute both domains change; the one goes within the minute, the other alone costs a probe now and then."""
    world = _world()
    healthy = next(name for name in DOMAINS if name != troubled)
    world.cloud.cdn.answers.append(rule(Answer(code, 403), operations=[REFRESH], domains=[troubled]))
    for minute in range(12):
        _together(world, f"a/{minute}.html", f"b/{minute}.html")
        assert f"https://{healthy}/{healthy[0]}/{minute}.html" in world.submitted_urls()
        world.clock.advance(30)
        assert world.limited_tick()
        world.clock.advance(30)
    assert [] == _of(world, troubled)
    refused = [call for call in world.refresh_calls() if call.code == code]
    assert 4 <= len(refused) <= 8
    assert [] == world.pieces()
    assert 1 == len({alarm for alarm in world.alarms() if alarm.startswith(f"the CDN refuses calls for {troubled}")})
    assert any(alarm.startswith(f"{troubled}: ") and code in alarm for alarm in world.status()["alarms"])
    assert not any(healthy in alarm for alarm in world.alarms())


@pytest.mark.parametrize("code", ["ServiceBusy", "Forbidden.NoPermission"])
def test_a_domain_that_works_again_is_caught_up_within_a_quarter_of_an_hour(code: str) -> None:
    """What waited for the domain goes at the first probe that is taken, in full calls, and nothing has died."""
    world = _world()
    trouble = rule(Answer(code, 403), operations=[REFRESH], domains=["b.example.com"])
    world.cloud.cdn.answers.append(trouble)
    for minute in range(0, 90, 3):
        _together(world, f"b/{minute}.html")
        world.clock.advance(180)
        assert world.limited_tick()
    world.cloud.cdn.answers.clear()
    before = len(world.refresh_calls())
    world.limited_minutes(16)
    assert {f"https://b.example.com/b/{minute}.html" for minute in range(0, 90, 3)} == set(world.submitted_urls())
    assert len(world.refresh_calls()) - before <= 4
    assert 30 == len(world.submitted_urls())
    assert [] == world.pieces() + world.spool("waiting/")


def test_a_domain_in_trouble_is_tried_each_minute_at_first() -> None:
    """The first tries are a minute apart, later ones at most a quarter of an hour, whatever waits."""
    world = _world()
    world.cloud.cdn.answers.append(rule(Answer("ServiceBusy", 403), operations=[REFRESH], domains=["b.example.com"]))
    asked = world.watch_calls()
    _together(world, *(f"b/{number}.html" for number in range(50)))
    world.limited_minutes(120)
    tried = [call.time for call in world.refresh_calls()]
    apart = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert all(each <= 61 for each in apart[:3])
    assert max(apart) <= 15 * 60 + 1
    assert [50] + [1] * (len(tried) - 1) == [len(call.urls) for call in asked if call.operation == REFRESH]
    assert len(tried) <= 16


@pytest.mark.parametrize(("code", "status"), UNHEARD_OF)
@pytest.mark.parametrize("troubled", DOMAINS)
def test_a_code_that_nobody_knows_is_split_by_domain(code: str, status: int, troubled: str) -> None:
    """Asked about first, then apart: the other domain goes within minutes, this one waits alone and is named."""
    world = _world()
    healthy = next(name for name in DOMAINS if name != troubled)
    world.deliver(world.put(f"{healthy[0]}/warm.html"))
    world.cloud.cdn.answers.append(rule(Answer(code, status), operations=[REFRESH], domains=[troubled]))
    put_at = []
    for minute in range(15):
        put_at.append(world.clock.now())
        _together(world, f"a/{minute}.html", f"b/{minute}.html")
        world.limited_minutes(1)
    at = world.accepted_at()
    late = [at[f"https://{healthy}/{healthy[0]}/{minute}.html"] - put for minute, put in enumerate(put_at)]
    assert max(late) <= 120
    assert max(late[2:]) <= 5
    assert [] == _of(world, troubled) + world.pieces()
    named = [line for line in world.lines() if line["event"] == "alarm" and troubled in line["alarm"]]
    assert named


def test_each_control_that_tells_whether_a_domain_works_is_a_task_of_its_own() -> None:
    """One comes to nothing, a later one is done: two tasks, each of which ends once."""
    world = _world()
    _together(world, "a/good.html", "b/good.html")
    broken = rule(Answer("Whatever.Broken", 502), operations=[REFRESH], domains=["a.example.com"])
    world.cloud.cdn.answers.append(broken)
    world.clock.advance(60)
    _together(world, "a/0.html", "b/0.html")
    world.minutes(6)
    world.cloud.cdn.answers.remove(broken)
    world.minutes(20)
    controls = [each for each in world.outcomes() if each.get("event_id") == "control"]
    ends = Counter(each["task_id"] for each in controls if each["result"] in {"done", "superseded"})
    assert {"done", "superseded"} < {each["result"] for each in controls}
    assert {1} == set(ends.values())
    assert {each["task_id"] for each in controls} == set(ends)


def test_the_status_names_a_domain_in_trouble_within_five_minutes() -> None:
    """The alarm tells the domain and the vendor's words."""
    world = _world()
    world.deliver(world.put("a/warm.html"))
    answer = Answer("Domain.OnHold", 400, message="the domain is being moved")
    world.cloud.cdn.answers.append(rule(answer, operations=[REFRESH], domains=["b.example.com"]))
    for minute in range(5):
        _together(world, f"a/{minute}.html", f"b/{minute}.html")
        world.limited_minutes(1)
    (alarm,) = [each for each in world.alarms() if "b.example.com" in each]
    assert "Domain.OnHold" in alarm or "NotCarriedOut" in alarm


@pytest.mark.parametrize("code", ["ServiceBusy", "Forbidden"])
def test_a_domain_whose_prefetches_are_refused_is_still_refreshed(code: str) -> None:
    """Trouble is of a domain and an operation: refreshes of the same domain go on, and other domains' prefetches."""
    sites = SITES.replace("created: CREATED", "created: refresh, new: prefetch")
    world = _world(sites=sites)
    _together(world, "a/old.html", "b/old.html")
    world.cloud.cdn.answers.append(rule(Answer(code, 403), operations=[PREFETCH], domains=["b.example.com"]))
    _together(world, "a/new.html", "b/new.html")
    _together(world, "a/old.html", "b/old.html")
    world.limited_minutes(3)
    kinds = [(row.kind, row.path) for row in world.cloud.cdn.submissions]
    assert ("prefetch", "https://a.example.com/a/new.html") in kinds
    assert ("refresh", "https://b.example.com/b/old.html") in kinds
    assert ("prefetch", "https://b.example.com/b/new.html") not in kinds
    assert 1 == sum("prefetch+b.example.com" in key for key in world.spool("waiting/"))


def test_a_domain_s_minute_that_others_use_up_holds_back_only_that_domain() -> None:
    """Somebody else spends one domain's minute; the other's changes go in the same round."""
    limits = Limits(urls_per_minute_per_domain=10)
    options = Options(domains=DOMAINS, limits=limits, latencies=LATENCIES)
    world = World(SITES.replace("CREATED", "refresh"), options, {"URLS_PER_MINUTE_PER_DOMAIN": "10"})
    world.cloud.cdn.spend_each_minute("file", 10, "b.example.com")
    for minute in range(5):
        _together(world, f"a/{minute}.html", f"b/{minute}.html")
        assert f"https://a.example.com/a/{minute}.html" in world.submitted_urls()
        world.limited_minutes(1)
    assert [] == _of(world, "b.example.com")


@pytest.mark.parametrize("status", [403, 500, 502])
def test_an_origin_that_refuses_prefetches_costs_a_few_units(status: int) -> None:
    """Three hundred objects whose origin answers the CDN with an error: the domain's prefetches stop after a few."""
    world = _world(sites=WITH_PREFETCH)
    world.cloud.cdn.fail = lambda url: f"Origin Return StatusCode {status}" if "//b." in url else None
    for part in range(3):
        _together(world, *(f"b/{part}-{number}.html" for number in range(100)))
    for _ in range(48):
        world.clock.advance(300)
        assert world.limited_tick()
    spent = world.cloud.cdn.spent()["preload"]
    assert spent <= 330
    waiting = sum(reason["count"] for reason in world.status()["waits"].values())
    assert 300 == len(world.pieces()) + waiting + world.status()["in_flight"]["count"]


@pytest.mark.long
def test_an_origin_that_refuses_prefetches_one_after_another_costs_a_few_units() -> None:
    """The same where objects come one by one: after a few failures further prefetches wait, and an alarm says why."""
    world = _world(sites=WITH_PREFETCH)
    world.cloud.cdn.fail = lambda url: "Origin Return StatusCode 403" if "//b." in url else None
    for number in range(48):
        world.deliver(world.put(f"b/{number}.html"))
        if number % 8 == 0:
            world.deliver(world.put(f"a/{number}.html"))
        world.clock.advance(300)
        assert world.limited_tick()
    assert world.cloud.cdn.spent()["preload"] <= 36
    assert 1 == sum("prefetches of b.example.com fail" in alarm for alarm in world.alarms())
    assert [f"https://a.example.com/a/{number}.html" for number in range(0, 48, 8)] == _of(world, "a.example.com")
    world.cloud.cdn.fail = lambda _url: None
    world.limited_minutes(60)
    prefetched = {row.path for row in world.cloud.cdn.submissions if row.kind == "prefetch"}
    given_up = {piece["task"]["target"]["url"] for piece in world.pieces()}
    assert {f"https://b.example.com/b/{number}.html" for number in range(48)} <= prefetched
    assert len(given_up) <= 2
