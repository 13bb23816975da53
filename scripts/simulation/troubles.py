"""A call of the CDN API goes in; what is wrong with it for its content, or its reply in another shape, comes out.

What persists in a run (features.py) is met here, in one place, by the fast adapters and by those on the wire.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote

from scripts.localcloud.cdn.auth import read_claim
from scripts.localcloud.cdn.service import CallRecord, CdnApi
from scripts.localcloud.clock import Clock
from scripts.localcloud.web import Request, Response, Service
from scripts.simulation.faults import Incident
from scripts.simulation.features import Features, Trouble

SUBMISSIONS = frozenset({"RefreshObjectCaches", "PushObjectCache"})
LISTINGS = frozenset({"DescribeRefreshTasks", "DescribeRefreshTaskById"})
ODD_SHARE = 0.2
"""How many replies of a run with odd ones are odd."""
ODD_STATES = ("PreloadPending", "Preloading", "Pending", "Whatever")
OK = 200
OF_ALL = frozenset({"account.refused", "service.down"})

Document = dict[str, Any]


@dataclass
class Troubles:
    """What persists in a run. `stopped` tells that only what depends on content may still go wrong."""

    features: Features
    clock: Clock
    rng: Random
    incidents: list[Incident]
    counts: Counter[str]
    stopped: Callable[[], bool]
    _quota: tuple[float, Document] | None = field(default=None)

    def of(self, operation: str, params: Mapping[str, str]) -> Trouble | None:
        """Find what a call meets; it is not carried out then."""
        now = self.clock.now()
        for trouble in self.features.troubles:
            if trouble.begin <= now < trouble.end and _concerns(trouble, operation, params):
                self._note(trouble.kind, operation)
                return trouble
        return None

    def asked(self, operation: str, params: Mapping[str, str]) -> Mapping[str, str]:
        """Give the parameters as an API understands them that shows few rows at once."""
        most = self.features.rows_max
        if operation != "DescribeRefreshTasks" or not most:
            return params
        return {**params, "PageSize": str(min(most, int(params.get("PageSize") or most)))}

    def told(self, operation: str, document: Document) -> Document:
        """Give a reply in the shape that this run's API tells it."""
        if operation == "DescribeRefreshQuota" and self.features.quota_cached_seconds:
            return self._cached(document)
        if operation not in LISTINGS or not (self.features.rows or self.features.rows_max):
            return document
        return self._odd(self._reshaped(operation, document))

    def wrapped(self, api: CdnApi) -> Service:
        """Give the API on the wire, with the same troubles and shapes."""

        def handle_with_troubles(request: Request) -> Response:
            claim = read_claim(request)
            trouble = self.of(claim.action, claim.params)
            if trouble is not None:
                return refusal_of(trouble)
            response = api.handle(request)
            if response.status != OK or claim.action in SUBMISSIONS:
                return response
            document = json.loads(response.body)
            asked = self.asked(claim.action, claim.params)
            if asked != claim.params:
                document.update(api.list_tasks(asked, CallRecord(self.clock.now(), claim.action, "", "")))
            document = self.told(claim.action, document)
            return Response(response.status, response.headers, json.dumps(document).encode())

        return handle_with_troubles

    def _note(self, kind: str, operation: str) -> None:
        self.counts[kind] += 1
        self.incidents.append(Incident(self.clock.now(), kind, operation, ""))

    def _count(self, kind: str, met: bool) -> None:  # noqa: FBT001 - whether it happened
        if met:
            self.counts[kind] += 1

    def _cached(self, document: Document) -> Document:
        now = self.clock.now()
        if self._quota is None or now - self._quota[0] >= self.features.quota_cached_seconds:
            self._quota = now, document
        self._count("quota.late", self._quota[0] < now)
        return {**self._quota[1], "RequestId": document.get("RequestId", "")}

    def _reshaped(self, operation: str, document: Document) -> Document:
        tasks = document["Tasks"]
        rows = tasks["CDNTask"] if isinstance(tasks, dict) else tasks
        if self.features.rows_max and operation == "DescribeRefreshTaskById":
            self._count("rows.capped", len(rows) > self.features.rows_max)
            rows = rows[: self.features.rows_max]
        elif self.features.rows_max:
            self._count("rows.capped", int(document["TotalCount"]) > len(rows))
        rows = [self._row(row) for row in rows]
        return {**document, "Tasks": {"CDNTask": rows} if isinstance(tasks, dict) else rows}

    def _row(self, row: Mapping[str, str]) -> dict[str, str]:
        habits, path, form, state = self.features.rows, row["ObjectPath"], row["ObjectType"], row["Status"]
        if "rows.decoded" in habits:
            path = unquote(path)
        if "rows.bare" in habits:
            path = path.partition("://")[2]
        if "rows.typed" in habits and form == "directory":
            form = "path"
        if "rows.odd" in habits and state == "Refreshing":
            state = self.rng.choice(ODD_STATES)
        self._count("rows.decoded", "rows.decoded" in habits and "%" in row["ObjectPath"])
        self._count("rows.bare", "rows.bare" in habits)
        self._count("rows.typed", form != row["ObjectType"])
        return {**row, "ObjectPath": path, "ObjectType": form, "Status": state}

    def _odd(self, document: Document) -> Document:
        """Now and then, give no rows but a null, or a refusal in a reply that says 200."""
        if "rows.odd" not in self.features.rows or self.stopped() or self.rng.random() >= ODD_SHARE:
            return document
        self._note("rows.odd", "a listing")
        if self.rng.random() < ODD_SHARE:
            return {"Code": "Throttling", "Message": "Too many.", "RequestId": document.get("RequestId", "")}
        return {**document, "Tasks": [None]}


def refusal_of(trouble: Trouble) -> Response:
    """Answer as the gateway does, or not at all."""
    if not trouble.status:
        return Response(lost=True)
    body = {"RequestId": "TROUBLE", "HostId": "cdn.aliyuncs.com", "Code": trouble.code, "Message": "It is so."}
    return Response(trouble.status, {"content-type": "application/json"}, json.dumps(body).encode())


def _concerns(trouble: Trouble, operation: str, params: Mapping[str, str]) -> bool:
    """Tell whether a call meets a trouble: all calls do where it is the account's, else what its URLs name."""
    if trouble.kind in OF_ALL:
        return True
    if operation not in SUBMISSIONS or trouble.kind == "others.minute":
        return False
    urls = params.get("ObjectPath", "").split("\n")
    if trouble.kind == "url.bad":
        return not trouble.urls.isdisjoint(urls)
    return any(url.startswith(f"https://{trouble.domain}/") for url in urls)
