"""The three clients on a real network: a certificate that nobody vouches for, and a proxy that is a setting."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from shared.cloud.clock import OssClock
from shared.cloud.credentials import Credentials, KeyRing
from shared.cloud.outcomes import OutcomeLog
from shared.cloud.provider.cdn import Cdn
from shared.cloud.session import fault_told, redirect_told
from shared.cloud.spool.bucket import Bucket
from shared.core.errors import CdnError, LogStoreDown, StoreError, Unsent
from shared.core.task.model import Outcome, Result
from tests.cloud.loopback import Answer, Asked, self_signed, serving

KEYS = KeyRing(Credentials("LTAInetworkkey00", "the-secret-of-the-net", "CAISthetokenofthenet"))
RECORDS = [Outcome(time=time.time(), result=Result.SKIPPED)]
REGION = "cn-hangzhou"


def oss(endpoint: str, proxy: str = "") -> None:
    """Write an object."""
    Bucket(endpoint, REGION, "spool", "p/", KEYS, OssClock(time.time), proxy=proxy).put("a", b"1")


def cdn(endpoint: str, proxy: str = "") -> None:
    """Ask for the quota."""
    Cdn(endpoint, KEYS, proxy=proxy).quota()


def sls(endpoint: str, proxy: str = "") -> None:
    """Write a record."""
    OutcomeLog(endpoint, "project", "outcomes", KEYS, proxy=proxy).write(RECORDS)


Call = Callable[[str, str], None]
CLIENTS = [pytest.param(each, id=each.__name__) for each in (oss, cdn, sls)]


def welcome(asked: list[Asked]) -> Callable[[Asked], Answer]:
    """Answer so that each of the clients is content."""

    def answer(request: Asked) -> Answer:
        asked.append(request)
        headers = {"etag": '"A"', "x-oss-request-id": "R", "x-log-requestid": "R", "content-type": "application/json"}
        return Answer(200, headers, b'{"UrlQuota": 1, "UrlRemain": 1}')

    return answer


@pytest.fixture
def bad(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate that nobody vouches for."""
    return self_signed(tmp_path)


def test_the_server_of_these_tests_is_in_order(bad: tuple[ssl.SSLContext, Path]) -> None:
    """Whoever trusts the certificate gets an answer, so that its refusal below is about trust alone."""
    context, certificate = bad
    with serving(welcome([]), context) as url:
        assert requests.get(url, verify=str(certificate), timeout=5).ok
        trusting = ssl.create_default_context(cafile=str(certificate))
        assert httpx.get(url, verify=trusting, trust_env=False).is_success


@pytest.mark.parametrize("call", CLIENTS)
def test_a_certificate_that_nobody_vouches_for_is_refused(call: Call, bad: tuple[ssl.SSLContext, Path]) -> None:
    """Nothing is sent, no key above all, and the reason is told."""
    asked: list[Asked] = []
    with (
        serving(welcome(asked), bad[0]) as url,
        pytest.raises((StoreError, CdnError, LogStoreDown)) as caught,
    ):
        call(url, "")
    assert [] == asked
    error: Any = caught.value
    assert ("Untrusted", True) == (error.code, "certificate verify failed" in error.message)


def test_a_call_that_was_not_sent_for_lack_of_trust_is_known_not_to_be(bad: tuple[ssl.SSLContext, Path]) -> None:
    """No unit can have been spent, so nothing has to be asked."""
    with serving(welcome([]), bad[0]) as url, pytest.raises(Unsent):
        cdn(url)


@pytest.mark.parametrize("call", CLIENTS)
def test_a_server_without_a_certificate_is_refused(call: Call) -> None:
    """Where TLS was asked for, plain HTTP is no answer."""
    asked: list[Asked] = []
    with (
        serving(welcome(asked)) as url,
        pytest.raises((StoreError, CdnError, LogStoreDown)),
    ):
        call(url.replace("http://", "https://"), "")
    assert [] == asked


@pytest.mark.parametrize(
    ("call", "endpoint", "target"),
    [
        (oss, "oss-cn-hangzhou", "http://spool.oss-cn-hangzhou.aliyuncs.com/p%2Fa"),
        (cdn, "cdn", "http://cdn.aliyuncs.com/"),
        (sls, "cn-hangzhou.log", "http://project.cn-hangzhou.log.aliyuncs.com:80/logstores/outcomes/shards/lb"),
    ],
)
def test_a_proxy_that_is_set_is_used(call: Call, endpoint: str, target: str) -> None:
    """Each client sends it the whole address, and the log-in that the setting holds."""
    asked: list[Asked] = []
    with serving(welcome(asked)) as url:
        call(f"http://{endpoint}.aliyuncs.com", url.replace("://", "://me:hush@"))
    assert [target] == [request.target for request in asked]
    headers = {name.lower(): value for name, value in asked[0].headers.items()}
    assert "Basic bWU6aHVzaA==" == headers["proxy-authorization"]


@pytest.mark.parametrize("call", CLIENTS)
def test_a_proxy_that_lets_nothing_through_is_told(call: Call) -> None:
    """TLS goes through a tunnel; where the proxy refuses one, nothing was sent, and no password is told."""
    asked: list[Asked] = []

    def refuse(request: Asked) -> Answer:
        asked.append(request)
        return Answer(403)

    with (
        serving(refuse) as url,
        pytest.raises((StoreError, CdnError, LogStoreDown)) as caught,
    ):
        call("https://cn-hangzhou.aliyuncs.com", url.replace("://", "://me:hush@"))
    assert {"CONNECT"} == {request.method for request in asked}
    error: Any = caught.value
    assert error.code in {"Unreachable", "Unconnected"}
    assert "403" in error.message
    assert "hush" not in str(error)


def test_a_redirect_is_told_by_its_host_alone() -> None:
    """What follows in the address may hold a key; an address that cannot be read is not repeated."""
    told = redirect_told(302, {"Location": "https://me:secret@elsewhere.example.com/x?Signature=y"})
    assert "answered 302, which points to elsewhere.example.com; no redirect is followed" == told
    assert "points to the same host" in redirect_told(302, {"location": "/x"})
    assert "points to the same host" in redirect_told(302, {})
    assert "no readable address" in redirect_told(302, {"location": "http://[x"})


def test_the_innermost_reason_is_told() -> None:
    """Clients wrap what the network said several times."""
    inner = OSError("no route to host")
    assert ("Unreachable", "OSError: no route to host") == fault_told(RuntimeError(ValueError(inner)))
