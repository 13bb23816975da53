"""It goes on: no single URL, record or reply holds back what is behind it, and every invocation ends in time."""

from __future__ import annotations

import contextlib

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import TOO_LARGE, json_answer, rule, size_limit
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from shared.core.errors import StoreError
from shared.core.task.model import Kind, digest
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

REFRESH, PREFETCH = "RefreshObjectCaches", "PushObjectCache"
PLENTY = Limits(urls_per_minute_per_domain=100_000)
ENV = {"URLS_PER_MINUTE_PER_DOMAIN": "100000"}
WARMING = """
sites:
  - {bucket: content, domains: [static.example.com], created: refresh, new: prefetch}
"""


def _world(sites: str = "", limits: Limits = PLENTY) -> World:
    options = Options(limits=limits, latencies=LATENCIES)
    return World(sites, options, ENV) if sites else World(options=options, env=ENV)


def _url(key: str) -> str:
    return f"https://static.example.com/{key}"


def _dead_urls(world: World) -> set[str]:
    return {piece["task"]["target"]["url"] for piece in world.pieces()}


def _rounds_until(world: World, urls: set[str], most: int) -> int:
    """Ring the timer until all of some URLs were accepted; returns after how many invocations."""
    for number in range(most + 1):
        if urls <= set(world.submitted_urls()):
            return number
        world.limited_minutes(1)
    return most + 1


@pytest.mark.parametrize(
    ("code", "count"),
    [*(("InvalidObjectPath.Malformed", count) for count in (1, 60, 80, 150, 400)), ("InvalidObjectPath.TooLong", 120)],
)
def test_bad_urls_end_and_the_good_ones_beside_them_go(code: str, count: int) -> None:
    """However many URLs can never go: the good ones go within four rounds, all ends within ten, none is killed."""
    world = _world()
    good, bad = (
        [_url(f"good/{number}.html") for number in range(100)],
        [_url(f"bad/{number}") for number in range(count)],
    )
    world.cloud.cdn.answers.append(rule(Answer(code), operations=[REFRESH], urls=bad))
    world.wait(make_task(url, time=world.clock.now()) for url in sorted((*good, *bad), key=digest))
    assert _rounds_until(world, set(good), 4) <= 4
    world.limited_minutes(6)
    assert set(bad) == _dead_urls(world)
    assert 0 == world.killed
    assert [] == world.spool("waiting/") + world.spool("submitting/")
    assert len(good) == len(world.submitted_urls())
    assert all(piece["reason"].startswith(code) for piece in world.pieces())


def test_bad_prefetches_end_and_the_good_ones_beside_them_go() -> None:
    """The same where a hundred URLs fill a call, and every fourth can never go."""
    world = _world(WARMING)
    good = [_url(f"good/{number}.jpg") for number in range(300)]
    bad = [_url(f"bad/{number}.jpg") for number in range(100)]
    world.cloud.cdn.answers.append(rule(Answer("InvalidObjectPath.Malformed"), operations=[PREFETCH], urls=bad))
    urls = sorted((*good, *bad), key=digest)
    for url in good:
        world.put(url.removeprefix(_url("")))
    world.wait(make_task(url, kind=Kind.PREFETCH, time=world.clock.now()) for url in urls)
    assert _rounds_until(world, set(good), 4) <= 4
    world.limited_minutes(6)
    assert set(bad) == _dead_urls(world)
    assert (0, 300) == (world.killed, world.cloud.cdn.spent()["preload"])


@pytest.mark.long
def test_a_thousand_bad_urls_are_buried_as_they_are_found() -> None:
    """Where every URL of a full call is bad, each invocation buries some, until none is left."""
    world = _world()
    world.cloud.cdn.answers.append(rule(Answer("InvalidObjectPath.Malformed"), operations=[REFRESH]))
    world.wait(make_task(_url(f"{number}"), time=world.clock.now()) for number in range(1_000))
    seen = [0]
    while seen[-1] < 1_000 and len(seen) < 12:
        world.limited_minutes(1)
        seen.append(len(world.pieces()))
        assert seen[-1] > seen[-2]
    assert 1_000 == len(_dead_urls(world)) == seen[-1]
    assert 0 == world.killed


@pytest.mark.long
@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("NobodyKnowsThis", 400), ("", 502)])
@pytest.mark.parametrize("count", [1, 3])
def test_a_url_whose_calls_come_to_nothing_waits_alone_and_dies(code: str, status: int, count: int) -> None:
    """Its code does not tell the outcome: it is asked about, found in parts, tried alone, and buried in the end."""
    world = _world()
    good, bad = (
        [_url(f"{number}.html") for number in range(99)],
        [_url(f"bad-{number}.html") for number in range(count)],
    )
    answer = Answer(code, status) if code else Answer(status=status, body=b"<html>bad gateway</html>")
    world.cloud.cdn.answers.append(rule(answer, operations=[REFRESH], urls=bad))
    world.wait(make_task(url, time=world.clock.now()) for url in [*good[:40], *bad, *good[40:]])
    assert _rounds_until(world, set(good), 8) <= 8
    assert [] == world.pieces()
    for _ in range(90):
        world.limited_minutes(1)
        if len(world.pieces()) == count:
            break
    assert set(bad) == _dead_urls(world)
    assert [] == world.spool("waiting/") + world.spool("submitting/")
    assert 0 == world.killed
    for piece in world.pieces():
        assert piece["task"]["blamed"] >= 5
        assert len(piece["task"]["history"]) >= 2
    assert world.results()["uncertain"] <= 1_000
    extra = len(world.submitted_urls()) - len(good)
    assert extra <= 20 * count


@pytest.mark.long
def test_ten_culprits_among_a_thousand_are_found() -> None:
    """Ten URLs that the API cannot digest: the others go within some rounds, one wait for each level of the search."""
    world = _world()
    bad = [_url(f"{number}.html") for number in range(50, 1_000, 100)]
    urls = [_url(f"{number}.html") for number in range(1_000)]
    world.cloud.cdn.answers.append(rule(Answer("InternalError", 500), operations=[REFRESH], urls=bad))
    world.wait(make_task(url, time=world.clock.now()) for url in urls)
    assert _rounds_until(world, set(urls) - set(bad), 10) <= 10
    assert [] == world.pieces()
    world.limited_minutes(60)
    assert set(bad) == _dead_urls(world)
    assert 0 == world.killed


@pytest.mark.long
@pytest.mark.parametrize(("minutes", "step"), [(30, 1), (360, 9)])
@pytest.mark.parametrize("operations", [(), (REFRESH,)])
def test_an_outage_buries_nothing_and_splits_nothing(operations: tuple[str, ...], minutes: int, step: int) -> None:
    """While the CDN fails for everybody one call a minute goes; after it the waiting tasks go in full calls."""
    world = _world()
    world.deliver(world.put("warm.html"))
    world.clock.advance(600)
    world.tick()
    world.cloud.cdn.answers.append(rule(Answer("InternalError", 500), operations=operations))
    urls = [_url(f"{number}.html") for number in range(2_500)]
    for part in range(5):
        world.wait(make_task(url, time=world.clock.now()) for url in urls[part * 500 : part * 500 + 500])
        world.deliver(world.put(f"part-{part}.html"))
        for _ in range(0, minutes // 5, step):
            world.clock.advance(60 * step)
            assert world.limited_tick()
    calls = [call for call in world.refresh_calls() if call.code != "OK"]
    rings = minutes // step
    assert 1 <= len(calls) <= rings * 2.2 + 6
    asked = [call for call in world.cloud.cdn.calls if call.operation == "DescribeRefreshTasks"]
    assert rings * 0.5 <= len(asked) <= rings * 4 + 12
    if operations:
        assert rings * 0.5 <= len(calls)
    assert [] == world.pieces()
    assert any("CDN" in alarm for alarm in world.status()["alarms"])
    world.cloud.cdn.answers.clear()
    before = len(world.refresh_calls())
    world.limited_minutes(4)
    assert set(urls) <= set(world.submitted_urls())
    lost = len(calls)  # each was a probe, whose target goes apart from all others once
    assert len(world.refresh_calls()) - before <= 8 + lost * (2 if not operations else 1)
    assert [] == world.pieces() + world.spool("waiting/") + world.spool("submitting/")
    assert len(world.submitted_urls()) == len(set(world.submitted_urls())) <= 2_506
    assert world.results()["uncertain"] <= 3 * rings + 1_010


def test_while_calls_come_to_nothing_one_a_minute_goes() -> None:
    """What went well before is sent to tell whether the CDN works; where it comes to nothing, nothing else is sent."""
    world = _world()
    world.deliver(world.put("warm.html"))
    world.clock.advance(600)
    world.tick()
    world.cloud.cdn.answers.append(rule(Answer("InternalError", 500), operations=[REFRESH]))
    world.wait(make_task(_url(f"{number}.html"), time=world.clock.now()) for number in range(100))
    world.limited_minutes(3)
    calls = len(world.refresh_calls())
    for number in range(10):
        world.limited_deliver(world.put(f"fresh-{number}.html"))
        world.limited_minutes(1)
    assert 12 >= len(world.refresh_calls()) - calls >= 5


@pytest.mark.long
@pytest.mark.parametrize("bytes_max", [20_000, 2_000])
@pytest.mark.parametrize("code", ["", "RequestEntityTooLarge", "InvalidObjectPath.Size.Malformed"])
def test_a_call_that_is_too_large_is_made_smaller(bytes_max: int, code: str) -> None:
    """In whatever form the refusal comes: every URL goes, none is given up, and within some minutes."""
    world = _world()
    answer = Answer(code, 413 if code.startswith("Request") else 400) if code else TOO_LARGE
    world.cloud.cdn.answers.append(size_limit(bytes_max, answer))
    urls = [_url(f"{number:04d}.html") for number in range(1_000)]
    world.wait(make_task(url, time=world.clock.now()) for url in urls)
    assert _rounds_until(world, set(urls), 10) <= 10
    assert [] == world.pieces()
    assert 0 == world.killed


UNDECODABLE = (
    b"",
    b"{",
    b'{"format": 2, "tasks": [{"id": "x"',
    b"\xff\xfe\x00",
    b'{"format": 99, "tasks": "another world"}',
    b'[{"id": "x", "lane": 5}]',
    b'{"format": 2, "tasks": [{"id": "x", "lane": 5}]}',
)


@pytest.mark.parametrize("body", UNDECODABLE)
@pytest.mark.parametrize("area", ["waiting", "submitting", "accepted"])
def test_what_cannot_be_decoded_is_set_aside_and_the_rest_goes(area: str, body: bytes) -> None:
    """In the round that meets it: its bytes lie in dead/, a person is told, and what is beside it goes."""
    world = _world()
    world.deliver(world.put("warm.html"))
    now = int(world.clock.now() * 1000)
    keys = {
        "waiting": f"waiting/0-ready/0-{now:013d}-1-{'0' * 20}!AAAA",
        "submitting": f"submitting/{now:013d}-{now:013d}-1-0123abcd",
        "accepted": f"accepted/{now:013d}-{now:013d}-1-0123abcd!AAAA~1",
    }
    world.stray(keys[area], body)
    world.clock.advance(60)
    event = world.put("beside.html")
    if area == "accepted":
        world.limited_tick()
    world.limited_deliver(event)
    assert _url("beside.html") in world.submitted_urls()
    assert [keys[area]] == [piece["where"] for piece in world.pieces()]
    assert [] == [key for key in world.spool(area + "/") if key == keys[area]]
    assert any("cannot be read" in alarm for alarm in world.alarms())
    world.limited_minutes(3)
    assert 1 == len(world.pieces())
    assert 0 == world.killed


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        ({"Tasks": [None]}, "DescribeRefreshTaskById"),
        ({"Tasks": [None], "TotalCount": 1}, "DescribeRefreshTasks"),
        ({"Tasks": "none"}, "DescribeRefreshTaskById"),
        ([], "DescribeRefreshTaskById"),
        ({"Code": "Throttling"}, "DescribeRefreshTaskById"),
        (None, "DescribeRefreshQuota"),
        ({"UrlQuota": None}, "DescribeRefreshQuota"),
    ],
)
def test_a_reply_of_a_shape_that_nobody_knows_stops_nothing(body: object, operation: str) -> None:
    """The rest of the tick runs: what is due goes, the status is written, and the next tick goes on."""
    world = _world()
    world.deliver(world.put("a.html"))
    world.cloud.cdn.answers.append(rule(json_answer(body), operations=[operation]))
    world.clock.advance(700)
    world.wait([make_task(_url("b.html"), time=world.clock.now())])
    assert world.limited_tick()
    assert _url("b.html") in world.submitted_urls()
    assert world.clock.now() - world.status()["time"] < 60
    world.cloud.cdn.answers.clear()
    world.limited_minutes(10)
    assert 2 == world.results()["done"]
    assert [] == world.pieces()
    assert 2 == len(world.submitted_urls())


@pytest.mark.parametrize("moment", ["2286-11-20T18:00:00.000Z", "9999-12-31T23:59:59.000Z", "2027-01-01T00:00:00.000Z"])
def test_an_event_of_the_far_future_counts_as_now(moment: str) -> None:
    """It is refreshed at once like any other, and passes for newer than none that comes after it."""
    world = _world()
    event = world.put("a.html", b"1")
    event["events"][0]["eventTime"] = moment
    world.deliver(event)
    assert [_url("a.html")] == world.submitted_urls()
    world.clock.advance(5)
    world.deliver(world.put("a.html", b"2"))
    assert [_url("a.html")] * 2 == world.submitted_urls()
    world.limited_minutes(8)
    assert [] == world.spool("waiting/") + world.spool("accepted/")


def test_a_failure_in_one_step_skips_no_other() -> None:
    """Where the spool fails in one of a tick's steps, the others still have their turn, and the tick fails loudly."""
    world = _world()
    world.deliver(world.put("a.html"))
    world.clock.advance(400)
    world.wait([make_task(_url("b.html"), time=world.clock.now())])
    world.cloud.faults.next("oss", "server_error", times=99, match=lambda request: "accepted" in request.query)
    with pytest.raises(Exception, match=r"ServiceUnavailable|InternalError"):
        world.limited_tick()
    assert _url("b.html") in world.submitted_urls()
    assert any(line["event"] == "a step failed; the others go on" for line in world.lines())
    world.cloud.faults.stop()
    world.limited_minutes(10)
    assert 2 == world.results()["done"]


def test_slow_replies_about_calls_keep_no_task_waiting() -> None:
    """Three hundred calls are followed, each reply takes eight seconds, and one task is due: it goes in the minute."""
    world = _world(limits=Limits(urls_per_minute_per_domain=100_000, task_ids_per_query=10))
    for number in range(300):
        world.follow([make_task(_url(f"{number}.html"), time=world.clock.now())])
        world.clock.advance(0.1)
    world.clock.advance(400)
    world.cloud.faults.next("cdn", "slow", times=10**9, match=_asks_for_status)
    world.cloud.faults.slow_seconds = 8.0
    world.wait([make_task(_url("due.html"), time=world.clock.now())])
    before = world.clock.now()
    assert world.limited_tick()
    assert world.accepted_at()[_url("due.html")] - before < 60
    for _ in range(12):
        world.clock.advance(10)
        assert world.limited_tick()
    assert world.results()["done"] >= 300


def _asks_for_status(request: object) -> bool:
    return request.header("x-acs-action") == "DescribeRefreshTaskById"  # type: ignore[attr-defined, no-any-return]


TWO = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com]}
  - {bucket: content, prefix: b/, domains: [b.example.com]}
"""


def _two() -> World:
    return World(TWO, Options(domains=("a.example.com", "b.example.com"), limits=PLENTY, latencies=LATENCIES), ENV)


@pytest.mark.parametrize(("code", "rounds"), [("InvalidObjectPath.Malformed", 4), ("InternalError", 8)])
def test_bad_urls_in_calls_of_several_domains_end(code: str, rounds: int) -> None:
    """Some of each domain's URLs are bad, and all share their calls: the good ones of both go, the bad ones end."""
    world = _two()
    good = [f"https://{domain}.example.com/{domain}/{number}.html" for domain in "ab" for number in range(60)]
    bad = [f"https://{domain}.example.com/{domain}/bad-{number}.html" for domain in "ab" for number in range(2)]
    world.cloud.cdn.answers.append(rule(Answer(code), operations=[REFRESH], urls=bad))
    world.wait(make_task(url, time=world.clock.now()) for url in sorted((*good, *bad), key=digest))
    assert _rounds_until(world, set(good), rounds) <= rounds
    world.limited_minutes(60)
    assert set(bad) == _dead_urls(world)
    assert 0 == world.killed
    assert [] == world.spool("waiting/") + world.spool("submitting/")


@pytest.mark.long
@pytest.mark.parametrize("code", ["InvalidObjectPath.Malformed", "InternalError", "NobodyKnowsThis"])
def test_a_stream_of_bad_urls_holds_back_no_good_one(code: str) -> None:
    """Each minute brings a bad URL beside good ones, for a quarter of an hour: each good one goes within minutes."""
    world = _world()
    world.cloud.cdn.answers.append(
        rule(Answer(code), operations=[REFRESH], when=lambda call: any("bad" in url for url in call.urls))
    )
    put_at: dict[str, float] = {}
    for minute in range(15):
        keys = [f"{minute}-{number}.html" for number in range(10)]
        put_at |= dict.fromkeys(map(_url, keys), world.clock.now())
        world.limited_deliver([world.put(key) for key in (*keys[:5], f"bad-{minute}.html", *keys[5:])])
        world.limited_minutes(1)
    world.limited_minutes(4)
    accepted = world.accepted_at()
    assert put_at.keys() <= accepted.keys()
    late = sorted(accepted[url] - put for url, put in put_at.items())
    assert late[-1] <= 300
    assert late[len(late) // 2] <= 130
    assert not any("bad" not in url for url in _dead_urls(world))
    world.limited_minutes(70)
    assert {_url(f"bad-{minute}.html") for minute in range(15)} == _dead_urls(world)
    assert 0 == world.killed


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    "area",
    [
        pytest.param(
            "waiting/",
            marks=pytest.mark.xfail(
                reason="The intent is deleted, the note is not; within 2 s of a change no call for it is looked for."
            ),
        ),
        *("submitting/", "accepted/", "lease/"),
    ],
)
def test_what_oss_does_not_delete_is_deleted_later_and_costs_no_unit(area: str, *, told: bool) -> None:
    """For some minutes deletions are not done: nothing is spent twice, and in the end nothing is left."""
    world = _world()
    habits = world.cloud.oss.habits
    habits.undeleted, habits.undeleted_are_told = (lambda _bucket, key: f"/{area}" in key), told
    for number in range(4):
        with contextlib.suppress(StoreError):
            world.limited_deliver(world.put(f"{number}.html"))
            world.limited_minutes(1)
        world.clock.advance(60)
    habits.undeleted = None
    world.limited_minutes(15)
    assert {_url(f"{number}.html") for number in range(4)} == set(world.submitted_urls())
    assert 4 == len(world.submitted_urls())
    assert [] == world.spool("waiting/") + world.spool("submitting/") + world.spool("accepted/") + world.pieces()
