"""CDN events of odd shapes: kept with their bytes, never a failure that has the platform deliver them for ever."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.flow.world import World


@pytest.mark.parametrize("name", [["x"], {"x": 1}, [], {}, 7, None, True, ["CachedObjectsRefreshed"]])
def test_an_event_whose_name_is_no_text_is_kept(name: Any) -> None:
    """Also where it has a task id: it is not known what it says."""
    world = World()
    odd = {"eventName": name, "eventSource": "cdn", "eventParameter": {"taskId": "1"}}
    assert (0, 1) == _counts(world.finish({"events": [odd]}))
    (dead,) = world.pieces()
    assert odd == json.loads(base64.b64decode(dead["event"]))


def test_an_odd_event_keeps_no_other_one_back() -> None:
    """The good one beside it is followed."""
    world = World()
    good = {"eventName": "CachedObjectsRefreshed", "eventSource": "cdn", "eventParameter": {"taskId": 7}}
    assert (1, 1) == _counts(world.finish({"events": [{"eventName": ["x"]}, good]}))


def _counts(summary: Any) -> tuple[int, int]:
    return summary["finished"], summary["dead"]
