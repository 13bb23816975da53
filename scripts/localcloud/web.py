"""The shape every local service has: a `Request` goes in, a `Response` comes out.

A service is a plain function of that shape, so the same code answers behind a socket
(`server.py`) and in process, on a virtual clock, for tests (`inprocess.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it stood on the wire, after absolute-form targets were split.

    `host` is lower case with the port where one was sent; `path` and `query` are raw: percent-encoded
    where they were sent so, else the text itself; header names are lower case.
    """

    method: str
    host: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    scheme: str = "http"

    @property
    def host_name(self) -> str:
        """The host without its port."""
        return self.host.rsplit(":", 1)[0] if not self.host.endswith("]") else self.host

    def header(self, name: str, default: str = "") -> str:
        """The value of a header, whatever the case of `name`."""
        return self.headers.get(name.lower(), default)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP reply. `delay_seconds` is waited before it; `lost` drops it on the way back."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0
    lost: bool = False


Service = Callable[[Request], "Response | Awaitable[Response]"]


def parse_pairs(text: str, *, plus_is_space: bool = True) -> list[tuple[str, str]]:
    """Split `a=1&b=&c` into decoded pairs, in order; a name without `=` has an empty value.

    The vendor's clients write a space as `+` in queries and forms of its RPC APIs, while
    OSS reads `+` literally: hence `plus_is_space`.
    """
    decode = unquote_plus if plus_is_space else unquote
    pairs = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((decode(name), decode(value)))
    return pairs
