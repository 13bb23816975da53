"""A change of an object and the sites in; the tasks it causes out, or the rule that says there are none.

Rules:

1. Only URLs of configured domains come out, whatever the key contains (ObjectPath is split at newlines,
   so every character that is not unreserved in RFC 3986 is percent-encoded, segment by segment).
2. What cannot be refreshed by its URL (too long, or a domain with a custom cache key) is refreshed
   through its directory.
3. A task's id follows from the event and the URL alone, so a second delivery makes the same tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import msgspec

from shared.core.site.sites import Domain, Site, Then
from shared.core.task.model import Action, Cause, Form, Kind, Lane, ObjectChange, Target, Task, TaskId, digest
from shared.core.task.provider import Provider


class Skipped(msgspec.Struct, frozen=True):
    """A change that causes no task, and the rule that says so."""

    change: ObjectChange
    site: str
    reason: str


def tasks_of(change: ObjectChange, sites: Iterable[Site], provider: Provider) -> tuple[list[Task], list[Skipped]]:
    """Find what a change makes stale: its tasks, and why each site that does not serve it was passed over."""
    tasks: dict[TaskId, Task] = {}
    skipped: list[Skipped] = []
    watching = [site for site in sites if site.bucket == change.bucket and change.key.startswith(site.prefix)]
    if not watching:
        skipped.append(Skipped(change, "", f"no site serves {change.bucket}/{change.key}"))
    for site in watching:
        reason = site.reason_to_skip(change)
        if reason:
            skipped.append(Skipped(change, site.name, reason))
            continue
        caused = {task.id: task for task in _tasks_at(change, site, provider)}
        tasks.update(caused)
        if not caused:
            skipped.append(Skipped(change, site.name, "the CDN prefetches no directories and no URLs this long"))
    return list(tasks.values()), skipped


def _tasks_at(change: ObjectChange, site: Site, provider: Provider) -> Iterator[Task]:
    """Yield the tasks of one site: each domain times each URL that serves the object there."""
    then, most = site.then(change), provider.url_characters_max
    for domain in site.domains:
        for url in object_urls(change.key, site, domain):
            if then is Then.PREFETCH:
                if not prefetchable(url, most):
                    continue
                target = Target(Kind.PREFETCH, Form.FILE, url, provider=provider.name)
                yield _task(change, site, target, Lane.PREFETCH, follow=False)
            else:
                form, reached = refreshable(url, domain, most)
                follow = then is Then.REFRESH_THEN_PREFETCH and form is Form.FILE and prefetchable(url, most)
                lane = Lane.REMOVED if change.action is Action.REMOVED else Lane.OVERWRITTEN
                target = Target(Kind.REFRESH, form, reached, provider=provider.name)
                yield _task(change, site, target, lane, follow=follow)


def object_urls(key: str, site: Site, domain: Domain) -> list[str]:
    """List the URLs that serve an object on one domain: its own, its index form, its query variants."""
    paths = [site.path + _encode(key.removeprefix(site.prefix), site.unescaped)]
    if site.index and (key == site.index or key.endswith("/" + site.index)):
        folder = key.removesuffix(site.index)
        if folder.startswith(site.prefix):
            paths.append(site.path + _encode(folder.removeprefix(site.prefix), site.unescaped))
    root = f"{site.scheme}://{domain.name}"
    queries = [variant.query for variant in site.variants if variant.applies_to(key)]
    return [root + path + query for path in paths for query in ["", *("?" + query for query in queries)]]


def prefetchable(url: str, characters_max: int) -> bool:
    """Whether the CDN prefetches a URL: it takes files only, and URLs of limited length."""
    return not url.endswith("/") and len(url) <= characters_max


def refreshable(url: str, domain: Domain, characters_max: int) -> tuple[Form, str]:
    """Tell in which form a URL can be refreshed: as a file, or through the nearest directory that can."""
    if len(url) <= characters_max and not domain.custom_cache_key:
        return Form.FILE, url
    return Form.DIRECTORY, directory_of(url, characters_max)


def directory_of(url: str, characters_max: int) -> str:
    """Name the deepest directory that holds a URL and is short enough itself; `https://host/` at the most."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    host, _, path = rest.partition("/")
    folders = path.split("/")[:-1]
    root = f"{scheme}://{host}/"
    while folders and len(root) + sum(len(folder) + 1 for folder in folders) > characters_max:
        folders.pop()
    return root + "".join(folder + "/" for folder in folders)


def _encode(path: str, unescaped: str) -> str:
    """Percent-encode UTF-8 per RFC 3986, segment by segment; `/` stays, and nothing else but unreserved."""
    return quote(path, safe="/" + unescaped)


def _task(change: ObjectChange, site: Site, target: Target, lane: Lane, *, follow: bool) -> Task:
    return Task(
        id=TaskId(digest(change.id, site.name, target.kind.value, target.form.value, target.url)),
        target=target,
        site=site.name,
        lane=lane,
        cause=Cause(
            event_id=change.id,
            event_name=change.event_name,
            time=change.time,
            bucket=change.bucket,
            key=change.key,
            etag=change.etag,
        ),
        then_prefetch=follow,
    )
