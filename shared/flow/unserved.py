"""Look at what came of each event, and tell a person where the site file does not seem to fit what happens.

Rules:

1. A bucket that no site names is told of at its first event, once an instance, and at most `BUCKETS_TOLD_MAX` of them.
2. So are `EVENTS_IN_A_ROW` events within a day of which every change was skipped, at most once a day.
3. Events are counted in the instance's memory alone: what causes no task does not touch the spool, and a count there
   would cost a call an event. Where no instance lives for that many events, only the log store's records tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shared.core.foreign import cut
from shared.core.site.urls import Skipped
from shared.flow.kit import EVENTS_IN_A_ROW, Kit

WITHIN_SECONDS = 86_400.0
BUCKETS_TOLD_MAX = 20
REASONS_TOLD_MAX = 5
NAME_CHARACTERS_MAX = 63
"""The longest name of a bucket; what an event says may be longer."""


def watch(kit: Kit, skipped: Sequence[Skipped], *, has_tasks: bool) -> None:
    """Look at one event: what was skipped of it, and whether anything caused a task."""
    named = {site.bucket for site in kit.sites}
    for bucket in dict.fromkeys(each.change.bucket for each in skipped):
        if bucket not in named:
            _tell_of_bucket(kit, cut(bucket, NAME_CHARACTERS_MAX))
    if has_tasks:
        kit.skips.in_a_row.clear()
    elif skipped:
        _count(kit, skipped[0])


def _tell_of_bucket(kit: Kit, bucket: str) -> None:
    told = kit.skips.buckets
    if bucket in told or len(told) > BUCKETS_TOLD_MAX:
        return
    told.add(bucket)
    if len(told) > BUCKETS_TOLD_MAX:
        kit.report.error(
            "alarm",
            alarm=f"more than {BUCKETS_TOLD_MAX} buckets that no site names: further ones are not told of",
            remedy="see the skipped records in the log store, and narrow the triggers to the buckets that are served",
        )
        return
    kit.report.error(
        "alarm",
        alarm=f"no site names the bucket {bucket!r}: its changes are skipped, and its pages may stay stale",
        remedy=f"write into the site file, under `sites:`, `- bucket: {bucket}` and below it `domains:` with the "
        "accelerated domains that serve it, and deploy again; or let no trigger watch that bucket",
        bucket=bucket,
    )


def _count(kit: Kit, skip: Skipped) -> None:
    """Count an event of which all was skipped; the last of many tells why, and where most of them lay."""
    skips, now = kit.skips, kit.clock()
    skips.in_a_row.append((now, skip.change.bucket, skip.site))
    is_full = len(skips.in_a_row) == EVENTS_IN_A_ROW and now - skips.in_a_row[0][0] <= WITHIN_SECONDS
    if not is_full or now - skips.told_at <= WITHIN_SECONDS:
        return
    skips.told_at = now
    most = Counter((bucket, site) for _, bucket, site in skips.in_a_row).most_common(REASONS_TOLD_MAX)
    kit.report.error(
        "alarm",
        alarm=f"all of the last {EVENTS_IN_A_ROW} events were skipped: the site file does not fit what changes",
        remedy="look at the site's `prefix`, its patterns of keys, and at `created`, `removed` and `new`; "
        "`./scripts/cdnctl check --key KEY` says what a key causes; or narrow the trigger to what is served",
        where=[_place(bucket, site, count) for (bucket, site), count in most],
        last_key=skip.change.key,
        last_reason=skip.reason,
    )


def _place(bucket: str, site: str, count: int) -> str:
    what = f"the rules of site {site!r}" if site else "no site has such keys"
    return f"{count} of bucket {cut(bucket, NAME_CHARACTERS_MAX)!r}: {what}"
