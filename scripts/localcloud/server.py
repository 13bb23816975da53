"""Services and sockets go in; HTTP on loopback comes out, in one event loop, with no thread of its own.

uvicorn reads and writes HTTP. Three things it does not do are added here: the request target is kept as it
stood on the wire (a client that takes the port for a proxy sends an absolute one, and some send UTF-8 as it
is), a reply goes out in one write, and a connection can be dropped without any reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import socket
import struct
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from scripts.localcloud.clock import Clock
from scripts.localcloud.replies import as_sent, joined
from scripts.localcloud.web import Request, Response

TICK_SECONDS = 0.02
"""How late a callback of the clock may run."""

START_SECONDS_MAX = 30
KEEP_ALIVE_SECONDS = 600
GRACE_SECONDS = 1
"""How long a stop waits for replies on their way."""

REQUEST_LINE_BYTES_MAX = 65_536
ASCII_MAX = 0x7F

LINGER_NONE = struct.pack("ii", 1, 0)
"""SO_LINGER of zero: closing resets the connection at once."""


class Cloud(Protocol):
    """What is served: the names of its listeners, and the answer to a request that came in at one of them."""

    @property
    def clock(self) -> Clock:
        """The time that replies are dated by, and whose callbacks are run."""

    @property
    def listeners(self) -> tuple[str, ...]:
        """The names of its sockets."""

    async def open(self, addresses: Mapping[str, str]) -> None:
        """Make ready for the first request, knowing the base URL of each listener; the event loop runs."""

    def answer(self, listener: str, request: Request) -> Response | Awaitable[Response]:
        """Answer one request."""

    async def close(self) -> None:
        """Give back what runs in the loop's time."""


def listen(names: tuple[str, ...], host: str, ports: Mapping[str, int]) -> dict[str, socket.socket]:
    """Bind one socket per name; a port of 0 or none lets the system choose. OSError where one is taken."""
    sockets: dict[str, socket.socket] = {}
    try:
        for name in names:
            sockets[name] = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sockets[name].bind((host, ports.get(name, 0)))
    except OSError:
        for each in sockets.values():
            each.close()
        raise
    return sockets


def addresses_of(sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """Return the base URL of each bound socket."""
    return {name: "http://{}:{}".format(*each.getsockname()[:2]) for name, each in sockets.items()}


def run(cloud: Cloud, sockets: dict[str, socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve in this thread, which must be the main one, until SIGTERM or SIGINT."""
    server = _server(cloud, sockets, on_ready)

    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        asyncio.run(_serve(server, cloud, sockets))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def running(cloud: Cloud, host: str = "127.0.0.1", ports: Mapping[str, int] | None = None) -> Iterator[dict[str, str]]:
    """Serve in a background thread while the block runs; yield the base URL of each listener."""
    sockets = listen(cloud.listeners, host, ports or {})
    addresses = addresses_of(sockets)
    started: Future[None] = Future()
    server = _server(cloud, sockets, lambda: started.set_result(None))

    def serve() -> None:
        try:
            asyncio.run(_serve(server, cloud, sockets))
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        started.result(timeout=START_SECONDS_MAX)
        yield addresses
    finally:
        server.should_exit = True
        thread.join()


async def _serve(server: uvicorn.Server, cloud: Cloud, sockets: dict[str, socket.socket]) -> None:
    ticking = asyncio.create_task(_tick(cloud.clock))
    try:
        await cloud.open(addresses_of(sockets))
        await server.serve(sockets=list(sockets.values()))
    finally:
        ticking.cancel()
        await cloud.close()
        for each in sockets.values():
            each.close()


async def _tick(clock: Clock) -> None:
    """Run what falls due on the clock, for as long as the server serves."""
    while True:
        try:
            clock.run_due()
        except Exception:  # noqa: BLE001 - one failing callback must not stop the others
            traceback.print_exc()
        due = clock.next_due()
        wait = TICK_SECONDS if due is None else min(TICK_SECONDS, max(0.0, due - clock.now()))
        await asyncio.sleep(wait)


class _Server(uvicorn.Server):
    """Tells when it accepts connections."""

    on_ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()


def _server(cloud: Cloud, sockets: Mapping[str, socket.socket], on_ready: Callable[[], None]) -> _Server:
    listeners = {each.getsockname()[1]: name for name, each in sockets.items()}
    config = uvicorn.Config(
        _Application(cloud, listeners),
        http=_Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    server.on_ready = on_ready
    return server


@dataclass(frozen=True)
class _Wire:
    """What the application needs to know of the connection beside the ASGI scope."""

    target: bytes
    transport: asyncio.Transport

    def reset(self) -> None:
        """Drop the connection, so that the client sees it reset, as after a crash."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self.transport.abort()


class _Connection(HttpToolsProtocol):
    """Hands the application the raw request target and the connection, and joins what it writes."""

    _line, _target, _is_between = b"", b"", True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(_OneWrite(transport))  # type: ignore[arg-type]  # it stands in for a Transport

    def data_received(self, data: bytes) -> None:
        """Let through what comes; a request line once it is whole, in ASCII, which is all that the parser reads.

        A request that is sent before the one before it was answered is not looked at so.
        """
        if self._is_between:
            data = self._line + data
            line, end, rest = data.partition(b"\r\n")
            if not end and len(data) < REQUEST_LINE_BYTES_MAX:
                self._line = data
                return
            self._line, self._is_between = b"", False
            data = self._in_ascii(line) + end + rest
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        wire = _Wire(self._target or self.url, self.transport)
        self._target = b""
        self.scope["extensions"] = {"wire": wire}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_between = True
        super().on_message_complete()

    def _in_ascii(self, line: bytes) -> bytes:
        """Encode what a request line's target has beyond ASCII, and note the target as it came."""
        if line.isascii():
            return line
        self._target = line[line.find(b" ") + 1 : line.rfind(b" ")]
        return b"".join(b"%%%02X" % each if each > ASCII_MAX else bytes((each,)) for each in line)


class _OneWrite:
    """A transport that joins all writes of one turn of the event loop, here a reply's head and body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep `data` until the loop's next turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Send what is kept, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(data)


class _Application:
    """The ASGI application: a scope and a body become a `Request`, its answer becomes the reply."""

    def __init__(self, cloud: Cloud, listeners: Mapping[int, str]) -> None:
        self._cloud = cloud
        self._listeners = listeners

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _body(receive)
        if body is None:
            return
        wire: _Wire = scope["extensions"]["wire"]
        request = request_from(scope["method"], wire.target, scope["headers"], body)
        response = await self._answer(self._listeners[scope["server"][1]], request)
        if response.delay_seconds > 0:
            await asyncio.sleep(response.delay_seconds)
        if response.lost:
            wire.reset()
            await _disconnected(receive)
            return
        headers, sent = as_sent(request.method, response, self._cloud.clock.now())
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": sent})

    async def _answer(self, listener: str, request: Request) -> Response:
        try:
            answer = self._cloud.answer(listener, request)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception:  # noqa: BLE001 - a fault of the local cloud itself must be seen, and must not stop it
            traceback.print_exc()
            return Response(500, {"content-type": "text/plain"}, b"The local cloud failed; see its output.\n")


def request_from(method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Request:
    """Split the request target; an absolute one names the real host, whatever the Host header says.

    Bytes beyond ASCII are taken for UTF-8, as clients send that do not encode them; others become half surrogates.
    """
    fields = joined(headers)
    text = target.decode("utf-8", "surrogateescape")
    scheme, separator, rest = text.partition("://")
    if not separator or "/" in scheme:
        scheme, authority, rest = "http", fields.get("host", ""), text
    else:
        authority, slash, path = rest.partition("/")
        rest = slash + path or "/"
    path, _, query = rest.partition("#")[0].partition("?")
    return Request(method, authority.lower(), path, query, fields, body, scheme.lower())


async def _body(receive: Any) -> bytes | None:
    """Return the whole request body, or None where the client went away while sending it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def _disconnected(receive: Any) -> None:
    """Wait until uvicorn knows that the connection is gone, or it would answer by itself."""
    while (await receive())["type"] != "http.disconnect":
        pass
