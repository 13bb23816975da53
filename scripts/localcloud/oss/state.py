"""Buckets in memory: objects, listings and multipart uploads, without HTTP, signatures or time."""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import crcmod

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
META_PREFIX: Final = "x-oss-meta-"
PRIVATE: Final = "private"

# CRC-64 with the ECMA-182 polynomial, reflected ("CRC-64/XZ"): a function of (bytes, CRC so far).
_crc64: Callable[[bytes, int], int] = crcmod.mkCrcFun(
    0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True
)


def crc64(data: bytes, before: int = 0) -> int:
    """Return the checksum of `data`, or of what had checksum `before` followed by `data`."""
    return _crc64(data, before)


def header_bytes(value: str) -> bytes:
    """Return a header as it stood on the wire: servers hand over bytes as if they were Latin-1."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def md5_etag(data: bytes) -> str:
    """Return the eTag of a simple upload: its MD5 in upper-case hex."""
    return hashlib.md5(data).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as it is stored.

    `etag` is upper-case hex without quotes; `modified` is in epoch seconds; `headers` are the
    standard and `x-oss-meta-*` headers that reading it gives back; `target` is the key a symlink
    points to; `kind` is Normal, Appendable, Multipart or Symlink.
    """

    key: str
    data: bytes
    etag: str
    modified: float
    crc64: int
    kind: str = "Normal"
    headers: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    acl: str = "default"

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    @property
    def content_type(self) -> str:
        """The media type it was stored with."""
        return self.headers.get("Content-Type", DEFAULT_CONTENT_TYPE)

    @property
    def user_meta(self) -> dict[str, str]:
        """The `x-oss-meta-*` headers, as text."""
        return {
            name: header_bytes(value).decode("utf-8", "replace")
            for name, value in self.headers.items()
            if name.startswith(META_PREFIX)
        }

    @property
    def content_md5(self) -> str:
        """Its Content-MD5 header: base64 of the MD5. Empty where the eTag is no MD5."""
        return base64.b64encode(bytes.fromhex(self.etag)).decode() if self.kind == "Normal" else ""


def new_object(key: str, data: bytes, modified: float, headers: Mapping[str, str]) -> StoredObject:
    """Build a simply uploaded object; its checksums are computed here, once."""
    return StoredObject(key, data, md5_etag(data), modified, crc64(data), headers=headers)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload."""

    number: int
    data: bytes
    etag: str
    modified: float


@dataclass(slots=True)
class Upload:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    started: float
    headers: Mapping[str, str]
    forbid_overwrite: bool = False
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; `next_marker` is where the next page starts, None on the last."""

    objects: list[StoredObject]
    prefixes: list[str]
    next_marker: str | None


class Bucket:
    """A bucket. Keys are kept sorted, so that a listing costs its page and not the bucket.

    Python orders strings by code point, which is the order of their UTF-8 bytes: OSS's order.
    """

    def __init__(self, name: str, created: float, acl: str = PRIVATE) -> None:
        self.name = name
        self.created = created
        self.acl = acl
        self.uploads: dict[str, Upload] = {}
        self._objects: dict[str, StoredObject] = {}
        self._order: list[str] = []

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> StoredObject | None:
        """Return the object itself; a symlink is not followed."""
        return self._objects.get(key)

    def put(self, item: StoredObject) -> StoredObject | None:
        """Store an object and return the one that it replaced."""
        old = self._objects.get(item.key)
        if old is None:
            insort(self._order, item.key)
        self._objects[item.key] = item
        return old

    def remove(self, key: str) -> StoredObject | None:
        """Drop an object and return it."""
        old = self._objects.pop(key, None)
        if old is not None:
            del self._order[bisect_left(self._order, key)]
        return old

    def objects(self) -> Iterator[StoredObject]:
        """All objects in the order of their keys."""
        return (self._objects[key] for key in self._order)

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, in order."""
        start = bisect_left(self._order, prefix)
        return self._order[start : self._end_of(prefix, start)]

    def page(self, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """List at most `limit` objects and common prefixes that sort after `after`."""
        objects: list[StoredObject] = []
        prefixes: list[str] = []
        last = ""
        index = max(bisect_left(self._order, prefix), bisect_right(self._order, after) if after else 0)
        while index < len(self._order) and self._order[index].startswith(prefix):
            key = self._order[index]
            folder = _common_prefix(key, prefix, delimiter)
            if not folder or folder != after:
                if len(objects) + len(prefixes) == limit:
                    return Page(objects, prefixes, last)
                last = folder or key
                if folder:
                    prefixes.append(folder)
                else:
                    objects.append(self._objects[key])
            index = self._end_of(folder, index) if folder else index + 1
        return Page(objects, prefixes, None)

    def _end_of(self, prefix: str, start: int) -> int:
        """Where the run of keys with `prefix`, which holds from `start` on, ends."""
        return bisect_left(self._order, 1, start, key=lambda key: not key.startswith(prefix))


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    """Return what `key` is rolled up into, or an empty string where it stands for itself."""
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else ""
