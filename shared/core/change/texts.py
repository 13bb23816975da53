"""A text that should hold an event in, data out: JSON, Base64 of it in either alphabet, or a message service's XML."""

from __future__ import annotations

import base64
import re
from html import unescape
from typing import Any

import msgspec

BASE64_MAX = 2
"""How often in a row a text may be Base64 of another: once by who wrote it, once by the queue."""

_BOM = b"\xef\xbb\xbf"
_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")
_XML_MEMBER = re.compile(r"<(TopicName|Message|MessageBody)>([^<]*)</\1>")
"""What a message service's documents in XML are read for."""

_STUMBLES = (msgspec.DecodeError, ValueError, RecursionError)


def data_of(raw: bytes) -> Any:
    """Decode a text. Raises `ValueError` with the reason where it is none of these."""
    if members := _xml_members(raw):
        return members
    fault: Exception | None = None
    decoded: bytes | None = raw
    for _ in range(BASE64_MAX + 1):
        if decoded is None:
            break
        try:
            return msgspec.json.decode(decoded.removeprefix(_BOM))
        except _STUMBLES as error:
            fault = fault or error
        decoded = _from_base64(decoded)
    raise ValueError(f"not JSON: {fault}")


def _xml_members(raw: bytes) -> dict[str, str]:
    """Read the members of a message service's document; nothing where it is none."""
    if not raw[:16].lstrip().startswith(b"<"):
        return {}
    return {name: unescape(text) for name, text in _XML_MEMBER.findall(raw.decode(errors="replace"))}


def _from_base64(raw: bytes) -> bytes | None:
    """Decode Base64 in either alphabet, with or without padding and line breaks; None where it is none."""
    text = raw.translate(_STANDARD_ALPHABET, b" \t\r\n").rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
