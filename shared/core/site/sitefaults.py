"""One site of a site file, as plain data, in; everything that cannot work of it out, each with its path.

Each field is looked at by itself, so that one fault hides no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shared.core.checked import Fault
from shared.core.site.domains import domain_fault, domain_name
from shared.core.site.globs import folders_min, is_wild
from shared.core.site.patternfaults import pattern_fault, prefix_fault
from shared.core.site.sites import EXCLUDE, INCLUDE, INDEX, Rule, Site
from shared.core.site.templates import DIRECTORIES, EVERY_QUERY, URLS, fault_of, filler, literal_path_fault

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
ACTIONS = ("created", "removed", "new")
_SAYS = (URLS, EVERY_QUERY, DIRECTORIES, *ACTIONS)


def text_faults(spec: dict[str, Any], where: str) -> Iterator[Fault]:
    """Find what types cannot say about the texts of a site."""

    def text(field: str) -> str | None:
        value = spec.get(field)
        return value if isinstance(value, str) else None

    bucket, scheme, index = text("bucket"), text("scheme"), text("index")
    if bucket is not None and not _BUCKET.fullmatch(bucket):
        what = "is no name of a bucket (3 to 63 lower-case letters, digits and hyphens)"
        yield Fault(f"{where}.bucket", f"{bucket!r:.80} {what}")
    if scheme is not None and scheme not in {"http", "https"}:
        yield Fault(f"{where}.scheme", f"{scheme!r:.60} is neither http nor https")
    if index and (set(index) & set("/*?,;{}") or index != index.strip()):
        what = "is no file name such as index.html: one, without `/` and wildcards; further ones are rules with `keys`"
        yield Fault(f"{where}.index", f"{index!r:.60} {what}")
    prefix, path = text("prefix") or "", text("path") or ""
    if prefix.startswith("/"):
        what = f"begins with `/`, as no key does; write {prefix.lstrip('/')!r:.80}"
        yield Fault(f"{where}.prefix", f"{prefix!r:.80} {what}")
    elif fault := prefix_fault(prefix, domains_of(spec)):
        yield Fault(f"{where}.prefix", f"{prefix!r:.80} {fault}")
    elif is_wild(prefix):
        what = "is no pattern, but what keys begin with; wildcards stand in `include` and in `keys` of rules: write"
        yield Fault(f"{where}.prefix", f"{prefix!r:.80} {what} {re.split('[*?]', prefix)[0]!r:.80}")
    if (path and (fault := literal_path_fault(path))) or (path and (fault := _joint_fault(prefix, path))):
        yield Fault(f"{where}.path", fault)


def domains_of(spec: dict[str, Any]) -> list[str]:
    """List the names of a site's domains, as far as they are texts."""
    named = [each.get("name") if isinstance(each, dict) else each for each in _items(spec.get("domains"))]
    return [domain_name(name) for name in named if isinstance(name, str)]


def _joint_fault(prefix: str, path: str) -> str:
    """Tell why a path cannot take the place of a prefix: both must end a folder, or neither."""
    if path.endswith("/") == (prefix.endswith("/") or not prefix):
        return ""
    if path.endswith("/"):
        key, other = f"{prefix}/a.js", f"{prefix}-old/b.js"
        return (
            f"{path!r:.80} ends with `/` and the prefix {prefix!r:.80} does not, so {key:.80} would be "
            f"{path + key.removeprefix(prefix):.80}, and {other:.80} {path + other.removeprefix(prefix):.80}; "
            f"write `prefix: {prefix}/`"
        )
    return f"must end with `/`, since it takes the place of the prefix {prefix!r:.80}; write {path + '/'!r:.80}"


def list_faults(spec: dict[str, Any], where: str) -> Iterator[Fault]:
    """Find what types cannot say about the lists of a site: domains, patterns, spellings, rules."""
    yield from _domain_faults(spec.get("domains"), f"{where}.domains")
    prefix = spec.get("prefix") if isinstance(spec.get("prefix"), str) else ""
    domains = domains_of(spec)
    for field in ("include", "exclude"):
        yield from _pattern_faults(spec.get(field), f"{where}.{field}", str(prefix), domains)
    spellings = spec.get("spellings")
    if isinstance(spellings, list):
        if not spellings:
            yield Fault(f"{where}.spellings", "needs at least one, or leave it away for browser and strict")
        for place, each in enumerate(spellings):
            if each in spellings[:place]:
                yield Fault(f"{where}.spellings[{place}]", f"{each!r:.60} is listed twice")
    for place, rule in enumerate(_items(spec.get("rules"))):
        if isinstance(rule, dict):
            yield from _rule_faults(rule, f"{where}.rules[{place}]", str(prefix), domains)


def _rule_faults(rule: dict[str, Any], where: str, prefix: str, domains: list[str]) -> Iterator[Fault]:
    if not any(rule.get(field) not in (None, []) for field in _SAYS):
        yield Fault(where, f"says nothing; give it one of {', '.join(_SAYS)}")
    if rule.get("name") in {EXCLUDE, INDEX, INCLUDE}:
        yield Fault(f"{where}.name", f"{rule['name']!r} is what logs call a short form; choose another")
    if rule.get("keys") == []:
        yield Fault(f"{where}.keys", "names no key; leave it away if every key is meant")
    yield from _pattern_faults(rule.get("keys"), f"{where}.keys", prefix, domains)
    for use in (URLS, EVERY_QUERY, DIRECTORIES):
        for place, template in enumerate(_items(rule.get(use))):
            if isinstance(template, str) and (fault := fault_of(template, use)):
                yield Fault(f"{where}.{use}[{place}]", fault)


def _pattern_faults(patterns: Any, where: str, prefix: str, domains: list[str]) -> Iterator[Fault]:
    for place, pattern in enumerate(_items(patterns)):
        if isinstance(pattern, str) and (fault := pattern_fault(pattern, prefix, domains)):
            yield Fault(f"{where}[{place}]", fault)


def _domain_faults(domains: Any, where: str) -> Iterator[Fault]:
    if domains == []:
        yield Fault(where, "needs at least one accelerated domain")
    seen: set[str] = set()
    for place, each in enumerate(_items(domains)):
        text = each.get("name") if isinstance(each, dict) else each
        if not isinstance(text, str):
            continue  # the type check says so
        fault = domain_fault(text)
        name = domain_name(text)
        if not fault and name in seen:
            fault = f"{text!r:.80} is listed twice"
        seen.add(name)
        if fault:
            yield Fault(f"{where}[{place}]", fault)


def whole_domain_faults(site: Site, where: str) -> Iterator[Fault]:
    """Find which tasks of a site may be a whole domain, which it has to allow or forbid in so many words."""
    say = "say `whole_domain: true` if that may be, or false if such keys are to stay stale there"
    keyed = [domain.name for domain in site.domains if domain.custom_cache_key]
    if keyed and site.folder == "/":
        what = f"is missing: on {keyed[0]} only directories can be refreshed, so a key at the top refreshes all of it"
        yield Fault(f"{where}.whole_domain", f"{what}; {say}")
    for rule in site.rules:
        for place, template in enumerate(rule.directories):
            if _may_be_whole(template, rule, site):
                what = f"{template!r:.80} may be all of the domain; name a folder, or {say}"
                yield Fault(f"{where}.rules[{rule_number(rule, site)}].directories[{place}]", what)


def _may_be_whole(template: str, rule: Rule, site: Site) -> bool:
    fill = filler(template)
    if fill(f"{site.folder}top.html") != "/":
        return False
    depth = site.prefix.count("/")
    is_at_top = not rule.keys or any(folders_min(pattern) <= depth for pattern in rule.keys)
    return is_at_top or fill("/some/folder/page.html") == "/"


def rule_number(rule: Rule, site: Site) -> int:
    """Tell which of the rules in the file this is: short forms stand before and behind them."""
    shorts = sum(each.name in {EXCLUDE, INDEX} for each in site.rules[: site.rules.index(rule)])
    return site.rules.index(rule) - shorts


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
