"""A change of an object and the sites in; the tasks it causes out, or the rule that says there are none.

Rules:

1. Only URLs of configured domains come out, whatever the key contains (ObjectPath is split at newlines, so controls
   are percent-encoded in every spelling).
2. What cannot be refreshed by its URL (too long, or a domain with a custom cache key) is refreshed through its
   directory; a whole domain only where the site allows it.
3. Beside every query of a URL the URL itself is refreshed: whether the one covers the other is unproven.
4. A task's id follows from the event and the URL alone, so a second delivery makes the same tasks.
5. Second spellings have a lane of their own, and wait first when units run short; but what was removed must vanish
   however it is spelled. Only first spellings are prefetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from shared.core.site.sites import Domain, Rule, Site, Then, WhenSpent, why_ignored
from shared.core.site.spelling import spellings_of
from shared.core.site.templates import filler
from shared.core.task.model import Action, Cause, Form, Kind, Lane, ObjectChange, Target, Task, TaskId, digest
from shared.core.task.provider import Provider

_SLASHES_OF_A_DOMAIN = "https://host/".count("/")
_DOT = re.compile("%2e", re.IGNORECASE)

NOT_PREFETCHED = "the CDN prefetches no directories"


class Skipped(msgspec.Struct, frozen=True):
    """A change, or a part of what it makes stale, that causes no task, and the rule that says so."""

    change: ObjectChange
    site: str
    reason: str


class Caused(msgspec.Struct, frozen=True):
    """A task, and the rule of the site that asks for its URL; none where that is the object's own.

    `instead` says why the task is a directory where another form was asked for.
    """

    task: Task
    rule: str = ""
    instead: str = ""


class Stale(msgspec.Struct, frozen=True):
    """A path that goes stale: as itself, with everything below it, or under any query; `spelling` counts from 0."""

    form: Form
    path: str
    spelling: int
    rule: str


def tasks_of(change: ObjectChange, sites: Iterable[Site], provider: Provider) -> tuple[list[Task], list[Skipped]]:
    """Find what a change makes stale: its tasks, and why each site that does not serve it was passed over."""
    caused, skipped = judge(change, sites, provider)
    return list({each.task.id: each.task for each in caused}.values()), skipped


def judge(change: ObjectChange, sites: Iterable[Site], provider: Provider) -> tuple[list[Caused], list[Skipped]]:
    """Find what a change makes stale, each with the rule that asks for it; URLs of all rules and sites add up."""
    watching = [site for site in sites if site.serves(change.bucket, change.key)]
    if not watching:
        return [], [Skipped(change, "", f"no site serves {change.bucket}/{change.key}")]
    caused: list[Caused] = []
    skipped: list[Skipped] = []
    cause = _cause(change)
    for site in watching:
        rules = site.rules_for(change.key)
        then, decisive = site.then(change, rules)
        if then is Then.IGNORE:
            skipped.append(Skipped(change, site.name, why_ignored(change, decisive)))
            continue
        reasons: dict[str, None] = {}
        found = list(_caused(cause, change, site, rules, then, provider, reasons))
        caused += found
        skipped += [Skipped(change, site.name, reason) for reason in reasons if reason != NOT_PREFETCHED or not found]
    return caused, skipped


def own_paths(key: str, site: Site) -> tuple[str, ...]:
    """List the paths under which clients ask for an object, one of each spelling that differs."""
    head, rest = (site.path, key[len(site.prefix) :]) if site.path else ("/", key)
    return spellings_of(head, rest, site.encoders)


def stale_paths(key: str, site: Site, rules: Iterable[Rule]) -> Iterable[Stale]:
    """List what goes stale with an object, each path once: its own, and what the rules about it say."""
    own = own_paths(key, site)
    found = {(Form.FILE, path): Stale(Form.FILE, path, place, "") for place, path in enumerate(own)}
    for rule in rules:
        for form, templates in (
            (Form.FILE, (*rule.urls, *rule.every_query)),
            (Form.IGNORE_PARAMS, rule.every_query),
            (Form.DIRECTORY, rule.directories),
        ):
            for template in templates:
                for place, path in enumerate(dict.fromkeys(map(filler(template), own))):
                    known = found.get((form, path))
                    if path and (known is None or known.spelling > place):
                        found[form, path] = Stale(form, path, place, rule.name)
    return found.values()


def _caused(
    cause: Cause,
    change: ObjectChange,
    site: Site,
    rules: list[Rule],
    then: Then,
    provider: Provider,
    reasons: dict[str, None],
) -> Iterator[Caused]:
    """Yield the tasks of one site: each path on each domain. Adds to `reasons` why there is none for some of them."""
    most = provider.url_characters_max
    stale = stale_paths(change.key, site, rules)
    for domain in site.domains:
        root = f"{site.scheme}://{domain.name}"
        for each in stale:
            url = root + each.path
            if then is Then.PREFETCH and each.form is Form.FILE:
                if each.spelling == 0 and prefetchable(url, most):
                    target = Target(Kind.PREFETCH, Form.FILE, url, provider=provider.name)
                    yield Caused(_task(cause, site, target, Lane.PREFETCH), each.rule)
                else:
                    reasons[(each.spelling == 0 and _too_long(url, most)) or NOT_PREFETCHED] = None
                continue
            form, reached = refreshable(each.form, url, domain, most)
            instead = _why_instead(url, most) if reached != url else ""
            if form is Form.DIRECTORY and is_whole_domain(reached) and not site.whole_domain:
                what = (
                    f"{instead}; it could only go with all of {reached}" if instead else f"{reached} is a whole domain"
                )
                reasons[f"{what}, which takes `whole_domain: true`"] = None
                continue
            follow = then is Then.REFRESH_THEN_PREFETCH and form is Form.FILE and prefetchable(url, most)
            target = Target(Kind.REFRESH, form, reached, provider=provider.name)
            task = _task(
                cause,
                site,
                target,
                _lane(change, each),
                follow=follow and each.spelling == 0,
                or_directory=_or_directory(form, reached, site, most),
            )
            yield Caused(task, each.rule, instead)


def _why_instead(url: str, characters_max: int) -> str:
    """Say why a URL itself cannot be refreshed."""
    keyed = "is on a domain with a custom cache key, of which the CDN refreshes directories only"
    return _too_long(url, characters_max) or f"{url} {keyed}"


def _too_long(url: str, characters_max: int) -> str:
    length = _length(url)
    return f"{url:.120}… is {length} characters long, of at most {characters_max}" if length > characters_max else ""


def _lane(change: ObjectChange, stale: Stale) -> Lane:
    if change.action is Action.REMOVED:
        return Lane.REMOVED
    return Lane.SPELLED if stale.spelling else Lane.OVERWRITTEN


def _or_directory(form: Form, url: str, site: Site, characters_max: int) -> str:
    """Name what may go in place of every query of a URL; nothing where that is to wait."""
    if form is not Form.IGNORE_PARAMS or site.when_spent is WhenSpent.WAIT:
        return ""
    directory = directory_of(url, characters_max)
    return directory if site.whole_domain or not is_whole_domain(directory) else ""


def prefetchable(url: str, characters_max: int) -> bool:
    """Whether the CDN prefetches a URL: it takes files only, and URLs of limited length."""
    return not url.endswith("/") and _length(url) <= characters_max


def refreshable(form: Form, url: str, domain: Domain, characters_max: int) -> tuple[Form, str]:
    """Tell how a URL can be refreshed: in the form that is asked for, or through the nearest directory that can."""
    if _length(url) <= characters_max and (form is Form.DIRECTORY or not domain.custom_cache_key):
        return form, url
    return Form.DIRECTORY, directory_of(url, characters_max)


def is_whole_domain(url: str) -> bool:
    """Whether a directory is all of its domain, or may be taken for it: `/a/../` by whoever resolves it, `//` too."""
    if not url.endswith("/"):
        return False
    depth = 0
    for segment in url.split("/")[_SLASHES_OF_A_DOMAIN:-1]:
        plain = _DOT.sub(".", segment)
        depth = max(0, depth - 1) if plain == ".." else depth + (plain not in {"", "."})
    return depth == 0


def directory_of(url: str, characters_max: int) -> str:
    """Name the deepest directory that holds a URL and is short enough itself; `https://host/` at the most."""
    path = url.partition("?")[0]
    end = path.rfind("/") + 1
    while _length(path[:end]) > characters_max and path.count("/", 0, end) > _SLASHES_OF_A_DOMAIN:
        end = path.rfind("/", 0, min(end - 1, characters_max)) + 1
    return path[:end]


def _length(url: str) -> int:
    """Count characters as they are sent: one of UTF-8 that stands there raw may be sent as four."""
    return len(url) if url.isascii() else len(url.encode())


def _cause(change: ObjectChange) -> Cause:
    return Cause(
        event_id=change.id,
        event_name=change.event_name,
        time=change.time,
        bucket=change.bucket,
        key=change.key,
        etag=change.etag,
    )


def _task(
    cause: Cause, site: Site, target: Target, lane: Lane, *, follow: bool = False, or_directory: str = ""
) -> Task:
    return Task(
        id=TaskId(digest(cause.event_id, site.name, target.kind, target.form, target.url)),
        target=target,
        site=site.name,
        lane=lane,
        cause=cause,
        then_prefetch=follow,
        or_directory=or_directory,
    )
