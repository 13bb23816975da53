"""The log service: PutLogs and GetLogs requests go in; replies in the vendor's format come out.

What is written can be searched at once; all fields count as indexed. Everything is kept in memory.
A rule in `answers` speaks before or after a call is carried out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from scripts.localcloud.answers import Answer, RawAnswer, first_answer
from scripts.localcloud.clock import Clock, ShiftedClock
from scripts.localcloud.sls.answers import GET_LOGS, GET_LOGSTORE, PUT_LOGS, SlsCall, SlsRule, refusal_of
from scripts.localcloud.sls.auth import SlsError, check_time, verify
from scripts.localcloud.sls.query import compile_query
from scripts.localcloud.sls.wire import LogGroup, decompress, parse_log_group
from scripts.localcloud.web import Request, Response, parse_pairs

BODY_BYTES_MAX = 10 * 1024 * 1024
"""A PutLogs body before compression ("PostBodyTooLarge" in the vendor's error table)."""

LINES_MAX = 100
"""Logs of one GetLogs reply; also how many it gives where none are asked for."""

VENDOR_HOST = r"[\w-]+\.(?:log|sls)\.aliyuncs\.com"
BARE_HOST = r"\d+\.\d+\.\d+\.\d+|localhost"
HOST_OF_PROJECT = re.compile(rf"(?:(?P<project>[^.]+)\.)?(?:{VENDOR_HOST}|{BARE_HOST})")

FAULTS = {
    "throttle": (403, "WriteQuotaExceed", "Project write quota exceed: qps: 1."),
    "throttle_read": (403, "ReadQuotaExceed", "Project read quota exceed: qps: 1."),
    "server_error": (500, "InternalServerError", "Internal server error message."),
    "busy": (503, "ServerBusy", "The server is busy, please try again later."),
}

Record = dict[str, str]
"""One log as GetLogs gives it: its fields, `__time__`, `__source__`, `__topic__`, `__tag__:...`; all text."""


@dataclass(frozen=True, slots=True)
class _Stored:
    time: int
    record: Record


@dataclass(slots=True)
class _LogStore:
    created: int
    stored: list[_Stored] = field(default_factory=list)


class LogStore:
    """The projects and logstores of one account, and what was written to them.

    `keys` maps access key ids to secrets, `tokens` the temporary ones among them to security tokens; both
    are read at each request. `signing_clock` is the clock that signatures are dated by, where it is another:
    clients in process sign by the machine's time though the service may live on a virtual clock.
    `answers`, `expired_tokens` and `clock_ahead_seconds` (by which signatures are judged) may be set at any time.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        keys: Mapping[str, str],
        tokens: Mapping[str, str] | None = None,
        signing_clock: Clock | None = None,
    ) -> None:
        self.answers: list[SlsRule] = []
        self.expired_tokens: set[str] = set()
        self._clock = clock
        self._keys = keys
        self._tokens = tokens if tokens is not None else {}
        self._signing_clock = ShiftedClock(signing_clock or clock)
        self._projects: dict[str, dict[str, _LogStore]] = {}
        self._request_ids = itertools.count(1)

    @property
    def clock_ahead_seconds(self) -> float:
        """How far the log service's clock is ahead of everybody else's."""
        return self._signing_clock.ahead_seconds

    @clock_ahead_seconds.setter
    def clock_ahead_seconds(self, seconds: float) -> None:
        self._signing_clock.ahead_seconds = seconds

    def create(self, project: str, logstore: str) -> None:
        """Create a logstore, and its project with the first; one that exists stays as it is."""
        stores = self._projects.setdefault(project, {})
        stores.setdefault(logstore, _LogStore(int(self._clock.now())))

    def drop(self, project: str, logstore: str = "") -> None:
        """Delete a logstore with what is in it, or the whole project."""
        if logstore:
            del self._projects[project][logstore]
        else:
            del self._projects[project]

    def logs(self, project: str, logstore: str) -> list[Record]:
        """All logs of a logstore, in the order in which they were written."""
        return [dict(each.record) for each in self._projects[project][logstore].stored]

    def write(self, project: str, logstore: str, topic: str, contents: Mapping[str, str]) -> None:
        """Write one log without a signature, as the platform's own services do."""
        now = int(self._clock.now())
        record = {"__time__": str(now), "__topic__": topic, "__source__": "", **contents}
        self._projects[project][logstore].stored.append(_Stored(now, record))

    def put_logs(self, project: str, logstore: str, records: Sequence[Record], topic: str = "") -> None:
        """Do what PutLogs does once it is known who calls, without HTTP; times are those of the clock.

        SlsError where the call is refused, RawAnswer where a rule answers otherwise.
        """
        store = _of(self._stores_of(project), logstore)
        now = int(self._clock.now())
        common = {"__time__": str(now), "__topic__": topic, "__source__": ""}
        stored = [_Stored(now, {**common, **each}) for each in records]
        self._put(SlsCall(PUT_LOGS, project, logstore, [each.record for each in stored]), store, stored)

    def verdict(self, call: SlsCall) -> Answer | None:
        """Return the answer that a rule has for a call, or None; a rule that counts its times counts this one."""
        return first_answer(self.answers, call)

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return self._numbered(self._answer(request))
        except SlsError as error:
            return self._numbered(_refusal(error))
        except RawAnswer as raw:
            return self._numbered(raw.answer.response(request))

    def fault_response(self, kind: str, request: Request) -> Response:
        """Answer as the vendor does when it will not: `throttle`, `server_error` or `busy`."""
        if kind == "throttle" and not request.path.endswith(("/lb", "/route")):
            kind = "throttle_read"
        return self._numbered(_refusal(SlsError(*FAULTS[kind])))

    def _numbered(self, response: Response) -> Response:
        """Give a reply its request id."""
        headers = {**response.headers, "x-log-requestid": f"{next(self._request_ids):024X}"}
        return replace(response, headers=headers)

    def _answer(self, request: Request) -> Response:
        project = self._project(request.host_name)
        stores = self._stores_of(project)
        self._admit(request)
        _check_digest(request)
        match request.method, [unquote(part) for part in request.path.strip("/").split("/")]:
            case "POST", ["logstores", name, "shards", "lb" | "route"]:
                store, stored = _of(stores, name), _posted(request)
                self._put(SlsCall(PUT_LOGS, project, name, [each.record for each in stored]), store, stored)
                return Response()
            case "POST", ["logstores", name, "logs"]:
                reply = _get_logs_v2(_of(stores, name), request)
            case "GET", ["logstores", name]:
                reply = _get_logstore_or_logs(name, _of(stores, name), request)
            case "GET", ["logstores"]:
                return _json({"count": len(stores), "total": len(stores), "logstores": sorted(stores)})
            case _:
                raise SlsError(404, "InvalidAPI", f"The local cloud does not know {request.method} {request.path}.")
        searched = request.method == "POST" or "type=log" in request.query.split("&")
        operation = GET_LOGS if searched else GET_LOGSTORE
        _speak(self.verdict(SlsCall(operation, project, name)))
        return reply

    def _put(self, call: SlsCall, store: _LogStore, stored: list[_Stored]) -> None:
        """Write what a call brings unless a rule says otherwise, and answer as a rule says."""
        answer = self.verdict(call)
        if answer is None or answer.carried_out:
            store.stored.extend(stored)
        _speak(answer)

    def _admit(self, request: Request) -> None:
        access_key_id = verify(request, self._keys)
        token = self._tokens.get(access_key_id)
        if request.header("x-acs-security-token") in self.expired_tokens:
            raise SlsError(401, "Unauthorized", "The security token you provided has expired.")
        if token is not None and request.header("x-acs-security-token") != token:
            raise SlsError(401, "Unauthorized", "The security token is not that of the access key.")
        check_time(request, self._signing_clock.now())

    def _project(self, host: str) -> str:
        """Return the name of the project that the host names; on a bare address of the only one there is."""
        match = HOST_OF_PROJECT.fullmatch(host)
        name = match["project"] if match else host.partition(".")[0]
        if name is None and len(self._projects) == 1:
            return next(iter(self._projects))
        return name or ""

    def _stores_of(self, project: str) -> dict[str, _LogStore]:
        try:
            return self._projects[project]
        except KeyError:
            raise SlsError(404, "ProjectNotExist", f"The Project does not exist : {project}") from None


def _speak(answer: Answer | None) -> None:
    """Answer as a rule says, if one does."""
    if answer is not None:
        raise refusal_of(answer) if answer.code else RawAnswer(answer)


def _of(project: Mapping[str, _LogStore], name: str) -> _LogStore:
    try:
        return project[name]
    except KeyError:
        raise SlsError(404, "LogStoreNotExist", f"logstore {name} does not exist") from None


def _check_digest(request: Request) -> None:
    stated = request.header("content-md5")
    if stated and stated.lower() != hashlib.md5(request.body).hexdigest():
        raise SlsError(400, "PostBodyInvalid", "Content-MD5 is not the digest of the body.")


def _posted(request: Request) -> list[_Stored]:
    """Read what PutLogs brings, or refuse it."""
    size = request.header("x-log-bodyrawsize")
    if not size.isdigit():
        raise SlsError(400, "InvalidBodyRawSize", "x-log-bodyrawsize is invalid.")
    if int(size) > BODY_BYTES_MAX:
        raise SlsError(400, "PostBodyTooLarge", f"Body size {size} must little than {BODY_BYTES_MAX}.")
    kind = request.header("x-log-compresstype")
    if kind not in ("", "lz4", "zstd", "deflate"):
        raise SlsError(400, "InvalidCompressType", f"x-log-compresstype {kind} is unsupported.")
    try:
        group = parse_log_group(decompress(request.body, kind, int(size)))
    except ValueError as error:
        raise SlsError(400, "PostBodyInvalid", f"Protobuffer content cannot be parsed: {error}.") from error
    return _stored(group)


def _stored(group: LogGroup) -> list[_Stored]:
    tags = {f"__tag__:{key}": value for key, value in group.tags}
    shared = {"__topic__": group.topic, "__source__": group.source, **tags}
    return [_Stored(log.time, {"__time__": str(log.time), **shared, **dict(log.contents)}) for log in group.logs]


def _get_logs_v2(store: _LogStore, request: Request) -> Response:
    try:
        asked = json.loads(request.body)
    except ValueError as error:
        raise SlsError(400, "PostBodyInvalid", "The request body is not valid JSON object.") from error
    found = _search(store, asked)
    meta = {"progress": "Complete", "count": len(found), "processedRows": len(store.stored), "hasSQL": False}
    return _json({"meta": meta, "data": found})


def _get_logstore_or_logs(name: str, store: _LogStore, request: Request) -> Response:
    asked = dict(parse_pairs(request.query))
    if asked.get("type") == "log":
        found = _search(store, asked)
        return _json(found, {"x-log-progress": "Complete", "x-log-count": str(len(found))})
    return _json(
        {
            "logstoreName": name,
            "ttl": 30,
            "shardCount": 2,
            "enable_tracking": False,
            "appendMeta": False,
            "autoSplit": False,
            "maxSplitShard": 0,
            "createTime": store.created,
            "lastModifyTime": store.created,
        }
    )


def _search(store: _LogStore, asked: Mapping[str, Any]) -> list[Record]:
    """Find the logs of [from, to) that a query asks for, in the order of time, one page of them."""
    try:
        wanted = compile_query(str(asked.get("query") or ""))
        start, end = int(asked["from"]), int(asked["to"])
        offset, lines = int(asked.get("offset", 0)), int(asked.get("line", LINES_MAX))
    except KeyError as error:
        raise SlsError(400, "ParameterInvalid", f"Missing parameter {error}.") from error
    except ValueError as error:
        raise SlsError(400, "ParameterInvalid", f"The query cannot be understood: {error}.") from error
    topic = asked.get("topic")
    found = [
        each
        for each in store.stored
        if start <= each.time < end and (not topic or each.record["__topic__"] == topic) and wanted(each.record)
    ]
    found.sort(key=lambda each: each.time)
    if str(asked.get("reverse", "")).lower() == "true":
        found.reverse()
    return [each.record for each in found[offset : offset + max(0, min(lines, LINES_MAX))]]


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Response(200, {"content-type": "application/json", **(headers or {})}, body)


def _refusal(error: SlsError) -> Response:
    body = json.dumps({"errorCode": error.code, "errorMessage": str(error)}).encode()
    return Response(error.status, {"content-type": "application/json"}, body)
