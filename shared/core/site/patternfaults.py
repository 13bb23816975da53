"""A pattern of keys in; why it cannot mean what its writer meant out, and what to write instead."""

from __future__ import annotations

import re

from shared.core.site.globs import may_lie_below

KEY_BYTES_MAX = 1_023

_REGEX_SIGNS = (
    (re.compile(r"^\^"), "`^`"),
    (re.compile(r"\$$"), "`$`"),
    (re.compile(r"\\"), "a backslash"),
    (re.compile(r"\.\+"), "`.+`"),
    (re.compile(r"\((?:\?|[^()]*\|)"), "a group in parentheses"),
    (re.compile(r"\[(?:\^|[A-Za-z0-9]-[A-Za-z0-9])"), "a set of characters"),
    (re.compile(r"\{\d*,?\d*\}"), "a count in braces"),
)
_CHOICE = re.compile(r"\{[^{}]*,[^{}]*\}")
_PLACEHOLDER = re.compile(r"\{(?:url|dir|folder|name|stem)\}")
_DOTFILES = re.compile(r"(?<=[^*]/)\.\*")


def pattern_fault(pattern: str, prefix: str) -> str:
    """Tell why a pattern fits no key below a prefix, or others than was meant; nothing where it may be right."""
    fault = _shape_fault(pattern) or _prefix_fault(pattern, prefix)
    return f"{pattern!r:.80} {fault}" if fault else ""


def pattern_doubt(pattern: str) -> str:
    """Tell what about a pattern may surprise."""
    if _DOTFILES.search(pattern):
        better = _DOTFILES.sub("**", pattern, count=1)
        return f"{pattern!r:.80}: `.*` fits names that begin with a dot; everything below the folder is {better!r:.80}"
    return ""


def _shape_fault(pattern: str) -> str:
    faults = [
        (not pattern.strip("/"), "is no pattern; `**` fits every key"),
        (len(pattern.encode(errors="replace")) > KEY_BYTES_MAX, "is longer than a key can be, 1,023 bytes"),
        (
            pattern.startswith("!"),
            "begins with `!`, which takes nothing back here; put what is ignored under `exclude`",
        ),
        (pattern.startswith("./"), f"begins with `./`, as no key does; write {pattern[1:]!r:.80} for the top"),
    ]
    faults += [(sign.search(pattern) is not None, _regex_fault(pattern, what)) for sign, what in _REGEX_SIGNS]
    better = _PLACEHOLDER.sub("*", pattern)
    faults += [
        (_CHOICE.search(pattern) is not None, "has a choice in braces, which patterns have not; write one for each"),
        (better != pattern, f"has a part of a path in braces; write {better!r:.80}"),
    ]
    return next((fault for is_so, fault in faults if is_so), "")


def _regex_fault(pattern: str, sign: str) -> str:
    return (
        f"looks like a regular expression ({sign}); patterns have `*`, `?` and `**`: write {_glob(pattern)!r:.80},"
        " and `?` where a key has this very character"
    )


def _prefix_fault(pattern: str, prefix: str) -> str:
    if may_lie_below(pattern, prefix):
        return ""
    inner = pattern.lstrip("/")
    return (
        f"can never fit: it is held against whole keys, and those of this site begin with {prefix!r:.80}; "
        f"write {prefix + ('' if prefix.endswith('/') else '*/') + inner!r:.120}"
    )


def _glob(regex: str) -> str:
    """Guess the pattern that a simple regular expression stands for."""
    text = regex.removeprefix("^").removesuffix("$")
    text = re.sub(r"\((?:\?:)?([^()|]*)\|[^()]*\)", r"\1", text)
    text = re.sub(r"\[[^\]]*\][*+?]?", "*", text)
    text = re.sub(r"\\[dwDWsS][*+?]?|\{[\d,]+\}", "*", text)
    text = re.sub(r"/\.[*+](?=$)", "/**", text)
    text = re.sub(r"\.[*+]", "*", text)
    return re.sub(r"\\(.)", r"\1", text) or "**"
