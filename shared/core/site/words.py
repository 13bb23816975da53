"""A word that is not known in; the one that was probably meant out, also where it is called otherwise elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

CHARACTERS_MAX = 100
"""Of a word that is compared with the known ones: comparing takes the square of it."""

CLOSE = 0.7
"""How alike two words are that differ by a slip: `prefx` and `prefix` are, `style` and `stem` are not."""

_ALIKE: dict[str, str] = {
    "site": "sites",
    "domain": "domains",
    "host": "domains",
    "hosts": "domains",
    "cname": "domains",
    "key": "keys",
    "match": "keys",
    "matches": "keys",
    "pattern": "keys",
    "patterns": "keys",
    "files": "keys",
    "ignore": "exclude",
    "excludes": "exclude",
    "only": "include",
    "rule": "rules",
    "variants": "rules",
    "url": "urls",
    "paths": "urls",
    "aliases": "urls",
    "directory": "directories",
    "folders": "directories",
    "dirs": "directories",
    "dir": "directories",
    "ignore_params": "every_query",
    "all_queries": "every_query",
    "unescaped": "spellings",
    "encoding": "spellings",
    "spelling": "spellings",
    "deleted": "removed",
    "delete": "removed",
    "protocol": "scheme",
    "updated": "created",
    "modified": "created",
}
"""What others call things, and what we call them: where that is known in its place."""


def meant(word: str, known: Iterable[str], alike: Mapping[str, str] = _ALIKE) -> str:
    """Tell which of the known words was probably meant; nothing where none is close."""
    names = list(known)
    lower = word[:CHARACTERS_MAX].strip().lower().replace("-", "_")
    if alike.get(lower, "") in names:
        return alike[lower]
    close = difflib.get_close_matches(lower, names, n=1, cutoff=CLOSE)
    return close[0] if close else ""
