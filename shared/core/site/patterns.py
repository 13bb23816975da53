"""Patterns of keys in; an index out that tells quickly which of them fit a key, however many there are.

Most patterns begin with a folder, end with an extension, or are a name: each key is held only against those that
share one of these with it, and against the few that have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.core.site.globs import fits


class Index:
    """Patterns by number: each number (a rule) has some patterns, and none means every key."""

    def __init__(self, patterns: Iterable[Sequence[str]]) -> None:
        self._always: list[int] = []
        self._by_name: dict[str, list[tuple[int, str]]] = {}
        self._by_folder: dict[str, list[tuple[int, str]]] = {}
        self._by_extension: dict[str, list[tuple[int, str]]] = {}
        self._others: list[tuple[int, str]] = []
        for number, some in enumerate(patterns):
            if not some:
                self._always.append(number)
            for pattern in some:
                self._group(pattern).append((number, pattern))

    def matching(self, key: str) -> list[int]:
        """List the numbers that fit a key, in order."""
        name = key[key.rfind("/") + 1 :]
        dot = name.rfind(".")
        candidates = [
            *self._by_name.get(name, ()),
            *self._by_folder.get(key[: key.find("/") + 1], ()),
            *(self._by_extension.get(name[dot:], ()) if dot >= 0 else ()),
            *self._others,
        ]
        found = {number for number, pattern in candidates if fits(pattern)(key)}
        return sorted(found.union(self._always)) if found else self._always

    def _group(self, pattern: str) -> list[tuple[int, str]]:
        """Choose where a pattern stands; every key that it fits is looked up there."""
        inner = pattern.removeprefix("/")
        last = inner[inner.rfind("/") + 1 :]
        if "*" not in last and "?" not in last:
            return self._by_name.setdefault(last, [])
        folder = inner[: inner.find("/") + 1]
        if folder and "*" not in folder and "?" not in folder:
            return self._by_folder.setdefault(folder, [])
        tail = last[max(last.rfind("*"), last.rfind("?")) + 1 :]
        dot = tail.rfind(".")
        return self._by_extension.setdefault(tail[dot:], []) if dot >= 0 else self._others
