"""Objects of one bucket below one prefix, through `oss2`: bytes in and out, one error for everything that fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import oss2
import oss2.credentials
import oss2.exceptions
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from shared.cloud.clock import OssClock
from shared.cloud.credentials import KeyRing
from shared.core.errors import StoreError

CONNECT_TIMEOUT_SECONDS = 5
KEYS_PER_LISTING = 1_000
KEYS_PER_DELETE = 1_000


class Entry(msgspec.Struct, frozen=True):
    """One object in a listing: its key without the prefix, and when it was written (epoch seconds, by OSS)."""

    key: str
    modified: float


class Listing(msgspec.Struct, frozen=True):
    """Some objects in the order of their keys; `date` is OSS's clock in epoch seconds; `more` tells of others."""

    entries: tuple[Entry, ...]
    date: float
    more: bool


class _Provider(oss2.credentials.CredentialsProvider):  # type: ignore[misc]
    """Lets oss2 read the current keys at each request."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def get_credentials(self) -> Any:
        keys = self._keys.current()
        return oss2.credentials.Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or None)


class Bucket:
    """A prefix of an OSS bucket. Every method raises `StoreError` when OSS refuses or does not answer.

    `readers` is how many objects are fetched at a time, each by a thread of its own that ends with the call.
    Each listing sets `clock` right, as OSS tells the time.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        name: str,
        prefix: str,
        keys: KeyRing,
        clock: OssClock,
        *,
        readers: int = 16,
        adapter: Any = None,
    ) -> None:
        self.name, self.prefix = name, prefix
        self._clock, self._readers = clock, readers
        self._bucket = oss2.Bucket(
            oss2.ProviderAuthV4(_Provider(keys)),
            endpoint,
            name,
            session=_session(adapter or _adapter(readers)),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            enable_crc=False,
            region=region,
        )

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in place of what was there."""
        self._call("put", key, lambda full: self._bucket.put_object(full, data))

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object where none is; False where one is already."""
        try:
            self._call(
                "put",
                key,
                lambda full: self._bucket.put_object(full, data, headers={"x-oss-forbid-overwrite": "true"}),
            )
        except StoreError as error:
            if error.code == "FileAlreadyExists":
                return False
            raise
        return True

    def get(self, key: str) -> bytes | None:
        """Read an object, None where there is none."""
        try:
            return bytes(self._call("get", key, lambda full: self._bucket.get_object(full).read()))
        except StoreError as error:
            if error.code == "NoSuchKey":
                return None
            raise

    def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Read several objects; those that are gone are absent from the answer."""
        wanted = list(keys)
        if len(wanted) <= 1 or self._readers <= 1:
            bodies = [self.get(key) for key in wanted]
        else:
            with ThreadPoolExecutor(min(self._readers, len(wanted))) as pool:
                bodies = list(pool.map(self.get, wanted))
        return {key: body for key, body in zip(wanted, bodies, strict=True) if body is not None}

    def list(self, prefix: str = "", after: str = "") -> Listing:
        """List up to 1,000 objects whose key begins with `prefix` and follows `after`."""
        sent = self._clock.own()
        found = self._call(
            "list",
            prefix,
            lambda full: self._bucket.list_objects_v2(
                prefix=full, start_after=self.prefix + after if after else "", max_keys=KEYS_PER_LISTING
            ),
        )
        date = _date(found.resp.headers)
        self._clock.hear(date, sent, self._clock.own())
        cut = len(self.prefix)
        entries = tuple(Entry(each.key[cut:], float(each.last_modified)) for each in found.object_list)
        return Listing(entries, date, bool(found.is_truncated))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are gone already do not matter."""
        wanted = [self.prefix + key for key in keys]
        for start in range(0, len(wanted), KEYS_PER_DELETE):
            part = wanted[start : start + KEYS_PER_DELETE]
            self._call(
                "delete", part[0][len(self.prefix) :], lambda _, part=part: self._bucket.batch_delete_objects(part)
            )

    def _call(self, verb: str, key: str, action: Any) -> Any:
        try:
            return action(self.prefix + key)
        except oss2.exceptions.RequestError as fault:
            raise StoreError(f"{verb} {self.name}/{self.prefix}{key}", "Unreachable", str(fault)) from fault
        except oss2.exceptions.OssError as fault:
            raise StoreError(
                f"{verb} {self.name}/{self.prefix}{key}", fault.code or f"HTTP{fault.status}", fault.message
            ) from fault


def _session(adapter: Any) -> Any:
    """Make oss2's session; it need not look for proxies and .netrc files at each request."""
    session = oss2.Session(adapter=adapter)
    session.session.trust_env = False
    return session


def _adapter(connections: int) -> HTTPAdapter:
    """Kept connections, and a second and third try where OSS fails on its side: all calls here may be repeated."""
    retry = Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), allowed_methods=None)
    return HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=retry)


def _date(headers: Mapping[str, str]) -> float:
    """OSS's clock, from the `Date` header, in whole epoch seconds."""
    return parsedate_to_datetime(headers["Date"]).timestamp()
