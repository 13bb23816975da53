"""Reading objects: GET and HEAD with ranges and conditions, `?objectMeta`, `?symlink` and `?acl`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from scripts.localcloud.oss import xml
from scripts.localcloud.oss.call import Call
from scripts.localcloud.oss.core import Core
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.state import StoredObject
from scripts.localcloud.web import Request, Response

_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")
# Arguments of a signed URL that replace headers of the reply.
_OVERRIDABLE: Final = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)


def get_object(core: Core, call: Call) -> Response:
    """GET or HEAD an object, or the target of a symlink, with conditions and a range."""
    version_id = call.params.get("versionId", "")
    kind = core.object(call.bucket, call.key, version_id).kind
    found = core.resolved(call.bucket, call.key, version_id)
    check_conditions(found, call.request)
    headers = {**described(found), "x-oss-object-type": kind, **_overrides(call.params)}
    span = parse_range(call.request, found.size)
    if span is None:
        return _with_body(call.request, 200, headers, found.data)
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
    return _with_body(call.request, 206, headers, found.data[first : last + 1])


def _overrides(params: Mapping[str, str]) -> dict[str, str]:
    wanted = {name.title(): params.get(f"response-{name}", "") for name in _OVERRIDABLE}
    return {name: value for name, value in wanted.items() if value}


def _with_body(request: Request, status: int, headers: dict[str, str], data: bytes) -> Response:
    headers["Content-Length"] = str(len(data))
    return Response(status, headers, b"" if request.method == "HEAD" else data)


def described(found: StoredObject) -> dict[str, str]:
    """Return the headers that describe an object."""
    headers = {
        **brief(found),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": found.kind,
        "x-oss-hash-crc64ecma": str(found.crc64),
        "x-oss-storage-class": "Standard",
        **found.headers,
    }
    if found.content_md5:
        headers["Content-MD5"] = found.content_md5
    if found.version_id:
        headers["x-oss-version-id"] = found.version_id
    if found.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(found.size)
    return headers


def brief(found: StoredObject) -> dict[str, str]:
    """Return the headers that tell one version of an object from another."""
    return {"ETag": f'"{found.etag}"', "Last-Modified": formatdate(found.modified, usegmt=True)}


def parse_range(request: Request, size: int) -> tuple[int, int] | None:
    """Return the first and last byte asked for, or None for the whole object.

    By default OSS ignores a range that does not lie within the object; only with
    `x-oss-range-behavior: standard` does it cut the end or answer 416.
    """
    hit = _RANGE.fullmatch(request.header("range").strip())
    if hit is None or not (hit["first"] or hit["last"]):
        return None
    standard = request.header("x-oss-range-behavior").lower() == "standard"
    first, last = _span(hit["first"], hit["last"], size)
    if standard:
        first, last = max(first, 0), min(last, size - 1)
    if 0 <= first <= last < size:
        return first, last
    if standard and first >= size:
        raise OssError("InvalidRange").with_headers(Content_Range=f"bytes */{size}")
    return None


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return size - int(last), size - 1
    return int(first), int(last) if last else size - 1


def check_conditions(found: StoredObject, request: Request, prefix: str = "") -> None:
    """Refuse with PreconditionFailed or NotModified; `prefix` is set for the source of a copy."""
    if (tags := request.header(f"{prefix}if-match")) and not _names(tags, found.etag):
        raise OssError("PreconditionFailed", Condition="If-Match")
    before = _http_time(request.header(f"{prefix}if-unmodified-since"))
    if before is not None and int(found.modified) > before:
        raise OssError("PreconditionFailed", Condition="If-Unmodified-Since")
    tags = request.header(f"{prefix}if-none-match")
    since = _http_time(request.header(f"{prefix}if-modified-since"))
    unchanged = since is not None and int(found.modified) <= since
    if _names(tags, found.etag) if tags else unchanged:
        raise OssError("NotModified").with_headers(**brief(found))


def _names(tags: str, etag: str) -> bool:
    """Whether a list of eTags, quoted or not, names this one."""
    given = {tag.strip().removeprefix("W/").strip('"') for tag in tags.split(",")}
    return "*" in given or etag in {tag.upper() for tag in given}


def _http_time(text: str) -> float | None:
    """Return the epoch seconds of an HTTP date; one that cannot be read counts as not sent."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def object_meta(core: Core, call: Call) -> Response:
    """Answer `?objectMeta`: size, eTag and time, and nothing else."""
    found = core.resolved(call.bucket, call.key, call.params.get("versionId", ""))
    check_conditions(found, call.request)
    headers = {**brief(found), "x-oss-hash-crc64ecma": str(found.crc64)}
    # Only HEAD can state a length without sending a body of that length.
    headers["Content-Length"] = str(found.size) if call.method == "HEAD" else "0"
    return Response(200, headers)


def get_symlink(core: Core, call: Call) -> Response:
    """Answer `?symlink`: where the link points, whether or not that object exists."""
    found = core.object(call.bucket, call.key)
    if found.kind != "Symlink":
        raise OssError("NotSymlink", Key=call.key)
    return Response(200, {**brief(found), "x-oss-symlink-target": quote(found.target, safe="")})


def get_object_acl(core: Core, call: Call) -> Response:
    """Answer `?acl` of an object."""
    return acl_reply(core, core.object(call.bucket, call.key).acl)


def acl_reply(core: Core, acl: str) -> Response:
    """Write an access control policy."""
    grant = xml.group("AccessControlList", [xml.element("Grant", acl)])
    return xml_reply("AccessControlPolicy", [owner(core), grant])


def owner(core: Core) -> str:
    """Write the owner, who is always the account."""
    names = [xml.element("ID", core.account_id), xml.element("DisplayName", core.account_id)]
    return xml.group("Owner", names)


def xml_reply(root: str, parts: list[str], headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a document."""
    return Response(200, {"Content-Type": "application/xml", **(headers or {})}, xml.document(root, parts))
