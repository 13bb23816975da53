"""A spool in the local OSS, in process: clients of it, what lies there, and what happens between two requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.inprocess import RequestsAdapter
from scripts.localcloud.oss.service import ObjectStore
from scripts.localcloud.web import Request, Response
from shared.cloud.clock import OssClock
from shared.cloud.credentials import Credentials, KeyRing
from shared.cloud.spool.bucket import Bucket
from shared.cloud.spool.lease import Leases
from shared.cloud.spool.spool import Spool
from tests.strategies import NOW

KEYS = Credentials("LTAIspoolkeyid00", "the-secret-of-the-spool", "CAISthetokenofthespool/+==")
REGION = "cn-hangzhou"
ENDPOINT = "http://oss-cn-hangzhou.aliyuncs.com"
PREFIX = "p/"
LEASE_SECONDS = 90.0


class Ground:
    """The local OSS with one bucket. `after` is called after each request, `told` has what a person was told."""

    def __init__(self) -> None:
        self.clock = VirtualClock(NOW)
        self.oss = ObjectStore(
            self.clock,
            keys={KEYS.access_key_id: KEYS.access_key_secret},
            tokens={KEYS.access_key_id: KEYS.security_token},
            account_id="1",
            region=REGION,
        )
        self.oss.create_bucket("spool")
        self.requests: list[str] = []
        self.after: Callable[[Request], None] = lambda _request: None
        self.told: list[dict[str, Any]] = []

    def spool(self) -> Spool:
        """Start an instance that uses the spool: nothing is in its memory."""
        time = OssClock(self.clock.now)
        return Spool(self.bucket(time), LEASE_SECONDS, time, self._tell)

    def leases(self, own: Callable[[], float] | None = None) -> Leases:
        """Start an instance that takes leases, by a clock of its own where one is given."""
        time = OssClock(own or self.clock.now)
        return Leases(self.bucket(time), LEASE_SECONDS, time)

    def listed(self, area: str = "") -> list[str]:
        """List what lies below an area, without the spool's prefix."""
        found = [key for key in self.oss.keys("spool") if key.startswith(PREFIX + area)]
        return [key.removeprefix(PREFIX) for key in found]

    def put(self, key: str, data: bytes) -> None:
        """Let something lie in the spool."""
        self.oss.put("spool", PREFIX + key, data)

    def read(self, key: str) -> bytes:
        """Read what lies in the spool."""
        stored = self.oss.read("spool", PREFIX + key)
        assert stored is not None
        return bytes(stored.data)

    def bucket(self, time: OssClock, name: str = "spool", prefix: str = PREFIX) -> Bucket:
        """Make a client of a bucket."""
        adapter = RequestsAdapter(self._handle, self.clock)
        keys = KeyRing(KEYS)
        return Bucket(ENDPOINT, REGION, name, prefix, keys, time, readers=1, adapter=adapter, signing=self.clock.now)

    def _tell(self, event: str, **details: Any) -> None:
        self.told.append({"event": event, **details})

    def _handle(self, request: Request) -> Response:
        response = self.oss.handle(request)
        assert isinstance(response, Response)
        self.requests.append(f"{request.method} {request.path}")
        self.after(request)
        return response
