"""What is learned of symlinks, table by table; and that whatever happens in whatever order leaves no link stale."""

from __future__ import annotations

import msgspec
import pytest

from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.checked import Invalid
from shared.core.site import links as module
from shared.core.site.compiled import compiled, sites_of
from shared.core.site.links import (
    INDEX_KEPT_SECONDS,
    LINKS_MAX,
    SETTLED_SECONDS,
    Learned,
    ask_of,
    follows,
    learn,
    linked_tasks,
    newest,
)
from shared.core.site.sitefile import read_sites
from shared.core.task.links import Ask, Link, Links, encode_links
from shared.core.task.model import Action, ObjectChange
from tests.strategies import NOW

OLD, YOUNG = NOW - SETTLED_SECONDS, NOW - SETTLED_SECONDS + 0.01
FIRST = Ask("content", "latest.zip", "event-1", "ObjectCreated:PutSymlink", NOW)
AGAIN = msgspec.structs.replace(FIRST, again=True)
SITES = read_sites("""
sites:
  - {bucket: content, prefix: app/, domains: [a.example.com], follow_links: true}
  - {bucket: content, domains: [b.example.com]}
  - {bucket: other, domains: [a.example.com]}
""")


def known(target: str, since: float) -> Links:
    """An index with one link."""
    return of(Link("content", "latest.zip", target, since))


def of(*links: Link) -> Links:
    """An index with some links."""
    return Links({link.place: link for link in links})


def change(key: str, name: str = "ObjectCreated:PutObject", bucket: str = "content") -> ObjectChange:
    """A change of an object."""
    action = Action.REMOVED if "Removed" in name else Action.CREATED
    return ObjectChange("event-1", action, name, bucket, key, "AB", 3, 1, NOW)


NOTHING = Links()
WRITTEN = known("v1.zip", NOW)


@pytest.mark.parametrize(
    ("before", "ask", "answer", "after", "again", "is_fresh"),
    [
        (NOTHING, FIRST, "v1.zip", WRITTEN, NOW + SETTLED_SECONDS, False),
        (NOTHING, AGAIN, "v1.zip", WRITTEN, NOW + SETTLED_SECONDS, False),
        (NOTHING, FIRST, None, NOTHING, None, False),
        (NOTHING, AGAIN, None, NOTHING, None, False),
        (known("v1.zip", YOUNG), FIRST, "v1.zip", known("v1.zip", YOUNG), YOUNG + SETTLED_SECONDS, False),
        (known("v1.zip", YOUNG), AGAIN, "v1.zip", known("v1.zip", YOUNG), YOUNG + SETTLED_SECONDS, False),
        (known("v1.zip", OLD), FIRST, "v1.zip", known("v1.zip", OLD), None, False),
        (known("v1.zip", OLD), AGAIN, "v1.zip", known("v1.zip", OLD), None, True),
        (known("v0.zip", OLD), FIRST, "v1.zip", WRITTEN, NOW + SETTLED_SECONDS, False),
        (known("v0.zip", OLD), AGAIN, "v1.zip", WRITTEN, NOW + SETTLED_SECONDS, False),
        (known("v0.zip", OLD), FIRST, None, NOTHING, None, False),
        (known("v0.zip", YOUNG), AGAIN, None, NOTHING, None, False),
    ],
)
def test_an_answer_is_learned(
    before: Links, ask: Ask, answer: str | None, after: Links, again: float | None, *, is_fresh: bool
) -> None:
    """The index, whether the ask comes again and when, and whether its link is refreshed now."""
    learned = learn(before, [(ask, answer)], NOW)
    assert Learned(after, ((ask, again),) if again else (), (ask,) if is_fresh else (), ()) == learned
    assert (learned.links is before) == (after == before)


def test_no_index_counts_as_long_as_a_link_takes_to_settle() -> None:
    """The difference is for the write of the index."""
    assert INDEX_KEPT_SECONDS + 60 <= SETTLED_SECONDS


def test_of_many_asks_about_a_link_the_newest_is_answered() -> None:
    """And it comes again if one of them did, in whatever order they lie."""
    later = msgspec.structs.replace(FIRST, event_id="event-2", time=NOW + 1)
    for asks in ([AGAIN, later], [later, AGAIN]):
        assert {FIRST.place: msgspec.structs.replace(later, again=True)} == newest(asks)
    assert {FIRST.place: later} == newest([later, FIRST])


def test_what_has_no_room_is_told() -> None:
    """An index that is full takes no further link, but still another target of one that it has."""
    full = of(*(Link("content", f"l{number}", "v1.zip", OLD) for number in range(LINKS_MAX)))
    other = msgspec.structs.replace(FIRST, key="l0")
    learned = learn(full, [(FIRST, "v1.zip"), (other, "v2.zip")], NOW)
    assert ((FIRST,), "v2.zip") == (learned.unfit, learned.links.by_place["content", "l0"].target)
    assert len(learned.links.by_place) == LINKS_MAX


def test_an_index_is_bounded_in_bytes() -> None:
    """However long the keys are, what is written is no larger than the limit, and not much smaller where it is full."""
    asks = [(Ask("content", f"{number:04d}" + "é" * 500, "e", "n", NOW), '"' * 1_000) for number in range(1_000)]
    learned = learn(NOTHING, asks, NOW)
    size = len(encode_links(learned.links))
    assert learned.unfit
    assert module.INDEX_BYTES_MAX / 4 <= size <= module.INDEX_BYTES_MAX


@pytest.mark.parametrize(
    ("told", "index", "is_asked"),
    [
        (change("app/latest", "ObjectCreated:PutSymlink"), NOTHING, True),
        (change("latest", "ObjectCreated:PutSymlink"), NOTHING, False),  # no site that follows links has it
        (change("app/latest", "ObjectCreated:PutSymlink", bucket="other"), NOTHING, False),
        (change("app/latest"), NOTHING, False),
        (change("app/latest"), of(Link("content", "app/latest", "v1", OLD)), True),
        (change("app/latest", "ObjectRemoved:DeleteObject"), of(Link("content", "app/latest", "v1", OLD)), True),
        (change("app/latest"), of(Link("content", "app/other", "app/latest", OLD)), False),
    ],
)
def test_an_ask_is_left_by_links_that_were_put_and_known_ones(
    told: ObjectChange, index: Links, *, is_asked: bool
) -> None:
    """And only where a site that follows links serves them."""
    asked = Ask(told.bucket, told.key, "event-1", told.event_name, NOW)
    assert (asked if is_asked else None) == ask_of(told, SITES, index)


def test_links_are_judged_by_sites_that_follow_them_only() -> None:
    """The URL is the link's, the cause the target; a link that leads to itself is none."""
    index = of(
        Link("content", "app/latest", "v1", OLD), Link("content", "old", "v1", OLD), Link("content", "v1", "v1", OLD)
    )
    tasks, skipped = linked_tasks(change("v1"), SITES, index, ALIBABA_CDN)
    assert [("https://a.example.com/app/latest", "v1")] == [(task.url, task.cause.key) for task in tasks]
    assert [("old", "no site serves content/old")] == [(skip.change.key, skip.reason) for skip in skipped]


def test_the_task_of_a_link_is_none_of_the_link_s_own_event() -> None:
    """Else what makes up for missed changes would pass for what was submitted already."""
    assert FIRST.change.id not in {FIRST.event_id, msgspec.structs.replace(FIRST, key="other").change.id}
    assert FIRST.change.id == AGAIN.change.id


def test_only_buckets_of_sites_that_follow_links_are_looked_up() -> None:
    """Also where another bucket's site does."""
    assert [True, False, False] == [follows(SITES, buckets) for buckets in (["x", "content"], ["other"], [])]


def test_the_site_file_says_whether_links_are_followed() -> None:
    """One word, false by default, kept by the build; anything else is refused with its line."""
    assert [True, False, False] == [site.follow_links for site in SITES]
    assert SITES == sites_of(compiled(b"text", SITES), b"text")
    with pytest.raises(Invalid, match=r"line 2: sites\[0\]\.follow_links: expected true or false"):
        read_sites("sites:\n- {bucket: content, domains: [a.example.com], follow_links: all}")
