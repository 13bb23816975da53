"""Symlinks and the objects they lead to: a change of an object in; the same change of each link that leads to it out.

OSS tells of no change of a link when its target changes, and a receiver has no time to ask around. So who receives
looks into an index (target → links), which one holder of a lease learns from asks: a put of a link leaves an ask in the
spool, in the same invocation as its tasks. Rules, and why no change is lost by them:

1. An index counts for `INDEX_KEPT_SECONDS` in an instance that has read it, from before it was read. So whoever looks
   into one that lacks a link does so at most that long after the link was written there.
2. A link that is new to the index, or leads elsewhere now, is refreshed once more when `SETTLED_SECONDS` have passed
   since it was written. All changes that were judged without it came before that, so one refresh makes up for them all:
   those before the link was put, between the put and the answer, between the answer and the writing, and those judged
   by old indexes. Changes that are judged later find the link. The difference of the two times is for a slow write.
3. The ask that comes again for that lies in the spool before the index is written, and the first ask is deleted after
   it: where a holder dies in between, one of them is there, and to ask twice does no harm.
4. An ask that comes again looks at the index anew. Where the link is missing or leads elsewhere (it was put anew, or
   two holders of the lease wrote over each other) it is written, and the ask comes again; so two holders lose nothing
   as long as one writes within `SETTLED_SECONDS` of its read, and no invocation lives that long.
5. A link that is put anew leads to its old target in the index until its ask is answered. That costs a unit where the
   old target changes, and rule 2 covers the new one.
6. Whatever else happens to a link in the index (removed, written over) leaves an ask too, whose answer takes it out.
   One that is removed before the receiver's index has it is found by the ask that comes again.
7. OSS follows one step, so a link that leads to a link leads nowhere, and is treated like any other.
8. Links that were there before, or that came by an event that does not say so (replication), are found by a scan.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.core.site.sites import Site
from shared.core.site.urls import Skipped, tasks_of
from shared.core.task.links import Ask, Link, Links, Place
from shared.core.task.model import ObjectChange, Task, json_bytes
from shared.core.task.provider import Provider

INDEX_KEPT_SECONDS = 60.0
"""How long an instance goes by an index that it has read."""
SETTLED_SECONDS = 120.0
"""How long after a link was written every instance surely has it: `INDEX_KEPT_SECONDS`, and as long for the write."""
LINKS_MAX = 20_000
INDEX_BYTES_MAX = 2_000_000
LINK_BYTES = 40
"""What a link takes in the index beside its key and its target."""
_PUT_LINK = ":PutSymlink"


class Learned(msgspec.Struct, frozen=True):
    """What answers come to: the links, what comes again (with when), what is refreshed now, what has no room."""

    links: Links
    again: tuple[tuple[Ask, float], ...]
    fresh: tuple[Ask, ...]
    unfit: tuple[Ask, ...]


def follows(sites: Iterable[Site], buckets: Iterable[str]) -> bool:
    """Whether a site of one of these buckets follows links; for all others the index need not be read."""
    named = set(buckets)
    return any(site.follow_links and site.bucket in named for site in sites)


def ask_of(change: ObjectChange, sites: Iterable[Site], links: Links) -> Ask | None:
    """Make the ask that a change leaves: of a link that was put, or of a known one to which anything happened."""
    if not change.event_name.endswith(_PUT_LINK) and (change.bucket, change.key) not in links.by_place:
        return None
    if not any(site.follow_links and site.serves(change.bucket, change.key) for site in sites):
        return None
    return Ask(change.bucket, change.key, change.id, change.event_name, change.time)


def linked_tasks(
    change: ObjectChange, sites: Iterable[Site], links: Links, provider: Provider
) -> tuple[list[Task], list[Skipped]]:
    """Find what a change makes stale through links: they are judged as if they had changed; the cause is the target."""
    following = [site for site in sites if site.follow_links]
    tasks: list[Task] = []
    skipped: list[Skipped] = []
    for key in links.to(change.bucket, change.key):
        if key != change.key:
            caused, passed_over = tasks_of(msgspec.structs.replace(change, key=key), following, provider)
            tasks += [_caused_by(task, change) for task in caused]
            skipped += passed_over
    return tasks, skipped


def _caused_by(task: Task, change: ObjectChange) -> Task:
    return msgspec.structs.replace(task, cause=msgspec.structs.replace(task.cause, key=change.key))


def newest(asks: Iterable[Ask]) -> dict[Place, Ask]:
    """Take the newest ask of each link; it comes again if one of them did."""
    found: dict[Place, Ask] = {}
    for ask in sorted(asks, key=lambda ask: ask.time):
        before = found.get(ask.place)
        again = ask.again or (before is not None and before.again)
        found[ask.place] = msgspec.structs.replace(ask, again=again)
    return found


def learn(links: Links, answers: Iterable[tuple[Ask, str | None]], now: float) -> Learned:
    """Take in what OSS has answered: the target of each link, or None where there is no such link any more."""
    by_place = dict(links.by_place)
    size = sum(map(_size, by_place.values()))
    again: list[tuple[Ask, float]] = []
    fresh: list[Ask] = []
    unfit: list[Ask] = []
    for ask, target in answers:
        known = by_place.get(ask.place)
        if target is not None and known is not None and known.target == target:
            settled = known.since + SETTLED_SECONDS
            if now < settled:
                again.append((ask, settled))
            elif ask.again:
                fresh.append(ask)
            continue
        if known is not None:
            size -= _size(by_place.pop(ask.place))
        if target is None:
            continue
        link = Link(ask.bucket, ask.key, target, now)
        size += _size(link)
        if size > INDEX_BYTES_MAX or len(by_place) >= LINKS_MAX:
            size -= _size(link)
            unfit.append(ask)
            continue
        by_place[ask.place] = link
        again.append((ask, now + SETTLED_SECONDS))
    is_same = by_place == links.by_place
    return Learned(links if is_same else Links(by_place), tuple(again), tuple(fresh), tuple(unfit))


def _size(link: Link) -> int:
    return len(json_bytes([link.key, link.target])) + LINK_BYTES
