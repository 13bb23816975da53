"""Bucket, outcome log and CDN API without HTTP in between: what a function asks for is done to the state itself.

They have the surface of the adapters in `shared.cloud`, and fail as those do. HTTP, signatures and the vendor's
clients cost nine tenths of the time; the command's `--wire` runs with them, so that these three are themselves checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import httpx

from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.service import CdnApi
from scripts.localcloud.clock import Clock
from scripts.localcloud.oss.state import Bucket, StoredObject
from scripts.localcloud.sls.service import LogStore
from scripts.simulation.features import Trouble
from scripts.simulation.outside import SLOW_SECONDS, Outside
from scripts.simulation.troubles import Troubles
from shared.cloud.clock import OssClock
from shared.cloud.credentials import KeyRing
from shared.cloud.outcomes import fields
from shared.cloud.provider import replies
from shared.cloud.provider.cdn import Cdn
from shared.cloud.provider.codes import error_class
from shared.cloud.spool.bucket import KEYS_PER_LISTING, Entry, Listing
from shared.core.errors import LogStoreDown, OutcomeUnknown, StoreError, Unsent
from shared.core.task.model import Outcome

T = TypeVar("T")
RETRIED_SHARE = 0.5
"""How often the client's own second try follows a lost reply, so that a write happens twice."""


class StateBucket:
    """A prefix of a bucket of the local OSS. Times are in whole seconds, as OSS tells them; `time` listens to them."""

    def __init__(self, outside: Outside, state: Bucket, prefix: str, clock: Clock, time: OssClock, rng: Random) -> None:
        self.name, self.prefix = state.name, prefix
        self._outside, self._state, self._clock, self._time, self._rng = outside, state, clock, time, rng

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in place of what was there."""
        self._call("put", key, lambda: self._write(key, data))

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object where none is; False where one is already."""
        return self._call("put_new", key, lambda: self._state.get(self.prefix + key) is None and self._write(key, data))

    def put_many(self, items: Mapping[str, bytes]) -> None:
        """Write several objects."""
        for key, data in items.items():
            self.put(key, data)

    def get(self, key: str) -> bytes | None:
        """Read an object, None where there is none."""
        return self._call("get", key, lambda: self._read(key))

    def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Read several objects; those that are gone are absent from the answer."""
        bodies = {key: self.get(key) for key in keys}
        return {key: body for key, body in bodies.items() if body is not None}

    def list(self, prefix: str = "", after: str = "", *, delimiter: str = "", most: int = KEYS_PER_LISTING) -> Listing:
        """List objects whose key begins with `prefix` and follows `after`, up to the delimiter, where there is one."""
        sent = self._time.own()
        listing = self._call("list", prefix or after, lambda: self._page(prefix, after, delimiter, most))
        self._time.hear(listing.date, sent, self._time.own())
        return listing

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are gone already do not matter."""
        wanted = [self.prefix + key for key in keys]
        if wanted:
            self._call("delete", wanted[0], lambda: [self._state.remove(key) for key in wanted])

    def symlink(self, key: str) -> str:
        """Tell the key of the object to which a symlink leads."""
        return self._call("symlink", key, lambda: self._target(key))

    def each(self, action: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        """Do something for each item."""
        return [action(item) for item in items]

    def _target(self, key: str) -> str:
        found = self._state.get(self.prefix + key)
        if found is None or found.kind != "Symlink":
            raise StoreError(f"symlink {key}", "NoSuchKey" if found is None else "NotSymlink", "it is none")
        return found.target

    def _write(self, key: str, data: bytes) -> bool:
        full = self.prefix + key
        self._state.put(StoredObject(full, data, "", self._clock.now(), 0))
        return True

    def _read(self, key: str) -> bytes | None:
        found = self._state.get(self.prefix + key)
        return found.data if found else None

    def _page(self, prefix: str, after: str, delimiter: str, most: int) -> Listing:
        start = self.prefix + after if after else ""
        page = self._state.page(prefix=self.prefix + prefix, delimiter=delimiter, after=start, limit=most)
        cut = len(self.prefix)
        entries = tuple(Entry(each.key[cut:], float(int(each.modified)), len(each.data)) for each in page.objects)
        prefixes = tuple(each[cut:] for each in page.prefixes)
        return Listing(entries, float(int(self._clock.now())), page.next_marker is not None, prefixes)

    def _call(self, verb: str, key: str, action: Callable[[], T]) -> T:
        def effect(kind: str) -> T:
            fault = kind.rpartition(".")[2]
            if fault in {"server_error", "refused"}:
                code = "InternalError" if fault == "server_error" else "Unreachable"
                raise StoreError(f"{verb} {key}", code, "a fault of the simulation")
            done = action()
            if fault == "slow":
                self._outside.sleep(SLOW_SECONDS)
            if fault == "lost":
                if self._rng.random() >= RETRIED_SHARE:
                    raise StoreError(f"{verb} {key}", "Unreachable", "a fault of the simulation")
                return action()
            return done

        return self._outside.call("oss", f"{verb} {key}", effect)


class StateLog:
    """One logstore of the local log service; `down` tells whether it takes records now."""

    def __init__(
        self, outside: Outside, store: LogStore, project: str, logstore: str, down: Callable[[], bool]
    ) -> None:
        self._outside, self._store, self._down = outside, store, down
        self._project, self._logstore = project, logstore

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write records, or raise `LogStoreDown`."""

        def effect(kind: str) -> None:
            fault = kind.rpartition(".")[2]
            if self._down() or fault in {"throttle", "server_error", "refused"}:
                raise LogStoreDown("ServerBusy", "a fault of the simulation")
            for each in outcomes:
                self._store.write(self._project, self._logstore, "outcome", dict(fields(each)))
            if fault == "lost":
                raise LogStoreDown("Unreachable", "a fault of the simulation")

        self._outside.call("sls", "write", effect)


class StateCdn(Cdn):
    """The CDN's client without HTTP: each call is carried out by the API itself, and its fields are read as ever."""

    def __init__(self, outside: Outside, api: CdnApi, troubles: Troubles, rng: Random) -> None:
        super().__init__("http://cdn.aliyuncs.com", KeyRing(), transport=_NOWHERE, sleep=outside.sleep)
        self._outside, self._api, self._troubles, self._rng = outside, api, troubles, rng

    def ahead(self) -> float:
        """How many seconds the CDN's clock is ahead, as its replies would tell."""
        return self._troubles.features.cdn_ahead

    def _call(
        self, action: str, *, query: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make one call; its reply as plain data, or a `CdnError`."""
        return self._outside.call(
            "cdn", action, lambda kind: self._carried_out(kind, action, {**(query or form or {})})
        )

    def _carried_out(self, kind: str, action: str, params: dict[str, str]) -> dict[str, Any]:
        fault = kind.rpartition(".")[2]
        if fault in REFUSALS:
            raise _refused(REFUSALS[fault])
        if fault == "unsent":
            raise Unsent("ConnectError", f"{action} found no way")
        if fault == "refused":
            raise OutcomeUnknown("ReadError", f"{action} got no reply")
        if fault == "internal" and self._rng.random() < RETRIED_SHARE:
            raise OutcomeUnknown("InternalError", "It failed.")
        document = self._answer(action, params)
        if fault == "slow":
            self._outside.sleep(10.0)
        if fault in {"internal", "lost", "slow"}:
            raise OutcomeUnknown("ReadTimeout", f"{action} got no reply")
        if fault == "carried_out":
            raise _refused(REFUSALS["server_error"])
        return document

    def _answer(self, action: str, params: dict[str, str]) -> dict[str, Any]:
        """Do what `CdnApi.handle` does once it knows who calls, unless the call meets what persists in this run."""
        trouble = self._troubles.of(action, params)
        if trouble is not None:
            raise _met(action, trouble)
        document = self._troubles.told(action, self._run(action, self._troubles.asked(action, params)))
        return replies.checked(action, httpx.Response(200, json=document), ()) if "Code" in document else document

    def _run(self, action: str, params: Mapping[str, str]) -> dict[str, Any]:
        try:
            return self._api.carry_out(action, params, "the functions")
        except RefusedError as refused:
            raise _refused(refused) from refused


REFUSALS = {
    "throttle": RefusedError("Throttling.User"),
    "minute": RefusedError("QuotaPerMinuteExceeded.Refresh", what="refresh"),
    "server_error": RefusedError("ServiceUnavailable"),
}


def _refused(refused: RefusedError) -> Exception:
    return error_class(refused.code, refused.status)(refused.code, refused.message)


def _met(action: str, trouble: Trouble) -> Exception:
    if not trouble.status:
        return OutcomeUnknown("ReadError", f"{action} got no reply")
    return error_class(trouble.code, trouble.status)(trouble.code, "It is so.")


def _no_way(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nothing goes over HTTP here", request=request)


_NOWHERE = httpx.MockTransport(_no_way)
