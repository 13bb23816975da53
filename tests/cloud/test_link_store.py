"""What is known of links lies in the spool as it should, and OSS is asked as its own client does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.localcloud.answers import Answer
from scripts.localcloud.oss.answers import rule
from shared.cloud.clock import OssClock
from shared.cloud.spool.links import LinkStore
from shared.core.errors import StoreError
from shared.core.site.links import INDEX_KEPT_SECONDS
from shared.core.task.links import Ask, Link, Links
from tests.cloud.spools import Ground
from tests.strategies import NOW

LINK = Link("content", "app/中 文+%.zip", "v1?#&.zip", NOW)
INDEX = Links({LINK.place: LINK})
ASK = Ask("content", LINK.key, "event-1", "ObjectCreated:PutSymlink", NOW)


@pytest.fixture
def ground() -> Ground:
    """A spool, and a bucket with content."""
    made = Ground()
    made.oss.create_bucket("content")
    return made


def store_of(ground: Ground, own: Callable[[], float] | None = None) -> LinkStore:
    """Start an instance, by a clock of its own where one is given: nothing is in its memory."""
    time = OssClock(own or ground.clock.now)

    def tell(event: str, **details: Any) -> None:
        ground.told.append({"event": event, **details})

    return LinkStore(
        ground.bucket(time), lambda name: ground.bucket(time, name, ""), time, ground.spool().set_aside, tell
    )


def test_an_index_is_known_as_it_was_written(ground: Ground) -> None:
    """By whoever may write it, and by all others."""
    store = store_of(ground)
    store.write(INDEX)
    assert INDEX == store.index() == store_of(ground).known()
    assert Links() == store_of(Ground()).known()


def test_an_index_counts_for_a_minute(ground: Ground) -> None:
    """One read until then, whether there is an index or none."""
    reader = store_of(ground)
    assert Links() == reader.known()
    store_of(ground).write(INDEX)
    ground.clock.advance(INDEX_KEPT_SECONDS - 0.1)
    before = len(ground.requests)
    assert (Links(), before) == (reader.known(), len(ground.requests))
    ground.clock.advance(0.1)
    assert (INDEX, before + 1) == (reader.known(), len(ground.requests))


def test_a_clock_that_goes_back_makes_an_index_count_no_longer(ground: Ground) -> None:
    """What was read at a time that lies ahead is read again."""
    ahead = [10.0, 0.0]
    reader = store_of(ground, lambda: NOW + ahead[0])
    reader.known()
    store_of(ground).write(INDEX)
    ahead.reverse()
    assert INDEX == reader.known()


def test_a_failed_read_is_not_taken_for_an_empty_index(ground: Ground) -> None:
    """It raises each time, until it comes."""
    store_of(ground).write(INDEX)
    reader = store_of(ground)
    ground.oss.answers.append(rule(Answer("InternalError", 500), methods=["GET"]))
    for _ in range(2):
        with pytest.raises(StoreError):
            reader.known()
    ground.oss.answers.clear()
    assert INDEX == reader.known()


def test_who_may_not_write_an_index_leaves_one_that_cannot_be_read(ground: Ground) -> None:
    """A reader tells a person; the holder of the lease sets it aside, tells, and begins anew."""
    ground.put("index/links", b"{")
    assert (Links(), ["index/links"]) == (store_of(ground).known(), ground.listed("index/"))
    assert ["links scan" in each["remedy"] for each in ground.told] == [True]
    assert (Links(), []) == (store_of(ground).index(), ground.listed("index/"))
    assert 1 == len(ground.listed("dead/"))
    assert [True, False, True] == ["links scan" in each.get("remedy", "") for each in ground.told]


def test_asks_lie_in_the_order_in_which_they_are_due(ground: Ground) -> None:
    """What is due is listed, bounded, and read; a second delivery lies where the first does."""
    store = store_of(ground)
    asks = [Ask("content", f"l{number}", f"event-{number}", "n", NOW) for number in range(3)]
    written = store.put([(asks[0], NOW + 60), (asks[1], NOW - 5), (asks[2], NOW - 10), (asks[2], NOW - 10)])
    assert (3, 3) == (len(written), len(ground.listed("asks/")))
    due = store.due(10)
    assert asks[2:0:-1] == list(store.asks(due).values())
    assert due[:1] == store.due(1)
    store.delete(due)
    assert ([], {}) == (store.due(10), store.asks(due))
    ground.clock.advance(60.1)
    assert [asks[0]] == list(store.asks(store.due(10)).values())


def test_no_asks_cost_no_call(ground: Ground) -> None:
    """Nothing to write is no request."""
    assert (set(), []) == (store_of(ground).put([]), ground.requests)


def test_oss_tells_where_links_lead(ground: Ground) -> None:
    """Whatever the keys are; what is no link, or gone, leads nowhere, and what OSS refuses is told for each."""
    ground.oss.link("content", LINK.key, LINK.target)
    ground.oss.put("content", "file", b"")
    ground.oss.link("content", "denied", "x")
    ground.oss.answers.append(rule(Answer("AccessDenied"), prefix="denied", params=["symlink"]))
    answers = store_of(ground).targets("content", [LINK.key, "file", "gone", "denied"])
    assert [LINK.target, None, None] == list(answers.values())[:3]
    denied = answers["denied"]
    assert isinstance(denied, StoreError)
    assert ("AccessDenied", True) == (denied.code, bool(denied.request_id))


def test_an_answer_without_a_target_is_not_oss_s(ground: Ground) -> None:
    """It is an error, not a link that leads nowhere."""
    ground.oss.link("content", "link", "x")
    ground.oss.answers.append(rule(Answer(status=200, headers={"x-oss-request-id": "1"}), params=["symlink"]))
    (answer,) = store_of(ground).targets("content", ["link"]).values()
    assert isinstance(answer, StoreError)
    assert "NotOss" == answer.code


def test_links_are_found_among_all_objects(ground: Ground) -> None:
    """Below a prefix, over several pages."""
    for number in range(1_100):
        ground.oss.put("content", f"app/{number:04d}", b"")
    for key in ("a", "app/0500-link", "app/zz", "b"):
        ground.oss.link("content", key, "app/0001")
    pages = list(store_of(ground).symlinks("content", "app/"))
    assert [["app/0500-link"], ["app/zz"]] == pages
    assert ["a", "app/0500-link", "app/zz", "b"] == [
        key for page in store_of(ground).symlinks("content", "") for key in page
    ]
