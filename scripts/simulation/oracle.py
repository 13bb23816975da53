"""A book goes in; every rule that was broken comes out, with the URL, the times and why. It knows nothing of the code.

The rules are those of the design, one function each (limits and spending are in `spending.py`). They hold for every
event that a function acknowledged. What the platform gave up after its retries was never promised.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from scripts.localcloud.cdn.service import Row
from scripts.simulation.book import AT_WORK, Book
from scripts.simulation.facts import COMPLETE, FAILED, Facts, Fate
from scripts.simulation.scenario import ACCOUNT_DOMAINS
from scripts.simulation.sites import DIRECTORY, PREFETCH, REFRESH, URL_CHARACTERS_MAX, Want, serves
from scripts.simulation.spending import limits_hold, no_blind_second_spend
from scripts.simulation.verdict import Broken
from scripts.simulation.waits import Wait, lanes_are_kept, no_wait_is_unexplained, waits

ENDINGS = frozenset({"done", "superseded", "skipped", "dead"})
INTERRUPTIONS = ("kill.", "oss.", "spool.")
DEAD_AFTER_FAILURES_MIN = 2
"""A task that failed at the CDN once is tried again before it is given up."""
INVOCATION_SECONDS_MAX = 60.0
"""What a submission did not know, because its invocation began earlier, is at most this old."""


def judge(book: Book) -> list[Broken]:
    """Check every rule."""
    facts = Facts(book)
    return judge_waits(facts, waits(facts))


def judge_waits(facts: Facts, found: list[Wait]) -> list[Broken]:
    """Check every rule, where the waits are known already."""
    rules = (
        nothing_is_lost,
        nothing_stale_is_held,
        merging_is_safe,
        limits_hold,
        only_configured_domains,
        prefetch_after_refresh,
        prefetch_follows,
        every_task_ends,
        no_blind_second_spend,
        wake_up_is_never_missed,
    )
    broken = [each for rule in rules for each in rule(facts)]
    return [*broken, *no_wait_is_unexplained(found), *lanes_are_kept(facts, found)]


def nothing_is_lost(facts: Facts) -> Iterator[Broken]:
    """1. Each URL of an acknowledged event was submitted after the write and completed, was given up, or skipped."""
    if not facts.book.at_rest:
        days = (facts.book.ended - facts.book.scenario.stop) / 86_400
        left = [key[:60] for key in facts.book.spool if key.startswith(AT_WORK)]
        yield Broken("1 lost", f"not at rest {days:.1f} days after the last change; left are {left[:3]}")
    for fate in facts.fates:
        if fate.acknowledged is None:
            continue
        if not fate.wants and not _skip_is_logged(facts, fate) and not facts.spoiled_records():
            yield Broken(
                "1 lost", f"{fate.write.key!r} of {fate.write.time:.3f} asks for nothing, and no record says so"
            )
        for want in fate.wants:
            if not _is_covered(facts, fate, want) and not _was_submitted_before(facts, fate, want):
                yield Broken("1 lost", f"{_told(fate, want)}: never submitted to completion, not in dead/")
        for want in fate.linked if _are_acknowledged(facts, fate) else ():
            if not _is_covered(facts, fate, want):
                yield Broken("1 lost", f"{_told(fate, want)}, through a link: never submitted to completion")
    yield from _unjustified_burials(facts)


def _are_acknowledged(facts: Facts, fate: Fate) -> bool:
    """Tell whether functions heard of every write of a link, without which they cannot know where it led."""
    urls = {want.url for want in fate.linked}
    own = [each for each in facts.fates if any(want.url in urls for want in each.wants)]
    return all(each.acknowledged is not None for each in own)


def merging_is_safe(facts: Facts) -> Iterator[Broken]:
    """2. A write after an acceptance needs a submission of its own."""
    for fate in facts.fates:
        for want in fate.wants:
            if fate.acknowledged is None or _is_covered(facts, fate, want):
                continue
            if _was_submitted_before(facts, fate, want):
                yield Broken("2 merging", f"{_told(fate, want)}: only submissions from before the write cover it")


def nothing_stale_is_held(facts: Facts) -> Iterator[Broken]:
    """1. At rest no edge holds bytes that are not the origin's, except of what was given up."""
    if not facts.book.at_rest:
        return
    promised = {key: _is_promised(facts, key) for key in set(facts.book.keys.values())}
    for url, copies in facts.book.held.items():
        key = facts.book.keys[url]
        if not promised[key] or facts.buried(url, 0.0) or facts.buried_folder(url) or facts.spoiled(url, 0.0):
            continue
        for node, copy in copies.items():
            # What expired is asked for again before it is served: a directory refresh does no more than that.
            if not copy.expired and copy.status == 200 and copy.body != facts.book.origin.get(key):
                message = f"{url} at {node}: holds {copy.body!r}, the origin has {facts.book.origin.get(key)!r}"
                yield Broken("1 stale", message)


def only_configured_domains(facts: Facts) -> Iterator[Broken]:
    """5. Only URLs that some write asks for are ever submitted, so none of a domain that nobody configured."""
    asked = {(want.form, want.url) for fate in facts.fates for want in fate.wants}
    asked |= {("preload", want.url) for fate in facts.fates for want in fate.wants if want.follow}
    asked |= {(DIRECTORY, want.instead) for fate in facts.fates for want in fate.wants if want.instead}
    for row in facts.book.rows:
        if (row.form, row.path) not in asked:
            yield Broken(
                "5 domains", f"{row.path!r} ({row.form}) was submitted at {row.accepted:.3f}; no write asks for it"
            )


def prefetch_after_refresh(facts: Facts) -> Iterator[Broken]:
    """6. No prefetch was accepted while our refresh of the URL was unfinished, or a newer change of it waited."""
    for row in facts.book.rows:
        if row.form != "preload" or facts.spoiled(row.path, 0.0):
            continue
        told = f"{row.path} was prefetched at {row.accepted:.3f}"
        for other in facts.rows[row.path]:
            if other.form != "preload" and other.accepted <= row.accepted < other.finish:
                yield Broken("6 prefetch", f"{told}; its refresh of {other.accepted:.3f} ended at {other.finish:.3f}")
        waiting = _waiting_change(facts, row)
        if waiting is not None:
            yield Broken("6 prefetch", f"{told} while the change of {waiting.write.time:.3f} waited for its refresh")


def prefetch_follows(facts: Facts) -> Iterator[Broken]:
    """6. Where a write asks for it, a prefetch comes after its refresh, unless the object was removed since."""
    for fate in facts.fates:
        for want in fate.wants if fate.acknowledged is not None else ():
            if not want.follow or facts.removed_since(fate) or facts.buried(want.url, fate.write.time):
                continue
            if facts.spoiled(want.url, fate.write.time) or fate.write.target:
                continue  # where a link leads to nothing there is nothing to prefetch
            rows = [row for row in facts.rows[want.url] if row.form == "preload" and row.accepted >= fate.write.time]
            if not any(row.status == COMPLETE for row in rows):
                yield Broken("6 prefetch", f"{_told(fate, want)}: no prefetch followed")


def every_task_ends(facts: Facts) -> Iterator[Broken]:
    """7. Each task id in the log ends in exactly one way, and each acknowledged URL has an end in the log.

    A second delivery of an event, or a step that was interrupted between what it wrote and what it deleted, may
    revive a task after its end: it then ends once more for each, and maybe otherwise.
    """
    if not facts.book.at_rest:
        return
    endings: dict[str, set[str]] = defaultdict(set)
    causes: dict[str, tuple[str, int]] = {}
    for record in facts.book.records:
        if record.get("task_id") and not facts.spoiled(record.get("url", ""), 0.0):
            causes[record["task_id"]] = _cause_of(record)
            endings[record["task_id"]].update({record["result"]} & ENDINGS)
    deliveries = Counter[tuple[str, int]]()
    for fate in facts.fates:
        deliveries[fate.write.key, int(fate.write.time)] += len(fate.deliveries)
    for task_id, found in endings.items():
        cause = causes[task_id]
        revivals = facts.incidents(*INTERRUPTIONS, begin=cause[1]) + deliveries[cause] - 1
        if not 1 <= len(found) <= 1 + max(0, revivals):
            yield Broken("7 endings", f"task {task_id} of {cause} ends as {sorted(found) or 'nothing'}")
    yield from _without_end(facts)


def _without_end(facts: Facts) -> Iterator[Broken]:
    """List the acknowledged URLs of which the log has no end."""
    ended = {(record.get("url"), *_cause_of(record)) for record in facts.book.records if record["result"] in ENDINGS}
    for fate in facts.fates:
        for want in fate.wants if fate.acknowledged is not None else ():
            ends = (want.url, fate.write.key, int(fate.write.time))
            if ends not in ended and not facts.spoiled(want.url, fate.write.time):
                yield Broken("7 endings", f"{_told(fate, want)}: the log has no end of it")


def _cause_of(record: Mapping[str, str]) -> tuple[str, int]:
    """Tell which write a record is about: its key, and when it was made in whole seconds, as events tell it."""
    return record.get("key", ""), int(float(record.get("event_time", "0")))


def wake_up_is_never_missed(facts: Facts) -> Iterator[Broken]:
    """9. Where only events come late or twice, nothing that may go at once waits once all invocations have returned."""
    for key in facts.book.idle_waiting or ():
        if key.startswith("waiting/0-ready/"):
            yield Broken("9 wake-up", f"{key[:80]} waits although every invocation has returned")


def _is_covered(facts: Facts, fate: Fate, want: Want) -> bool:
    rows = facts.covering(want, fate.write.time)
    if want.kind == PREFETCH and facts.removed_since(fate):
        return True  # there is nothing to fetch
    if facts.spoiled(want.url, fate.write.time) or (want.instead and facts.spoiled(want.instead, fate.write.time)):
        return True  # not by the functions, and they kept what they found
    if want.instead and facts.buried(want.instead, fate.write.time):
        return True
    return any(row.status == COMPLETE for row in rows) or facts.buried(want.url, fate.write.time)


def _was_submitted_before(facts: Facts, fate: Fate, want: Want) -> bool:
    """Tell whether only earlier submissions are there to be taken for this write's."""
    rows = facts.covering(want, 0.0)
    return bool(rows) and not facts.covering(want, fate.write.time) and rows[-1].accepted >= facts.first_write


def _is_promised(facts: Facts, key: str) -> bool:
    """Tell whether edges must hold what the origin has: a refresh was promised for the last change that needs one."""
    own = [fate for fate in facts.fates if fate.write.key == key]
    if not own or not any(serves(site, key) for site in facts.book.scenario.sites):
        return False
    changing = [fate for fate in own if any(want.kind == REFRESH for want in fate.wants)]
    targets = {fate.write.target for fate in own if fate.write.target}
    if targets and any(fate.acknowledged is None for fate in facts.fates if fate.write.key in {key, *targets}):
        return False
    return own[-1].acknowledged is not None and all(fate.acknowledged is not None for fate in changing[-1:])


def _skip_is_logged(facts: Facts, fate: Fate) -> bool:
    """Tell whether the log names the rule by which a write was passed over."""
    write = fate.write
    return any(
        record["result"] == "skipped"
        and record.get("key") == write.key
        and int(float(record.get("event_time", "0"))) == int(write.time)
        and record.get("message")
        for record in facts.book.records
    )


def _unjustified_burials(facts: Facts) -> Iterator[Broken]:
    """Nothing is given up but what can never go, or failed again and again."""
    for url, burials in facts.dead.items():
        failed = [row for row in facts.rows.get(url, []) if row.status == FAILED]
        domain = url.partition("://")[2].partition("/")[0]
        never = len(url) > URL_CHARACTERS_MAX or domain not in ACCOUNT_DOMAINS
        never = never or url in facts.book.scenario.features.bad_urls
        never = never or any(row.description.endswith("404") for row in failed)
        if not never and len(failed) < DEAD_AFTER_FAILURES_MIN:
            yield Broken("1 lost", f"{url} was given up although it could go: {burials[0]['reason']}")


def _waiting_change(facts: Facts, row: Row) -> Fate | None:
    """Find a change that asks for a refresh of a URL and had none yet, long enough before it was prefetched."""
    for fate in facts.by_url[REFRESH, row.path]:
        known = fate.acknowledged
        if known is None or known > row.accepted - INVOCATION_SECONDS_MAX:
            continue
        rows = [*facts.rows[row.path], *facts.by_hand.get(row.path, ())]
        refreshed = [each for each in rows if fate.write.time <= each.accepted <= row.accepted]
        if not [each for each in refreshed if each.form != "preload"] and not facts.buried(row.path, fate.write.time):
            return fate
    return None


def _told(fate: Fate, want: Want) -> str:
    what = "prefetch" if want.kind == PREFETCH else f"refresh ({want.form})"
    known = fate.acknowledged or 0.0
    return f"{what} of {want.url}, {fate.write.action} at {fate.write.time:.3f}, acknowledged at {known:.3f}"
