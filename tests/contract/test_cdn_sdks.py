"""The vendor's CDN SDKs, unmodified, against the local CDN behind a real socket."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from alibabacloud_cdn20180510 import models
from alibabacloud_cdn20180510.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config
from aliyunsdkcdn.request.v20180510.DescribeRefreshQuotaRequest import DescribeRefreshQuotaRequest
from aliyunsdkcdn.request.v20180510.DescribeRefreshTaskByIdRequest import DescribeRefreshTaskByIdRequest
from aliyunsdkcdn.request.v20180510.DescribeRefreshTasksRequest import DescribeRefreshTasksRequest
from aliyunsdkcdn.request.v20180510.PushObjectCacheRequest import PushObjectCacheRequest
from aliyunsdkcdn.request.v20180510.RefreshObjectCachesRequest import RefreshObjectCachesRequest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient

from scripts.localcloud import server
from scripts.localcloud.cdn.service import CdnApi, Limits
from scripts.localcloud.clock import Clock
from scripts.localcloud.edge import Edge, Site
from scripts.localcloud.web import Request, Response

# The vendor's current SDK still asks for the time as older Pythons did.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

HOST = "a.example.com"
AWKWARD = [f"https://{HOST}/x y.css", f"https://{HOST}/é+~*.js?a=1&b=%20"]


class CdnOnly:
    """A local cloud of two listeners: the CDN's API, and the edges in front of one changing page."""

    listeners = ("cdn", "edge")

    def __init__(self) -> None:
        self.clock = Clock()
        self.page = b"old"
        quick = Limits(refresh_duration_seconds=(0.05, 0.1), prefetch_duration_seconds=(0.05, 0.1))
        self.cdn = CdnApi(
            self.clock,
            keys={"testAK": "testSecret", "STS.temp": "tempSecret"},
            account_id="1",
            domains=[HOST],
            limits=quick,
            rng=random.Random(1),
            tokens={"STS.temp": "tok/en+="},
        )
        self.edge = Edge(self.clock, {HOST: Site(self._origin)}, default_domain=HOST)
        self.cdn.on_refreshed.append(self.edge.refresh)
        self.cdn.on_prefetched.append(self.edge.prefetch)

    def _origin(self, _path: str, _query: str, _conditions: Mapping[str, str]) -> Response:
        return Response(200, {"content-type": "text/plain"}, self.page)

    async def open(self, addresses: Mapping[str, str]) -> None:
        """Need nothing of the addresses."""

    def answer(self, listener: str, request: Request) -> Response:
        """Let the service of the listener answer."""
        return self.cdn.handle(request) if listener == "cdn" else self.edge.handle(request)

    async def close(self) -> None:
        """Hold nothing to give back."""


@dataclass(frozen=True)
class Served:
    """A local cloud behind sockets, and where they are."""

    cloud: CdnOnly
    addresses: Mapping[str, str]

    @property
    def endpoint(self) -> str:
        """The host and port of the CDN's API."""
        return self.addresses["cdn"].removeprefix("http://")

    def client(self, algorithm: str | None = None, **config: str) -> Any:
        """Make the current SDK's client."""
        keys = {"access_key_id": "testAK", "access_key_secret": "testSecret", **config}
        return Client(Config(endpoint=self.endpoint, protocol="http", signature_algorithm=algorithm, **keys))

    def older(self, request: Any, client: Any = None, **params: str) -> Any:
        """Call an operation with the older SDK."""
        request.set_endpoint(self.endpoint)
        request.set_protocol_type("http")
        for name, value in params.items():
            request.add_query_param(name, value)
        client = client or AcsClient("testAK", "testSecret", "cn-hangzhou")
        return json.loads(client.do_action_with_exception(request))


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve a fresh local CDN while a test runs."""
    cloud = CdnOnly()
    with server.running(cloud) as addresses:
        yield Served(cloud, addresses)


ALGORITHMS = pytest.mark.parametrize("algorithm", [None, "v2"], ids=["V3", "HMAC-SHA1"])


@ALGORITHMS
def test_the_current_sdk_refreshes_and_reads_its_tasks(served: Served, algorithm: str | None) -> None:
    """Awkward URLs arrive as they were sent, and their rows come back by id and in the listing."""
    client = served.client(algorithm)
    reply = client.refresh_object_caches(
        models.RefreshObjectCachesRequest(object_path="\n".join(AWKWARD), object_type="File", force=False)
    ).body
    assert [row.path for row in served.cloud.cdn.submissions] == AWKWARD
    by_id = client.describe_refresh_task_by_id(
        models.DescribeRefreshTaskByIdRequest(task_id=reply.refresh_task_id)
    ).body
    assert (by_id.total_count, [row.object_path for row in by_id.tasks]) == (2, AWKWARD)
    listing = client.describe_refresh_tasks(
        models.DescribeRefreshTasksRequest(object_type="file", domain_name=HOST, page_size=1, page_number=2)
    ).body
    assert (listing.total_count, listing.page_number, listing.page_size) == (2, 2, 1)
    assert [row.object_path for row in listing.tasks.cdntask] == AWKWARD[:1]


@ALGORITHMS
def test_the_current_sdk_prefetches_and_reads_the_quota(served: Served, algorithm: str | None) -> None:
    """A prefetch with all of its options is taken, and the quota tells of it in text."""
    client = served.client(algorithm)
    reply = client.push_object_cache(
        models.PushObjectCacheRequest(
            object_path="\n".join(AWKWARD),
            area="domestic",
            l_2preload=True,
            query_hashkey=False,
            with_header='{"Accept-Encoding":["gzip, deflate, br"]}',
        )
    ).body
    assert reply.push_task_id.isdigit()
    quota = client.describe_refresh_quota(models.DescribeRefreshQuotaRequest()).body
    assert (quota.preload_quota, quota.preload_remain, quota.url_remain) == ("1000", "998", "10000")


@ALGORITHMS
def test_the_current_sdk_raises_what_the_cdn_refuses(served: Served, algorithm: str | None) -> None:
    """An error reaches the caller with its code, status and request id."""
    request = models.RefreshObjectCachesRequest(object_path="https://other.example.com/a")
    with pytest.raises(ClientException) as caught:
        served.client(algorithm).refresh_object_caches(request)
    error: Any = caught.value
    assert (error.code, error.status_code) == ("InvalidDomain.NotFound", 404)
    assert error.data["RequestId"] == served.cloud.cdn.calls[-1].request_id
    with pytest.raises(ClientException) as caught:
        served.client(algorithm, access_key_secret="guess").refresh_object_caches(request)
    assert caught.value.code == "SignatureDoesNotMatch"


@ALGORITHMS
def test_the_current_sdk_uses_temporary_keys(served: Served, algorithm: str | None) -> None:
    """A temporary key with its token is admitted, and without it is told what is missing."""
    keys = {"access_key_id": "STS.temp", "access_key_secret": "tempSecret"}
    client = served.client(algorithm, security_token="tok/en+=", type="sts", **keys)
    assert client.describe_refresh_quota(models.DescribeRefreshQuotaRequest()).status_code == 200
    with pytest.raises(ClientException) as caught:
        served.client(algorithm, **keys).describe_refresh_quota(models.DescribeRefreshQuotaRequest())
    assert caught.value.code == "MissingSecurityToken"


def test_the_older_sdk_calls_all_five_operations(served: Served) -> None:
    """The older SDK, which puts everything into the query of a POST, is understood."""
    refreshed = served.older(
        RefreshObjectCachesRequest(), ObjectPath="\r\n".join(AWKWARD), ObjectType="File", Force="False"
    )
    pushed = served.older(PushObjectCacheRequest(), ObjectPath="\n".join(AWKWARD), Area="overseas")
    ids = f"{refreshed['RefreshTaskId']},{pushed['PushTaskId']}"
    by_id = served.older(DescribeRefreshTaskByIdRequest(), TaskId=ids)
    assert [row["ObjectPath"] for row in by_id["Tasks"]] == AWKWARD * 2
    listing = served.older(DescribeRefreshTasksRequest(), ObjectPath=AWKWARD[0], PageSize="100")
    assert [row["ObjectType"] for row in listing["Tasks"]["CDNTask"]] == ["preload", "file"]
    assert served.older(DescribeRefreshQuotaRequest())["UrlRemain"] == "9998"


def test_the_older_sdk_raises_what_the_cdn_refuses(served: Served) -> None:
    """Codes reach the caller; a wrong secret is even recognised by the string the server had signed."""
    with pytest.raises(ServerException) as caught:
        served.older(RefreshObjectCachesRequest(), ObjectPath="nonsense")
    assert (caught.value.get_error_code(), caught.value.get_http_status()) == (
        "InvalidObjectPath.Malformed",
        400,
    )
    with pytest.raises(ServerException) as caught:
        served.older(DescribeRefreshQuotaRequest(), AcsClient("testAK", "guess", "cn-hangzhou"))
    assert caught.value.get_error_code() == "InvalidAccessKeySecret"


def test_the_older_sdk_uses_temporary_keys(served: Served) -> None:
    """A token given to the older SDK is signed and admitted."""
    credential = StsTokenCredential("STS.temp", "tempSecret", "tok/en+=")
    client = AcsClient(region_id="cn-hangzhou", credential=credential)
    assert served.older(DescribeRefreshQuotaRequest(), client)["UrlQuota"] == "10000"


def test_a_stale_page_becomes_fresh(served: Served) -> None:
    """Over real HTTP: a viewer sees the old page until the SDK's refresh took effect, then the new one."""
    with httpx.Client(base_url=served.addresses["edge"]) as viewer:
        assert viewer.get("/a.txt").headers["x-cache"] == "MISS TCP_MISS"
        served.cloud.page = b"brand new"
        stale = viewer.get("/a.txt")
        assert (stale.text, stale.headers["x-cache"]) == ("old", "HIT TCP_MEM_HIT")
        request = models.RefreshObjectCachesRequest(object_path=f"https://{HOST}/a.txt")
        served.client().refresh_object_caches(request)
        deadline = time.monotonic() + 10
        while viewer.head("/a.txt").headers["content-length"] == "3" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert viewer.get("/a.txt").text == "brand new"
        assert viewer.get("/a.txt", headers={"Host": HOST}).headers["via"] == "cache1.l1[200,H]"
