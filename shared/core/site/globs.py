"""A pattern of keys in; which keys it fits out, in time that grows with the key's length and not with its wildcards.

`*` and `?` stay inside a segment, `**` crosses `/`, and `**/` stands for no folder or any. All else stands for itself.
A pattern without `/` is held against a key's last segment, one with a `/` in front against keys at the top.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import msgspec

Fits = Callable[[str], bool]

_WILD = re.compile(r"(?<![^/])\*\*/|\*{2,}|\*|\?")
_REGEX_WILDCARDS_MAX = 2
_REGEX = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_PATTERNS_MAX = 16_384


class Parts(msgspec.Struct, frozen=True):
    """A pattern cut at its wildcards: `texts` are what stands around them, one more than there are `wilds`."""

    texts: tuple[str, ...]
    wilds: tuple[str, ...]
    is_floating: bool
    """Whether it is held against the last segment of keys, in any folder."""

    @property
    def head(self) -> str:
        """What keys (or their last segments) that it fits begin with."""
        return self.texts[0]

    @property
    def tail(self) -> str:
        """What they end with."""
        return self.texts[-1]


def parts_of(pattern: str) -> Parts:
    """Cut a pattern at its wildcards."""
    is_floating = "/" not in pattern
    pattern = pattern.removeprefix("/")
    if "*" not in pattern and "?" not in pattern:
        return Parts((pattern,), (), is_floating)
    wilds = tuple("**" if each.startswith("**") and each[-1] == "*" else each for each in _WILD.findall(pattern))
    return Parts(tuple(_WILD.split(pattern)), wilds, is_floating)


def matches(pattern: str, key: str) -> bool:
    """Whether a key fits a pattern."""
    return fits(pattern)(key)


@functools.lru_cache(maxsize=_PATTERNS_MAX)
def fits(pattern: str) -> Fits:
    """Make the function that tells whether a key fits a pattern."""
    parts = parts_of(pattern)
    inner = _inner(parts)
    if not parts.is_floating:
        return inner
    return lambda key: inner(key[key.rfind("/") + 1 :])


def _inner(parts: Parts) -> Fits:
    if not parts.wilds:
        return parts.head.__eq__
    if len(parts.wilds) == 1:
        return _around_one(parts.head, parts.wilds[0], parts.tail)
    if len(parts.wilds) > _REGEX_WILDCARDS_MAX:
        return Automaton(parts).fits
    pieces = [re.escape(parts.head)]
    pieces += [_REGEX[wild] + re.escape(text) for wild, text in zip(parts.wilds, parts.texts[1:], strict=True)]
    found = re.compile("".join(pieces), re.DOTALL).fullmatch
    return lambda text: found(text) is not None


def _around_one(head: str, wild: str, tail: str) -> Fits:
    least = len(head) + len(tail)

    def fits_around(text: str) -> bool:
        if len(text) < least or not text.startswith(head) or not text.endswith(tail):
            return False
        middle = text[len(head) : len(text) - len(tail)]
        if wild == "**":
            return True
        if wild == "**/":
            return not middle or middle.endswith("/")
        return "/" not in middle and (wild == "*" or len(middle) == 1)

    return fits_around


class Automaton:
    """A pattern as a set of states that a key is read through: each character costs the same, whatever came before.

    Bit N is set where the first N tokens are read. A star stays where it is or goes on; `**/` is three tokens, a place
    from which it may be passed over, a star, and a `/`.
    """

    def __init__(self, parts: Parts) -> None:
        self._literal: dict[str, int] = {}
        self._one = self._segment = self._any = self._skip = 0
        """Places before a `?`, at a `*`, at a `**`, and before a `**/`."""
        place = 0
        for text, wild in zip(parts.texts, (*parts.wilds, ""), strict=True):
            for character in text:
                self._literal[character] = self._literal.get(character, 0) | 1 << place
                place += 1
            self._one |= (wild == "?") << place
            self._segment |= (wild == "*") << place
            self._skip |= (wild == "**/") << place
            place += wild == "**/"
            self._any |= wild.startswith("**") << place
            place += bool(wild)
            if wild == "**/":
                self._literal["/"] = self._literal.get("/", 0) | 1 << place
                place += 1
        self._end = 1 << place

    def fits(self, text: str) -> bool:
        """Whether the pattern stands for a text."""
        return bool(self._states(text) & self._end)

    def may_begin(self, text: str) -> bool:
        """Whether the pattern stands for some text that begins with this one."""
        return self._states(text) != 0

    def _states(self, text: str) -> int:
        states = self._spread(1)
        for character in text:
            on = self._literal.get(character, 0) | (0 if character == "/" else self._one)
            stay = self._any | (0 if character == "/" else self._segment)
            states = self._spread((states & on) << 1 | states & stay)
            if not states:
                break
        return states

    def _spread(self, states: int) -> int:
        """Add what is reached without reading anything: behind stars, and behind a `**/` that stands for nothing."""
        stars = self._segment | self._any
        while True:
            more = states | (states & (stars | self._skip)) << 1 | (states & self._skip) << 3
            if more == states:
                return states
            states = more


@functools.lru_cache(maxsize=_PATTERNS_MAX)
def may_lie_below(pattern: str, prefix: str) -> bool:
    """Whether a pattern fits any key that begins with a prefix."""
    parts = parts_of(pattern)
    return parts.is_floating or Automaton(parts).may_begin(prefix)


def is_wild(pattern: str) -> bool:
    """Whether a pattern stands for more than one name."""
    return "*" in pattern or "?" in pattern


def sample_of(pattern: str, prefix: str) -> str:
    """Make a key below a prefix that a pattern fits, as plain as can be."""
    parts = parts_of(pattern)
    fills = {"**/": "a/", "**": "a/b", "*": "a", "?": "a"}
    made = "".join(text + fills.get(wild, "") for text, wild in zip(parts.texts, (*parts.wilds, ""), strict=True))
    folder = prefix[: prefix.rfind("/") + 1]
    return folder + made if parts.is_floating else made


def folders_min(pattern: str) -> int:
    """Count the folders that a key lies in at least if a pattern fits it."""
    parts = parts_of(pattern)
    return 0 if parts.is_floating else sum(text.count("/") for text in parts.texts)
