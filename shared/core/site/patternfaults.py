"""A pattern of keys in; why it cannot mean what its writer meant out, and what to write instead."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator

from shared.core.site.domains import domain_name
from shared.core.site.globs import is_wild, may_lie_below
from shared.core.site.regexfaults import regex_fault

KEY_BYTES_MAX = 1_023

_QUOTES = "\"'`\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\xab\xbb\u2039\u203a"
"""Straight ones, and those that word processors make of them."""
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/]*/*")
_QUERY = re.compile(r"\?[\w.-]+=.*", re.DOTALL)
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_CHOICE = re.compile(r"\{[^{}]*,[^{}]*\}")
_PLACEHOLDER = re.compile(r"\{(?:url|dir|folder|name|stem)\}")
_DOTFILES = re.compile(r"(?<=[^*]/)\.\*")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_OPTIONAL = re.compile(r"[A-Za-z]\?[A-Za-z]")
_ANY_QUERY = re.compile(r"(?<=\.\w{2})\?\*$|(?<=\.\w{3})\?\*$|(?<=\.\w{4})\?\*$")
_ENDING = re.compile(r"\.\w{1,5}")


def key_fault(text: str) -> str:
    """Tell why no key is, or begins with, a text; nothing where one may."""
    if len(text.encode(errors="replace")) > KEY_BYTES_MAX:
        return "is longer than a key can be, 1,023 bytes"
    bare = text.strip()
    if len(bare) > 1 and bare[0] in _QUOTES and bare[-1] in _QUOTES:
        return f'has quotes as a part of it; write "{bare[1:-1]:.80}", in the straight quotes that YAML takes away'
    if bare != text:
        return f"begins or ends with a space; write {bare!r:.80}"
    if found := _URL.match(text):
        return f"is a URL, and keys begin with neither a scheme nor a host; write {text[found.end() :] or '**'!r:.80}"
    if _DOTS.search(text):
        better = posixpath.normpath("/" + text).lstrip("/") + "/" * text.endswith("/")
        return f"has a segment `.` or `..`, which leads nowhere in a key; write {better.lstrip('/') or '**'!r:.80}"
    return ""


def prefix_fault(prefix: str, domains: Collection[str] = ()) -> str:
    """Tell why no key begins with a prefix."""
    first, mark, rest = prefix.partition("/")
    if "\\" in prefix and key_fault(prefix.replace("\\", "/")) == "":
        return f"has a backslash, and folders of keys end with `/`; write {prefix.replace(chr(92), '/')!r:.80}"
    if mark and domain_name(first) in domains:
        return "begins with a domain, as no key does; " + (f"write {rest!r:.80}" if rest else "leave it away")
    return key_fault(prefix)


def pattern_fault(pattern: str, prefix: str, domains: Collection[str] = ()) -> str:
    """Tell why a pattern fits no key below a prefix, or others than was meant; nothing where it may be right.

    `domains` are those of the site, with which no key begins.
    """
    fault = _shape_fault(pattern) or _folder_fault(pattern, domains) or _prefix_fault(pattern, prefix)
    return f"{pattern!r:.80} {fault}" if fault else ""


def prefix_doubts(prefix: str, bucket: str, *, is_bare: bool) -> Iterator[str]:
    """Tell what about a prefix may surprise; `is_bare` where no path takes its place in URLs."""
    shown = f"its prefix {prefix!r:.80}"
    if prefix and not prefix.endswith("/") and is_bare:
        also = f"keys such as {prefix:.80}-old/a.js and {prefix:.80}.html"
        yield f"{shown} takes {also}, too; write `prefix: {prefix:.80}/` if a folder is meant"
    if prefix.startswith(f"{bucket}/"):
        yield f"{shown} begins with the bucket's name, of which keys are free"
    if encoded := _ENCODED.search(prefix):
        yield f"{shown}: keys are not percent-encoded, so {encoded[0]!r} fits only these three characters"
    if "//" in prefix:
        yield f"{shown} has `//`, a folder without a name"


def pattern_doubt(pattern: str) -> str:
    """Tell what about a pattern may surprise."""
    better = _DOTFILES.sub("**", pattern, count=1)
    encoded = _ENCODED.search(pattern)
    is_folder = is_wild(pattern) and pattern.endswith("/") and pattern.strip("*/")
    doubts = (
        (better != pattern, f": `.*` fits names that begin with a dot; everything below the folder is {better!r:.80}"),
        (pattern.startswith(".*"), ": `.*` fits names that begin with a dot; every key is '**'"),
        (is_folder, f" fits only objects that stand for folders themselves; all in these is {pattern + '**'!r:.80}"),
        (encoded, f": keys are not percent-encoded, so {encoded and encoded[0]!r} fits only these three characters"),
        (_OPTIONAL.search(pattern), ": `?` stands for one character that is there; write one pattern for each name"),
        ("#" in pattern, ": keys have no fragment; `#` fits this very character"),
        (not is_wild(pattern) and "/" not in pattern, _name_doubt(pattern)),
    )
    return next((f"{pattern!r:.80}{doubt}" for is_so, doubt in doubts if is_so and doubt), "")


def _name_doubt(pattern: str) -> str:
    only = " fits only objects of that very name"
    if _ENDING.fullmatch(pattern):
        return f"{only}; names that end so are {'*' + pattern!r:.80}"
    return "" if "." in pattern else f"{only}; what is in such folders is {'**/' + pattern + '/**'!r:.80}"


def _shape_fault(pattern: str) -> str:
    if not pattern.strip("/"):
        return "is no pattern; `**` fits every key"
    if pattern.startswith("./"):
        return f"begins with `./`, as no key does; write {pattern[1:]!r:.80} for the top"
    return key_fault(pattern) or next(filter(None, (find(pattern) for find in _FINDERS)), "")


def _words_fault(pattern: str) -> str:
    if pattern.startswith("!"):
        return "begins with `!`, which takes nothing back here; put what is ignored under `exclude`"
    if regex := regex_fault(pattern):
        return regex
    if choice := _CHOICE.search(pattern):
        head, tail = pattern[: choice.start()], pattern[choice.end() :]
        written = " and ".join(repr(head + each.strip() + tail) for each in choice[0][1:-1].split(",")[:4])
        return f"has a choice in braces, which patterns have not; write one for each: {written:.200}"
    better = _PLACEHOLDER.sub("*", pattern)
    return f"has a part of a path in braces; write {better!r:.80}" if better != pattern else ""


def _query_fault(pattern: str) -> str:
    if found := _ANY_QUERY.search(pattern):
        bare = pattern[: found.start()]
        return (
            f'looks like any query, as no key has; write {bare!r:.80} under `keys`, and "{{url}}" under `every_query`'
        )
    if not (found := _QUERY.search(pattern)):
        return ""
    bare, query = pattern[: found.start()] or "**", "{url}" + found[0]
    return f'has a query, as no key does; write {bare!r:.80} under `keys`, and "{query:.80}" under `urls`'


def _several_fault(pattern: str) -> str:
    """Find lists in one text: parts of which each is a pattern by its wildcard, or ends names."""
    for sign in (",", ";", "|", None):
        parts = [part.strip() for part in pattern.split(sign)]
        is_list = all(part.startswith("*.") or ("*" in part and sign is not None) for part in parts)
        if len(parts) > 1 and is_list:
            written = ", ".join(f'"{part:.40}"' for part in parts[:4])
            return f"is {len(parts)} patterns in one text; write {written}"
    return ""


def _folder_fault(pattern: str, domains: Collection[str]) -> str:
    first, mark, rest = pattern.lstrip("/").partition("/")
    if mark and domain_name(first) in domains:
        return f"begins with a domain, as no key does; write {rest or '**'!r:.80}"
    if pattern.endswith("/") and not is_wild(pattern):
        below = pattern + "**"
        anywhere = f"; in any folder it is {'**/' + below!r:.80}" if pattern.count("/") == 1 else ""
        return (
            f"fits only the object that stands for the folder itself; write {below!r:.80} for what is in it{anywhere}"
        )
    return ""


def _prefix_fault(pattern: str, prefix: str) -> str:
    if may_lie_below(pattern, prefix):
        return ""
    inner = pattern.lstrip("/")
    return (
        f"can never fit: it is held against whole keys, and those of this site begin with {prefix!r:.80}; "
        f"write {prefix + ('' if prefix.endswith('/') else '*/') + inner!r:.120}"
    )


_FINDERS = (_words_fault, _query_fault, _several_fault)
