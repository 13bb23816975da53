"""The command line's words on how the cloud differs from what one would expect go in; a cloud so set comes out.

In process the same things, and more, are attributes of the services: see the README.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import get_args

from scripts.localcloud.cdn.answers import size_limit
from scripts.localcloud.cdn.paths import FILE, REFRESH_FORMS
from scripts.localcloud.cdn.rows import VERBATIM, Spelling
from scripts.localcloud.cloud import LocalCloud
from scripts.localcloud.oss.history import Versioning
from scripts.localcloud.rulefile import Rules, read_rules

SPELLINGS = tuple(each.name.replace("_", "-") for each in fields(Spelling))
FORMS = (*dict.fromkeys(REFRESH_FORMS.values()), "preload")
CLOCKS = ("oss", "cdn", "sls")
VERSIONINGS = tuple(filter(None, get_args(Versioning)))


@dataclass(frozen=True, slots=True)
class Switches:
    """What the command line asks for, checked."""

    asked: argparse.Namespace
    rules: Rules

    def apply(self, cloud: LocalCloud) -> None:
        """Set a cloud so."""
        self.rules.apply(cloud)
        self._set_rows(cloud)
        self._set_clocks(cloud)
        self._set_quota(cloud)
        self._set_buckets(cloud)
        cloud.edge.ignore_params_spare_bare = self.asked.ignore_params_spare_bare

    def _set_rows(self, cloud: LocalCloud) -> None:
        asked, rows = self.asked, cloud.cdn.rows
        rows.by_id_rows_max = rows.listed_rows_max = asked.rows_per_reply
        rows.type_names = dict(asked.row_type)
        rows.statuses = dict(asked.row_status)
        rows.visible_after_seconds = {form: float(seconds) for form, seconds in asked.row_delay}
        rows.vanish_after_seconds = asked.row_lifetime
        if asked.row_spelling:
            rows.spelling = replace(VERBATIM, **{way.replace("-", "_"): True for way in asked.row_spelling})

    def _set_clocks(self, cloud: LocalCloud) -> None:
        for service, seconds in self.asked.clock_ahead:
            getattr(cloud, service).clock_ahead_seconds = float(seconds)
        cloud.oss.habits.event_ahead_seconds = self.asked.event_ahead

    def _set_quota(self, cloud: LocalCloud) -> None:
        asked, cdn = self.asked, cloud.cdn
        cdn.reset_late_seconds = asked.reset_late
        if asked.cdn_call_bytes is not None:
            cdn.answers.append(size_limit(asked.cdn_call_bytes))
        if asked.url_quota_later is not None:
            seconds, units = asked.url_quota_later
            cdn.limits_at(cloud.clock.now() + seconds, replace(cdn.limits, url_refreshes_per_day=units))
        for domain, units in asked.others_per_minute:
            cdn.spend_each_minute(FILE, int(units), domain)

    def _set_buckets(self, cloud: LocalCloud) -> None:
        asked = self.asked
        for name, status in asked.versioning:
            bucket = cloud.oss.bucket(name)
            bucket.versioning = status
        if asked.undeleted is not None:
            cloud.oss.habits.undeleted = lambda _bucket, key: key.startswith(asked.undeleted)
        cloud.oss.habits.undeleted_are_told = asked.undeleted_told


def read_switches(asked: argparse.Namespace, buckets: Sequence[str]) -> Switches:
    """Check what the command line asks for; ValueError with a sentence for each thing that cannot be."""
    faults = list(_faults(asked, buckets))
    if faults:
        raise ValueError("\n".join(faults))
    return Switches(asked, _rules(asked.answers))


def _faults(asked: argparse.Namespace, buckets: Sequence[str]) -> Iterator[str]:
    for option, pairs, names, of in (
        ("--row-type", asked.row_type, FORMS, None),
        ("--row-delay", asked.row_delay, FORMS, float),
        ("--clock-ahead", asked.clock_ahead, CLOCKS, float),
        ("--versioning", asked.versioning, buckets, None),
        ("--others-per-minute", asked.others_per_minute, None, int),
    ):
        for name, value in pairs:
            if names is not None and name not in names:
                yield f"{option} {name}={value}: {name} is none of {', '.join(names)}."
            if of is not None and not _reads(of, value):
                yield f"{option} {name}={value}: {value} is no number."
    for name, status in asked.versioning:
        if status not in VERSIONINGS:
            yield f"--versioning {name}={status}: {status} is none of {', '.join(VERSIONINGS)}."


def _reads(of: type, text: str) -> bool:
    try:
        of(text)
    except ValueError:
        return False
    return True


def _rules(path: Path | None) -> Rules:
    if path is None:
        return Rules()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--answers {path} cannot be read: {error}.") from None
    try:
        return read_rules(text)
    except ValueError as error:
        raise ValueError("\n".join(f"--answers {path}: {line}" for line in str(error).split("\n"))) from None


def _pair(text: str) -> tuple[str, str]:
    """Read NAME=VALUE, for argparse."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: write NAME=VALUE")
    return name, value


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    _add_answers(parser.add_argument_group("answers and rows of the CDN, and rules for all"))
    _add_time_and_state(parser.add_argument_group("clocks, quotas and buckets that are not as expected"))


def _add_answers(group: argparse._ArgumentGroup) -> None:
    what = "JSON list of rules: which calls of which service are answered how (see the local cloud's README)"
    group.add_argument("--answers", type=Path, metavar="FILE", help=what)
    what = "let a refresh of every query of a URL leave the URL without a query alone"
    group.add_argument("--ignore-params-spare-bare", action="store_true", help=what)
    what = "bytes of ObjectPath beyond which a call is refused as too large, in HTML"
    group.add_argument("--cdn-call-bytes", type=int, metavar="N", help=what)
    what = "rows that a reply about tasks has at most; its TotalCount names them all"
    group.add_argument("--rows-per-reply", type=_positive, metavar="N", help=what)
    _add_pairs(group, "--row-type", "FORM=NAME", "other names of forms in rows, such as directory=path")
    _add_pairs(group, "--row-status", "STATUS=NAME", "other names of statuses, such as Refreshing=Pending")
    _add_pairs(group, "--row-delay", "FORM=SECONDS", "how late the rows of a form appear")
    group.add_argument("--row-lifetime", type=float, metavar="SECONDS", help="after which a row is gone")
    what = f"how URLs in rows differ from what was sent: {', '.join(SPELLINGS)}"
    group.add_argument("--row-spelling", nargs="+", choices=SPELLINGS, default=[], metavar="WAY", help=what)


def _add_time_and_state(group: argparse._ArgumentGroup) -> None:
    _add_pairs(group, "--clock-ahead", "SERVICE=SECONDS", f"clocks that are ahead, or behind: {', '.join(CLOCKS)}")
    what = "how far the times in OSS events are ahead of OSS's clock"
    group.add_argument("--event-ahead", type=float, default=0.0, metavar="SECONDS", help=what)
    what = "how long after midnight the CDN's quotas are reset"
    group.add_argument("--reset-late", type=float, default=0.0, metavar="SECONDS", help=what)
    what = "URL refreshes a day that are allowed once so many seconds have passed"
    group.add_argument("--url-quota-later", type=int, nargs=2, metavar=("SECONDS", "N"), help=what)
    what = "URLs of a domain that somebody else refreshes each minute"
    _add_pairs(group, "--others-per-minute", "DOMAIN=N", what)
    _add_pairs(group, "--versioning", "BUCKET=STATUS", f"buckets that keep versions: {' or '.join(VERSIONINGS)}")
    what = "keys that a deletion of many leaves where they are, by their prefix"
    group.add_argument("--undeleted", metavar="PREFIX", help=what)
    group.add_argument("--undeleted-told", action="store_true", help="name such keys in the reply, as errors")


def _add_pairs(group: argparse._ArgumentGroup, option: str, form: str, what: str) -> None:
    group.add_argument(option, type=_pair, nargs="+", action="extend", default=[], metavar=form, help=what)


def _positive(text: str) -> int:
    """Read a whole number from 1, for argparse."""
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return int(text)
