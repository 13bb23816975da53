"""Clients of httpx and requests that reach a service without a socket: what it sees, what they get."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator, Iterator

import httpx
import oss2
import pytest
import requests

from scripts.localcloud.clock import Clock, VirtualClock
from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request, Response

START = 1_795_000_000.0
URL = "http://Bucket.oss-cn-hangzhou.aliyuncs.com/a%2Fb/%E4%BD%A0%20+?k=%2f+x&empty=&bare"


class Recorder:
    """A service that keeps the requests it got and gives the replies it was told to give."""

    def __init__(self, *replies: Response) -> None:
        self.requests: list[Request] = []
        self.clock = VirtualClock(START)
        self._replies = list(replies)

    def handle(self, request: Request) -> Response:
        """Keep the request and give the next reply."""
        self.requests.append(request)
        return self._replies.pop(0) if self._replies else Response(200, {"X-Served": "yes"}, b"body")

    def httpx(self) -> httpx.Client:
        """A client of httpx in front of it."""
        return httpx.Client(transport=HttpxTransport(self.handle, self.clock))

    def requests_session(self) -> requests.Session:
        """A session of requests in front of it."""
        session = requests.Session()
        session.mount("http://", RequestsAdapter(self.handle, self.clock))
        return session


def by_httpx(recorder: Recorder, method: str, **options: float) -> object:
    """Ask for the URL with httpx."""
    return recorder.httpx().request(method, URL, **options)  # type: ignore[arg-type]  # a timeout, where given


def by_requests(recorder: Recorder, method: str, **options: float) -> object:
    """Ask for the URL with requests."""
    return recorder.requests_session().request(method, URL, **options)  # type: ignore[arg-type]  # likewise


Caller = Callable[..., object]
EITHER = pytest.mark.parametrize("call", [by_httpx, by_requests])


@EITHER
def test_the_service_sees_what_the_wire_would_carry(call: Caller) -> None:
    """Path and query arrive as the client wrote them, the host in lower case, header names too."""
    recorder = Recorder()
    call(recorder, "GET")
    (seen,) = recorder.requests
    assert (seen.method, seen.scheme, seen.host) == ("GET", "http", "bucket.oss-cn-hangzhou.aliyuncs.com")
    assert seen.path == "/a%2Fb/%E4%BD%A0%20+"
    assert seen.query.split("&")[1:] == ["empty=", "bare"]
    assert seen.query.lower().startswith("k=%2f+x")
    assert "user-agent" in seen.headers


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"bytes", b"bytes"),
        ("täxt", "täxt".encode()),
        (io.BytesIO(b"a file"), b"a file"),
        (iter([b"two ", b"chunks"]), b"two chunks"),
        ({"a": "b c"}, b"a=b+c"),
        (None, b""),
    ],
)
def test_any_body_of_requests_arrives_whole(body: object, expected: bytes) -> None:
    """Bytes, text, files, iterables and forms all arrive as the bytes that would be sent."""
    recorder = Recorder()
    recorder.requests_session().post(URL, data=body)  # type: ignore[arg-type]  # each is one that requests takes
    assert recorder.requests[0].body == expected


def test_any_body_of_httpx_arrives_whole() -> None:
    """A streamed body is read to its end."""
    recorder = Recorder()

    def chunks() -> Iterator[bytes]:
        yield b"two "
        yield b"chunks"

    recorder.httpx().post(URL, content=chunks())
    assert recorder.requests[0].body == b"two chunks"


def test_replies_have_length_date_and_body() -> None:
    """A reply carries its length and the service's time; HEAD keeps the length of GET; 304 has no body."""
    replies = [
        Response(200, {"Content-Type": "text/plain"}, b"abc"),
        Response(200, {"Content-Length": "9"}),
        Response(304, {"ETag": '"x"'}, b"none"),
    ]
    for client in (Recorder(*replies).httpx(), Recorder(*replies).requests_session()):
        full, head, unchanged = client.get(URL), client.head(URL), client.get(URL)
        assert (full.content, full.headers["content-length"]) == (b"abc", "3")
        assert full.headers["date"] == "Wed, 18 Nov 2026 11:06:40 GMT"
        assert (head.content, head.headers["content-length"]) == (b"", "9")
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"x"')


@EITHER
def test_a_late_reply_moves_virtual_time(call: Caller) -> None:
    """Delay passes on the virtual clock, at once in real time, and callbacks due meanwhile are run."""
    recorder = Recorder(Response(delay_seconds=60.0))
    ran: list[float] = []
    recorder.clock.call_at(START + 30, lambda: ran.append(recorder.clock.now()))
    began = time.monotonic()
    call(recorder, "GET", timeout=100.0)
    assert (recorder.clock.now(), ran) == (START + 60, [START + 30])
    assert time.monotonic() - began < 1


def test_a_late_reply_takes_real_time_on_a_real_clock() -> None:
    """On the machine's clock the delay is slept."""
    transport = HttpxTransport(lambda _request: Response(delay_seconds=0.05), Clock())
    began = time.monotonic()
    httpx.Client(transport=transport).get(URL)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(("call", "error"), [(by_httpx, httpx.ReadTimeout), (by_requests, requests.ReadTimeout)])
def test_impatient_clients_get_their_own_timeout(call: Caller, error: type[Exception]) -> None:
    """A reply later than the read timeout is the library's error after that time; the effect stays."""
    recorder = Recorder(Response(delay_seconds=60.0))
    with pytest.raises(error):
        call(recorder, "POST", timeout=5.0)
    assert (recorder.clock.now(), len(recorder.requests)) == (START + 5, 1)


@pytest.mark.parametrize(("call", "error"), [(by_httpx, httpx.ReadError), (by_requests, requests.ConnectionError)])
def test_a_lost_reply_is_a_broken_connection(call: Caller, error: type[Exception]) -> None:
    """A lost reply is the library's error for a reset connection; the effect stays."""
    recorder = Recorder(Response(lost=True, delay_seconds=2.0))
    with pytest.raises(error, match="Connection reset by peer"):
        call(recorder, "POST")
    assert (recorder.clock.now(), len(recorder.requests)) == (START + 2, 1)


def test_a_pair_of_timeouts_is_understood() -> None:
    """Of a connect and a read timeout, the read timeout counts."""
    recorder = Recorder(Response(delay_seconds=5.0))
    with pytest.raises(requests.ReadTimeout):
        recorder.requests_session().get(URL, timeout=(60, 3))
    assert recorder.clock.now() == START + 3


def test_the_oss_sdk_streams_through_the_adapter() -> None:
    """oss2 writes a stream and reads one back through the adapter it is given."""
    recorder = Recorder(Response(200, {"ETag": '"E"'}), Response(200, {"Content-Length": "4"}, b"data"))
    session = oss2.Session(adapter=RequestsAdapter(recorder.handle, recorder.clock))
    auth = oss2.Auth("key", "secret")
    bucket = oss2.Bucket(auth, "http://oss-cn-hangzhou.aliyuncs.com", "content", session=session, enable_crc=False)
    bucket.put_object("a/b", io.BytesIO(b"data"))
    assert b"".join(bucket.get_object("a/b")) == b"data"
    assert [(each.host, each.path, each.body) for each in recorder.requests] == [
        ("content.oss-cn-hangzhou.aliyuncs.com", "/a%2Fb", b"data"),
        ("content.oss-cn-hangzhou.aliyuncs.com", "/a%2Fb", b""),
    ]


class Later:
    """An answer that can only be awaited."""

    def __await__(self) -> Generator[None, None, Response]:
        yield None
        return Response()


def test_a_service_that_answers_later_is_refused_in_words() -> None:
    """What can only be awaited cannot be had in process, and the error says so."""
    client = httpx.Client(transport=HttpxTransport(lambda _request: Later(), Clock()))
    with pytest.raises(TypeError, match="served by a socket"):
        client.get(URL)
