"""The one composition root: environment in, `Kit` out, once per instance; and the shape of an entry point."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

from shared import logs
from shared.cloud import credentials
from shared.cloud.clock import OssClock
from shared.cloud.credentials import KeyRing
from shared.cloud.outcomes import OutcomeLog
from shared.cloud.provider.cdn import Cdn
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.cloud.spool.bucket import Bucket
from shared.cloud.spool.links import LinkStore
from shared.cloud.spool.remedy import remedy
from shared.cloud.spool.spool import Spool
from shared.core.checked import Invalid
from shared.core.errors import StoreError
from shared.core.site.compiled import SUFFIX, sites_of
from shared.core.site.sites import Site
from shared.core.task.model import json_bytes
from shared.flow.kit import Invocation, Kit
from shared.settings import Settings, check_spool_apart, read_what_works

DEADLINE_MARGIN_SECONDS = 15.0
"""No new call is begun this close to the function's time limit: what is under way then still ends in time."""
STARTED_KEY = "report/started"
"""Written by each instance that starts; nobody reads it but people."""
_MEND = "mend it and deploy again; until then events are kept, and nothing is sent"

Step = Callable[[Kit, bytes, Invocation], Mapping[str, object]]
T = TypeVar("T")


class Instance:
    """What lives as long as a function instance: the kit, and the ring that holds each invocation's keys."""

    def __init__(
        self,
        kit: Kit,
        keys: KeyRing,
        spool: Spool,
        settings: Settings,
        bucket: Bucket | None = None,
        links: LinkStore | None = None,
    ) -> None:
        self.kit, self.keys, self.spool, self.settings = kit, keys, spool, settings
        self._bucket, self.links = bucket, links

    def check(self, context: Any) -> None:
        """Fail with a sentence where the spool cannot be used, since nothing could be kept; alarm about all else.

        The log store is not asked: loading its SDK takes longer than all of this, and the role may do nothing there but
        write, so the first write tells.
        """
        limit, lease = _time_limit(context), self.settings.lease_seconds
        if lease < limit:
            self.kit.report.warning(
                "LEASE_SECONDS is less than the function's timeout: two may drain at once and spend units twice",
                lease_seconds=lease,
                timeout_seconds=limit,
            )
        self.keys.use(lambda: credentials.from_invocation(context, os.environ))
        self._check_spool(context)
        for fault in self.kit.faults:
            self.kit.report.error("alarm", alarm=fault, remedy=_MEND)

    def _check_spool(self, context: Any) -> None:
        """List it, and write that this instance started: the reply tells whether the bucket keeps versions."""
        right = "oss:ListObjects"
        try:
            self.spool.check()
            right = "oss:PutObject, oss:GetObject and oss:DeleteObject"
            started = {"time": self.kit.clock(), "function": context.function.name, "request_id": context.request_id}
            versions = self._bucket is not None and self._bucket.keeps_versions(STARTED_KEY, json_bytes(started))
        except StoreError as error:
            raise self._unusable(error, right) from error
        if versions:
            raise self._unusable(StoreError("put", "VersioningOn", ""), right)

    def _unusable(self, error: StoreError, right: str) -> Invalid:
        where = f"SPOOL_BUCKET {self.settings.spool_bucket!r} at {self.settings.oss_endpoint}"
        return Invalid("spool", [f"{where} {remedy(error, self.settings.region, right)}"])


def build(  # noqa: PLR0913 - each is something a test replaces
    settings: Settings,
    sites: tuple[Site, ...],
    *,
    cdn_transport: Any = None,
    oss_adapter: Any = None,
    log_adapter: Any = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
    report: Any = None,
    readers: int = 16,
    signing: Callable[[], float] = time.time,
    faults: tuple[str, ...] = (),
) -> Instance:
    """Put an instance together. Raises `Invalid` where settings and sites do not fit together.

    `clock` is the machine's, which functions go by as far as OSS agrees; `signing` the one that requests are signed by.
    """
    check_spool_apart(settings, sites)
    keys = KeyRing()
    time_by_oss = OssClock(clock)

    @functools.cache
    def bucket_of(name: str, prefix: str = "") -> Bucket:
        return Bucket(
            settings.oss_endpoint,
            settings.region,
            name,
            prefix,
            keys,
            time_by_oss,
            readers=readers,
            adapter=oss_adapter,
            signing=signing,
            proxy=settings.proxy,
        )

    bucket = bucket_of(settings.spool_bucket, settings.spool_prefix)
    told = report or logs.logger(settings.log_level, secrets=keys.secrets)
    spool = Spool(bucket, settings.lease_seconds, time_by_oss, told.error)
    is_following = any(site.follow_links for site in sites)
    links = LinkStore(bucket, bucket_of, time_by_oss, spool.set_aside, told.error) if is_following else None
    kit = Kit(
        sites=sites,
        limits=settings.limits,
        provider=ALIBABA_CDN,
        spool=spool,
        cdn=Cdn(
            settings.cdn_endpoint,
            keys,
            ignore_params_type=settings.ignore_params_type,
            transport=cdn_transport,
            clock=time_by_oss.now,
            sleep=sleep,
            proxy=settings.proxy,
        ),
        outcomes=_outcome_log(settings, keys, told, adapter=log_adapter, clock=time_by_oss.now, signing=signing),
        report=told,
        clock=time_by_oss.now,
        sleep=sleep,
        chance=chance,
        linger_seconds=settings.linger_seconds,
        links=links,
        own=(settings.spool_bucket, settings.spool_prefix),
        faults=faults,
        dead_days=settings.dead_days,
        http_events=settings.http_events,
    )
    return Instance(kit, keys, spool, settings, bucket, links)


def _outcome_log(settings: Settings, keys: KeyRing, report: Any, **replaced: Any) -> OutcomeLog:
    return OutcomeLog(
        settings.log_endpoint,
        settings.log_project,
        settings.logstore,
        keys,
        proxy=settings.proxy,
        alarm=lambda alarm, advice: report.error("alarm", alarm=alarm, remedy=advice),
        **replaced,
    )


def _sites(path: Path) -> tuple[Site, ...]:
    """Read a site file, or what the build has made of it. Raises `Invalid` with all that is wrong with it."""
    try:
        text = path.read_bytes()
        with contextlib.suppress(OSError):
            if sites := sites_of(Path(f"{path}{SUFFIX}").read_bytes(), text):
                return sites
        from shared.core.site.sitefile import read_sites  # noqa: PLC0415 - a built package does without YAML

        return read_sites(text, str(path))
    except OSError as error:
        raise Invalid("settings", [f"SITES_FILE {path}: {error.strerror}"]) from error


def assemble(
    environ: Mapping[str, str], *, read: Callable[[Path], tuple[Site, ...]] = _sites, **replaced: Any
) -> Instance:
    """Put an instance together from an environment, even where only its spool can be used.

    Whatever else is wrong, all at once, is in `kit.faults`; nothing is sent then, but events can be kept. Raises
    `Invalid` where the spool's own settings are wrong. `read` reads the site file; `replaced` is for `build`.
    """
    settings, faults = read_what_works(environ)
    path = Path(environ.get("FC_FUNC_CODE_PATH", "."), settings.sites_file)
    try:
        sites = read(path)
        check_spool_apart(settings, sites)
    except Invalid as error:
        where = "" if error.subject == "settings" else f"{error.subject}: "
        faults += tuple(f"{where}{fault}" for fault in error.faults)
    except Exception as error:  # noqa: BLE001 - a fault of ours in reading it must lose no event either
        faults += (f"SITES_FILE {path}: could not be read: {type(error).__name__}: {error}",)
    return build(settings, () if faults else sites, faults=faults, **replaced)


@functools.cache
def instance() -> Instance:
    """This function instance's parts, made at the first call. Raises `Invalid` where its spool cannot be used."""
    logs.quiet_vendors()
    return assemble(os.environ)


def initialize(context: Any) -> None:
    """Make and check this instance before its first event: an unusable spool fails here, all else is told here."""
    instance().check(context)


def entry(step: Step) -> Callable[[bytes, Any], Mapping[str, object]]:
    """Turn a step into the function that Function Compute calls with an event and a context."""

    def handler(event: bytes, context: Any) -> Mapping[str, object]:
        return run(instance(), step, event, context)

    return handler


def run(parts: Instance, step: Step, event: bytes, context: Any) -> Mapping[str, object]:
    """Run a step for one invocation and write its canonical line, whatever comes of it."""
    started = parts.kit.clock()
    parts.keys.use(lambda: credentials.from_invocation(context, os.environ))
    limit = _time_limit(context)
    name, request_id = context.function.name, context.request_id
    invocation = Invocation(name, request_id, started + max(limit - DEADLINE_MARGIN_SECONDS, limit / 2))
    with structlog.contextvars.bound_contextvars(function=name, request_id=request_id):
        try:
            summary = step(parts.kit, event, invocation)
        except Exception as error:
            parts.kit.report.error("invocation failed", reason=f"{type(error).__name__}: {error}", exc_info=True)
            raise
        took = int((parts.kit.clock() - started) * 1000)
        parts.kit.report.info("invocation", duration_ms=took, **summary)
        return summary


def _time_limit(context: Any) -> float:
    """Tell how many seconds the platform gives an invocation."""
    return float(getattr(context.function, "timeout", 0) or 60)
