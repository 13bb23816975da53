"""A viewer's request goes in; the page the caches hold, stale or fresh, comes out.

Rules:
1. A viewer asks a first-level node (L1); what that lacks it asks of the second level (L2), which asks the
   origin. `X-Cache` says what L1 did, `Via` what each node on the way did (H hit, M miss).
2. A copy is named by host, path and query as they were sent, encoded or not, whatever the scheme; a site may ignore
   queries.
3. A copy lasts for `s-maxage` or `max-age`, else for the site's default; `no-store`, `no-cache`, `private`
   and `max-age=0` are not kept. An error page without Cache-Control lasts one second, as the vendor's do.
4. A copy that expired is asked for again with its ETag and date; while the origin answers 5xx it is served
   as it is.
5. A refresh reaches every node; a prefetch fills L2 only. Whether an `ignoreparams` refresh means the URL without a
   query too is a switch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from scripts.localcloud.cdn.paths import DIRECTORY, FILE, IGNORE_PARAMS, Purge, split_url
from scripts.localcloud.clock import Clock
from scripts.localcloud.web import LOOPBACK_HOSTS, Request, Response

Origin = Callable[[str, str, Mapping[str, str]], Response]

# Statuses of which the vendor says that a page without Cache-Control is kept for one second.
SHORT_LIVED_STATUSES = frozenset({204, 305, 400, 403, 404, 405, 414, 500, 501, 502, 503, 504})
HIT, RENEWED, REPLACED, MISS, STALE, NOT_MODIFIED = (
    "HIT TCP_MEM_HIT",
    "HIT TCP_REFRESH_HIT",
    "MISS TCP_REFRESH_MISS",
    "MISS TCP_MISS",
    "STALE TCP_REFRESH_FAIL_HIT",
    "HIT TCP_IMS_HIT",
)
_MAX_AGE = re.compile(r"\b(s-maxage|max-age)\s*=\s*\"?(\d+)")
_UNCACHEABLE = re.compile(r"\b(no-store|no-cache|private)\b")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Site:
    """An accelerated domain: where it fetches, and how long it keeps what it got."""

    origin: Origin
    ignore_params: bool = False
    default_ttl_seconds: float = 86_400.0
    error_ttl_seconds: float = 1.0


class Key(NamedTuple):
    """What names a copy."""

    host: str
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Copy:
    """One page as a node holds it; header names are lower case, times are epoch seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    checked_at: float
    ttl_seconds: float
    expired: bool = False

    def fresh(self, now: float) -> bool:
        """Tell whether it may be served without asking."""
        return not self.expired and now < self.checked_at + self.ttl_seconds

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask whether this copy is still good."""
        pairs = (("if-none-match", "etag"), ("if-modified-since", "last-modified"))
        return {ask: self.headers[have] for ask, have in pairs if have in self.headers}

    def same_page(self, other: Copy) -> bool:
        """Tell whether both hold the same bytes, as far as ETag and date tell."""
        return self.status == other.status and self.conditions() == other.conditions() != {}


class _Found(NamedTuple):
    """A copy, what the node that was asked did to get it, and what each node on the way did."""

    copy: Copy
    outcome: str
    via: tuple[str, ...]


_Upstream = Callable[[Key, "Copy | None", float], _Found]


class _Node:
    """One cache, in front of its upstream."""

    def __init__(self, name: str, upstream: _Upstream) -> None:
        self.name = name
        self._upstream = upstream
        self._pages: dict[str, dict[str, dict[str, Copy]]] = {}

    def held(self, key: Key) -> Copy | None:
        """Return the copy under a key, without asking anybody."""
        return self._pages.get(key.host, {}).get(key.path, {}).get(key.query)

    def get(self, key: Key, now: float) -> _Found:
        """Serve a copy: the one held if it is fresh, else what the upstream says."""
        held = self.held(key)
        if held is not None and held.fresh(now):
            return _Found(held, HIT, (f"{self.name}[{held.status},H]",))
        found = self._upstream(key, held, now)
        if held is not None and held.status < 500 <= found.copy.status:
            found = _Found(held, STALE, found.via)
        self._keep(key, found.copy)
        outcome = _outcome(held, found)
        mark = "H" if outcome.startswith("HIT") else "M"
        return _Found(found.copy, outcome, (*found.via, f"{self.name}[{found.copy.status},{mark}]"))

    def purge(self, purge: Purge, *, spare_bare: bool) -> None:
        """Remove the copies a refresh names, or have them revalidated."""
        for key, copy in list(self._matching(purge, spare_bare=spare_bare)):
            if purge.force:
                self._drop(key)
            else:
                self._put(key, replace(copy, expired=True))

    def _keep(self, key: Key, copy: Copy) -> None:
        if copy.ttl_seconds > 0:
            self._put(key, copy)
        else:
            self._drop(key)

    def _put(self, key: Key, copy: Copy) -> None:
        self._pages.setdefault(key.host, {}).setdefault(key.path, {})[key.query] = copy

    def _drop(self, key: Key) -> None:
        paths = self._pages.get(key.host, {})
        queries = paths.get(key.path, {})
        queries.pop(key.query, None)
        if not queries:
            paths.pop(key.path, None)

    def _matching(self, purge: Purge, *, spare_bare: bool) -> Iterator[tuple[Key, Copy]]:
        """Return the copies a refresh names; a file and its queries are found without a search."""
        paths = self._pages.get(purge.host, {})
        if purge.form in {FILE, IGNORE_PARAMS}:
            names = [purge.path] if purge.path in paths else []
        elif purge.form == DIRECTORY:
            names = [path for path in paths if path.startswith(purge.path)]
        else:
            names = list(paths)
        wanted = _chooser(purge, spare_bare=spare_bare)
        for path in names:
            for query, copy in paths[path].items():
                if wanted(path, query):
                    yield Key(purge.host, path, query), copy


def _chooser(purge: Purge, *, spare_bare: bool) -> Callable[[str, str], bool]:
    """Tell which of the copies under the right paths a refresh means."""
    if purge.form == FILE:
        return lambda _path, query: query == purge.query
    if purge.form == IGNORE_PARAMS and spare_bare:
        return lambda _path, query: query != ""
    if purge.form in {DIRECTORY, IGNORE_PARAMS}:
        return lambda _path, _query: True
    pattern = purge.pattern()
    return lambda path, query: pattern.fullmatch(f"{path}?{query}" if query else path) is not None


def _outcome(held: Copy | None, found: _Found) -> str:
    """Name what a node did that had to ask."""
    if found.outcome == STALE:
        return STALE
    if held is None:
        return MISS
    return RENEWED if held.same_page(found.copy) else REPLACED


class Edge:
    """The caches of all accelerated domains: some L1 nodes, one L2 node, and each site's origin.

    A request to a loopback host is for `default_domain`. The header `x-edge-node` chooses an L1 node by
    number, from 1; without it the first answers. `origin_requests` counts by (host, status) what the
    origins were asked. With `ignore_params_spare_bare` a refresh of every query leaves the URL without one alone; it
    may be set at any time.
    """

    def __init__(self, clock: Clock, sites: Mapping[str, Site], *, default_domain: str = "", l1_nodes: int = 2) -> None:
        self.origin_requests: Counter[tuple[str, int]] = Counter()
        self.ignore_params_spare_bare = False
        self._clock = clock
        self._sites = {host.lower(): site for host, site in sites.items()}
        self._default_domain = default_domain.lower()
        self._l2 = _Node("cache1.l2", self._ask_origin)
        self._l1 = [_Node(f"cache{number}.l1", self._ask_l2) for number in range(1, l1_nodes + 1)]

    def handle(self, request: Request) -> Response:
        """Answer one viewer."""
        host = self._default_domain if request.host_name in LOOPBACK_HOSTS else request.host_name
        if host not in self._sites:
            return _plain(403, f"The domain {host} is not accelerated here.")
        if request.method not in {"GET", "HEAD"}:
            return _plain(405, "Only GET and HEAD are served.")
        number = request.header("x-edge-node", "1")
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= len(self._l1)):
            return _plain(400, f"x-edge-node is a number from 1 to {len(self._l1)}.")
        now = self._clock.now()
        found = self._l1[int(number) - 1].get(self._key(host, request.path, request.query), now)
        return _served(request, found, now)

    def refresh(self, purge: Purge) -> None:
        """Let a refresh take effect on every node, L2 first so that no L1 can fetch what is to go."""
        for node in (self._l2, *self._l1):
            node.purge(purge, spare_bare=self.ignore_params_spare_bare)

    def prefetch(self, url: str) -> str:
        """Let L2 fetch a URL unless it holds a fresh copy; say why that failed, or nothing."""
        host, target = split_url(url)
        if host not in self._sites:
            return "Internal Error"
        path, _, query = target.partition("?")
        status = self._l2.get(self._key(host, path, query), self._clock.now()).copy.status
        if status == 200:
            return ""
        return f"Origin Return StatusCode {'5XX' if status >= 500 else status}"

    def held(self, url: str) -> dict[str, Copy]:
        """Return the copies that nodes hold of a URL, by node, without fetching any: for tests and proofs."""
        host, target = split_url(url)
        path, _, query = target.partition("?")
        key = self._key(host, path, query)
        copies = ((node.name, node.held(key)) for node in (self._l2, *self._l1))
        return {name: copy for name, copy in copies if copy is not None}

    def _key(self, host: str, path: str, query: str) -> Key:
        site = self._sites.get(host)
        return Key(host, path or "/", "" if site is not None and site.ignore_params else query)

    def _ask_l2(self, key: Key, _held: Copy | None, now: float) -> _Found:
        return self._l2.get(key, now)

    def _ask_origin(self, key: Key, held: Copy | None, now: float) -> _Found:
        """Fetch a page, or with 304 prolong the copy held."""
        site = self._sites[key.host]
        response = site.origin(key.path, key.query, held.conditions() if held is not None else {})
        self.origin_requests[key.host, response.status] += 1
        headers = {name.lower(): value for name, value in response.headers.items()}
        if held is not None and response.status == 304:
            ttl = _ttl_seconds(site, held.status, {**held.headers, **headers})
            return _Found(replace(held, checked_at=now, ttl_seconds=ttl, expired=False), RENEWED, ())
        ttl = _ttl_seconds(site, response.status, headers)
        return _Found(Copy(response.status, headers, response.body, now, ttl), MISS, ())


def _ttl_seconds(site: Site, status: int, headers: Mapping[str, str]) -> float:
    """Return how long a page may be served without asking; 0 means that it is not kept."""
    control = headers.get("cache-control", "").lower()
    if _UNCACHEABLE.search(control) or "no-cache" in headers.get("pragma", "").lower():
        return 0.0
    if status != 200 and status not in SHORT_LIVED_STATUSES:
        return 0.0
    ages = {name: float(seconds) for name, seconds in _MAX_AGE.findall(control)}
    default = site.default_ttl_seconds if status == 200 else site.error_ttl_seconds
    return ages.get("s-maxage", ages.get("max-age", default))


def _served(request: Request, found: _Found, now: float) -> Response:
    """Write a copy as a reply: whole, in part, or as 304 if the viewer has it already."""
    copy = found.copy
    headers = {
        **{name: value for name, value in copy.headers.items() if name != "content-length"},
        "age": str(int(now - copy.checked_at)),
        "via": ", ".join(found.via),
        "x-cache": found.outcome,
        "x-swift-savetime": formatdate(copy.checked_at, usegmt=True),
        "x-swift-cachetime": str(int(copy.ttl_seconds)),
    }
    if copy.status == 200 and _viewer_has(request, copy):
        return Response(304, {**headers, "x-cache": NOT_MODIFIED if found.outcome == HIT else found.outcome})
    status, body = copy.status, copy.body
    if status == 200 and (part := _RANGE.fullmatch(request.header("range"))) is not None:
        status, body, headers["content-range"] = _part(copy.body, part[1], part[2])
    headers["content-length"] = str(len(body))
    return Response(status, headers, b"" if request.method == "HEAD" else body)


def _viewer_has(request: Request, copy: Copy) -> bool:
    """Tell whether the viewer's own copy, by its ETag or else by its date, is this one."""
    asked = request.header("if-none-match")
    if asked:
        return copy.headers.get("etag", "-") in [tag.strip() for tag in asked.split(",")]
    since = request.header("if-modified-since")
    return bool(since) and since == copy.headers.get("last-modified")


def _part(body: bytes, first: str, last: str) -> tuple[int, bytes, str]:
    """Cut the one range asked for out of a page: 206, or 416 if it lies outside."""
    size = len(body)
    start = int(first) if first else max(0, size - int(last or 0))
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        return 416, b"", f"bytes */{size}"
    return 206, body[start:stop], f"bytes {start}-{stop - 1}/{size}"


def _plain(status: int, text: str) -> Response:
    body = f"{text}\n".encode()
    return Response(status, {"content-type": "text/plain", "content-length": str(len(body))}, body)


class _Stored(Protocol):
    """What a bucket gives for a key."""

    @property
    def data(self) -> bytes: ...
    @property
    def etag(self) -> str: ...
    @property
    def modified(self) -> float: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class _Store(Protocol):
    """The part of the object store that an origin needs."""

    def read(self, bucket: str, key: str) -> Any: ...


def bucket_origin(store: _Store, bucket: str, *, index_document: str = "index.html") -> Origin:
    """Make an origin of a bucket, as its static website serves it; an empty `index_document` serves none."""

    def origin(path: str, _query: str, conditions: Mapping[str, str]) -> Response:
        key = unquote(path.removeprefix("/"))
        if index_document and (not key or key.endswith("/")):
            key += index_document
        stored: _Stored | None = store.read(bucket, key)
        if stored is None:
            return _no_such_key(key)
        headers = _object_headers(stored)
        if _unchanged(stored, headers["etag"], conditions):
            return Response(304, {**headers, "content-length": "0"})
        return Response(200, headers, stored.data)

    return origin


def _object_headers(stored: _Stored) -> dict[str, str]:
    return {
        "content-type": "application/octet-stream",
        **{name.lower(): value for name, value in stored.headers.items()},
        "etag": f'"{stored.etag.strip(chr(34))}"',
        "last-modified": formatdate(int(stored.modified), usegmt=True),
        "server": "AliyunOSS",
    }


def _unchanged(stored: _Stored, etag: str, conditions: Mapping[str, str]) -> bool:
    """Tell whether the caller's copy is still good: by ETag if it sent one, else by date."""
    if "if-none-match" in conditions:
        return conditions["if-none-match"] == etag
    since = conditions.get("if-modified-since")
    return since is not None and int(stored.modified) <= parsedate_to_datetime(since).timestamp()


def _no_such_key(key: str) -> Response:
    escaped = key.replace("&", "&amp;").replace("<", "&lt;")
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code>'
        f"<Message>The specified key does not exist.</Message><Key>{escaped}</Key></Error>"
    )
    return Response(404, {"content-type": "application/xml"}, text.encode(errors="replace"))
