"""The CDN API (version 2018-05-10) over `httpx`: domain types in and out, `CdnError` for every refusal.

Lenient in what it reads: ids and quotas as text or number, percent with or without its sign, task lists
as array or wrapped, any status. Exact in what it sends: V3 signatures, lower-case booleans, no retries
(whether to send again is decided by who knows what a unit costs).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from shared.cloud.clock import OssClock, date_of
from shared.cloud.credentials import KeyRing
from shared.cloud.provider.codes import error_class
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.cloud.provider.signature import authorization, body_hash, canonical_query
from shared.core.errors import OutcomeUnknown, Unsent
from shared.core.plan.books import Quota
from shared.core.task.model import Form
from shared.core.task.rows import Accepted, CdnTask, Page, Prefetch, task_from_row

API_VERSION = "2018-05-10"
TIMEOUTS = httpx.Timeout(connect=3.0, read=10.0, write=10.0, pool=1.0)
PAGE_SIZE_MAX = 100
STATED_WAIT_SECONDS_MAX = 120.0
"""The vendor's SDK waits no longer either, whatever the reply says."""
CLOCKS_AGREE_SECONDS = 60.0
"""The API takes requests that are up to 15 minutes off."""

_OBJECT_TYPES = {
    Form.FILE: "File",
    Form.DIRECTORY: "Directory",
    Form.REGEX: "Regex",
    # The English pages call it ExQuery, the Chinese ones and DCDN IgnoreParams: `ignore_params_type` decides.
    Form.IGNORE_PARAMS: "IgnoreParams",
}
_QUOTA_FIELDS = {
    "url": ("urlquota", "urlremain"),
    "directory": ("dirquota", "dirremain"),
    "regex": ("regexquota", "regexremain"),
    "ignore-params": ("ignoreparamsquota", "ignoreparamsremain"),
    "prefetch": ("preloadquota", "preloadremain"),
}


class Acs3Auth(httpx.Auth):
    """Signs each request with the keys of the current invocation (ACS3-HMAC-SHA256)."""

    requires_request_body = True

    def __init__(self, keys: KeyRing, clock: Callable[[], float], nonce: Callable[[], str]) -> None:
        self._keys, self._clock, self._nonce = keys, clock, nonce
        self._ahead_seconds = 0.0

    def set_clock_by(self, reply: httpx.Response) -> bool:
        """Date requests by the server's clock from now on; False where it does not tell, or already agreed."""
        try:
            ahead = parsedate_to_datetime(reply.headers["date"]).timestamp() - self._clock()
        except (KeyError, ValueError):
            return False
        agreed = abs(ahead - self._ahead_seconds) <= CLOCKS_AGREE_SECONDS
        self._ahead_seconds = ahead
        return not agreed

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add date, nonce, body hash, token and signature."""
        keys = self._keys.current()
        moment = datetime.fromtimestamp(self._clock() + self._ahead_seconds, timezone.utc)
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
    ) -> None:
        self._types = {**_OBJECT_TYPES, Form.IGNORE_PARAMS: ignore_params_type}
        self._keys = keys
        self._time = OssClock(clock)
        self._auth = Acs3Auth(keys, clock, nonce)
        self._http = httpx.Client(
            base_url=endpoint,
            auth=self._auth,
            timeout=TIMEOUTS,
            transport=transport,
            headers={"accept": "application/json", "x-acs-version": API_VERSION},
            trust_env=False,
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
        return _accepted(reply, "RefreshTaskId")

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
        return _accepted(reply, "PushTaskId")

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
        return Page(tuple(_rows(reply)), int(reply.get("TotalCount", 0)))

    def tasks_by_id(self, ids: Sequence[str]) -> Page:
        """Ask for the rows of up to ten task ids (DescribeRefreshTaskById); 30 calls a second.

        An id may carry rows of other calls made in the same second, and rows may be missing at first.
        """
        if len(ids) > ALIBABA_CDN.ids_per_status_call:
            raise ValueError(f"{len(ids)} task ids; a call takes {ALIBABA_CDN.ids_per_status_call}")
        rows = tuple(_rows(self._call("DescribeRefreshTaskById", query={"TaskId": ",".join(ids)})))
        return Page(rows, len(rows))

    def ahead(self) -> float:
        """How many seconds the API's clock is ahead of `clock`, as far as its replies have told."""
        return self._time.now() - self._time.own()

    def quota(self) -> Quota:
        """Ask what the day leaves (DescribeRefreshQuota); 20 calls a second. Unknown fields are absent."""
        reply = {name.lower(): value for name, value in self._call("DescribeRefreshQuota").items()}
        total, remaining = {}, {}
        for unit, (of, left) in _QUOTA_FIELDS.items():
            if _is_number(reply.get(of)) and _is_number(reply.get(left)):
                total[unit], remaining[unit] = int(reply[of]), int(reply[left])
        return Quota(total=total, remaining=remaining)

    def _call(
        self, action: str, *, query: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make one call; its reply as plain data, or a `CdnError`.

        A call refused for expired keys or a wrong clock goes once more, with new keys or the server's time.
        """
        reply = self._post(action, query, form)
        code = _code(reply)
        expired = code == "InvalidSecurityToken.Expired" and self._keys.renew()
        if expired or (code == "InvalidTimeStamp.Expired" and self._auth.set_clock_by(reply)):
            reply = self._post(action, query, form)
        return _checked(action, reply)

    def _post(self, action: str, query: Mapping[str, str] | None, form: Mapping[str, str] | None) -> httpx.Response:
        """Send one request. Raises `Throttled` where it was never sent, `OutcomeUnknown` where no reply came."""
        headers = {"x-acs-action": action}
        content = b""
        if form:
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = canonical_query(form.items()).encode()
        url = "/?" + canonical_query(query.items()) if query else "/"
        sent = self._time.own()
        try:
            reply = self._http.post(url, content=content, headers=headers)
            if (moment := date_of(reply.headers)) is not None:
                self._time.hear(moment, sent, self._time.own())
            return reply
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as fault:
            raise Unsent("Unconnected", f"{action} was not sent: {fault}") from fault
        except httpx.HTTPError as fault:
            raise OutcomeUnknown(type(fault).__name__, f"{action} got no reply: {fault}") from fault


def _body(reply: httpx.Response) -> dict[str, Any] | None:
    """The JSON object of a reply; None where there is none."""
    try:
        body = msgspec.json.decode(reply.content)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _refusal(reply: httpx.Response) -> dict[str, str]:
    """The fields of an error's body, names in lower case."""
    return {name.lower(): str(value) for name, value in (_body(reply) or {}).items() if value is not None}


def _code(reply: httpx.Response) -> str:
    """The vendor's error code; the status where the body has none, nothing where the reply is good."""
    return "" if reply.is_success else _refusal(reply).get("code") or f"HTTP{reply.status_code}"


def _checked(action: str, reply: httpx.Response) -> dict[str, Any]:
    """The body of a good reply; the fitting `CdnError` for every other."""
    body = _body(reply)
    if body is None:
        raise OutcomeUnknown("NotJson", f"{action} was answered {reply.status_code} without JSON")
    if reply.is_success:
        return body
    code, fields = _code(reply), _refusal(reply)
    stated = reply.headers.get("x-acs-retry-after", "")
    raise error_class(code, reply.status_code)(
        code,
        fields.get("message", ""),
        request_id=fields.get("requestid", ""),
        wait_seconds=min(int(stated) / 1000, STATED_WAIT_SECONDS_MAX) if stated.isdecimal() else 0.0,
    )


def _accepted(reply: Mapping[str, Any], field: str) -> Accepted:
    ids = tuple(part.strip() for part in str(reply.get(field) or "").split(",") if part.strip())
    if not ids:
        raise OutcomeUnknown(
            "NoTaskId", f"accepted, but {field} is missing", request_id=str(reply.get("RequestId", ""))
        )
    return Accepted(ids, str(reply.get("RequestId", "")))


def _rows(reply: Mapping[str, Any]) -> Iterable[CdnTask]:
    """The rows of a task list, whether wrapped in `CDNTask` or not."""
    tasks = reply.get("Tasks") or []
    if isinstance(tasks, dict):
        tasks = tasks.get("CDNTask") or []
    return (task_from_row(row) for row in tasks)


def _is_number(value: Any) -> bool:
    return str(value).strip().isdecimal()


def _boolean(value: bool) -> str:  # noqa: FBT001 - a conversion
    return "true" if value else "false"


def _utc(moment: float | None) -> str:
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
