"""What a versioned bucket keeps: objects and deletions go in, each as a version; any of them comes out again.

Rules:
1. Versions of a key stand oldest first; the last one is current, and hides the key if it is a delete marker.
2. While versioning is enabled each version has an id of its own; while it is suspended the id is `null`, and a new
   `null` version takes the place of the one before.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from scripts.localcloud.oss.stored import StoredObject

Versioning = Literal["", "Enabled", "Suspended"]
NULL_VERSION: Final = "null"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key; without an item it is a delete marker."""

    key: str
    version_id: str
    modified: float
    item: StoredObject | None = None


class History:
    """All versions of all keys of one bucket."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._versions: dict[str, list[Version]] = {}
        self._serial = itertools.count()

    def add(self, item: StoredObject, status: Versioning) -> StoredObject:
        """Keep an object as the current version; return it with its version id."""
        kept = replace(item, version_id=self._new_id(item.key, status))
        self._versions.setdefault(item.key, []).append(Version(kept.key, kept.version_id, kept.modified, kept))
        return kept

    def amend(self, item: StoredObject, status: Versioning) -> StoredObject:
        """Put an object in the place of the current version, whose id it takes."""
        current = self.current(item.key)
        if current is None or current.item is None:
            return self.add(item, status)
        kept = replace(item, version_id=current.version_id)
        self._versions[item.key][-1] = replace(current, item=kept)
        return kept

    def mark_deleted(self, key: str, modified: float, status: Versioning) -> None:
        """Let a delete marker be the current version."""
        marker = Version(key, self._new_id(key, status), modified)
        self._versions.setdefault(key, []).append(marker)

    def drop(self, key: str, version_id: str) -> Version | None:
        """Remove one version for good, and return it."""
        kept = self._versions.get(key, [])
        found = self.find(key, version_id)
        if found is not None:
            kept.remove(found)
        if not kept:
            self._versions.pop(key, None)
        return found

    def current(self, key: str) -> Version | None:
        """Return the current version of a key, be it a delete marker."""
        kept = self._versions.get(key)
        return kept[-1] if kept else None

    def find(self, key: str, version_id: str) -> Version | None:
        """Return one version of a key."""
        return next((each for each in self._versions.get(key, []) if each.version_id == version_id), None)

    def listed(self, prefix: str = "") -> Iterator[tuple[Version, bool]]:
        """Return all versions by key, the newest of each key first, and whether each is the current one."""
        for key in sorted(key for key in self._versions if key.startswith(prefix)):
            kept = self._versions[key]
            for version in reversed(kept):
                yield version, version is kept[-1]

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._versions.values())

    def _new_id(self, key: str, status: Versioning) -> str:
        if status == "Suspended":
            self.drop(key, NULL_VERSION)
            return NULL_VERSION
        serial = f"{self._bucket}/{next(self._serial)}"
        return f"CAEQ{hashlib.sha256(serial.encode()).hexdigest()[:56]}"
