"""Outcome records to a logstore (SLS) by acknowledged write, a batch per call, through the vendor's SDK.

The SDK is imported at the first write: it takes longer to load than a submission takes, and nothing
before the first submission needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared.cloud.credentials import KeyRing
from shared.core.errors import LogStoreDown
from shared.core.task.model import Outcome

RECORDS_PER_WRITE_MAX = 4_096
BYTES_PER_WRITE_MAX = 2_500_000
"""Log groups hold at most 4,096 logs; their bytes are limited to 3, 5 or 10 MB, by which page one reads."""
RECORD_BYTES = 500
"""About what the names and short fields of a record take beside its texts."""
TIMEOUT_SECONDS = 5


class OutcomeLog:
    """One logstore of one project. `adapter` is mounted into the SDK's HTTP session (tests only)."""

    def __init__(self, endpoint: str, project: str, logstore: str, keys: KeyRing, *, adapter: Any = None) -> None:
        self._endpoint, self._project, self._logstore = endpoint, project, logstore
        self._keys, self._adapter = keys, adapter
        self._client: Any = None

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write records; returns when the log store has acknowledged them, else raises `LogStoreDown`."""
        for part in parts(outcomes):
            self._put(part)

    def _put(self, outcomes: Sequence[Outcome]) -> None:
        from aliyun.log import LogException, LogItem, PutLogsRequest  # noqa: PLC0415 - slow to import, see above

        items = [LogItem(int(each.time), contents=fields(each)) for each in outcomes]
        request = PutLogsRequest(self._project, self._logstore, topic="outcome", logitems=items, compress=True)
        try:
            self._connected().put_logs(request)
        except LogException as fault:
            raise LogStoreDown(fault.get_error_code(), fault.get_error_message()) from fault

    def _connected(self) -> Any:
        """The SDK's client, made once per instance; it asks for the current keys at each request."""
        if self._client is None:
            self._client = _client(self._endpoint, self._keys)
            if self._adapter is not None:
                self._client._session.mount("http://", self._adapter)  # noqa: SLF001 - the SDK offers no other way
        return self._client


def parts(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Cut records into writes that the log service takes."""
    part: list[Outcome] = []
    size = 0
    for each in outcomes:
        own = RECORD_BYTES + sum(len(text.encode()) for text in (each.key, each.url, each.message, each.cdn_task_ids))
        if part and (len(part) == RECORDS_PER_WRITE_MAX or size + own > BYTES_PER_WRITE_MAX):
            yield part
            part, size = [], 0
        part.append(each)
        size += own
    if part:
        yield part


def _client(endpoint: str, keys: KeyRing) -> Any:
    from aliyun.log import LogClient, LogException  # noqa: PLC0415 - slow to import, see above
    from aliyun.log.credentials import Credentials, CredentialsProvider  # noqa: PLC0415 - slow to import, see above

    class Provider(CredentialsProvider):
        """Gives the SDK the keys of the current invocation."""

        def get_credentials(self) -> Any:
            now = keys.current()
            return Credentials(now.access_key_id, now.access_key_secret, now.security_token or None)

    class OneTry(LogClient):
        """The SDK tries ten times, a second apart; a drain must not wait so long, the spool keeps the records."""

        def _sendRequest(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - the SDK's name
            try:
                return super()._sendRequest(*args, **kwargs)  # type: ignore[misc]
            except LogException as fault:
                raise LogStoreDown(fault.get_error_code(), fault.get_error_message()) from fault

    client = OneTry(endpoint, source="", credentials_provider=Provider())
    client.timeout = TIMEOUT_SECONDS
    if re.fullmatch(r"[0-9.]+", urlsplit(endpoint).hostname or ""):
        # The SDK puts the project before the host, which an address does not allow; it overlooks one with a port.
        setattr(client, "_isRowIp", True)  # noqa: B010 - the SDK's own switch, which its types do not show
    return client


def fields(record: Outcome) -> list[tuple[str, str]]:
    """The indexed fields of a record, all as text; times in epoch seconds with milliseconds."""
    plain = msgspec.to_builtins(record)
    return [(name, f"{value:.3f}" if isinstance(value, float) else str(value)) for name, value in plain.items()]
