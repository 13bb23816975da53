"""The server: what services see of real sockets, what clients get, and how it stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from scripts.localcloud import server
from scripts.localcloud.clock import Clock
from scripts.localcloud.web import Request, Response

ROOT = Path(__file__).parents[2]


class Echo:
    """A local cloud that says what it was asked."""

    listeners = ("oss", "cdn")

    def __init__(self) -> None:
        self.clock = Clock()
        self.addresses: Mapping[str, str] = {}
        self.requests: list[Request] = []
        self.closed = False

    async def open(self, addresses: Mapping[str, str]) -> None:
        """Keep the addresses."""
        self.addresses = addresses

    def answer(self, listener: str, request: Request) -> Response | Awaitable[Response]:
        """Say what was asked."""
        self.requests.append(request)
        if request.path == "/awaited":
            return self._later(listener)
        if request.path == "/fails":
            raise LookupError("on purpose")
        return Response(
            304 if request.path == "/unchanged" else 200,
            {"x-listener": listener, "ETag": '"e"'},
            f"{request.method} {request.host} {request.path}".encode(),
            delay_seconds=float(request.header("x-delay", "0")),
            lost=request.path == "/lost",
        )

    async def _later(self, listener: str) -> Response:
        return Response(202, {"x-listener": listener})

    async def close(self) -> None:
        """Note that the end came."""
        self.closed = True


@pytest.fixture(scope="module")
def cloud() -> Iterator[Echo]:
    """A server that all tests of this file share."""
    echo = Echo()
    with server.running(echo):
        yield echo
    assert echo.closed


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client of its own for each test."""
    with httpx.Client() as client:
        yield client


def exchange(address: str, data: bytes) -> bytes:
    """Send bytes as they are and read what comes until the server closes or pauses."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(data)
        return connection.recv(65536)


def test_each_listener_is_known_by_its_name(cloud: Echo, client: httpx.Client) -> None:
    """A request is answered with the name of the socket at which it came in."""
    names = {name: client.get(address).headers["x-listener"] for name, address in cloud.addresses.items()}
    assert names == {"oss": "oss", "cdn": "cdn"}


def test_an_absolute_target_names_the_host(cloud: Echo) -> None:
    """A client that takes the port for a proxy is understood: the target wins over the Host header."""
    head = b"GET http://Bucket.oss-cn-hangzhou.aliyuncs.com/a%2Fb?x=%20 HTTP/1.1\r\nHost: other\r\n\r\n"
    reply = exchange(cloud.addresses["oss"], head)
    assert reply.endswith(b"GET bucket.oss-cn-hangzhou.aliyuncs.com /a%2Fb")
    assert cloud.requests[-1].query == "x=%20"


def test_a_query_with_a_url_in_it_is_no_absolute_target(cloud: Echo) -> None:
    """Only a target that starts with a scheme is absolute."""
    exchange(cloud.addresses["oss"], b"GET /p?u=http://x/y HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (cloud.requests[-1].host, cloud.requests[-1].path, cloud.requests[-1].query) == (
        "h",
        "/p",
        "u=http://x/y",
    )


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/é/图.js?q=ü".encode(), "/é/图.js"),
        (b"/%C3%A9/\xe5\x9b\xbe.js?q=%C3%BC", "/%C3%A9/图.js"),
        ("http://h/😀[1]|.js".encode(), "/😀[1]|.js"),
        (b"/\xff.js", "/\udcff.js"),
    ],
)
def test_a_target_beyond_ascii_arrives_as_it_was_written(cloud: Echo, sent: bytes, path: str) -> None:
    """Clients that send keys as they are, in UTF-8, reach the service; nothing is encoded or decoded on the way."""
    exchange(cloud.addresses["cdn"], b"HEAD %b HTTP/1.1\r\nHost: h\r\n\r\n" % sent)
    assert (cloud.requests[-1].path, cloud.requests[-1].host) == (path, "h")


def test_a_request_line_may_come_in_parts(cloud: Echo) -> None:
    """Whatever packets it comes in, and again on the same connection after a body."""
    host, _, port = cloud.addresses["cdn"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        for number in (1, 2):
            whole = f"PUT /é{number}.js HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\né\r\n".encode()
            for start in range(0, len(whole), 6):
                connection.sendall(whole[start : start + 6])
                time.sleep(0.002)
            assert connection.recv(65536).endswith(f"PUT h /é{number}.js".encode())
            assert cloud.requests[-1].body == "é\r\n".encode()


def test_a_chunked_body_arrives_whole(cloud: Echo, client: httpx.Client) -> None:
    """A body without a length is put together from its chunks."""
    client.put(cloud.addresses["oss"], content=iter([b"a" * 100_000, b"b"]))
    assert cloud.requests[-1].header("transfer-encoding") == "chunked"
    assert cloud.requests[-1].body == b"a" * 100_000 + b"b"


def test_replies_without_a_body_keep_the_connection_in_step(cloud: Echo, client: httpx.Client) -> None:
    """After HEAD and 304, whose bodies are left out, the same connection carries the next reply."""
    address = cloud.addresses["oss"]
    head = client.head(f"{address}/k")
    unchanged = client.get(f"{address}/unchanged")
    assert (head.content, int(head.headers["content-length"])) == (b"", len(f"HEAD {address[7:]} /k"))
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"e"')
    assert client.get(f"{address}/k").status_code == 200


def test_a_reply_is_one_write(cloud: Echo) -> None:
    """Head and body come together, so that no client waits for the second packet."""
    reply = exchange(cloud.addresses["oss"], b"GET /k HTTP/1.1\r\nHost: h\r\n\r\n")
    assert reply.endswith(b"\r\n\r\nGET h /k")


def test_a_lost_reply_resets_the_connection(cloud: Echo, client: httpx.Client) -> None:
    """The request took effect, the client sees a reset instead of any reply, and the next request works."""
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        client.post(f"{cloud.addresses['cdn']}/lost")
    assert cloud.requests[-1].path == "/lost"
    assert client.get(cloud.addresses["cdn"]).status_code == 200


def test_late_replies_do_not_hold_up_others(cloud: Echo, client: httpx.Client) -> None:
    """While one reply waits, another client is answered."""
    address, ended = cloud.addresses["oss"], []

    def ask_late() -> None:
        httpx.get(f"{address}/late", headers={"x-delay": "0.7"})
        ended.append("late")

    late = threading.Thread(target=ask_late)
    late.start()
    while cloud.requests[-1].path != "/late":
        time.sleep(0.01)
    client.get(address)
    ended.append("quick")
    late.join()
    assert ended == ["quick", "late"]


def test_awaited_answers_and_failures_are_replies(cloud: Echo, client: httpx.Client) -> None:
    """An awaitable answer is awaited; an exception in a service is a 500 and not the server's end."""
    assert client.post(f"{cloud.addresses['cdn']}/awaited").status_code == 202
    assert client.get(f"{cloud.addresses['cdn']}/fails").status_code == 500
    assert client.get(cloud.addresses["cdn"]).status_code == 200


def test_callbacks_of_the_clock_run_while_it_serves(cloud: Echo) -> None:
    """What falls due on the clock happens without any request, and a failing callback stops nothing."""
    ran = threading.Event()

    def fail() -> None:
        raise LookupError("on purpose")

    cloud.clock.call_at(cloud.clock.now(), fail)
    cloud.clock.call_at(cloud.clock.now() + 0.05, ran.set)
    assert ran.wait(timeout=2)


def test_a_cloud_that_cannot_open_says_why() -> None:
    """An error on the way up is raised where the server was started."""

    class Broken(Echo):
        async def open(self, addresses: Mapping[str, str]) -> None:
            raise LookupError(f"no use for {len(addresses)} addresses")

    with pytest.raises(LookupError, match="no use for 2"), server.running(Broken()):
        pass


def test_a_taken_port_is_an_error(cloud: Echo) -> None:
    """Asking for a port that is in use fails at once and leaves no other socket open."""
    port = int(cloud.addresses["oss"].rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        server.listen(("a", "b"), "127.0.0.1", {"b": port})


MAIN = """
from tests.localcloud.test_server import Echo
from scripts.localcloud import server
cloud = Echo()
sockets = server.listen(cloud.listeners, "127.0.0.1", {})
server.run(cloud, sockets, lambda: print(server.addresses_of(sockets)["oss"], flush=True))
print("stopped", cloud.closed)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(number: signal.Signals, client: httpx.Client) -> None:
    """With an idle connection open, SIGTERM and SIGINT end it with status 0 within two seconds."""
    command = [sys.executable, "-c", MAIN]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert client.get(address).status_code == 200
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)
    assert (process.returncode, output) == (0, "stopped True\n")
    assert time.monotonic() - began < 2
