"""Symlinks in and out of the spool: asks where one leads, and the index of those that are known, as JSON and by key.

What they are for, and why no change is lost by them, stands in core/site/links.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import msgspec

from shared.core.task.codec import FORMAT, decoded
from shared.core.task.model import Action, ObjectChange, digest, json_bytes
from shared.core.task.notes import milliseconds

Place = tuple[str, str]
"""A bucket and a key."""


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link whose target is to be asked for, and the event that told of it (time in epoch seconds).

    `again` marks one that was answered before: its link is refreshed once all instances know it.
    """

    bucket: str
    key: str
    event_id: str
    event_name: str
    time: float
    again: bool = False

    @property
    def place(self) -> Place:
        """Where the link lies."""
        return (self.bucket, self.key)

    @property
    def change(self) -> ObjectChange:
        """The change of the link that its refresh comes of; equal asks make equal tasks, and no event makes these."""
        name = digest(self.event_id, self.bucket, self.key, "link")
        return ObjectChange(name, Action.CREATED, self.event_name, self.bucket, self.key, "", 0, None, self.time)


class Link(msgspec.Struct, frozen=True):
    """A link, its target in the same bucket, and since when the index has it (epoch seconds)."""

    bucket: str
    key: str
    target: str
    since: float

    @property
    def place(self) -> Place:
        """Where the link lies."""
        return (self.bucket, self.key)


class Links(msgspec.Struct, frozen=True, dict=True):
    """All links that are known, by where they lie."""

    by_place: Mapping[Place, Link] = {}

    @cached_property
    def _by_target(self) -> Mapping[Place, list[str]]:
        found: dict[Place, list[str]] = {}
        for link in self.by_place.values():
            found.setdefault((link.bucket, link.target), []).append(link.key)
        return found

    def to(self, bucket: str, target: str) -> list[str]:
        """List the links that lead to an object, by their keys."""
        return self._by_target.get((bucket, target), [])


class _Index(msgspec.Struct, frozen=True):
    format: int
    buckets: dict[str, dict[str, dict[str, float]]]
    """Targets of a bucket, the links that lead to each, and since when the index has them."""


class _Ask(msgspec.Struct, frozen=True):
    format: int
    ask: Ask


def encode_links(links: Links) -> bytes:
    """Write an index."""
    buckets: dict[str, dict[str, dict[str, float]]] = {}
    for link in links.by_place.values():
        buckets.setdefault(link.bucket, {}).setdefault(link.target, {})[link.key] = link.since
    return json_bytes(_Index(FORMAT, buckets))


def decode_links(data: bytes) -> Links:
    """Read an index. Raises `Undecodable`."""
    found = (
        Link(bucket, key, target, since)
        for bucket, targets in decoded(data, _Index).buckets.items()
        for target, keys in targets.items()
        for key, since in keys.items()
    )
    return Links({link.place: link for link in found})


def ask_key(ask: Ask, due: float) -> str:
    """Name an ask: when it is due (to the millisecond after), and what it asks; a second delivery has the same name."""
    return f"{milliseconds(due + 0.001):013d}-{digest(ask.bucket, ask.key, ask.event_id)}"


def due_of(key: str) -> float:
    """Read from the key of an ask when it is due (epoch seconds); what is none of ours is due at once."""
    text = key.partition("-")[0]
    return int(text) / 1000 if text.isascii() and text.isdigit() else 0.0


def encode_ask(ask: Ask) -> bytes:
    """Write an ask."""
    return json_bytes(_Ask(FORMAT, ask))


def decode_ask(data: bytes) -> Ask:
    """Read an ask. Raises `Undecodable`."""
    return decoded(data, _Ask).ask
