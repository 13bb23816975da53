"""What does not tell the outcome is asked about: no unit is spent twice, and no change waits for long."""

from __future__ import annotations

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import json_answer, rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cdn.rows import Spelling
from scripts.localcloud.cloud import Options
from scripts.localcloud.web import Request
from shared import flow, wiring
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

REFRESH, PREFETCH, LIST = "RefreshObjectCaches", "PushObjectCache", "DescribeRefreshTasks"
PLENTY = Limits(urls_per_minute_per_domain=100_000)
ENV = {"URLS_PER_MINUTE_PER_DOMAIN": "100000"}
PLAIN = """
sites:
  - {bucket: content, domains: [static.example.com], created: CREATED}
"""
BY_DIRECTORY = """
sites:
  - bucket: content
    domains: [{name: static.example.com, custom_cache_key: true}]
    whole_domain: true
"""
AMBIGUOUS = {
    "503": Answer("ServiceUnavailable", 503, carried_out=True),
    "500": Answer("InternalError", 500, carried_out=True),
    "409": Answer("NobodyKnowsThis", 409, carried_out=True),
    "html": Answer(status=504, body=b"<html>gateway time-out</html>", carried_out=True),
    "empty": Answer(status=200, body=b"", carried_out=True),
    "dropped": Answer(dropped=True, carried_out=True),
    "redirect": Answer(status=302, redirect_to="http://elsewhere.example.org", carried_out=True),
    "odd": json_answer({"Code": "Done", "Message": "?"}, carried_out=True),
    "no ids": json_answer({"RequestId": "x"}, carried_out=True),
}


def _world(created: str = "refresh", sites: str = PLAIN) -> World:
    return World(sites.replace("CREATED", created), Options(limits=PLENTY, latencies=LATENCIES), ENV)


def _answer(world: World, answer: Answer, times: int | None = 1, operations: tuple[str, ...] = (REFRESH,)) -> None:
    world.cloud.cdn.answers.append(rule(answer, operations=operations, times=times))


def _url(key: str) -> str:
    return f"https://static.example.com/{key}"


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_call_that_was_carried_out_is_not_made_again(name: str) -> None:
    """Whatever the answer's status and shape: the task list is asked, one unit is spent, and the record says so."""
    world = _world()
    _answer(world, AMBIGUOUS[name])
    world.limited_deliver(world.put("a.html"))
    world.limited_minutes(2)
    assert [_url("a.html")] == world.submitted_urls()
    assert (1, 1) == (world.results()["uncertain"], world.results()["accepted"])
    assert [] == world.spool("waiting/") + world.spool("submitting/")
    world.limited_minutes(8)
    assert (1, 1) == (world.results()["done"], len(world.submitted_urls()))


@pytest.mark.parametrize("name", ["503", "dropped", "no ids"])
def test_a_prefetch_that_was_carried_out_is_not_made_again(name: str) -> None:
    """The same of prefetches, whose quota is the smallest."""
    world = _world("prefetch")
    _answer(world, AMBIGUOUS[name], operations=(PREFETCH,))
    world.limited_deliver([world.put(f"{number}.jpg") for number in range(30)])
    world.limited_minutes(3)
    assert 30 == world.cloud.cdn.spent()["preload"] == world.results()["accepted"]
    assert [] == world.spool("waiting/") + world.spool("submitting/")


@pytest.mark.parametrize(
    ("count", "rows_per_reply"), [(300, 100), (1_000, 100), (300, 50), (300, 20), (300, 7), (1_000, 50), (1_000, 7)]
)
def test_rows_are_paged(count: int, rows_per_reply: int) -> None:
    """However few rows a reply has of those it counts: each URL costs one unit, within two minutes."""
    world = _world()
    world.cloud.cdn.rows.listed_rows_max = world.cloud.cdn.rows.by_id_rows_max = rows_per_reply
    _answer(world, AMBIGUOUS["503"])
    world.limited_deliver([world.put(f"{number}.html") for number in range(count)])
    world.limited_minutes(2)
    assert count == len(world.submitted_urls()) == world.results()["accepted"]
    assert [] == world.spool("waiting/") + world.spool("submitting/")
    assert 0 == world.killed


@pytest.mark.parametrize("name", ["directory", "path", "dir", "Directory"])
@pytest.mark.parametrize("lost", [True, False])
def test_rows_of_directories_are_known_by_whatever_name(name: str, *, lost: bool) -> None:
    """Rows call the form `path` and come twenty at a time: fifty directories cost fifty units and are done."""
    world = _world(sites=BY_DIRECTORY)
    world.cloud.cdn.rows.type_names = {"directory": name}
    world.cloud.cdn.rows.listed_rows_max = world.cloud.cdn.rows.by_id_rows_max = 20
    if lost:
        _answer(world, AMBIGUOUS["503"])
    world.limited_deliver([world.put(f"{number}/a.html") for number in range(50)])
    world.limited_minutes(12)
    assert 50 == len(world.submitted_urls()) == world.cloud.cdn.spent()["directory"]
    assert 50 == world.results()["done"]
    assert [] == world.spool("waiting/") + world.spool("submitting/") + world.spool("accepted/") + world.pieces()


SPELLINGS = {
    "percent_decoded": Spelling(percent_decoded=True),
    "http_scheme": Spelling(http_scheme=True),
    "scheme_dropped": Spelling(scheme_dropped=True),
    "all": Spelling(percent_decoded=True, host_lower=True, scheme_dropped=True),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("lost", [True, False])
def test_rows_may_spell_a_url_otherwise(spelling: str, *, lost: bool) -> None:
    """What the vendor normalises in a row is still recognised: one unit, and done."""
    world = _world()
    world.cloud.cdn.rows.spelling = SPELLINGS[spelling]
    if lost:
        _answer(world, AMBIGUOUS["dropped"])
    keys = ["plain.html", "two words.html", "文件/图.png", "a+b%20c.css", "x (1).js"]
    world.limited_deliver([world.put(key) for key in keys])
    world.limited_minutes(12)
    twice = ["a+b%20c.css", "x (1).js"]  # which browsers and SDKs spell differently
    assert len([*keys, *twice]) == len(world.submitted_urls()) == world.results()["done"]
    assert [] == world.spool("waiting/") + world.spool("submitting/") + world.spool("accepted/")


def test_rows_that_may_all_be_of_one_spelling_do_not_speak_for_the_other() -> None:
    """Decoded, the strict spelling is written as the browser's: it goes again, for a unit, rather than be lost."""
    world = _world()
    world.cloud.cdn.rows.spelling = SPELLINGS["percent_decoded"]
    _answer(world, AMBIGUOUS["dropped"])
    world.limited_deliver(world.put("x(1).js"))
    world.limited_minutes(12)
    assert [_url("x%281%29.js"), _url("x%281%29.js"), _url("x(1).js")] == sorted(world.submitted_urls())
    assert [] == world.spool("waiting/") + world.spool("submitting/") + world.spool("accepted/")


@pytest.mark.parametrize("ahead", [-40.0, -0.9, 0.9, 40.0, 600.0])
def test_clocks_that_disagree_spend_nothing_twice(ahead: float) -> None:
    """The CDN's clock dates rows otherwise than OSS dates the intent: the row is found all the same."""
    world = _world()
    world.cloud.cdn.clock_ahead_seconds = ahead
    world.limited_deliver(world.put("warm.html"))
    _answer(world, AMBIGUOUS["503"])
    world.limited_deliver(world.put("a.html"))
    world.limited_minutes(3)
    assert [_url("warm.html"), _url("a.html")] == world.submitted_urls()
    assert [] == world.spool("waiting/") + world.spool("submitting/")


@pytest.mark.parametrize("late", [5.0, 12.0])
def test_rows_that_appear_late_spend_nothing_twice(late: float) -> None:
    """A row may take some seconds to appear: that it was not there at once says nothing."""
    world = _world()
    world.cloud.cdn.rows.visible_after_seconds = {"file": late}
    _answer(world, AMBIGUOUS["dropped"])
    world.limited_deliver(world.put("a.html"))
    world.limited_minutes(2)
    assert [_url("a.html")] == world.submitted_urls()


@pytest.mark.parametrize("carried_out", [True, False])
def test_an_unknown_outcome_is_settled_within_two_minutes_of_the_cdn_s_answer(*, carried_out: bool) -> None:
    """For half an hour nothing tells what became of the call; once the CDN answers, it takes two minutes."""
    world = _world()
    world.deliver(world.put("warm.html"))
    lost = Answer(dropped=True, carried_out=carried_out)
    _answer(world, lost)
    world.cloud.cdn.answers.append(rule(Answer("ServiceUnavailable", 503)))
    world.limited_deliver([world.put(f"{number}.html") for number in range(20)])
    world.limited_minutes(30)
    world.cloud.cdn.answers.clear()
    world.limited_minutes(2)
    assert {_url(f"{number}.html") for number in range(20)} < set(world.submitted_urls())
    assert 20 == len([url for url in world.submitted_urls() if "warm" not in url])
    assert len(world.submitted_urls()) <= 22
    assert [] == world.spool("submitting/") + world.spool("waiting/")


def test_one_unknown_stops_no_other_call_of_the_round() -> None:
    """Of three full calls the first has no answer: the other two go in the same round, all within a minute."""
    world = _world()
    _answer(world, AMBIGUOUS["503"])
    world.limited_deliver([world.put(f"{number}.html") for number in range(2_500)])
    assert [1_000, 1_000, 500] == [call.urls for call in world.refresh_calls()]
    world.limited_minutes(1)
    assert 2_500 == len(world.submitted_urls())
    assert [] == world.spool("submitting/") + world.spool("waiting/")


def test_what_another_call_covered_since_does_not_go_again() -> None:
    """A task failed once; its second call came to nothing, and a later change of its URL was accepted: it has ended."""
    world = _world()
    world.deliver(world.put("a.html", b"1"))
    world.cloud.cdn.fail = lambda _url: "Internal Error"
    while not world.spool("waiting/backoff"):
        world.minutes(1)
    world.cloud.cdn.fail = lambda _url: None
    world.cloud.faults.next("cdn", "refused", times=1, match=_is_refresh)
    began: list[float] = []
    second: list[object] = []
    other = world.new_instance()

    def change_meanwhile(_service: str, request: Request) -> None:
        if _is_refresh(request):
            began.append(world.clock.now())
        elif began and not second and world.clock.now() >= began[0] + 5:
            second.append(None)
            world.deliver(world.put("a.html", b"2"), other)

    world.after = change_meanwhile
    for _ in range(4):
        world.clock.advance(60)
        world.tick()
    assert second
    assert [_url("a.html")] * 2 == world.submitted_urls()
    world.minutes(10)
    assert [_url("a.html")] * 2 == world.submitted_urls()
    assert (1, 1) == (world.results()["superseded"], world.results()["done"])
    assert [] == world.spool("submitting/") + world.spool("waiting/") + world.spool("accepted/")


def test_past_the_look_back_a_call_goes_once_more() -> None:
    """The task list tells of three days: what is older goes once more, and the log says why."""
    world = _world()
    _answer(world, Answer(dropped=True))
    world.cloud.cdn.answers.append(rule(Answer("ServiceUnavailable", 503)))
    world.limited_deliver(world.put("a.html"))
    for _ in range(75):
        world.clock.advance(3_600)
        world.limited_tick()
    world.cloud.cdn.answers.clear()
    world.limited_minutes(3)
    assert [_url("a.html")] == world.submitted_urls()
    assert any(record.get("code") == "Forgotten" for record in world.outcomes())
    assert [] == world.spool("submitting/") + world.spool("waiting/")


def test_an_empty_reply_that_is_none_spends_nothing_twice() -> None:
    """The task list answers 200 with a refusal in it: that is no listing without our row."""
    world = _world()
    _answer(world, AMBIGUOUS["503"])
    _answer(world, json_answer({"Code": "Throttling", "Message": "slow down"}), times=4, operations=(LIST,))
    world.limited_deliver(world.put("a.html"))
    world.limited_minutes(6)
    assert [_url("a.html")] == world.submitted_urls()
    assert [] == world.spool("submitting/") + world.spool("waiting/")


def test_statuses_that_nobody_knows_are_not_the_end() -> None:
    """A row with a status of another version is still running: nothing is sent again, and it is done at last."""
    world = _world()
    world.cloud.cdn.rows.statuses = {"Refreshing": "PreloadPending", "Complete": "Rebalancing"}
    world.deliver(world.put("a.html"))
    world.limited_minutes(15)
    assert (1, 0) == (len(world.submitted_urls()), world.results()["done"])
    world.cloud.cdn.rows.statuses = {}
    world.limited_minutes(15)
    assert (1, 1) == (len(world.submitted_urls()), world.results()["done"])


def _is_refresh(request: Request) -> bool:
    return request.header("x-acs-action") == REFRESH


SIX_DOMAINS = [f"{name}.example.com" for name in "abcdef"]


def test_a_slow_task_list_keeps_no_other_change_waiting() -> None:
    """Each listing takes six seconds, and a call for six domains was lost: what comes then goes with the next tick."""
    sites = f"sites:\n  - {{bucket: content, domains: [{', '.join(SIX_DOMAINS)}]}}\n"
    world = World(sites, Options(domains=tuple(SIX_DOMAINS), limits=PLENTY, latencies=LATENCIES), ENV)
    world.limited_deliver(world.put("warm.html"))
    _answer(world, Answer(dropped=True))
    world.limited_deliver([world.put(f"{number}.html") for number in range(20)])
    assert world.spool("submitting/")
    world.wait(make_task(f"https://{domain}/later.html", time=world.clock.now()) for domain in SIX_DOMAINS)

    def slow(_service: str, request: Request) -> None:
        if request.header("x-acs-action") == LIST:
            world.clock.advance(6)

    world.after = slow
    world.limited_minutes(1)
    assert {f"https://{domain}/later.html" for domain in SIX_DOMAINS} <= set(world.submitted_urls())
    world.limited_minutes(12)
    assert {f"https://{domain}/{number}.html" for domain in SIX_DOMAINS for number in range(20)} <= set(
        world.submitted_urls()
    )
    assert [] == world.spool("submitting/") + world.spool("waiting/")
    assert 6 * 22 == len(world.submitted_urls())


def test_a_function_with_little_time_settles_what_is_unknown() -> None:
    """No invocation has the time for two looks at the task list: one makes the first, a later one the second."""
    world = _world()
    world.limited_deliver(world.put("warm.html"))
    _answer(world, Answer(dropped=True))
    world.limited_deliver(world.put("a.html"))
    world.clock.advance(20)
    for _ in range(3):
        context = world.context("retry_failed")
        context.function.timeout = 4
        wiring.run(world.instance, flow.retry, b"{}", context)
        world.clock.advance(60)
    assert _url("a.html") in world.submitted_urls()
    assert [] == world.spool("submitting/") + world.spool("waiting/")
