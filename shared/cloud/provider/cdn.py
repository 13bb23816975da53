"""The CDN API (version 2018-05-10) over `httpx`: domain types in and out, `CdnError` for every other answer.

Lenient in what it reads: ids and quotas as text or number, percent with or without its sign, task lists
as array or wrapped, any status. Exact in what it sends: V3 signatures, lower-case booleans, no retries
(whether to send again is decided by who knows what a unit costs). What it does not know is never taken for
an empty answer (`replies.py`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from shared.cloud.clock import OssClock, SigningClock, date_of
from shared.cloud.credentials import KeyRing
from shared.cloud.provider import replies
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.cloud.provider.signature import authorization, body_hash, canonical_query
from shared.cloud.session import UNTRUSTED, fault_told
from shared.core.errors import CdnError, OutcomeUnknown, Rejected, Unsent
from shared.core.foreign import foreign
from shared.core.plan.books import Quota
from shared.core.task.model import Form
from shared.core.task.rows import Accepted, CdnTask, Page, Prefetch

API_VERSION = "2018-05-10"
REPLY_BYTES_MAX = 4 * 1024 * 1024
"""A reply of a hundred rows has 50 KB; what is longer than this is none."""
REPLY_SECONDS_MAX = 30.0
"""How long a reply may trickle in."""
TIMEOUTS = httpx.Timeout(connect=3.0, read=10.0, write=10.0, pool=1.0)
PAGE_SIZE_MAX = 100
PAGES_BY_ID_MAX = 30
"""Three calls of a thousand URLs; what is not read then is read at a later look."""

_NOT_CONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_OBJECT_TYPES = {
    Form.FILE: "File",
    Form.DIRECTORY: "Directory",
    Form.REGEX: "Regex",
    # The English pages call it ExQuery, the Chinese ones and DCDN IgnoreParams: `ignore_params_type` decides.
    Form.IGNORE_PARAMS: "IgnoreParams",
}


class Acs3Auth(httpx.Auth):
    """Signs each request with the keys of the current invocation (ACS3-HMAC-SHA256)."""

    requires_request_body = True

    def __init__(self, keys: KeyRing, clock: Callable[[], float], nonce: Callable[[], str]) -> None:
        self._keys, self._clock, self._nonce = keys, SigningClock(clock), nonce

    def set_clock_by(self, reply: httpx.Response) -> bool:
        """Date requests by the server's clock from now on; False where it does not tell, or already agreed."""
        return self._clock.follow(reply.headers)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add date, nonce, body hash, token and signature."""
        keys = self._keys.current()
        moment = datetime.fromtimestamp(self._clock.now(), timezone.utc)
        request.headers["x-acs-date"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        request.headers["x-acs-signature-nonce"] = self._nonce()
        request.headers["x-acs-content-sha256"] = body_hash(request.content)
        if keys.security_token:
            request.headers["x-acs-security-token"] = keys.security_token
        signed = {
            name: value
            for name, value in request.headers.items()
            if name.startswith("x-acs-") or name in {"host", "content-type"}
        }
        query = parse_qsl(request.url.query.decode(), keep_blank_values=True)
        request.headers["authorization"] = authorization(
            request.method, request.url.path, query, signed, keys.access_key_id, keys.access_key_secret
        )
        yield request


_OF_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that are not true of a reply that was read and decoded."""


class Cdn:
    """The five operations this package needs. Source: the vendor's API reference of each operation.

    Every method raises `CdnError`; which of its kinds tells what to do (core/errors.py).
    """

    def __init__(
        self,
        endpoint: str,
        keys: KeyRing,
        *,
        ignore_params_type: str = "IgnoreParams",
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        sleep: Callable[[float], None] = time.sleep,
        proxy: str = "",
    ) -> None:
        self._types = {**_OBJECT_TYPES, Form.IGNORE_PARAMS: ignore_params_type}
        self._keys, self._sleep = keys, sleep
        self._time = OssClock(clock)
        self._auth = Acs3Auth(keys, clock, nonce)
        self._http = httpx.Client(
            base_url=endpoint,
            auth=self._auth,
            timeout=TIMEOUTS,
            transport=transport,
            headers={"accept": "application/json", "x-acs-version": API_VERSION},
            trust_env=False,
            follow_redirects=False,
            proxy=proxy or None,
        )

    def refresh(self, urls: Sequence[str], form: Form = Form.FILE, *, force: bool = False) -> Accepted:
        """Submit a refresh (RefreshObjectCaches).

        At most 1,000 URLs, 100 directories or 1 pattern, of 10 domains. `force` drops what a directory
        holds; without it, unchanged objects are revalidated and stay.
        """
        fields = {"ObjectPath": "\n".join(urls), "ObjectType": self._types[form]}
        if form is not Form.FILE:
            fields["Force"] = _boolean(force)
        reply = self._call("RefreshObjectCaches", form=fields)
        return replies.accepted(reply, "RefreshTaskId", self._keys.secrets())

    def prefetch(self, urls: Sequence[str], options: Prefetch | None = None) -> Accepted:
        """Submit a prefetch (PushObjectCache). At most 100 URLs, each at most 1,024 characters."""
        options = options or Prefetch()
        fields = {"ObjectPath": "\n".join(urls)}
        if options.area:
            fields["Area"] = options.area
        if options.with_header:
            fields["WithHeader"] = msgspec.json.encode(options.with_header).decode()
        for name, wanted in (
            ("L2Preload", options.l2_preload),
            ("QueryHashkey", options.query_hashkey),
            ("ConsistencyHash", options.consistency_hash),
        ):
            if wanted:
                fields[name] = _boolean(wanted)
        reply = self._call("PushObjectCache", form=fields)
        return replies.accepted(reply, "PushTaskId", self._keys.secrets())

    def tasks(  # noqa: PLR0913 - the filters of the operation
        self,
        *,
        task_id: str = "",
        url: str = "",
        object_type: str = "",
        domain: str = "",
        status: str = "",
        since: float | None = None,
        until: float | None = None,
        page: int = 1,
        page_size: int = PAGE_SIZE_MAX,
    ) -> Page:
        """List tasks of the last three days (DescribeRefreshTasks), newest first; 5 calls a second.

        `since` and `until` are in epoch seconds and go together. `domain` or `status` needs `object_type`.
        """
        query = {
            "TaskId": task_id,
            "ObjectPath": url,
            "ObjectType": object_type,
            "DomainName": domain,
            "Status": status,
            "StartTime": _utc(since),
            "EndTime": _utc(until),
            "PageNumber": str(page),
            "PageSize": str(page_size),
        }
        reply = self._call("DescribeRefreshTasks", query={name: value for name, value in query.items() if value})
        return replies.page(reply, self._keys.secrets())

    def tasks_by_id(self, ids: Sequence[str], go_on: Callable[[], bool] = lambda: True) -> Page:
        """Ask for the rows of up to ten task ids (DescribeRefreshTaskById); 30 calls a second.

        An id may carry rows of other calls made in the same second, and rows may be missing at first. Where there are
        more rows than came, they are read from the task list, id by id, while `go_on` says so; the answer tells whether
        it is complete. A single id that this operation does not take is looked for in the task list too.
        """
        if len(ids) > ALIBABA_CDN.ids_per_status_call:
            raise ValueError(f"{len(ids)} task ids; a call takes {ALIBABA_CDN.ids_per_status_call}")
        try:
            reply = self._call("DescribeRefreshTaskById", query={"TaskId": ",".join(ids)})
        except Rejected:
            if len(ids) > 1:
                raise
            self._sleep(1.0 / ALIBABA_CDN.list_calls_per_second)
            return self._paged(lambda number: self.tasks(task_id=ids[0], page=number), PAGES_BY_ID_MAX, go_on)
        found = replies.page(reply, self._keys.secrets())
        return found if found.total <= len(found.rows) else self._rest(ids, found, go_on)

    def listed(
        self,
        *,
        domain: str,
        object_type: str,
        since: float,
        until: float,
        pages_max: int = 20,
        go_on: Callable[[], bool] = lambda: True,
    ) -> Page:
        """List the tasks of a domain, of one type and of a span of time (epoch seconds), while `go_on` says so.

        The answer tells whether it is complete. Raises `CdnError` where not even the first page came.
        """
        return self._paged(
            lambda number: self.tasks(domain=domain, object_type=object_type, since=since, until=until, page=number),
            pages_max,
            go_on,
        )

    def ahead(self) -> float:
        """How many seconds the API's clock is ahead of `clock`, as far as its replies have told."""
        return self._time.now() - self._time.own()

    def quota(self) -> Quota:
        """Ask what the day leaves (DescribeRefreshQuota); 20 calls a second. Unknown fields are absent."""
        return replies.quota(self._call("DescribeRefreshQuota"), self._keys.secrets())

    def _rest(self, ids: Sequence[str], found: Page, go_on: Callable[[], bool]) -> Page:
        """Read from the task list what a look-up by ids left out; as many pages as a look may take.

        The first page of each id comes first, so that one of many rows keeps no other from being seen. Who has the
        further pages differs from look to look, so that they are not the same ids' each time.
        """
        listed: dict[str, Page] = {}
        for task_id in ids:
            if not go_on():
                break
            listed[task_id] = self._listed_id(task_id, 1, go_on)
        pages = PAGES_BY_ID_MAX - len(listed)
        begin = int(self._time.own() * 1_000) % len(ids)
        for task_id in (*ids[begin:], *ids[:begin]):
            first = listed.get(task_id)
            if first is None or not first.rows or first.total <= len(first.rows) or pages <= 0 or not go_on():
                continue
            listed[task_id] = self._listed_id(task_id, 1 + pages, go_on, first)
            pages -= max(1, -(-len(listed[task_id].rows) // PAGE_SIZE_MAX) - 1)
        rows: list[CdnTask] = []
        total = 0
        for task_id in ids:
            own = Page(tuple(row for row in found.rows if row.task_id == task_id), 0)
            told = listed.get(task_id, own)
            own = told if len(told.rows) >= len(own.rows) else own
            rows += own.rows
            total += max(own.total, len(own.rows))
        return Page(tuple(rows), max(total, found.total))

    def _listed_id(self, task_id: str, pages_max: int, go_on: Callable[[], bool], first: Page | None = None) -> Page:
        if first is None:
            self._sleep(1.0 / ALIBABA_CDN.list_calls_per_second)
        try:
            return self._paged(lambda number: self.tasks(task_id=task_id, page=number), pages_max, go_on, first)
        except CdnError:
            return Page((), 0)  # what is known already has to do for now

    def _paged(
        self, ask: Callable[[int], Page], pages_max: int, go_on: Callable[[], bool], first: Page | None = None
    ) -> Page:
        """Read pages until there are as many rows as are said to be; where a later page fails, what came before it."""
        found = first or ask(1)
        rows, total = list(found.rows), found.total
        for number in range(2, pages_max + 1):
            if total <= len(rows) or not found.rows or not go_on():
                break
            self._sleep(1.0 / ALIBABA_CDN.list_calls_per_second)
            try:
                found = ask(number)
            except CdnError:
                break
            rows += found.rows
            total = max(total, found.total)
        return Page(tuple(rows), total)

    def _call(
        self, action: str, *, query: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make one call; its reply as plain data, or a `CdnError`.

        A call refused for expired keys or a wrong clock goes once more, with new keys or the server's time.
        """
        reply = self._post(action, query, form)
        code = replies.code_of(reply)
        expired = code == "InvalidSecurityToken.Expired" and self._keys.renew()
        if expired or (code == "InvalidTimeStamp.Expired" and self._auth.set_clock_by(reply)):
            reply = self._post(action, query, form)
        return replies.checked(action, reply, self._keys.secrets())

    def _post(self, action: str, query: Mapping[str, str] | None, form: Mapping[str, str] | None) -> httpx.Response:
        """Send one request. Raises `Unsent` where no connection was made, `OutcomeUnknown` where no reply came."""
        headers = {"x-acs-action": action}
        content = b""
        if form:
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = canonical_query(form.items()).encode()
        url = "/?" + canonical_query(query.items()) if query else "/"
        sent = self._time.own()
        try:
            with self._http.stream("POST", url, content=content, headers=headers) as response:
                reply = self._whole(action, response, sent)
        except _NOT_CONNECTED as fault:
            code, reason = fault_told(fault)
            told = f"{action} was not sent, no connection to {self._http.base_url.host}: {reason}"
            raise Unsent(code if code == UNTRUSTED else "Unconnected", foreign(told, self._keys.secrets())) from None
        except httpx.HTTPError as fault:
            told = foreign(f"{action} got no reply: {fault}", self._keys.secrets())
            raise OutcomeUnknown(type(fault).__name__, told) from None
        if (moment := date_of(reply.headers)) is not None:
            self._time.hear(moment, sent, self._time.own())
        return reply

    def _whole(self, action: str, response: httpx.Response, sent: float) -> httpx.Response:
        """Read a reply. Raises `OutcomeUnknown` where it does not end within its bounds of size and time."""
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > REPLY_BYTES_MAX or self._time.own() - sent > REPLY_SECONDS_MAX:
                told = f"{action} got a reply that does not end: {len(body)} bytes in {self._time.own() - sent:.0f} s"
                raise OutcomeUnknown("EndlessReply", told)
        headers = [(name, value) for name, value in response.headers.items() if name not in _OF_TRANSFER]
        return httpx.Response(response.status_code, headers=headers, content=bytes(body))


def _boolean(value: bool) -> str:  # noqa: FBT001 - a conversion
    return "true" if value else "false"


def _utc(moment: float | None) -> str:
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
