"""What waits for a quota, a minute or an operator goes as soon as that is there, the most urgent first."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from shared.core.task.model import Kind, Lane
from shared.core.task.notes import Place
from shared.core.task.waits import minute_of_domain
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

REFRESH, PREFETCH = "RefreshObjectCaches", "PushObjectCache"
DAY = 86_400
UTC8 = 8 * 3_600
PREFETCHING = """
sites:
  - {bucket: content, domains: [static.example.com], created: prefetch}
"""


def _world(limits: Limits, sites: str = "", **env: str) -> World:
    options = Options(limits=limits, latencies=LATENCIES)
    settings = {"RESERVE_PERCENT": "0", **env}
    return World(sites, options, settings) if sites else World(options=options, env=settings)


def _url(key: str) -> str:
    return f"https://static.example.com/{key}"


def _at_hour(world: World, hour: float) -> None:
    """Let it become a time of the day in China."""
    passed = (world.clock.now() + UTC8) % DAY
    world.clock.advance((hour * 3_600 - passed) % DAY)


@pytest.mark.parametrize("total", [10_000, 2_001])
def test_a_quota_that_is_raised_releases_what_waits_for_it(total: int) -> None:
    """At noon the vendor raises the day's quota: the changes of the morning go within two minutes, the oldest first."""
    world = _world(Limits(url_refreshes_per_day=2_000))
    _at_hour(world, 9)
    world.cloud.cdn.spend_elsewhere("file", 2_000)
    for number in range(5):
        world.limited_deliver(world.put(f"{number}.html"))
    for _ in range(18):
        world.clock.advance(600)
        assert world.limited_tick()
    assert [] == world.submitted_urls()
    world.cloud.cdn.limits = replace(world.cloud.cdn.limits, url_refreshes_per_day=total)
    world.limited_minutes(2)
    left = total - 2_000
    assert [_url(f"{number}.html") for number in range(min(5, left))] == world.submitted_urls()


@pytest.mark.parametrize(
    "late",
    [300.0, 2_700.0, 7_200.0],
)
def test_a_reset_that_comes_late_is_noticed(late: float) -> None:
    """The quota begins anew some time after midnight: what waits goes within two minutes of that."""
    world = _world(Limits(url_refreshes_per_day=100))
    _at_hour(world, 23)
    world.cloud.cdn.reset_late_seconds = late
    world.cloud.cdn.spend_elsewhere("file", 100)
    world.limited_deliver([world.put(f"{number}.html") for number in range(50)])
    _at_hour(world, 0)
    reset = world.clock.now() + late
    while world.clock.now() < reset + 180:
        world.limited_minutes(1)
    assert 50 == len(set(world.submitted_urls())) == len(world.submitted_urls())
    assert max(world.accepted_at().values()) <= reset + 125


@pytest.mark.parametrize("ahead", [-0.9, -5.0, 0.9, -45.0])
def test_an_upload_in_the_day_s_first_second_loses_no_day(ahead: float) -> None:
    """The CDN's clock is not ours and still says that nothing is left: all goes within minutes, not a day later."""
    world = _world(Limits())
    world.cloud.cdn.clock_ahead_seconds = ahead
    _at_hour(world, 22)
    world.cloud.cdn.spend_elsewhere("file", 10_000)
    world.limited_deliver([world.put(f"{number}.html") for number in range(50)])
    _at_hour(world, 0)
    world.clock.advance(0.4)
    world.limited_deliver(world.put("first.html"))
    world.limited_minutes(4)
    assert 51 == len(set(world.submitted_urls())) == len(world.submitted_urls())


@pytest.mark.parametrize(("left", "call"), [(600, 1_000), (1, 40), (37, 1_000)])
def test_what_the_day_leaves_is_used(left: int, call: int) -> None:
    """The reading is stale, the call is refused for the day's quota: it is read again, and what fits goes."""
    world = _world(Limits())
    world.limited_deliver(world.put("warm.html"))
    world.cloud.cdn.spend_elsewhere("file", 10_000 - 1 - left)
    world.limited_deliver([world.put(f"{number}.html") for number in range(call)])
    world.limited_minutes(2)
    assert 1 + left == len(world.submitted_urls())
    assert call - left == world.status()["waits"]["quota+url"]["count"]
    world.clock.advance(DAY)
    world.limited_minutes(2)
    assert 1 + call == len(world.submitted_urls()) == len(set(world.submitted_urls()))


@pytest.mark.parametrize("spare", [0, 1, 15])
def test_a_quota_that_others_use_up_at_the_same_time_is_used_as_far_as_it_goes(spare: int) -> None:
    """The reading says more than is there, each time: the call is made smaller until it fits, and ends."""
    world = _world(Limits(url_refreshes_per_day=1_000))
    world.cloud.cdn.spend_elsewhere("file", 1_000 - spare)
    quota = {f"{name}{what}": "1000" for name in ("Url", "Dir", "Regex", "Preload") for what in ("Quota", "Remain")}
    lies = Answer(body=str({**quota, "RequestId": "x"}).replace("'", '"').encode())
    world.cloud.cdn.answers.append(rule(lies, operations=["DescribeRefreshQuota"]))
    world.limited_deliver([world.put(f"{number}.html") for number in range(200)])
    world.limited_minutes(5)
    assert len(world.submitted_urls()) >= spare // 2
    assert len(world.refresh_calls()) <= 60
    assert 0 == world.killed
    world.cloud.cdn.answers.clear()
    world.clock.advance(DAY)
    world.limited_minutes(3)
    assert 200 == len(set(world.submitted_urls())) == len(world.submitted_urls())


@pytest.mark.long
@pytest.mark.parametrize("others", [1, 100, 900])
def test_a_minute_that_others_share_is_used_as_far_as_it_goes(others: int) -> None:
    """Somebody refreshes URLs of the domain each minute: ours go in smaller calls, with no record each minute."""
    world = _world(Limits(url_refreshes_per_day=1_000_000))
    world.cloud.cdn.spend_each_minute("file", others, "static.example.com")
    count = 1_500
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(count))
    minutes = math.ceil(count / (1_000 - others) * 2.5) + 2
    for _ in range(minutes):
        world.limited_minutes(1)
        if len(world.submitted_urls()) == count:
            break
    assert count == len(set(world.submitted_urls())) == len(world.submitted_urls())
    assert world.results()["deferred"] <= count
    assert len(world.refresh_calls()) <= 14 * minutes
    assert [] == world.pieces()


@pytest.mark.long
def test_a_backlog_of_one_domain_drains_at_the_pace_of_its_limit() -> None:
    """Rounds are within a tenth of the floor, and no task leaves more than three records."""
    world = _world(Limits(urls_per_minute_per_domain=100), URLS_PER_MINUTE_PER_DOMAIN="100")
    count, per_minute = 4_000, 100
    world.clock.advance_to(world.clock.now() // 60 * 60 + 60)
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(count))
    rounds = 0
    while len(world.submitted_urls()) < count and rounds < 60:
        world.limited_minutes(1)
        rounds += 1
    assert rounds <= math.ceil(count / per_minute * 1.1)
    records = [record for record in world.outcomes() if record.get("task_id")]
    assert len(records) <= 3 * count
    assert count == len(set(world.submitted_urls())) == len(world.submitted_urls())
    assert {"OK"} == {call.code for call in world.refresh_calls()}


@pytest.mark.long
def test_a_pile_of_prefetches_does_not_stop_itself() -> None:
    """More single notes than one look can list: each day's units are spent all the same."""
    world = _world(Limits(prefetches_per_day=100), PREFETCHING)
    for number in range(4_200):
        world.cloud.oss.put(world.options.bucket, f"{number}.jpg", b"")
        world.wait([make_task(_url(f"{number}.jpg"), kind=Kind.PREFETCH, time=world.clock.now() + number * 0.001)])
    for day in range(3):
        world.limited_minutes(3)
        assert 100 * (day + 1) == len(world.submitted_urls()) == len(set(world.submitted_urls()))
        world.clock.advance(DAY - 180)
    assert [_url(f"{number}.jpg") for number in range(300)] == world.submitted_urls()


@pytest.mark.parametrize("backlog", [50, 3_000])
def test_a_deferred_takedown_goes_before_fresh_uploads(backlog: int) -> None:
    """It waited for the day's quota; of what the new day leaves it has the first units, whatever came since."""
    world = _world(Limits(url_refreshes_per_day=100))
    _at_hour(world, 20)
    world.cloud.cdn.spend_elsewhere("file", 100)
    now = world.clock.now()
    world.wait(make_task(_url(f"old/{number}.html"), time=now - 3_600 + number) for number in range(backlog))
    for number in range(3):
        world.put(f"gone-{number}.html")
    removed = [world.remove(f"gone-{number}.html") for number in range(3)]
    for event in removed:
        world.limited_deliver(event)
    world.limited_minutes(2)
    assert [] == world.submitted_urls()
    _at_hour(world, 0)
    world.clock.advance(30)
    world.limited_deliver([world.put(f"fresh-{number}.html") for number in range(60)])
    world.limited_minutes(2)
    assert {_url(f"gone-{number}.html") for number in range(3)} == set(world.submitted_urls()[:3])
    assert 100 == len(world.submitted_urls())


@pytest.mark.parametrize(
    "code", ["InvalidAccessKeyId.NotFound", "InvalidSecurityToken.Expired", "InsufficientBalance", "CdnServiceNotFound"]
)
def test_a_refused_account_alarms_at_once_and_is_tried_once_a_minute(code: str) -> None:
    """The first round tells a person, with the remedy; one call a minute goes until it is mended, and then all goes."""
    world = _world(Limits())
    world.cloud.cdn.answers.append(rule(Answer(code, 403), operations=[REFRESH, PREFETCH]))
    world.limited_deliver([world.put(f"{number}.html") for number in range(200)])
    (alarm,) = [line for line in world.lines() if line["event"] == "alarm"]
    assert code == alarm["code"]
    assert "role" in alarm["remedy"]
    asked = world.watch_calls()
    world.limited_minutes(20)
    tried = [call for call in asked if call.operation == REFRESH]
    assert 10 <= len(tried) <= 40
    assert {1} == {len(call.urls) for call in tried}
    assert [] == world.pieces()
    assert world.results()["deferred"] <= 200
    world.cloud.cdn.answers.clear()
    world.limited_minutes(3)
    assert 200 == len(set(world.submitted_urls())) == len(world.submitted_urls())


def test_an_endpoint_that_cannot_be_reached_is_named_within_a_minute() -> None:
    """Nothing connects: no unit is at stake, the cause is named at once, and uploads do not take long."""
    world = _world(Limits(), CDN_ENDPOINT="http://unreachable.example.com:1")
    world.instance = world.new_instance(unconnected=True)
    before = world.clock.now()
    world.limited_deliver(world.put("a.html"))
    assert any("cannot be reached" in alarm for alarm in world.alarms())
    assert world.clock.now() - before <= 8
    for number in range(5):
        before = world.clock.now()
        world.limited_deliver(world.put(f"{number}.html"))
        assert world.clock.now() - before <= 8
        world.limited_minutes(1)
    assert [] == world.spool("submitting/") + world.pieces()
    world.instance = world.new_instance()
    world.limited_minutes(3)
    assert 6 == len(set(world.submitted_urls())) == len(world.submitted_urls())


def test_a_busy_minute_keeps_no_takedown_waiting() -> None:
    """While a minute's limit is used up by uploads, a removal goes in the next minute, before them."""
    world = _world(Limits(urls_per_minute_per_domain=10), URLS_PER_MINUTE_PER_DOMAIN="10")
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(400))
    world.limited_minutes(3)
    world.wait([make_task(_url("gone.html"), lane=Lane.REMOVED, time=world.clock.now())])
    before = world.clock.now()
    world.limited_minutes(2)
    assert world.accepted_at()[_url("gone.html")] <= before + 61


def test_a_domain_whose_name_begins_another_is_seen_behind_a_long_listing() -> None:
    """Behind 3,000 notes of `example.com.cn`, the older change of `example.com` goes in the first round."""
    names = ("www.example.com", "www.example.com.cn")
    site = f"sites:\n  - {{bucket: content, domains: [{', '.join(names)}]}}\n"
    world = World(site, Options(domains=names))
    now = world.clock.now()
    many = [make_task(f"https://{names[1]}/{number}", time=now - 60) for number in range(3_001)]
    for task in many:
        world.wait([task], Place(minute_of_domain("url", names[1])))
    world.wait([make_task(f"https://{names[0]}/old", time=now - 120)], Place(minute_of_domain("url", names[0])))
    world.tick()
    assert f"https://{names[0]}/old" in world.submitted_urls()
