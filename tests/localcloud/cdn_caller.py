"""An operation and its parameters go in; the local CDN's answer comes out. Signs as V3 clients do."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from scripts.localcloud.cdn.auth import acs3_canonical_request, acs3_signature, acs3_string_to_sign
from scripts.localcloud.cdn.service import API_VERSION, CdnApi, Limits
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.web import Request, Response

KEYS = {"testAK": "testSecret"}
# 2026-01-02 03:04:05 UTC, which is 11:04:05 in UTC+8.
START = 1_767_323_045.0


def signed_request(
    now: float,
    action: str,
    params: Mapping[str, str],
    *,
    nonce: str,
    key: tuple[str, str] = ("testAK", "testSecret"),
    headers: Mapping[str, str] | None = None,
) -> Request:
    """Build a V3 request with its parameters in a form, the way the current SDK sends a refresh."""
    body = urlencode(params).encode()
    signed = {
        "host": "cdn.aliyuncs.com",
        "x-acs-action": action,
        "x-acs-version": API_VERSION,
        "x-acs-date": datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        "content-type": "application/x-www-form-urlencoded",
        **(headers or {}),
    }
    canonical = acs3_canonical_request("POST", "/", [], signed.items(), signed["x-acs-content-sha256"])
    authorization = (
        f"ACS3-HMAC-SHA256 Credential={key[0]},SignedHeaders={';'.join(sorted(signed))},"
        f"Signature={acs3_signature(key[1], acs3_string_to_sign(canonical))}"
    )
    return Request("POST", "cdn.aliyuncs.com", "/", headers={**signed, "authorization": authorization}, body=body)


class Account:
    """A local CDN on a virtual clock, with somebody to call it."""

    def __init__(self, *domains: str, start: float = START, seed: int = 1, **limits: Any) -> None:
        self.clock = VirtualClock(start)
        self.tokens: dict[str, str] = {}
        self.cdn = CdnApi(
            self.clock,
            keys=KEYS,
            account_id="1234567890",
            domains=domains or ("a.example.com",),
            limits=Limits(**limits),
            rng=random.Random(seed),
            tokens=self.tokens,
        )
        self._nonces = itertools.count()

    def exchange(self, action: str, **params: str) -> Response:
        """Call an operation and return the answer as it stands."""
        return self.cdn.handle(signed_request(self.clock.now(), action, params, nonce=f"n{next(self._nonces)}"))

    def call(self, action: str, **params: str) -> dict[str, Any]:
        """Call an operation and read its JSON answer, to which the HTTP status is added."""
        response = self.exchange(action, **params)
        document: dict[str, Any] = {**json.loads(response.body), "HttpStatus": response.status}
        return document

    def refresh(self, *urls: str, **params: str) -> dict[str, Any]:
        """Refresh URLs."""
        return self.call("RefreshObjectCaches", ObjectPath="\n".join(urls), **params)

    def prefetch(self, *urls: str, **params: str) -> dict[str, Any]:
        """Prefetch URLs."""
        return self.call("PushObjectCache", ObjectPath="\n".join(urls), **params)

    def rows_of(self, task_ids: str) -> list[dict[str, str]]:
        """List the rows of task ids."""
        rows: list[dict[str, str]] = self.call("DescribeRefreshTaskById", TaskId=task_ids)["Tasks"]
        return rows
