"""Sites as the build writes them, JSON that loads in milliseconds; read only beside the very file they were made of."""

from __future__ import annotations

import hashlib

import msgspec

from shared.core.site.sites import Site

SUFFIX = ".json"
"""What the name of a compiled site file has behind that of the file itself."""
FORMAT = 1


class _Compiled(msgspec.Struct, frozen=True):
    format: int
    digest: str
    sites: tuple[Site, ...]


def compiled(text: bytes, sites: tuple[Site, ...]) -> bytes:
    """Write the sites that were read from a file."""
    return msgspec.json.encode(_Compiled(FORMAT, _digest(text), sites))


def sites_of(data: bytes, text: bytes) -> tuple[Site, ...] | None:
    """Read compiled sites; None where they are not of this file, or of another version."""
    try:
        found = msgspec.json.decode(data, type=_Compiled)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found.sites if (found.format, found.digest) == (FORMAT, _digest(text)) and found.sites else None


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
