"""The local OSS against `oss2`, unmodified: whatever the vendor's own client expects must hold."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oss2
import pytest
import requests
from oss2.models import BatchDeleteObjectVersion, BatchDeleteObjectVersionList, PartInfo

from scripts.localcloud.answers import Answer
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.inprocess import RequestsAdapter
from scripts.localcloud.oss.answers import rule
from scripts.localcloud.oss.service import ObjectStore

# The client asks for the time in a way that Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

KEY_ID, SECRET = "LTAIlocal", "local-secret"
STS_ID, STS_SECRET, STS_TOKEN = "STS.local", "sts-secret", "CAIS/local+token=="
REGION = "cn-hangzhou"
PATH_STYLE = "http://127.0.0.1:9000"
VIRTUAL_HOST = f"http://oss-{REGION}.aliyuncs.com"
ODD_KEYS = [
    "line\nbreak",
    "tab\tand\rreturn",
    "a'quote\"and&<tag>",
    "100%25",
    "a+b c",
    "what?is#this",
    "\u4e2d\u6587/\u6587\u4ef6.txt",
    "emoji-\U0001f600.png",
    "two//slashes",
    "/leading",
    "trailing/",
    "a/../b",
    "control-\x01-character",
    "x" * 1023,
]


@pytest.fixture
def clock() -> VirtualClock:
    """Stand still at the machine's time, by which the client dates its signatures."""
    return VirtualClock(time.time())


@pytest.fixture
def store(clock: VirtualClock) -> ObjectStore:
    """Make a store with one bucket, one lasting and one temporary key."""
    made = ObjectStore(
        clock,
        keys={KEY_ID: SECRET, STS_ID: STS_SECRET},
        tokens={STS_ID: STS_TOKEN},
        account_id="1234567890",
        region=REGION,
    )
    made.create_bucket("site")
    return made


AUTHS: dict[str, Any] = {
    "v1": oss2.Auth(KEY_ID, SECRET),
    "v4": oss2.AuthV4(KEY_ID, SECRET),
    "v1-sts": oss2.StsAuth(STS_ID, STS_SECRET, STS_TOKEN),
    "v4-sts": oss2.StsAuth(STS_ID, STS_SECRET, STS_TOKEN, auth_version="v4"),
}


def connect(
    store: ObjectStore,
    clock: VirtualClock,
    auth: Any = AUTHS["v4"],
    *,
    endpoint: str = PATH_STYLE,
    name: str = "site",
    region: str = REGION,
) -> oss2.Bucket:
    """Build the official client on top of the store."""
    session = oss2.Session(adapter=RequestsAdapter(store.handle, clock))
    return oss2.Bucket(auth, endpoint, name, session=session, region=region)


def blob(size: int) -> bytes:
    """Return bytes that differ everywhere."""
    return hashlib.shake_128(b"blob").digest(size)


@pytest.fixture(params=list(AUTHS))
def bucket(request: pytest.FixtureRequest, store: ObjectStore, clock: VirtualClock) -> oss2.Bucket:
    """Give the client, once for each way of signing."""
    return connect(store, clock, AUTHS[request.param])


@pytest.fixture
def v4(store: ObjectStore, clock: VirtualClock) -> oss2.Bucket:
    """Give the client, signing by V4."""
    return connect(store, clock)


def test_an_object_is_written_read_described_and_deleted(bucket: oss2.Bucket) -> None:
    """The four basic calls work by every way of signing, and the client's own checksum agrees."""
    headers = {"Cache-Control": "max-age=60", "x-oss-meta-author": "someone"}
    put = bucket.put_object("a/b.txt", b"hello", headers=headers)
    assert put.etag == "5D41402ABC4B2A76B9719D911017C592"
    got = bucket.get_object("a/b.txt")
    assert got.read() == b"hello"
    assert got.client_crc == got.server_crc
    head = bucket.head_object("a/b.txt")
    assert (head.content_length, head.content_type, head.object_type) == (5, "text/plain", "Normal")
    assert head.headers["Cache-Control"] == "max-age=60"
    assert head.headers["x-oss-meta-author"] == "someone"
    assert abs(head.last_modified - time.time()) < 60
    assert bucket.object_exists("a/b.txt")
    assert bucket.delete_object("a/b.txt").status == 204
    assert not bucket.object_exists("a/b.txt")


@pytest.mark.parametrize("endpoint", [PATH_STYLE, VIRTUAL_HOST])
@pytest.mark.parametrize("auth", ["v1", "v4"])
@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_survive(store: ObjectStore, clock: VirtualClock, auth: str, endpoint: str, key: str) -> None:
    """Any key up to 1,023 bytes comes back as itself from a read, a listing and a batch deletion."""
    bucket = connect(store, clock, AUTHS[auth], endpoint=endpoint)
    bucket.put_object(key, key.encode())
    assert key.encode() == bucket.get_object(key).read()
    assert [key] == [found.key for found in oss2.ObjectIterator(bucket)]
    assert [key] == [found.key for found in oss2.ObjectIteratorV2(bucket, prefix=key[:-1])]
    assert [key] == bucket.batch_delete_objects([key]).deleted_keys
    assert store.keys("site") == []


def test_a_key_over_1023_bytes_is_refused(bucket: oss2.Bucket) -> None:
    """The limit is in bytes of UTF-8."""
    with pytest.raises(oss2.exceptions.ServerError) as refusal:
        bucket.put_object("\u4e2d" * 342, b"")
    assert (refusal.value.status, refusal.value.code) == (400, "InvalidObjectName")


def test_listings_continue_over_pages(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """Both iterators walk more than a thousand keys, in the order of their UTF-8 bytes."""
    keys = [f"log/{number:04d}" for number in range(1203)] + ["z\uffff", "z\U00010000"]
    for key in sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest()):
        store.put("site", key, b"")
    assert keys == [found.key for found in oss2.ObjectIterator(bucket, max_keys=100)]
    assert keys == [found.key for found in oss2.ObjectIteratorV2(bucket, max_keys=1000)]
    assert keys[600:] == [found.key for found in oss2.ObjectIteratorV2(bucket, start_after="log/0599")]
    assert keys[600:] == [found.key for found in oss2.ObjectIterator(bucket, marker="log/0599")]


def test_a_delimiter_rolls_keys_up(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """Common prefixes count towards a page, and appear once even when pages are as small as can be."""
    for key in ("a", "b/1", "b/2", "b/c/3", "d/4", "e"):
        store.put("site", key, b"")
    for walk in (oss2.ObjectIterator, oss2.ObjectIteratorV2):
        found = [item.key for item in walk(bucket, delimiter="/", max_keys=1)]
        assert found == ["a", "b/", "d/", "e"]
        assert [item.key for item in walk(bucket, prefix="b/", delimiter="/")] == ["b/1", "b/2", "b/c/"]


def test_a_listing_describes_objects(v4: oss2.Bucket) -> None:
    """Size, eTag, type and time in a listing are those of the object; the owner is shown on demand."""
    put = v4.put_object("one", b"12345")
    (found,) = v4.list_objects_v2(fetch_owner=True).object_list
    assert (put.etag, 5, "Normal", "Standard") == (found.etag, found.size, found.type, found.storage_class)
    assert v4.head_object("one").last_modified == found.last_modified
    assert found.owner.id == "1234567890"
    assert v4.list_objects_v2().object_list[0].owner is None
    with pytest.raises(oss2.exceptions.ServerError, match="max-keys"):
        v4.list_objects(max_keys=1001)


def test_an_object_is_copied(bucket: oss2.Bucket) -> None:
    """A copy keeps the headers of its source, unless told to replace them."""
    odd = "source \u4e2d+%.txt"
    source = bucket.put_object(odd, b"data", headers={"Cache-Control": "no-store"})
    copied = bucket.copy_object("site", odd, "target.bin")
    assert source.etag == copied.etag
    assert bucket.head_object("target.bin").headers["Cache-Control"] == "no-store"
    replaced = {"x-oss-metadata-directive": "REPLACE", "Content-Type": "image/png"}
    bucket.copy_object("site", odd, "target.bin", headers=replaced)
    head = bucket.head_object("target.bin")
    assert (head.content_type, head.headers.get("Cache-Control")) == ("image/png", None)
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        bucket.copy_object("site", odd, "target.bin", headers={"x-oss-copy-source-if-match": "F" * 32})
    with pytest.raises(oss2.exceptions.NoSuchKey):
        bucket.copy_object("site", "missing", "target.bin")


def test_appending_checks_the_position(bucket: oss2.Bucket) -> None:
    """Each append must state the length so far, and the checksum is of the whole object."""
    first = bucket.append_object("log", 0, b"one,", init_crc=0)
    second = bucket.append_object("log", first.next_position, b"two", init_crc=first.crc)
    assert second.next_position == 7
    assert bucket.get_object("log").read() == b"one,two"
    assert bucket.head_object("log").object_type == "Appendable"
    with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as refusal:
        bucket.append_object("log", 4, b"again")
    assert refusal.value.next_position == 7
    bucket.put_object("plain", b"")
    with pytest.raises(oss2.exceptions.ObjectNotAppendable):
        bucket.append_object("plain", 0, b"more")


def test_parts_are_joined(bucket: oss2.Bucket) -> None:
    """A multipart upload, one part of which is copied, becomes one object with the headers it began with."""
    block = blob(100 * 1024)
    bucket.put_object("block", block)
    upload_id = bucket.init_multipart_upload("big \u4e2d", headers={"Content-Type": "video/mp4"}).upload_id
    first = bucket.upload_part("big \u4e2d", upload_id, 1, block)
    second = bucket.upload_part_copy("site", "block", (0, 50 * 1024 - 1), "big \u4e2d", upload_id, 7)
    assert [part.part_number for part in bucket.list_parts("big \u4e2d", upload_id).parts] == [1, 7]
    assert [upload_id] == [one.upload_id for one in bucket.list_multipart_uploads().upload_list]
    parts = [PartInfo(1, first.etag, part_crc=first.crc), PartInfo(7, second.etag)]
    done = bucket.complete_multipart_upload("big \u4e2d", upload_id, parts)
    assert done.etag.endswith("-2")
    assert block + block[: 50 * 1024] == bucket.get_object("big \u4e2d").read()
    head = bucket.head_object("big \u4e2d")
    assert (head.content_type, head.object_type) == ("video/mp4", "Multipart")
    assert bucket.list_multipart_uploads().upload_list == []


def test_faulty_completions_are_refused(v4: oss2.Bucket) -> None:
    """Small parts, unknown parts and aborted uploads each have their own code."""
    upload_id = v4.init_multipart_upload("big").upload_id
    small = [PartInfo(n, v4.upload_part("big", upload_id, n, b"small").etag) for n in (1, 2)]
    strange = [small[0], PartInfo(2, "0" * 32)]
    for code, parts in {"EntityTooSmall": small, "InvalidPart": strange}.items():
        with pytest.raises(oss2.exceptions.ServerError) as refusal:
            v4.complete_multipart_upload("big", upload_id, parts)
        assert (400, code) == (refusal.value.status, refusal.value.code)
    assert v4.abort_multipart_upload("big", upload_id).status == 204
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        v4.upload_part("big", upload_id, 1, b"late")


def test_listings_of_parts_and_uploads_have_pages(v4: oss2.Bucket) -> None:
    """The iterators over parts and over uploads walk several pages."""
    ids = {v4.init_multipart_upload(f"big-{n // 2}").upload_id for n in range(5)}
    assert ids == {one.upload_id for one in oss2.MultipartUploadIterator(v4, max_uploads=2)}
    upload_id = v4.init_multipart_upload("parts").upload_id
    for number in range(1, 6):
        v4.upload_part("parts", upload_id, number, b"x")
    listed = [part.part_number for part in oss2.PartIterator(v4, "parts", upload_id, max_parts=2)]
    assert listed == [1, 2, 3, 4, 5]


def test_a_file_is_uploaded_resumably(bucket: oss2.Bucket, tmp_path: Path) -> None:
    """The client's own resumable upload and download, in parts, give the same bytes back."""
    data = blob(450 * 1024)
    (tmp_path / "sent").write_bytes(data)
    sizes: dict[str, Any] = {"multipart_threshold": 200 * 1024, "part_size": 128 * 1024, "num_threads": 1}
    checkpoints = oss2.ResumableStore(root=str(tmp_path))
    done = oss2.resumable_upload(bucket, "big", str(tmp_path / "sent"), store=checkpoints, **sizes)
    assert done.etag.endswith("-4")
    back = oss2.ResumableDownloadStore(root=str(tmp_path))
    sizes["multiget_threshold"] = sizes.pop("multipart_threshold")
    oss2.resumable_download(bucket, "big", str(tmp_path / "back"), store=back, **sizes)
    assert data == (tmp_path / "back").read_bytes()


def test_many_keys_are_deleted_at_once(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """A batch deletion names every key it was given, also those that never existed."""
    for key in [*ODD_KEYS, "kept"]:
        store.put("site", key, b"")
    result = bucket.batch_delete_objects([*ODD_KEYS, "never there"])
    assert [*ODD_KEYS, "never there"] == result.deleted_keys
    assert store.keys("site") == ["kept"]
    versions = BatchDeleteObjectVersionList([BatchDeleteObjectVersion("kept")])
    assert [one.key for one in bucket.delete_object_versions(versions).delete_versions] == ["kept"]
    with pytest.raises(oss2.exceptions.MalformedXml):
        bucket.batch_delete_objects([str(number) for number in range(1001)])


def test_symlinks_lead_to_their_targets(bucket: oss2.Bucket) -> None:
    """A link reads as its target; a dangling link can be described but not read."""
    bucket.put_symlink("target \u4e2d", "link")
    assert bucket.get_symlink("link").target_key == "target \u4e2d"
    with pytest.raises(oss2.exceptions.ServerError) as refusal:
        bucket.get_object("link")
    assert (refusal.value.status, refusal.value.code) == (404, "SymlinkTargetNotExist")
    bucket.put_object("target \u4e2d", b"found")
    assert bucket.get_object("link").read() == b"found"
    assert [item.type for item in bucket.list_objects(prefix="link").object_list] == ["Symlink"]
    with pytest.raises(oss2.exceptions.ServerError) as plain:
        bucket.get_symlink("target \u4e2d")
    assert (plain.value.status, plain.value.code) == (400, "NotSymlink")


def test_the_target_of_a_symlink_can_be_denied(bucket: oss2.Bucket, store: ObjectStore) -> None:
    """A rule refuses to tell where links lead, and everything else goes on."""
    store.put("site", "target", b"found")
    store.link("site", "link", "target")
    store.answers.append(rule(Answer("AccessDenied"), params=["symlink"]))
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket.get_symlink("link")
    assert bucket.get_object("link").read() == b"found"
    store.answers.clear()
    assert bucket.get_symlink("link").target_key == "target"


def test_overwriting_can_be_forbidden(bucket: oss2.Bucket) -> None:
    """Only the first of several creators succeeds, whichever operation creates."""
    only_new = {"x-oss-forbid-overwrite": "true"}
    bucket.put_object("lease", b"first", headers=only_new)
    creators: list[Callable[[], Any]] = [
        lambda: bucket.put_object("lease", b"second", headers=only_new),
        lambda: bucket.copy_object("site", "lease", "lease", headers=only_new),
        lambda: bucket.put_symlink("lease", "lease", headers=only_new),
        lambda: bucket.init_multipart_upload("lease", headers=only_new),
    ]
    for create in creators:
        with pytest.raises(oss2.exceptions.ServerError) as refusal:
            create()
        assert (refusal.value.status, refusal.value.code) == (409, "FileAlreadyExists")
    assert bucket.get_object("lease").read() == b"first"


def test_ranges_are_read(bucket: oss2.Bucket) -> None:
    """A range inside the object is honoured; one outside is ignored unless standard behaviour is wanted."""
    bucket.put_object("digits", b"0123456789")
    assert bucket.get_object("digits", byte_range=(2, 4)).read() == b"234"
    assert bucket.get_object("digits", byte_range=(None, 3)).read() == b"789"
    tail = bucket.get_object("digits", byte_range=(8, None))
    assert (tail.status, tail.headers["Content-Range"], tail.read()) == (206, "bytes 8-9/10", b"89")
    beyond = bucket.get_object("digits", byte_range=(5, 20))
    assert (beyond.status, beyond.read()) == (200, b"0123456789")
    standard = {"x-oss-range-behavior": "standard"}
    assert bucket.get_object("digits", byte_range=(5, 20), headers=standard).read() == b"56789"
    with pytest.raises(oss2.exceptions.ServerError) as refusal:
        bucket.get_object("digits", byte_range=(10, 20), headers=standard)
    assert (refusal.value.status, refusal.value.code) == (416, "InvalidRange")


def test_reads_can_be_conditional(bucket: oss2.Bucket, clock: VirtualClock) -> None:
    """The four conditions decide between the object, 304 and 412."""
    etag = bucket.put_object("page", b"1").etag
    past, future = (oss2.utils.http_date(int(clock.now()) + shift) for shift in (-60, 60))
    assert bucket.get_object("page", headers={"If-Match": f'"{etag}"'}).read() == b"1"
    assert bucket.get_object("page", headers={"If-Modified-Since": past}).read() == b"1"
    assert bucket.get_object("page", headers={"If-Unmodified-Since": future}).read() == b"1"
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": future}):
        with pytest.raises(oss2.exceptions.NotModified):
            bucket.get_object("page", headers=headers)
        with pytest.raises(oss2.exceptions.NotModified):
            bucket.head_object("page", headers=headers)
    for headers in ({"If-Match": "0" * 32}, {"If-Unmodified-Since": past}):
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            bucket.get_object("page", headers=headers)


def test_metadata_alone_is_read(bucket: oss2.Bucket) -> None:
    """`?objectMeta` gives size, eTag and time."""
    put = bucket.put_object("page", b"12345")
    meta = bucket.get_object_meta("page")
    assert (5, put.etag) == (meta.content_length, meta.etag)
    assert meta.last_modified == bucket.head_object("page").last_modified
    with pytest.raises(oss2.exceptions.NoSuchKey):
        bucket.get_object_meta("missing")


def test_errors_have_their_classes(bucket: oss2.Bucket, store: ObjectStore, clock: VirtualClock) -> None:
    """The client recognises what is missing, also from HEAD, which has no body to say so."""
    for read in (bucket.get_object, bucket.head_object):
        with pytest.raises(oss2.exceptions.NoSuchKey) as refusal:
            read("missing")
        assert len(refusal.value.request_id) == 24
    nowhere = connect(store, clock, oss2.Auth("unknown", "key"), name="nowhere")
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        nowhere.get_object("missing")
    with pytest.raises(oss2.exceptions.ServerError) as digest:
        bucket.put_object("page", b"1", headers={"Content-MD5": oss2.utils.content_md5(b"2")})
    assert (digest.value.status, digest.value.code) == (400, "InvalidDigest")


@pytest.mark.parametrize("auth_class", [oss2.Auth, oss2.AuthV4])
def test_wrong_credentials_are_refused(store: ObjectStore, clock: VirtualClock, auth_class: Any) -> None:
    """An unknown key, a wrong secret and a late clock are told apart."""
    with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
        connect(store, clock, auth_class(KEY_ID, "wrong")).put_object("a", b"")
    with pytest.raises(oss2.exceptions.ServerError) as unknown:
        connect(store, clock, auth_class("LTAIother", SECRET)).get_object("a")
    assert (unknown.value.status, unknown.value.code) == (403, "InvalidAccessKeyId")
    clock.advance(901)
    with pytest.raises(oss2.exceptions.ServerError) as late:
        connect(store, clock, auth_class(KEY_ID, SECRET)).head_object("a")
    assert (late.value.status, late.value.code) == (403, "RequestTimeTooSkewed")
    assert store.keys("site") == []


def test_wrong_tokens_and_regions_are_refused(store: ObjectStore, clock: VirtualClock) -> None:
    """A temporary key needs its token, and V4 its region."""
    for version in ("v1", "v4"):
        stranger = oss2.StsAuth(STS_ID, STS_SECRET, "other token", auth_version=version)
        with pytest.raises(oss2.exceptions.ServerError) as refusal:
            connect(store, clock, stranger).get_object("a")
        assert (refusal.value.status, refusal.value.code) == (403, "InvalidSecurityToken")
    with pytest.raises(oss2.exceptions.ServerError) as bare:
        connect(store, clock, oss2.Auth(STS_ID, STS_SECRET)).get_object("a")
    assert bare.value.code == "InvalidAccessKeyId"
    with pytest.raises(oss2.exceptions.ServerError) as elsewhere:
        connect(store, clock, region="cn-beijing").get_object("a")
    assert (elsewhere.value.status, elsewhere.value.code) == (400, "InvalidArgument")
    assert elsewhere.value.message == "Invalid signing region in Authorization header."


@pytest.mark.parametrize("endpoint", [PATH_STYLE, VIRTUAL_HOST])
@pytest.mark.parametrize("auth", list(AUTHS))
def test_signed_urls_work_until_they_expire(store: ObjectStore, clock: VirtualClock, auth: str, endpoint: str) -> None:
    """A signed URL needs no other credentials, may change headers of the reply, and ends in time."""
    session = requests.Session()
    session.mount("http://", RequestsAdapter(store.handle, clock))
    bucket = connect(store, clock, AUTHS[auth], endpoint=endpoint)
    key, override = "dir/\u4e2d +&.txt", {"response-content-type": "text/html"}
    put = bucket.sign_url("PUT", key, 60, headers={"Content-Type": "text/css"}, slash_safe=True)
    assert session.put(put, data=b"body", headers={"Content-Type": "text/css"}).status_code == 200
    assert session.put(put, data=b"body", headers={"Content-Type": "other"}).status_code == 403
    url = bucket.sign_url("GET", key, 60, params=override)
    reply = session.get(url)
    assert (reply.status_code, reply.content) == (200, b"body")
    assert reply.headers["Content-Type"] == "text/html"
    assert session.get(url.replace("html", "plain")).status_code == 403
    clock.advance(62)
    assert b"Request has expired." in session.get(url).content


def test_public_buckets_are_read_by_anyone(store: ObjectStore, clock: VirtualClock) -> None:
    """Without a signature one may read public objects, and nothing else."""
    store.create_bucket("open", public_read=True)
    for name in ("open", "site"):
        store.put(name, "page", b"1")
    anyone = connect(store, clock, oss2.AnonymousAuth(), name="open")
    assert anyone.get_object("page").read() == b"1"
    assert anyone.head_object("page").content_length == 1
    private = connect(store, clock, oss2.AnonymousAuth())
    for attempt in (
        lambda: anyone.put_object("page", b"2"),
        anyone.list_objects,
        lambda: private.get_object("page"),
        lambda: private.get_object("missing"),
    ):
        with pytest.raises(oss2.exceptions.AccessDenied):
            attempt()
    connect(store, clock).put_object_acl("page", oss2.OBJECT_ACL_PUBLIC_READ)
    assert private.get_object("page").read() == b"1"


def test_buckets_are_made_described_and_deleted(store: ObjectStore, clock: VirtualClock) -> None:
    """The calls about a bucket itself; those that list buckets name an endpoint that leads back here."""
    session = oss2.Session(adapter=RequestsAdapter(store.handle, clock))
    bucket = connect(store, clock, name="new-bucket")
    bucket.create_bucket(oss2.BUCKET_ACL_PUBLIC_READ)
    assert bucket.get_bucket_acl().acl == "public-read"
    info = bucket.get_bucket_info()
    assert (info.name, info.extranet_endpoint) == ("new-bucket", "127.0.0.1:9000")
    assert f"oss-{REGION}" == bucket.get_bucket_location().location
    assert bucket.get_bucket_stat().object_count == 0
    assert bucket.list_object_versions().versions == []
    service = oss2.Service(AUTHS["v4"], PATH_STYLE, session=session, region=REGION)
    listed = service.list_buckets().buckets
    assert [one.name for one in listed] == ["new-bucket", "site"]
    assert {"127.0.0.1:9000"} == {one.extranet_endpoint for one in listed}
    assert [one.name for one in oss2.BucketIterator(service, max_keys=1)] == ["new-bucket", "site"]
    bucket.put_object("a", b"")
    with pytest.raises(oss2.exceptions.BucketNotEmpty):
        bucket.delete_bucket()
    bucket.delete_object("a")
    bucket.delete_bucket()
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        bucket.get_bucket_info()


def test_what_is_not_modelled_says_so(v4: oss2.Bucket) -> None:
    """A call that the store does not know is refused, rather than taken for another."""
    v4.put_object("page", b"1")
    tagging = oss2.models.Tagging(oss2.models.TaggingRule())
    with pytest.raises(oss2.exceptions.ServerError) as refusal:
        v4.put_object_tagging("page", tagging)
    assert (refusal.value.status, refusal.value.code) == (501, "NotImplemented")
    assert v4.get_object("page").read() == b"1"
