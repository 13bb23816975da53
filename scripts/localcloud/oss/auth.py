"""Signatures of OSS: a call goes in, the access key id that signed it comes out, or a refusal.

Rules:
1. Four forms are understood: V1 and V4, each in the Authorization header or in the query.
2. A call without any of them is anonymous (None); what it may do is not decided here.
3. The access key is checked before the time, the time before the signature, the token last.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from scripts.localcloud.clock import Clock
from scripts.localcloud.oss.call import Call
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.events import iso_time
from scripts.localcloud.oss.state import header_bytes

# "The request time differs from the current time by more than 15 minutes": RequestTimeTooSkewed.
SKEW_SECONDS_MAX: Final = 900
# A V4 URL may be valid for 7 days.
V4_URL_SECONDS_MAX: Final = 604_800
V4_ALGORITHM: Final = "OSS4-HMAC-SHA256"
_V4_ALWAYS_SIGNED: Final = frozenset({"content-type", "content-md5"})

# The query arguments that V1 signs: what the request acts on, and what changes its reply.
_SUBRESOURCE_NAMES: Final = """
accessPoint accessPointPolicy accessmonitor acl append asyncFetch bucketArchiveDirectRead bucketInfo
callback callback-var cloudboxes cname comp continuation-token cors delete encryption endTime group
httpsConfig img inventory inventoryId lifecycle link live location logging metaQuery objectInfo objectMeta
partNumber policy position processConfiguration publicAccessBlock qos qosInfo qosRequester
redundancyTransition referer regionList replication replicationLocation replicationProgress
requestPayment requesterQosInfo resourceGroup resourcePool resourcePoolBuckets resourcePoolInfo
response-cache-control response-content-disposition response-content-encoding response-content-language
response-content-type response-expires restore rtc security-token sequential startTime stat status style
styleName symlink tagging transferAcceleration uploadId uploads versionId versioning versions vod website
worm wormExtend wormId x-oss-ac-forward-allow x-oss-ac-source-ip x-oss-ac-subnet-mask x-oss-ac-vpc-id
x-oss-access-point-name x-oss-async-process x-oss-process x-oss-redundancy-transition-taskid
x-oss-request-payer x-oss-target-redundancy-type x-oss-traffic-limit x-oss-write-get-object-response
"""
SUBRESOURCES: Final = frozenset(_SUBRESOURCE_NAMES.split())


@dataclass(frozen=True, slots=True)
class Verifier:
    """Knows the secrets: `keys` by access key id, and the tokens that temporary keys must show.

    `expired_tokens` were good once. `clock` is the one that signatures are dated by.
    """

    clock: Clock
    keys: Mapping[str, str]
    region: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    expired_tokens: set[str] = field(default_factory=set)

    def signer(self, call: Call) -> str | None:
        """Return the access key id that signed the call, or None for an anonymous one."""
        authorization = call.header("authorization")
        if authorization.startswith("OSS "):
            return self._v1_header(call, authorization[4:])
        if authorization.startswith(V4_ALGORITHM):
            return self._v4_header(call, authorization[len(V4_ALGORITHM) :])
        if authorization:
            raise OssError("InvalidArgument", "Authorization header is invalid.")
        if call.params.get("x-oss-signature-version") == V4_ALGORITHM:
            return self._v4_query(call)
        if "Signature" in call.params:
            return self._v1_query(call)
        return None

    def secret(self, access_key_id: str) -> str:
        """Return the secret of an access key, or refuse with InvalidAccessKeyId."""
        try:
            return self.keys[access_key_id]
        except KeyError:
            raise OssError("InvalidAccessKeyId", OSSAccessKeyId=access_key_id) from None

    def check_token(self, access_key_id: str, token: str) -> None:
        """Refuse a temporary key whose token is missing or wrong."""
        expected = self.tokens.get(access_key_id)
        if expected is not None and not token:
            # Without its token a temporary key is not known to OSS at all.
            raise OssError("InvalidAccessKeyId", OSSAccessKeyId=access_key_id)
        if token in self.expired_tokens:
            raise OssError("SecurityTokenExpired")
        if expected is not None and token != expected:
            raise OssError("InvalidSecurityToken")

    def check_scope(self, date: str, scope: list[str]) -> None:
        """Refuse a V4 scope (date, region, product, terminator) that is not for here and that day."""
        if len(scope) != 4 or scope[2:] != ["oss", "aliyun_v4_request"] or scope[0] != date[:8]:
            raise OssError("InvalidArgument", "Invalid signing scope in Authorization header.")
        if scope[1] != self.region:
            raise OssError("InvalidArgument", "Invalid signing region in Authorization header.")

    def _v1_header(self, call: Call, credential: str) -> str:
        access_key_id, _, given = credential.strip().partition(":")
        secret = self.secret(access_key_id)
        date = call.header("x-oss-date") or call.header("date")
        self._check_skew(http_time(date))
        to_sign = v1_string_to_sign(call, date)
        _compare(given, v1_signature(secret, to_sign), access_key_id, StringToSign=_text(to_sign))
        self.check_token(access_key_id, call.header("x-oss-security-token") or call.header("security-token"))
        return access_key_id

    def _v1_query(self, call: Call) -> str:
        access_key_id = call.params.get("OSSAccessKeyId", "")
        secret = self.secret(access_key_id)
        expires = call.params.get("Expires", "")
        if not expires.isdigit() or int(expires) < self.clock.now():
            raise OssError("AccessDenied", "Request has expired.", Expires=expires)
        to_sign = v1_string_to_sign(call, expires)
        given = call.params["Signature"]
        _compare(given, v1_signature(secret, to_sign), access_key_id, StringToSign=_text(to_sign))
        self.check_token(access_key_id, call.params.get("security-token", ""))
        return access_key_id

    def _v4_header(self, call: Call, authorization: str) -> str:
        # One client writes a space after each comma, the other does not.
        fields = dict(_field(part) for part in authorization.split(","))
        access_key_id, *scope = fields.get("Credential", "").split("/")
        secret = self.secret(access_key_id)
        date = call.header("x-oss-date")
        self._check_skew(v4_time(date))
        self.check_scope(date, scope)
        additional = fields.get("AdditionalHeaders", "")
        request = v4_canonical_request(call, additional)
        to_sign = v4_string_to_sign(date, scope, request)
        self._compare_v4(fields.get("Signature", ""), secret, scope, to_sign, access_key_id, request)
        self.check_token(access_key_id, call.header("x-oss-security-token"))
        return access_key_id

    def _v4_query(self, call: Call) -> str:
        params = call.params
        access_key_id, *scope = params.get("x-oss-credential", "").split("/")
        secret = self.secret(access_key_id)
        date, lifetime = params.get("x-oss-date", ""), params.get("x-oss-expires", "")
        if not lifetime.isdigit() or not 1 <= int(lifetime) <= V4_URL_SECONDS_MAX:
            raise OssError("InvalidArgument", "X-OSS-Expires must be between 1 and 604800.")
        signed_at = v4_time(date)
        now = self.clock.now()
        if signed_at is None or not signed_at - SKEW_SECONDS_MAX <= now <= signed_at + int(lifetime):
            raise OssError("AccessDenied", "Request has expired.", Expires=lifetime)
        self.check_scope(date, scope)
        request = v4_canonical_request(call, params.get("x-oss-additional-headers", ""))
        to_sign = v4_string_to_sign(date, scope, request)
        self._compare_v4(params.get("x-oss-signature", ""), secret, scope, to_sign, access_key_id, request)
        self.check_token(access_key_id, params.get("x-oss-security-token", ""))
        return access_key_id

    def _check_skew(self, signed_at: float | None) -> None:
        if signed_at is None:
            raise OssError("AccessDenied", "OSS authentication requires a valid Date.")
        now = self.clock.now()
        if abs(now - signed_at) > SKEW_SECONDS_MAX:
            times = {"RequestTime": iso_time(signed_at), "ServerTime": iso_time(now)}
            raise OssError("RequestTimeTooSkewed", MaxAllowedSkewMilliseconds="900000", **times)

    @staticmethod
    def _compare_v4(
        given: str, secret: str, scope: list[str], to_sign: str, access_key_id: str, request: bytes
    ) -> None:
        expected = v4_signature(secret, scope, to_sign)
        _compare(given, expected, access_key_id, StringToSign=to_sign, CanonicalRequest=_text(request))


def _field(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name, value


def _text(signed: bytes) -> str:
    return signed.decode("utf-8", "replace")


def _compare(given: str, expected: str, access_key_id: str, **details: str) -> None:
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise OssError("SignatureDoesNotMatch", OSSAccessKeyId=access_key_id, SignatureProvided=given, **details)


def http_time(text: str) -> float | None:
    """Return the epoch seconds of a Date header, or None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def v4_time(text: str) -> float | None:
    """Return the epoch seconds of `20260102T030405Z`, or None where it is none."""
    try:
        return float(calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None


def _header_lines(call: Call, also: Iterable[str]) -> bytes:
    wanted = [
        (name, header_bytes(value))
        for name, value in call.request.headers.items()
        if name.startswith("x-oss-") or name in also
    ]
    return b"".join(name.encode() + b":" + value + b"\n" for name, value in sorted(wanted))


def v1_string_to_sign(call: Call, date: str) -> bytes:
    """Build what V1 signs; `date` is the expiry in a signed URL."""
    # What has no bucket is the list of buckets, whose resource is a lone slash.
    resource = f"/{call.bucket}/{call.key}" if call.bucket else "/"
    signed = sorted((name, value) for name, value in call.params.items() if name in SUBRESOURCES)
    if signed:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in signed)
    first = (call.method, call.header("content-md5"), call.header("content-type"), date)
    lines = b"".join(header_bytes(line) + b"\n" for line in first)
    return lines + _header_lines(call, ()) + resource.encode()


def v1_signature(secret: str, to_sign: bytes) -> str:
    """Sign with HMAC-SHA1, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), to_sign, hashlib.sha1)).decode()


def v4_canonical_request(call: Call, additional: str) -> bytes:
    """Build the canonical request of V4; `additional` lists further signed headers by semicolons."""
    resource = f"/{call.bucket}/{call.key}" if call.bucket else "/"
    pairs = sorted(
        (quote(name, safe=""), quote(value, safe=""))
        for name, value in call.params.items()
        if name != "x-oss-signature"
    )
    query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    headers = _header_lines(call, _V4_ALWAYS_SIGNED.union(filter(None, additional.split(";"))))
    payload = call.header("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
    head = f"{call.method}\n{quote(resource, safe='/')}\n{query}\n".encode()
    return head + headers + f"\n{additional}\n{payload}".encode()


def v4_string_to_sign(date: str, scope: list[str], canonical_request: bytes) -> str:
    """Build what V4 signs."""
    digest = hashlib.sha256(canonical_request).hexdigest()
    return "\n".join([V4_ALGORITHM, date, "/".join(scope), digest])


def v4_signature(secret: str, scope: list[str], to_sign: str) -> str:
    """Sign with HMAC-SHA256 by the key that is derived for the scope, in hex."""
    key = f"aliyun_v4{secret}".encode()
    for step in scope:
        key = hmac.digest(key, step.encode(), hashlib.sha256)
    return hmac.digest(key, to_sign.encode(), hashlib.sha256).hex()
