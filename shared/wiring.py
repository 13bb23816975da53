"""The one composition root: environment in, `Kit` out, once per instance; and the shape of an entry point."""

from __future__ import annotations

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
from shared.cloud.spool.spool import Spool
from shared.core.checked import Invalid
from shared.core.errors import StoreError
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Site
from shared.flow.kit import Invocation, Kit
from shared.settings import Settings, check_spool_apart, read_settings

DEADLINE_MARGIN_SECONDS = 15.0
"""No new call is begun this close to the function's time limit: what is under way then still ends in time."""

Step = Callable[[Kit, bytes, Invocation], Mapping[str, object]]
T = TypeVar("T")


class Instance:
    """What lives as long as a function instance: the kit, and the ring that holds each invocation's keys."""

    def __init__(self, kit: Kit, keys: KeyRing, spool: Spool, settings: Settings) -> None:
        self.kit, self.keys, self.spool, self.settings = kit, keys, spool, settings

    def check(self, context: Any) -> None:
        """Fail with a sentence where the spool cannot be used; a deployment then fails at its first event."""
        limit, lease = _time_limit(context), self.settings.lease_seconds
        if lease < limit:
            self.kit.report.warning(
                "LEASE_SECONDS is less than the function's timeout: two may drain at once and spend units twice",
                lease_seconds=lease,
                timeout_seconds=limit,
            )
        self.keys.use(lambda: credentials.from_invocation(context, os.environ))
        try:
            self.spool.check()
        except StoreError as error:
            raise Invalid("spool", [_spool_fault(error, self.settings)]) from error


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
) -> Instance:
    """Put an instance together. Raises `Invalid` where settings and sites do not fit together."""
    check_spool_apart(settings, sites)
    keys = KeyRing()
    time_by_oss = OssClock(clock)
    bucket = Bucket(
        settings.oss_endpoint,
        settings.region,
        settings.spool_bucket,
        settings.spool_prefix,
        keys,
        time_by_oss,
        readers=readers,
        adapter=oss_adapter,
    )
    told = report or logs.logger(settings.log_level)
    spool = Spool(bucket, settings.lease_seconds, time_by_oss, told.error)
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
        ),
        outcomes=OutcomeLog(settings.log_endpoint, settings.log_project, settings.logstore, keys, adapter=log_adapter),
        report=told,
        clock=time_by_oss.now,
        sleep=sleep,
        chance=chance,
        linger_seconds=settings.linger_seconds,
        own=(settings.spool_bucket, settings.spool_prefix),
    )
    return Instance(kit, keys, spool, settings)


@functools.cache
def instance() -> Instance:
    """This function instance's parts, made at the first call. Raises `Invalid` with every fault it finds."""
    settings = read_settings(os.environ)
    path = Path(os.environ.get("FC_FUNC_CODE_PATH", "."), settings.sites_file)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid("settings", [f"SITES_FILE {path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise Invalid("settings", [f"SITES_FILE {path}: not UTF-8 at byte {error.start}"]) from error
    return build(settings, read_sites(text, str(path)))


def initialize(context: Any) -> None:
    """Make and check this instance before its first event, so that a bad setting fails here."""
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


def _spool_fault(error: StoreError, settings: Settings) -> str:
    where = f"SPOOL_BUCKET {settings.spool_bucket!r} at {settings.oss_endpoint}"
    if error.code == "NoSuchBucket":
        return f"{where} does not exist; create it or name another"
    if error.code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
        return f"{where} may not be read with the function's role ({error.code}); grant it oss:ListObjects on it"
    return f"{where} cannot be used: {error}"
