"""Sites that can work in; what about them may surprise out, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.core.site.conflicts import is_untouched
from shared.core.site.globs import is_wild, matches, sample_of
from shared.core.site.patternfaults import pattern_doubt
from shared.core.site.sites import INCLUDE, Rule, Site, Then
from shared.core.site.spelling import UNPROVEN

_FEW = "100 a day by default"
_NEW_IGNORED = (
    "`new: ignore` leaves a URL stale that was asked for before the object was there, where the CDN keeps that answer: "
    "an error page that answers 200 (as of single-page apps), or a cache rule for 404"
)


def warnings_of(sites: Sequence[Site]) -> list[str]:
    """List what is to be known about sites, each with the name of its site."""
    if is_untouched(sites):
        return ["this is the site file as it is shipped: nothing is refreshed until it names your bucket and domains"]
    return [f"site {site.name}: {doubt}" for site in sites for doubt in _of_site(site)]


def _of_site(site: Site) -> Iterator[str]:
    for domain in site.domains:
        if domain.custom_cache_key:
            yield f"each change costs a directory unit on {domain.name}, of which there are {_FEW}"
    if site.prefix and not site.prefix.endswith("/") and not site.path:
        prefix = f"{site.prefix:.80}"
        also = f"keys such as {prefix}-old/a.js and {prefix}.html"
        yield f"its prefix {prefix!r} takes {also}, too; write `prefix: {prefix}/` if a folder is meant"
    if site.new is Then.IGNORE:
        yield _NEW_IGNORED
    for spelling in site.spellings:
        if spelling in UNPROVEN:
            yield f"that a refresh in the spelling {spelling.value} hits what clients have cached is unproven"
    for rule in site.rules:
        yield from (f"rule {rule.name}: {doubt}" for doubt in _of_rule(rule))
    yield from _hidden(site)


def _of_rule(rule: Rule) -> Iterator[str]:
    if rule.new is Then.IGNORE and rule.created is not Then.IGNORE:
        yield _NEW_IGNORED
    keys = "each change of a key that fits" if rule.keys else "each change of any key"
    is_dear = not rule.keys or any(map(is_wild, rule.keys))
    if rule.every_query:
        cost = f"{keys} costs a unit of every query, of which there are {_FEW}; " if is_dear else ""
        yield f"{cost}whether every_query reaches the URL without a query is unproven, so that is refreshed beside it"
    if rule.directories and is_dear:
        yield f"{keys} costs a directory unit, of which there are {_FEW}"
    if "{url}/" in rule.directories:
        yield "'{url}/' is a folder of the object's own name; the one that it lies in is '{dir}'"
    for pattern in rule.keys:
        if doubt := pattern_doubt(pattern):
            yield doubt


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
