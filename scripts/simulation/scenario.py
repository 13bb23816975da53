"""A seed, a number of changes and fault rates go in; what people, readers and others will do, and when, comes out.

The scenario is drawn before anything runs, so nothing the functions do changes what people do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.actions import Action
from scripts.simulation.faults import rates_of
from scripts.simulation.features import Features, draw_features
from scripts.simulation.linked import draw_links
from scripts.simulation.sites import BOTH, PREFETCH, KeyRule, Site, wants

LINKING_SHARE = 0.2
"""How often people use symlinks, and the first site follows them."""
SOUND_BESIDE_MIN = 8
"""How many URLs a domain has at least where some are bad."""
RESET = 1_790_006_400.0 - 1_790_006_400.0 % 86_400 + 16 * 3_600
"""A midnight of UTC+8, when daily quotas begin anew."""
DAY_SECONDS = 86_400.0
RAISED_TIMES = 5
FEW_PER_MINUTE = 10
"""URLs of a domain that a minute has room for where others use it up."""
STATIC, IMAGES, DOCS, ELSEWHERE, KEYED, FOREIGN = (
    "static.example.com",
    "img.example.com",
    "docs.example.com",
    "elsewhere.example.com",
    "keyed.example.com",
    "foreign.example.org",
)
ACCOUNT_DOMAINS = (STATIC, IMAGES, DOCS, ELSEWHERE, KEYED)
"""The domains of the account. Nobody configures ELSEWHERE, so nothing of it may be submitted; FOREIGN is not ours."""

ODD_NAMES = (
    f"line\nhttps://{ELSEWHERE}/smuggled.html",
    f"back\r\nhttps://{ELSEWHERE}/smuggled.html",
    'quote".html',
    "per%20cent.html",
    "a+b c.html",
    "what?.html",
    "hash#.html",
    "文件/图.png",
    "smile-😀.png",
    "double//slash.html",
    "trailing/",
    "(brackets)!*',;=&@$:.html",
    "deep/" + "é" * 190 + "/x.html",
    "n" * 900,
)


@dataclass(frozen=True)
class Scenario:
    """Everything about a run that its seed decides before it starts."""

    seed: int
    start: float
    stop: float
    sites: tuple[Site, ...]
    limits: Limits
    environment: Mapping[str, str]
    actions: tuple[Action, ...]
    rates: Mapping[str, float]
    instances: int
    timers: bool
    """Whether the timer rings while people are at work."""
    delay_seconds: tuple[float, float] = (0.0, 0.0)
    outages: tuple[tuple[float, float], ...] = ()
    """When the log service is down."""
    foreign: frozenset[str] = field(default=frozenset())
    """Domains that are configured and not the account's."""
    features: Features = field(default_factory=Features)
    """What persists, and depends on content."""

    @property
    def reserve_percent(self) -> int:
        """The share of each day's quota that is kept for removals and people."""
        return int(self.environment.get("RESERVE_PERCENT", "5"))


def raised(limits: Limits) -> Limits:
    """Give the limits of an account that may do more a day than it could before."""
    return replace(
        limits,
        url_refreshes_per_day=limits.url_refreshes_per_day * RAISED_TIMES,
        directory_refreshes_per_day=limits.directory_refreshes_per_day * RAISED_TIMES,
        prefetches_per_day=limits.prefetches_per_day * RAISED_TIMES,
    )


def draw(seed: int, changes: int, rate: float, only: str = "") -> Scenario:
    """Draw a scenario."""
    rng = Random(f"scenario {seed}")
    rates = rates_of(rate, only)
    sites = _sites(rng, Random(f"sites {seed}"))
    seconds = rng.choice((2.0, 30.0, 300.0, 1_800.0))
    start = (
        RESET - seconds * rng.random() - 60 * rng.random()
        if rng.random() < 0.3
        else RESET - rng.uniform(0.3, 0.9) * DAY_SECONDS
    )
    actions = _actions(rng, sites, changes, start + 1, seconds)
    linking = Random(f"links {seed}")
    if linking.random() < LINKING_SHARE:
        sites = (replace(sites[0], follow_links=True), *sites[1:])
        actions += draw_links(linking, actions, start + 1, seconds)
    stop = max(action.time for action in actions) + 1
    small = rng.random() < 0.3
    limits, environment = _limits(rng, changes, rates, small=small)
    if small:
        limits = replace(limits, ignore_params_refreshes_per_day=Random(f"queries {seed}").randint(1, 6))
    if limits.urls_per_minute_per_domain < 1_000 or rates.get("others.minute"):
        sites = tuple(_without_every_query(site) for site in sites)
    features = draw_features(
        Random(f"features {seed}"), rates, (start, stop), _urls(sites, actions), ACCOUNT_DOMAINS[:3]
    )
    if any(trouble.kind == "others.minute" for trouble in features.troubles):
        limits, environment = _tight(limits, environment)
    late = rng.uniform(1, 120) if rng.random() < rates.get("events.delay", 0.0) else 0.0
    return Scenario(
        seed=seed,
        start=start,
        stop=stop,
        sites=sites,
        limits=limits,
        environment=environment,
        actions=tuple(sorted(actions + _others(rng, start, stop), key=lambda action: action.time)),
        rates=rates,
        instances=rng.choice((1, 2, 3, 10)),
        timers=rng.random() < 0.6 or _needs_timer(rates),
        delay_seconds=(0.0, late),
        outages=_outages(rng, rates.get("sls.down", 0.0), start, stop),
        foreign=frozenset({FOREIGN}) if any(FOREIGN in site.domains for site in sites) else frozenset(),
        features=features,
    )


def _urls(sites: tuple[Site, ...], actions: list[Action]) -> list[str]:
    """List the URLs that the changes of a scenario may ask for, of the account's domains that have some.

    Where all URLs of a domain may be bad nobody can tell that from a domain in trouble, and nothing of that ends.
    """
    told = {"put": "created", "remove": "removed"}
    changes = [action for action in actions if action.what in told]
    asked = {(want.form, want.url) for each in changes for want in wants(sites, each.key, told[each.what])}
    domains = Counter((form, url.split("/")[2]) for form, url in asked)
    many = {name for name, count in domains.items() if count >= SOUND_BESIDE_MIN and name[1] in ACCOUNT_DOMAINS}
    alone = {url for form, url in asked if (form, url.split("/")[2]) not in many}
    return sorted({url for _, url in asked} - alone)


def _tight(limits: Limits, environment: dict[str, str]) -> tuple[Limits, dict[str, str]]:
    """Let a minute have room for few URLs, so that others can use it up."""
    few = replace(limits, urls_per_minute_per_domain=FEW_PER_MINUTE, prefetches_per_minute_per_domain=FEW_PER_MINUTE)
    return few, {**environment, "URLS_PER_MINUTE_PER_DOMAIN": str(FEW_PER_MINUTE)}


def _needs_timer(rates: Mapping[str, float]) -> bool:
    """Tell whether faults may happen after which only the timer goes on."""
    return any(rate and not kind.startswith("events.") for kind, rate in rates.items())


STYLES = KeyRule(keys=("*.png", "1*.html"), urls=("{url}!thumb", "{url}?x-oss-process=style/thumb"))
CLEAN = KeyRule(keys=("www/**/*.html",), urls=("{dir}{stem}",))
BARE = KeyRule(keys=("index.html",), urls=("{folder}",))
FOLDERS = KeyRule(keys=("**/a/*.html",), directories=("{dir}",))
ALIAS = KeyRule(keys=("www/2?.html",), urls=("/www/latest.html",))
QUERIES = KeyRule(keys=("**/a/**",), every_query=("{url}",))
PAGES = KeyRule(keys=("3.html", "5.html"), every_query=("{dir}",))
HASHED = KeyRule(keys=("www/a/b/*",), new="ignore")
KEY_RULES = (STYLES, CLEAN, BARE, FOLDERS, ALIAS, QUERIES, PAGES, HASHED)
SPELLINGS = (
    ("browser", "strict"),
    ("browser", "strict"),
    ("strict",),
    ("browser", "component", "uri"),
    ("strict", "raw", "lower-case"),
)


def _sites(rng: Random, more: Random) -> tuple[Site, ...]:
    """Choose some of a few kinds of site, each with some rules; the first is always there.

    `more` draws what was drawn later in the life of this file, so that seeds of before keep the rest of their meaning.
    """
    main = Site(
        "main",
        "www/",
        "/www/",
        (STATIC, *((IMAGES,) if rng.random() < 0.3 else ()), *((FOREIGN,) if rng.random() < 0.15 else ())),
        index="index.html",
        queries=("w=100",) if rng.random() < 0.4 else (),
        ignored_suffixes=(".tmp",) if rng.random() < 0.5 else (),
        created=BOTH if rng.random() < 0.3 else "refresh",
    )
    docs = Site("docs", "docs/", "/", (DOCS,), created=BOTH if rng.random() < 0.5 else "refresh")
    fresh = Site("fresh", "fresh/", "/fresh/", (IMAGES,), new=PREFETCH)
    media = Site("media", "media/", "/media/", (IMAGES,), created=PREFETCH)
    keyed = Site("keyed", "keyed/", "/keyed/", (KEYED,), whole_directories=frozenset({KEYED}))
    extra = [each for each in (docs, fresh, media, keyed) if rng.random() < 0.35]
    again = Site("again", "www/a/", "/www/a/", (STATIC,))
    twice = [again] if more.random() < 0.2 else []
    return tuple(_with_rules(site, more) for site in (main, *extra, *twice))


def _with_rules(site: Site, more: Random) -> Site:
    """Give a site some rules that fit it, and spellings."""
    ruled = site.name in {"main", "docs", "again"} and more.random() < 0.5
    drawn = more.sample(KEY_RULES, more.randint(1, 3)) if ruled else []
    rules = tuple(rule for rule in drawn if not rule.keys[0].startswith("www/") or site.prefix == "www/")
    return replace(
        site,
        rules=rules,
        spellings=more.choice(SPELLINGS),
        whole_domain=more.random() < 0.3,
        when_spent=more.choice(("wait", "directory")),
    )


def _without_every_query(site: Site) -> Site:
    """Leave out what spends from a minute's limit beside URLs: whether the two share it is not documented."""
    return replace(site, rules=tuple(rule for rule in site.rules if not rule.every_query))


def _limits(rng: Random, changes: int, rates: Mapping[str, float], *, small: bool) -> tuple[Limits, dict[str, str]]:
    """Draw what the account may do, and tell the functions what a team would tell them of it."""
    late = rates.get("cdn.rows_late", 0.0)
    per_minute = rng.choice((3, 10)) if rng.random() < 0.15 else 1_000
    limits = Limits(
        url_refreshes_per_day=rng.randint(max(4, changes // 3), changes + 4) if small else 10_000,
        directory_refreshes_per_day=rng.randint(3, 8) if small else 100,
        prefetches_per_day=rng.randint(4, max(5, changes)) if small else 1_000,
        urls_per_minute_per_domain=per_minute,
        prefetches_per_minute_per_domain=per_minute,
        row_visible_after_seconds=rng.uniform(1, 8) if rng.random() < late else 0.0,
        finish_resolution_seconds=rng.choice((1.0, 5.0)),
    )
    environment = {
        "URLS_PER_MINUTE_PER_DOMAIN": str(per_minute),
        "RESERVE_PERCENT": str(rng.choice((0, 5, 25))),
        "LINGER_SECONDS": str(rng.choice((0.5, 5.0))),
    }
    return limits, environment


def _actions(rng: Random, sites: tuple[Site, ...], changes: int, start: float, seconds: float) -> list[Action]:
    """Let people write and delete, and readers look, in trickles, bursts and on hot keys."""
    keys = _keys(rng, sites, changes)
    hot = rng.sample(keys, min(2, len(keys)))
    heat = rng.choice((0.0, 0.2, 0.7))
    bursts = [rng.uniform(0, seconds) for _ in range(rng.randint(1, 3))]
    actions = []
    once: set[str] = set()
    for _ in range(changes):
        key = rng.choice(hot) if rng.random() < heat else rng.choice(keys)
        at = rng.choice(bursts) + rng.random() * 2 if rng.random() < 0.5 else rng.uniform(0, seconds)
        what = "remove" if rng.random() < 0.2 else "put"
        if key.startswith("media/"):
            if key in once:
                continue
            what = "put"
            once.add(key)
        actions.append(Action(start + at, what, key))
        for _ in range(rng.randint(0, 3)):
            look = start + at + rng.uniform(-5, 5) if rng.random() < 0.5 else start + rng.uniform(0, seconds)
            actions.append(Action(max(start, look), "read", key, node=rng.randint(1, 2), units=rng.randint(0, 7)))
    first = [Action(start - 0.5, "seed", key) for key in keys if rng.random() < 0.5 and not key.startswith("media/")]
    looks = [Action(start - 0.4, "read", action.key, rng.randint(1, 2)) for action in first if rng.random() < 0.7]
    return first + looks + actions


def _keys(rng: Random, sites: tuple[Site, ...], changes: int) -> list[str]:
    """Name some objects of each site; a few have odd names, are served as an index, or are ignored."""
    keys = []
    for _ in range(max(3, math.ceil(changes * rng.choice((0.2, 0.6, 1.0))))):
        site = rng.choice(sites)
        folder = rng.choice(("", "", "a/", "a/b/"))
        name = rng.choice((f"{rng.randint(1, 30)}.html",) * 6 + ("index.html", "draft.tmp", rng.choice(ODD_NAMES)))
        keys.append(site.prefix + folder + name)
    return sorted(dict.fromkeys(keys))


def _others(rng: Random, start: float, stop: float) -> list[Action]:
    """Let a person refresh something by hand, and another program spend quota."""
    actions = []
    if rng.random() < 0.2:
        actions.append(Action(rng.uniform(start, stop), "refresh"))
    if rng.random() < 0.2:
        actions.append(Action(rng.uniform(start, stop), "spend", units=rng.randint(1, 5)))
    return actions


def _outages(rng: Random, rate: float, start: float, stop: float) -> tuple[tuple[float, float], ...]:
    if rng.random() >= rate:
        return ()
    begin = rng.uniform(start, stop)
    return ((begin, begin + rng.choice((5.0, 60.0, 600.0))),)
