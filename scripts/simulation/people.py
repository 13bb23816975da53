"""A scenario goes in; its people write, delete, read and refresh on the clock, and what they did is written down."""

from __future__ import annotations

from typing import Any

from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.cdn.service import CallRecord
from scripts.localcloud.cloud import LocalCloud
from scripts.localcloud.web import Request
from scripts.simulation.actions import Action
from scripts.simulation.book import Book, Spend, Write
from scripts.simulation.scenario import STATIC
from scripts.simulation.sites import Site, urls

FOREVER = {"Cache-Control": "max-age=315360000"}
"""Edges keep what they hold for longer than any run: only a refresh removes it."""


class People:
    """Everybody who is not a function. Events of what they seed before the start are not told to the functions."""

    def __init__(self, cloud: LocalCloud, book: Book) -> None:
        self.seeding = False
        self.rows_by_hand: set[int] = set()
        self._cloud, self._book = cloud, book
        self._writes = 0
        self._told: dict[str, Any] = {}

    def told(self, payload: dict[str, Any]) -> None:
        """Remember the event of the write that is being made."""
        self._told = payload["events"][0]

    def act(self, action: Action) -> None:
        """Do one thing."""
        if action.what in {"put", "seed"}:
            self._put(action)
        elif action.what == "link":
            self._link(action)
        elif action.what == "remove":
            self._remove(action.key)
        elif action.what == "read":
            self._read(action)
        elif action.what == "spend":
            self._cloud.cdn.spend_elsewhere("file", action.units)
            self._book.spends.append(Spend(self._cloud.clock.now(), action.units))
        else:
            self._refresh_by_hand()

    def _put(self, action: Action) -> None:
        self._writes += 1
        data = f"{action.key} {self._writes}".encode()
        bucket = self._cloud.options.bucket
        was_there = self._is_there(action.key)
        self.seeding = action.what == "seed"
        self._cloud.oss.put(bucket, action.key, data, headers=FOREVER)
        if not self.seeding:
            self._note(action.key, data, "created" if was_there else "new")
        self.seeding = False

    def _remove(self, key: str) -> None:
        bucket = self._cloud.options.bucket
        if self._is_there(key):
            self._cloud.oss.delete(bucket, key)
            self._note(key, None, "removed")

    def _link(self, action: Action) -> None:
        was_there = self._is_there(action.key)
        self._cloud.oss.link(self._cloud.options.bucket, action.key, action.target)
        self._note(action.key, b"", "created" if was_there else "new", action.target)

    def _is_there(self, key: str) -> bool:
        """Tell whether there is an object, also a link that leads nowhere."""
        return key in self._cloud.oss.keys(self._cloud.options.bucket, key)

    def _note(self, key: str, data: bytes | None, action: str, target: str = "") -> None:
        event = self._told
        request_id = event["responseElements"]["requestId"]
        now = self._cloud.clock.now()
        self._book.writes.append(Write(now, key, data, action, request_id, event["eventName"], target))

    def _read(self, action: Action) -> None:
        """Look at one of the URLs of an object, at one of the nodes."""
        found = [url for site in self._book.scenario.sites for url in served(site, action.key)]
        if found:
            host, _, target = found[action.units % len(found)].removeprefix("https://").partition("/")
            path, _, query = ("/" + target).partition("?")
            self._cloud.edge.handle(Request("GET", host, path, query, {"x-edge-node": str(action.node)}))

    def _refresh_by_hand(self) -> None:
        """Refresh one URL as somebody at the console would: it costs quota and appears among the tasks."""
        before = len(self._cloud.cdn.submissions)
        params = {"ObjectPath": f"https://{STATIC}/www/index.html", "ObjectType": "File"}
        by_hand(self._cloud, params)
        self._spent(before)

    def crowd(self, domain: str, units: int) -> bool:
        """Refresh some URLs of a domain that nobody else knows; False where the API refuses it."""
        before = len(self._cloud.cdn.submissions)
        urls = [f"https://{domain}/others/{number}.html" for number in range(units)]
        by_hand(self._cloud, {"ObjectPath": "\n".join(urls), "ObjectType": "File"})
        return self._spent(before)

    def _spent(self, before: int) -> bool:
        """Write down what was accepted since there were `before` rows."""
        made = range(before, len(self._cloud.cdn.submissions))
        self.rows_by_hand.update(made)
        if made:
            self._book.spends.append(Spend(self._cloud.clock.now(), len(made)))
        return bool(made)


def by_hand(cloud: LocalCloud, params: dict[str, str]) -> None:
    """Make a refresh that bears no signature of ours and stands in nobody's book of calls."""
    record = CallRecord(cloud.clock.now(), "RefreshObjectCaches", "a person", "by hand")
    try:
        cloud.cdn.refresh(params, record)
    except RefusedError:
        return


def served(site: Site, key: str) -> list[str]:
    """List the URLs of the account's domains under which a site serves a key."""
    if not key.startswith(site.prefix):
        return []
    return [url for domain in site.domains for url in urls(site, domain, key)]
