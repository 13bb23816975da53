"""A request to Function Compute and the known keys go in; the reason to refuse it, or None, comes out.

Two signatures are understood: `FC <id>:<base64>` of API version 2016-08-15, and ACS3-HMAC-SHA256
of 2023-03-30.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from scripts.localcloud.web import Request, parse_pairs

CLOCK_SKEW_SECONDS_MAX = 15 * 60
ACS3 = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})")
ACS3_SIGNED_ALWAYS = frozenset({"host", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, in the platform's words."""

    status: int
    code: str
    message: str


MISMATCH = Refusal(
    403,
    "SignatureNotMatch",
    "The request signature we calculated does not match the signature you provided. "
    "Check your access key and signing method.",
)
SKEWED = Refusal(403, "AccessDenied", "the request's date is too far from the server's time")


def check(request: Request, keys: Mapping[str, str], now: float) -> Refusal | None:
    """Verify the signature of a request; `keys` maps access key ids to secrets, `now` is in epoch seconds."""
    authorization = request.header("authorization")
    if not authorization:
        return _missing("Authorization")
    if authorization.startswith("ACS3-HMAC-SHA256 "):
        return _check_acs3(request, authorization, keys, now)
    return _check_fc(request, authorization, keys, now)


def fc_string_to_sign(request: Request) -> str:
    """Write out what the `FC` signature covers."""
    names = sorted(name for name in request.headers if name.startswith("x-fc-"))
    fixed = [request.header(name) for name in ("content-md5", "content-type", "date")]
    signed = [f"{name}:{request.header(name)}" for name in names]
    return "\n".join([request.method, *fixed, *signed, unquote(request.path)])


def acs3_string_to_sign(request: Request, signed_headers: str) -> str:
    """Write out what an ACS3 signature covers; `signed_headers` is the list as the client sent it."""
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in parse_pairs(request.query))
    canonical = "\n".join(
        [
            request.method,
            request.path or "/",
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{request.header(name).strip()}" for name in signed_headers.split(";")),
            "",
            signed_headers,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    return "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()


def _check_fc(request: Request, authorization: str, keys: Mapping[str, str], now: float) -> Refusal | None:
    credential = authorization.removeprefix("FC ")
    key_id, _, signature = credential.partition(":")
    if credential == authorization or not signature:
        return Refusal(400, "InvalidArgument", "the Authorization header is not `FC <id>:<signature>`")
    if not request.header("date"):
        return _missing("Date")
    if key_id not in keys:
        return _unknown(key_id)
    if not _is_near(_http_date(request.header("date")), now):
        return SKEWED
    digest = hmac.new(keys[key_id].encode(), fc_string_to_sign(request).encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(base64.b64encode(digest).decode(), signature) else MISMATCH


def _check_acs3(request: Request, authorization: str, keys: Mapping[str, str], now: float) -> Refusal | None:
    match = ACS3.fullmatch(authorization)
    if not match:
        return Refusal(400, "InvalidArgument", "the Authorization header is not complete")
    key_id, signed_headers, signature = match.groups()
    if absent := ACS3_SIGNED_ALWAYS.difference(signed_headers.split(";")):
        return _missing(min(absent))
    if key_id not in keys:
        return _unknown(key_id)
    if not _is_near(_iso_date(request.header("x-acs-date")), now):
        return SKEWED
    text = acs3_string_to_sign(request, signed_headers)
    expected = hmac.new(keys[key_id].encode(), text.encode(), hashlib.sha256).hexdigest()
    same_body = request.header("x-acs-content-sha256") == hashlib.sha256(request.body).hexdigest()
    return None if same_body and hmac.compare_digest(expected, signature) else MISMATCH


def _missing(header: str) -> Refusal:
    return Refusal(400, "MissingRequiredHeader", f"required HTTP header {header} was not specified")


def _unknown(key_id: str) -> Refusal:
    return Refusal(403, "InvalidAccessKeyID", f"invalid access key ID '{key_id}'")


def _is_near(moment: datetime | None, now: float) -> bool:
    return moment is not None and abs(moment.timestamp() - now) <= CLOCK_SKEW_SECONDS_MAX


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def _iso_date(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")
