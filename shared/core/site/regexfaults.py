"""A pattern in that was written as a regular expression; the patterns that say the same out."""

from __future__ import annotations

import re

_SIGNS = (
    (re.compile(r"[@+!?*]\([^()]*\|[^()]*\)"), "a choice of shells"),
    (re.compile(r"\[!"), "a set of characters"),
    (re.compile(r"^\^"), "`^`"),
    (re.compile(r"\$$"), "`$`"),
    (re.compile(r"\\"), "a backslash"),
    (re.compile(r"\.\+"), "`.+`"),
    (re.compile(r"\((?:\?|[^()]*\|)"), "a group in parentheses"),
    (re.compile(r"\[(?:\^|[A-Za-z0-9]-[A-Za-z0-9])"), "a set of characters"),
    (re.compile(r"\{\d*,?\d*\}"), "a count in braces"),
)
_CHOICE = re.compile(r"\((?:\?:|\?i:)?([^()]*)\)")
_SHELL = re.compile(r"[@+!?*]\((?=[^?()]*\))")
_FLAGS = re.compile(r"\(\?[a-z]+\)")
_OPTIONAL = re.compile(r"([A-Za-z0-9])\?")
_COUNT = r"(?:[*+?]\??|\{\d*,?\d*\})"
_PARTS = re.compile(
    rf"(?P<segment>\[\^/\]{_COUNT})|(?P<set>(?:\[[^\]]*\]|\\[dDwWsS])(?P<count>{_COUNT})?)"
    rf"|(?P<any>\.{_COUNT})|\\(?P<escaped>.)|(?P<other>.)",
    re.DOTALL,
)
_PATTERNS_MAX = 4


def regex_fault(pattern: str) -> str:
    """Tell by which sign a pattern is a regular expression, and which patterns to write; nothing where it is none."""
    if not (sign := _sign(pattern)):
        return ""
    written = [each for each in dict.fromkeys(map(_glob, _choices(pattern))) if not _sign(each)]
    shown = " and ".join(f"{each!r:.80}" for each in written[:_PATTERNS_MAX])
    more = " and so on" if len(written) > _PATTERNS_MAX else ""
    return (
        f"looks like a regular expression ({sign}); patterns have `*`, `?` and `**`"
        + (f": write {shown}{more}," if written else ",")
        + " and `?` where a key has this very character"
    )


def _sign(pattern: str) -> str:
    return next((what for found, what in _SIGNS if found.search(pattern)), "")


def _choices(regex: str) -> list[str]:
    """Write out each choice that groups leave, innermost groups first; some more than are shown, at most."""
    found = [_OPTIONAL.sub(r"(\1|)", _FLAGS.sub("", _SHELL.sub("(", regex)))]
    while any(map(_CHOICE.search, found)):
        found = [way for each in found for way in _ways(each)][: _PATTERNS_MAX + 1]
    return found


def _ways(regex: str) -> list[str]:
    group = _CHOICE.search(regex)
    if not group:
        return [regex]
    return [regex[: group.start()] + way + regex[group.end() :] for way in group[1].split("|")]


def _glob(regex: str) -> str:
    """Write a regular expression without groups as a pattern: at the top where it says `^`."""
    is_at_top = regex.startswith("^")
    text = "".join(map(_part, _PARTS.finditer(regex.removeprefix("^").removesuffix("$"))))
    text = re.sub(r"\*{3,}", "**", text)
    if is_at_top and "/" not in text:
        return "**" if text in {"", "**"} else f"/{text}"
    if "/" not in text:
        text = text.replace("**", "*")
    if text.endswith("/"):
        text += "**"
    return f"*{text}" if text.startswith(".") else text.removeprefix("/") or "**"


def _part(found: re.Match[str]) -> str:
    if found["segment"]:
        return "*"
    if found["set"]:
        return "*" if found["count"] else "?"
    if found["any"]:
        return "**"
    return found["escaped"] or found["other"]
