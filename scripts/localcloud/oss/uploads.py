"""Multipart uploads: initiate, upload or copy parts, complete, abort, and list parts or uploads."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from scripts.localcloud.oss import xml
from scripts.localcloud.oss.call import Call, copy_source, kept_headers
from scripts.localcloud.oss.core import Core
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.events import Change, iso_time
from scripts.localcloud.oss.read import check_conditions, parse_range, xml_reply
from scripts.localcloud.oss.state import Part, StoredObject, Upload, crc64, md5_etag
from scripts.localcloud.oss.write import refuse_overwrite
from scripts.localcloud.web import Request, Response

PART_BYTES_MIN: Final = 100 * 1024
PART_NUMBER_MAX: Final = 10_000
LISTED_MAX: Final = 1000


def initiate(core: Core, call: Call) -> Response:
    """Begin an upload; the object gets the headers of this request."""
    bucket = core.bucket(call.bucket)
    refuse_overwrite(bucket, call.key, forbidden=call.forbids_overwrite)
    headers = kept_headers(call.request.headers)
    upload = Upload(call.key, core.unique(32), call.now, headers, call.forbids_overwrite)
    bucket.uploads[upload.upload_id] = upload
    _tell(core, call, "ObjectCreated:InitiateMultipartUpload", 0, "")
    parts = [*_named(call), xml.element("UploadId", upload.upload_id)]
    return xml_reply("InitiateMultipartUploadResult", parts)


def _named(call: Call) -> list[str]:
    """Write bucket and key, encoded where the request asks for it."""
    key = xml.url_encoded(call.key) if call.url_encoding else call.key
    encoding = [xml.element("EncodingType", "url")] if call.url_encoding else []
    return [*encoding, xml.element("Bucket", call.bucket), xml.element("Key", key)]


def _tell(core: Core, call: Call, event: str, size: int, etag: str) -> None:
    core.tell(Change(event, call.bucket, call.key, size, size, etag, call.request_id))


def _upload(core: Core, call: Call) -> Upload:
    upload = core.bucket(call.bucket).uploads.get(call.params["uploadId"])
    if upload is None or upload.key != call.key:
        raise OssError("NoSuchUpload", UploadId=call.params["uploadId"])
    return upload


def put_part(core: Core, call: Call) -> Response:
    """Upload a part, or copy one where the request names a source; the last of a number counts."""
    upload = _upload(core, call)
    number = call.number("partNumber", 0, 1, PART_NUMBER_MAX)
    if not number:
        raise OssError("InvalidArgument", "The request should contain the partNumber parameter.")
    copied = bool(call.header("x-oss-copy-source"))
    data = _copied_range(core, call) if copied else call.body()
    part = Part(number, data, md5_etag(data), call.now)
    upload.parts[number] = part
    event = "ObjectCreated:UploadPartCopy" if copied else "ObjectCreated:UploadPart"
    _tell(core, call, event, len(data), part.etag)
    headers = {"ETag": f'"{part.etag}"', "x-oss-hash-crc64ecma": str(crc64(data))}
    if copied:
        described = [xml.element("LastModified", iso_time(call.now)), xml.element("ETag", headers["ETag"])]
        return xml_reply("CopyPartResult", described, headers)
    return Response(200, {**headers, "Content-MD5": _base64_of(part.etag)})


def _base64_of(etag: str) -> str:
    return base64.b64encode(bytes.fromhex(etag)).decode()


def _copied_range(core: Core, call: Call) -> bytes:
    source = core.resolved(*copy_source(call))
    check_conditions(source, call.request, "x-oss-copy-source-")
    wanted = Request("GET", "", "/", headers={"range": call.header("x-oss-copy-source-range")})
    span = parse_range(wanted, source.size)
    return source.data if span is None else source.data[span[0] : span[1] + 1]


def complete(core: Core, call: Call) -> Response:
    """Join the parts that the request lists into the object."""
    upload = _upload(core, call)
    bucket = core.bucket(call.bucket)
    chosen = _chosen(upload, call)
    refuse_overwrite(bucket, call.key, forbidden=upload.forbid_overwrite or call.forbids_overwrite)
    data = b"".join(part.data for part in chosen)
    digests = b"".join(bytes.fromhex(part.etag) for part in chosen)
    etag = f"{hashlib.md5(digests).hexdigest().upper()}-{len(chosen)}"
    item = StoredObject(call.key, data, etag, call.now, crc64(data), "Multipart", upload.headers)
    del bucket.uploads[upload.upload_id]
    stored = core.store("CompleteMultipartUpload", bucket, item, call.request_id)
    location = f"http://{core.endpoint_of(call.request)}/{call.bucket}/{xml.url_encoded(call.key)}"
    parts = [*_named(call), xml.element("Location", location), xml.element("ETag", f'"{etag}"')]
    headers = {"ETag": f'"{etag}"', "x-oss-hash-crc64ecma": str(item.crc64)}
    if stored.version_id:
        headers["x-oss-version-id"] = stored.version_id
    return xml_reply("CompleteMultipartUploadResult", parts, headers)


def _chosen(upload: Upload, call: Call) -> list[Part]:
    """Return the parts to join, or refuse: all must exist, ascend, and all but the last be large."""
    listed = _listed_parts(upload, call)
    numbers = [number for number, _ in listed]
    if numbers != sorted(set(numbers)):
        raise OssError("InvalidPartOrder")
    chosen = []
    for number, etag in listed:
        part = upload.parts.get(number)
        if part is None or part.etag != etag:
            raise OssError("InvalidPart", PartNumber=str(number))
        chosen.append(part)
    for part in chosen[:-1]:
        if len(part.data) < PART_BYTES_MIN:
            size, least = str(len(part.data)), str(PART_BYTES_MIN)
            raise OssError("EntityTooSmall", PartNumber=str(part.number), ProposedSize=size, MinSizeAllowed=least)
    return chosen


def _listed_parts(upload: Upload, call: Call) -> list[tuple[int, str]]:
    if call.header("x-oss-complete-all").lower() == "yes":
        return [(number, part.etag) for number, part in sorted(upload.parts.items())]
    listed = []
    for entry in xml.children(call.text(), "Part"):
        number = xml.first(entry, "PartNumber").strip()
        if not (number.isascii() and number.isdigit()):
            raise OssError("MalformedXML")
        listed.append((int(number), xml.first(entry, "ETag").strip().strip('"').upper()))
    if not listed:
        raise OssError("MalformedXML")
    return listed


def abort(core: Core, call: Call) -> Response:
    """Drop an upload and its parts."""
    upload = _upload(core, call)
    del core.bucket(call.bucket).uploads[upload.upload_id]
    _tell(core, call, "ObjectRemoved:AbortMultipartUpload", 0, "")
    return Response(204)


def list_parts(core: Core, call: Call) -> Response:
    """List the parts of an upload by their numbers."""
    upload = _upload(core, call)
    after = call.number("part-number-marker", 0, 0, PART_NUMBER_MAX)
    limit = call.number("max-parts", LISTED_MAX, 1, LISTED_MAX)
    later = [part for number, part in sorted(upload.parts.items()) if number > after]
    shown = later[:limit]
    parts = [
        *_named(call),
        xml.element("UploadId", upload.upload_id),
        xml.element("StorageClass", "Standard"),
        xml.element("PartNumberMarker", after),
        xml.element("NextPartNumberMarker", shown[-1].number if shown else ""),
        xml.element("MaxParts", limit),
        xml.element("IsTruncated", len(later) > limit),
        *(_described(part) for part in shown),
    ]
    return xml_reply("ListPartsResult", parts)


def _described(part: Part) -> str:
    return xml.group(
        "Part",
        [
            xml.element("PartNumber", part.number),
            xml.element("LastModified", iso_time(part.modified)),
            xml.element("ETag", f'"{part.etag}"'),
            xml.element("HashCrc64ecma", crc64(part.data)),
            xml.element("Size", len(part.data)),
        ],
    )


def list_uploads(core: Core, call: Call) -> Response:
    """List the unfinished uploads of a bucket by key, then by upload id."""
    prefix = call.params.get("prefix", "")
    marker = (call.params.get("key-marker", ""), call.params.get("upload-id-marker", ""))
    limit = call.number("max-uploads", LISTED_MAX, 1, LISTED_MAX)
    uploads = sorted(core.bucket(call.bucket).uploads.values(), key=lambda one: (one.key, one.upload_id))
    later = [one for one in uploads if one.key.startswith(prefix) and _is_after(one, *marker)]
    shown = later[:limit]
    last = shown[-1] if len(later) > limit else None
    encode = xml.url_encoded if call.url_encoding else str
    parts = [
        *([xml.element("EncodingType", "url")] if call.url_encoding else []),
        xml.element("Bucket", call.bucket),
        xml.element("KeyMarker", encode(marker[0])),
        xml.element("UploadIdMarker", marker[1]),
        xml.element("NextKeyMarker", encode(last.key) if last else ""),
        xml.element("NextUploadIdMarker", last.upload_id if last else ""),
        xml.element("Delimiter", encode(call.params.get("delimiter", ""))),
        xml.element("Prefix", encode(prefix)),
        xml.element("MaxUploads", limit),
        xml.element("IsTruncated", last is not None),
    ]
    for one in shown:
        named = [xml.element("Key", encode(one.key)), xml.element("UploadId", one.upload_id)]
        parts.append(xml.group("Upload", [*named, xml.element("Initiated", iso_time(one.started))]))
    return xml_reply("ListMultipartUploadsResult", parts)


def _is_after(upload: Upload, key: str, upload_id: str) -> bool:
    """Whether an upload comes after the markers; without an upload id, all of the key are skipped."""
    return (upload.key, upload.upload_id) > (key, upload_id) if upload_id else upload.key > key
