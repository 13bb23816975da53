"""What is learned of symlinks, table by table; and that whatever happens in whatever order leaves no link stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.checked import Invalid
from shared.core.site import links as module
from shared.core.site.compiled import compiled, sites_of
from shared.core.site.links import (
    INDEX_KEPT_SECONDS,
    LINKS_MAX,
    SETTLED_SECONDS,
    Ask,
    Learned,
    Link,
    Links,
    ask_key,
    ask_of,
    decode_ask,
    decode_links,
    due_of,
    encode_ask,
    encode_links,
    follows,
    learn,
    linked_tasks,
    newest,
)
from shared.core.site.sitefile import read_sites
from shared.core.task.codec import Undecodable
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


links = st.builds(
    Link,
    bucket=st.sampled_from(["content", "other"]),
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    target=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    since=st.floats(0, 4e9),
)


@given(st.lists(links))
def test_an_index_is_read_as_it_was_written(some: list[Link]) -> None:
    """Whatever the keys; and each link is found by its target."""
    index = of(*some)
    read = decode_links(encode_links(index))
    assert read == index
    for link in read.by_place.values():
        assert link.key in read.to(link.bucket, link.target)


def test_stored_forms_are_read_leniently() -> None:
    """Fields of a newer version are passed over; what is no index or ask says so."""
    newer = b'{"format":9,"more":1,"buckets":{"content":{"v1.zip":{"latest.zip":1}}}}'
    assert known("v1.zip", 1.0) == decode_links(newer)
    assert FIRST == decode_ask(encode_ask(FIRST).replace(b'{"bucket"', b'{"more":[],"bucket"'))
    for bad in (b"", b"{", b"[]", b'{"format":1}', b'{"format":1,"buckets":[]}', b'{"format":1,"ask":{}}'):
        with pytest.raises(Undecodable):
            decode_links(bad)
        with pytest.raises(Undecodable):
            decode_ask(bad)


@given(st.floats(0, 9e9))
def test_a_key_tells_when_its_ask_is_due(due: float) -> None:
    """Never before its time, and at most two milliseconds after it."""
    assert due <= due_of(ask_key(FIRST, due)) <= due + 0.002


@pytest.mark.parametrize("key", ["", "odd", "x-1", "²-1"])
def test_a_key_of_another_form_is_due_at_once(key: str) -> None:
    """So it is read, and set aside if it is no ask."""
    assert due_of(key) == 0.0


def test_the_site_file_says_whether_links_are_followed() -> None:
    """One word, false by default, kept by the build; anything else is refused with its line."""
    assert [True, False, False] == [site.follow_links for site in SITES]
    assert SITES == sites_of(compiled(b"text", SITES), b"text")
    with pytest.raises(Invalid, match=r"line 2: sites\[0\]\.follow_links: expected true or false"):
        read_sites("sites:\n- {bucket: content, domains: [a.example.com], follow_links: all}")


# -- interleavings: who asks, who reads an old index, who changes what, in any order -----------------------------


@settings(max_examples=300)
@given(st.data())
def test_every_change_of_a_target_is_followed_by_a_refresh_of_its_link(data: st.DataObject) -> None:
    """Instances read, links are put, targets change, answers are learned, at any time, and by two holders at once."""
    story = _Story(data.draw)
    for _ in range(data.draw(st.integers(1, 25))):
        story.step()
    story.come_to_rest()
    assert story.stale == set()


class _Story:
    """One bucket with two targets and two links; `stale` names links whose target changed since their last refresh."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.now = NOW
        self.oss: dict[str, str] = {}
        self.index = NOTHING
        self.asks: list[tuple[Ask, float]] = []
        self.caches: list[tuple[Links, float]] = [(NOTHING, NOW), (NOTHING, NOW)]
        self.stale: set[str] = set()
        self.events = 0

    def step(self) -> None:
        draw = self.draw
        self.now += draw(st.sampled_from([0.0, 1.0, 20.0, 59.0, 61.0, 119.0, 121.0]))
        draw(st.sampled_from([self.link, self.unlink, self.change, self.read, self.learn]))()

    def link(self) -> None:
        """Somebody puts a link; its own event refreshes it and leaves an ask."""
        key, target = self._key(), self.draw(st.sampled_from(["v1", "v2"]))
        self.oss[key] = target
        self._told(key, "ObjectCreated:PutSymlink")

    def unlink(self) -> None:
        key = self._key()
        self.oss.pop(key, None)
        self._told(key, "ObjectRemoved:DeleteObject")

    def change(self) -> None:
        """A target changes, and an instance judges that by its index."""
        target = self.draw(st.sampled_from(["v1", "v2"]))
        self.stale |= {key for key, leads_to in self.oss.items() if leads_to == target}
        self.stale -= set(self._index().to("content", target))

    def read(self) -> None:
        """An instance reads the index."""
        self._index()

    def learn(self) -> None:
        """The holder asks; maybe another one, who has read the same index, writes over what the first has written."""
        before = self.index
        chosen = [each for each in self.asks if each[1] <= self.now]
        both = self.draw(st.booleans()) and len(chosen) > 1
        half = len(chosen) // 2
        for part in (chosen[:half], chosen[half:]) if both else (chosen,):
            by_place = newest(ask for ask, _ in part)
            learned = learn(before, [(ask, self.oss.get(ask.key)) for ask in by_place.values()], self.now)
            self.asks = [each for each in self.asks if each not in part]
            self.asks += [(msgspec.structs.replace(ask, again=True), due) for ask, due in learned.again]
            self.index = learned.links
            self.stale -= {ask.key for ask in learned.fresh}

    def come_to_rest(self) -> None:
        """Time passes, and the holder goes on."""
        for _ in range(8):
            self.now += SETTLED_SECONDS + 1
            by_place = newest(ask for ask, due in self.asks if due <= self.now)
            learned = learn(self.index, [(ask, self.oss.get(ask.key)) for ask in by_place.values()], self.now)
            self.asks = [(msgspec.structs.replace(ask, again=True), due) for ask, due in learned.again]
            self.index = learned.links
            self.stale -= {ask.key for ask in learned.fresh}
        assert self.asks == []
        assert self.oss == {link.key: link.target for link in self.index.by_place.values()}

    def _key(self) -> str:
        return str(self.draw(st.sampled_from(["app/a", "app/b"])))

    def _told(self, key: str, name: str) -> None:
        """An instance judges an event of a link: the link itself is refreshed, and an ask is left."""
        self.events += 1
        told = msgspec.structs.replace(change(key, name), id=f"event-{self.events}", time=self.now)
        ask = ask_of(told, SITES, self._index())
        self.stale.discard(key)
        if ask:
            self.asks.append((ask, self.now))

    def _index(self) -> Links:
        """What one of the instances goes by."""
        number = int(self.draw(st.integers(0, 1)))
        _, read_at = self.caches[number]
        if self.now - read_at >= INDEX_KEPT_SECONDS:
            self.caches[number] = (self.index, self.now)
        return self.caches[number][0]
