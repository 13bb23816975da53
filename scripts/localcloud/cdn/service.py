"""Requests to the CDN's API go in; replies the official clients read, and tasks that end later, come out.

Rules:
1. A call that is refused changes nothing and spends nothing, except that it counts among the second's calls.
2. The order of checks: signature, operation, calls a second, parameters, queue, day, minute.
3. A task takes effect on the clock, when the listeners in `on_refreshed` and `on_prefetched` are called;
   those in `on_finished` get the CDN event of a task id once all of its URLs have ended.
4. A rule in `answers` speaks after the count of calls a second, before or after the call is carried out.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from email.utils import formatdate
from functools import partial
from typing import Any

from scripts.localcloud.answers import Answer, RawAnswer, first_answer
from scripts.localcloud.cdn import events as cdn_events
from scripts.localcloud.cdn import queries as cdn_queries
from scripts.localcloud.cdn import reply as cdn_reply
from scripts.localcloud.cdn.answers import CdnCall, CdnRule, refusal_of
from scripts.localcloud.cdn.auth import Claim, Gatekeeper, read_claim
from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.limits import Limits, Meter
from scripts.localcloud.cdn.paths import (
    DIRECTORY,
    FILE,
    IGNORE_PARAMS,
    PREFETCH,
    REFRESH_FORMS,
    REGEX,
    Purge,
    check_url,
    split_items,
)
from scripts.localcloud.cdn.rows import RowHabits
from scripts.localcloud.cdn.tasks import Row, TaskBook
from scripts.localcloud.clock import Clock, ShiftedClock
from scripts.localcloud.web import Request, Response

__all__ = ["API_VERSION", "CallRecord", "CdnApi", "Limits", "Purge", "Row"]

API_VERSION = "2018-05-10"
OK = "OK"
BOOLEANS = {"": False, "true": True, "false": False}
AREAS = frozenset({"", "domestic", "overseas"})
# The quota reply names its fields after these; edge prefetch and blocking are not simulated.
QUOTA_FIELDS = {
    "Url": FILE,
    "Dir": DIRECTORY,
    "Regex": REGEX,
    "IgnoreParams": IGNORE_PARAMS,
    "Preload": PREFETCH,
    "PreloadEdge": None,
    "Block": None,
}
INTO_A_MINUTE_SECONDS = 0.001
"""How far into a minute others spend, so that no rounding puts them into the minute before."""
FAULTS = {"throttle": "Throttling.User", "server_error": "ServiceUnavailable"}


@dataclass(slots=True)
class CallRecord:
    """What became of one call. `code` is "OK", the error's or an answer's name; `urls` counts lines of ObjectPath.

    `time` is by the world's clock. `carried_out` tells whether it was done, whatever the caller was told.
    """

    time: float
    operation: str
    access_key: str
    request_id: str
    code: str = OK
    form: str = ""
    urls: int = 0
    carried_out: bool = False


class CdnApi:
    """The refresh and prefetch operations of the CDN, for one account.

    `keys` maps access key ids to secrets; `tokens` the temporary ones among them to their security tokens;
    `expired_tokens` names tokens that were good once. All are read at each call, so they may change.
    `fail` may be replaced: it says for a URL whose task ends why that failed, or None.
    `answers` and `rows` are what the API says other than expected, and how it shows rows; `limits`,
    `clock_ahead_seconds` and `reset_late_seconds` may be set at any time.
    `calls` and `submissions` are books for tests and proofs; they grow with the work unless `keep_books`
    is false.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        keys: Mapping[str, str],
        account_id: str,
        domains: Iterable[str],
        limits: Limits | None = None,
        rng: random.Random,
        tokens: dict[str, str] | None = None,
        keep_books: bool = True,
    ) -> None:
        self.answers: list[CdnRule] = []
        self.rows = RowHabits()
        self.domains = {domain.lower() for domain in domains}
        self.tokens: dict[str, str] = tokens if tokens is not None else {}
        self.expired_tokens: set[str] = set()
        self.calls: list[CallRecord] = []
        self.submissions: list[Row] = []
        self.on_refreshed: list[Callable[[Purge], None]] = []
        self.on_prefetched: list[Callable[[str], str]] = []
        self.on_finished: list[Callable[[dict[str, Any]], None]] = []
        self.fail: Callable[[str], str | None] = _never_fails
        self._limits = limits if limits is not None else Limits()
        self._world = clock
        self._clock = ShiftedClock(clock)
        self._account_id = account_id
        self._rng = rng
        self._keep_books = keep_books
        self._gatekeeper = Gatekeeper(self._clock, keys, self.tokens, self.expired_tokens)
        self._meter = Meter(self.limits)
        self._book = TaskBook(self._clock, self.limits, rng, self._take_effect, self._ended, clock)
        self._operations = _operations(self)

    # -- what may be set ---------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        """What the account is allowed now; what was spent stays spent when it is replaced."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = self._meter.limits = self._book.limits = limits
        self._operations = _operations(self)

    @property
    def clock_ahead_seconds(self) -> float:
        """How far the CDN's clock is ahead of everybody else's: creation times, minutes, days, time stamps."""
        return self._clock.ahead_seconds

    @clock_ahead_seconds.setter
    def clock_ahead_seconds(self, seconds: float) -> None:
        self._clock.ahead_seconds = seconds

    @property
    def reset_late_seconds(self) -> float:
        """How long after midnight the day's quota is reset."""
        return self._meter.reset_late_seconds

    @reset_late_seconds.setter
    def reset_late_seconds(self, seconds: float) -> None:
        self._meter.reset_late_seconds = seconds

    # -- calls -------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request of a client."""
        claim = read_claim(request)
        record = self._record(claim.action, claim.access_key)
        try:
            self._gatekeeper.admit(claim)
            document = self._run(request, claim, record)
        except RefusedError as refused:
            record.code = refused.code
            response = cdn_reply.refusal(record.request_id, refused, as_xml=claim.wants_xml)
        except RawAnswer as raw:
            record.code = raw.answer.name
            response = raw.answer.response(request)
        else:
            document["RequestId"] = record.request_id
            response = cdn_reply.success(claim.action, document, as_xml=claim.wants_xml)
        return replace(response, headers={"Date": formatdate(self._clock.now(), usegmt=True), **response.headers})

    def carry_out(self, operation: str, params: Mapping[str, str], caller: str = "") -> dict[str, Any]:
        """Do what `handle` does once it knows who calls, without HTTP: for those who bypass the gateway.

        RefusedError where the call is refused, RawAnswer where a rule answers otherwise.
        """
        record = self._record(operation, caller)
        try:
            document = self._do(operation, params, record)
        except RefusedError as refused:
            record.code = refused.code
            raise
        except RawAnswer as raw:
            record.code = raw.answer.name
            raise
        return {**document, "RequestId": record.request_id}

    def verdict(self, operation: str, params: Mapping[str, str]) -> Answer | None:
        """Return the answer that a rule has for a call, or None; a rule that counts its times counts this one."""
        return first_answer(self.answers, CdnCall(operation, params))

    def fault_response(self, kind: str, request: Request) -> Response:
        """Answer as the CDN does in trouble: `kind` is "throttle" or "server_error"."""
        as_xml = read_claim(request).wants_xml
        return cdn_reply.refusal(self._unique(), RefusedError(FAULTS[kind]), as_xml=as_xml)

    def spent(self, day: date | None = None) -> Counter[str]:
        """Count the units spent on a quota day, today's by default, by form of task."""
        return Counter(self._meter.spent(day if day is not None else self.today()))

    def today(self) -> date:
        """Return the quota day it is now."""
        return self._meter.day(self._clock.now())

    def spend_elsewhere(self, form: str, units: int, domain: str = "") -> int:
        """Use up quota as the console or another program on the account would; return how much there was.

        With a `domain` it counts among that domain's minute too, and no limit is passed.
        """
        now = self._clock.now()
        if not domain:
            self._meter.spent(self.today())[form] += units
            return units
        spent = min(units, self._meter.room(form, domain, now))
        self._meter.charge(form, {domain: spent}, now)
        return spent

    def spend_each_minute(self, form: str, units: int, domain: str = "") -> Callable[[], None]:
        """Let others spend so at the beginning of each minute of the CDN's, from now on; call what is returned to stop.

        Without a `domain` only the day's quota is used up.
        """
        going_on = [True]

        def spend() -> None:
            if going_on:
                self.spend_elsewhere(form, units, domain)
                self._clock.call_at((self._clock.now() // 60 + 1) * 60 + INTO_A_MINUTE_SECONDS, spend)

        spend()
        return going_on.clear

    def limits_at(self, when: float, limits: Limits) -> None:
        """Let other limits hold from `when` on, by the world's clock: a quota raised at noon."""
        self._world.call_at(when, partial(setattr, self, "limits", limits))

    def _run(self, request: Request, claim: Claim, record: CallRecord) -> dict[str, Any]:
        if request.method not in {"GET", "POST"}:
            raise RefusedError("UnsupportedHTTPMethod")
        if claim.version != API_VERSION:
            raise RefusedError("InvalidVersion")
        if claim.action not in self._operations or request.path not in {"", "/"}:
            raise RefusedError("InvalidApi.NotFound")
        return self._do(claim.action, claim.params, record)

    def _record(self, operation: str, caller: str) -> CallRecord:
        record = CallRecord(self._world.now(), operation, caller, self._unique())
        if self._keep_books:
            self.calls.append(record)
        return record

    def _do(self, name: str, params: Mapping[str, str], record: CallRecord) -> dict[str, Any]:
        """Carry out a call unless a rule says otherwise, and answer as a rule says."""
        calls_per_second, operation = self._operations[name]
        self._meter.count_call(name, calls_per_second, self._clock.now())
        answer = self.verdict(name, params)
        document: dict[str, Any] = {}
        if answer is None or answer.carried_out:
            document = operation(params, record)
            record.carried_out = True
        if answer is None:
            return document
        raise refusal_of(answer) if answer.code else RawAnswer(answer)

    def refresh(self, params: Mapping[str, str], record: CallRecord) -> dict[str, Any]:
        """Carry out RefreshObjectCaches."""
        form = REFRESH_FORMS.get(params.get("ObjectType") or "File")
        if form is None:
            raise RefusedError("InvalidObjectType.ValueNotSupported")
        force = _boolean(params, "Force")
        return {"RefreshTaskId": self._submit(form, params, record, force=force)}

    def prefetch(self, params: Mapping[str, str], record: CallRecord) -> dict[str, Any]:
        """Carry out PushObjectCache. What its options choose among is not simulated, only checked."""
        for name in ("L2Preload", "QueryHashkey", "ConsistencyHash"):
            _boolean(params, name)
        if params.get("Area", "") not in AREAS:
            raise RefusedError("InvalidParameter", name="Area")
        if params.get("WithHeader") and not _is_header_map(params["WithHeader"]):
            raise RefusedError("InvalidCustomHeader")
        return {"PushTaskId": self._submit(PREFETCH, params, record, force=False)}

    def list_tasks(self, params: Mapping[str, str], _record: CallRecord) -> dict[str, Any]:
        """Carry out DescribeRefreshTasks."""
        self._book.forget_old()
        return cdn_queries.list_tasks(params, self._book, self.limits, self.rows, self._clock.now())

    def tasks_by_id(self, params: Mapping[str, str], _record: CallRecord) -> dict[str, Any]:
        """Carry out DescribeRefreshTaskById."""
        self._book.forget_old()
        return cdn_queries.tasks_by_id(params, self._book, self.limits, self.rows, self._clock.now())

    def quota(self, _params: Mapping[str, str], _record: CallRecord) -> dict[str, Any]:
        """Carry out DescribeRefreshQuota; every number is text."""
        now = self._clock.now()
        document = {}
        for field, form in QUOTA_FIELDS.items():
            document[f"{field}Quota"] = str(self.limits.units_per_day(form) if form else 0)
            document[f"{field}Remain"] = str(self._meter.remaining(form, now) if form else 0)
        return document

    def _submit(self, form: str, params: Mapping[str, str], record: CallRecord, *, force: bool) -> str:
        """Check the URLs of a call, charge them, start their tasks, and name the task ids."""
        urls = split_items(params.get("ObjectPath", ""))
        record.form, record.urls = form, len(urls)
        if not urls:
            raise RefusedError("MissingParameter", name="ObjectPath")
        domains = self._domains_of(form, urls)
        if form == PREFETCH and self._book.queued_prefetches + len(urls) > self.limits.prefetch_queue_max_urls:
            raise RefusedError("PreloadQueueFull")
        self._meter.charge(form, Counter(domains), self._clock.now())
        rows = self._book.accept(form, zip(domains, urls, strict=True), force=force)
        if self._keep_books:
            self.submissions.extend(rows)
        return ",".join(dict.fromkeys(row.task_id for row in rows))

    def _domains_of(self, form: str, urls: list[str]) -> list[str]:
        """Name the domain of each URL, or refuse them all for the first that may not be submitted."""
        most = self.limits.items_per_call(form)
        if len(urls) > most:
            raise RefusedError("SingleRequest.OverLimit", what="URLs", most=most)
        domains = [check_url(form, url, self.limits.url_max_chars) for url in urls]
        distinct = dict.fromkeys(domains)
        # The vendor states this limit but not its error; too many URLs is the nearest.
        if len(distinct) > self.limits.domains_per_call:
            raise RefusedError("SingleRequest.OverLimit", what="domains", most=self.limits.domains_per_call)
        for domain in distinct:
            if domain not in self.domains:
                raise RefusedError("InvalidDomain.NotFound", domain=domain)
        return domains

    def _take_effect(self, row: Row) -> str:
        """Let the caches know that a task ended; say why it failed, or nothing."""
        fault = self.fail(row.path)
        if fault:
            return fault
        if row.form == PREFETCH:
            answers = [listener(row.path) for listener in self.on_prefetched]
            return next(filter(None, answers), "")
        purge = Purge.of(row.form, row.path, force=row.force)
        for listener in self.on_refreshed:
            listener(purge)
        return ""

    def _ended(self, rows: list[Row]) -> None:
        if self.on_finished:
            payload = cdn_events.finished(rows, self._clock.now(), self._account_id, self._unique())
            for listener in self.on_finished:
                listener(payload)

    def _unique(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4)).upper()


_Operation = Callable[[Mapping[str, str], CallRecord], dict[str, Any]]


def _operations(api: CdnApi) -> dict[str, tuple[int, _Operation]]:
    """Each operation by the name clients call it, with how many calls a second it allows."""
    limits = api.limits
    return {
        "RefreshObjectCaches": (limits.refresh_calls_per_second, api.refresh),
        "PushObjectCache": (limits.prefetch_calls_per_second, api.prefetch),
        "DescribeRefreshTasks": (limits.task_list_calls_per_second, api.list_tasks),
        "DescribeRefreshTaskById": (limits.task_by_id_calls_per_second, api.tasks_by_id),
        "DescribeRefreshQuota": (limits.quota_calls_per_second, api.quota),
    }


def _never_fails(_url: str) -> str | None:
    return None


def _boolean(params: Mapping[str, str], name: str) -> bool:
    """Read a flag in any case: the Python SDK sends `True`, the others `true`."""
    value = BOOLEANS.get(params.get(name, "").lower())
    if value is None:
        raise RefusedError("InvalidParameter", name=name)
    return value


def _is_header_map(text: str) -> bool:
    """Tell whether the text is a JSON object of lists of strings, as WithHeader must be."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and all(
        isinstance(values, list) and all(isinstance(value, str) for value in values) for values in found.values()
    )
