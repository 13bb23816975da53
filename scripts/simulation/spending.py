"""The facts of a run go in; breaches of limits and units spent twice come out, and the least that had to be spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scripts.localcloud.cdn.service import Row
from scripts.simulation.facts import FAILED, Facts
from scripts.simulation.faults import Incident
from scripts.simulation.scenario import DAY_SECONDS, RESET
from scripts.simulation.sites import PREFETCH, REFRESH
from scripts.simulation.verdict import Broken
from scripts.simulation.waits import is_for_removal

NEVER = frozenset({"SingleRequest.OverLimit", "InvalidObjectPath.Malformed", "MissingParameter", "SignatureNonceUsed"})
"""No call may be shaped so that the API refuses it for its shape."""
LIMITS = ("QuotaExceeded", "QuotaPerMinuteExceeded", "PreloadQueueFull", "Throttling", "TooMany")
CONFUSION = (
    *("kill.", "oss.", "lease.", "spool.", "url.", "domain.", "account.", "service.", "rows."),
    *("cdn.lost", "cdn.internal", "cdn.slow", "cdn.refused", "cdn.carried_out"),
)
"""Faults after which the functions cannot know what the account has spent."""
UNANSWERED = ("url.", "domain.", "service.", "account.", "cdn.server_error", "cdn.internal", "cdn.refused")
"""What calls come to nothing by, without a word that tells why."""
DIRECTORIES_PER_MINUTE_MAX = 100
SUBMISSIONS = frozenset({"RefreshObjectCaches", "PushObjectCache"})
REPLACING = ("put waiting/", "put dead/", "put accepted/", "put kept/", "get kept/", "write", "delete")
"""Calls between the first thing that a step writes in place of others, and their deletion."""
SUBMISSIONS_PER_SECOND_MAX = 41
EDGE_SECONDS = 720.0
"""How far from the reset clocks that differ may hide what was spent: until the quota has been read again."""


def limits_hold(facts: Facts) -> Iterator[Broken]:
    """4. No call is over its caps; minute, day, reserve and calls a second are kept where they can be known."""
    yield from _refusals(facts)
    yield from _rates(facts)
    yield from _reserve(facts)


def no_blind_second_spend(facts: Facts) -> Iterator[Broken]:
    """8. No URL is spent on more often than its events were delivered and its tasks failed.

    What replaces an object of the spool is written before the old one is deleted: a deferral before the note it was
    in, a follow-up (next try, prefetch) before the task's submission. Whoever is interrupted in between leaves both,
    and each may cost a unit. That is the price of losing nothing; a call of unknown outcome has no such excuse.
    """
    again = 1 + sum(incident.operation.startswith(REPLACING) for incident in facts.book.incidents if _hurts(incident))
    # One who is slow between looking at the lease and taking it may hold it beside another (rule 3).
    again += was_cut_off(facts) + sum(
        incident.kind == "oss.slow" and incident.operation.startswith("list lease/")
        for incident in facts.book.incidents
    )
    again += facts.incidents("spool.")
    # While calls come to nothing, something that went well before may go once more, to tell whether the CDN works.
    controls = facts.incidents(*UNANSWERED)
    for url, rows in facts.rows.items():
        refreshes = [row for row in rows if row.form != "preload"]
        prefetches = [row for row in rows if row.form == "preload"]
        failed = sum(row.status == FAILED for row in refreshes)
        causes = sum(len(fate.deliveries) for fate in facts.by_url[REFRESH, url]) + _of_links(facts, url)
        yield from _spent_twice(url, refreshes, again * causes, again * failed + controls)
        follows = len(refreshes) - failed if facts.is_followed(url) else 0
        failed = sum(row.status == FAILED for row in prefetches)
        causes = sum(len(fate.deliveries) for fate in facts.by_url[PREFETCH, url])
        yield from _spent_twice(url, prefetches, again * causes, again * (failed + follows) + controls)


def _of_links(facts: Facts, url: str) -> int:
    """Count what asks for a URL because it is a link's: each event of a target, and once more each put of the link."""
    puts = (fate for fate in facts.by_url[REFRESH, url] if fate.write.target)
    return sum(len(fate.deliveries) for fate in (*facts.by_link[url], *puts))


def _hurts(incident: Incident) -> bool:
    return incident.kind.startswith(("kill.", "oss."))


def _spent_twice(url: str, rows: list[Row], causes: int, follow_ups: int) -> Iterator[Broken]:
    if len(rows) > causes + follow_ups:
        times = ", ".join(f"{row.accepted:.3f}" for row in rows)
        asked = f"{causes} deliveries and {follow_ups} follow-ups ask for less"
        yield Broken("8 twice", f"{rows[0].form} of {url} was accepted at {times}; {asked}")


def units_floor(facts: Facts) -> int:
    """Count the least units that cover the writes, given when submissions were accepted.

    Of the refreshes of one URL, one is needed where the URL was written since the one before it was accepted, or
    where that one failed. Of its prefetches, one is needed where a refresh was accepted since the one before it, or
    something was written, or that one failed. All others are duplicates.
    """
    return sum(_needed(facts, url, rows) for url, rows in facts.rows.items())


def _needed(facts: Facts, url: str, rows: list[Row]) -> int:
    fates = (*facts.by_url[REFRESH, url], *facts.by_url[PREFETCH, url], *facts.by_link[url])
    writes = {fate.write.time for fate in fates}
    refreshes = [row for row in rows if row.form != "preload"]
    prefetches = [row for row in rows if row.form == "preload"]
    causes = writes | {row.accepted for row in refreshes}
    return _caused(refreshes, writes) + _caused(prefetches, causes)


def _caused(rows: list[Row], causes: set[float]) -> int:
    count, since, failed = 0, 0.0, False
    for row in rows:
        count += failed or any(since < cause <= row.accepted for cause in causes)
        since, failed = row.accepted, row.status == FAILED
    return count


def _refusals(facts: Facts) -> Iterator[Broken]:
    for call in facts.book.calls:
        if call.code in NEVER:
            yield Broken(
                "4 limits", f"{call.operation} of {call.urls} URLs at {call.time:.3f} was refused: {call.code}"
            )
        if call.code.startswith(LIMITS) and not _is_excused(facts, call.code, call.time):
            message = f"{call.operation} of {call.urls} URLs at {call.time:.3f} was refused without need: {call.code}"
            yield Broken("4 limits", message)


def _is_excused(facts: Facts, code: str, when: float) -> bool:
    """Tell whether others spent, or a fault hid what was spent, in the time that a limit counts by."""
    if code.startswith("Throttling"):
        return False
    features = facts.book.scenario.features
    if features.quota_cached_seconds or (features.cdn_ahead and _is_at_an_edge(code, when)):
        return True
    span = 120.0 if "PerMinute" in code else DAY_SECONDS
    others = any(when - span <= spend.time <= when for spend in facts.book.spends)
    return others or bool(facts.incidents(*CONFUSION, begin=when - span, end=when)) or was_cut_off(facts)


def _is_at_an_edge(code: str, when: float) -> bool:
    """Tell whether clocks that differ may hide what was spent: in any minute, and near the reset of the day."""
    after = (when - RESET) % DAY_SECONDS
    return "PerMinute" in code or min(after, DAY_SECONDS - after) <= EDGE_SECONDS


def was_cut_off(facts: Facts) -> bool:
    """Tell whether the platform ended an invocation at its time limit."""
    return any(delivery.outcome == "timeout" for delivery in facts.book.deliveries)


def _rates(facts: Facts) -> Iterator[Broken]:
    per_minute = int(facts.book.scenario.environment["URLS_PER_MINUTE_PER_DOMAIN"])
    ahead = facts.book.scenario.features.cdn_ahead
    urls = Counter((int((row.accepted + ahead) // 60), row.domain, row.form) for row in facts.book.rows)
    for (minute, domain, form), count in urls.items():
        if count > (DIRECTORIES_PER_MINUTE_MAX if form == "directory" else per_minute):
            yield Broken("4 limits", f"{count} URLs of {domain} in the minute {minute * 60}, {per_minute} are allowed")
    calls = Counter(int(call.time) for call in facts.book.calls if call.operation in SUBMISSIONS)
    for second, count in calls.items():
        if count > SUBMISSIONS_PER_SECOND_MAX:
            yield Broken("4 limits", f"{count} submissions in the second {second}")


def _reserve(facts: Facts) -> Iterator[Broken]:
    """What is kept for removals and people is not spent on anything else."""
    scenario = facts.book.scenario
    if facts.book.spends or facts.incidents(*CONFUSION) or was_cut_off(facts):
        return
    spent: Counter[tuple[int, str]] = Counter()
    for row in facts.book.rows:
        unit = (int((row.accepted + scenario.features.cdn_ahead - RESET) // DAY_SECONDS), row.form)
        spent[unit] += 1
        total = facts.units_per_day(row.form, row.accepted)
        kept = total * scenario.reserve_percent // 100
        if spent[unit] > total - kept and not is_for_removal(facts, row):
            message = (
                f"{row.path} took unit {spent[unit]} of {total} at {row.accepted:.3f}; {kept} are kept for removals"
            )
            yield Broken("4 limits", message)
