"""Asks about links, and the index of them, are read as they were written, whatever the keys and the version."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.codec import Undecodable
from shared.core.task.links import Ask, Link, Links, ask_key, decode_ask, decode_links, due_of, encode_ask, encode_links
from shared.core.task.model import Action, ObjectChange, digest
from tests.strategies import NOW

FIRST = Ask("content", "latest.zip", "event-1", "ObjectCreated:PutSymlink", NOW)
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
    index = Links({link.place: link for link in some})
    read = decode_links(encode_links(index))
    assert read == index
    for link in read.by_place.values():
        assert link.key in read.to(link.bucket, link.target)


def test_stored_forms_are_read_leniently() -> None:
    """Fields of a newer version are passed over; what is no index or ask says so."""
    newer = b'{"format":9,"more":1,"buckets":{"content":{"v1.zip":{"latest.zip":1}}}}'
    assert Links({FIRST.place: Link("content", "latest.zip", "v1.zip", 1.0)}) == decode_links(newer)
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


def test_an_ask_is_stored_in_these_words() -> None:
    """What is at its default is left out."""
    written = b'"bucket":"content","key":"latest.zip","event_id":"event-1","event_name":"ObjectCreated:PutSymlink"'
    assert b'{"format":1,"ask":{' + written + b',"time":1767323045.0}}' == encode_ask(FIRST)
    again = msgspec.structs.replace(FIRST, again=True)
    assert b'{"format":1,"ask":{' + written + b',"time":1767323045.0,"again":true}}' == encode_ask(again)
    assert again == decode_ask(encode_ask(again))


def test_the_change_that_an_ask_stands_for() -> None:
    """The link was written over, as far as anybody knows; its id is no event's."""
    name = digest("event-1", "content", "latest.zip", "link")
    assert FIRST.change == ObjectChange(
        id=name,
        action=Action.CREATED,
        event_name="ObjectCreated:PutSymlink",
        bucket="content",
        key="latest.zip",
        etag="",
        size=0,
        delta_size=None,
        time=NOW,
    )
    assert not FIRST.change.is_new
