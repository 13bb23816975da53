"""A kind of handler and the local cloud's addresses in; the time at which its first task was accepted out.

Run by file path with `-I -S`, so that a process loads what a function instance loads and nothing else:

    ours          the code package and its own entry point
    sdk-in-place  the code package with the vendor's CDN SDK in place of our client
    sdk-alone     the SDK, which calls the API straight away: no spool, no lease, no site file
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

DEVELOPMENT_ONLY = ("rich", "click", "colorama")
"""Packages that structlog or httpx load where they find them; no function instance has them."""


class Context:
    """What Function Compute passes beside the event."""

    request_id = "cold"

    class function:  # noqa: N801 - the runtime's name
        """The function."""

        name, timeout = "object_created", 60

    class credentials:  # noqa: N801 - the runtime's name
        """The keys, filled in at the start."""

        access_key_id = access_key_secret = security_token = ""


class SdkCdn:
    """The vendor's SDK with the methods of our client that a first submission needs."""

    def __init__(self, ready: Mapping[str, str]) -> None:
        from alibabacloud_cdn20180510 import client, models  # noqa: PLC0415 - see the top
        from alibabacloud_tea_openapi.models import Config  # noqa: PLC0415 - see the top

        self._models = models
        self._client = client.Client(
            Config(
                access_key_id=ready["access_key_id"],
                access_key_secret=ready["access_key_secret"],
                endpoint=ready["cdn"].removeprefix("http://"),
                protocol="http",
            )
        )

    def submit(self, urls: Sequence[str]) -> Any:
        """Refresh, and print when it was accepted."""
        request = self._models.RefreshObjectCachesRequest(object_path="\n".join(urls), object_type="File")
        reply = self._client.refresh_object_caches(request)
        print(time.time())
        return reply.body

    def refresh(self, urls: Sequence[str], *_form: object, **_options: object) -> Any:
        """Refresh, as our client does."""
        from shared.core.task.rows import Accepted  # noqa: PLC0415 - see the top

        body = self.submit(urls)
        return Accepted((body.refresh_task_id,), body.request_id)

    def quota(self) -> Any:
        """Ask what the day leaves, as our client does before its first plan."""
        from shared.core.plan.books import Quota  # noqa: PLC0415 - see the top

        body = self._client.describe_refresh_quota(self._models.DescribeRefreshQuotaRequest()).body
        return Quota(total={"url": int(body.url_quota)}, remaining={"url": int(body.url_remain)})


class SilentLog:
    """Takes outcomes and keeps none: they are written after what is measured here."""

    def write(self, outcomes: object) -> None:
        """Take outcomes."""


def ours(ready: Mapping[str, str], event: bytes) -> None:
    """Run the entry point as the platform does, and print when its first submission was accepted."""
    os.environ.update(
        SPOOL_BUCKET=ready["spool_bucket"],
        LOG_PROJECT=ready["log_project"],
        LOGSTORE=ready["logstore"],
        FC_REGION=ready["region"],
        OSS_ENDPOINT=ready["oss"],
        CDN_ENDPOINT=ready["cdn"],
        LOG_ENDPOINT=ready["sls"],
        FC_FUNC_CODE_PATH=ready["folder"],
    )
    Context.credentials.access_key_id = ready["access_key_id"]
    Context.credentials.access_key_secret = ready["access_key_secret"]
    from shared.cloud.provider.cdn import Cdn  # noqa: PLC0415 - see the top

    object_created: Any = importlib.import_module("object_created")

    refresh = Cdn.refresh

    def timed(*arguments: Any, **options: Any) -> Any:
        accepted = refresh(*arguments, **options)
        print(time.time())
        return accepted

    Cdn.refresh = timed  # type: ignore[method-assign]
    object_created.initialize(Context)
    object_created.handler(event, Context)


def sdk_in_place(ready: Mapping[str, str], event: bytes) -> None:
    """Handle an event as ours does, with the vendor's SDK for the CDN API."""
    from shared import flow, logs  # noqa: PLC0415 - see the top
    from shared.cloud.clock import OssClock  # noqa: PLC0415 - see the top
    from shared.cloud.credentials import Credentials, KeyRing  # noqa: PLC0415 - see the top
    from shared.cloud.provider.facts import ALIBABA_CDN  # noqa: PLC0415 - see the top
    from shared.cloud.spool.bucket import Bucket  # noqa: PLC0415 - see the top
    from shared.cloud.spool.spool import Spool  # noqa: PLC0415 - see the top
    from shared.core.plan.limits import Limits  # noqa: PLC0415 - see the top
    from shared.core.site.sitefile import read_sites  # noqa: PLC0415 - see the top

    keys = KeyRing(Credentials(ready["access_key_id"], ready["access_key_secret"]))
    clock = OssClock(time.time)
    bucket = Bucket(ready["oss"], ready["region"], ready["spool_bucket"], "cdn-refresh/", keys, clock)
    spool = Spool(bucket, 120, clock)
    spool.check()
    with open(os.path.join(ready["folder"], "sites.yml"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - pathlib takes time
        sites = read_sites(file.read())
    kit = flow.Kit(
        sites=sites,
        limits=Limits(),
        provider=ALIBABA_CDN,
        spool=spool,
        cdn=cast("flow.kit.Cdn", SdkCdn(ready)),  # it has what a first submission calls
        outcomes=SilentLog(),
        report=logs.logger("ERROR"),
        clock=time.time,
        sleep=time.sleep,
        chance=lambda: 0.5,
        linger_seconds=5,
    )
    flow.receive(kit, event, flow.Invocation("cold", "cold", time.time() + 60))


def _event() -> bytes:
    event = {
        "eventName": "ObjectCreated:PutObject",
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "oss": {"bucket": {"name": "content"}, "object": {"key": f"cold/{time.time_ns()}", "size": 1, "eTag": "AB"}},
    }
    return json.dumps({"events": [event]}).encode()


if __name__ == "__main__":
    kind, addresses, paths = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
    sys.path[:0] = paths
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(DEVELOPMENT_ONLY))  # None keeps a module out
    if kind == "ours":
        ours(addresses, _event())
    elif kind == "sdk-in-place":
        sdk_in_place(addresses, _event())
    else:
        SdkCdn(addresses).submit(["https://static.example.com/cold.txt"])
