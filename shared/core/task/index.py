"""Names in; a short text out that tells, without reading an object, whether a name may be in it.

Few names stand there by a hash each, many in a Bloom filter. A `may_hold` that is wrong says yes, never no, so what is
found by it is read and looked at; one in six times for a full batch that costs a read in vain.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable

HASHED_NAMES_MAX = 48
_HASH_BYTES = 3
_FILTER_BYTES = 480
_FILTER_HASHES = 3
_READABLE = re.compile(rf"h(?:[\w-]{{4}})*|f[\w-]{{{_FILTER_BYTES // 3 * 4}}}", re.ASCII)
"""Three bytes are four characters of Base64: a hash is, and a filter is many times three, so there is no padding."""


def index_of(names: Iterable[str]) -> str:
    """Make the index of some names: `h...` of hashes, or `f...` of a filter, in characters that keys may have."""
    distinct = sorted(set(names))
    if len(distinct) <= HASHED_NAMES_MAX:
        return "h" + _text(b"".join(_digest(name)[:_HASH_BYTES] for name in distinct))
    bits = bytearray(_FILTER_BYTES)
    for name in distinct:
        for place in _places(name):
            bits[place // 8] |= 1 << place % 8
    return "f" + _text(bytes(bits))


def may_hold(index: str, names: Collection[str]) -> bool:
    """Whether any of the names may be in what an index was made of; yes where the index cannot be read."""
    if not _READABLE.fullmatch(index):
        return True
    raw = base64.urlsafe_b64decode(index[1:])
    if index.startswith("h"):
        held = {raw[start : start + _HASH_BYTES] for start in range(0, len(raw), _HASH_BYTES)}
        return any(_digest(name)[:_HASH_BYTES] in held for name in names)
    return any(all(raw[place // 8] >> place % 8 & 1 for place in _places(name)) for name in names)


def _places(name: str) -> list[int]:
    digest = _digest(name)
    return [
        int.from_bytes(digest[4 * each : 4 * each + 4], "big") % (_FILTER_BYTES * 8) for each in range(_FILTER_HASHES)
    ]


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=12).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()
