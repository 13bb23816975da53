"""Objects of one bucket below one prefix, through `oss2`: bytes in and out, one error for everything that fails.

Only the documented reply counts: a redirect is not followed, a write is one that OSS answered with the object's ETag,
and what OSS does not say it has deleted is deleted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree.ElementTree import ParseError

import msgspec
import oss2
import oss2.exceptions
from requests import RequestException
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from shared.cloud.clock import OssClock, SigningClock, date_of
from shared.cloud.credentials import KeyRing, MissingCredentials
from shared.cloud.session import REDIRECTED, fault_told, is_redirect, redirect_told, straight_session
from shared.cloud.spool.signing import SpoolAuth
from shared.core.errors import NotAllStored, StoreError
from shared.core.foreign import CODE_CHARACTERS_MAX, foreign

TIMEOUT_SECONDS = 5
"""For a connection, and for each part of a reply."""
KEYS_PER_LISTING = 1_000
KEYS_PER_DELETE = 1_000
DELETE_TRIES_MAX = 3
"""How often a key is deleted that OSS does not report as deleted."""
FAILURES_TOLD_MAX = 5

SKEWED = "RequestTimeTooSkewed"
_EXPIRED = frozenset({"SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId"})
"""What OSS says to keys whose time is over; a key id that has ended is one that it does not know."""
_FOLLOWS_ALL = "\U0010fffd"
"""The last character that XML can write: no key that is below a common prefix sorts after the prefix and it."""


class Entry(msgspec.Struct, frozen=True):
    """One object in a listing: its key without the prefix, when it was written (epoch seconds, by OSS), its bytes.

    `kind` is what OSS calls its type: Normal, Multipart, Appendable or Symlink.
    """

    key: str
    modified: float
    size: int = 0
    kind: str = ""


class Listing(msgspec.Struct, frozen=True):
    """Some objects in the order of their keys; `date` is OSS's clock in epoch seconds; `more` tells of others.

    `prefixes` are what keys have in common up to the delimiter, where one was asked for.
    """

    entries: tuple[Entry, ...]
    date: float
    more: bool
    prefixes: tuple[str, ...] = ()

    @property
    def last(self) -> str:
        """What the next page is listed after."""
        return max(*(entry.key for entry in self.entries[-1:]), *self.prefixes[-1:], "", "")


class Bucket:
    """A prefix of an OSS bucket. Every method raises `StoreError` when OSS refuses or does not answer.

    `readers` is how many objects are read or written at a time, each by a thread of its own that ends with the call.
    Each listing sets `clock` right, as OSS tells the time. Requests are signed by `signing`, in epoch seconds, until
    OSS refuses that time, and from then on by OSS's.
    """

    def __init__(  # noqa: PLR0913 - what a bucket is, and what a test replaces
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
        signing: Callable[[], float] = time.time,
        proxy: str = "",
    ) -> None:
        self.name, self.prefix = name, prefix
        self._keys, self._clock, self._readers = keys, clock, readers
        self._signing = SigningClock(signing)
        session = oss2.Session()
        session.session = straight_session(adapter or _adapter(readers), proxy)
        self._bucket = oss2.Bucket(
            SpoolAuth(keys, self._signing),
            endpoint,
            name,
            session=session,
            connect_timeout=TIMEOUT_SECONDS,
            enable_crc=False,
            region=region,
        )

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in place of what was there."""
        self._put(key, data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object where none is; False where one is already.

        Where the bucket keeps versions OSS overwrites whatever is there: that is an error, `VersioningOn`.
        """
        try:
            written = self._put(key, data, {"x-oss-forbid-overwrite": "true"})
        except StoreError as error:
            if error.code == "FileAlreadyExists":
                return False
            raise
        if written.versionid is not None:
            raise StoreError(
                self._told("put", key),
                "VersioningOn",
                "the bucket keeps versions, so an object that exists is written over",
                request_id=written.request_id,
            )
        return True

    def put_many(self, items: Mapping[str, bytes]) -> None:
        """Write several objects. Raises `NotAllStored` with the keys of those that were not written."""

        def failure(item: tuple[str, bytes]) -> StoreError | None:
            try:
                self._put(*item)
            except StoreError as error:
                return error
            return None

        failures = self.each(failure, list(items.items()))
        failed = {key: error for key, error in zip(items, failures, strict=True) if error}
        if failed:
            first = next(iter(failed.values()))
            others = "; ".join(map(str, list(failed.values())[1:FAILURES_TOLD_MAX]))
            raise NotAllStored(
                f"{len(failed)} of {len(items)} objects were not written, the first: "
                + self._told("put", next(iter(failed))),
                first.code,
                first.message + (f"; others: {others}" if others else ""),
                request_id=first.request_id,
                keys=tuple(failed),
            )

    def keeps_versions(self, key: str, data: bytes) -> bool:
        """Write an object, and tell whether the bucket keeps versions: put-if-absent is ignored there."""
        return self._put(key, data).versionid is not None

    def get(self, key: str) -> bytes | None:
        """Read an object, None where there is none."""
        try:
            return bytes(self._call("get", key, lambda full: _from_oss(self._bucket.get_object(full)).read()))
        except StoreError as error:
            if error.code == "NoSuchKey":
                return None
            raise

    def get_many(
        self, keys: Iterable[str], *, sizes: Mapping[str, int] | None = None, bytes_max: int | None = None
    ) -> Mapping[str, bytes]:
        """Read several objects; those that are gone are absent from the answer.

        With `bytes_max`, only the first ones that fit together are read, by their `sizes`: those of `fitting`.
        """
        wanted = list(keys)
        if bytes_max is not None:
            wanted = fitting(wanted, sizes or {}, bytes_max)
        bodies = self.each(self.get, wanted)
        return {key: body for key, body in zip(wanted, bodies, strict=True) if body is not None}

    def symlink(self, key: str) -> str:
        """Tell the key of the object to which a symlink leads."""
        return str(self._call("ask for the target of", key, lambda full: _target(self._bucket.get_symlink(full))))

    def list(self, prefix: str = "", after: str = "", *, delimiter: str = "", most: int = KEYS_PER_LISTING) -> Listing:
        """List up to 1,000 objects whose key begins with `prefix` and follows `after`.

        With a `delimiter`, keys that go on behind it are one of `prefixes`; `after` may be such a prefix, and then all
        below it is passed over.
        """
        sent = self._clock.own()
        if delimiter and after.endswith(delimiter):
            after += _FOLLOWS_ALL
        found = self._call(
            "list",
            prefix,
            lambda full: _from_oss(
                self._bucket.list_objects_v2(
                    prefix=full,
                    delimiter=delimiter,
                    start_after=self.prefix + after if after else "",
                    max_keys=min(most, KEYS_PER_LISTING),
                )
            ),
        )
        date = date_of(found.resp.headers)
        if date is None:
            raise self._odd("list", prefix, "a listing without a date")
        self._clock.hear(date, sent, self._clock.own())
        cut = len(self.prefix)
        entries = tuple(
            Entry(each.key[cut:], float(each.last_modified), each.size, each.type or "") for each in found.object_list
        )
        return Listing(entries, date, bool(found.is_truncated), tuple(each[cut:] for each in found.prefix_list))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are gone already do not matter.

        What OSS does not report as deleted is deleted again, a few times; then it is an error, `NotDeleted`.
        """
        wanted = [self.prefix + key for key in keys]
        for start in range(0, len(wanted), KEYS_PER_DELETE):
            self._delete(wanted[start : start + KEYS_PER_DELETE])

    def _delete(self, part: Sequence[str]) -> None:
        left, request_id = part, ""
        for _ in range(DELETE_TRIES_MAX):
            reply = self._delete_once(left)
            request_id, deleted = reply.request_id, set(reply.deleted_keys)
            left = [each for each in left if each not in deleted]
            if not left:
                return
        what = f"OSS did not report {len(left)} of {len(part)} objects as deleted, in {DELETE_TRIES_MAX} tries"
        raise StoreError(self._told("delete", self._own(left[0])), "NotDeleted", what, request_id=request_id)

    def _delete_once(self, full_keys: Sequence[str]) -> Any:
        return self._call(
            "delete", self._own(full_keys[0]), lambda _: _from_oss(self._bucket.batch_delete_objects(full_keys))
        )

    def _own(self, full: str) -> str:
        return full[len(self.prefix) :]

    def _put(self, key: str, data: bytes, headers: Mapping[str, str] | None = None) -> Any:
        """Write an object; only OSS's own reply says that it is durable."""
        written = self._call("put", key, lambda full: _from_oss(self._bucket.put_object(full, data, headers=headers)))
        if written.status != 200 or not written.etag:  # noqa: PLR2004 - the documented status
            raise self._odd("put", key, f"a write answered {written.status} without the object's ETag")
        return written

    def each(self, action: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Do something for each item, several at a time."""
        if len(items) <= 1 or self._readers <= 1:
            return [action(item) for item in items]
        with ThreadPoolExecutor(min(self._readers, len(items))) as pool:
            return tuple(pool.map(action, items))

    def _call(self, verb: str, key: str, action: Callable[[str], Any]) -> Any:
        """Do something with a key; everything that fails is a `StoreError`, without the reply that it came with."""
        try:
            return self._tried(action, self.prefix + key)
        except MissingCredentials:
            raise
        except (oss2.exceptions.RequestError, RequestException) as fault:
            code, text = fault_told(getattr(fault, "exception", fault))
            raise StoreError(self._told(verb, key), code, foreign(text, self._keys.secrets())) from None
        except oss2.exceptions.OssError as fault:
            raise self._refused(verb, key, fault) from None
        except (ParseError, AttributeError, KeyError, LookupError, RuntimeError, TypeError, ValueError) as fault:
            raise self._odd(verb, key, f"{type(fault).__name__}: {fault}") from None

    def _tried(self, action: Callable[[str], Any], full: str) -> Any:
        """Do it, and once more where OSS refused the time or the keys and there are better ones now."""
        try:
            return action(full)
        except oss2.exceptions.OssError as fault:
            late = fault.code == SKEWED and self._signing.follow(fault.headers)
            if not late and not (fault.code in _EXPIRED and self._keys.renew()):
                raise
        return action(full)

    def _refused(self, verb: str, key: str, fault: Any) -> StoreError:
        """Keep what OSS said: its code, its words and the request's id."""
        secrets = self._keys.secrets()
        request_id = foreign(fault.request_id or "", secrets, CODE_CHARACTERS_MAX)
        if is_redirect(fault.status):
            told = redirect_told(fault.status, fault.headers)
            return StoreError(self._told(verb, key), REDIRECTED, told, request_id=request_id)
        words = fault.message or ("" if fault.status > 0 else fault.body)
        if home := fault.details.get("Endpoint"):
            words = f"{words} (it lies at {home})"
        code = foreign(fault.code or f"HTTP{fault.status}", secrets, CODE_CHARACTERS_MAX)
        return StoreError(self._told(verb, key), code, foreign(words, secrets), request_id=request_id)

    def _odd(self, verb: str, key: str, what: str) -> StoreError:
        told = f"the answer is not OSS's ({foreign(what, self._keys.secrets())}); something may stand in between"
        return StoreError(self._told(verb, key), "NotOss", told)

    def _told(self, verb: str, key: str) -> str:
        return f"{verb} {self.name}/{self.prefix}{key}"


def fitting(keys: Iterable[str], sizes: Mapping[str, int], bytes_max: int) -> list[str]:
    """Take the first keys whose objects hold `bytes_max` together, and always one; a size that is not told is none."""
    taken: list[str] = []
    left = bytes_max
    for key in keys:
        left -= sizes.get(key, 0)
        if taken and left < 0:
            break
        taken.append(key)
    return taken


def _from_oss(result: Any) -> Any:
    """Pass on what OSS itself answered: each of its replies carries the request's id."""
    if not result.request_id:
        raise ValueError(f"answered {result.status} without a request id")
    return result


def _target(result: Any) -> str:
    """Read where a symlink leads."""
    if not _from_oss(result).target_key:
        raise ValueError("answered without the target of the symlink")
    return str(result.target_key)


def _adapter(connections: int) -> HTTPAdapter:
    """Kept connections, and a second and third try where OSS fails on its side: all calls here may be repeated.

    The last reply comes back as it is, so that its code, words and request id are known.
    """
    retry = Retry(
        total=2,
        backoff_factor=0.2,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    return HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=retry)
