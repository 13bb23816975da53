"""A path in; the ways in which clients write it in a URL out, in percent-encoded characters of its UTF-8.

A cache goes by the text of a URL, so each way of writing a path is an entry of its own.

1. What would end a path, or change it on its way (`%`, `?`, `#`, backslashes, controls), is encoded in every spelling.
2. A path with a segment `.` or `..` is changed by whoever parses it; only programs that send it as it is can ask for
   it, and these encode strictly.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from enum import Enum


class Spelling(str, Enum):
    """How a kind of client writes paths."""

    BROWSER = "browser"
    """Browsers and players: the path percent-encode set of the WHATWG's URL standard."""
    STRICT = "strict"
    """SDKs: all but the unreserved characters of RFC 3986."""
    URI = "uri"
    """JavaScript that puts a whole path through `encodeURI`: as browsers, but with `[ ] | ^` encoded."""
    COMPONENT = "component"
    """JavaScript that puts each segment through `encodeURIComponent`: strict, but for `! ' ( ) *`."""
    RAW = "raw"
    """Like browsers, but UTF-8 as it is. The vendor says that a refresh of such a URL may not hit."""
    LOWER_CASE = "lower-case"
    """Strict, with `%e4` for `%E4`. That the CDN tells these apart is unproven."""


UNPROVEN = (Spelling.RAW, Spelling.LOWER_CASE)

Encode = Callable[[str], str]

_PATHS_MAX = 4_096
"""How many spelled paths are kept for the next site and domain."""
_HALF = re.compile("[\ud800-\udfff]")
_DOTS = re.compile(r"(?:^|/)(?:\.|%2[Ee]){1,2}(?:/|$)")
_IN_URLS = r"""\x00-\x20"#<>?`{}%\\\x7f"""


def _encoder(unsafe: str, *, lower: bool = False) -> Encode:
    """Make the function that encodes all characters of a set; halves of surrogates become U+FFFD, as in browsers."""
    found = re.compile(f"[{unsafe}]+")

    def escape(match: re.Match[str]) -> str:
        digits = match[0].encode().hex("%")
        return "%" + (digits if lower else digits.upper())

    @functools.lru_cache(maxsize=_PATHS_MAX)
    def encode(path: str) -> str:
        return found.sub(escape, _HALF.sub("\ufffd", path))

    return encode


_STRICT = _encoder(r"^A-Za-z0-9\-._~/")
_ENCODERS: dict[Spelling, tuple[Encode, ...]] = {
    # Since 2023 the standard has `^` encoded; clients of before send it raw.
    Spelling.BROWSER: (
        _encoder(rf"{_IN_URLS}^\x80-\U0010ffff"),
        _encoder(rf"{_IN_URLS}\x80-\U0010ffff"),
    ),
    Spelling.STRICT: (_STRICT,),
    Spelling.URI: (_encoder(r"^A-Za-z0-9\-._~/!'()*;,:@&=+$"),),
    Spelling.COMPONENT: (_encoder(r"^A-Za-z0-9\-._~/!'()*"),),
    # U+0085, U+2028 and U+2029 end a line for some programs.
    Spelling.RAW: (_encoder(rf"{_IN_URLS}^\x80-\x9f\u2028\u2029"),),
    Spelling.LOWER_CASE: (_encoder(r"^A-Za-z0-9\-._~/", lower=True),),
}


def encoders(spellings: Iterable[Spelling]) -> tuple[Encode, ...]:
    """Give the functions that write a path in some spellings, in their order."""
    return tuple(encode for spelling in spellings for encode in _ENCODERS[spelling])


def strict(path: str) -> str:
    """Encode all but unreserved characters and `/`."""
    return _STRICT(path)


def has_dot_segments(path: str) -> bool:
    """Whether an encoded path has a segment that a parser takes away."""
    return _DOTS.search(path) is not None


def spellings_of(head: str, path: str, ways: Iterable[Encode]) -> tuple[str, ...]:
    """Write a path behind a head that is encoded already, in some ways: equal ones once, in their order.

    With a segment that a parser takes away there is the strict one only.
    """
    plain = _STRICT(path)
    if plain == path or has_dot_segments(head + plain):
        return (head + plain,)
    return tuple(dict.fromkeys(head + encode(path) for encode in ways))
