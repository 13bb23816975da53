"""The assembly: that services reach each other, that requests reach services, in process and over sockets."""

from __future__ import annotations

import itertools
import json
import random
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fc2
import httpx
import oss2
import pytest
from aliyun.log import LogClient

from scripts.localcloud import server
from scripts.localcloud.clock import Clock, VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.fc.host import FunctionHost
from scripts.localcloud.fc.hosting import CodeSource
from scripts.localcloud.fc.run import CallableRunner
from scripts.localcloud.fc.staging import stage_code
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.fc.triggers import CdnTrigger, OssTrigger
from scripts.localcloud.inprocess import HttpxTransport, RequestsAdapter
from scripts.localcloud.web import Request, Response
from tests.localcloud.cdn_caller import signed_request

START = 1_795_000_000.0
OPTIONS = Options()
URL = "http://static.example.com/a.txt"
NONCES = itertools.count()


class InProcess:
    """A local cloud on a virtual clock, and clients of it."""

    def __init__(self, options: Options = OPTIONS) -> None:
        self.clock = VirtualClock(START)
        self.cloud = LocalCloud(options, self.clock)
        self.viewer = httpx.Client(transport=HttpxTransport(self.cloud.handle_for("edge"), self.clock))
        session = oss2.Session(adapter=RequestsAdapter(self.cloud.handle_for("oss"), self.clock))
        auth = oss2.Auth(options.access_key_id, options.access_key_secret)
        endpoint = f"http://oss-{options.region}.aliyuncs.com"
        self.bucket = oss2.Bucket(auth, endpoint, options.bucket, session=session)

    def refresh(self, *urls: str) -> Response:
        """Ask the CDN to refresh URLs."""
        key = (OPTIONS.access_key_id, OPTIONS.access_key_secret)
        params = {"ObjectPath": "\n".join(urls)}
        request = signed_request(self.clock.now(), "RefreshObjectCaches", params, nonce=f"n{next(NONCES)}", key=key)
        response = self.cloud.handle_for("cdn")(request)
        assert isinstance(response, Response)
        return response


def test_an_overwritten_object_is_stale_until_its_refresh_took_effect() -> None:
    """Bucket, edge and CDN are wired: the edge serves the old bytes until the task has ended."""
    local = InProcess()
    seen = []
    local.bucket.put_object("a.txt", b"old")
    seen.append(local.viewer.get(URL).text)
    local.bucket.put_object("a.txt", b"new")
    seen.append(local.viewer.get(URL).text)
    assert local.refresh(URL).status == 200
    seen.append(local.viewer.get(URL).text)
    local.clock.advance(3600)
    seen.append(local.viewer.get(URL).text)
    assert seen == ["old", "old", "old", "new"]


def test_functions_that_are_attached_hear_of_changes_and_of_finished_tasks() -> None:
    """A host of functions in this process is told what its triggers ask for."""
    local, heard = InProcess(), []

    def handler(event: bytes, _context: Any) -> str:
        heard.append(json.loads(event)["events"][0]["eventName"])
        return "done"

    triggers = (
        OssTrigger("put", OPTIONS.bucket, ("ObjectCreated:PutObject",)),
        CdnTrigger("finished", "CachedObjectsRefreshed", OPTIONS.domains),
    )
    host = FunctionHost(
        local.clock,
        keys={OPTIONS.access_key_id: OPTIONS.access_key_secret},
        account_id=OPTIONS.account_id,
        region=OPTIONS.region,
        service=OPTIONS.service,
        functions=[FunctionSpec("hear", "hear.handler", triggers=triggers)],
        runner=CallableRunner(local.clock, {"hear": handler}),
        rng=random.Random(1),
    )
    local.cloud.attach(host)
    local.bucket.put_object("a.txt", b"new")
    local.refresh(URL)
    local.clock.advance(3600)
    assert heard == ["ObjectCreated:PutObject", "CachedObjectsRefreshed"]


def test_faults_and_latencies_come_from_the_options() -> None:
    """A rate of one makes every call of that service fail in its own words; a latency passes as time."""
    local = InProcess(Options(faults={"cdn.throttle": 1.0}, latencies={"oss": 0.5}))
    assert "Throttling" in json.loads(local.refresh(URL).body)["Code"]
    local.bucket.put_object("a.txt", b"x")
    assert local.clock.now() == START + 0.5


def test_the_role_of_functions_needs_its_token() -> None:
    """The temporary keys of functions are accepted with their token and refused without."""
    local = InProcess()
    role = local.cloud.role
    session = oss2.Session(adapter=RequestsAdapter(local.cloud.handle_for("oss"), local.clock))
    endpoint = f"http://oss-{OPTIONS.region}.aliyuncs.com"
    for auth, accepted in (
        (oss2.StsAuth(role.access_key_id, role.access_key_secret, role.security_token), True),
        (oss2.Auth(role.access_key_id, role.access_key_secret), False),
    ):
        bucket = oss2.Bucket(auth, endpoint, OPTIONS.spool_bucket, session=session)
        try:
            bucket.put_object("k", b"v")
            outcome = True
        except oss2.exceptions.ServerError:
            outcome = False
        assert outcome is accepted


@pytest.mark.parametrize(
    ("listener", "host", "service"),
    [
        ("oss", "127.0.0.1:9", "oss"),
        ("sls", "localhost", "sls"),
        ("sls", "local-logs.127.0.0.1", "sls"),
        ("edge", "content.oss-cn-hangzhou.aliyuncs.com", "oss"),
        ("edge", "oss-cn-hangzhou-internal.aliyuncs.com", "oss"),
        ("oss", "cdn.aliyuncs.com", "cdn"),
        ("oss", "cdn.ap-southeast-1.aliyuncs.com", "cdn"),
        ("oss", "local-logs.cn-hangzhou.log.aliyuncs.com", "sls"),
        ("oss", "cn-hangzhou-intranet.log.aliyuncs.com:80", "sls"),
        ("oss", "1234567890123456.cn-hangzhou.fc.aliyuncs.com", "fc"),
        ("oss", "fcv3.cn-hangzhou.aliyuncs.com", "fc"),
        ("oss", "static.example.com", "edge"),
        ("cdn", "elsewhere.example.com", "cdn"),
    ],
)
def test_a_request_goes_where_its_host_says(listener: str, host: str, service: str) -> None:
    """The vendor's names and the accelerated domain win over the port; other hosts do not."""
    cloud = LocalCloud(OPTIONS, VirtualClock(START))
    assert cloud.route(listener, Request("GET", host, "/")) == service


def test_without_functions_calling_one_is_an_error() -> None:
    """A local cloud that hosts no functions says so."""
    response = LocalCloud(OPTIONS, VirtualClock(START)).answer(
        "fc", Request("POST", "127.0.0.1", "/2016-08-15/services")
    )
    assert isinstance(response, Response)
    assert (response.status, json.loads(response.body)["ErrorCode"]) == (404, "ServiceNotFound")


TEMPLATE = """
edition: 3.0.0
name: greeting
resources:
  greet:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: greet
      runtime: python3.10
      handler: greet.handler
      code: ./
      timeout: 10
      triggers:
        - triggerName: put
          triggerType: oss
          sourceArn: acs:oss:cn-hangzhou:1234567890123456:content
          triggerConfig:
            events: ["oss:ObjectCreated:PutObject"]
            filter: {key: {prefix: in/, suffix: ""}}
"""
GREET = """
import os
import oss2
from dataclasses import replace
from pathlib import Path

def handler(event, context):
    keys = context.credentials
    auth = oss2.StsAuth(keys.access_key_id, keys.access_key_secret, keys.security_token)
    bucket = oss2.Bucket(auth, os.environ["OSS_ENDPOINT"], os.environ["SPOOL_BUCKET"])
    bucket.put_object("heard", event)
    print("heard", len(event), os.environ["GREETING"])
    return Path(os.environ["SITES_FILE"]).read_text()
"""


@pytest.fixture
def source(tmp_path: Path) -> CodeSource:
    """A function that notes its event in the spool and returns the site file."""
    (tmp_path / "greet.py").write_text(GREET)
    (tmp_path / "template.yml").write_text(TEMPLATE)
    return CodeSource(tmp_path, tmp_path / "template.yml", instances=1, environment={"GREETING": "hello"})


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_over_sockets_an_upload_runs_a_function_that_reaches_the_services(source: CodeSource) -> None:
    """An upload triggers the function, which writes to the spool; its output is found in the log service."""
    cloud = LocalCloud(Options(functions=source), Clock())
    with server.running(cloud) as addresses:
        auth = oss2.Auth(OPTIONS.access_key_id, OPTIONS.access_key_secret)
        oss2.Bucket(auth, addresses["oss"], OPTIONS.bucket).put_object("in/a.txt", b"new")
        spool = oss2.Bucket(auth, addresses["oss"], OPTIONS.spool_bucket)
        until(lambda: bool(spool.object_exists("heard")))
        assert json.loads(spool.get_object("heard").read())["events"][0]["oss"]["object"]["key"] == "in/a.txt"
        until(lambda: bool(cloud.sls.logs(OPTIONS.log_project, "functions")))
        (line,) = cloud.sls.logs(OPTIONS.log_project, "functions")
        assert (line["__topic__"], line["message"].split()[0::2]) == ("FCLogs:greet", ["heard", "hello"])


def connect(address: str) -> Any:
    """The SDK that invokes functions."""
    keys = {"accessKeyID": OPTIONS.access_key_id, "accessKeySecret": OPTIONS.access_key_secret}
    return fc2.Client(endpoint=address, **keys)


def test_over_sockets_the_function_sdk_invokes(source: CodeSource) -> None:
    """A synchronous call through aliyun-fc2 returns what the function returned, and stopping is quick."""
    with server.running(LocalCloud(Options(functions=source), Clock())) as addresses:
        reply = connect(addresses["fc"]).invoke_function(OPTIONS.service, "greet", payload=b"{}")
        assert b"static.example.com" in reply.data
        began = time.monotonic()
    assert time.monotonic() - began < 2


ALONE = """
import importlib.util

def handler(event, context):
    return {name: importlib.util.find_spec(name) is not None for name in ("json", "helper", "oss2")}
"""


def test_an_isolated_package_has_only_what_it_brings(tmp_path: Path, source: CodeSource) -> None:
    """A zip is unpacked and run; the packages of this Python are not there, as on the platform."""
    package = tmp_path / "code.zip"
    with zipfile.ZipFile(package, "w") as built:
        built.writestr("greet.py", ALONE)
        built.writestr("helper.py", "")
    isolated = replace(source, code=package, isolated=True)
    with server.running(LocalCloud(Options(functions=isolated), Clock())) as addresses:
        reply = connect(addresses["fc"]).invoke_function(OPTIONS.service, "greet", payload=b"{}")
    assert json.loads(reply.data) == {"json": True, "helper": True, "oss2": False}


def test_one_port_serves_as_proxy_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `http_proxy` at any port, clients reach every service under its real name."""
    cloud = LocalCloud(OPTIONS, Clock())
    with server.running(cloud) as addresses:
        monkeypatch.setenv("http_proxy", addresses["cdn"])
        auth = oss2.Auth(OPTIONS.access_key_id, OPTIONS.access_key_secret)
        oss2.Bucket(auth, "http://oss-cn-hangzhou.aliyuncs.com", OPTIONS.bucket).put_object("a.txt", b"page")
        keys = (OPTIONS.access_key_id, OPTIONS.access_key_secret)
        logs = LogClient("http://cn-hangzhou.log.aliyuncs.com", *keys, source="s")
        assert logs.list_logstore(OPTIONS.log_project).get_logstores() == [OPTIONS.logstore]
        assert httpx.get(URL).text == "page"


def test_staging_puts_functions_at_the_root_and_what_they_share_beside_them(tmp_path: Path) -> None:
    """The staged directory has the layout of the code package, without compiled files."""
    tree = tmp_path / "tree"
    for name in ("functions/f.py", "functions/__pycache__/f.pyc", "shared/core/c.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    code = stage_code(tree, tmp_path / "code")
    assert sorted(str(path.relative_to(code)) for path in code.rglob("*.py*")) == ["f.py", "shared/core/c.py"]
    with pytest.raises(FileNotFoundError, match="no functions to host"):
        stage_code(tmp_path / "nowhere", tmp_path / "other")


def test_keys_may_be_changed_while_it_runs() -> None:
    """A secret that is replaced in `keys` is what signatures are judged by from then on."""
    options, clock = Options(), VirtualClock(time.time())
    cloud = LocalCloud(options, clock)
    session = oss2.Session(adapter=RequestsAdapter(cloud.handle_for("oss"), clock))
    auth = oss2.Auth(options.access_key_id, options.access_key_secret)
    bucket = oss2.Bucket(auth, cloud.options.facts_in_process()["oss"], options.bucket, session=session)
    bucket.put_object("a", b"")
    cloud.keys[options.access_key_id] = "another secret"
    with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
        bucket.put_object("a", b"")


def test_a_token_expires_for_every_service() -> None:
    """OSS, CDN and log service refuse a token that is good no longer, each in its own words."""
    clock = VirtualClock(time.time())
    cloud = LocalCloud(Options(), clock)
    cloud.expire_token(cloud.role.security_token)
    session = oss2.Session(adapter=RequestsAdapter(cloud.handle_for("oss"), clock))
    auth = oss2.StsAuth(cloud.role.access_key_id, cloud.role.access_key_secret, cloud.role.security_token)
    bucket = oss2.Bucket(auth, cloud.options.facts_in_process()["oss"], cloud.options.bucket, session=session)
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        bucket.put_object("a", b"")
    assert (refused.value.status, refused.value.code) == (403, "SecurityTokenExpired")
    assert cloud.role.security_token in cloud.cdn.expired_tokens & cloud.sls.expired_tokens


def test_moments_are_the_worlds() -> None:
    """When things changed and were accepted is told by one clock, though OSS and CDN have others."""
    clock = VirtualClock(1_800_000_000.0)
    cloud = LocalCloud(Options(), clock)
    cloud.oss.clock_ahead_seconds, cloud.cdn.clock_ahead_seconds = 40.0, -40.0
    cloud.oss.put(cloud.options.bucket, "a", b"")
    clock.advance(5)
    cloud.cdn.carry_out("RefreshObjectCaches", {"ObjectPath": "https://static.example.com/a"})
    expected = {"changed": {"a": [1_800_000_000.0]}, "accepted": {"https://static.example.com/a": [1_800_000_005.0]}}
    assert cloud.moments() == expected
