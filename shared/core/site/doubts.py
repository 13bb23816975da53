"""Sites that can work in; what about them may surprise out, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.core.site.conflicts import is_untouched
from shared.core.site.patternfaults import pattern_doubt
from shared.core.site.sites import Rule, Site, Then
from shared.core.site.spelling import UNPROVEN

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
            yield f"each change costs a directory unit on {domain.name}, of which there are 100 a day by default"
    if site.new is Then.IGNORE:
        yield _NEW_IGNORED
    for spelling in site.spellings:
        if spelling in UNPROVEN:
            yield f"that a refresh in the spelling {spelling.value} hits what clients have cached is unproven"
    for rule in site.rules:
        yield from (f"rule {rule.name}: {doubt}" for doubt in _of_rule(rule))


def _of_rule(rule: Rule) -> Iterator[str]:
    if rule.new is Then.IGNORE and rule.created is not Then.IGNORE:
        yield _NEW_IGNORED
    if rule.every_query:
        yield "whether every_query reaches the URL without a query is unproven, so that is refreshed beside it"
    if rule.directories and not rule.keys:
        yield "each change of any key costs a directory unit, of which there are 100 a day by default"
    for pattern in rule.keys:
        if doubt := pattern_doubt(pattern):
            yield doubt
