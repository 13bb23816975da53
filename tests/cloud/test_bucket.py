"""The spool's bucket against the local OSS and against answers that OSS would never give."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.inprocess import RequestsAdapter
from scripts.localcloud.oss.service import ObjectStore
from scripts.localcloud.web import Request, Response
from shared.cloud.clock import OssClock
from shared.cloud.credentials import Credentials, KeyRing
from shared.cloud.spool.bucket import Bucket, fitting
from shared.core.errors import NotAllStored, StoreError
from tests.cloud.loopback import Answer, Asked, serving

KEYS = Credentials("LTAIspoolkeyid00", "the-secret-of-the-spool", "CAISthetokenofthespool/+==")
REGION = "cn-hangzhou"
ENDPOINT = "http://oss-cn-hangzhou.aliyuncs.com"

Handle = Callable[[Request], Response]


class Store:
    """The local OSS with one bucket; `doctored` stands between it and the client."""

    def __init__(self) -> None:
        self.clock = VirtualClock(time.time())
        self.oss = ObjectStore(
            self.clock,
            keys={KEYS.access_key_id: KEYS.access_key_secret},
            tokens={KEYS.access_key_id: KEYS.security_token},
            account_id="1",
            region=REGION,
        )
        self.oss.create_bucket("spool")
        self.requests: list[Request] = []
        self.doctored: Callable[[Handle, Request], Response] = lambda handle, request: handle(request)

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        self.requests.append(request)
        return self.doctored(self._plain, request)

    def _plain(self, request: Request) -> Response:
        response = self.oss.handle(request)
        assert isinstance(response, Response)
        return response

    def bucket(self, **options: Any) -> Bucket:
        """Make a client; its machine's clock is right unless told otherwise."""
        given = {"readers": 1, "keys": KeyRing(KEYS), "signing": self.clock.now, **options}
        keys = given.pop("keys")
        adapter = RequestsAdapter(self.handle, self.clock)
        return Bucket(ENDPOINT, REGION, "spool", "p/", keys, OssClock(self.clock.now), adapter=adapter, **given)


@pytest.fixture
def store() -> Store:
    """An empty spool."""
    return Store()


def error_of(call: Callable[[], object]) -> StoreError:
    """Make a call that must fail; its error."""
    with pytest.raises(StoreError) as caught:
        call()
    return caught.value


def refusal(code: str, message: str = "no", status: int = 403, **details: str) -> Response:
    """Refuse as OSS does."""
    more = "".join(f"<{name}>{value}</{name}>" for name, value in details.items())
    body = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R1</RequestId>{more}</Error>"
    return Response(status, {"x-oss-request-id": "R1"}, body.encode())


# What only OSS's own reply can say


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(store: Store, status: int) -> None:
    """Neither a write nor a read goes to another host, and its answer counts for nothing."""
    location = f"http://elsewhere.example.com/x?security-token={KEYS.security_token}"
    store.doctored = lambda _, __: Response(status, {"location": location, "etag": '"A"', "x-oss-request-id": "R1"})
    bucket = store.bucket()
    calls: list[Callable[[], object]] = [
        lambda: bucket.put("a", b"1"),
        lambda: bucket.put_new("a", b"1"),
        lambda: bucket.get("a"),
        bucket.list,
        lambda: bucket.delete(["a"]),
    ]
    for call in calls:
        error = error_of(call)
        assert ("Redirected", f"answered {status}, which points to elsewhere.example.com; no redirect is followed") == (
            error.code,
            error.message,
        )
    assert {"spool.oss-cn-hangzhou.aliyuncs.com"} == {request.host for request in store.requests}
    assert 5 == len(store.requests)


HTML = b"<html><body>Please log in to this network.</body></html>"


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, {"content-type": "text/html"}, HTML),
        Response(200, {"etag": '"A"'}),
        Response(200, {"x-oss-request-id": "R1"}),
        Response(201, {"etag": '"A"', "x-oss-request-id": "R1"}),
        Response(204, {"etag": '"A"', "x-oss-request-id": "R1"}),
    ],
)
def test_only_the_documented_reply_of_a_write_counts(store: Store, answer: Response) -> None:
    """Status 200 with an ETag and OSS's request id; a proxy's page is no promise that anything is durable."""
    store.doctored = lambda _, __: answer
    assert "NotOss" == error_of(lambda: store.bucket().put("a", b"1")).code
    assert "NotOss" == error_of(lambda: store.bucket().put_new("a", b"1")).code


@pytest.mark.parametrize("headers", [{}, {"x-oss-request-id": "R1", "date": formatdate(0, usegmt=True)}])
@pytest.mark.parametrize("body", [HTML, b"", b"<a/>", b"<ListBucketResult><Contents/></ListBucketResult>", b"\xff"])
def test_a_page_is_no_listing(store: Store, body: bytes, headers: dict[str, str]) -> None:
    """What cannot be read is an error of the store, whoever sent it."""
    store.doctored = lambda _, __: Response(200, headers, body)
    assert "NotOss" == error_of(store.bucket().list).code


def test_a_page_is_no_object(store: Store) -> None:
    """A read that OSS did not answer is no reading."""
    store.doctored = lambda _, __: Response(200, {}, HTML)
    assert "NotOss" == error_of(lambda: store.bucket().get("a")).code


def test_a_page_is_no_deletion(store: Store) -> None:
    """The result of a deletion is read."""
    store.doctored = lambda _, __: Response(200, {"x-oss-request-id": "R1"}, HTML)
    assert "NotDeleted" == error_of(lambda: store.bucket().delete(["a"])).code


# Errors as OSS told them


def test_an_error_keeps_the_vendors_words(store: Store) -> None:
    """Code, message and request id reach whoever has to look into it."""
    store.doctored = lambda _, __: refusal("AccessDenied", "You have no right to do that.")
    error = error_of(lambda: store.bucket().put("a", b"1"))
    assert ("AccessDenied", "You have no right to do that.", "R1") == (error.code, error.message, error.request_id)
    assert "put spool/p/a: AccessDenied: You have no right to do that. (request R1)" == str(error)


def test_the_place_where_a_bucket_lies_is_told(store: Store) -> None:
    """OSS names the endpoint that would have been right."""
    told = "The bucket you are attempting to access must be addressed using the specified endpoint."
    store.doctored = lambda _, __: refusal("AccessDenied", told, Endpoint="oss-cn-beijing.aliyuncs.com")
    assert "(it lies at oss-cn-beijing.aliyuncs.com)" in error_of(store.bucket().list).message


def test_an_error_holds_no_key(store: Store) -> None:
    """A refusal of the signature echoes the canonical request, token and all."""
    echo = f"canonical request is: PUT\n/spool/a\nx-oss-security-token:{KEYS.security_token}"
    store.doctored = lambda _, __: refusal("SignatureDoesNotMatch", f"no match, {KEYS.access_key_secret}, {echo}")
    error = error_of(lambda: store.bucket().put("a", b"1"))
    assert "no match, (redacted), canonical request is: (redacted)" == error.message
    assert error.__cause__ is None


def test_an_error_is_short(store: Store) -> None:
    """A message of 60 kB does not go on."""
    store.doctored = lambda _, __: refusal("X" * 9_000, "m" * 60_000)
    error = error_of(lambda: store.bucket().put("a", b"1"))
    assert 600 > len(str(error))


@pytest.mark.parametrize("code", ["TotalQpsLimitExceeded", "InternalError"])
def test_the_last_of_several_tries_is_read(code: str) -> None:
    """OSS failing three times is told in its own words, not as a failure of the network."""
    asked: list[Asked] = []

    def answer(request: Asked) -> Answer:
        asked.append(request)
        refused = refusal(code, f"try {len(asked)}", 503)
        return Answer(refused.status, {**refused.headers, "retry-after": "3600"}, refused.body)

    with serving(answer) as url:
        bucket = Bucket(url, REGION, "spool", "p/", KeyRing(KEYS), OssClock(time.time))
        error = error_of(lambda: bucket.put("a", b"1"))
    assert (code, "try 3", "R1", 3) == (error.code, error.message, error.request_id, len(asked))


def test_nothing_that_answers_is_told() -> None:
    """The reason, without the client's own inside."""
    bucket = Bucket("http://127.0.0.1:9", REGION, "spool", "p/", KeyRing(KEYS), OssClock(time.time))
    error = error_of(bucket.list)
    assert "Unreachable" == error.code
    assert "Connection refused" in error.message


def test_a_reply_that_breaks_off_is_an_error_of_the_store() -> None:
    """An object that is shorter than announced was not read."""

    def answer(_: Asked) -> Answer:
        return Answer(200, {"x-oss-request-id": "R1", "content-length": "100", "connection": "close"}, b"half")

    with serving(answer) as url:
        bucket = Bucket(url, REGION, "spool", "p/", KeyRing(KEYS), OssClock(time.time))
        assert "Unreachable" == error_of(lambda: bucket.get("a")).code


# Keys and clocks


def test_new_keys_are_taken_where_the_old_ones_ended(store: Store) -> None:
    """A reading goes on with the keys that the runtime has by now."""
    runtime = iter([Credentials("STS.ended", "secret", "token"), KEYS])
    keys = KeyRing()
    keys.use(lambda: next(runtime))
    store.bucket(keys=keys).put("a", b"1")
    assert 2 == len(store.requests)


@pytest.mark.parametrize("error", [-86_400.0, -3_600.0, 3_600.0, 400_000.0])
def test_a_wrong_clock_does_not_matter(store: Store, error: float) -> None:
    """A machine that is hours wrong is refused once, and then signs by OSS's clock."""
    bucket = store.bucket(signing=lambda: store.clock.now() + error)
    bucket.put("a", b"1")
    assert 2 == len(store.requests)
    assert b"1" == bucket.get("a")
    assert ["p/a"] == [f"p/{entry.key}" for entry in bucket.list().entries]
    bucket.delete(["a"])
    assert 5 == len(store.requests)


def test_a_clock_that_is_refused_though_it_is_right_is_told(store: Store) -> None:
    """Where OSS's own date agrees, signing again would change nothing."""
    store.doctored = lambda _, __: refusal("RequestTimeTooSkewed", "too large")
    assert "RequestTimeTooSkewed" == error_of(store.bucket().list).code
    assert 1 == len(store.requests)


# Put-if-absent


def test_put_if_absent_tells_who_was_first(store: Store) -> None:
    """The second one is told no, and what is there stays."""
    bucket = store.bucket()
    assert (True, False) == (bucket.put_new("lease", b"1"), bucket.put_new("lease", b"2"))
    assert b"1" == bucket.get("lease")


@pytest.mark.parametrize("version", ["null", "CAEQNhiBgMDJgZCA0BYiIDc4MGZjZGI2OTBjOTRmNTE5NmU5NmFhZjhjYmY0ODNk"])
def test_a_bucket_that_keeps_versions_is_no_place_for_a_lease(store: Store, version: str) -> None:
    """Put-if-absent is ignored there, be versioning on or suspended, and the reply of a write tells."""
    bucket = store.bucket()
    assert not bucket.keeps_versions("report/started", b"")

    def versioned(handle: Handle, request: Request) -> Response:
        response = handle(request)
        return replace(response, headers={**response.headers, "x-oss-version-id": version})

    store.doctored = versioned
    assert bucket.keeps_versions("report/started", b"")
    assert "VersioningOn" == error_of(lambda: bucket.put_new("lease", b"1")).code
    bucket.put("note", b"1")


# Several at a time


@pytest.mark.parametrize("readers", [1, 4])
def test_many_are_written_and_read(store: Store, readers: int) -> None:
    """What is written is read, in whatever order; what is not there is absent."""
    bucket = store.bucket(readers=readers)
    items = {f"n/{number}": str(number).encode() for number in range(20)}
    bucket.put_many(items)
    assert items == bucket.get_many([*items, "n/none"])
    bucket.put_many({})
    assert {} == bucket.get_many([])


@pytest.mark.parametrize("readers", [1, 4])
def test_every_write_that_failed_is_told(store: Store, readers: int) -> None:
    """One failure stops no other write, and the error has the keys of all that are not durable."""

    def some(handle: Handle, request: Request) -> Response:
        return refusal("AccessDenied", "not this one") if request.path.endswith(("3", "7")) else handle(request)

    store.doctored = some
    bucket = store.bucket(readers=readers)
    with pytest.raises(NotAllStored) as caught:
        bucket.put_many({f"n{number}": b"x" for number in range(10)})
    assert (("n3", "n7"), "AccessDenied", "R1") == (caught.value.keys, caught.value.code, caught.value.request_id)
    assert str(caught.value).startswith(
        "2 of 10 objects were not written, the first: put spool/p/n3: AccessDenied: not"
    )
    assert "put spool/p/n7" in str(caught.value)
    store.doctored = lambda handle, request: handle(request)
    assert {"n3", "n7"}.isdisjoint(entry.key for entry in bucket.list().entries)
    assert 8 == len(bucket.list().entries)


def test_no_more_is_read_than_fits(store: Store) -> None:
    """By the sizes that a listing told, the first that fit together, and always one."""
    bucket = store.bucket()
    bucket.put_many({"a": b"x" * 60, "b": b"x" * 30, "c": b"x" * 20})
    sizes = {entry.key: entry.size for entry in bucket.list().entries}
    assert {"a": 60, "b": 30, "c": 20} == sizes
    assert {"a", "b"} == set(bucket.get_many("abc", sizes=sizes, bytes_max=100))
    assert {"a"} == set(bucket.get_many("abc", sizes=sizes, bytes_max=10))
    assert (["a", "b"], ["c"], []) == (fitting("abc", sizes, 90), fitting("c", sizes, 0), fitting("", sizes, 9))
    assert {"a", "b", "c"} == set(bucket.get_many("abc"))


# Listings


def test_a_listing_goes_by_pages(store: Store) -> None:
    """Keys in their order, so many at a time, each page after the last of the one before."""
    bucket = store.bucket()
    keys = [f"w/{number:02}" for number in range(7)]
    bucket.put_many(dict.fromkeys(keys, b"x"))
    assert keys == [key for page in pages(bucket, "w/", most=3) for key in page]


def test_a_listing_with_a_delimiter_tells_what_keys_have_in_common(store: Store) -> None:
    """Prefixes stand without the bucket's own, and paging passes over all that is below one."""
    bucket = store.bucket()
    keys = ["a/1", "a/2", "a/b/3", "b", "c/4", "c/5", "d"]
    bucket.put_many(dict.fromkeys(keys, b"x"))
    whole = bucket.list(delimiter="/")
    assert (("b", "d"), ("a/", "c/"), "d") == (
        tuple(entry.key for entry in whole.entries),
        whole.prefixes,
        whole.last,
    )
    assert [["a/"], ["b"], ["c/"], ["d"]] == list(pages(bucket, "", most=1, delimiter="/"))
    assert ("a/b/",) == bucket.list("a/", delimiter="/").prefixes
    assert "" == bucket.list("none/").last


def pages(bucket: Bucket, prefix: str, **options: Any) -> Iterator[list[str]]:
    """List page by page; what each shows."""
    after = ""
    while True:
        page = bucket.list(prefix, after, **options)
        yield sorted([*(entry.key for entry in page.entries), *page.prefixes])
        if not page.more:
            return
        after = page.last


# Deletions


def test_what_is_not_reported_as_deleted_is_deleted_again(store: Store) -> None:
    """OSS may leave out a key of many; the next try is about that key alone."""
    bucket = store.bucket()
    bucket.put_many({"a": b"1", "b": b"2", "c&<\u4e2d": b"3"})
    store.requests.clear()
    forget = iter([b"<Deleted><Key>p%2Fb</Key></Deleted>", b""])

    def forgetful(handle: Handle, request: Request) -> Response:
        if request.method != "POST":
            return handle(request)
        response = handle(request)
        return replace(response, body=response.body.replace(next(forget), b""))

    store.doctored = forgetful
    bucket.delete(["a", "b", "c&<\u4e2d", "never-there"])
    first, second = store.requests
    assert (4, 1) == (first.body.count(b"<Object>"), second.body.count(b"<Object>"))
    assert b"p/b" in second.body
    assert () == bucket.list().entries


def test_what_is_never_reported_as_deleted_is_an_error(store: Store) -> None:
    """After a few tries somebody has to know."""
    bucket = store.bucket()
    bucket.put("a", b"1")
    store.requests.clear()
    store.doctored = lambda _, __: Response(200, {"x-oss-request-id": "R1"}, b"<DeleteResult></DeleteResult>")
    error = error_of(lambda: bucket.delete(["a", "b"]))
    assert ("NotDeleted", "R1", 3) == (error.code, error.request_id, len(store.requests))
    assert "OSS did not report 2 of 2 objects as deleted" in error.message


def test_many_are_deleted_a_thousand_at_a_time(store: Store) -> None:
    """A call takes no more; nothing to delete is no call."""
    bucket = store.bucket()
    bucket.delete([])
    bucket.delete(f"{number}" for number in range(2_001))
    assert [1_000, 1_000, 1] == [request.body.count(b"<Object>") for request in store.requests]
