"""A scenario goes in; people, platform, functions and CDN run it on a virtual clock, and its book comes out."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from scripts.cloudprocess import environment_of
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.edge import Edge, Origin, bucket_origin
from scripts.localcloud.edge import Site as EdgeSite
from scripts.localcloud.fc.host import FunctionHost, HostOptions
from scripts.localcloud.fc.hosting import TEMPLATE
from scripts.localcloud.fc.template import FunctionSpec, read_template
from scripts.localcloud.fc.triggers import CdnTrigger, TimerTrigger, Trigger
from scripts.localcloud.web import Response
from scripts.simulation.book import AT_WORK, Book
from scripts.simulation.clocks import rows_at
from scripts.simulation.damage import damaged, pick
from scripts.simulation.faults import BefallsFirst, Chances, Incident, SeededFaults
from scripts.simulation.features import Trouble
from scripts.simulation.instances import STEPS, Changes, Maker
from scripts.simulation.outside import Outside
from scripts.simulation.people import People, served
from scripts.simulation.runner import ProcessRunner
from scripts.simulation.scenario import ACCOUNT_DOMAINS, DAY_SECONDS, FEW_PER_MINUTE, Scenario, raised
from scripts.simulation.scheduler import Hub
from scripts.simulation.sites import serves, site_file, wants
from scripts.simulation.spending import SUBMISSIONS
from scripts.simulation.troubles import Troubles
from shared.settings import read_settings

ACCOUNT = "1234567890123456"
SPOOL_PREFIX = "cdn-refresh/"
LOOK_SECONDS = 30.0
"""How often a run at rest is asked whether it is over."""
QUIET_SECONDS_MAX = 1_800.0
SILENT_SECONDS = 3_600.0
"""Where no timer rings at first, all invocations have returned this long after people have gone."""
SKEW_SECONDS_MAX = 30.0
WRONG_SECONDS_MAX = 7_200.0
"""How far a clock is off that nobody sets: services refuse what is signed by it."""
WRONG_SHARE = 0.25
RETRY_DELAYS_SECONDS = (1.0, 5.0, 30.0)


class Bell:
    """Rings each minute. Once people are gone and nothing moves, it rings less and less, so that days take seconds.

    A ring that is left out makes it harder for the functions, never easier.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: object = None
        self._gap = 60.0

    def next_after(self, after: float, since: float) -> float:  # noqa: ARG002 - the surface of a schedule
        """Tell when it rings next."""
        if self._world.silent_until > after:
            return self._world.silent_until
        seen = self._world.fingerprint()
        quiet = self._world.resting and seen == self._seen
        self._gap = min(QUIET_SECONDS_MAX, self._gap * 2) if quiet else 60.0
        self._seen = seen
        return (math.floor(after / 60.0) + 1) * 60.0 + self._gap - 60.0


class World:
    """One run. `chances` replaces the seeded faults, `changes` the product's parts, `wire` the fast adapters."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        wire: bool = False,
        changes: Changes | None = None,
        chances: Chances | None = None,
    ) -> None:
        self.scenario = scenario
        self.resting = False
        self.silent_until = 0.0 if scenario.timers else scenario.stop + SILENT_SECONDS
        """Until then no timer rings."""
        self.clock = VirtualClock(scenario.start)
        self.book = Book(scenario)
        self.hub = Hub(self.clock)
        self.faults = SeededFaults(self._rng("faults"), scenario.rates)
        self._chances: Chances = chances or self.faults
        self._calls_chance = self._rng("latency")
        self._extra = self._rng("what persists")
        self.cloud = self._make_cloud()
        self.people = People(self.cloud, self.book)
        self.troubles = Troubles(
            scenario.features,
            self.clock,
            self._rng("replies"),
            self.book.incidents,
            self.faults.counts,
            lambda: self.faults.stopped,
        )
        settings = read_settings(self._environment())
        self.maker = Maker(
            self.cloud,
            self.hub,
            settings,
            site_file(scenario.sites, self.cloud.options.bucket),
            self._rng("instances"),
            self._outside,
            self._log_is_down,
            self.troubles,
            self._skew(self._rng("clocks")),
            wire,
            changes or Changes(),
        )
        self.runner = ProcessRunner(
            self.hub, self.maker.make, self.maker.steps(), self._rng("runner"), scenario.instances
        )
        self.host = self._make_host()
        self.cloud.on_changed.append(self._changed)
        self.cloud.cdn.on_finished.append(self.host.deliver_cdn)

    # -- the run -----------------------------------------------------------------------------------

    def run(self) -> Book:
        """Let everything happen, then let it come to rest; give the book."""
        for action in self.scenario.actions:
            self.clock.call_at(action.time, lambda action=action: self.people.act(action))  # type: ignore[misc]
        self._plan_features()
        self.clock.advance_to(self.scenario.stop)
        self.stop_faults()
        if not self.scenario.timers:
            self.clock.advance_to(self.silent_until - 1)
            self.book.idle_waiting = self.spool_keys("waiting/")
        self.resting = True
        self._rest()
        return self.close()

    def stop_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.faults.stopped = True
        self.cloud.cdn.fail = _no_failure

    def lose_first(self, operation: str) -> None:
        """Lose the reply to the first call of one operation of the CDN API, whatever else goes wrong."""
        self.befall_first(operation, "cdn.lost")

    def befall_first(self, operation: str, kind: str, times: int = 1) -> None:
        """Let a fault befall the first calls of one operation of the CDN API, whatever else goes wrong."""
        self._chances = BefallsFirst(self._chances, operation, kind, times)

    def _rest(self) -> None:
        """Go on until nothing waits, but not for ever: the bound is itself a promise."""
        until = self.clock.now() + self.patience_seconds()
        while self.clock.now() < until:
            self.clock.advance(LOOK_SECONDS)
            if not self._busy() and not any(key.startswith(AT_WORK) for key in self.spool_keys()):
                self.book.at_rest = True
                return

    def patience_seconds(self) -> float:
        """Give the time within which all must be done: some days, and more where the quotas are small."""
        asked: dict[str, set[tuple[int, str]]] = {}
        for number, write in enumerate(self.book.writes):
            for want in wants(self.scenario.sites, write.key, write.action):
                asked.setdefault(want.form, set()).add((number, want.url))
                if want.follow:
                    asked.setdefault("preload", set()).add((number, want.url))
        limits = self.scenario.limits
        share = 1 - self.scenario.reserve_percent / 100
        days = [len(each) / max(1.0, limits.units_per_day(form) * share - 1) for form, each in asked.items()]
        return DAY_SECONDS * (4 + math.ceil(sum(days)))

    def close(self) -> Book:
        """Write down what stands at the end."""
        book, cdn = self.book, self.cloud.cdn
        hand = self.people.rows_by_hand
        book.deliveries = self.runner.deliveries
        ahead = self.scenario.features.cdn_ahead
        rows = rows_at(cdn.submissions, ahead)
        book.rows = [row for place, row in enumerate(rows) if place not in hand]
        book.rows_by_hand = [row for place, row in enumerate(rows) if place in hand]
        book.calls = cdn.calls
        options = self.cloud.options
        book.records = self.cloud.sls.logs(options.log_project, options.logstore)
        book.spool = {key: self.spooled(key) for key in self.spool_keys()}
        book.dead = {key: self._bytes(key) for key in book.spool if key.startswith("dead/") and book.damages}
        keys = {action.key for action in self.scenario.actions if action.key}
        for key in keys:
            stored = self.cloud.oss.read(options.bucket, key)
            if stored:
                book.origin[key] = stored.data
            for site in self.scenario.sites:
                for url in served(site, key) if serves(site, key) else ():
                    book.held[url] = self.cloud.edge.held(url)
                    book.keys[url] = key
        book.ended = self.clock.now()
        return book

    # -- what can be asked -------------------------------------------------------------------------

    def fingerprint(self) -> object:
        """Tell two moments apart between which something was submitted, or something in the spool came or went."""
        submissions = sum(call.operation in SUBMISSIONS for call in self.cloud.cdn.calls)
        areas = Counter(key.partition("/")[0] for key in self.spool_keys() if key.startswith(AT_WORK))
        return (submissions, *sorted(areas.items()))

    def spool_keys(self, area: str = "") -> list[str]:
        """List the spool's keys below an area."""
        found = self.cloud.oss.keys(self.cloud.options.spool_bucket, SPOOL_PREFIX + area)
        return [key.removeprefix(SPOOL_PREFIX) for key in found]

    def spooled(self, key: str) -> Any:
        """Read an object of the spool as JSON; None where it is none."""
        try:
            return json.loads(self._bytes(key) or "null")
        except ValueError:
            return None

    def _bytes(self, key: str) -> bytes:
        stored = self.cloud.oss.read(self.cloud.options.spool_bucket, SPOOL_PREFIX + key)
        return stored.data if stored else b""

    def _busy(self) -> bool:
        return bool(self.host.pending())

    # -- parts -------------------------------------------------------------------------------------

    def _rng(self, purpose: str) -> Random:
        return Random(f"{purpose} {self.scenario.seed}")

    def _outside(self) -> Outside:
        return Outside(self.hub, self._chances, self._calls_chance, self.book.incidents)

    def _log_is_down(self) -> bool:
        now = self.clock.now()
        down = any(begin <= now < end for begin, end in self.scenario.outages)
        if down:
            self.faults.counts["sls.down"] += 1
        return down

    def _plan_features(self) -> None:
        """Let what persists in this run begin at its time."""
        features, clock = self.scenario.features, self.clock
        for moment in features.damages:
            clock.call_at(moment, self._damage)
        if features.raised_at < math.inf:
            clock.call_at(features.raised_at, self._raise_limits)
        for trouble in features.troubles:
            if trouble.kind == "others.minute":
                for minute in range(math.ceil(trouble.begin / 60), math.ceil(trouble.end / 60)):
                    clock.call_at(minute * 60.0 + self._extra.uniform(0.1, 2.0), lambda each=trouble: self._crowd(each))  # type: ignore[misc]

    def _damage(self) -> None:
        """Spoil an object of the spool, or look again a second later where there is none."""
        spoiled = {damage.key for damage in self.book.damages}
        key = pick([key for key in self.spool_keys() if key not in spoiled], self._extra)
        if key is None:
            if not self.resting:
                self.clock.call_at(self.clock.now() + 1.0, self._damage)
            return
        done = damaged(self.clock.now(), key, self._bytes(key), self._extra)
        self.cloud.oss.put(self.cloud.options.spool_bucket, SPOOL_PREFIX + key, done.after)
        self.book.damages.append(done)
        self.book.incidents.append(Incident(done.time, "spool.damaged", key, ""))
        self.faults.counts["spool.damaged"] += 1

    def _raise_limits(self) -> None:
        """Let the account do more a day from now on."""
        self.cloud.cdn.limits = raised(self.scenario.limits)
        self.faults.counts["quota.raised"] += 1

    def _crowd(self, trouble: Trouble) -> None:
        """Let somebody else use up most of what a domain may have in this minute."""
        units = self._extra.randint(FEW_PER_MINUTE // 2, FEW_PER_MINUTE)
        if self.people.crowd(trouble.domain, units):
            self.faults.counts[trouble.kind] += 1

    def _skew(self, chance: Random) -> Callable[[], float]:
        """Let the clocks of some machines be wrong."""
        rate = self.scenario.rates.get("clock.skew", 0.0)

        def skew() -> float:
            if self.faults.stopped or chance.random() >= rate:
                return 0.0
            self.faults.counts["clock.skew"] += 1
            most = WRONG_SECONDS_MAX if chance.random() < WRONG_SHARE else SKEW_SECONDS_MAX
            return chance.uniform(-most, most)

        return skew

    def _make_cloud(self) -> LocalCloud:
        options = Options(
            domains=ACCOUNT_DOMAINS, limits=self.scenario.limits, seed=self.scenario.seed, account_id=ACCOUNT
        )
        cloud = LocalCloud(options, self.clock, self.clock)
        edge = Edge(self.clock, self._edge_sites(cloud), default_domain=ACCOUNT_DOMAINS[0])
        cloud.cdn.on_refreshed[:] = [edge.refresh]
        cloud.cdn.on_prefetched[:] = [edge.prefetch]
        cloud.edge = edge
        if self.scenario.features.cdn_ahead:
            self.faults.counts["clock.cdn"] += 1
            cloud.cdn.clock_ahead_seconds = self.scenario.features.cdn_ahead
        failing, chance = self.scenario.rates.get("cdn.task_failed", 0.0), self._rng("tasks")
        if failing:
            cloud.cdn.fail = lambda _url: self._task_fails(chance, failing)
        if self._rng("lease").random() < self.scenario.rates.get("lease.dead", 0.0):
            self.faults.counts["lease.dead"] += 1
            self.book.incidents.append(Incident(self.scenario.start, "lease.dead", "", ""))
            for work in ("drain", "settle"):
                key = f"{SPOOL_PREFIX}lease/{work}/{1:012d}-held"
                cloud.oss.put(options.spool_bucket, key, b'{"owner": "somebody who is no more"}')
        return cloud

    def _task_fails(self, chance: Random, rate: float) -> str | None:
        if chance.random() >= rate:
            return None
        self.faults.counts["cdn.task_failed"] += 1
        return "Internal Error"

    def _edge_sites(self, cloud: LocalCloud) -> dict[str, EdgeSite]:
        """Let each domain fetch from the bucket, below the prefix that its site maps to the root."""
        origin = bucket_origin(cloud.oss, cloud.options.bucket)
        sites = {domain: EdgeSite(origin) for domain in ACCOUNT_DOMAINS}
        for site in self.scenario.sites:
            if site.path == "/":
                sites.update({domain: EdgeSite(_below(origin, site.prefix)) for domain in site.domains})
        return sites

    def _environment(self) -> Mapping[str, str]:
        return {
            **environment_of(self.cloud.options.facts_in_process()),
            "SPOOL_PREFIX": SPOOL_PREFIX,
            **self.scenario.environment,
        }

    def _make_host(self) -> FunctionHost:
        functions = [self._fitted(function) for function in functions_of_template(self.cloud.options.bucket)]
        return FunctionHost(
            self.clock,
            keys={self.cloud.role.access_key_id: self.cloud.role.access_key_secret},
            account_id=ACCOUNT,
            region=self.cloud.options.region,
            service=self.cloud.options.service,
            functions=functions,
            runner=self.runner,
            rng=self._rng("platform"),
            options=HostOptions(
                retry_delays_seconds=RETRY_DELAYS_SECONDS,
                duplicate_rate=self.scenario.rates.get("events.duplicate", 0.0),
                delay_seconds=self.scenario.delay_seconds,
                credentials=lambda: self.cloud.role,
            ),
        )

    def _fitted(self, function: FunctionSpec) -> FunctionSpec:
        """Give a function of the template this run's timer, and CDN events of every domain."""
        triggers: list[Trigger] = []
        for trigger in function.triggers:
            if isinstance(trigger, TimerTrigger):
                triggers.append(replace(trigger, schedule=Bell(self)))
            elif isinstance(trigger, CdnTrigger):
                triggers.append(replace(trigger, domains=ACCOUNT_DOMAINS))
            else:
                triggers.append(trigger)
        return replace(function, triggers=tuple(triggers))

    def _changed(self, payload: dict[str, Any]) -> None:
        """Let the platform tell of a change of the content, unless it happened before anything was deployed."""
        if payload["events"][0]["oss"]["bucket"]["name"] == self.cloud.options.bucket:
            self.people.told(payload)
            if not self.people.seeding:
                self.host.deliver_oss(payload)


@functools.lru_cache(maxsize=1)
def functions_of_template(bucket: str) -> tuple[FunctionSpec, ...]:
    """Read the functions that this package deploys, with their triggers, retries and time limits."""
    template = read_template(TEMPLATE, environ={"CONTENT_BUCKET": bucket}, config={"AccountID": ACCOUNT})
    return tuple(function for function in template.functions if function.handler.partition(".")[0] in STEPS)


def _below(origin: Origin, prefix: str) -> Origin:
    def origin_below(path: str, query: str, conditions: Mapping[str, str]) -> Response:
        return origin("/" + prefix + path.removeprefix("/"), query, conditions)

    return origin_below


def _no_failure(_url: str) -> str | None:
    return None
