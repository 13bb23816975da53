"""A service goes in; a transport of httpx or an adapter of requests comes out, so clients need no socket.

The clients stay as they are: only the last step, where bytes would leave the process, is another.
"""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
import requests.adapters
import urllib3

from scripts.localcloud.clock import Clock, VirtualClock
from scripts.localcloud.replies import as_sent, joined
from scripts.localcloud.web import Request, Response, Service

DEFAULT_PORTS = {"http": 80, "https": 443}


class HttpxTransport(httpx.BaseTransport):
    """Answers an `httpx.Client` from a service: `httpx.Client(transport=HttpxTransport(handle, clock))`."""

    def __init__(self, handle: Service, clock: Clock) -> None:
        self._handle = handle
        self._clock = clock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; a lost reply is a `ReadError`, a slow one a `ReadTimeout`."""
        wait = request.extensions.get("timeout", {}).get("read")
        try:
            response = _exchange(self._handle, self._clock, _from_httpx(request), wait)
        except TimeoutError as error:
            raise httpx.ReadTimeout("The read operation timed out", request=request) from error
        except ConnectionResetError as error:
            raise httpx.ReadError(str(error), request=request) from error
        headers, body = as_sent(request.method, response, self._clock.now())
        return httpx.Response(response.status, headers=headers, stream=httpx.ByteStream(body))


class RequestsAdapter(requests.adapters.HTTPAdapter):
    """Answers a `requests.Session` from a service: mount it, or give it to `oss2.Session(adapter=...)`."""

    def __init__(self, handle: Service, clock: Clock) -> None:
        super().__init__()
        self._handle = handle
        self._clock = clock

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002, ARG002 - the signature of requests; the body is here at once
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002, ARG002 - the signature of requests; nothing to verify
        cert: Any = None,  # noqa: ARG002 - the signature of requests
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - the signature of requests
    ) -> requests.Response:
        """Answer one request; a lost reply is a `ConnectionError`, a slow one a `ReadTimeout`."""
        wait = _read_timeout(timeout)
        try:
            response = _exchange(self._handle, self._clock, _from_requests(request), wait)
        except TimeoutError as error:
            message = f"HTTPConnectionPool(url={request.url}): Read timed out. (read timeout={wait})"
            raise requests.ReadTimeout(message, request=request) from error
        except ConnectionResetError as error:
            raise requests.ConnectionError("Connection aborted.", error, request=request) from error
        return self.build_response(request, self._raw(request, response))

    def _raw(self, request: requests.PreparedRequest, response: Response) -> urllib3.HTTPResponse:
        """Build the reply as urllib3 would have read it, so that streaming and decoding work."""
        method = request.method or "GET"
        headers, body = as_sent(method, response, self._clock.now())
        return urllib3.HTTPResponse(
            body=io.BytesIO(body),
            headers=joined(headers),
            status=response.status,
            preload_content=False,
            decode_content=False,
            request_method=method,
        )


def _exchange(handle: Service, clock: Clock, request: Request, read_timeout: float | None) -> Response:
    """Take effect at once, then let the reply's time pass.

    TimeoutError after the client's patience ends, ConnectionResetError where the reply is lost: in both
    the service has already done what was asked.
    """
    response = handle(request)
    if not isinstance(response, Response):
        raise TypeError(f"{request.method} {request.path} answers later: it can only be served by a socket.")
    if read_timeout is not None and response.delay_seconds > read_timeout:
        _pass_time(clock, read_timeout)
        raise TimeoutError
    _pass_time(clock, response.delay_seconds)
    if response.lost:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    return response


def _pass_time(clock: Clock, seconds: float) -> None:
    if seconds <= 0:
        return
    if isinstance(clock, VirtualClock):
        clock.advance(seconds)
    else:
        time.sleep(seconds)


def _from_httpx(request: httpx.Request) -> Request:
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    headers = joined(request.headers.raw)
    return Request(
        method=request.method,
        host=headers.get("host", request.url.netloc.decode("ascii")).lower(),
        path=path,
        query=query,
        headers=headers,
        body=request.read(),
        scheme=request.url.scheme,
    )


def _from_requests(request: requests.PreparedRequest) -> Request:
    url = urlsplit(request.url or "")
    path, _, query = request.path_url.partition("?")
    headers = joined([(_as_bytes(name), _as_bytes(value)) for name, value in request.headers.items()])
    host = headers.setdefault("host", _authority(url.scheme, url.hostname or "", url.port))
    return Request(
        method=request.method or "GET",
        host=host.lower(),
        path=path,
        query=query,
        headers=headers,
        body=_read_all(request.body),
        scheme=url.scheme,
    )


def _authority(scheme: str, host: str, port: int | None) -> str:
    """Return the Host header that goes with a URL: a default port is left out."""
    return host if port in (None, DEFAULT_PORTS.get(scheme)) else f"{host}:{port}"


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _read_all(body: Any) -> bytes:
    """Return the whole body, be it absent, text, bytes, a file or an iterable of chunks."""
    if body is None:
        return b""
    if isinstance(body, (str, bytes, bytearray)):
        return body.encode() if isinstance(body, str) else bytes(body)
    if hasattr(body, "read"):
        return _read_all(body.read())
    return b"".join(_read_all(chunk) for chunk in body)


def _read_timeout(timeout: Any) -> float | None:
    """Return how many seconds a client of requests waits: of a number, a pair or urllib3's Timeout."""
    if isinstance(timeout, tuple):
        timeout = timeout[1]
    if isinstance(timeout, urllib3.Timeout):
        timeout = timeout.read_timeout
    return float(timeout) if isinstance(timeout, (int, float)) else None
