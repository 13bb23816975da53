"""The ObjectPath of a call goes in; URLs that were checked, and what each of them purges, come out.

Rules:
1. Items are separated by line feeds, with or without a carriage return; a comma separates nothing.
2. A URL names its cache copies by text: the host in any case, the scheme not at all, and path and query
   character by character, encoded as they were sent.
3. A directory is every path below it. `ignoreparams` is every query of one path.
4. A regex knows four building blocks, `[0-9]`, `[a-z]`, `[^/]*` and `.*`; a dot alone is a dot. It must
   match path and query from end to end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scripts.localcloud.cdn.errors import RefusedError

# The forms of a task, spelled as the vendor's task rows spell them. What rows say for ignore-params
# tasks is not documented.
FILE = "file"
DIRECTORY = "directory"
REGEX = "regex"
IGNORE_PARAMS = "ignoreparams"
PREFETCH = "preload"

# The vendor's Chinese pages say IgnoreParams and its English pages ExQuery, for the same thing.
REFRESH_FORMS = {
    "File": FILE,
    "Directory": DIRECTORY,
    "Regex": REGEX,
    "IgnoreParams": IGNORE_PARAMS,
    "ExQuery": IGNORE_PARAMS,
}

_URL = re.compile(r"https?://(?P<host>[^/?#\\@]+)(?P<target>/.*)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLOCK = re.compile(r"(\[0-9\]|\[a-z\]|\[\^/\]\*|\.\*)")
_OTHER_REGEX_SYNTAX = frozenset("[]*^$|\\(){}+")


@dataclass(frozen=True, slots=True)
class Purge:
    """What one refreshed URL removes from the caches, or with `force` false makes them revalidate."""

    form: str
    host: str
    path: str
    query: str
    force: bool

    @classmethod
    def of(cls, form: str, url: str, *, force: bool) -> Purge:
        """Read the purge from a URL that was checked. A single file is always removed."""
        host, target = split_url(url)
        path, _, query = target.partition("?")
        if form == REGEX:
            path, query = target, ""
        return cls(form, host, path, query, force=force or form == FILE)

    def pattern(self) -> re.Pattern[str]:
        """Compile the regex that path and query of a copy must match."""
        return compile_regex(self.path)


def split_url(url: str) -> tuple[str, str]:
    """Split a URL into its host, in lower case, and its path with query; ValueError if it is no URL."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(url)
    return match["host"].lower(), match["target"]


def split_items(object_path: str) -> list[str]:
    """Split the text of an ObjectPath into its items; empty lines are none."""
    return [item for item in object_path.replace("\r\n", "\n").split("\n") if item]


def check_url(form: str, url: str, chars_max: int) -> str:
    """Return the host of a URL if a task of this form may name it; else raise `RefusedError`."""
    if len(url) > chars_max or _CONTROL.search(url):
        raise RefusedError("InvalidObjectPath.Malformed", url=url)
    try:
        host, target = split_url(url)
    except ValueError:
        raise RefusedError("InvalidObjectPath.Malformed", url=url) from None
    if host.startswith("*."):
        raise RefusedError("InvalidExtensiveDomain.ValueNotSupported", domain=host)
    if "." not in host or not _target_fits(form, target):
        raise RefusedError("InvalidObjectPath.Malformed", url=url)
    return host


def _target_fits(form: str, target: str) -> bool:
    """Tell whether a path suits its form: a directory ends with a slash, for one, and a prefetch must not."""
    if form == DIRECTORY:
        return target.endswith("/") and "?" not in target
    if form == PREFETCH:
        return not target.endswith("/")
    if form == REGEX:
        return not any(_OTHER_REGEX_SYNTAX & set(text) for text in _BLOCK.split(target)[::2])
    return True


def compile_regex(target: str) -> re.Pattern[str]:
    """Compile a target of form `regex`: its blocks as they stand, all else literally."""
    parts = _BLOCK.split(target)
    parts[::2] = [re.escape(text) for text in parts[::2]]
    return re.compile("".join(parts))
