"""The facts of a run go in; the spans of time in which a change may wait come out, by the reason that explains them.

Only what stands in the book explains anything: quotas and limits by the API's own books, faults by their times, each
with a stated grace. What the functions think they know is no reason, and neither is the log store's outage.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from scripts.localcloud.cdn.service import Row
from scripts.simulation.facts import FAILED, Facts, Fate
from scripts.simulation.features import Trouble
from scripts.simulation.scenario import ACCOUNT_DOMAINS, DAY_SECONDS, RESET
from scripts.simulation.sites import REFRESH, Want, reaching
from scripts.simulation.spans import Span, Spans

MINUTE_SECONDS = 60.0
ROUND_SECONDS = 60.0
"""Between two rings of the timer."""
LEASE_SECONDS = 120.0
OVER_SECONDS = 120.0
"""How long after a fault of the CDN work may rest: an unknown outcome has to be asked about first."""
INTERRUPTED_SECONDS = LEASE_SECONDS + ROUND_SECONDS
"""After a process died or the spool failed somebody may hold the lease in vain; then comes a ring of the timer."""
GRACES = (
    ("kill.", INTERRUPTED_SECONDS),
    ("oss.", INTERRUPTED_SECONDS),
    ("lease.", INTERRUPTED_SECONDS),
    ("spool.", INTERRUPTED_SECONDS),
    ("cdn.", OVER_SECONDS),
    ("rows.odd", OVER_SECONDS),
)
"""How long each incident explains a wait, by how its kind begins. Those of the log store explain nothing."""
RESET_SECONDS = 300.0
"""How long after the daily reset what waited for it may still wait."""
READING_SECONDS = 720.0
"""How long after the account's limits were raised what waited for the reset may still wait: a reading, and a round."""
BESIDE_SECONDS = 240.0
"""How long a URL that the API cannot take holds up those beside it: four rounds."""
BESIDE_UNKNOWN_SECONDS = 1_200.0
"""The same where the API does not say so, and each halving has to be asked about first."""
BAD_SECONDS = 600.0
"""How long a URL waits until it is given up that the API says it cannot take: ten rounds."""
BAD_UNKNOWN_SECONDS = 7_200.0
"""The same where the API does not say so: eight tries, alone and ever later."""
FEW_UNITS = 50
"""Of a day: tries and their controls then have to wait for units, so all of them together take twice as long."""
SPLIT_SECONDS = 120.0
"""How long a domain's trouble holds up the others, once: its first call may have been shared."""
TROUBLED_PAUSE_SECONDS_MAX = 900.0
"""How long after the last try a troubled domain is tried again, at most."""
END_KNOWN_SECONDS = 120.0
"""How long after a task has ended at the CDN it may be taken for running."""
FAILED_PAUSE_FIRST_SECONDS = 60.0
FAILED_PAUSE_FACTOR = 4.0
FAILED_PAUSE_MAX_SECONDS = 3_600.0
STRETCHES_MAX = 500
"""How often an end is moved on for what did not ring until then."""
TIMED = b'"triggerTime"'
"""What only the events of timers have."""

Named = Mapping[str, Spans]


class Reasons:
    """What explains waits in one run. All is worked out when it is asked for first."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._everywhere: dict[str, Spans] | None = None
        self._by_unit: dict[tuple[str, bool], Spans] = {}
        self._by_minute: dict[tuple[str, str], Spans] | None = None
        self._failures: dict[str, list[float]] | None = None

    def of_all(self) -> Named:
        """Give what holds up every change: faults, a lease that nobody holds, and a timer that does not ring."""
        if self._everywhere is None:
            self._everywhere = {
                "faults": Spans(_faults(self._facts)),
                "no timer rang": Spans(_silence(self._facts)),
            }
        return self._everywhere

    def of_day(self, form: str, *, removal: bool) -> Spans:
        """Give when the day's quota of a form was spent, less what is kept for removals and people."""
        key = (form, removal)
        if key not in self._by_unit:
            self._by_unit[key] = Spans(_days_spent(self._facts, form, removal=removal))
        return self._by_unit[key]

    def of_minute(self, form: str, domain: str) -> Spans:
        """Give when the limit of a domain and a minute was reached."""
        if self._by_minute is None:
            self._by_minute = _minutes_full(self._facts)
        return self._by_minute.get((form, domain), Spans())

    def of_failures(self, rows: Iterable[Row]) -> Spans:
        """Give when submissions ran that failed at the CDN, and the pauses after that and after it was noticed.

        That a failure was noticed late is no reason: what came between is left to the others.
        """
        failed = [row for row in rows if row.status == FAILED]
        spans = [Span(row.accepted, row.finish + _pause(number)) for number, row in enumerate(failed)]
        for number, row in enumerate(failed):
            noticed = min((time for time in self._noticed(row.path) if time >= row.finish), default=None)
            if noticed is not None:
                spans.append(Span(noticed, noticed + _pause(number)))
        return Spans(spans)

    def _noticed(self, url: str) -> list[float]:
        """Give when the functions told that a submission of a URL had failed."""
        if self._failures is None:
            self._failures = defaultdict(list)
            for record in self._facts.book.records:
                if record["result"] == "deferred" and record.get("code") == FAILED:
                    self._failures[record.get("url", "")].append(float(record["time"]))
        return self._failures[url]

    def of_troubles(self, want: Want, since: float) -> Spans:
        """Give when something that persists holds up a change that began to wait at `since`."""
        features = self._facts.book.scenario.features
        spans = [span for each in features.troubles for span in _of_trouble(self._facts, each, want, since)]
        if domain_of(want.url) not in ACCOUNT_DOMAINS:
            spans.append(Span(since, since + BAD_SECONDS))
        stops = self._stops(want)
        return Spans(Span(span.begin, _awake(span.begin, span.end, stops)) for span in spans)

    def _stops(self, want: Want) -> Spans:
        """Give when nothing can be tried: no timer rings, or the day or the domain's minute leaves nothing."""
        ends = (0.0, float("inf"))
        silence, day = self.of_all()["no timer rang"], self.of_day(want.form, removal=False)
        minute = self.of_minute(want.form, domain_of(want.url))
        return Spans([*silence.within(*ends), *day.within(*ends), *minute.within(*ends)])

    def of_origin(self, domain: str) -> Spans:
        """Give when a domain's prefetches may be held back, since some of them failed."""
        rows = [row for row in self._facts.book.rows if row.form == "preload" and row.domain == domain]
        pause = TROUBLED_PAUSE_SECONDS_MAX + 2 * ROUND_SECONDS
        return Spans(Span(row.finish, row.finish + pause) for row in rows if row.status == FAILED)

    def of_refreshes(self, url: str) -> Spans:
        """Give when a prefetch of a URL has to wait for a refresh that reaches it: one that is wanted, or that runs."""
        facts = self._facts
        running = [
            Span(row.accepted, row.finish + END_KNOWN_SECONDS)
            for reached, forms in reaching(url)
            for row in facts.rows.get(reached, ())
            if row.form in forms
        ]
        wanted = [
            _wanted(facts, fate, reached)
            for reached, forms in reaching(url)
            for fate in facts.by_url.get((REFRESH, reached), ())
            if any(want.url == reached and want.form in forms for want in fate.wants)
        ]
        return Spans([*running, *wanted])


def domain_of(url: str) -> str:
    """Name the host of a URL."""
    return url.partition("://")[2].partition("/")[0]


def _pause(failures: int) -> float:
    pause = min(FAILED_PAUSE_MAX_SECONDS, FAILED_PAUSE_FIRST_SECONDS * FAILED_PAUSE_FACTOR**failures)
    return END_KNOWN_SECONDS + pause + ROUND_SECONDS


def _wanted(facts: Facts, fate: Fate, url: str) -> Span:
    """Give when a refresh was asked for and not accepted yet; for ever where it never was, which is judged apart."""
    accepted = (row.accepted for row in facts.rows.get(url, ()) if row.form != "preload")
    return Span(fate.write.time, min((each for each in accepted if each >= fate.write.time), default=float("inf")))


def _faults(facts: Facts) -> Iterator[Span]:
    """Give the time after each incident, and after each invocation that a fault made too long."""
    book = facts.book
    met = set()
    for incident in book.incidents:
        for kind, grace in GRACES:
            if incident.kind.startswith(kind):
                met.add(incident.request_id)
                yield Span(incident.time, incident.time + grace)
    for delivery in book.deliveries:
        if delivery.outcome == "timeout" and delivery.request_id in met:
            yield Span(delivery.started, delivery.ended + INTERRUPTED_SECONDS)


def _silence(facts: Facts) -> Iterator[Span]:
    """Give when the timer did not ring within a round; one that comes to nothing counts as a minute all the same."""
    rings = sorted(_rings(facts))
    first = rings[0] if rings else facts.book.ended
    yield Span(facts.book.scenario.start, first)
    for ring, following in pairwise([*rings, facts.book.ended]):
        if following > ring + ROUND_SECONDS:  # the ring after that is for what a round has to learn first
            yield Span(ring + ROUND_SECONDS, following + ROUND_SECONDS)


def _rings(facts: Facts) -> Iterator[float]:
    for delivery in facts.book.deliveries:
        if TIMED in delivery.event:
            yield delivery.started


def _days_spent(facts: Facts, form: str, *, removal: bool) -> Iterator[Span]:
    """Give when a day's units were spent, until the reset or until its limit was raised."""
    scenario = facts.book.scenario
    features = scenario.features
    spent: Counter[int] = Counter()
    full: set[tuple[int, int]] = set()
    for time, units in sorted(_units(facts, form)):
        day = int((time + features.cdn_ahead - RESET) // DAY_SECONDS)
        spent[day] += units
        total = facts.units_per_day(form, time)
        kept = 0 if removal else total * scenario.reserve_percent // 100
        if spent[day] >= total - kept and (day, total) not in full:
            full.add((day, total))
            until = RESET + (day + 1) * DAY_SECONDS + RESET_SECONDS + features.quota_cached_seconds
            yield Span(time, min(until, features.raised_at + READING_SECONDS) if time < features.raised_at else until)


def _units(facts: Facts, form: str) -> Iterator[tuple[float, int]]:
    """Give what was spent of a unit, by the functions and by everybody else."""
    for row in facts.book.rows:
        if row.form == form:
            yield row.accepted, 1
    if form == "file":
        for spend in facts.book.spends:
            yield spend.time, spend.units


def _minutes_full(facts: Facts) -> dict[tuple[str, str], Spans]:
    limits, ahead = facts.book.scenario.limits, facts.book.scenario.features.cdn_ahead
    counts: Counter[tuple[str, str, int]] = Counter()
    for row in (*facts.book.rows, *facts.book.rows_by_hand):
        counts[row.form, row.domain, int((row.accepted + ahead) // MINUTE_SECONDS)] += 1
    spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for (form, domain, minute), count in counts.items():
        if count >= (limits.items_per_minute(form) or float("inf")):
            begin = minute * MINUTE_SECONDS - ahead
            spans[form, domain].append(Span(begin, begin + MINUTE_SECONDS + ROUND_SECONDS))
    return {key: Spans(found) for key, found in spans.items()}


def _awake(begin: float, end: float, stops: Spans) -> float:
    """Move an end by the time in which nothing could be tried until then."""
    moved = end
    for _ in range(STRETCHES_MAX):
        moved = end + stops.seconds(begin, moved)
    return moved


def _of_trouble(facts: Facts, trouble: Trouble, want: Want, since: float) -> Iterator[Span]:
    """Give what one thing that persists explains of a wait that began at `since`."""
    domain = domain_of(want.url)
    if trouble.kind == "url.bad":
        beside = BESIDE_SECONDS if trouble.is_understood else BESIDE_UNKNOWN_SECONDS
        alone = BAD_SECONDS if trouble.is_understood else BAD_UNKNOWN_SECONDS
        times = 2.0 if facts.book.scenario.limits.url_refreshes_per_day < FEW_UNITS else 1.0
        yield from _once(facts, trouble.kind, since, times * (alone if want.url in trouble.urls else beside))
    elif trouble.kind == "domain.trouble" and trouble.domain != domain:
        yield from _once(facts, trouble.kind, since, SPLIT_SECONDS)
    elif trouble.kind == "domain.trouble":
        pause = min(TROUBLED_PAUSE_SECONDS_MAX, trouble.end - trouble.begin)
        yield Span(trouble.begin, trouble.end + pause + ROUND_SECONDS)
    elif trouble.kind != "others.minute":
        yield Span(trouble.begin, trouble.end + OVER_SECONDS)
    elif trouble.domain == domain:
        yield Span(max(since, trouble.begin), max(since, trouble.begin) + BESIDE_SECONDS)


def _once(facts: Facts, kind: str, since: float, seconds: float) -> Iterator[Span]:
    """Give some time from when a trouble was first met in a wait, and no more of it, however often it is met."""
    for incident in facts.book.incidents:
        if incident.kind == kind and incident.time >= since - ROUND_SECONDS:
            yield Span(incident.time, incident.time + seconds)
            return
