"""`cdnctl links`: symlinks that were there before are learned, and those that are known listed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence

import click

from scripts.operators.desk import Desk
from scripts.operators.faults import Fault, plain, say
from shared import wiring
from shared.cloud.spool.links import LinkStore
from shared.core.errors import StoreError
from shared.core.task.links import Ask, Link, Links
from shared.core.task.model import digest
from shared.flow.links import WORK, record

LEASE_TRIES_MAX = 30
LEASE_WAIT_SECONDS = 1.0
EVENT_NAME = "Scan"

Place = tuple[str, str]
"""A bucket and a prefix of keys."""


@click.group()
def links() -> None:
    """Symlinks of sites with `follow_links`: a change of what they lead to refreshes them."""


@links.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a link, a line each.")
@click.pass_obj
def list_(desk: Desk, *, as_json: bool) -> None:
    """List the links that are known, and where each leads."""
    known = _store(desk.instance).known()
    for link in sorted(known.by_place.values(), key=lambda link: link.place):
        if as_json:
            click.echo(json.dumps({"bucket": link.bucket, "key": link.key, "target": link.target, "since": link.since}))
        else:
            click.echo(plain(f"{link.bucket}/{link.key} -> {link.target}"))
    if not known.by_place:
        say("no link is known; `links scan` finds those that were there before")


@links.command("scan")
@click.option("--bucket", metavar="BUCKET", help="Only this bucket; by default all of sites with `follow_links`.")
@click.option("--prefix", metavar="PREFIX", default="", help="Only keys that begin so.")
@click.option("--no-refresh", is_flag=True, help="Refresh none of the links that are new.")
@click.pass_obj
def scan(desk: Desk, *, bucket: str | None, prefix: str, no_refresh: bool) -> None:
    """Find all links, ask where each leads, and forget those that are gone.

    Links that are new, or lead elsewhere, are refreshed once, some two minutes later: changes of their targets until
    then may have been missed. The keys need oss:ListObjects and oss:GetObject on the buckets of the content.
    """
    parts = desk.instance
    store = _store(parts)
    count = 0
    targets: set[Place] = set()
    news = 0
    parts.kit.spool.areas()  # a listing, whose reply tells the time
    for place in _places(parts, bucket, prefix):
        began = parts.kit.clock()
        found = _found(store, *place, at=began)
        count += len(found)
        targets.update((ask.bucket, target) for ask, target in found)
        news += _record(parts, store, place, found, began, refresh=not no_refresh)
    click.echo(f"{count} links lead to {len(targets)} objects; {news} are new or have changed")


def _store(parts: wiring.Instance) -> LinkStore:
    if parts.links is None:
        raise Fault("no site of the site file follows links; write `follow_links: true` into those that are to")
    return parts.links


def _places(parts: wiring.Instance, bucket: str | None, prefix: str) -> list[Place]:
    """List what is to be looked through: each bucket and prefix of a site that follows links, none inside another."""
    sites = [site for site in parts.kit.sites if site.follow_links]
    if bucket is not None and bucket not in {site.bucket for site in sites}:
        raise Fault(f"no site with `follow_links` has the bucket {bucket}")
    wanted = {
        (site.bucket, max(site.prefix, prefix, key=len))
        for site in sites
        if (bucket is None or site.bucket == bucket)
        and (site.prefix.startswith(prefix) or prefix.startswith(site.prefix))
    }
    if not wanted:
        raise Fault(f"no site with `follow_links` has keys that begin with {prefix}")
    return sorted(
        place
        for place in wanted
        if not any(place != other and place[0] == other[0] and place[1].startswith(other[1]) for other in wanted)
    )


def _found(store: LinkStore, bucket: str, prefix: str, *, at: float) -> list[tuple[Ask, str]]:
    """Find all links below a prefix, and where they lead."""
    found: list[tuple[Ask, str]] = []
    try:
        for keys in store.symlinks(bucket, prefix):
            for key, answer in store.targets(bucket, keys).items():
                if isinstance(answer, StoreError):
                    raise answer
                if answer is not None:
                    event_id = digest("scan", bucket, key, answer, f"{at:.3f}")
                    found.append((Ask(bucket, key, event_id, EVENT_NAME, at), answer))
    except StoreError as error:
        is_denied = error.code == "AccessDenied"
        rights = "; this access key needs oss:ListObjects and oss:GetObject there" if is_denied else ""
        raise Fault(f"the links of {bucket} cannot be found, {error}{rights}") from error
    return found


def _record(
    parts: wiring.Instance,
    store: LinkStore,
    place: Place,
    found: Sequence[tuple[Ask, str]],
    began: float,
    *,
    refresh: bool,
) -> int:
    """Write down what a scan has found, under the lease; returns how many links are new or lead elsewhere."""
    kit = parts.kit
    owner = f"cdnctl-{uuid.uuid4()}"
    taken = kit.spool.take(WORK, owner)
    for _ in range(LEASE_TRIES_MAX):
        if taken is not None:
            break
        kit.sleep(LEASE_WAIT_SECONDS)
        taken = kit.spool.take(WORK, owner)
    if taken is None:
        raise Fault("the functions are asking for links just now; try again in some minutes")
    try:
        before = store.index()
        answers: list[tuple[Ask, str | None]] = list(_changed(before, found))
        news = len(answers)
        answers += [(_gone(link), None) for link in _missing(before, place, found, began)]
        record(kit, store, answers, refresh=refresh)
        kit.spool.clean(leases=taken.old)
    finally:
        kit.spool.release(taken, taken.books)
    return news


def _changed(before: Links, found: Sequence[tuple[Ask, str]]) -> Iterator[tuple[Ask, str]]:
    """Leave out what is known as it is, and what was learned since the scan began, which is newer."""
    for ask, target in found:
        link = before.by_place.get(ask.place)
        if link is None or (link.target != target and link.since < ask.time):
            yield ask, target


def _missing(before: Links, place: Place, found: Sequence[tuple[Ask, str]], began: float) -> list[Link]:
    """List known links that a scan has not found, but for those that are younger than it."""
    bucket, prefix = place
    there = {ask.place for ask, _ in found}
    return [
        link
        for link in before.by_place.values()
        if link.bucket == bucket and link.key.startswith(prefix) and link.place not in there and link.since < began
    ]


def _gone(link: Link) -> Ask:
    return Ask(link.bucket, link.key, "", EVENT_NAME, link.since)
