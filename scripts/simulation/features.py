"""Rates and what a run is about go in; what will be wrong with the account, its domains and its URLs comes out.

Unlike the faults of single calls these persist, and depend on what a call is about. Chance is an argument, and a
source of its own: what is drawn here changes nothing else about a scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

FOREVER = float("inf")
MALFORMED = "InvalidObjectPath.Malformed"
DROPPED = ("", 0)
"""In place of a code and a status: the connection ends without a reply."""

BAD_URLS = ((MALFORMED, 400), ("InternalError", 500), ("Whatever.Unknown", 400), DROPPED)
DOMAIN_TROUBLES = (("ServiceBusy", 403), ("Forbidden", 403), ("InvalidDomain.Checking", 400), ("Whatever.Broken", 502))
REFUSED_ACCOUNTS = (("InvalidAccessKeyId.Inactive", 403),)
OUTAGES = (("ServiceUnavailable", 503), ("InternalError", 500), DROPPED)
LASTING_SECONDS = (120.0, 900.0, 7_200.0)
SPEND_MINUTES = (3, 15)
CACHED_SECONDS = (60.0, 240.0)
CLOCKS_APART_SECONDS = (1.0, 9.0)
ROWS_MAX = (100, 20)
DAMAGES_MAX = 3
ROWS = ("rows.decoded", "rows.bare", "rows.typed", "rows.odd")

Answer = tuple[str, int]


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong with some URLs, a domain or the whole account, from `begin` to `end`."""

    kind: str
    code: str
    status: int
    begin: float = 0.0
    end: float = FOREVER
    urls: frozenset[str] = frozenset()
    domain: str = ""

    @property
    def is_understood(self) -> bool:
        """Tell whether the API says at once that a URL can never go."""
        return self.code == MALFORMED


@dataclass(frozen=True)
class Features:
    """What persists in a run."""

    troubles: tuple[Trouble, ...] = ()
    rows: frozenset[str] = frozenset()
    """How the rows of the task list are told, by kinds of fault."""
    rows_max: int = 0
    """How many rows a reply has at most; 0 for as many as the API says."""
    quota_cached_seconds: float = 0.0
    """How old the reply about the quota may be."""
    raised_at: float = FOREVER
    """When the account's daily limits are raised."""
    cdn_ahead: float = 0.0
    """How many seconds the CDN's clock is ahead of that of OSS."""
    damages: tuple[float, ...] = ()
    """When an object of the spool is damaged."""

    @property
    def bad_urls(self) -> frozenset[str]:
        """Name the URLs that can never go."""
        return frozenset(url for trouble in self.troubles if trouble.kind == "url.bad" for url in trouble.urls)


def draw_features(
    rng: Random, rates: Mapping[str, float], span: tuple[float, float], urls: Sequence[str], domains: Sequence[str]
) -> Features:
    """Draw what persists. `span` is when people are at work, `urls` and `domains` are what they ask for."""
    met = [kind for kind in ALL if rng.random() < rates.get(kind, 0.0)]
    spared = Random(rng.random())
    troubles = [_trouble(kind, spared, span, urls, domains) for kind in met if kind in TROUBLES]
    return Features(
        troubles=tuple(each for each in troubles if each.urls or each.kind != "url.bad"),
        rows=frozenset(met).intersection(ROWS),
        rows_max=spared.choice(ROWS_MAX) if "rows.capped" in met else 0,
        quota_cached_seconds=spared.choice(CACHED_SECONDS) if "quota.late" in met else 0.0,
        raised_at=span[1] + spared.uniform(60.0, 3 * 3_600.0) if "quota.raised" in met else FOREVER,
        cdn_ahead=spared.choice((-1, 1)) * spared.uniform(*CLOCKS_APART_SECONDS) if "clock.cdn" in met else 0.0,
        damages=_moments(spared, span) if "spool.damaged" in met else (),
    )


TROUBLES: Mapping[str, tuple[Answer, ...]] = {
    "url.bad": BAD_URLS,
    "domain.trouble": DOMAIN_TROUBLES,
    "account.refused": REFUSED_ACCOUNTS,
    "service.down": OUTAGES,
    "others.minute": (("QuotaPerMinuteExceeded.Refresh", 400),),
}
ALL = (*TROUBLES, *ROWS, "rows.capped", "quota.late", "quota.raised", "clock.cdn", "spool.damaged")


def _trouble(kind: str, rng: Random, span: tuple[float, float], urls: Sequence[str], domains: Sequence[str]) -> Trouble:
    code, status = rng.choice(TROUBLES[kind])
    if kind == "url.bad":
        return Trouble(kind, code, status, urls=frozenset(rng.sample(urls, min(len(urls), rng.randint(1, 3)))))
    begin = rng.uniform(*span)
    seconds = 60.0 * rng.randint(*SPEND_MINUTES) if kind == "others.minute" else rng.choice(LASTING_SECONDS)
    domain = rng.choice(domains) if kind in {"domain.trouble", "others.minute"} else ""
    return Trouble(kind, code, status, begin, begin + seconds, domain=domain)


def _moments(rng: Random, span: tuple[float, float]) -> tuple[float, ...]:
    count = rng.randint(1, DAMAGES_MAX)
    return tuple(sorted(rng.uniform(span[0], span[1] + 60.0) for _ in range(count)))
