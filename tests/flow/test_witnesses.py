"""Accepted calls beside one of unknown outcome: only those whose rows could pass for its own wait for it."""

from __future__ import annotations

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import json_answer, rule
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World

SITES = """
sites:
  - {bucket: content, prefix: a/, domains: [a.example.com], created: refresh}
  - {bucket: content, prefix: b/, domains: [b.example.com], created: refresh}
"""


@pytest.mark.parametrize(("beside", "is_followed"), [("a/beside.html", True), ("b/lost.html", False)])
def test_only_calls_for_the_same_target_wait_for_one_of_unknown_outcome(beside: str, is_followed: bool) -> None:  # noqa: FBT001 - a case
    """A domain's task list never tells how much it holds: its unknown call keeps no call for another from its end."""
    world = World(SITES, Options(domains=("a.example.com", "b.example.com"), latencies=LATENCIES))
    empty = json_answer({"Tasks": {"CDNTask": []}, "TotalCount": 1})
    world.limited_deliver(world.put(beside))
    world.cloud.cdn.answers.append(rule(empty, operations=["DescribeRefreshTasks"]))
    world.cloud.cdn.answers.append(rule(Answer(dropped=True), operations=["RefreshObjectCaches"], times=1))
    world.clock.advance(1)
    world.limited_deliver(world.put("b/lost.html", b"2"))
    for _ in range(4):
        world.clock.advance(300)
        world.limited_tick()
    assert 1 == len(world.spool("submitting/"))
    assert int(is_followed) == world.results()["done"]


TWO_SPELLINGS = """
sites:
  - {name: written, bucket: content, domains: [a.example.com], spellings: [browser], removed: ignore}
  - {name: removed, bucket: content, domains: [a.example.com], spellings: [strict], rules: [{created: ignore}]}
"""
BROWSER, STRICT = "https://a.example.com/a:b.html", "https://a.example.com/a%3Ab.html"


def test_a_call_for_another_spelling_waits_for_one_of_unknown_outcome() -> None:
    """It is made long after, and its row would pass for the unknown call's once nobody knew whose it is."""
    world = World(TWO_SPELLINGS, Options(domains=("a.example.com",), latencies=LATENCIES))
    empty = json_answer({"Tasks": {"CDNTask": []}, "TotalCount": 1})
    world.cloud.cdn.answers.append(rule(empty, operations=["DescribeRefreshTasks"]))
    world.cloud.cdn.answers.append(rule(Answer(dropped=True), operations=["RefreshObjectCaches"], times=1))
    world.limited_deliver(world.put("a:b.html"))
    world.clock.advance(100)
    world.limited_deliver(world.remove("a:b.html"))
    for _ in range(3):
        world.clock.advance(300)
        world.limited_tick()
    assert [STRICT] == [row.path for row in world.cloud.cdn.submissions]
    assert (1, 1) == (len(world.spool("submitting/")), len(world.spool("accepted/")))
    world.cloud.cdn.answers.clear()
    for _ in range(8):
        world.clock.advance(60)
        world.limited_tick()
    assert [STRICT, BROWSER] == [row.path for row in world.cloud.cdn.submissions]
