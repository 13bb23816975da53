"""A site file (YAML) in, sites out, or every fault of the file at once with line and path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from shared.core.checked import Fault, Invalid, check, shown
from shared.core.site.conflicts import conflicts, default_name
from shared.core.site.domains import domain_name
from shared.core.site.plainyaml import plain, text_of
from shared.core.site.sitefaults import ACTIONS, list_faults, text_faults, whole_domain_faults
from shared.core.site.sites import EXCLUDE, INCLUDE, INDEX, Domain, Rule, Site, Then, ThenRemoved, WhenSpent
from shared.core.site.spelling import Spelling
from shared.core.site.templates import DIRECTORIES, EVERY_QUERY, URLS
from shared.core.site.words import meant

TEXTS = frozenset(
    {"bucket", "name", "prefix", "path", "scheme", "index", "when_spent", "domains[]", "include[]", "exclude[]"}
    | {"keys[]", "urls[]", "every_query[]", "directories[]", "spellings[]"}
)
"""Fields whose values are texts, or (with `[]`) lists of these."""
_ELSEWHERE = {
    "when_spent": "it stands beside `rules`, for all of them",
    "custom_cache_key": "it stands beside the name of a domain: {name: www.example.com, custom_cache_key: true}",
    "whole_domain": "it stands beside `rules`, for all of them",
    "follow_links": "it stands beside `rules`, for all of them",
    "ignore": "write `created: ignore`, and `removed: ignore` if removals are meant, too",
    "refresh": "write `created: refresh`",
    "prefetch": "write `created: prefetch`, or refresh-then-prefetch",
}
"""Words that have another place, or are another's value."""


class _SiteSpec(msgspec.Struct):
    bucket: str
    domains: tuple[str | Domain, ...]
    name: str = ""
    prefix: str = ""
    path: str = ""
    scheme: str = "https"
    spellings: tuple[Spelling, ...] = (Spelling.BROWSER, Spelling.STRICT)
    created: Then = Then.REFRESH
    removed: ThenRemoved = ThenRemoved.REFRESH
    new: Then | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    index: str = ""
    rules: tuple[Rule, ...] = ()
    whole_domain: bool | None = None
    when_spent: WhenSpent = WhenSpent.WAIT
    follow_links: bool = False


class _File(msgspec.Struct):
    sites: tuple[_SiteSpec, ...]


def read_sites(file: str | bytes, source: str = "site file") -> tuple[Site, ...]:
    """Read a site file. Raises `Invalid` with all of its faults; `source` names the file in the message."""
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    read = plain(file if isinstance(file, str) else text_of(file, source), source, lines, faults, TEXTS)
    if not isinstance(read, dict) or not isinstance(read.get("sites"), list) or not read["sites"]:
        raise Invalid(source, _located(faults or [_no_sites(read)], lines))
    check(_known({**read, "sites": []}, _File, "", faults), _File, "", faults)
    numbered = [
        (number, site)
        for number, spec in enumerate(read["sites"])
        if (site := _site(spec, f"sites[{number}]", faults)) is not None
    ]
    faults += conflicts(numbered)
    if faults:
        raise Invalid(source, _located(faults, lines))
    return tuple(site for _, site in numbered)


def _no_sites(read: Any) -> Fault:
    """Tell why what was read is no list of sites, and what to write."""
    wanted = "a site file begins with `sites:`, and below it `  - bucket: …` for each site"
    if read is None:
        return Fault("", f"nothing in the file; {wanted}")
    if not isinstance(read, dict):
        return Fault("", f"expected a mapping, got {shown(read)}; {wanted}")
    if "sites" in read:
        sites = read["sites"]
        hint = "put `- ` before the first field of each site" if isinstance(sites, dict) and sites else wanted
        return Fault("sites", f"expected a list of at least one site, got {shown(sites)}; {hint}")
    for name in read:
        if meant(str(name), ["sites"]):
            return Fault(f"{name!s:.100}", "unknown field; did you mean 'sites'?")
    return Fault("", f"no field `sites`, but {shown(list(read))}; {wanted}")


def _site(spec: Any, where: str, faults: list[Fault]) -> Site | None:
    """Check one site as far as it can be checked, whatever is wrong with it."""
    if not isinstance(spec, dict):
        check(spec, _SiteSpec, where, faults)
        return None
    faults += text_faults(spec, where)
    faults += list_faults(spec, where)
    spec = _actions(_known(spec, _SiteSpec, where, faults), where, faults)
    if isinstance(spec.get("rules"), list):
        rules = enumerate(spec["rules"])
        spec["rules"] = [_rule(each, f"{where}.rules[{number}]", faults) for number, each in rules]
    whole = check(spec, _SiteSpec, where, faults)
    if whole is None:
        return None
    site = _made(whole)
    if whole.whole_domain is None:
        faults += whole_domain_faults(site, where)
    return site


def _rule(spec: Any, where: str, faults: list[Fault]) -> Any:
    """Leave out of a rule what would be told twice."""
    if not isinstance(spec, dict):
        return spec
    spec = _actions(_known(spec, Rule, where, faults), where, faults)
    for use in (URLS, EVERY_QUERY, DIRECTORIES):
        for place, each in enumerate(spec[use] if isinstance(spec.get(use), list) else []):
            if isinstance(each, dict) and list(each.values()) == [None]:
                what = f'YAML takes braces for a mapping; put them in quotes: "{{{next(iter(each))!s:.40}}}"'
                faults.append(Fault(f"{where}.{use}[{place}]", what))
        if isinstance(spec.get(use), list):
            spec[use] = [each for each in spec[use] if not isinstance(each, dict) or list(each.values()) != [None]]
    return spec


def _made(whole: _SiteSpec) -> Site:
    return Site(
        name=whole.name or default_name(whole.bucket, whole.prefix),
        bucket=whole.bucket,
        domains=tuple(_domain(domain) for domain in whole.domains),
        prefix=whole.prefix,
        scheme=whole.scheme,
        path=whole.path,
        rules=tuple(_rules(whole)),
        created=Then.IGNORE if whole.include else whole.created,
        removed=ThenRemoved.IGNORE if whole.include else whole.removed,
        new=None if whole.include else whole.new,
        spellings=whole.spellings,
        whole_domain=bool(whole.whole_domain),
        when_spent=whole.when_spent,
        follow_links=whole.follow_links,
    )


def _rules(whole: _SiteSpec) -> Iterator[Rule]:
    """Give the rules of a site; `exclude`, `index` and `include` are short for some."""
    if whole.exclude:
        ignore, ignore_removed = Then.IGNORE, ThenRemoved.IGNORE
        yield Rule(EXCLUDE, whole.exclude, created=ignore, removed=ignore_removed, new=ignore)
    if whole.index:
        yield Rule(INDEX, (whole.index,), urls=("{dir}",))
    for number, spec in enumerate(whole.rules):
        yield spec if spec.name else msgspec.structs.replace(spec, name=f"rules[{number}]")
    if whole.include:
        yield Rule(INCLUDE, whole.include, created=whole.created, removed=whole.removed, new=whole.new)


def _domain(domain: str | Domain) -> Domain:
    known = Domain(domain) if isinstance(domain, str) else domain
    return msgspec.structs.replace(known, name=domain_name(known.name))


def _known(spec: dict[Any, Any], struct: type[msgspec.Struct], where: str, faults: list[Fault]) -> dict[str, Any]:
    """Leave out the fields that a mapping may not have, and say which were probably meant."""
    known = struct.__struct_fields__
    for name in spec:
        if name not in known:
            word = meant(str(name), known)
            hint = f"did you mean {word!r}?" if word else f"known are {', '.join(known)}"
            hint = _ELSEWHERE.get(str(name), hint)
            path = f"{where}.{name!s:.100}" if where else f"{name!s:.100}"
            faults.append(Fault(path, f"unknown field; {hint}"))
    return {name: value for name, value in spec.items() if name in known}


def _actions(spec: dict[str, Any], where: str, faults: list[Fault]) -> dict[str, Any]:
    """Leave out actions that YAML took for a truth value, as it does with `no` and `off`."""
    for field in ACTIONS:
        if isinstance(spec.get(field), bool):
            word, read = ("refresh", "true") if spec[field] else ("ignore", "false")
            faults.append(Fault(f"{where}.{field}", f"YAML reads that as {read}; write `{field}: {word}`"))
    return {name: value for name, value in spec.items() if name not in ACTIONS or not isinstance(value, bool)}


def _located(faults: list[Fault], lines: dict[str, int]) -> list[str]:
    """Put the line before each fault: its own, or that of the nearest thing around it."""

    def line(where: str) -> int:
        while where and where not in lines:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return lines.get(where, 1)

    ordered = sorted(faults, key=lambda fault: line(fault.where))
    return [f"line {line(fault.where)}: {fault.where + ': ' if fault.where else ''}{fault.what}" for fault in ordered]
