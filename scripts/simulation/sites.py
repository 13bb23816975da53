"""The sites of a simulated team, as data: written out for the functions to read, and read by the oracle its own way.

Nothing here uses the functions' code: which URLs serve an object is worked out a second time, in a few lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
URL_CHARACTERS_MAX = 1_024

REFRESH, PREFETCH, BOTH = "refresh", "prefetch", "refresh-then-prefetch"


@dataclass(frozen=True)
class Rule:
    """One site: the objects below `prefix` are served below `path` of each domain."""

    name: str
    prefix: str
    path: str
    domains: tuple[str, ...]
    index: str = ""
    queries: tuple[str, ...] = ()
    ignored_suffixes: tuple[str, ...] = ()
    created: str = REFRESH
    new: str = ""
    whole_directories: frozenset[str] = field(default=frozenset())
    """Domains with a custom cache key: single URLs of them cannot be refreshed."""

    def describe(self, bucket: str) -> dict[str, object]:
        """Give this site as an entry of a site file."""
        described: dict[str, object] = {
            "name": self.name,
            "bucket": bucket,
            "prefix": self.prefix,
            "path": self.path,
            "domains": [
                {"name": name, "custom_cache_key": True} if name in self.whole_directories else name
                for name in self.domains
            ],
            "exclude": [f"*{suffix}" for suffix in self.ignored_suffixes],
            "variants": list(self.queries),
            "created": self.created,
        }
        if self.index:
            described["index"] = self.index
        if self.new:
            described["new"] = self.new
        return described


@dataclass(frozen=True)
class Want:
    """What one write asks of the CDN: `form` is file or directory; `follow` asks for a prefetch after the refresh."""

    kind: str
    form: str
    url: str
    follow: bool = False


def site_file(rules: Iterable[Rule], bucket: str) -> str:
    """Write a site file; JSON is YAML too."""
    return json.dumps({"sites": [rule.describe(bucket) for rule in rules]})


def encoded(path: str) -> str:
    """Percent-encode all but unreserved characters and slashes."""
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in path.encode())


def urls(rule: Rule, domain: str, key: str) -> list[str]:
    """List the URLs under which readers ask a domain for an object."""
    rest = key[len(rule.prefix) :]
    paths = [encoded(rest)]
    if rule.index and (rest == rule.index or rest.endswith("/" + rule.index)):
        paths.append(encoded(rest[: len(rest) - len(rule.index)]))
    return [f"https://{domain}{rule.path}{path}{query}" for path in paths for query in ("", *_marked(rule.queries))]


def wants(rules: Iterable[Rule], key: str, action: str) -> list[Want]:
    """List what a write asks for. `action` is created, new (nothing was there before) or removed."""
    return [want for rule in rules if serves(rule, key) for want in _wants_of(rule, key, action)]


def serves(rule: Rule, key: str) -> bool:
    """Tell whether a site's files include a key."""
    return key.startswith(rule.prefix) and not key.endswith(rule.ignored_suffixes or ("\0",))


def _wants_of(rule: Rule, key: str, action: str) -> Iterator[Want]:
    then = REFRESH if action == "removed" else rule.new if action == "new" and rule.new else rule.created
    for domain in rule.domains:
        for url in urls(rule, domain, key):
            if then == PREFETCH:
                if not url.endswith("/") and len(url) <= URL_CHARACTERS_MAX:
                    yield Want(PREFETCH, "preload", url)
            elif domain in rule.whole_directories or len(url) > URL_CHARACTERS_MAX:
                yield Want(REFRESH, "directory", _directory(url))
            else:
                yield Want(REFRESH, "file", url, follow=then == BOTH and not url.endswith("/"))


def _directory(url: str) -> str:
    """Cut a URL back to the deepest directory that is short enough."""
    directory = url.partition("?")[0].rpartition("/")[0] + "/"
    while len(directory) > URL_CHARACTERS_MAX:
        directory = directory[:-1].rpartition("/")[0] + "/"
    return directory


def _marked(queries: Iterable[str]) -> list[str]:
    return ["?" + query for query in queries]
