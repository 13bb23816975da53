"""One request as OSS sees it: a `web.Request` goes in; bucket, key and arguments come out, or a refusal."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.state import DEFAULT_CONTENT_TYPE, META_PREFIX, header_bytes
from scripts.localcloud.web import Request, parse_pairs

KEY_BYTES_MAX: Final = 1023

# bucket.oss-cn-hangzhou.aliyuncs.com, its -internal form, and bucket.localhost for browsers.
_VIRTUAL_HOST = re.compile(r"(?P<bucket>[^.]+)\.(?:oss[a-z0-9-]*\.aliyuncs\.com|localhost)")
_SERVICE_HOST = re.compile(r"oss[a-z0-9-]*\.aliyuncs\.com")

# The headers that an upload may set and that reading the object gives back.
_KEPT_HEADERS: Mapping[str, str] = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-type": "Content-Type",
    "expires": "Expires",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its bucket, key (both empty where the request names none) and arguments."""

    request: Request
    request_id: str
    now: float
    bucket: str
    key: str
    params: Mapping[str, str]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method

    def header(self, name: str, default: str = "") -> str:
        """Return the value of a header, whatever the case of `name`."""
        return self.request.header(name, default)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Read an argument that must be a whole number within bounds."""
        text = self.params.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise OssError(
                "InvalidArgument",
                f"Argument {name} must be an integer between {lowest} and {highest}.",
                ArgumentName=name,
                ArgumentValue=text,
            )
        return int(text)

    @property
    def url_encoding(self) -> bool:
        """Whether the reply must percent-encode keys."""
        kind = self.params.get("encoding-type", "")
        if kind not in ("", "url"):
            raise OssError("InvalidArgument", "Invalid Encoding Method specified in Request.")
        return kind == "url"

    @property
    def forbids_overwrite(self) -> bool:
        """Whether the request may only create."""
        return self.header("x-oss-forbid-overwrite").lower() == "true"

    def body(self) -> bytes:
        """Return the body, once its Content-MD5 was checked."""
        expected = self.header("content-md5")
        if expected:
            actual = base64.b64encode(hashlib.md5(self.request.body).digest()).decode()
            if actual != expected:
                raise OssError("InvalidDigest", **{"Content-MD5": expected, "Expected-MD5": actual})
        return self.request.body

    def text(self) -> str:
        """Return the body of a request that carries XML."""
        try:
            return self.body().decode()
        except UnicodeDecodeError:
            raise OssError("MalformedXML") from None


def parse(request: Request, *, request_id: str, now: float) -> Call:
    """Find bucket, key and arguments; refuses names that OSS would refuse."""
    bucket, key = locate(request)
    if len(key.encode()) > KEY_BYTES_MAX:
        raise OssError("InvalidObjectName", ObjectName=key)
    # In a path a plus sign is itself, but oss2 writes spaces in a query as plus signs and signs spaces.
    params = dict(parse_pairs(request.query))
    return Call(request, request_id, now, bucket, key, params)


def locate(request: Request) -> tuple[str, str]:
    """Return the bucket and key that a request names, path-style or by virtual host."""
    path = decode_name(request.path[1:])
    if hit := _VIRTUAL_HOST.fullmatch(request.host_name):
        return hit["bucket"], path
    if path and _SERVICE_HOST.fullmatch(request.host_name):
        raise OssError("SecondLevelDomainForbidden")
    bucket, _, key = path.partition("/")
    return bucket, key


def decode_name(text: str) -> str:
    """Decode a percent-encoded bucket or key, which must be UTF-8."""
    try:
        return unquote_to_bytes(header_bytes(text)).decode()
    except UnicodeDecodeError:
        raise OssError("InvalidObjectName", ObjectName=text) from None


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick the headers that are stored with an object; names come in lower case."""
    kept = {"Content-Type": DEFAULT_CONTENT_TYPE}
    for name, value in headers.items():
        if name.startswith(META_PREFIX):
            kept[name] = value
        elif name in _KEPT_HEADERS and value:
            kept[_KEPT_HEADERS[name]] = value
    return kept


def copy_source(call: Call) -> tuple[str, str]:
    """Return the bucket and key that `x-oss-copy-source` names."""
    path, _, _ = call.header("x-oss-copy-source").partition("?")
    bucket, _, key = decode_name(path.removeprefix("/")).partition("/")
    if not bucket or not key:
        raise OssError("InvalidArgument", "Copy Source must mention the source bucket and key.")
    return bucket, key
