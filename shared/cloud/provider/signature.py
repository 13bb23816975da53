"""Parts of a request and a key in, the headers that sign it out: Alibaba Cloud's V3 (ACS3-HMAC-SHA256).

Source: the vendor's page "V3 request syntax and signature"; test vectors stand in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"


def percent_encode(text: str) -> str:
    """Encode UTF-8 per RFC 3986; only unreserved characters stay."""
    return quote(text, safe="")


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode and sort the parameters; an empty value keeps its `=`."""
    encoded = sorted((percent_encode(name), percent_encode(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def canonical_request(
    method: str, path: str, query: Iterable[tuple[str, str]], headers: Iterable[tuple[str, str]], body_hash: str
) -> tuple[str, str]:
    """Return the canonical request and the list of signed header names. All given headers are signed."""
    by_name: dict[str, list[str]] = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), []).append(value.strip())
    names = sorted(by_name)
    lines = "".join(f"{name}:{','.join(sorted(by_name[name]))}\n" for name in names)
    signed = ";".join(names)
    return "\n".join([method, path, canonical_query(query), lines, signed, body_hash]), signed


def body_hash(body: bytes) -> str:
    """The hash of a body, as `x-acs-content-sha256` carries it."""
    return hashlib.sha256(body).hexdigest()


def sign(canonical: str, secret: str) -> str:
    """Sign a canonical request with an access key's secret; lower-case hex."""
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def authorization(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    key_id: str,
    secret: str,
) -> str:
    """Build the `Authorization` header. `headers` must hold host, the x-acs-* headers and the content type."""
    canonical, signed = canonical_request(method, path, query, headers.items(), headers["x-acs-content-sha256"])
    return f"{ALGORITHM} Credential={key_id},SignedHeaders={signed},Signature={sign(canonical, secret)}"
