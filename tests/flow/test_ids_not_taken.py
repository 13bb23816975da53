"""A look-up by ids that the CDN does not take says nothing of the tasks: no unit is spent on them once more."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import rule
from scripts.localcloud.cloud import Options
from tests.flow.world import LATENCIES, World

BY_ID, LIST = "DescribeRefreshTaskById", "DescribeRefreshTasks"
COUNT = 5


def _world(refused: Collection[str]) -> World:
    world = World(options=Options(latencies=LATENCIES))
    world.cloud.cdn.answers.append(rule(Answer("InvalidTaskId.Malformed", 400), operations=list(refused)))
    for number in range(COUNT):
        world.limited_deliver(world.put(f"{number}.html"))
        world.clock.advance(2)
    return world


def test_where_no_id_is_taken_the_task_list_tells_of_the_tasks() -> None:
    """Each look by ids is refused: what the CDN has completed is done all the same, and spent on once."""
    world = _world([BY_ID])
    world.limited_minutes(12)
    assert COUNT == world.results()["done"] == len(world.submitted_urls())
    assert [] == world.spool("accepted/") + world.spool("dead/")


def test_where_the_task_list_is_refused_too_tasks_run_until_it_answers() -> None:
    """For hours neither look answers: nothing goes again, and afterwards everything is done."""
    world = _world([BY_ID, LIST])
    world.minutes(300, step=20)
    assert COUNT == len(world.submitted_urls())
    world.cloud.cdn.answers.clear()
    world.minutes(40, step=5)
    assert COUNT == world.results()["done"] == len(world.submitted_urls())
    assert [] == world.spool("dead/")


@pytest.mark.parametrize("status", ["Success", "success", "Finished", "Completed"])
def test_other_words_for_finished_are_finished(status: str) -> None:
    """Rows of complete tasks say so in another word: the tasks are done."""
    world = World(options=Options(latencies=LATENCIES))
    world.cloud.cdn.rows.statuses = {"Complete": status}
    world.limited_deliver(world.put("a.html"))
    world.limited_minutes(8)
    assert 1 == world.results()["done"] == len(world.submitted_urls())
