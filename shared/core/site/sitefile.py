"""The text of a site file (YAML) in, sites out, or every fault of the file at once with line and path."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec

from shared.core.checked import Fault, Invalid, check
from shared.core.site.plainyaml import plain
from shared.core.site.sites import Domain, Site, Then, ThenRemoved, Variant

_HOST = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_QUERY = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]+")
_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_MAY_STAY_RAW = frozenset("!$&'()*+,;=:@")
_PREFIX_BYTES_MAX = 1_023


class _SiteSpec(msgspec.Struct):
    bucket: str
    domains: tuple[str | Domain, ...]
    name: str = ""
    prefix: str = ""
    scheme: str = "https"
    path: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    index: str = ""
    variants: tuple[str | Variant, ...] = ()
    created: Then = Then.REFRESH
    removed: ThenRemoved = ThenRemoved.REFRESH
    new: Then | None = None
    unescaped: str = ""


class _File(msgspec.Struct):
    sites: tuple[_SiteSpec, ...]


def read_sites(text: str, source: str = "site file") -> tuple[Site, ...]:
    """Read a site file. Raises `Invalid` with all of its faults; `source` names the file in the message."""
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    read = plain(text, source, lines, faults)
    if not isinstance(read, dict) or not isinstance(read.get("sites"), list) or not read["sites"]:
        if not faults:
            faults.append(Fault("", "expected a list of at least one site under `sites:`"))
        raise Invalid(source, _located(faults, lines))
    check({**read, "sites": []}, _File, "", faults)
    sites = [site for index, spec in enumerate(read["sites"]) if (site := _site(spec, f"sites[{index}]", faults))]
    _check_names(sites, faults)
    if faults:
        raise Invalid(source, _located(faults, lines))
    return tuple(sites)


def _site(spec: Any, where: str, faults: list[Fault]) -> Site | None:
    """Check one site as far as it can be checked, whatever is wrong with it."""
    whole = check(spec, _SiteSpec, where, faults)
    if isinstance(spec, dict):
        _check_texts(spec, where, faults)
    if whole is None:
        return None
    return Site(
        name=whole.name or whole.bucket + (":" + whole.prefix if whole.prefix else ""),
        bucket=whole.bucket,
        domains=tuple(_domain(domain) for domain in whole.domains),
        prefix=whole.prefix,
        scheme=whole.scheme,
        path=whole.path or "/" + quote(whole.prefix, safe="/" + whole.unescaped, errors="replace"),
        include=whole.include,
        exclude=whole.exclude,
        index=whole.index,
        variants=tuple(Variant(each) if isinstance(each, str) else each for each in whole.variants),
        created=whole.created,
        removed=whole.removed,
        new=whole.new,
        unescaped=whole.unescaped,
    )


def _domain(domain: str | Domain) -> Domain:
    return Domain(domain) if isinstance(domain, str) else domain


def _check_texts(spec: dict[str, Any], where: str, faults: list[Fault]) -> None:
    """Check what types cannot say, each field by itself so that one fault hides no other."""

    def refuse(field: str, what: str) -> None:
        faults.append(Fault(f"{where}.{field}", what))

    for field, shape, what in (
        ("bucket", _BUCKET, "is no bucket name (3 to 63 lower-case letters, digits and hyphens)"),
        ("path", _PATH, "must begin with `/` and be percent-encoded"),
    ):
        text = spec.get(field)
        if isinstance(text, str) and (text or field == "bucket") and not shape.fullmatch(text):
            refuse(field, f"{text!r:.80} {what}")
    if isinstance(spec.get("scheme"), str) and spec["scheme"] not in {"http", "https"}:
        refuse("scheme", f"{spec['scheme']!r:.60} is neither http nor https")
    prefix = spec.get("prefix")
    if isinstance(prefix, str) and prefix.encode(errors="ignore").decode() != prefix:
        refuse("prefix", f"{prefix!r:.80} cannot be written in UTF-8, as keys are")
    if isinstance(prefix, str) and (prefix.startswith("/") or len(prefix.encode(errors="replace")) > _PREFIX_BYTES_MAX):
        refuse("prefix", "must not begin with `/` (keys do not) nor be longer than a key, 1,023 bytes")
    path = spec.get("path")
    if isinstance(path, str) and path and not path.endswith("/") and str(prefix or "/").endswith("/"):
        refuse("path", f"must end with `/`, since it takes the place of the prefix {prefix or ''!r}")
    if isinstance(spec.get("index"), str) and "/" in spec["index"]:
        refuse("index", f"{spec['index']!r:.60} is a file name such as index.html, without `/`")
    if isinstance(spec.get("unescaped"), str) and not set(spec["unescaped"]) <= _MAY_STAY_RAW:
        refuse("unescaped", f"may only hold {''.join(sorted(_MAY_STAY_RAW))}")
    _check_lists(spec, where, faults)


def _check_lists(spec: dict[str, Any], where: str, faults: list[Fault]) -> None:
    domains = spec.get("domains")
    if isinstance(domains, list):
        if not domains:
            faults.append(Fault(f"{where}.domains", "needs at least one accelerated domain"))
        names = [each.get("name") if isinstance(each, dict) else each for each in domains]
        for index, name in enumerate(names):
            fault = _domain_fault(name, names[:index])
            if fault:
                faults.append(Fault(f"{where}.domains[{index}]", fault))
    variants = spec.get("variants")
    for index, each in enumerate(variants if isinstance(variants, list) else []):
        query = each.get("query") if isinstance(each, dict) else each
        if isinstance(query, str) and not _QUERY.fullmatch(query):
            faults.append(
                Fault(f"{where}.variants[{index}]", f"{query!r:.80} is no query string (percent-encoded, without `?`)")
            )


def _domain_fault(name: Any, earlier: list[Any]) -> str | None:
    if not isinstance(name, str):
        return None  # the type check says so
    if "*" in name:
        return f"{name!r:.80}: the CDN refreshes no wildcard; list the domains that are served"
    if not _HOST.fullmatch(name):
        return f"{name!r:.80} is no domain name (lower case, without scheme, port or path)"
    if name.endswith(".aliyuncs.com"):
        return f"{name!r:.80} is an endpoint of OSS, not an accelerated domain"
    return f"{name!r} is listed twice" if name in earlier else None


def _check_names(sites: list[Site], faults: list[Fault]) -> None:
    seen: set[str] = set()
    for site in sites:
        if site.name in seen:
            faults.append(Fault("sites", f"two sites are called {site.name!r}; give each its own `name`"))
        seen.add(site.name)


def _located(faults: list[Fault], lines: dict[str, int]) -> list[str]:
    """Put the line before each fault: its own, or that of the nearest thing around it."""

    def line(where: str) -> int:
        while where and where not in lines:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return lines.get(where, 1)

    ordered = sorted(faults, key=lambda fault: line(fault.where))
    return [f"line {line(fault.where)}: {fault.where + ': ' if fault.where else ''}{fault.what}" for fault in ordered]
