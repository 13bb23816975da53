"""The account that operations work on: its buckets, its identifiers, and who is told of changes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scripts.localcloud.clock import Clock
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.events import Change, payload
from scripts.localcloud.oss.habits import OssHabits
from scripts.localcloud.oss.history import Version
from scripts.localcloud.oss.state import Bucket, StoredObject
from scripts.localcloud.web import Request


@dataclass(slots=True)
class Core:
    """State shared by all operations. Changes of objects go through it, so that none is untold."""

    clock: Clock
    account_id: str
    region: str
    endpoint: str
    notify: Callable[[dict[str, Any]], None]
    buckets: dict[str, Bucket] = field(default_factory=dict)
    habits: OssHabits = field(default_factory=OssHabits)
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket, or refuse with NoSuchBucket."""
        try:
            return self.buckets[name]
        except KeyError:
            raise OssError("NoSuchBucket", BucketName=name) from None

    def object(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object without following symlinks, or refuse with NoSuchKey or NoSuchVersion."""
        if version_id:
            return self._version(bucket, key, version_id)
        found = self.bucket(bucket).get(key)
        if found is None:
            raise OssError("NoSuchKey", Key=key).with_headers(**self.marker_headers(bucket, key))
        return found

    def _version(self, bucket: str, key: str, version_id: str) -> StoredObject:
        found = self.bucket(bucket).version(key, version_id)
        if found is None:
            raise OssError("NoSuchVersion", Key=key, VersionId=version_id)
        if found.item is None:
            raise OssError("MethodNotAllowed", Method="GET").with_headers(x_oss_delete_marker="true")
        return found.item

    def marker_headers(self, bucket: str, key: str) -> dict[str, str]:
        """Return the headers that tell of the delete marker that hides a key; none where none does."""
        current = self.bucket(bucket).history.current(key)
        if current is None or current.item is not None:
            return {}
        return {"x_oss_delete_marker": "true", "x_oss_version_id": current.version_id}

    def resolved(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object; a symlink is followed one step, as far as OSS follows it."""
        found = self.object(bucket, key, version_id)
        if found.kind != "Symlink":
            return found
        target = self.bucket(bucket).get(found.target)
        if target is None:
            raise OssError("SymlinkTargetNotExist", Key=key)
        if target.kind == "Symlink":
            raise OssError("InvalidTargetType", Key=key)
        return target

    def store(
        self, event: str, bucket: Bucket, item: StoredObject, request_id: str, *, in_place: bool = False
    ) -> StoredObject:
        """Put an object into a bucket, tell of it, and return it as it is kept."""
        old = bucket.put(item, in_place=in_place)
        self.tell(
            Change(
                event_name=f"ObjectCreated:{event}",
                bucket=bucket.name,
                key=item.key,
                size=item.size,
                delta=item.size - (old.size if old else 0),
                etag=item.etag,
                request_id=request_id,
                content_type=item.content_type,
                user_meta=item.user_meta,
            )
        )
        return bucket.get(item.key) or item

    def remove(self, event: str, bucket: Bucket, key: str, request_id: str) -> None:
        """Remove an object and tell of it; nothing is told where there was none."""
        old = bucket.remove(key, self.clock.now())
        # The vendor's texts disagree on a single deletion where versions are kept, and agree that of many none is told.
        if old is not None and not (bucket.versioning and event == "DeleteObjects"):
            self._tell_of_removal(event, bucket, old, request_id)

    def remove_version(self, event: str, bucket: Bucket, key: str, version_id: str, request_id: str) -> Version | None:
        """Remove a version for good, tell of it if it held an object, and return it."""
        dropped = bucket.remove_version(key, version_id)
        if dropped is not None and dropped.item is not None:
            self._tell_of_removal(event, bucket, dropped.item, request_id)
        return dropped

    def _tell_of_removal(self, event: str, bucket: Bucket, old: StoredObject, request_id: str) -> None:
        self.tell(
            Change(
                event_name=f"ObjectRemoved:{event}",
                bucket=bucket.name,
                key=old.key,
                size=0,
                delta=-old.size,
                etag=old.etag,
                request_id=request_id,
            )
        )

    def tell(self, change: Change) -> None:
        """Send the notification of a change that has taken effect."""
        if not self.habits.tells(change.event_name, change.key):
            return
        when = self.clock.now() + self.habits.event_ahead_seconds
        self.notify(payload(change, now=when, region=self.region, account_id=self.account_id))

    def request_id(self) -> str:
        """Return a new request id: 24 upper-case hex digits, of which the first 8 are the time."""
        return f"{int(self.clock.now()) & 0xFFFFFFFF:08X}{self.unique(16)}"

    def unique(self, digits: int) -> str:
        """Return upper-case hex digits that this account has not used yet."""
        serial = f"{self.account_id}/{next(self._serial)}"
        return hashlib.sha256(serial.encode()).hexdigest()[:digits].upper()

    def endpoint_of(self, request: Request) -> str:
        """Return the endpoint that replies name.

        It must lead back to this process, or clients that follow it leave for the internet.
        """
        return self.endpoint.partition("://")[2] or self.endpoint or request.host
