"""Texts from outside in; texts that may be kept, logged and shown out: cut, without keys, or with escapes.

Rules:

1. What a service says is redacted before it is cut, so that no cut leaves a part of a key that is not recognised.
2. What is kept stays data; escapes are for what people read, and made where it is printed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from urllib.parse import quote

TEXT_CHARACTERS_MAX = 300
"""A service's sentence; the longest that is documented has some 200."""
CODE_CHARACTERS_MAX = 100
"""An error code, a status, a request id or a task id."""
READ_CHARACTERS_MAX = 20_000
"""How much of a text is looked at: what is kept of it is a small part of that."""
REDACTED = "(redacted)"

SECRET_CHARACTERS_MIN = 8
"""Shorter ones are none: a vendor's key ids have 16 characters and more, and everything else is longer."""
_KNOWN_BY_CHARACTERS = 16
"""A longer secret is known by its beginning, so that one which the service has cut is found too."""
_TAIL = r"(?:[A-Za-z0-9+/=._~-]|%(?:25)*[0-9A-Fa-f]{2}|&#\w+;|&amp;)*"
_VALUE = r"[^\s,;&\"'<>]{6,}"
_NAMES = (
    r"Signature|SignatureProvided|Credential|Security-?Token|x-(?:acs|oss)-security-token|x-oss-(?:signature|credential)"
    r"|(?:OSS)?AccessKey(?:Id|Secret)|Authorization"
)
_PATTERNS = (
    # All that follows is the canonical request, which holds headers with keys: of it nothing is kept.
    (re.compile(r"(?is)\b(string[-_ ]?to[-_ ]?sign|canonical[-_ ]?request)(\b.{0,12}?(?:[:=>]|%3[AD])).*"), r"\1\2 "),
    (re.compile(rf"(?i)\b({_NAMES})(\"?'?\s*(?:[:=>]|%3[AD])\s*\"?'?){_VALUE}"), r"\1\2"),
    # Keys of the vendor's that are none of ours.
    (re.compile(r"\b()()(?:LTAI|STS\.)[A-Za-z0-9]{12,}"), r"\1\2"),
    (re.compile(rf"\b()()CAIS[A-Za-z0-9+/%]{{28,}}{_TAIL}"), r"\1\2"),
)

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls, among them the C1 set and U+0085, a line separator
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # separators, direction, nothing
    "\ud800-\udfff"  # halves of a pair, which no encoding can write
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"  # invisible controls beyond the basic plane
    "]"
)


def foreign(text: object, secrets: Iterable[str] = (), most: int = TEXT_CHARACTERS_MAX) -> str:
    """Take in a text from outside: without keys, tokens and signatures, at most `most` characters, valid Unicode."""
    return cut(redacted(valid(str(text)[:READ_CHARACTERS_MAX]), secrets), most)


def valid(text: str) -> str:
    """Replace halves of surrogate pairs, which can be neither stored nor sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(text: str, most: int) -> str:
    """Cut a text to `most` characters; the last one then says that there were more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Take out what is a key, a token or a signature, in plain or encoded form."""
    text = without(text, secrets)
    for pattern, kept in _PATTERNS:
        text = pattern.sub(kept + REDACTED, text)
    return text


def without(text: str, secrets: Iterable[str]) -> str:
    """Take out the given secrets, in plain or encoded form."""
    for secret in secrets:
        if len(secret) >= SECRET_CHARACTERS_MIN:
            text = _pattern_of(secret).sub(REDACTED, text)
    return text


def escaped(text: str) -> str:
    r"""Write as `\uXXXX` what would move a cursor, end a line, turn the direction of reading, or not be seen.

    The escapes are those of JSON, so that JSON whose strings hold such characters stays the same JSON.
    """
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


@functools.lru_cache(maxsize=8)
def _pattern_of(secret: str) -> re.Pattern[str]:
    """Match a secret as it is, percent-encoded once or more, or as XML or JSON write it; or its beginning."""
    known, rest = (
        "".join(map(_spelled, part)) for part in (secret[:_KNOWN_BY_CHARACTERS], secret[_KNOWN_BY_CHARACTERS:])
    )
    return re.compile(f"{known}(?:{rest}|{_TAIL})" if rest else known)


def _spelled(character: str) -> str:
    if character.isalnum():
        return re.escape(character)
    octets = "".join(f"%(?:25)*(?i:{each[1:]})" for each in re.findall("%..", quote(character, safe="")))
    spellings = [rf"\\?{re.escape(character)}", f"&#(?:{ord(character)}|x0*(?i:{ord(character):x}));"]
    spellings += [octets] if octets else []
    spellings += ["&amp;"] if character == "&" else []
    return f"(?:{'|'.join(spellings)})"
