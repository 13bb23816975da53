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

from shared.core.plan.limits import URL_CHARACTERS_MAX
from shared.core.site.sites import Domain, Site, Then
from shared.core.task.model import Action, Cause, Form, Kind, Lane, ObjectChange, Task, digest


class Skipped(msgspec.Struct, frozen=True):
    """A change that causes no task, and the rule that says so."""

    change: ObjectChange
    site: str
    reason: str


def tasks_of(change: ObjectChange, sites: Iterable[Site]) -> tuple[list[Task], list[Skipped]]:
    """Find what a change makes stale: its tasks, and why each site that does not serve it was passed over."""
    tasks: dict[str, Task] = {}
    skipped: list[Skipped] = []
    watching = [site for site in sites if site.bucket == change.bucket and change.key.startswith(site.prefix)]
    if not watching:
        skipped.append(Skipped(change, "", f"no site serves {change.bucket}/{change.key}"))
    for site in watching:
        reason = site.reason_to_skip(change)
        if reason:
            skipped.append(Skipped(change, site.name, reason))
            continue
        caused = {task.id: task for task in _tasks_at(change, site)}
        tasks.update(caused)
        if not caused:
            skipped.append(Skipped(change, site.name, "the CDN prefetches no directories and no URLs this long"))
    return list(tasks.values()), skipped


def _tasks_at(change: ObjectChange, site: Site) -> Iterator[Task]:
    """Yield the tasks of one site: each domain times each URL that serves the object there."""
    then = site.then(change)
    for domain in site.domains:
        for url in object_urls(change.key, site, domain):
            if then is Then.PREFETCH:
                if not prefetchable(url):
                    continue
                yield _task(change, site, Kind.PREFETCH, Form.FILE, url, Lane.PREFETCH, follow=False)
            else:
                form, target = refreshable(url, domain)
                follow = then is Then.REFRESH_THEN_PREFETCH and form is Form.FILE and prefetchable(url)
                lane = Lane.REMOVED if change.action is Action.REMOVED else Lane.OVERWRITTEN
                yield _task(change, site, Kind.REFRESH, form, target, lane, follow=follow)


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


def prefetchable(url: str) -> bool:
    """Whether the CDN prefetches a URL: it takes files only, and URLs of limited length."""
    return not url.endswith("/") and len(url) <= URL_CHARACTERS_MAX


def refreshable(url: str, domain: Domain) -> tuple[Form, str]:
    """Tell in which form a URL can be refreshed: as a file, or through the nearest directory that can."""
    if len(url) <= URL_CHARACTERS_MAX and not domain.custom_cache_key:
        return Form.FILE, url
    return Form.DIRECTORY, directory_of(url)


def directory_of(url: str) -> str:
    """Name the deepest directory that holds a URL and is short enough itself; `https://host/` at the most."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    host, _, path = rest.partition("/")
    folders = path.split("/")[:-1]
    root = f"{scheme}://{host}/"
    while folders and len(root) + sum(len(folder) + 1 for folder in folders) > URL_CHARACTERS_MAX:
        folders.pop()
    return root + "".join(folder + "/" for folder in folders)


def _encode(path: str, unescaped: str) -> str:
    """Percent-encode UTF-8 per RFC 3986, segment by segment; `/` stays, and nothing else but unreserved."""
    return quote(path, safe="/" + unescaped)


def _task(change: ObjectChange, site: Site, kind: Kind, form: Form, url: str, lane: Lane, *, follow: bool) -> Task:
    return Task(
        id=digest(change.id, site.name, kind.value, form.value, url),
        kind=kind,
        form=form,
        url=url,
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
