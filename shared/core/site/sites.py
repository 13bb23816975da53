"""What a site is: which objects of a bucket are served under which URLs, and what a change asks for."""

from __future__ import annotations

import functools
import re
from enum import Enum

import msgspec

from shared.core.task.model import Action, ObjectChange


class Then(str, Enum):
    """What a change asks for."""

    REFRESH = "refresh"
    PREFETCH = "prefetch"
    REFRESH_THEN_PREFETCH = "refresh-then-prefetch"
    IGNORE = "ignore"


class ThenRemoved(str, Enum):
    """What a removal asks for: there is nothing left to prefetch."""

    REFRESH = "refresh"
    IGNORE = "ignore"


class Domain(msgspec.Struct, frozen=True):
    """An accelerated domain. With a custom cache key the CDN cannot refresh single URLs of it."""

    name: str
    custom_cache_key: bool = False


class Variant(msgspec.Struct, frozen=True):
    """A query string under which objects are also requested; `match` narrows it to keys, empty means all."""

    query: str
    match: tuple[str, ...] = ()

    def applies_to(self, key: str) -> bool:
        """Whether an object is requested with this query."""
        return not self.match or any(matches(pattern, key) for pattern in self.match)


class Site(msgspec.Struct, frozen=True):
    """Objects of one bucket below one key prefix, and how they are served.

    `path` takes the place of `prefix` in URLs. `unescaped` are the characters that this site's clients
    send raw in paths although they are reserved in RFC 3986. `new` is None where new objects are
    treated like all created ones.
    """

    name: str
    bucket: str
    domains: tuple[Domain, ...]
    prefix: str = ""
    scheme: str = "https"
    path: str = "/"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    index: str = ""
    variants: tuple[Variant, ...] = ()
    created: Then = Then.REFRESH
    removed: ThenRemoved = ThenRemoved.REFRESH
    new: Then | None = None
    unescaped: str = ""

    def then(self, change: ObjectChange) -> Then:
        """Tell what a change of one of this site's objects asks for."""
        if change.action is Action.REMOVED:
            return Then(self.removed.value)
        return self.new if change.is_new and self.new is not None else self.created

    def reason_to_skip(self, change: ObjectChange) -> str | None:
        """Name the rule of this site that says to do nothing about a change, or None."""
        if self.include and not any(matches(pattern, change.key) for pattern in self.include):
            return "matches no include pattern"
        for pattern in self.exclude:
            if matches(pattern, change.key):
                return f"matches the exclude pattern {pattern!r}"
        if self.then(change) is Then.IGNORE:
            what = "new" if change.is_new and self.new is not None else change.action.value
            return f"{what} objects are ignored"
        return None


def matches(pattern: str, key: str) -> bool:
    """Whether a key fits a pattern: `*` and `?` stay inside a segment, `**` crosses `/`.

    A pattern without `/` is held against the last segment, as in a .gitignore file.
    """
    return _compiled(pattern).fullmatch(key if "/" in pattern else key.rsplit("/", 1)[-1]) is not None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"((?:^|(?<=/))\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(piece) or re.escape(piece) for piece in pieces), re.DOTALL)
