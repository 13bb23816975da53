"""The sites of a file in; what cannot be right about them together out, each with its path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.core.checked import Fault
from shared.core.site.domains import PLACEHOLDER as DOMAIN_PLACEHOLDER
from shared.core.site.sites import Site

BUCKET_PLACEHOLDER = "replace-with-your-bucket"
"""Stands in the shipped site file."""

Numbered = tuple[int, Site]


def conflicts(sites: Sequence[Numbered]) -> Iterator[Fault]:
    """Find every conflict; each site comes with its number in the file."""
    yield from _same_names(sites)
    yield from _cache_keys(sites)
    yield from _actions(sites)
    yield from _placeholders(sites)


def is_untouched(sites: Sequence[Site]) -> bool:
    """Whether a file is the shipped one, with nothing of anybody's own in it."""
    return all(site.bucket == BUCKET_PLACEHOLDER and _all_placeholders(site) for site in sites)


def _all_placeholders(site: Site) -> bool:
    return all(domain.name == DOMAIN_PLACEHOLDER for domain in site.domains)


def _same_names(sites: Sequence[Numbered]) -> Iterator[Fault]:
    seen: dict[str, tuple[int, Site]] = {}
    for number, site in sites:
        before, other = seen.setdefault(site.name, (number, site))
        if before == number:
            continue
        if site == other:
            what = f"says the same as sites[{before}]; leave one of them away"
        elif site.name == default_name(site.bucket, site.prefix) == default_name(other.bucket, other.prefix):
            what = (
                f"has the bucket and prefix of sites[{before}]; write its domains and rules there, "
                "or give each its own `name`"
            )
        else:
            what = f"two sites are called {site.name!r:.80}; give each its own `name`"
        yield Fault(f"sites[{number}]", what)


def default_name(bucket: str, prefix: str) -> str:
    """Name a site that has no name of its own by what it serves."""
    return f"{bucket}:{prefix}" if prefix else bucket


def _cache_keys(sites: Sequence[Numbered]) -> Iterator[Fault]:
    """A domain has a custom cache key or not, whoever names it."""
    said: dict[str, tuple[bool, str]] = {}
    for number, site in sites:
        for place, domain in enumerate(site.domains):
            before, name = said.setdefault(domain.name, (domain.custom_cache_key, site.name))
            if before != domain.custom_cache_key:
                yield Fault(
                    f"sites[{number}].domains[{place}]",
                    f"{domain.name} has a custom cache key in one site and none in another ({name!r:.60}); write "
                    f"{{name: {domain.name}, custom_cache_key: true}} in both, or in neither",
                )


def _actions(sites: Sequence[Numbered]) -> Iterator[Fault]:
    """Two sites that are about the same keys of the same URLs, and ask for different things, leave nobody wiser."""
    seen: dict[tuple[str, str, str, str], Site] = {}
    for number, site in sites:
        if any(rule.created or rule.removed or rule.new for rule in site.rules):
            continue  # patterns tell them apart
        for domain in site.domains:
            place = (site.bucket, site.prefix, site.path, domain.name)
            other = seen.setdefault(place, site)
            if (other.created, other.removed, other.new) != (site.created, site.removed, site.new):
                yield Fault(
                    f"sites[{number}]",
                    f"is about the same keys and URLs as site {other.name!r:.60}, and asks for something else of them; "
                    "make one site of both, or give one a prefix or rules with `keys`",
                )
                break


def _placeholders(sites: Sequence[Numbered]) -> Iterator[Fault]:
    if is_untouched([site for _, site in sites]):
        return
    for number, site in sites:
        if site.bucket == BUCKET_PLACEHOLDER:
            yield Fault(f"sites[{number}].bucket", "is the shipped file's; write the bucket whose objects are served")
        for place, domain in enumerate(site.domains):
            if domain.name == DOMAIN_PLACEHOLDER:
                what = "is the shipped file's; write the accelerated domain that users ask"
                yield Fault(f"sites[{number}].domains[{place}]", what)
