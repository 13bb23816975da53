"""Outcome records to a logstore (SLS) by acknowledged write, a batch per call, through the vendor's SDK.

The SDK is imported at the first write: it takes longer to load than a submission takes, and nothing
before the first submission needs it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import msgspec
from requests import RequestException, Session

from shared.cloud.clock import SigningClock
from shared.cloud.credentials import KeyRing
from shared.cloud.session import REDIRECTED, UNTRUSTED, fault_told, is_redirect, redirect_told, straight_session
from shared.core.errors import LogStoreDown, RecordsRefused
from shared.core.foreign import CODE_CHARACTERS_MAX, cut, foreign, valid
from shared.core.task.model import Outcome

RECORDS_PER_WRITE_MAX = 4_096
BYTES_PER_WRITE_MAX = 2_500_000
"""Log groups hold at most 4,096 logs; their bytes are limited to 3, 5 or 10 MB, by which page one reads."""
RECORD_BYTES = 500
"""About what the names and short fields of a record take beside its texts."""
TEXT_CHARACTERS_MAX = 4_096
"""A field's text; the longest that is ours is a URL."""
TIMEOUT_SECONDS = 5
AGE_SECONDS_MAX = 7 * 86_400 - 3_600.0
"""PutLogs takes records of the last seven days, by its time; older ones go under the oldest time that it takes."""
AHEAD_SECONDS_MAX = 600.0
"""… and of up to 15 minutes ahead."""

SKEWED = "RequestTimeExpired"
UNAUTHORIZED = "Unauthorized"

_OF_CONTENT = frozenset(
    {
        # What the pages on PutLogs say of the records themselves: another write may be taken.
        "PostBodyInvalid",  # cannot be parsed, or a record's time is out of range
        "PostBodyTooLarge",  # too many bytes or records in this write
        "PostBodyUncompressError",  # these bytes cannot be unpacked
        "InvalidTimestamp",  # of a record
        "InvalidEncoding",  # a text that is not UTF-8
        "InvalidKey",  # a field's name
        "InvalidLogSize",  # the SDK itself: too many bytes or records
        # Not ParameterInvalid: its sentences are about the request's headers, which are alike in every write.
    }
)
_REMEDIES: Mapping[str, tuple[str, str]] = {
    "ProjectNotExist": (
        "LOG_PROJECT {project!r} does not exist at {endpoint}",
        "create it there, or set LOG_PROJECT, REGION or LOG_ENDPOINT to where it is",
    ),
    "LogStoreNotExist": (
        "LOGSTORE {logstore!r} does not exist in project {project!r}",
        "create it, or set LOGSTORE to one that exists",
    ),
    UNAUTHORIZED: (
        "the functions' role may not write to logstore {project}/{logstore} ({message})",
        "grant the role log:PostLogStoreLogs on it",
    ),
    "SignatureNotMatch": (
        "the log service refuses the signature ({message})",
        "see that the function has a role and that LOG_ENDPOINT is the vendor's own",
    ),
    "ProjectForbidden": ("project {project!r} is stopped ({message})", "look at the account's balance and services"),
    "NotSet": ("LOG_PROJECT or LOGSTORE is not set", "set both"),
    REDIRECTED: ("{endpoint} {message}", "set LOG_ENDPOINT to the log service's own address"),
    UNTRUSTED: ("{endpoint} does not prove who it is ({message})", "set LOG_ENDPOINT or PROXY right"),
    "NotSls": ("{endpoint} is not the log service: {message}", "set LOG_ENDPOINT or PROXY right"),
}


class OutcomeLog:
    """One logstore of one project. `adapter` is mounted into the SDK's HTTP session (tests only).

    `clock` tells the time that records are dated by, `signing` the one that requests are, both in epoch seconds.
    `alarm` is told, once per kind, of what only a person can mend, and how.
    """

    def __init__(  # noqa: PLR0913 - where it is, and what a test replaces
        self,
        endpoint: str,
        project: str,
        logstore: str,
        keys: KeyRing,
        *,
        adapter: Any = None,
        clock: Callable[[], float] = time.time,
        signing: Callable[[], float] = time.time,
        proxy: str = "",
        alarm: Callable[[str, str], object] = lambda _alarm, _remedy: None,
    ) -> None:
        self._endpoint, self._project, self._logstore = endpoint, project, logstore
        self._keys, self._adapter, self._proxy = keys, adapter, proxy
        self._clock, self._signing, self._alarm = clock, SigningClock(signing), alarm
        self._alarmed: set[str] = set()
        self._client: Any = None

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write records; returns when the log store has acknowledged them.

        Raises `RecordsRefused` where it does not like what they hold, `LogStoreDown` where it takes none.
        """
        for part in parts(outcomes):
            self._put(part)

    def _put(self, outcomes: Sequence[Outcome]) -> None:
        if not (self._project and self._logstore):
            raise self._error("NotSet", "no logstore is set", "")
        from aliyun.log import LogException, LogItem, PutLogsRequest  # noqa: PLC0415 - slow to import, see above

        now = self._clock()
        try:
            items = [LogItem(_dated(each.time, now), contents=fields(each)) for each in outcomes]
            request = PutLogsRequest(self._project, self._logstore, topic="outcome", logitems=items, compress=True)
            self._send(request)
        except _Failed as fault:
            raise self._error(fault.code, fault.message, fault.request_id) from None
        except LogException as fault:
            raise self._error(fault.get_error_code(), fault.get_error_message(), fault.get_request_id()) from None
        except (TypeError, ValueError) as fault:
            raise self._error("InvalidEncoding", f"{type(fault).__name__}: {fault}", "") from None

    def _send(self, request: Any) -> None:
        """Send a request, and once more where the time or the keys were refused and there are better ones now."""
        client = self._connected()
        try:
            client.put_logs(request)
        except _Failed as fault:
            late = fault.code == SKEWED and self._signing.follow(fault.headers)
            if not late and not (fault.code == UNAUTHORIZED and self._keys.renew()):
                raise
            client.put_logs(request)

    def _error(self, code: str, message: str, request_id: str) -> LogStoreDown:
        """Give the error that fits, with the vendor's words but without keys; alarm where a person must act."""
        secrets = self._keys.secrets()
        code, message = foreign(code, secrets, CODE_CHARACTERS_MAX), foreign(message, secrets)
        if code in _REMEDIES and code not in self._alarmed:
            self._alarmed.add(code)
            alarm, remedy = _REMEDIES[code]
            told = {"project": self._project, "logstore": self._logstore, "endpoint": self._endpoint}
            self._alarm(f"outcomes cannot be logged: {alarm.format(message=message, **told)}", remedy)
        kind = RecordsRefused if code in _OF_CONTENT else LogStoreDown
        return kind(code, message, request_id=foreign(request_id, secrets, CODE_CHARACTERS_MAX))

    def _connected(self) -> Any:
        """The SDK's client, made once per instance; it asks for the current keys at each request."""
        if self._client is None:
            session = straight_session(self._adapter, self._proxy)
            self._client = _client(self._endpoint, self._keys, self._signing, session)
        return self._client


class _Failed(Exception):
    """A request that was not answered with success. No `LogException`, since the SDK repeats some of those."""

    def __init__(self, code: str, message: str, request_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.request_id, self.headers = code, message, request_id, headers or {}


def parts(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Cut records into writes that the log service takes."""
    part: list[Outcome] = []
    size = 0
    for each in outcomes:
        texts = (each.key, each.url, each.message, each.cdn_task_ids)
        own = RECORD_BYTES + sum(len(text.encode(errors="replace")) for text in texts)
        if part and (len(part) == RECORDS_PER_WRITE_MAX or size + own > BYTES_PER_WRITE_MAX):
            yield part
            part, size = [], 0
        part.append(each)
        size += own
    if part:
        yield part


def _client(endpoint: str, keys: KeyRing, signing: SigningClock, session: Session) -> Any:
    from aliyun.log import LogClient  # noqa: PLC0415 - slow to import, see above
    from aliyun.log.auth import AuthV1  # noqa: PLC0415 - slow to import, see above
    from aliyun.log.credentials import Credentials, CredentialsProvider  # noqa: PLC0415 - slow to import, see above

    class Provider(CredentialsProvider):
        """Gives the SDK the keys of the current invocation."""

        def get_credentials(self) -> Any:
            now = keys.current()
            return Credentials(now.access_key_id, now.access_key_secret, now.security_token or None)

    class Dated(AuthV1):
        """The SDK's own signature, dated by a clock that is given."""

        @staticmethod
        def _getGMT() -> str:  # noqa: N802 - the SDK's name
            return formatdate(signing.now(), usegmt=True)

    class OneTry(LogClient):
        """The SDK tries ten times, a second apart; a drain must not wait so long, the spool keeps the records."""

        def _sendRequest(  # noqa: N802 - the SDK's name
            self,
            method: str,
            url: str,
            params: Any,
            body: Any,
            headers: Any,
            respons_body_type: str = "json",  # noqa: ARG002 - a write is answered without a body
        ) -> Any:
            return _exchange(session, method, url, params, body, headers)

    client = OneTry(endpoint, source="", credentials_provider=Provider())
    signer: Any = Dated
    setattr(client, "_auth", signer(Provider()))  # noqa: B010 - the SDK's own field, which its types do not show
    if re.fullmatch(r"[0-9.]+", urlsplit(endpoint).hostname or ""):
        # The SDK puts the project before the host, which an address does not allow; it overlooks one with a port.
        setattr(client, "_isRowIp", True)  # noqa: B010 - the SDK's own switch, which its types do not show
    return client


def _exchange(session: Any, method: str, url: str, params: Any, body: Any, headers: Any) -> tuple[None, dict[str, str]]:
    """Make one request; only 200 with the service's request id is success. Raises `_Failed`."""
    try:
        reply = session.request(method, url, params=params, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
    except RequestException as fault:
        raise _Failed(*fault_told(fault)) from None
    request_id = reply.headers.get("x-log-requestid", "")
    if reply.status_code == 200 and request_id:  # noqa: PLR2004 - the documented status
        return None, dict(reply.headers)
    if is_redirect(reply.status_code):
        raise _Failed(REDIRECTED, redirect_told(reply.status_code, reply.headers), request_id)
    code, message = _refusal(reply.content)
    if not code and reply.ok:
        raise _Failed("NotSls", f"answered {reply.status_code} without a request id", request_id)
    raise _Failed(code or f"HTTP{reply.status_code}", message, request_id, reply.headers)


def _refusal(body: bytes) -> tuple[str, str]:
    """Read an error's body: its code and message, nothing where it is none of the log service's."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    return str(told.get("errorCode") or ""), str(told.get("errorMessage") or "")


def _dated(moment: float, now: float) -> int:
    """Date a record as the log service takes it; its field `time` stays as it is."""
    return int(min(max(moment, now - AGE_SECONDS_MAX, 0.0), now + AHEAD_SECONDS_MAX, 2**32 - 1))


def fields(record: Outcome) -> list[tuple[str, str]]:
    """The indexed fields of a record, all as text that can be sent; times in epoch seconds with milliseconds."""
    plain = msgspec.to_builtins(record)
    return [(name, f"{value:.3f}" if isinstance(value, float) else _text(value)) for name, value in plain.items()]


def _text(value: object) -> str:
    return cut(valid(str(value)), TEXT_CHARACTERS_MAX)
