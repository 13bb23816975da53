"""A request of `oss2` in; signed with the keys and the clock of the moment out (OSS4-HMAC-SHA256)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import oss2
import oss2.credentials

from shared.cloud.clock import SigningClock
from shared.cloud.credentials import KeyRing


class _Provider(oss2.credentials.CredentialsProvider):  # type: ignore[misc]
    """Lets oss2 read the current keys at each request."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def get_credentials(self) -> Any:
        keys = self._keys.current()
        return oss2.credentials.Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or None)


class SpoolAuth(oss2.ProviderAuthV4):  # type: ignore[misc]
    """The SDK's own signature, dated by a clock that is given: the SDK's asks the machine for the time."""

    def __init__(self, keys: KeyRing, clock: SigningClock) -> None:
        super().__init__(_Provider(keys))
        self._clock = clock

    def _sign_request(self, req: Any, bucket_name: str, key: str, in_additional_headers: Any = None) -> None:  # noqa: ARG002 - the SDK's seam
        keys = self.credentials_provider.get_credentials()
        if keys.get_security_token():
            req.headers["x-oss-security-token"] = keys.get_security_token()
        moment = datetime.fromtimestamp(self._clock.now(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        req.headers["x-oss-date"] = moment
        req.headers["x-oss-content-sha256"] = "UNSIGNED-PAYLOAD"
        scope = self._ProviderAuthV4__get_scope(moment[:8], req)
        signature = self._ProviderAuthV4__make_signature(req, bucket_name, key, None, keys, moment)
        credential = f"{keys.get_access_key_id()}/{scope}"
        req.headers["authorization"] = f"OSS4-HMAC-SHA256 Credential={credential}, Signature={signature}"
