"""Sites that can work in; what about them may surprise out, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.core.site.conflicts import is_untouched
from shared.core.site.globs import is_wild, matches, sample_of
from shared.core.site.patternfaults import pattern_doubt, prefix_doubts
from shared.core.site.sites import INCLUDE, INDEX, Rule, Site, Then, ThenRemoved
from shared.core.site.spelling import UNPROVEN

_EVERY = frozenset({"*", "**"})
_PREFETCH_ALONE = (
    "`created: prefetch` refreshes nothing: what edges hold already stays as it is; write refresh-then-prefetch, or "
    "`new: prefetch` for objects that were not there before"
)
_FEW = "100 a day by default"
_NEW_IGNORED = (
    "`new: ignore` leaves a URL stale that was asked for before the object was there, where the CDN keeps that answer: "
    "an error page that answers 200 (as of single-page apps), or a cache rule for 404"
)


def warnings_of(sites: Sequence[Site]) -> list[str]:
    """List what is to be known about sites, each with the name of its site."""
    if is_untouched(sites):
        return ["this is the site file as it is shipped: nothing is refreshed until it names your bucket and domains"]
    return [f"site {site.name}: {doubt}" for site in sites for doubt in (*_of_site(site), *_beside(site, sites))]


def _of_site(site: Site) -> Iterator[str]:
    for domain in site.domains:
        if domain.custom_cache_key:
            yield f"each change costs a directory unit on {domain.name}, of which there are {_FEW}"
    yield from prefix_doubts(site.prefix, site.bucket, is_bare=not site.path)
    yield from _of_actions(site)
    for spelling in site.spellings:
        if spelling in UNPROVEN:
            yield f"that a refresh in the spelling {spelling.value} hits what clients have cached is unproven"
    for place, rule in enumerate(site.rules):
        doubts = (*_of_actions(rule), *_of_urls(rule), *_of_keys(rule, site), *_after(rule, site.rules[:place]))
        yield from (f"rule {rule.name}: {doubt}" for doubt in doubts)
    yield from _hidden(site)
    if (_is_ignoring(site) and all(_says_nothing(rule) for rule in site.rules)) or any(map(_is_all, site.rules[:1])):
        yield "all changes of its objects are ignored"


def _of_actions(one: Site | Rule) -> Iterator[str]:
    if one.created is Then.PREFETCH:
        yield _PREFETCH_ALONE
    if one.new is Then.IGNORE and one.created is not Then.IGNORE:
        yield _NEW_IGNORED


def _is_ignoring(one: Site | Rule) -> bool:
    return one.created is Then.IGNORE and one.removed is ThenRemoved.IGNORE


def _says_nothing(rule: Rule) -> bool:
    """Whether a rule lets nothing be done about any change."""
    return {rule.created, rule.new} <= {None, Then.IGNORE} and rule.removed in {None, ThenRemoved.IGNORE}


def _is_all(rule: Rule) -> bool:
    return _is_ignoring(rule) and (not rule.keys or bool(_EVERY & set(rule.keys)))


def _of_urls(rule: Rule) -> Iterator[str]:
    keys = "each change of a key that fits" if rule.keys else "each change of any key"
    is_dear = not rule.keys or any(map(is_wild, rule.keys))
    if rule.every_query:
        cost = f"{keys} costs a unit of every query, of which there are {_FEW}; " if is_dear else ""
        yield f"{cost}whether every_query reaches the URL without a query is unproven, so that is refreshed beside it"
    if rule.directories and is_dear:
        yield f"{keys} costs a directory unit, of which there are {_FEW}"
    if "{url}/" in rule.directories:
        yield "'{url}/' is a folder of the object's own name; the one that it lies in is '{dir}'"
    if {"{url}", "{dir}{name}", "{folder}/{name}"} & set(rule.urls):
        yield "the object's own URL is refreshed anyway"
    if rule.created is Then.IGNORE and (rule.urls or rule.every_query or rule.directories):
        yield "its URLs go stale with nothing but removals, since `created: ignore` is about all of a change"


def _of_keys(rule: Rule, site: Site) -> Iterator[str]:
    for pattern in rule.keys if rule.name != INDEX else ():
        if pattern.startswith(f"{site.bucket}/"):
            yield f"{pattern!r:.80} begins with the bucket's name, of which keys are free"
        if doubt := pattern_doubt(pattern):
            yield doubt


def _after(rule: Rule, before: Sequence[Rule]) -> Iterator[str]:
    """Find what an earlier rule about every key has decided."""
    for earlier in before:
        if earlier.keys and not _EVERY & set(earlier.keys):
            continue
        for field in ("created", "removed", "new"):
            if getattr(rule, field) is not None and getattr(earlier, field) is not None:
                yield f"its `{field}` decides nothing: rule {earlier.name} stands before it and is about every key"


def _beside(site: Site, sites: Sequence[Site]) -> Iterator[str]:
    """Find sites around one that ignores some changes: URLs of all sites add up, so these refresh them all the same."""
    names = {domain.name for domain in site.domains}
    for other in sites:
        is_around = other is not site and other.bucket == site.bucket and site.prefix.startswith(other.prefix)
        if not is_around or not names & {domain.name for domain in other.domains}:
            continue
        for field in ("created", "removed"):
            own, outer = getattr(site, field).value, getattr(other, field).value
            if own == Then.IGNORE.value != outer and len(site.prefix) > len(other.prefix):
                yield f"it ignores {field} objects that site {other.name} is about, too: exclude them there as well"


def _hidden(site: Site) -> Iterator[str]:
    """Find rules whose keys `include` does not name: they add URLs to changes that are ignored."""
    included = next((rule.keys for rule in site.rules if rule.name == INCLUDE), ())
    for rule in site.rules if included else ():
        if rule.created or rule.removed or rule.new:
            continue
        for pattern in rule.keys:
            key = sample_of(pattern, site.prefix)
            if not any(matches(each, key) for each in included):
                what = f"keys such as {key!r:.80} are ignored, since no pattern of `include` fits them"
                yield f"rule {rule.name}: {what}; add {pattern!r:.80} there, or say `created: refresh` in the rule"
