"""Options and a clock go in; the whole local cloud comes out: services wired together, and a router.

1. What changes in a bucket is told to the functions; what the CDN refreshes or prefetches reaches the edges;
   what the CDN has finished is told to the functions.
2. A request goes to the service that its host names; where the host is a loopback address, to the service
   of the port it came in at.
3. In process there are no functions until some are attached; behind sockets `open` may start them.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scripts.localcloud.cdn.service import CdnApi, Limits
from scripts.localcloud.clock import Clock, VirtualClock
from scripts.localcloud.edge import Edge, Site, bucket_origin
from scripts.localcloud.faults import SERVICES, Faults
from scripts.localcloud.fc.host import FunctionHost
from scripts.localcloud.fc.hosting import Account, CodeSource, Hosted, host_functions
from scripts.localcloud.fc.run import Credentials
from scripts.localcloud.oss.service import ObjectStore
from scripts.localcloud.sls.service import LogStore
from scripts.localcloud.web import LOOPBACK_HOSTS, Request, Response, Service

BOOKS_PATH = "/_local/books"
"""Not of the vendor: what the CDN has booked, at any of the ports, for demos and measurements."""
MOMENTS_PATH = "/_local/moments"
"""Not of the vendor: when which object changed and which URL was accepted, for proofs that nothing was lost."""
SPOOL_PATH = "/_local/spool"
"""Not of the vendor: the keys in the functions' spool, at once and without a signature, for proofs."""

HOSTS = {
    "oss": re.compile(r"(?:[\w-]+\.)?oss-[\w-]+\.aliyuncs\.com"),
    "cdn": re.compile(r"cdn(?:\.[\w-]+)?\.aliyuncs\.com"),
    "sls": re.compile(r"(?:[\w-]+\.)?[\w-]+\.(?:log|sls)\.aliyuncs\.com"),
    "fc": re.compile(r"(?:[\w-]+\.)+fc\.aliyuncs\.com|fcv3\.[\w-]+\.aliyuncs\.com"),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a local cloud is made of. Latencies are seconds by service, faults rates by `service.kind`."""

    region: str = "cn-hangzhou"
    account_id: str = "1234567890123456"
    access_key_id: str = "local-access-key-id"
    access_key_secret: str = "local-access-key-secret"
    bucket: str = "content"
    spool_bucket: str = "refresh-spool"
    domains: tuple[str, ...] = ("static.example.com",)
    log_project: str = "local-logs"
    logstore: str = "cdn-refresh"
    service: str = "cdn-refresh"
    limits: Limits = field(default_factory=Limits)
    latencies: Mapping[str, float] = field(default_factory=dict)
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    functions: CodeSource | None = None
    """Where functions come from; None hosts none."""
    keep_books: bool = True
    """Keep the CDN's books of calls and submissions, for tests and proofs."""

    def facts(self) -> dict[str, str]:
        """Tell what a client needs to know beside the addresses."""
        return {
            "access_key_id": self.access_key_id,
            "access_key_secret": self.access_key_secret,
            "account_id": self.account_id,
            "region": self.region,
            "bucket": self.bucket,
            "spool_bucket": self.spool_bucket,
            "domain": self.domains[0],
            "log_project": self.log_project,
            "logstore": self.logstore,
            "service": self.service,
        }

    def facts_in_process(self) -> dict[str, str]:
        """Tell the same, and the vendor's own addresses: what clients in this process use."""
        return {
            "oss": f"http://oss-{self.region}.aliyuncs.com",
            "cdn": "http://cdn.aliyuncs.com",
            "sls": f"http://{self.region}.log.aliyuncs.com",
            **self.facts(),
        }


class LocalCloud:
    """OSS, CDN with edges, the log service and, behind sockets, functions: of one account in one region.

    `keys` maps access key ids to secrets and is read at each request, so it may be changed. What each service does
    other than expected is set on `oss`, `cdn` and `sls`.
    """

    listeners = SERVICES

    def __init__(self, options: Options, clock: Clock, signing_clock: Clock | None = None) -> None:
        """Make the services; OSS and the log service tell by `signing_clock` which requests are signed too far off.

        It is the clock itself, or where that is virtual the machine's, by which unmodified clients sign.
        """
        self.options = options
        self.clock = clock
        self.on_changed: list[Callable[[dict[str, Any]], None]] = []
        self.role = Credentials("STS.local-role", "local-role-secret", "local-role-token")
        self.requests: Counter[str] = Counter()
        self._changed: dict[str, list[float]] = {}
        self._told: dict[str, Callable[[], object]] = {
            BOOKS_PATH: self.books,
            MOMENTS_PATH: self.moments,
            SPOOL_PATH: lambda: list(self.oss.keys(options.spool_bucket)),
        }
        self._addresses: dict[str, str] = {}
        self._hosted: Hosted | None = None
        self.functions: FunctionHost | None = None
        signing_clock = signing_clock or (Clock() if isinstance(clock, VirtualClock) else clock)
        self.keys = {
            options.access_key_id: options.access_key_secret,
            self.role.access_key_id: self.role.access_key_secret,
        }
        self._keys = self.keys  # the name that older callers know
        tokens = {self.role.access_key_id: self.role.security_token}
        self.faults = Faults(self._rng("faults"), options.faults, latencies=options.latencies)
        self.oss = ObjectStore(
            clock,
            keys=self.keys,
            account_id=options.account_id,
            region=options.region,
            notify=self._tell_of_change,
            tokens=tokens,
            signing_clock=signing_clock,
        )
        self.cdn = CdnApi(
            clock,
            keys=self.keys,
            account_id=options.account_id,
            domains=options.domains,
            limits=options.limits,
            rng=self._rng("cdn"),
            tokens=tokens,
            keep_books=options.keep_books,
        )
        self.sls = LogStore(clock, keys=self.keys, tokens=tokens, signing_clock=signing_clock)
        self.edge = self._make_edge()
        self._furnish()
        self._services = self._wrapped()

    def handle_for(self, service: str) -> Service:
        """Return one service, with its faults and latency, to be called in process."""
        return self._services[service]

    def attach(self, functions: FunctionHost) -> None:
        """Let functions answer at `fc`, and tell them of changes in buckets and of finished CDN tasks."""
        self.functions = functions
        self.on_changed.append(functions.deliver_oss)
        self.cdn.on_finished.append(functions.deliver_cdn)

    def expire_token(self, token: str) -> None:
        """Let a security token be good no longer, for every service that looks at one."""
        for expired in (self.oss.expired_tokens, self.cdn.expired_tokens, self.sls.expired_tokens):
            expired.add(token)

    # -- behind sockets ----------------------------------------------------------------------------

    async def open(self, addresses: Mapping[str, str]) -> None:
        """Note the base URL of each listener, and start the functions that the options name."""
        self._addresses = {urlsplit(url).netloc: name for name, url in addresses.items()}
        if self.options.functions is not None:
            self._hosted = self._host(self.options.functions, addresses)
            self.attach(self._hosted.host)
            await self._hosted.host.start()

    def answer(self, listener: str, request: Request) -> Response | Awaitable[Response]:
        """Answer a request that came in at one of the listeners."""
        if tell := self._told.get(request.path):
            return Response(200, {"content-type": "application/json"}, json.dumps(tell()).encode())
        service = self.route(listener, request)
        self.requests[service] += 1
        return self._services[service](request)

    def books(self) -> dict[str, Any]:
        """Tell what clients have made of the CDN: calls by operation and code, units spent, URLs accepted.

        And how the functions fared: invocations by outcome, and how many events are not at their end.
        """
        calls: dict[str, Counter[str]] = {}
        for call in self.cdn.calls:
            calls.setdefault(call.operation, Counter())[call.code] += 1
        return {
            "calls": calls,
            "spent": self.cdn.spent(),
            "urls": sorted({row.path for row in self.cdn.submissions}),
            "requests": self.requests,
            "pending_invocations": self.functions.pending() if self.functions is not None else 0,
            "invocations": self._invocations(),
        }

    def moments(self) -> dict[str, dict[str, list[float]]]:
        """Tell when each object of the bucket changed, by key, and when each URL was accepted, in epoch seconds.

        Both are by the world's clock, whatever those of OSS and the CDN show.
        """
        accepted: dict[str, list[float]] = {}
        for row in self.cdn.submissions:
            accepted.setdefault(row.path, []).append(row.moment)
        return {"changed": self._changed, "accepted": accepted}

    def route(self, listener: str, request: Request) -> str:
        """Tell which service a request is for."""
        host = request.host_name
        if host in self.options.domains:
            return "edge"
        for service, hosts in HOSTS.items():
            if hosts.fullmatch(host):
                return service
        if host in LOOPBACK_HOSTS:
            return self._addresses.get(request.host, listener)
        return listener

    async def close(self) -> None:
        """End the functions."""
        if self._hosted is not None:
            await self._hosted.close()
            self._hosted = None

    def _host(self, source: CodeSource, addresses: Mapping[str, str]) -> Hosted:
        options = self.options
        account = Account(
            account_id=options.account_id,
            region=options.region,
            service=options.service,
            bucket=options.bucket,
            domains=options.domains,
            log_project=options.log_project,
            keys=self.keys,
            role=self.role,
        )
        environment = _function_environment(options, addresses)
        rng = self._rng("functions")
        return host_functions(self.clock, account, source, environment=environment, logs=self.sls, rng=rng)

    # -- wiring ------------------------------------------------------------------------------------

    def _make_edge(self) -> Edge:
        site = Site(bucket_origin(self.oss, self.options.bucket))
        edge = Edge(
            self.clock,
            dict.fromkeys(self.options.domains, site),
            default_domain=self.options.domains[0],
        )
        self.cdn.on_refreshed.append(edge.refresh)
        self.cdn.on_prefetched.append(edge.prefetch)
        return edge

    def _furnish(self) -> None:
        self.oss.create_bucket(self.options.bucket)
        self.oss.create_bucket(self.options.spool_bucket)
        self.sls.create(self.options.log_project, self.options.logstore)

    def _wrapped(self) -> dict[str, Service]:
        return {
            "oss": self.faults.wrap("oss", self.oss.handle, self.oss.fault_response),
            "cdn": self.faults.wrap("cdn", self.cdn.handle, self.cdn.fault_response),
            "sls": self.faults.wrap("sls", self.sls.handle, self.sls.fault_response),
            "fc": self.faults.wrap("fc", self._invoke, self._refuse_to_invoke),
            "edge": self.faults.wrap("edge", self.edge.handle, _refuse_to_serve),
        }

    def _invocations(self) -> dict[str, int]:
        """Count how attempts to run functions ended, by the outcome's name."""
        ended = self.functions.invocations if self.functions is not None else ()
        return Counter(each.outcome.value for each in ended)

    def _tell_of_change(self, payload: dict[str, Any]) -> None:
        if self.options.keep_books:
            self._book_change(payload)
        for told in self.on_changed:
            told(payload)

    def _book_change(self, payload: dict[str, Any]) -> None:
        for event in payload["events"]:
            oss = event["oss"]
            if oss["bucket"]["name"] == self.options.bucket:
                self._changed.setdefault(oss["object"]["key"], []).append(self.clock.now())

    def _invoke(self, request: Request) -> Response | Awaitable[Response]:
        return self.functions.handle(request) if self.functions is not None else _no_functions()

    def _refuse_to_invoke(self, kind: str, request: Request) -> Response:
        if self.functions is None:
            return _no_functions()
        return self.functions.fault_response(kind, request)

    def _rng(self, purpose: str) -> random.Random:
        """Make a source of chance of its own, so that more of one thing does not change another."""
        return random.Random(f"{self.options.seed}/{purpose}")  # noqa: S311 - it imitates chance, it guards nothing


def _function_environment(options: Options, addresses: Mapping[str, str]) -> dict[str, str]:
    """Tell the functions where the local services are."""
    return {
        "SPOOL_BUCKET": options.spool_bucket,
        "OSS_ENDPOINT": addresses["oss"],
        "CDN_ENDPOINT": addresses["cdn"],
        "LOG_ENDPOINT": addresses["sls"],
        "LOG_PROJECT": options.log_project,
        "LOGSTORE": options.logstore,
    }


def _no_functions() -> Response:
    body = {"ErrorCode": "ServiceNotFound", "ErrorMessage": "This local cloud hosts no functions."}
    return Response(404, {"content-type": "application/json"}, json.dumps(body).encode())


def _refuse_to_serve(kind: str, _request: Request) -> Response:
    status = 429 if kind == "throttle" else 503
    return Response(status, {"content-type": "text/plain"}, b"This edge does not serve now.\n")
