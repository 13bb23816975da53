"""Patterns of keys in; an index out that tells quickly which of them fit a key, however many there are.

Most patterns begin with a folder, end with an extension, or are a name: each key is held only against those that
share one of these with it, and against the few that have none.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from shared.core.site.globs import fits, is_wild

Numbered = list[tuple[int, str]]


class Index:
    """Patterns by number: each number (a rule) has some patterns, and none means every key."""

    def __init__(self, patterns: Iterable[Sequence[str]]) -> None:
        self._always: list[int] = []
        self._by_sign: dict[str, Numbered] = {}
        self._others: Numbered = []
        for number, some in enumerate(patterns):
            if not some:
                self._always.append(number)
            for pattern in some:
                sign = _sign(pattern)
                group = self._by_sign.setdefault(sign, []) if sign else self._others
                group.append((number, pattern))

    def matching(self, key: str) -> list[int]:
        """List the numbers that fit a key, in order."""
        found = {number for number, pattern in self._others if fits(pattern)(key)}
        for sign in self._by_sign.keys() & _signs(key):
            found.update(number for number, pattern in self._by_sign[sign] if fits(pattern)(key))
        return sorted(found.union(self._always)) if found else self._always


def _sign(pattern: str) -> str:
    """Name what every key has that a pattern fits: a name, a folder with its `/`, or an extension."""
    *folders, last = pattern.removeprefix("/").split("/")
    if last and not is_wild(last):
        return last
    if named := next((folder for folder in folders if folder and not is_wild(folder)), ""):
        return named + "/"
    tail = last[max(last.rfind("*"), last.rfind("?")) + 1 :]
    dot = tail.rfind(".")
    return "*" + tail[dot:] if dot >= 0 else ""


@functools.lru_cache(maxsize=64)
def _signs(key: str) -> frozenset[str]:
    """List the signs that patterns which fit a key may have."""
    *folders, last = key.split("/")
    dot = last.rfind(".")
    return frozenset([last, *(folder + "/" for folder in folders), *(["*" + last[dot:]] if dot >= 0 else [])])
