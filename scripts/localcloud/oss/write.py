"""Writing objects: put, append, copy, symlink, delete one, delete many, set an ACL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from scripts.localcloud.oss import xml
from scripts.localcloud.oss.call import Call, copy_source, decode_name, kept_headers
from scripts.localcloud.oss.core import Core
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.events import iso_time
from scripts.localcloud.oss.read import check_conditions, xml_reply
from scripts.localcloud.oss.state import (
    DEFAULT_CONTENT_TYPE,
    Bucket,
    StoredObject,
    crc64,
    md5_etag,
    new_object,
)
from scripts.localcloud.web import Response

DELETED_KEYS_MAX: Final = 1000
OBJECT_ACLS: Final = frozenset({"default", "private", "public-read", "public-read-write"})


def put_object(core: Core, call: Call) -> Response:
    """PUT an object, or copy one where the request names a source."""
    if call.header("x-oss-copy-source"):
        return copy_object(core, call)
    bucket = core.bucket(call.bucket)
    refuse_overwrite(bucket, call.key, forbidden=call.forbids_overwrite)
    item = new_object(call.key, call.body(), call.now, kept_headers(call.request.headers))
    acl = checked_acl(call.header("x-oss-object-acl", "default"))
    stored = core.store("PutObject", bucket, replace(item, acl=acl), call.request_id)
    return Response(200, checksums(stored))


def refuse_overwrite(bucket: Bucket, key: str, *, forbidden: bool) -> None:
    """Refuse with FileAlreadyExists where the request may only create. Nothing runs in between.

    Where versioning is enabled or suspended the wish is ignored, as on the vendor's page of PutObject.
    """
    if forbidden and not bucket.versioning and bucket.get(key) is not None:
        raise OssError("FileAlreadyExists", Key=key)


def checksums(item: StoredObject) -> dict[str, str]:
    """Return the headers by which a client checks what was stored."""
    headers = {"ETag": f'"{item.etag}"', "x-oss-hash-crc64ecma": str(item.crc64)}
    if item.content_md5:
        headers["Content-MD5"] = item.content_md5
    if item.version_id:
        headers["x-oss-version-id"] = item.version_id
    return headers


def copy_object(core: Core, call: Call) -> Response:
    """Copy an object; its headers are copied too unless the request replaces them."""
    source = core.resolved(*copy_source(call))
    check_conditions(source, call.request, "x-oss-copy-source-")
    bucket = core.bucket(call.bucket)
    refuse_overwrite(bucket, call.key, forbidden=call.forbids_overwrite)
    headers: Mapping[str, str] = source.headers
    if call.header("x-oss-metadata-directive").upper() == "REPLACE":
        headers = kept_headers(call.request.headers)
    item = new_object(call.key, source.data, call.now, headers)
    stored = core.store("CopyObject", bucket, item, call.request_id)
    parts = [xml.element("ETag", f'"{item.etag}"'), xml.element("LastModified", iso_time(call.now))]
    return xml_reply("CopyObjectResult", parts, checksums(stored))


def append_object(core: Core, call: Call) -> Response:
    """Append to an object at the position that must be its length."""
    if "position" not in call.params:
        raise OssError("InvalidArgument", "The request should contain the position parameter.")
    position = call.number("position", 0, 0, 1 << 40)
    bucket = core.bucket(call.bucket)
    old = bucket.get(call.key)
    if old is not None and old.kind != "Appendable":
        raise OssError("ObjectNotAppendable", Key=call.key)
    if position != (old.size if old else 0):
        length = str(old.size if old else 0)
        raise OssError("PositionNotEqualToLength").with_headers(x_oss_next_append_position=length)
    item = core.store("AppendObject", bucket, _appended(old, call), call.request_id, in_place=True)
    return Response(200, {**checksums(item), "x-oss-next-append-position": str(item.size)})


def _appended(old: StoredObject | None, call: Call) -> StoredObject:
    added = call.body()
    if old is None:
        item = new_object(call.key, added, call.now, kept_headers(call.request.headers))
        return replace(item, kind="Appendable")
    data = old.data + added
    crc = crc64(added, old.crc64)
    return replace(old, data=data, etag=md5_etag(data), crc64=crc, modified=call.now)


def put_symlink(core: Core, call: Call) -> Response:
    """Create a symlink; what it points to need not exist."""
    target = decode_name(call.header("x-oss-symlink-target"))
    if not target:
        raise OssError("InvalidArgument", "The symlink target must not be empty.")
    bucket = core.bucket(call.bucket)
    refuse_overwrite(bucket, call.key, forbidden=call.forbids_overwrite)
    item = new_object(call.key, b"", call.now, kept_headers(call.request.headers))
    link = replace(item, kind="Symlink", target=target, etag=md5_etag(target.encode()))
    stored = core.store("PutSymlink", bucket, link, call.request_id)
    version = {"x-oss-version-id": stored.version_id} if stored.version_id else {}
    return Response(200, {"ETag": f'"{link.etag}"', **version})


def delete_object(core: Core, call: Call) -> Response:
    """Delete an object, or one version of it; one that does not exist is deleted just as well."""
    bucket, version_id = core.bucket(call.bucket), call.params.get("versionId", "")
    if not version_id:
        core.remove("DeleteObject", bucket, call.key, call.request_id)
        headers = core.marker_headers(call.bucket, call.key)
        return Response(204, {name.replace("_", "-"): value for name, value in headers.items()})
    dropped = core.remove_version("DeleteObject", bucket, call.key, version_id, call.request_id)
    marker = {"x-oss-delete-marker": "true"} if dropped is not None and dropped.item is None else {}
    return Response(204, {"x-oss-version-id": version_id, **marker})


def delete_objects(core: Core, call: Call) -> Response:
    """Delete up to 1,000 keys. In quiet mode the reply is empty, unless it has to tell of keys that are still there."""
    bucket = core.bucket(call.bucket)
    body = call.text()
    wanted = [(xml.first(entry, "Key"), xml.first(entry, "VersionId")) for entry in xml.children(body, "Object")]
    if not 1 <= len(wanted) <= DELETED_KEYS_MAX or not all(key for key, _ in wanted):
        raise OssError("MalformedXML")
    kept = [key for key, _ in wanted if core.habits.keeps(call.bucket, key)]
    encode = xml.url_encoded if call.url_encoding else str
    deleted = [
        _deleted(core, bucket, key, version_id, call.request_id, encode(key))
        for key, version_id in wanted
        if key not in kept
    ]
    faults = [_not_deleted(encode(key)) for key in kept] if core.habits.undeleted_are_told else []
    if xml.first(body, "Quiet").strip().lower() == "true":
        return xml_reply("DeleteResult", faults) if faults else Response(200)
    encoding = [xml.element("EncodingType", "url")] if call.url_encoding else []
    return xml_reply("DeleteResult", encoding + deleted + faults)


def _deleted(core: Core, bucket: Bucket, key: str, version_id: str, request_id: str, shown: str) -> str:
    """Delete one of many, and describe it."""
    if version_id:
        core.remove_version("DeleteObjects", bucket, key, version_id, request_id)
        return xml.group("Deleted", [xml.element("Key", shown), xml.element("VersionId", version_id)])
    core.remove("DeleteObjects", bucket, key, request_id)
    marker = core.marker_headers(bucket.name, key)
    told = [xml.element("DeleteMarker", text=True)] if marker else []
    told += [xml.element("DeleteMarkerVersionId", marker["x_oss_version_id"])] if marker else []
    return xml.group("Deleted", [xml.element("Key", shown), *told])


def _not_deleted(key: str) -> str:
    told = {"Key": key, "Code": "InternalError", "Message": "We encountered an internal error. Please try again."}
    return xml.group("Error", [xml.element(name, value) for name, value in told.items()])


def delete_directly(core: Core, bucket: str, keys: list[str]) -> list[str]:
    """Delete many keys without a request, and return those that were deleted."""
    found = core.bucket(bucket)
    gone = [key for key in keys if not core.habits.keeps(bucket, key)]
    for key in gone:
        core.remove("DeleteObjects", found, key, core.request_id())
    return gone


def put_object_acl(core: Core, call: Call) -> Response:
    """Set who may read an object."""
    found = core.object(call.bucket, call.key)
    amended = replace(found, acl=checked_acl(call.header("x-oss-object-acl")))
    core.bucket(call.bucket).put(amended, in_place=True)
    return Response(200)


def checked_acl(acl: str) -> str:
    """Return an object's ACL, or refuse one that does not exist."""
    if acl not in OBJECT_ACLS:
        raise OssError("InvalidArgument", f"The object acl {acl} is not valid.")
    return acl


def link_directly(core: Core, bucket: str, key: str, target: str) -> StoredObject:
    """Store a symlink without a request; it is told of like any other."""
    item = new_object(key, b"", core.clock.now(), {"Content-Type": DEFAULT_CONTENT_TYPE})
    link = replace(item, kind="Symlink", target=target, etag=md5_etag(target.encode()))
    return core.store("PutSymlink", core.bucket(bucket), link, core.request_id())


def put_directly(core: Core, bucket: str, key: str, data: bytes, headers: Mapping[str, str] | None) -> StoredObject:
    """Store an object without a request, for tests and the console; it is told of like any other."""
    kept = {"Content-Type": DEFAULT_CONTENT_TYPE, **(headers or {})}
    item = new_object(key, data, core.clock.now(), kept)
    return core.store("PutObject", core.bucket(bucket), item, core.request_id())
