"""Objects as a bucket keeps them, with their checksums."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import crcmod

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
META_PREFIX: Final = "x-oss-meta-"

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
    points to; `kind` is Normal, Appendable, Multipart or Symlink; `version_id` is empty in a bucket without versions.
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
    version_id: str = ""

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
