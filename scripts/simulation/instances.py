"""Settings and the way outside go in; a function instance comes out, with memory of its own, as a cold start makes it.

`Changes` says what is to be different from the product: the deliberately broken variants use it, and nothing else.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from scripts.localcloud.cloud import LocalCloud
from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request
from scripts.simulation.adapters import StateBucket, StateCdn, StateLog
from scripts.simulation.outside import Outside
from scripts.simulation.scheduler import Hub, PausingClock
from scripts.simulation.troubles import Troubles
from shared import flow, logs, wiring
from shared.cloud.clock import OssClock
from shared.cloud.credentials import KeyRing
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.cloud.spool.links import LinkStore
from shared.cloud.spool.spool import Spool
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Site
from shared.flow.kit import Kit
from shared.settings import Settings

STEPS: Mapping[str, wiring.Step] = {
    "object_created": flow.receive,
    "object_removed": flow.receive,
    "retry_failed": flow.retry,
    "task_finished": flow.finished,
}
"""What the entry points in `functions/` run, by file."""


class SilentReport:
    """Takes what functions print, and drops it."""

    def info(self, event: str, **details: object) -> None:
        """Drop it."""

    debug = warning = error = info


@dataclass(frozen=True)
class Changes:
    """What is replaced in every instance. By default nothing: this is then the product itself."""

    spool: Callable[..., Spool] = Spool
    clock: Callable[[Callable[[], float]], OssClock] = OssClock
    kit: Callable[[Kit], Kit] = lambda kit: kit
    step: Callable[[wiring.Step], wiring.Step] = lambda step: step


@dataclass
class Instance:
    """A function instance, and its way outside."""

    parts: wiring.Instance
    outside: Outside


@dataclass
class Maker:
    """Makes instances that use one local cloud. With `wire` they use the vendor's clients down to the last byte."""

    cloud: LocalCloud
    hub: Hub
    settings: Settings
    site_file: str
    rng: Random
    outside: Callable[[], Outside]
    log_is_down: Callable[[], bool]
    troubles: Troubles
    skew: Callable[[], float]
    """How far the clock of the next machine is ahead, in seconds."""
    wire: bool = False
    changes: Changes = field(default_factory=Changes)

    def make(self) -> Instance:
        """Make one more instance, on a machine whose clock may be wrong."""
        outside = self.outside()
        ahead = self.skew()

        def clock() -> float:
            return self.hub.clock.now() + ahead

        parts = self._on_the_wire(outside, clock) if self.wire else self._on_the_state(outside, clock)
        kit = self.changes.kit(parts.kit)
        return Instance(wiring.Instance(kit, parts.keys, parts.spool, parts.settings), outside)

    def steps(self) -> dict[str, wiring.Step]:
        """Give the step of each function, by the file of its entry point."""
        return {name: self.changes.step(step) for name, step in STEPS.items()}

    def _on_the_state(self, outside: Outside, clock: Callable[[], float]) -> wiring.Instance:
        keys, time = KeyRing(), self.changes.clock(clock)
        options, settings = self.cloud.options, self.settings

        def bucket_of(name: str, prefix: str = "") -> Any:
            state = self.cloud.oss._core.bucket(name)  # noqa: SLF001 - the bucket itself, without HTTP
            return StateBucket(outside, state, prefix, self.hub.clock, time, self.rng)

        sites, tell = _sites(self.site_file), SilentReport().error
        bucket = bucket_of(options.spool_bucket, settings.spool_prefix)
        spool = self.changes.spool(bucket, settings.lease_seconds, time, tell)
        is_following = any(site.follow_links for site in sites)
        kit = Kit(
            sites=sites,
            limits=settings.limits,
            provider=ALIBABA_CDN,
            spool=spool,
            cdn=StateCdn(outside, self.cloud.cdn, self.troubles, self.rng),
            outcomes=StateLog(outside, self.cloud.sls, options.log_project, options.logstore, self.log_is_down),
            report=SilentReport(),
            clock=time.now,
            sleep=outside.sleep,
            chance=self.rng.random,
            linger_seconds=settings.linger_seconds,
            links=LinkStore(bucket, bucket_of, time, spool.set_aside, tell) if is_following else None,
            own=(settings.spool_bucket, settings.spool_prefix),
        )
        return wiring.Instance(kit, keys, spool, settings)

    def _on_the_wire(self, outside: Outside, own_clock: Callable[[], float]) -> wiring.Instance:
        clock = PausingClock(self.hub)
        cloud = self.cloud
        cdn = self.troubles.wrapped(cloud.cdn)
        return wiring.build(
            self.settings,
            _sites(self.site_file),
            cdn_transport=HttpxTransport(outside.wrapped("cdn", cdn, _action), clock),
            oss_adapter=RequestsAdapter(outside.wrapped("oss", cloud.oss.handle, _method), clock),
            log_adapter=RequestsAdapter(outside.wrapped("sls", self._log_handle, _method), clock),
            clock=own_clock,
            signing=own_clock,
            sleep=outside.sleep,
            chance=self.rng.random,
            report=logs.logger("ERROR", io.StringIO()),
            readers=1,
        )

    def _log_handle(self, request: Request) -> Any:
        """Answer as the log service, which may be down."""
        if self.log_is_down():
            return self.cloud.sls.fault_response("busy", request)
        return self.cloud.sls.handle(request)


@functools.lru_cache(maxsize=64)
def _sites(text: str) -> tuple[Site, ...]:
    return read_sites(text, "the simulation's sites")


def _action(request: Request) -> str:
    return request.header("x-acs-action")


def _method(request: Request) -> str:
    return f"{request.method} {request.path}?{request.query}"
