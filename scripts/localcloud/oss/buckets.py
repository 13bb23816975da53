"""Buckets: list, create, delete, describe, and the two ways of listing what is in one."""

from __future__ import annotations

import re
from typing import Final

from scripts.localcloud.oss import xml
from scripts.localcloud.oss.call import Call
from scripts.localcloud.oss.core import Core
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.events import iso_time
from scripts.localcloud.oss.history import Version
from scripts.localcloud.oss.read import acl_reply, owner, xml_reply
from scripts.localcloud.oss.state import PRIVATE, Bucket, StoredObject
from scripts.localcloud.web import Response

KEYS_PER_PAGE: Final = 100
KEYS_PER_PAGE_MAX: Final = 1000
BUCKET_ACLS: Final = frozenset({PRIVATE, "public-read", "public-read-write"})
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def list_buckets(core: Core, call: Call) -> Response:
    """List the account's buckets by name, a page at a time."""
    prefix, marker = call.params.get("prefix", ""), call.params.get("marker", "")
    limit = call.number("max-keys", KEYS_PER_PAGE, 1, KEYS_PER_PAGE_MAX)
    later = [name for name in sorted(core.buckets) if name.startswith(prefix) and name > marker]
    shown = later[:limit]
    described = [xml.group("Bucket", _facts(core, call, core.buckets[name])) for name in shown]
    parts = [owner(core), xml.group("Buckets", described)]
    if len(later) > limit:
        parts += [
            xml.element("Prefix", prefix),
            xml.element("Marker", marker),
            xml.element("MaxKeys", limit),
            xml.element("IsTruncated", text=True),
            xml.element("NextMarker", shown[-1]),
        ]
    return xml_reply("ListAllMyBucketsResult", parts)


def _facts(core: Core, call: Call, bucket: Bucket) -> list[str]:
    endpoint = core.endpoint_of(call.request)
    return [
        xml.element("CreationDate", iso_time(bucket.created)),
        xml.element("ExtranetEndpoint", endpoint),
        xml.element("IntranetEndpoint", endpoint),
        xml.element("Location", f"oss-{core.region}"),
        xml.element("Name", bucket.name),
        xml.element("Region", core.region),
        xml.element("StorageClass", "Standard"),
    ]


def create(core: Core, name: str, acl: str = PRIVATE) -> Bucket:
    """Create a bucket; one that exists only gets the ACL."""
    if not _BUCKET_NAME.fullmatch(name):
        raise OssError("InvalidBucketName", BucketName=name)
    if acl not in BUCKET_ACLS:
        raise OssError("InvalidArgument", f"The bucket acl {acl} is not valid.")
    bucket = core.buckets.setdefault(name, Bucket(name, core.clock.now()))
    bucket.acl = acl
    return bucket


def put_bucket(core: Core, call: Call) -> Response:
    """PUT a bucket."""
    create(core, call.bucket, call.header("x-oss-acl", PRIVATE))
    return Response(200, {"Location": f"/{call.bucket}"})


def put_bucket_acl(core: Core, call: Call) -> Response:
    """PUT `?acl`."""
    create(core, core.bucket(call.bucket).name, call.header("x-oss-acl"))
    return Response(200)


def delete_bucket(core: Core, call: Call) -> Response:
    """Delete a bucket that holds neither objects nor uploads."""
    bucket = core.bucket(call.bucket)
    if len(bucket) or bucket.uploads:
        raise OssError("BucketNotEmpty", BucketName=call.bucket)
    del core.buckets[call.bucket]
    return Response(204)


def get_acl(core: Core, call: Call) -> Response:
    """GET `?acl`."""
    return acl_reply(core, core.bucket(call.bucket).acl)


def get_location(core: Core, call: Call) -> Response:
    """GET `?location`."""
    core.bucket(call.bucket)
    return xml_reply("LocationConstraint", [f"oss-{core.region}"])


def get_info(core: Core, call: Call) -> Response:
    """GET `?bucketInfo`."""
    bucket = core.bucket(call.bucket)
    grant = xml.group("AccessControlList", [xml.element("Grant", bucket.acl)])
    facts = [*_facts(core, call, bucket), xml.element("DataRedundancyType", "LRS"), owner(core), grant]
    return xml_reply("BucketInfo", [xml.group("Bucket", facts)])


def get_stat(core: Core, call: Call) -> Response:
    """GET `?stat`."""
    bucket = core.bucket(call.bucket)
    parts = [
        xml.element("Storage", sum(item.size for item in bucket.objects())),
        xml.element("ObjectCount", len(bucket)),
        xml.element("MultipartUploadCount", len(bucket.uploads)),
        xml.element("LiveChannelCount", 0),
        xml.element("LastModifiedTime", int(call.now)),
    ]
    return xml_reply("BucketStat", parts)


def get_versioning(core: Core, call: Call) -> Response:
    """GET `?versioning`: empty where it was never enabled."""
    status = core.bucket(call.bucket).versioning
    return xml_reply("VersioningConfiguration", [xml.element("Status", status)] if status else [])


def put_versioning(core: Core, call: Call) -> Response:
    """PUT `?versioning`."""
    bucket = core.bucket(call.bucket)
    match xml.first(call.text(), "Status").strip():
        case "Enabled":
            bucket.versioning = "Enabled"
        case "Suspended":
            bucket.versioning = "Suspended"
        case _:
            raise OssError("MalformedXML")
    return Response(200)


def list_versions(core: Core, call: Call) -> Response:
    """GET `?versions`: a page of all versions by key, the newest of each key first."""
    prefix = call.params.get("prefix", "")
    marker = (call.params.get("key-marker", ""), call.params.get("version-id-marker", ""))
    limit = call.number("max-keys", KEYS_PER_PAGE, 1, KEYS_PER_PAGE_MAX)
    later = _versions_after(core.bucket(call.bucket), prefix, *marker)
    shown, last = later[:limit], later[limit - 1][0] if len(later) > limit else None
    encode = xml.url_encoded if call.url_encoding else str
    parts = [
        *([xml.element("EncodingType", "url")] if call.url_encoding else []),
        xml.element("Name", call.bucket),
        xml.element("Prefix", encode(prefix)),
        xml.element("KeyMarker", encode(marker[0])),
        xml.element("VersionIdMarker", marker[1]),
        xml.element("MaxKeys", limit),
        xml.element("Delimiter", ""),
        xml.element("IsTruncated", last is not None),
    ]
    if last is not None:
        parts += [xml.element("NextKeyMarker", encode(last.key)), xml.element("NextVersionIdMarker", last.version_id)]
    parts += [_version(version, encode(version.key), owner(core), is_latest=latest) for version, latest in shown]
    return xml_reply("ListVersionsResult", parts)


def _versions_after(bucket: Bucket, prefix: str, key: str, version_id: str) -> list[tuple[Version, bool]]:
    """Return the versions after one of a key, or after all of a key; all of them where no key is given."""
    listed = bucket.versions(prefix)
    for place, (version, _) in enumerate(listed):
        if version_id and (version.key, version.version_id) == (key, version_id):
            return listed[place + 1 :]
    return [each for each in listed if each[0].key > key]


def _version(version: Version, key: str, shown_owner: str, *, is_latest: bool) -> str:
    named = [xml.element("Key", key), xml.element("VersionId", version.version_id)]
    dated = [xml.element("IsLatest", is_latest), xml.element("LastModified", iso_time(version.modified))]
    if version.item is None:
        return xml.group("DeleteMarker", [*named, *dated, shown_owner])
    item = version.item
    described = {"ETag": f'"{item.etag}"', "Type": item.kind, "Size": item.size, "StorageClass": "Standard"}
    return xml.group(
        "Version", [*named, *dated, *(xml.element(name, value) for name, value in described.items()), shown_owner]
    )


def list_objects(core: Core, call: Call) -> Response:
    """GET a bucket: list its objects, by the second version of the call where it says so."""
    second = call.params.get("list-type") == "2"
    token = call.params.get("continuation-token", "") if second else ""
    marker = call.params.get("start-after" if second else "marker", "")
    limit = call.number("max-keys", KEYS_PER_PAGE, 1, KEYS_PER_PAGE_MAX)
    prefix, delimiter = call.params.get("prefix", ""), call.params.get("delimiter", "")
    after = _token_key(token) if token else marker
    page = core.bucket(call.bucket).page(prefix=prefix, delimiter=delimiter, after=after, limit=limit)
    encode = xml.url_encoded if call.url_encoding else str
    parts = [
        *([xml.element("EncodingType", "url")] if call.url_encoding else []),
        xml.element("Name", call.bucket),
        xml.element("Prefix", encode(prefix)),
        xml.element("StartAfter" if second else "Marker", encode(marker)),
        xml.element("MaxKeys", limit),
        xml.element("Delimiter", encode(delimiter)),
        xml.element("IsTruncated", page.next_marker is not None),
    ]
    if second:
        parts += [xml.element("ContinuationToken", token)] if token else []
        parts.append(xml.element("KeyCount", len(page.objects) + len(page.prefixes)))
    if page.next_marker is not None:
        following = _key_token(page.next_marker) if second else encode(page.next_marker)
        parts.append(xml.element("NextContinuationToken" if second else "NextMarker", following))
    shown_owner = owner(core) if not second or call.params.get("fetch-owner") == "true" else ""
    parts += [_contents(item, encode(item.key), shown_owner) for item in page.objects]
    parts += [xml.group("CommonPrefixes", [xml.element("Prefix", encode(one))]) for one in page.prefixes]
    return xml_reply("ListBucketResult", parts)


def _contents(item: StoredObject, key: str, shown_owner: str) -> str:
    return (
        f"<Contents><Key>{xml.escape(key)}</Key><LastModified>{iso_time(item.modified)}</LastModified>"
        f'<ETag>"{item.etag}"</ETag><Type>{item.kind}</Type><Size>{item.size}</Size>'
        f"<StorageClass>Standard</StorageClass>{shown_owner}</Contents>"
    )


def _key_token(key: str) -> str:
    """Hide a key in a token that needs no encoding anywhere."""
    return key.encode().hex()


def _token_key(token: str) -> str:
    try:
        return bytes.fromhex(token).decode()
    except ValueError:
        raise OssError("InvalidArgument", "The continuation token is not valid.") from None
