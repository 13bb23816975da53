"""The sites of a simulated team, as data: written out for the functions to read, and read by the oracle its own way.

Nothing here uses the functions' code: which URLs serve an object is worked out a second time, from the meaning of the
words of a site file.
"""

from __future__ import annotations

import json
import posixpath
import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~/")
BROWSERS_SEND = UNRESERVED | frozenset("!$&'()*+,;=:@|[]")
"""What browsers send as it is in a path; of `^` some do and some do not."""
URL_CHARACTERS_MAX = 1_024

REFRESH, PREFETCH, BOTH, IGNORE = "refresh", "prefetch", "refresh-then-prefetch", "ignore"
BROWSER, STRICT, URI, COMPONENT, RAW, LOWER_CASE = "browser", "strict", "uri", "component", "raw", "lower-case"
KEPT_BESIDE = {URI: "!$&'()*+,;=:@", COMPONENT: "!'()*"}
FILE, DIRECTORY, EVERY_QUERY = "file", "directory", "ignoreparams"
SOME_QUERY = "?nobody=listed&this=1"
"""A query that readers use where every one is said to be refreshed."""


@dataclass(frozen=True)
class KeyRule:
    """What else goes stale with keys that fit one of some patterns (none: every key), or what a change of them asks."""

    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    every_query: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    created: str = ""
    new: str = ""

    def describe(self) -> dict[str, object]:
        """Give this rule as an entry of a site file."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Site:
    """The objects below `prefix` are served below `path` of each domain."""

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
    rules: tuple[KeyRule, ...] = ()
    spellings: tuple[str, ...] = (BROWSER, STRICT)
    whole_domain: bool = False
    when_spent: str = "wait"
    follow_links: bool = False

    def all_rules(self) -> tuple[KeyRule, ...]:
        """Give the rules that a site file has for this site."""
        queries = KeyRule(urls=tuple("{url}?" + query for query in self.queries))
        return (*self.rules, queries) if self.queries else self.rules

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
            "rules": [rule.describe() for rule in self.all_rules()],
            "created": self.created,
            "spellings": list(self.spellings),
            "whole_domain": self.whole_domain,
            "when_spent": self.when_spent,
        }
        if self.index:
            described["index"] = self.index
        if self.follow_links:
            described["follow_links"] = True
        if self.new:
            described["new"] = self.new
        return described


@dataclass(frozen=True)
class Want:
    """What one write asks of the CDN; `follow` asks for a prefetch after the refresh.

    `instead` is a directory that does as well, once the units of what is wanted are spent.
    """

    kind: str
    form: str
    url: str
    follow: bool = False
    instead: str = ""


def site_file(sites: Iterable[Site], bucket: str) -> str:
    """Write a site file; JSON is YAML too."""
    return json.dumps({"sites": [site.describe(bucket) for site in sites]})


def fits(pattern: str, key: str) -> bool:
    """Tell whether a key fits a pattern: `*` and `?` stay in a folder, `**` does not; without `/` names are meant."""
    text, whole = ("/" + key, "/" + pattern.removeprefix("/")) if "/" in pattern else (posixpath.basename(key), pattern)
    words = {"/**/": "/(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.findall(r"/\*\*/|\*\*|[*?]|[^*?/]+|/", whole)
    return re.fullmatch("".join(words.get(piece) or re.escape(piece) for piece in pieces), text, re.DOTALL) is not None


def spelled(text: str, spelling: str) -> list[str]:
    """Write a path as one kind of client does."""
    if spelling in {STRICT, URI, COMPONENT, LOWER_CASE}:
        digits = "%{:02x}" if spelling == LOWER_CASE else "%{:02X}"
        kept = UNRESERVED | frozenset(KEPT_BESIDE.get(spelling, ""))
        return ["".join(each if each in kept else _hex(each, digits) for each in text)]
    written = "".join(
        each if each in BROWSERS_SEND or (spelling == RAW and _is_raw(each)) else _hex(each) for each in text
    )
    return [written, written.replace("%5E", "^")] if spelling == BROWSER else [written]


def _is_raw(character: str) -> bool:
    return character >= "\xa0" and character not in "\u2028\u2029"


def _hex(character: str, digits: str = "%{:02X}") -> str:
    return "".join(digits.format(byte) for byte in character.encode())


def own_paths(site: Site, key: str) -> list[str]:
    """List the paths of an object itself, in each spelling that differs."""
    rest = key[len(site.prefix) :]
    return list(dict.fromkeys(site.path + path for spelling in site.spellings for path in spelled(rest, spelling)))


def filled(template: str, path: str) -> str:
    """Fill a template in for a path; nothing where that is no path."""
    folder, name = path.rpartition("/")[::2]
    stem = posixpath.splitext(name)[0]
    text = template.format(url=path, dir=folder + "/", folder=folder, name=name, stem=stem)
    return text if text.startswith("/") else ""


def rules_of(site: Site, key: str) -> list[KeyRule]:
    """List the rules that are about a key."""
    return [rule for rule in site.all_rules() if not rule.keys or any(fits(pattern, key) for pattern in rule.keys)]


def stale(site: Site, key: str) -> dict[tuple[str, str], int]:
    """Give what goes stale with a key, by form and path, each with the number of its spelling, counted from 0."""
    own = own_paths(site, key)
    found: dict[tuple[str, str], int] = {}

    def add(form: str, templates: Iterable[str]) -> None:
        for template in templates:
            for number, path in enumerate(dict.fromkeys(filled(template, path) for path in own)):
                if path:
                    found[form, path] = min(number, found.get((form, path), number))

    add(FILE, ["{url}"])
    if site.index and posixpath.basename(key) == site.index:
        add(FILE, ["{dir}"])
    for rule in rules_of(site, key):
        add(FILE, [*rule.urls, *rule.every_query])
        add(EVERY_QUERY, rule.every_query)
        add(DIRECTORY, rule.directories)
    return found


def urls(site: Site, domain: str, key: str) -> list[str]:
    """List URLs under which readers ask a domain for an object."""
    paths = [path + (SOME_QUERY if form == EVERY_QUERY else "") for form, path in stale(site, key) if form != DIRECTORY]
    return [f"https://{domain}{path}" for path in paths]


def wants(sites: Iterable[Site], key: str, action: str) -> list[Want]:
    """List what a write asks for. `action` is created, new (nothing was there before) or removed."""
    return [want for site in sites if serves(site, key) for want in _wants_of(site, key, action)]


def serves(site: Site, key: str) -> bool:
    """Tell whether a site's files include a key."""
    return key.startswith(site.prefix) and not key.endswith(site.ignored_suffixes or ("\0",))


def action_of(site: Site, key: str, action: str) -> str:
    """Tell what a write asks for: of the rules about its key the first that says so, else the site decides."""
    if action == "removed":
        return REFRESH
    said = [(rule.created, rule.new) for rule in rules_of(site, key)]
    for created, new in (*said, (site.created, site.new)):
        then = new if action == "new" and new else created
        if then:
            return then
    return REFRESH


def _wants_of(site: Site, key: str, action: str) -> Iterator[Want]:
    then = action_of(site, key, action)
    if then == IGNORE:
        return
    for domain in site.domains:
        for (form, path), number in stale(site, key).items():
            url = f"https://{domain}{path}"
            if then == PREFETCH and form == FILE:
                if not url.endswith("/") and _characters(url) <= URL_CHARACTERS_MAX and not number:
                    yield Want(PREFETCH, "preload", url)
                continue
            if _characters(url) > URL_CHARACTERS_MAX or (domain in site.whole_directories and form != DIRECTORY):
                form, url = DIRECTORY, _directory(url)  # noqa: PLW2901 - what can be asked of the CDN in its place
            if form == DIRECTORY and not _is_allowed(site, url):
                continue
            instead = _directory(url) if form == EVERY_QUERY and site.when_spent == DIRECTORY else ""
            follow = then == BOTH and form == FILE and not url.endswith("/") and not number
            yield Want(REFRESH, form, url, follow, instead if _is_allowed(site, instead) else "")


def reaching(url: str) -> list[tuple[str, tuple[str, ...]]]:
    """List what reaches a URL when it is refreshed, each with the forms in which it does: itself, and its folders."""
    bare = url.partition("?")[0]
    host_ends = bare.find("/", len("https://"))
    folders = [bare[: end + 1] for end, sign in enumerate(bare) if sign == "/" and end >= host_ends]
    forms: dict[str, tuple[str, ...]] = {url: (FILE, DIRECTORY, EVERY_QUERY)}
    forms.setdefault(bare, (EVERY_QUERY,))
    return [*forms.items(), *((folder, (DIRECTORY,)) for folder in folders if folder not in forms)]


def _is_allowed(site: Site, directory: str) -> bool:
    """Tell whether a directory is less than a domain, also for whoever resolves dots and merges slashes."""
    path = "/" + directory.partition("://")[2].partition("/")[2]
    return site.whole_domain or posixpath.normpath(re.sub("/+", "/", path)) != "/"


def _characters(url: str) -> int:
    return len(url.encode())


def _directory(url: str) -> str:
    """Cut a URL back to the deepest directory that is short enough."""
    directory = url.partition("?")[0].rpartition("/")[0] + "/"
    while _characters(directory) > URL_CHARACTERS_MAX:
        directory = directory[:-1].rpartition("/")[0] + "/"
    return directory
