"""A domain as somebody wrote it in; its name as the CDN knows it out, or why the CDN can refresh nothing of it."""

from __future__ import annotations

import re

_HOST = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_SCHEME_PORT_PATH = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@]*@)?([^/:?#]*)(?:[:/?#].*)?", re.DOTALL)
_CDN_NAMES = re.compile(r"(?:.*\.)?(?:alikunlun|kunlun[a-z]{0,6}|queniu[a-z]{0,4}|cdngslb|tbcache|alicdn)\.(?:com|net)")
"""Zones of the names that the CDN itself gives to accelerated domains, as its console shows them."""

PLACEHOLDER = "replace-with-your-domain.example"
"""Stands in the shipped site file."""


def domain_name(text: str) -> str:
    """Give a name in lower case, without the dot at its end, in A-labels; as it is where that cannot be done."""
    name = text.strip().removesuffix(".").lower()
    if name.isascii():
        return name
    import idna  # noqa: PLC0415 - its tables take milliseconds to load, and most names need none

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return name


def domain_fault(text: str) -> str:
    """Tell why nothing of a domain can be refreshed, and what to write instead."""
    name = domain_name(text)
    if "*" in name or name.startswith("."):
        base = name.lstrip("*.") or "example.com"
        return (
            f"{text!r:.80}: the CDN refreshes no wildcard; name the sub-domains that are served, "
            f"such as www.{base:.60} and img.{base:.60}"
        )
    if not _HOST.fullmatch(name):
        inner = _SCHEME_PORT_PATH.fullmatch(name)
        better = domain_name(inner[1]) if inner else ""
        hint = (
            f"write {better}" if better != name and _HOST.fullmatch(better) else "write a name such as www.example.com"
        )
        return f"{text!r:.80} is no domain name, without scheme, port and path; {hint}"
    if name.endswith(".aliyuncs.com"):
        return f"{text!r:.80} is an endpoint of OSS; write the accelerated domain that users ask"
    if _CDN_NAMES.fullmatch(name):
        return (
            f"{text!r:.80} is the CDN's own name for a domain (its CNAME); write the accelerated domain that users ask"
        )
    return ""
