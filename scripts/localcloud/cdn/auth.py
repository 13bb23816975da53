"""A request to the CDN's gateway goes in; who calls, and for what, comes out, or a `RefusedError`.

Rules:
1. Two signatures are understood: HMAC-SHA1 over all parameters (`RPC`, which SDKs call "v2" and which
   sends `SignatureVersion=1.0`), and ACS3 (V3) over method, path, query, headers and body.
2. A space arrives as `+` and is signed as `%20`: parameters are decoded, then encoded again.
3. A body is hashed as it came; what the client says its hash is must agree.
4. A time stamp is good for 15 minutes either way, and a nonce once while its time stamp is good.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

from scripts.localcloud.cdn.errors import RefusedError, missing
from scripts.localcloud.clock import Clock
from scripts.localcloud.web import Request, parse_pairs

RPC = "HMAC-SHA1"
ACS3_DIGESTS = {"ACS3-HMAC-SHA256": "sha256", "ACS3-HMAC-SM3": "sm3"}
CLOCK_SKEW_MAX_SECONDS = 15 * 60
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
FORM_TYPE = "application/x-www-form-urlencoded"
ACS3_HEADERS_TO_SIGN = frozenset(
    {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
)
RPC_PARAMS_TO_SEND = (
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureVersion",
    "Timestamp",
)

Pairs = Iterable[tuple[str, str]]


def percent_encode(text: str) -> str:
    """Encode UTF-8 text as RFC 3986 does: all but letters, digits, and `-_.~`, in upper-case hex."""
    return quote(text, safe="-_.~")


def canonical_query(pairs: Pairs) -> str:
    """Join parameters as both signatures sign them: sorted by name, encoded, `k=` where a value is empty."""
    ordered = sorted(pairs, key=lambda pair: (pair[0].encode(), pair[1].encode()))
    return "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in ordered)


def rpc_string_to_sign(method: str, pairs: Pairs) -> str:
    """Build what RPC signs: the method and all parameters but the signature."""
    return f"{method}&%2F&{percent_encode(canonical_query(p for p in pairs if p[0] != 'Signature'))}"


def rpc_signature(secret: str, string_to_sign: str) -> str:
    """Sign with the secret followed by `&`, as RPC has it; Base64."""
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def acs3_canonical_request(method: str, path: str, query: Pairs, signed_headers: Pairs, payload_hash: str) -> str:
    """Build the canonical request; the values of a header given twice are sorted and joined."""
    values: dict[str, list[str]] = {}
    for name, value in signed_headers:
        values.setdefault(name.lower(), []).append(value.strip())
    lines = "".join(f"{name}:{','.join(sorted(values[name]))}\n" for name in sorted(values))
    return "\n".join([method, path, canonical_query(query), lines, ";".join(sorted(values)), payload_hash])


def acs3_string_to_sign(canonical_request: str, algorithm: str = "ACS3-HMAC-SHA256") -> str:
    """Build what ACS3 signs: the algorithm and the hash of the canonical request."""
    hashed = hashlib.new(ACS3_DIGESTS[algorithm], canonical_request.encode()).hexdigest()
    return f"{algorithm}\n{hashed}"


def acs3_signature(secret: str, string_to_sign: str, algorithm: str = "ACS3-HMAC-SHA256") -> str:
    """Sign with the secret alone, as ACS3 has it; lower-case hex."""
    return hmac.new(secret.encode(), string_to_sign.encode(), ACS3_DIGESTS[algorithm]).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of itself, before any of it is believed. Absent things are empty.

    `fault` names what makes the signature incomplete.
    """

    algorithm: str
    action: str
    version: str
    access_key: str
    timestamp: str
    nonce: str
    token: str
    signature: str
    string_to_sign: str
    params: Mapping[str, str]
    fault: RefusedError | None = None

    @property
    def wants_xml(self) -> bool:
        """RPC answers in XML unless JSON is asked for; ACS3 answers in JSON."""
        return self.algorithm == RPC and self.params.get("Format", "").lower() != "json"

    def expected_signature(self, secret: str) -> str:
        """Compute the signature this request must bear if `secret` signed it."""
        if self.algorithm == RPC:
            return rpc_signature(secret, self.string_to_sign)
        return acs3_signature(secret, self.string_to_sign, self.algorithm)


def read_claim(request: Request) -> Claim:
    """Read whichever signature the request bears, without judging it."""
    query = parse_pairs(request.query)
    pairs = query + _form(request)
    algorithm, _, fields = request.header("authorization").partition(" ")
    if algorithm in ACS3_DIGESTS:
        return _acs3_claim(request, algorithm, fields, query, dict(pairs))
    return _rpc_claim(request, pairs)


def _form(request: Request) -> list[tuple[str, str]]:
    kind = request.header("content-type").partition(";")[0].strip().lower()
    return parse_pairs(request.body.decode("utf-8", "replace")) if kind == FORM_TYPE else []


def _rpc_claim(request: Request, pairs: list[tuple[str, str]]) -> Claim:
    params = dict(pairs)
    return Claim(
        algorithm=RPC,
        action=params.get("Action", ""),
        version=params.get("Version", ""),
        access_key=params.get("AccessKeyId", ""),
        timestamp=params.get("Timestamp", ""),
        nonce=params.get("SignatureNonce", ""),
        token=params.get("SecurityToken", ""),
        signature=params.get("Signature", ""),
        string_to_sign=rpc_string_to_sign(request.method, pairs),
        params=params,
        fault=_rpc_fault(params),
    )


def _rpc_fault(params: Mapping[str, str]) -> RefusedError | None:
    for name in RPC_PARAMS_TO_SEND:
        if not params.get(name):
            return missing(name)
    if params["SignatureMethod"].upper() != RPC or params["SignatureVersion"] != "1.0":
        return RefusedError("IncompleteSignature", reason="SignatureMethod or SignatureVersion is unknown")
    return None


def _acs3_claim(
    request: Request, algorithm: str, fields: str, query: list[tuple[str, str]], params: Mapping[str, str]
) -> Claim:
    said = dict(_named(field) for field in fields.split(","))
    headers = {"host": request.host, **request.headers}
    names = [name for name in said.get("signedheaders", "").lower().split(";") if name]
    body_hash = hashlib.new(ACS3_DIGESTS[algorithm], request.body).hexdigest()
    signed = [(name, headers.get(name, "")) for name in names]
    canonical = acs3_canonical_request(request.method, request.path or "/", query, signed, body_hash)
    return Claim(
        algorithm=algorithm,
        action=request.header("x-acs-action"),
        version=request.header("x-acs-version"),
        access_key=said.get("credential", ""),
        timestamp=request.header("x-acs-date"),
        nonce=request.header("x-acs-signature-nonce"),
        token=request.header("x-acs-security-token"),
        signature=said.get("signature", ""),
        string_to_sign=acs3_string_to_sign(canonical, algorithm),
        params=params,
        fault=_acs3_fault(headers, said, frozenset(names), body_hash),
    )


def _named(field: str) -> tuple[str, str]:
    """Split one `Name=value` of an Authorization header."""
    name, _, value = field.strip().partition("=")
    return name.lower(), value


def _acs3_fault(
    headers: Mapping[str, str], said: Mapping[str, str], signed: frozenset[str], body_hash: str
) -> RefusedError | None:
    absent = [field for field in ("credential", "signedheaders", "signature") if not said.get(field)]
    if absent:
        return RefusedError("IncompleteSignature", reason=f"Authorization lacks {absent[0]}")
    needed = ACS3_HEADERS_TO_SIGN | ({"x-acs-security-token"} & headers.keys())
    unsigned = sorted(name for name in needed if not headers.get(name) or name not in signed)
    if unsigned:
        return RefusedError("IncompleteSignature", reason=f"header {unsigned[0]} is absent or not signed")
    if headers["x-acs-content-sha256"] != body_hash:
        return RefusedError("SignatureDoesNotMatch", expected=f"x-acs-content-sha256 {body_hash}")
    return None


class Gatekeeper:
    """Believes a claim, or refuses it by name.

    `keys` maps access key ids to secrets and `tokens` the temporary ones among them to their security
    tokens; `expired_tokens` were good once. All three are read at each call, so they may change.
    """

    def __init__(
        self,
        clock: Clock,
        keys: Mapping[str, str],
        tokens: Mapping[str, str],
        expired_tokens: Collection[str],
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._tokens = tokens
        self._expired_tokens = expired_tokens
        self._nonces = _Nonces()

    def admit(self, claim: Claim) -> None:
        """Return if the caller is who the claim says; else raise `RefusedError`."""
        if claim.fault is not None:
            raise claim.fault
        stamped = self._check_time(claim.timestamp)
        secret = self._keys.get(claim.access_key)
        if secret is None:
            raise RefusedError("InvalidAccessKeyId.NotFound")
        self._check_token(claim)
        expected = claim.expected_signature(secret)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise RefusedError("SignatureDoesNotMatch", expected=claim.string_to_sign)
        now = self._clock.now()
        until = max(now, stamped) + CLOCK_SKEW_MAX_SECONDS
        if not self._nonces.spend(f"{claim.access_key} {claim.nonce}", now, until):
            raise RefusedError("SignatureNonceUsed")

    def _check_time(self, timestamp: str) -> float:
        try:
            stamped = datetime.strptime(timestamp, TIME_FORMAT).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            raise RefusedError("InvalidTimeStamp.Format") from None
        if abs(self._clock.now() - stamped) > CLOCK_SKEW_MAX_SECONDS:
            raise RefusedError("InvalidTimeStamp.Expired")
        return stamped

    def _check_token(self, claim: Claim) -> None:
        token = self._tokens.get(claim.access_key, "")
        if token and not claim.token:
            raise RefusedError("MissingSecurityToken")
        if claim.token in self._expired_tokens:
            raise RefusedError("InvalidSecurityToken.Expired")
        if not hmac.compare_digest(token.encode(), claim.token.encode()):
            raise RefusedError("InvalidSecurityToken.MismatchWithAccessKey")


class _Nonces:
    """Nonces that were used, each kept only while the time stamp it came with is good."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._order: deque[str] = deque()

    def spend(self, nonce: str, now: float, until: float) -> bool:
        """Use a nonce up; False if it was used already."""
        self._forget(now)
        if self._until.get(nonce, 0.0) >= now:
            return False
        self._order.append(nonce)
        self._until[nonce] = until
        return True

    def _forget(self, now: float) -> None:
        while self._order and self._until.get(self._order[0], 0.0) < now:
            self._until.pop(self._order.popleft(), None)
