"""The facts of a run go in; how long each acknowledged change waited, and why, comes out, and what nothing explains.

A change waits from its acknowledgement until the acceptance that covers it (and later completes), until it is given
up, or, where it was to be fetched, until its object is removed. A prefetch that follows a refresh waits from the end
of that refresh. What is left of a wait when the spans of every reason are taken away must be short.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.localcloud.cdn.service import Row
from scripts.simulation.facts import COMPLETE, Facts, Fate
from scripts.simulation.reasons import Reasons, domain_of
from scripts.simulation.sites import DIRECTORY, PREFETCH, REFRESH, Want, reaching
from scripts.simulation.spans import Span, Spans
from scripts.simulation.verdict import Broken

PROMPT_SECONDS = 180.0
"""What needs no reason: a round that is under way, the next two rings of the timer, and a round."""
DAILY_SECONDS = 120.0
"""The same for each day that a wait lasts: when the reset, or a probe's turn, is over, the next ring notices it."""
DAY_SECONDS = 86_400.0
CONFUSIONS = ("kill.", "oss.", "cdn.", "lease.", "spool.", "url.", "domain.", "account.", "service.")
"""Faults after which one call may be held back while others go."""


@dataclass(frozen=True)
class Wait:
    """What one change asked for, and how long it waited; `why` names each reason with its seconds."""

    fate: Fate
    want: Want
    since: float
    until: float
    unexplained: float = 0.0
    """Seconds for which there is no reason: the longest such span, or all beyond what each day's turns take."""
    why: str = "it went at once"

    @property
    def seconds(self) -> float:
        """How long it waited in all."""
        return max(0.0, self.until - self.since)

    @property
    def told(self) -> str:
        """Name what waited."""
        return f"{self.want.kind} ({self.want.form}) of {self.want.url}, {self.fate.write.action} at {self.since:.3f}"


def waits(facts: Facts) -> list[Wait]:
    """Give the wait of everything that acknowledged changes asked for."""
    reasons = Reasons(facts)
    found = []
    for fate in facts.fates:
        if fate.acknowledged is not None:
            for want in fate.wants:
                spoiled = (facts.spoiled(url, fate.write.time) for url in (want.url, want.instead) if url)
                if any(spoiled):
                    continue
                own = _wait(facts, fate, want)
                follow = _wait_of_follower(facts, fate, want) if want.follow and not fate.write.target else None
                found += [_explained(facts, reasons, wait) for wait in (own, follow) if wait is not None]
    return found


def no_wait_is_unexplained(found: list[Wait]) -> Iterator[Broken]:
    """10. Each change ends within a time that quotas, limits, faults and outages explain."""
    for wait in found:
        if wait.unexplained > PROMPT_SECONDS:
            message = (
                f"{wait.told}: waited {wait.seconds:.0f} s, {wait.unexplained:.0f} s without a reason ({wait.why})"
            )
            yield Broken("10 waits", message)


def lanes_are_kept(facts: Facts, found: list[Wait]) -> Iterator[Broken]:
    """10. No overwrite goes two minutes after a removal of the same domain was acknowledged, and before it goes."""
    for wait in found:
        if wait.fate.write.action != "removed" or wait.seconds <= PROMPT_SECONDS:
            continue
        for row in facts.book.rows:
            if _overtakes(facts, row, wait):
                message = f"{wait.told}: went at {wait.until:.3f}, after the overwrite {row.path} of {row.accepted:.3f}"
                yield Broken("10 lanes", message)
                break


def _overtakes(facts: Facts, row: Row, wait: Wait) -> bool:
    """Tell whether a submission went before a removal that it should have let pass."""
    want = wait.want
    if row.form != want.form or row.domain != domain_of(want.url) or row.path == want.url:
        return False
    if not wait.since + PROMPT_SECONDS < row.accepted < wait.until - 1.0 or is_for_removal(facts, row):
        return False
    tried = any(wait.since <= each.accepted <= row.accepted for each in facts.covering(want, wait.since))
    return not tried and not facts.incidents(*CONFUSIONS, begin=wait.since - PROMPT_SECONDS, end=row.accepted)


def is_for_removal(facts: Facts, row: Row) -> bool:
    """Tell whether a URL was refreshed since its object was last removed; if not, this is for the removal."""
    fates = (*facts.by_url[REFRESH, row.path], *facts.by_link[row.path])
    removed = [fate.write.time for fate in fates if fate.write.action == "removed"]
    return row.form != "preload" and any(time <= row.accepted for time in removed)


def _wait(facts: Facts, fate: Fate, want: Want) -> Wait:
    return Wait(fate, want, fate.acknowledged or 0.0, _end(facts, fate, want, fate.write.time))


def _wait_of_follower(facts: Facts, fate: Fate, want: Want) -> Wait | None:
    """Give the wait of a prefetch that follows; None where its refresh never completed."""
    refreshes = facts.covering(want, fate.write.time)
    ended = min((row.finish for row in refreshes if row.status == COMPLETE), default=None)
    follower = Want(PREFETCH, "preload", want.url)
    return Wait(fate, follower, ended, _end(facts, fate, follower, fate.write.time)) if ended is not None else None


def _end(facts: Facts, fate: Fate, want: Want, since: float) -> float:
    """Tell when something was done about a change; the end of the run where nothing ever was."""
    moments = [row.accepted for row in facts.covering(want, since) if row.status == COMPLETE]
    burials = (burial for url in (want.url, want.instead) for burial in facts.dead.get(url, ()))
    moments += [burial["at"] for burial in burials if burial["at"] >= since]
    if want.kind == PREFETCH and facts.removed_since(fate):
        moments.append(facts.removed_at(fate))
    return min(moments, default=facts.book.ended)


def _explained(facts: Facts, reasons: Reasons, wait: Wait) -> Wait:
    """Find the reasons of a wait that is not short."""
    if wait.seconds <= PROMPT_SECONDS:
        return wait
    spans = _reasons(facts, reasons, wait)
    parts = {name: span.seconds(wait.since, wait.until) for name, span in spans.items()}
    covered = Spans(part for span in spans.values() for part in span.within(wait.since, wait.until))
    gaps = [end - begin for begin, end in covered.gaps(wait.since, wait.until)]
    days = wait.seconds // DAY_SECONDS
    left = max([sum(gaps) - days * DAILY_SECONDS, *gaps, 0.0])
    named = sorted(((seconds, name) for name, seconds in parts.items() if seconds), reverse=True)
    why = ", ".join(f"{name} {seconds:.0f} s" for seconds, name in named) or "nothing explains it"
    return Wait(wait.fate, wait.want, wait.since, wait.until, left, why)


def _reasons(facts: Facts, reasons: Reasons, wait: Wait) -> dict[str, Spans]:
    want = wait.want
    found = {
        **reasons.of_all(),
        "the day's quota": reasons.of_day(want.form, removal=_is_still_removed(facts, wait)),
        "the minute's limit": reasons.of_minute(want.form, domain_of(want.url)),
        "what persists": reasons.of_troubles(want, wait.since),
        "failed at the CDN": reasons.of_failures(facts.covering(want, wait.fate.write.time)),
    }
    if want.instead:
        found["the directories of the day"] = reasons.of_day(DIRECTORY, removal=wait.fate.write.action == "removed")
        found["the directories of the minute"] = reasons.of_minute(DIRECTORY, domain_of(want.url))
    if want.kind == PREFETCH:
        found["its refresh"] = reasons.of_refreshes(want.url)
        found["its origin"] = reasons.of_origin(domain_of(want.url))
        found["its refresh waits"] = Spans(_waits_of_refreshes(facts, want.url))
    return found


def _is_still_removed(facts: Facts, wait: Wait) -> bool:
    """Tell whether a wait is for a removal alone. Where the object came back meanwhile, one refresh is for both.

    If that one fails, it goes again as any overwrite does, without the reserve.
    """
    writes = (fate.write for fate in facts.by_url[REFRESH, wait.want.url] if fate.write.key == wait.fate.write.key)
    back = any(each.action != "removed" and wait.fate.write.time < each.time <= wait.until for each in writes)
    return wait.fate.write.action == "removed" and not back


def _waits_of_refreshes(facts: Facts, url: str) -> Iterator[Span]:
    """Give the waits of the refreshes that reach a URL, each of which is judged for itself, also of needless ones."""
    for reached, forms in reaching(url):
        last = max((row.accepted for row in facts.rows.get(reached, ()) if row.form in forms), default=0.0)
        for fate in facts.by_url.get((REFRESH, reached), ()):
            for want in fate.wants:
                is_own = (want.kind, want.url) == (REFRESH, reached) and want.form in forms
                if fate.acknowledged is not None and is_own:
                    yield Span(fate.acknowledged, max(last, _end(facts, fate, want, fate.write.time)))
