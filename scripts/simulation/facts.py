"""A book goes in; the same, sorted for judging, comes out: what became of each write and its events."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.localcloud.cdn.service import Row
from scripts.simulation.book import Book, Damage, Write
from scripts.simulation.linked import links_to
from scripts.simulation.runner import Delivery
from scripts.simulation.scenario import raised
from scripts.simulation.sites import DIRECTORY, REFRESH, Want, wants

COMPLETE, FAILED = "Complete", "Failed"


@dataclass
class Fate:
    """One write: what it asks for, and every attempt to tell the functions of it."""

    write: Write
    wants: list[Want]
    deliveries: list[Delivery] = field(default_factory=list)
    linked: list[Want] = field(default_factory=list)
    """What goes stale through links that led to the object."""

    @property
    def acknowledged(self) -> float | None:
        """When a function first said that it had taken this, or None: then the platform gave it up."""
        return min((each.ended for each in self.deliveries if each.outcome == "ok"), default=None)


class Facts:
    """A run, ready to be judged."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.fates = _fates(book)
        self.rows: dict[str, list[Row]] = _by_path(book.rows)
        self.by_hand = _by_path(book.rows_by_hand)
        self.dead = _dead(book)
        self._set_aside = [damage for damage in book.damages if is_set_aside(damage, book.dead)]
        self.first_write = min((write.time for write in book.writes), default=book.scenario.start)
        self._removed = {fate.write.key: fate.write.time for fate in self.fates if fate.write.action == "removed"}
        self.by_url: dict[tuple[str, str], list[Fate]] = defaultdict(list)
        self.by_link: dict[str, list[Fate]] = defaultdict(list)
        """Writes of what a link led to, by the URLs of the link."""
        for fate in self.fates:
            for url in {want.url for want in fate.linked}:
                self.by_link[url].append(fate)
            for want in fate.wants:
                self.by_url[want.kind, want.url].append(fate)
                if want.instead:
                    self.by_url[want.kind, want.instead].append(fate)

    def covering(self, want: Want, since: float) -> list[Row]:
        """List the submissions of what is wanted that were accepted at `since` or later.

        What a person has refreshed by hand counts: who asks the task list for a lost call may find that.
        """
        rows = [*self.rows.get(want.url, ()), *self.by_hand.get(want.url, ())]
        found = [row for row in rows if row.form == want.form]
        if want.instead:
            found = sorted([*found, *self._directories(want.instead)], key=lambda row: row.accepted)
        return [row for row in found if row.accepted >= since]

    def _directories(self, url: str) -> list[Row]:
        return [row for row in (*self.rows.get(url, ()), *self.by_hand.get(url, ())) if row.form == DIRECTORY]

    def units_per_day(self, form: str, when: float) -> int:
        """Tell how many units of a form a day has, as the account's limits stand at that time."""
        scenario = self.book.scenario
        limits = scenario.limits if when < scenario.features.raised_at else raised(scenario.limits)
        return limits.units_per_day(form)

    def is_followed(self, url: str) -> bool:
        """Tell whether some write asks for a prefetch of a URL after its refresh."""
        return any(want.follow and want.url == url for fate in self.by_url[REFRESH, url] for want in fate.wants)

    def removed_since(self, fate: Fate) -> bool:
        """Tell whether the object was removed after a write of it."""
        return fate.write.time < self._removed.get(fate.write.key, 0.0)

    def removed_at(self, fate: Fate) -> float:
        """Tell when it was first known that the object was removed after a write of it."""
        later = [each for each in self.fates if each.write.key == fate.write.key and each.write.action == "removed"]
        moments = (each.acknowledged for each in later if each.write.time > fate.write.time)
        return min((moment for moment in moments if moment is not None), default=float("inf"))

    def buried(self, url: str, since: float) -> bool:
        """Tell whether a URL was given up, with a reason, at `since` or later."""
        return any(each["at"] >= since and each["reason"] for each in self.dead.get(url, []))

    def spoiled(self, url: str, since: float) -> bool:
        """Tell whether what the functions knew of a URL was spoiled in the spool since then, and set aside by them."""
        return any(damage.time >= since and url.encode() in damage.before for damage in self._set_aside)

    def spoiled_records(self) -> bool:
        """Tell whether records that waited for the log store were damaged, and set aside."""
        return any(damage.key.startswith("kept/") for damage in self._set_aside)

    def buried_folder(self, url: str) -> bool:
        """Tell whether a folder that a URL lies in was given up."""
        return any(dead.endswith("/") and url.startswith(dead) for dead in self.dead)

    def incidents(self, *prefixes: str, begin: float = 0.0, end: float = float("inf")) -> int:
        """Count the faults of some kinds within some time."""
        return sum(1 for each in self.book.incidents if each.kind.startswith(prefixes) and begin <= each.time <= end)


def _fates(book: Book) -> list[Fate]:
    by_event: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in book.deliveries:
        for event in json.loads(delivery.event).get("events", ()):
            if event.get("eventSource") == "acs:oss":
                by_event[event["responseElements"]["requestId"]].append(delivery)
    sites = book.scenario.sites
    following = [site for site in sites if site.follow_links]
    fates = []
    for write, links in zip(book.writes, links_to(book.writes), strict=True):
        linked = [want for key in links for want in wants(following, key, write.action)]
        fates.append(Fate(write, wants(sites, write.key, write.action), by_event[write.event], linked))
    return fates


def _by_path(rows: Any) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.path].append(row)
    return found


def is_set_aside(damage: Damage, dead: Mapping[str, bytes]) -> bool:
    """Tell whether the bytes that stood in place of an object lie in `dead/`; of an empty one, its name."""
    name = damage.key.rpartition("/")[2]
    text = damage.after.decode("utf-8", "replace")
    forms = (damage.after, base64.b64encode(damage.after), json.dumps(text)[1:-1].encode())
    if not damage.after:
        return any(name in key or name.encode() in body for key, body in dead.items())
    return any(form in body for body in dead.values() for form in forms)


def _dead(book: Book) -> dict[str, list[Any]]:
    """Sort what was given up by URL."""
    found: dict[str, list[Any]] = defaultdict(list)
    for key, value in book.spool.items():
        for piece in value["pieces"] if key.startswith("dead/") and isinstance(value, dict) else ():
            if piece.get("task"):
                found[piece["task"]["target"]["url"]].append(piece)
    return found
