"""Buckets in memory: objects, listings, versions and multipart uploads, without HTTP, signatures or time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from scripts.localcloud.oss.history import NULL_VERSION, History, Version, Versioning
from scripts.localcloud.oss.stored import (
    DEFAULT_CONTENT_TYPE,
    META_PREFIX,
    StoredObject,
    crc64,
    header_bytes,
    md5_etag,
    new_object,
)

__all__ = [
    "DEFAULT_CONTENT_TYPE",
    "META_PREFIX",
    "PRIVATE",
    "Bucket",
    "Page",
    "Part",
    "StoredObject",
    "Upload",
    "crc64",
    "header_bytes",
    "md5_etag",
    "new_object",
]

PRIVATE: Final = "private"


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
    Once `versioning` was set, nothing that was written is lost, and put-if-absent is ignored, as OSS has it.
    """

    def __init__(self, name: str, created: float, acl: str = PRIVATE) -> None:
        self.name = name
        self.created = created
        self.acl = acl
        self.uploads: dict[str, Upload] = {}
        self.history = History(name)
        self._versioning: Versioning = ""
        self._objects: dict[str, StoredObject] = {}
        self._order: list[str] = []

    @property
    def versioning(self) -> Versioning:
        """Empty where it was never enabled; it can be suspended then, but not taken back."""
        return self._versioning

    @versioning.setter
    def versioning(self, status: Versioning) -> None:
        if not self._versioning and status:
            for item in list(self.objects()):
                self._objects[item.key] = self.history.add(item, "Suspended")
        self._versioning = status or self._versioning

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> StoredObject | None:
        """Return the object itself; a symlink is not followed."""
        return self._objects.get(key)

    def put(self, item: StoredObject, *, in_place: bool = False) -> StoredObject | None:
        """Store an object and return the one that it replaced; `in_place` makes no version of its own."""
        old = self._objects.get(item.key)
        if self._versioning:
            keep = self.history.amend if in_place else self.history.add
            item = keep(item, self._versioning)
        self._show(item)
        return old

    def put_new(self, item: StoredObject) -> bool:
        """Store an object where none is and return whether it was stored; with versions it always is."""
        if not self._versioning and item.key in self._objects:
            return False
        self.put(item)
        return True

    def remove(self, key: str, now: float = 0.0) -> StoredObject | None:
        """Drop an object and return it; with versions it is only hidden, by a delete marker dated `now`."""
        if self._versioning:
            self.history.mark_deleted(key, now, self._versioning)
        return self._hide(key)

    def remove_version(self, key: str, version_id: str) -> Version | None:
        """Drop one version for good and return it; what came before it may be current again.

        Without versions an object is its own `null` version.
        """
        if not self._versioning:
            old = self._hide(key) if version_id == NULL_VERSION else None
            return _as_version(old) if old is not None else None
        dropped = self.history.drop(key, version_id)
        current = self.history.current(key)
        if current is not None and current.item is not None:
            self._show(current.item)
        else:
            self._hide(key)
        return dropped

    def version(self, key: str, version_id: str) -> Version | None:
        """Return one version of a key."""
        found = self._objects.get(key)
        if self._versioning or found is None:
            return self.history.find(key, version_id)
        return _as_version(found) if version_id == NULL_VERSION else None

    def versions(self, prefix: str = "") -> list[tuple[Version, bool]]:
        """Return all versions by key, the newest of each key first, and whether each is the current one."""
        if self._versioning:
            return list(self.history.listed(prefix))
        return [(_as_version(self._objects[key]), True) for key in self.keys(prefix)]

    def _show(self, item: StoredObject) -> None:
        if item.key not in self._objects:
            insort(self._order, item.key)
        self._objects[item.key] = item

    def _hide(self, key: str) -> StoredObject | None:
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
        """List at most `limit` objects and common prefixes that sort after `after`.

        A common prefix that does not is skipped whole, even where some of its keys do: it was listed before.
        """
        objects: list[StoredObject] = []
        prefixes: list[str] = []
        last = ""
        index = max(bisect_left(self._order, prefix), bisect_right(self._order, after) if after else 0)
        while index < len(self._order) and self._order[index].startswith(prefix):
            key = self._order[index]
            folder = _common_prefix(key, prefix, delimiter)
            if not folder or folder > after:
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


def _as_version(item: StoredObject) -> Version:
    """Describe an object of a bucket without versions as the version that it counts as."""
    return Version(item.key, NULL_VERSION, item.modified, item)


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    """Return what `key` is rolled up into, or an empty string where it stands for itself."""
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else ""
