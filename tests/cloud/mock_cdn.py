"""A CDN that is a plain function in, a client of it out: what the client's tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx

from shared.cloud.credentials import Credentials, KeyRing
from shared.cloud.provider.cdn import Cdn

URL = "https://a.example.com/1.css"
NOW = 1_767_323_045.0
NONCE = "0123456789abcdef0123456789abcdef"
KEYS = Credentials("testAK", "testSecret")

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer, keys: KeyRing | None = None, **options: Any) -> Cdn:
    """Make a client whose requests a function answers, at a fixed time and with a fixed nonce."""
    return Cdn(
        "https://cdn.aliyuncs.com",
        keys or KeyRing(KEYS),
        transport=httpx.MockTransport(answer),
        clock=lambda: NOW,
        nonce=lambda: NONCE,
        **{"sleep": lambda _: None, **options},
    )


def answering(body: Any, status: int = 200, **headers: str) -> Answer:
    """Answer every request alike, with JSON or with bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, content=content, headers=given)


class Recorder:
    """Answers every request alike and remembers them."""

    def __init__(self, body: Any) -> None:
        self.requests: list[httpx.Request] = []
        self._body = body

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take a request."""
        self.requests.append(request)
        return httpx.Response(200, json=self._body)

    @property
    def form(self) -> dict[str, str]:
        """The last request's form."""
        return dict(parse_qsl(self.requests[-1].content.decode(), keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        """The last request's query."""
        return dict(parse_qsl(self.requests[-1].url.query.decode(), keep_blank_values=True))


REFRESHED = {"RefreshTaskId": "704222904", "RequestId": "R"}
PUSHED = {"PushTaskId": "95248880", "RequestId": "R"}
QUOTA = {"UrlQuota": "10000", "UrlRemain": "9999", "RequestId": "R"}
