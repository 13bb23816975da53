"""A method, a key and a body go in; the local OSS's answer, and what it told of, come out. Signs by V1."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.oss.auth import v1_signature, v1_string_to_sign
from scripts.localcloud.oss.call import parse
from scripts.localcloud.oss.service import ObjectStore
from scripts.localcloud.web import Request, Response

KEY_ID, SECRET = "LTAIlocal", "local-secret"
NOW = 1_772_000_000.5  # 2026-02-25T06:13:20Z


class Desk:
    """A store at a known time, with what it told, and a way to call it by signed requests."""

    def __init__(self) -> None:
        self.clock = VirtualClock(NOW)
        self.told: list[dict[str, Any]] = []
        self.store = ObjectStore(
            self.clock, keys={KEY_ID: SECRET}, account_id="42", region="cn-hangzhou", notify=self.told.append
        )
        self.store.create_bucket("site")

    def call(
        self,
        method: str,
        key: str,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        bucket: str = "site",
    ) -> Response:
        """Send a request that is signed by V1."""
        sent = {"date": formatdate(self.clock.now(), usegmt=True), **(headers or {})}
        request = Request(method, "127.0.0.1:9000", f"/{bucket}/{quote(key)}", query, sent, body)
        call = parse(request, request_id="", now=0)
        signature = v1_signature(SECRET, v1_string_to_sign(call, sent["date"]))
        sent["authorization"] = f"OSS {KEY_ID}:{signature}"
        return self.store.handle(request)

    def events(self) -> list[tuple[str, str, int, int]]:
        """Return (event name, key, size, delta) of each notification so far, and forget them."""
        found = [payload["events"][0] for payload in self.told]
        self.told.clear()
        things = [(event["eventName"], event["oss"]["object"]) for event in found]
        return [(name, thing["key"], thing["size"], thing["deltaSize"]) for name, thing in things]


def code_of(reply: Response) -> str:
    """Return the error code of a refusal."""
    found = re.search(rb"<Code>(.*)</Code>", reply.body)
    return found[1].decode() if found else ""
