"""The local OSS by itself: what it tells of changes, what it does with requests no client would send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re

import pytest

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.oss.auth import v1_signature, v1_string_to_sign
from scripts.localcloud.oss.call import parse
from scripts.localcloud.oss.service import ObjectStore
from scripts.localcloud.oss.state import Bucket, crc64, new_object
from scripts.localcloud.oss.xml import escape, unescape
from scripts.localcloud.web import Request, Response
from tests.localcloud.oss_caller import KEY_ID, NOW, SECRET, Desk, code_of

BLOCK = bytes(100 * 1024)


@pytest.fixture
def desk() -> Desk:
    """Make a store with a bucket named site."""
    return Desk()


def upload_id_of(reply: Response) -> str:
    """Return the upload id of a reply."""
    found = re.search(rb"<UploadId>(.*)</UploadId>", reply.body)
    assert found
    return found[1].decode()


def test_a_notification_has_the_native_shape(desk: Desk) -> None:
    """The payload is exactly that of a native OSS trigger, with the key as it is."""
    key = "a b/\u4e2d+%.txt"
    reply = desk.call("PUT", key, body=b"hello", headers={"content-type": "text/css", "x-oss-meta-a": "1"})
    assert desk.told == [
        {
            "events": [
                {
                    "eventName": "ObjectCreated:PutObject",
                    "eventSource": "acs:oss",
                    "eventTime": "2026-02-25T06:13:20.000Z",
                    "eventVersion": "1.0",
                    "oss": {
                        "bucket": {
                            "arn": "acs:oss:cn-hangzhou:42:site",
                            "name": "site",
                            "ownerIdentity": "42",
                            "virtualBucket": "",
                        },
                        "object": {
                            "deltaSize": 5,
                            "eTag": "5D41402ABC4B2A76B9719D911017C592",
                            "key": key,
                            "objectMeta": {"mimeType": "text/css", "userMeta": {"x-oss-meta-a": "1"}},
                            "size": 5,
                        },
                        "ossSchemaVersion": "1.0",
                        "ruleId": desk.told[0]["events"][0]["oss"]["ruleId"],
                    },
                    "region": "cn-hangzhou",
                    "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                    "responseElements": {"requestId": reply.headers["x-oss-request-id"]},
                    "userIdentity": {"principalId": "42"},
                }
            ]
        }
    ]
    assert json.loads(json.dumps(desk.told)) == desk.told
    assert re.fullmatch("[0-9a-f]{40}", desk.told[0]["events"][0]["oss"]["ruleId"])
    assert re.fullmatch("[0-9A-F]{24}", reply.headers["x-oss-request-id"])


def test_each_operation_is_told(desk: Desk) -> None:
    """Every changing operation has its own event name, and sizes that say what changed."""
    desk.call("PUT", "a", body=b"12345")
    desk.call("PUT", "a", body=b"123")
    desk.call("PUT", "b", headers={"x-oss-copy-source": "/site/a"})
    desk.call("POST", "log", "append&position=0", b"one")
    desk.call("POST", "log", "append&position=3", b"two!")
    desk.call("PUT", "link", "symlink", headers={"x-oss-symlink-target": "a"})
    desk.call("DELETE", "a")
    assert desk.events() == [
        ("ObjectCreated:PutObject", "a", 5, 5),
        ("ObjectCreated:PutObject", "a", 3, -2),
        ("ObjectCreated:CopyObject", "b", 3, 3),
        ("ObjectCreated:AppendObject", "log", 3, 3),
        ("ObjectCreated:AppendObject", "log", 7, 4),
        ("ObjectCreated:PutSymlink", "link", 0, 0),
        ("ObjectRemoved:DeleteObject", "a", 0, -3),
    ]


def test_each_step_of_a_multipart_upload_is_told(desk: Desk) -> None:
    """Beginning, parts, copied parts, completion and abortion are events of their own."""
    desk.call("PUT", "big", body=b"old")
    first = upload_id_of(desk.call("POST", "big", "uploads"))
    part = desk.call("PUT", "big", f"partNumber=1&uploadId={first}", BLOCK).headers["ETag"]
    source = {"x-oss-copy-source": "/site/big"}
    desk.call("PUT", "big", f"partNumber=2&uploadId={first}", headers=source)
    listed = f"<Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    done = desk.call("POST", "big", f"uploadId={first}", body)
    tags = [payload["events"][0]["oss"]["object"]["eTag"] for payload in desk.told]
    assert done.headers["ETag"].strip('"') == tags[-1]
    assert re.fullmatch("[0-9A-F]{32}-1", tags[-1])
    second = upload_id_of(desk.call("POST", "other", "uploads"))
    desk.call("DELETE", "other", f"uploadId={second}")
    assert desk.events() == [
        ("ObjectCreated:PutObject", "big", 3, 3),
        ("ObjectCreated:InitiateMultipartUpload", "big", 0, 0),
        ("ObjectCreated:UploadPart", "big", len(BLOCK), len(BLOCK)),
        ("ObjectCreated:UploadPartCopy", "big", 3, 3),
        ("ObjectCreated:CompleteMultipartUpload", "big", len(BLOCK), len(BLOCK) - 3),
        ("ObjectCreated:InitiateMultipartUpload", "other", 0, 0),
        ("ObjectRemoved:AbortMultipartUpload", "other", 0, 0),
    ]


def test_a_batch_deletion_tells_of_each_object(desk: Desk) -> None:
    """One notification per object that was there, all with the request id of the one request."""
    for key in ("a", "\u4e2d", "line\nbreak", "\x01"):
        desk.store.put("site", key, b"12")
    desk.told.clear()
    body = (
        b"<?xml version='1.0'?><Delete><Quiet>true</Quiet><Object><Key>a</Key></Object>"
        b"<Object><Key>&#20013;</Key></Object><Object><Key>line&#xA;break</Key></Object>"
        b"<Object><Key>&#1;</Key></Object><Object><Key>never&amp;there</Key></Object></Delete>"
    )
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    reply = desk.call("POST", "", "delete", body, {"content-md5": digest})
    assert (reply.status, reply.body) == (200, b"")
    ids = {payload["events"][0]["responseElements"]["requestId"] for payload in desk.told}
    assert ids == {reply.headers["x-oss-request-id"]}
    assert desk.events() == [
        ("ObjectRemoved:DeleteObjects", key, 0, -2) for key in ("a", "\u4e2d", "line\nbreak", "\x01")
    ]
    assert desk.store.keys("site") == []


def test_nothing_is_told_where_nothing_changed(desk: Desk) -> None:
    """Refusals, reads and deletions of what is not there are not events."""
    desk.store.put("site", "a", b"")
    desk.told.clear()
    desk.call("PUT", "a", body=b"1", headers={"x-oss-forbid-overwrite": "true"})
    desk.call("PUT", "a", body=b"1", headers={"content-md5": "AAAA"})
    desk.call("POST", "log", "append&position=9", b"1")
    desk.call("DELETE", "missing")
    desk.call("GET", "a")
    desk.call("GET", "")
    assert desk.told == []


def test_a_notification_follows_the_change(desk: Desk) -> None:
    """Whoever is told finds the change already made."""
    seen: list[object] = []
    store = ObjectStore(
        desk.clock,
        keys={},
        account_id="42",
        region="cn-hangzhou",
        notify=lambda _payload: seen.append(store.read("site", "a")),
    )
    store.create_bucket("site")
    written = store.put("site", "a", b"1")
    store.delete("site", "a")
    assert seen == [written, None]


def test_objects_are_used_without_requests(desk: Desk) -> None:
    """Edges and tests read, write, list and delete directly; the writes are told of."""
    desk.store.put("site", "b/2", b"two", headers={"Cache-Control": "no-cache"})
    desk.store.put("site", "b/1", b"one")
    found = desk.store.read("site", "b/2")
    assert found is not None
    assert (found.data, found.size, found.modified) == (b"two", 3, NOW)
    assert found.headers == {"Content-Type": "application/octet-stream", "Cache-Control": "no-cache"}
    assert desk.store.read("site", "missing") is None
    assert desk.store.read("missing", "b/2") is None
    assert desk.store.keys("site") == ["b/1", "b/2"]
    desk.store.delete("site", "b/1")
    assert desk.store.keys("site", "b/") == ["b/2"]
    assert [name for name, *_ in desk.events()] == [
        "ObjectCreated:PutObject",
        "ObjectCreated:PutObject",
        "ObjectRemoved:DeleteObject",
    ]


def test_every_reply_carries_time_and_request_id(desk: Desk) -> None:
    """Successes and refusals alike are dated by the store's clock and numbered."""
    desk.clock.advance(3600)
    for reply in (desk.call("PUT", "a"), desk.call("GET", "missing"), desk.store.handle(Request("GET", "x", "/"))):
        assert reply.headers["Date"] == "Wed, 25 Feb 2026 07:13:20 GMT"
        assert reply.headers["x-oss-request-id"].startswith("699EA110")
        assert reply.headers["x-oss-server-time"] == "1"
        assert reply.headers["Content-Length"] == str(len(reply.body))


def test_a_refused_head_says_why_in_a_header(desk: Desk) -> None:
    """HEAD has no body, so the error document stands in base64 in `x-oss-err`."""
    reply = desk.call("HEAD", "missing")
    assert (reply.status, reply.body) == (404, b"")
    document = base64.b64decode(reply.headers["x-oss-err"])
    assert b"<Code>NoSuchKey</Code>" in document
    assert reply.headers["x-oss-request-id"].encode() in document


def test_the_bucket_is_looked_at_before_the_key(desk: Desk) -> None:
    """NoSuchBucket wins over every fault of the credentials."""
    for headers in ({}, {"authorization": "OSS unknown:x"}):
        reply = desk.store.handle(Request("GET", "127.0.0.1", "/nowhere/a", headers=headers))
        assert (reply.status, code_of(reply)) == (404, "NoSuchBucket")


def test_the_vendors_own_signature_example_holds() -> None:
    """The example in the vendor's documentation of V1 gives the signature printed there."""
    headers = {
        "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "content-type": "text/html",
        "date": "Thu, 17 Nov 2005 18:49:58 GMT",
        "x-oss-magic": "abracadabra",
        "x-oss-meta-author": "foo@bar.com",
    }
    request = Request("PUT", "oss-example.oss-cn-hangzhou.aliyuncs.com", "/nelson", headers=headers)
    to_sign = v1_string_to_sign(parse(request, request_id="", now=0), headers["date"])
    assert v1_signature("OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV", to_sign) == "26NBxoKdsyly4EDv6inkoDft/yA="


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("", (403, "AccessDenied")),
        ("Basic abc", (400, "InvalidArgument")),
        ("OSS nonsense", (403, "InvalidAccessKeyId")),
        (f"OSS {KEY_ID}:wrong", (403, "AccessDenied")),
        (f"OSS4-HMAC-SHA256 Credential={KEY_ID}/20260225/cn-hangzhou/oss/aliyun_v4_request", (403, "AccessDenied")),
        ("OSS4-HMAC-SHA256 ,,=,", (403, "InvalidAccessKeyId")),
    ],
)
def test_broken_credentials_are_refused(desk: Desk, authorization: str, expected: tuple[int, str]) -> None:
    """Whatever stands in the header, and however little of it, is answered with a code."""
    request = Request("GET", "127.0.0.1", "/site/a", headers={"authorization": authorization})
    reply = desk.store.handle(request)
    assert (reply.status, code_of(reply)) == expected


def test_names_are_addressed_in_every_form(desk: Desk) -> None:
    """Path-style and virtual host, `%2F` and `/`, name the same object; a bare endpoint takes no path."""
    desk.store.create_bucket("site", public_read=True)
    desk.store.put("site", "a/b", b"1")
    for host, path in (
        ("127.0.0.1:9000", "/site/a/b"),
        ("127.0.0.1:9000", "/site/a%2Fb"),
        ("site.oss-cn-hangzhou.aliyuncs.com", "/a/b"),
        ("site.oss-cn-hangzhou-internal.aliyuncs.com", "/a%2fb"),
        ("site.localhost:9000", "/a/b"),
    ):
        assert desk.store.handle(Request("GET", host, path)).body == b"1"
    refused = desk.store.handle(Request("GET", "oss-cn-hangzhou.aliyuncs.com", "/site/a"))
    assert code_of(refused) == "SecondLevelDomainForbidden"
    assert code_of(desk.store.handle(Request("GET", "127.0.0.1", "/site/%FF"))) == "InvalidObjectName"


def test_operations_that_are_not_modelled_are_refused(desk: Desk) -> None:
    """An unknown sub-resource or method changes nothing and says so."""
    assert code_of(desk.call("PUT", "a", "tagging", b"x")) == "NotImplemented"
    assert code_of(desk.call("GET", "", "lifecycle")) == "NotImplemented"
    assert code_of(desk.call("PATCH", "a")) == "MethodNotAllowed"
    assert desk.store.keys("site") == []


def test_symlinks_are_followed_one_step(desk: Desk) -> None:
    """A link to a link is refused, as OSS refuses it."""
    desk.store.put("site", "a", b"1")
    for link, target in (("b", "a"), ("c", "b")):
        desk.call("PUT", link, "symlink", headers={"x-oss-symlink-target": target})
    assert desk.call("GET", "b").headers["x-oss-object-type"] == "Symlink"
    assert code_of(desk.call("GET", "c")) == "InvalidTargetType"
    assert desk.store.read("site", "c") is None


def test_faulty_completions_are_refused(desk: Desk) -> None:
    """Parts must be listed in order and well-formed, or all be taken by a header."""
    upload = upload_id_of(desk.call("POST", "big", "uploads"))
    tags = [
        desk.call("PUT", "big", f"partNumber={n}&uploadId={upload}", body).headers["ETag"]
        for n, body in ((1, BLOCK), (2, b"end"))
    ]
    parts = [f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1)]
    for listed, code in (
        (parts[::-1], "InvalidPartOrder"),
        ([parts[0], parts[0]], "InvalidPartOrder"),
        (["<Part><PartNumber>x</PartNumber></Part>"], "MalformedXML"),
        ([], "MalformedXML"),
    ):
        body = f"<CompleteMultipartUpload>{''.join(listed)}</CompleteMultipartUpload>".encode()
        assert code_of(desk.call("POST", "big", f"uploadId={upload}", body)) == code
    for number in ("", "0", "10001", "x"):
        refused = desk.call("PUT", "big", f"partNumber={number}&uploadId={upload}", b"")
        assert code_of(refused) == "InvalidArgument"
    assert desk.call("POST", "big", f"uploadId={upload}", headers={"x-oss-complete-all": "yes"}).status == 200
    found = desk.store.read("site", "big")
    assert found is not None
    assert found.data == BLOCK + b"end"


def test_overwriting_is_also_forbidden_at_completion(desk: Desk) -> None:
    """An upload that began while the key was free does not overwrite what came since."""
    only_new = {"x-oss-forbid-overwrite": "true"}
    upload = upload_id_of(desk.call("POST", "big", "uploads", headers=only_new))
    desk.call("PUT", "big", f"partNumber=1&uploadId={upload}", b"late")
    desk.store.put("site", "big", b"first")
    done = desk.call("POST", "big", f"uploadId={upload}", headers={"x-oss-complete-all": "yes"})
    assert (done.status, code_of(done)) == (409, "FileAlreadyExists")


def form(fields: dict[str, str], data: bytes) -> tuple[bytes, dict[str, str]]:
    """Write a multipart/form-data body and its header."""
    parts = [f'--XX\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    last = '--XX\r\nContent-Disposition: form-data; name="file"; filename="c:\\\\dir\\\\\u4e2d.png"\r\n'
    body = "".join([*parts, last, "Content-Type: image/png\r\n\r\n"]).encode() + data + b"\r\n--XX--\r\n"
    return body, {"content-type": "multipart/form-data; boundary=XX"}


def policy(*conditions: object) -> dict[str, str]:
    """Write the fields of a signed policy."""
    text = json.dumps({"expiration": "2026-02-25T07:00:00.000Z", "conditions": conditions})
    encoded = base64.b64encode(text.encode()).decode()
    digest = hmac.digest(SECRET.encode(), encoded.encode(), "sha1")
    signature = base64.b64encode(digest).decode()
    return {"OSSAccessKeyId": KEY_ID, "policy": encoded, "Signature": signature}


def post(desk: Desk, fields: dict[str, str], data: bytes = b"\r\nbinary\x00\r\n") -> Response:
    """Send a form as a browser would."""
    body, headers = form(fields, data)
    return desk.store.handle(Request("POST", "site.oss-cn-hangzhou.aliyuncs.com", "/", "", headers, body))


def test_a_form_is_uploaded(desk: Desk) -> None:
    """A browser's form makes an object, with the file's type and name, and is told of."""
    allowed = policy({"bucket": "site"}, ["starts-with", "$key", "user/"], ["content-length-range", 1, 100])
    fields = {"key": "user/${filename}", "x-oss-meta-a": "1", "success_action_status": "201", **allowed}
    reply = post(desk, fields)
    assert reply.status == 201
    assert b"<Key>user/\xe4\xb8\xad.png</Key>" in reply.body
    found = desk.store.read("site", "user/\u4e2d.png")
    assert found is not None
    assert (found.data, found.content_type) == (b"\r\nbinary\x00\r\n", "image/png")
    assert found.user_meta == {"x-oss-meta-a": "1"}
    assert [event[0] for event in desk.events()] == ["ObjectCreated:PostObject"]
    assert post(desk, {"key": "user/x", **allowed}).status == 204
    assert post(desk, {"key": "user/x", "success_action_redirect": "/done", **allowed}).status == 303


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"key": "other/x"}, (403, "AccessDenied")),
        ({"Signature": "wrong"}, (403, "SignatureDoesNotMatch")),
        ({"OSSAccessKeyId": "other"}, (403, "InvalidAccessKeyId")),
        ({"policy": ""}, (403, "AccessDenied")),
        ({"policy": "bm9uc2Vuc2U="}, (403, "SignatureDoesNotMatch")),
        ({"x-oss-forbid-overwrite": "true"}, (409, "FileAlreadyExists")),
        ({"key": "user/" + "x" * 1024}, (400, "InvalidObjectName")),
    ],
)
def test_forms_that_are_not_allowed_are_refused(desk: Desk, changes: dict[str, str], expected: tuple[int, str]) -> None:
    """Policy, signature and key are checked before anything is written."""
    desk.store.put("site", "user/x", b"old")
    reply = post(desk, {"key": "user/x", **policy(["starts-with", "$key", "user/"]), **changes})
    assert (reply.status, code_of(reply)) == expected
    assert desk.store.keys("site") == ["user/x"]


def test_an_old_or_oversized_form_is_refused(desk: Desk) -> None:
    """A policy ends in time and may bound the size."""
    assert code_of(post(desk, {"key": "a", **policy(["content-length-range", 0, 3])})) == "EntityTooLarge"
    assert code_of(post(desk, {"key": "a", **policy(["content-length-range", 99, 100])})) == "EntityTooSmall"
    assert code_of(post(desk, {"key": "a", **policy(["eq", "$x-oss-meta-a", "1"])})) == "AccessDenied"
    desk.clock.advance(3600)
    assert code_of(post(desk, {"key": "a", **policy()})) == "AccessDenied"
    broken = Request("POST", "127.0.0.1", "/site/", "", {"content-type": "multipart/form-data; boundary=X"}, b"?")
    assert code_of(desk.store.handle(broken)) == "MalformedPOSTRequest"


@pytest.mark.parametrize(
    ("kind", "expected"), [("throttle", (503, "TotalQpsLimitExceeded")), ("server_error", (500, "InternalError"))]
)
def test_faults_have_the_vendors_shape(desk: Desk, kind: str, expected: tuple[int, str]) -> None:
    """What is injected looks like a refusal of OSS itself."""
    reply = desk.store.fault_response(kind, Request("GET", "127.0.0.1", "/site/a"))
    assert (reply.status, code_of(reply)) == expected
    head = desk.store.fault_response(kind, Request("HEAD", "127.0.0.1", "/site/a"))
    assert expected[1].encode() in base64.b64decode(head.headers["x-oss-err"])


def test_signatures_may_be_dated_by_another_clock() -> None:
    """A client that signs by the machine's time can use a store that lives on a virtual clock."""
    machine = Desk()
    virtual = VirtualClock(NOW + 3 * 86_400)
    machine.store = ObjectStore(
        virtual,
        keys={KEY_ID: SECRET},
        account_id="42",
        region="cn-hangzhou",
        signing_clock=machine.clock,
    )
    machine.store.create_bucket("site")
    reply = machine.call("PUT", "a")
    assert (reply.status, reply.headers["Date"]) == (200, "Sat, 28 Feb 2026 06:13:20 GMT")


def test_a_page_costs_its_size_and_not_the_bucket() -> None:
    """Listing with a delimiter skips a rolled-up folder as a whole, however many keys it holds."""
    bucket = Bucket("site", NOW)
    for number in range(3000):
        bucket.put(new_object(f"{number % 3}/{number:05d}", b"", NOW, {}))
    page = bucket.page(prefix="", delimiter="/", after="", limit=2)
    assert (page.prefixes, page.objects, page.next_marker) == (["0/", "1/"], [], "1/")
    rest = bucket.page(prefix="", delimiter="/", after="1/", limit=2)
    assert (rest.prefixes, rest.next_marker) == (["2/"], None)
    inside = bucket.page(prefix="2/", delimiter="/", after="2/00005", limit=1)
    assert [item.key for item in inside.objects] == ["2/00008"]
    assert bucket.keys("1/0299") == ["1/02992", "1/02995", "1/02998"]
    assert bucket.remove("1/02995") is not None
    assert (len(bucket), bucket.remove("1/02995")) == (2999, None)


def test_the_checksum_is_crc64_ecma() -> None:
    """The published check value holds, and checksums continue over appended data."""
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA
    assert crc64(b"6789", crc64(b"12345")) == 0x995DC9BBDF1939FA


def test_characters_survive_xml() -> None:
    """Escaped text resolves to itself, whatever it holds; unknown references stay as they are."""
    text = "".join(map(chr, range(0x80))) + "\u4e2d\U0001f600"
    assert unescape(escape(text)) == text
    assert unescape("&#x4E2D;&#20013;&unknown;&#99999999;") == "\u4e2d\u4e2d&unknown;\ufffd"
