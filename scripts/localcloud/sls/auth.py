"""A request to the log service goes in; nothing, or the reason why its signature is refused, comes out.

Rules, as the vendor's clients follow them:
1. `LOG key:signature` signs with HMAC-SHA1 or HMAC-SHA256, as `x-log-signaturemethod` says.
2. `SLS4-HMAC-SHA256 Credential=key/date/region/sls/aliyun_v4_request,Signature=...` names no signed headers:
   they are always Content-Type, Host, and all `x-log-` and `x-acs-` headers but `x-log-meta-`.
3. `x-log-date` is a copy of Date made for proxies after `LOG` has signed, so `LOG` does not sign it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from scripts.localcloud.web import Request, parse_pairs

SKEW_SECONDS_MAX = 15 * 60
"""How far a request's time may be from the service's ("RequestTimeExpired" in the vendor's error table)."""

DIGESTS = {"hmac-sha1": hashlib.sha1, "hmac-sha256": hashlib.sha256}
V4_ALGORITHM = "SLS4-HMAC-SHA256"
V4_AUTHORIZATION = re.compile(
    rf"{V4_ALGORITHM} Credential=([^/]+)/((\d{{8}})/([^/]+)/sls/aliyun_v4_request),Signature=(\w+)"
)


class SlsError(Exception):
    """A request the service refuses: an HTTP status, one of the vendor's error codes, and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def verify(request: Request, keys: Mapping[str, str]) -> str:
    """Return the access key id that signed the request; `SlsError` if none of `keys` (id to secret) did."""
    authorization = request.header("authorization")
    if match := V4_AUTHORIZATION.fullmatch(authorization):
        access_key_id, scope, day, region, signature = match.groups()
        expected = _signature_v4(request, _secret(keys, access_key_id), day, region, scope)
    elif authorization.startswith("LOG ") and ":" in authorization:
        access_key_id, _, signature = authorization[len("LOG ") :].partition(":")
        expected = _signature_v1(request, _secret(keys, access_key_id))
    else:
        raise SlsError(401, "Unauthorized", "The request carries no signature of a known form.")
    if not hmac.compare_digest(expected, signature):
        raise SlsError(401, "SignatureNotMatch", f"Signature {signature} not match.")
    return access_key_id


def _secret(keys: Mapping[str, str], access_key_id: str) -> str:
    try:
        return keys[access_key_id]
    except KeyError:
        raise SlsError(401, "Unauthorized", f"AccessKeyId {access_key_id} is unauthorized.") from None


def _signature_v1(request: Request, secret: str) -> str:
    method = request.header("x-log-signaturemethod")
    if method not in DIGESTS:
        raise SlsError(400, "InvalidSignatureMethod", f"x-log-signaturemethod {method} is unsupported.")
    signed = {name: value for name, value in _vendor_headers(request).items() if name != "x-log-date"}
    text = "\n".join(
        [
            request.method,
            request.header("content-md5"),
            request.header("content-type"),
            _date_v1(request),
            *(f"{name}:{value}" for name, value in signed.items()),
            _resource_v1(request),
        ]
    )
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), DIGESTS[method]).digest()).decode()


def _date_v1(request: Request) -> str:
    return request.header("x-log-date") or request.header("date")


def _resource_v1(request: Request) -> str:
    pairs = sorted(parse_pairs(request.query))
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return unquote(request.path) + (f"?{query}" if query else "")


def _signature_v4(request: Request, secret: str, day: str, region: str, scope: str) -> str:
    digest = request.header("x-log-content-sha256")
    if digest != hashlib.sha256(request.body).hexdigest():
        raise SlsError(400, "ParameterInvalid", "x-log-content-sha256 is not the digest of the body.")
    canonical = hashlib.sha256(_canonical_v4(request, digest).encode()).hexdigest()
    text = "\n".join([V4_ALGORITHM, request.header("x-log-date"), scope, canonical])
    key = f"aliyun_v4{secret}".encode()
    for part in (day, region, "sls", "aliyun_v4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical_v4(request: Request, digest: str) -> str:
    headers = _vendor_headers(request)
    headers |= {name: value for name, value in request.headers.items() if name in ("content-type", "host")}
    pairs = sorted((name, quote(value, safe="~")) for name, value in parse_pairs(request.query))
    return "\n".join(
        [
            request.method,
            unquote(request.path),
            "&".join(f"{name}={value}" if value else name for name, value in pairs),
            *(f"{name}:{headers[name].strip()}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            digest,
        ]
    )


def _vendor_headers(request: Request) -> dict[str, str]:
    """Return the headers that every signature covers, in the order of their names."""
    return {
        name: request.headers[name]
        for name in sorted(request.headers)
        if name.startswith(("x-log-", "x-acs-")) and not name.startswith("x-log-meta-")
    }


def check_time(request: Request, now: float) -> None:
    """Raise `SlsError` where the request was signed too long before or after `now`."""
    text = _date_v1(request)
    try:
        sent = _parsed(text).timestamp()
    except ValueError:
        message = f"Request time {text} not follow RFC822 spec."
        raise SlsError(400, "InvalidRequestTime", message) from None
    if abs(now - sent) > SKEW_SECONDS_MAX:
        server = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = f"Request time {text} has been expired while server time is {server}."
        raise SlsError(400, "RequestTimeExpired", message)


def _parsed(text: str) -> datetime:
    """Read the time of either signature: an RFC 822 date, or `20261122T051200Z`."""
    if re.fullmatch(r"\d{8}T\d{6}Z", text):
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return parsedate_to_datetime(text)
