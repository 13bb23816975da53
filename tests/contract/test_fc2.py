"""The vendor's clients, unmodified, call functions of the local cloud over a socket."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import fc2
import pytest
import requests
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.client import RuntimeOptions
from alibabacloud_tea_openapi.exceptions import ClientException

from scripts.localcloud import server
from scripts.localcloud.clock import Clock
from scripts.localcloud.fc import auth as fc_auth
from scripts.localcloud.fc.host import FunctionHost, HostOptions
from scripts.localcloud.fc.process import ProcessRunner
from scripts.localcloud.fc.run import Outcome
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.web import Request, Response

KEYS = {"test-key-id": "test-secret"}
CODE = """
import os, time

def handler(event, context):
    print("got", len(event))
    if event == b"fail":
        raise ValueError("no such luck")
    while event.startswith(b"/") and not os.path.exists(event):
        time.sleep(0.01)
    return b"echo:" + event
"""


class OnlyFunctions:
    """A local cloud with one listener."""

    listeners = ("fc",)

    def __init__(self, code: Path) -> None:
        self.clock = Clock()
        self.host = FunctionHost(
            self.clock,
            keys=KEYS,
            account_id="1234567890123456",
            region="cn-hangzhou",
            service="refresh",
            functions=[
                FunctionSpec("echo", "index.handler", environment={"LEVEL": "info"}),
                FunctionSpec("single", "index.handler", reserved_concurrency=1),
            ],
            runner=ProcessRunner(code),
            rng=Random(1),
            options=HostOptions(retry_delays_seconds=(0.01,)),
        )

    async def open(self, addresses: Mapping[str, str]) -> None:
        """Start the host; its own address tells it nothing."""
        assert list(addresses) == ["fc"]
        await self.host.start()

    def answer(self, listener: str, request: Request) -> Response | Awaitable[Response]:
        """Give every request to the host."""
        assert listener == "fc"
        return self.host.handle(request)

    async def close(self) -> None:
        """End the host."""
        await self.host.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OnlyFunctions, str]]:
    """Serve two functions while the tests of this file run."""
    code = tmp_path_factory.mktemp("code")
    (code / "index.py").write_text(CODE)
    only = OnlyFunctions(code)
    with server.running(only) as addresses:
        yield only, addresses["fc"]


@pytest.fixture
def client(cloud: tuple[OnlyFunctions, str]) -> Any:
    """Make a client with the right key."""
    return fc2.Client(endpoint=cloud[1], accessKeyID="test-key-id", accessKeySecret="test-secret")


@pytest.fixture
def newer(cloud: tuple[OnlyFunctions, str]) -> OpenApiClient:
    """Make a client of the newer API, which signs with ACS3-HMAC-SHA256."""
    return _newer(cloud[1], "test-secret")


def _newer(url: str, secret: str) -> OpenApiClient:
    config = utils_models.Config(
        access_key_id="test-key-id",
        access_key_secret=secret,
        endpoint=url.removeprefix("http://"),
        protocol="http",
    )
    return OpenApiClient(config)


def _invoke(client: OpenApiClient, function: str, event: bytes, **headers: str) -> Any:
    params = utils_models.Params(
        action="InvokeFunction",
        version="2023-03-30",
        protocol="HTTP",
        pathname=f"/2023-03-30/functions/{function}/invocations",
        method="POST",
        auth_type="AK",
        style="ROA",
        req_body_type="byte",
        body_type="byte",
    )
    request = utils_models.OpenApiRequest(query={"qualifier": "LATEST"}, headers=headers, stream=io.BytesIO(event))
    return client.call_api(params, request, RuntimeOptions(autoretry=False))


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_synchronous_call_gives_the_result(client: Any) -> None:
    """The bytes come back, with a request id and the tail of the output."""
    reply = client.invoke_function("refresh", "echo", b"ping \xff", {"x-fc-log-type": "Tail"})

    assert reply.data == b"echo:ping \xff"
    assert len(reply.headers["x-fc-request-id"]) == 36
    assert base64.b64decode(reply.headers["x-fc-log-result"]).endswith(b"got 6\n")
    assert client.invoke_function("refresh", "echo", b"x", qualifier="LATEST").data == b"echo:x"


def test_an_asynchronous_call_is_accepted_and_runs_later(cloud: tuple[OnlyFunctions, str], client: Any) -> None:
    """The client's 202 comes before the result, which the books show under the same request id."""
    headers = client.invoke_function("refresh", "echo", b"later", {"x-fc-invocation-type": "Async"}).headers

    def ended() -> list[tuple[str, Outcome]]:
        books = list(cloud[0].host.invocations)
        return [(one.cause, one.outcome) for one in books if one.request_id == headers["x-fc-request-id"]]

    _await(ended)
    assert ended() == [("async", Outcome.OK)]


def test_an_error_of_the_function_is_raised_by_the_client(client: Any) -> None:
    """Status 200 with x-fc-error-type makes the client raise, with the error's JSON."""
    with pytest.raises(fc2.fc_exceptions.FcError) as raised:
        client.invoke_function("refresh", "echo", b"fail")

    assert raised.value.status_code == 200
    assert "no such luck" in str(raised.value)


@pytest.mark.parametrize(
    ("names", "code"),
    [(("nothing", "echo"), "ServiceNotFound"), (("refresh", "nothing"), "FunctionNotFound")],
)
def test_what_does_not_exist_is_not_found(client: Any, names: tuple[str, str], code: str) -> None:
    """The client gets 404 and the platform's code."""
    with pytest.raises(fc2.fc_exceptions.FcError) as raised:
        client.invoke_function(*names, b"")

    assert (raised.value.status_code, raised.value.err_code) == (404, code)


@pytest.mark.parametrize(
    ("key_id", "secret", "code"),
    [("test-key-id", "wrong", "SignatureNotMatch"), ("nobody", "x", "InvalidAccessKeyID")],
)
def test_a_wrong_key_is_refused(cloud: tuple[OnlyFunctions, str], key_id: str, secret: str, code: str) -> None:
    """A wrong secret and an unknown key are told apart, both with 403."""
    client = fc2.Client(endpoint=cloud[1], accessKeyID=key_id, accessKeySecret=secret)
    with pytest.raises(fc2.fc_exceptions.FcError) as raised:
        client.invoke_function("refresh", "echo", b"")

    assert (raised.value.status_code, raised.value.err_code) == (403, code)


def test_an_event_too_large_for_the_queue_is_refused(client: Any) -> None:
    """An asynchronous payload may have 128 KiB and no byte more; a synchronous one may have more."""
    limit = 128 * 1024
    asynchronous = {"x-fc-invocation-type": "Async"}
    client.invoke_function("refresh", "echo", b"x" * limit, asynchronous)
    with pytest.raises(fc2.fc_exceptions.FcError) as raised:
        client.invoke_function("refresh", "echo", b"x" * (limit + 1), asynchronous)

    assert (raised.value.status_code, raised.value.err_code) == (400, "EntityTooLarge")
    assert len(client.invoke_function("refresh", "echo", b"x" * (limit + 1)).data) == limit + 6


def test_reserved_concurrency_throttles_a_second_caller(
    cloud: tuple[OnlyFunctions, str], client: Any, tmp_path: Path
) -> None:
    """While the one allowed call runs, another synchronous one gets 429."""
    sign = tmp_path / "end"
    slow = threading.Thread(target=client.invoke_function, args=("refresh", "single", bytes(sign)))
    slow.start()
    _await(lambda: cloud[0].host.is_throttled("single"))
    with pytest.raises(fc2.fc_exceptions.FcError) as raised:
        client.invoke_function("refresh", "single", b"")
    sign.touch()
    slow.join()

    assert (raised.value.status_code, raised.value.err_code) == (429, "ResourceThrottled")


def test_the_client_can_look_around(client: Any) -> None:
    """Services and functions are listed and described."""
    assert [each["serviceName"] for each in client.list_services().data["services"]] == ["refresh"]
    assert client.get_service("refresh").data["serviceName"] == "refresh"
    functions = client.list_functions("refresh").data["functions"]
    assert [each["functionName"] for each in functions] == ["echo", "single"]
    described = client.get_function("refresh", "echo").data
    assert (described["handler"], described["environmentVariables"]) == ("index.handler", {"LEVEL": "info"})


def test_the_newer_api_is_spoken_too(newer: OpenApiClient) -> None:
    """API 2023-03-30 with its signature: results, the function's errors, and asynchronous calls."""
    assert _invoke(newer, "echo", b"ping")["body"] == b"echo:ping"
    failed = _invoke(newer, "echo", b"fail")
    assert failed["headers"]["x-fc-error-type"] == "UnhandledInvocationError"
    assert json.loads(failed["body"])["errorType"] == "ValueError"
    later = _invoke(newer, "refresh$echo", b"", **{"x-fc-invocation-type": "Async"})
    assert later["statusCode"] == 202


def test_the_newer_api_refuses_in_its_own_words(cloud: tuple[OnlyFunctions, str], newer: OpenApiClient) -> None:
    """A missing function and a wrong secret are errors the newer client understands."""
    with pytest.raises(ClientException) as missing:
        _invoke(newer, "nothing", b"")
    with pytest.raises(ClientException) as wrong:
        _invoke(_newer(cloud[1], "wrong"), "echo", b"")

    assert (missing.value.status_code, missing.value.code) == (404, "FunctionNotFound")
    assert (wrong.value.status_code, wrong.value.code) == (403, "SignatureNotMatch")


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", "/2016-08-15/services/refresh/functions/echo/invocations", {}, (400, "MissingRequiredHeader")),
        ("GET", "/", {"authorization": "Basic x"}, (400, "InvalidArgument")),
    ],
)
def test_an_unsigned_request_is_refused(
    cloud: tuple[OnlyFunctions, str],
    method: str,
    path: str,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    """Nothing is answered to a request without a signature."""
    reply = requests.request(method, cloud[1] + path, headers=headers, timeout=5)

    assert (reply.status_code, reply.json()["ErrorCode"]) == expected


def test_the_published_signature_is_accepted_and_nothing_near_it() -> None:
    """The vendor's published ACS3 example verifies; another time, another body or query does not."""
    example = Request(
        "POST",
        "ecs.cn-shanghai.aliyuncs.com",
        "/",
        "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
        {
            "host": "ecs.cn-shanghai.aliyuncs.com",
            "x-acs-action": "RunInstances",
            "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "x-acs-date": "2023-10-26T10:22:32Z",
            "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
            "x-acs-version": "2014-05-26",
            "authorization": "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
            "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
            "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
        },
    )
    keys, then = {"YourAccessKeyId": "YourAccessKeySecret"}, 1_698_315_752.0

    assert fc_auth.check(example, keys, then) is None
    assert fc_auth.check(example, keys, then + 16 * 60) == fc_auth.SKEWED
    assert fc_auth.check(replace(example, body=b"x"), keys, then) == fc_auth.MISMATCH
    assert fc_auth.check(replace(example, query=""), keys, then) == fc_auth.MISMATCH
