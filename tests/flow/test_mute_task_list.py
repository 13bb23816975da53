"""Calls of unknown outcome stop nothing but what they are about, whatever the task list tells or does not tell."""

from __future__ import annotations

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import CdnCall, json_answer, rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from shared.core.task.model import Batch, digest
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

REFRESH, LIST = "RefreshObjectCaches", "DescribeRefreshTasks"
SITES = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com], created: refresh}
  - {bucket: content, prefix: b/, domains: [b.example.com], created: refresh}
"""
PLENTY = Limits(urls_per_minute_per_domain=100_000, url_refreshes_per_day=1_000_000)
NULL_ROW = json_answer({"Tasks": {"CDNTask": [None]}, "TotalCount": 1})
NEVER_WHOLE = json_answer({"Tasks": {"CDNTask": []}, "TotalCount": 1})


def _world() -> World:
    options = Options(domains=("a.example.com", "b.example.com"), limits=PLENTY, latencies=LATENCIES)
    world = World(SITES, options, {"URLS_PER_MINUTE_PER_DOMAIN": "100000"})
    world.deliver([world.put("a/warm.html"), world.put("b/warm.html")])
    world.limited_minutes(1)
    return world


def _of_b(call: CdnCall) -> bool:
    return "b.example.com" in call.params.get("DomainName", "") + call.params.get("ObjectPath", "")


def _lose(world: World, *keys: str) -> None:
    """Let the answer of one call get lost before it is carried out."""
    world.cloud.cdn.answers.insert(0, rule(Answer(dropped=True), operations=[REFRESH], times=1))
    world.limited_deliver([world.put(key) for key in keys])


def _minutely(world: World, count: int) -> list[float]:
    """Upload one object of a each minute; tell after how many seconds each was accepted."""
    began = []
    for number in range(count):
        began.append(world.clock.now())
        world.limited_deliver(world.put(f"a/{number}.html"))
        world.limited_minutes(1)
    at = world.accepted_at()
    return [at[f"https://a.example.com/a/{number}.html"] - began[number] for number in range(count)]


@pytest.mark.parametrize(
    "answer", [NULL_ROW, Answer("InternalError", 500), Answer("Throttling.User", 400), Answer("Forbidden.RAM", 403)]
)
@pytest.mark.parametrize("is_every", [False, True])
def test_a_task_list_that_cannot_be_read_stops_no_other_domain(answer: Answer, is_every: bool) -> None:  # noqa: FBT001 - a table
    """One call of b was lost: uploads to a go on at once, and b's goes again once its list can be read."""
    world = _world()
    world.cloud.cdn.answers.append(rule(answer, operations=[LIST], when=None if is_every else _of_b))
    _lose(world, "b/lost.html")
    world.limited_minutes(1)
    asked = world.watch_calls()
    assert max(_minutely(world, 12)) <= 5
    assert sum(call.operation == LIST for call in asked) <= 20
    assert "https://b.example.com/b/lost.html" not in world.submitted_urls()
    assert any("b.example.com" in alarm and "task list" in alarm for alarm in world.status()["alarms"])
    world.cloud.cdn.answers.clear()
    world.limited_minutes(2)
    assert "https://b.example.com/b/lost.html" in world.submitted_urls()
    assert not any("task list" in alarm for alarm in world.status()["alarms"])


def test_two_domains_of_one_lost_call_are_told_apart_by_whose_list_answers() -> None:
    """The call of both waits for b's list; what is lost for a alone meanwhile does not."""
    world = _world()
    world.cloud.cdn.answers.append(rule(NULL_ROW, operations=[LIST], when=_of_b))
    _lose(world, "a/both.html", "b/both.html")
    world.limited_minutes(1)
    _lose(world, "a/lost.html")
    world.limited_minutes(3)
    assert "https://a.example.com/a/lost.html" in world.submitted_urls()
    assert "https://a.example.com/a/both.html" not in world.submitted_urls()


def test_tasks_of_lost_calls_do_not_fill_a_round() -> None:
    """Five full calls of b stay unknown, as many tasks as a round takes: uploads to a are chosen all the same."""
    world = _world()
    world.cloud.cdn.answers.append(rule(NEVER_WHOLE, operations=[LIST], when=_of_b))
    tasks = [make_task(f"https://b.example.com/b/{number}.html", time=world.clock.now()) for number in range(5_000)]
    world.wait(tasks)
    for start in range(0, 5_000, 1_000):
        some = tuple(tasks[start : start + 1_000])
        world.instance.spool.intend(Batch(digest(some[0].id), some, world.clock.now()))
    world.clock.advance(60)
    assert max(_minutely(world, 1)) <= 30


def test_many_lost_calls_of_one_domain_stop_no_other() -> None:
    """Two hundred and ten calls of b stay unknown; uploads to a go on, and a lost call of a is found again."""
    world = _world()
    world.cloud.cdn.answers.append(rule(NEVER_WHOLE, operations=[LIST], when=_of_b))
    for number in range(210):
        task = make_task(f"https://b.example.com/b/{number}.html", time=world.clock.now())
        world.wait([task])
        world.instance.spool.intend(Batch(digest(task.id), (task,), world.clock.now()))
    world.limited_minutes(1)
    _lose(world, "a/lost.html")
    assert max(_minutely(world, 1)) <= 30
    world.limited_minutes(1)
    assert "https://a.example.com/a/lost.html" in world.submitted_urls()


def test_a_list_that_tells_nothing_new_is_asked_ever_more_seldom() -> None:
    """A call whose rows never come whole costs a few looks at first, then about one a minute."""
    world = _world()
    world.cloud.cdn.answers.append(rule(NEVER_WHOLE, operations=[LIST], when=_of_b))
    _lose(world, "b/lost.html")
    world.limited_minutes(2)
    asked = world.watch_calls()
    world.limited_minutes(10)
    assert 8 <= sum(call.operation == LIST for call in asked) <= 24
