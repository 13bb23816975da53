"""The local OSS: HTTP requests as OSS's clients send them go in, its replies and notifications come out.

Rules:
1. NoSuchBucket is decided before the access key, and the access key before the object.
2. A notification is sent only after the change took effect, within the request that made it.
3. Every reply carries the clock's time and a request id of its own.
4. A rule in `answers` speaks once it is known who calls, before or after the call is carried out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import quote

from scripts.localcloud.answers import Answer, RawAnswer, first_answer
from scripts.localcloud.clock import Clock, ShiftedClock
from scripts.localcloud.oss import buckets as oss_buckets
from scripts.localcloud.oss import read as oss_read
from scripts.localcloud.oss import uploads as oss_uploads
from scripts.localcloud.oss import write as oss_write
from scripts.localcloud.oss import xml
from scripts.localcloud.oss.answers import OssRule, refusal_of
from scripts.localcloud.oss.auth import SUBRESOURCES, Verifier
from scripts.localcloud.oss.call import Call, parse
from scripts.localcloud.oss.core import Core
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.form import FORM, post_object
from scripts.localcloud.oss.habits import OssHabits
from scripts.localcloud.oss.state import PRIVATE, Bucket, StoredObject
from scripts.localcloud.web import Request, Response

Operation = Callable[[Core, Call], Response]

# By method and by the query argument that names what is acted on ("" for the thing itself).
SERVICE_OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", ""): oss_buckets.list_buckets,
}
BUCKET_OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", ""): oss_buckets.list_objects,
    ("PUT", ""): oss_buckets.put_bucket,
    ("DELETE", ""): oss_buckets.delete_bucket,
    ("GET", "acl"): oss_buckets.get_acl,
    ("PUT", "acl"): oss_buckets.put_bucket_acl,
    ("GET", "bucketInfo"): oss_buckets.get_info,
    ("GET", "location"): oss_buckets.get_location,
    ("GET", "stat"): oss_buckets.get_stat,
    ("GET", "uploads"): oss_uploads.list_uploads,
    ("GET", "versioning"): oss_buckets.get_versioning,
    ("PUT", "versioning"): oss_buckets.put_versioning,
    ("GET", "versions"): oss_buckets.list_versions,
    ("POST", "delete"): oss_write.delete_objects,
}
OBJECT_OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", ""): oss_read.get_object,
    ("HEAD", ""): oss_read.get_object,
    ("PUT", ""): oss_write.put_object,
    ("DELETE", ""): oss_write.delete_object,
    ("GET", "acl"): oss_read.get_object_acl,
    ("PUT", "acl"): oss_write.put_object_acl,
    ("POST", "append"): oss_write.append_object,
    ("GET", "objectMeta"): oss_read.object_meta,
    ("HEAD", "objectMeta"): oss_read.object_meta,
    ("GET", "symlink"): oss_read.get_symlink,
    ("PUT", "symlink"): oss_write.put_symlink,
    ("POST", "uploads"): oss_uploads.initiate,
    ("PUT", "uploadId"): oss_uploads.put_part,
    ("POST", "uploadId"): oss_uploads.complete,
    ("DELETE", "uploadId"): oss_uploads.abort,
    ("GET", "uploadId"): oss_uploads.list_parts,
}
_ANONYMOUS_READS: Final = frozenset({("GET", ""), ("HEAD", ""), ("GET", "objectMeta"), ("HEAD", "objectMeta")})

# Arguments that go with an operation rather than naming one. Any other signed argument names an
# operation, so that `PUT ?tagging` is refused instead of overwriting the object.
_MODIFIERS: Final = (
    "callback continuation-token partNumber position response- security-token sequential versionId x-oss-"
)
_NAMING: Final = frozenset(name for name in SUBRESOURCES if not name.startswith(tuple(_MODIFIERS.split())))
_FAULTS: Final[Mapping[str, str]] = {"throttle": "TotalQpsLimitExceeded", "server_error": "InternalError"}


class ObjectStore:
    """OSS in memory: all buckets of one account in one region.

    `keys` maps access key ids to secrets; `tokens` says which of them are temporary, by their
    security tokens. `notify` gets the payload of a native trigger for each change of an object.
    `signing_clock` is the clock that signatures are dated by, where it is another: clients in
    process sign by the machine's time though the store may live on a virtual clock.
    `answers` and `habits` are what it says and does other than expected; `clock_ahead_seconds` may be set at any time.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        keys: Mapping[str, str],
        account_id: str,
        region: str,
        notify: Callable[[dict[str, Any]], None] = lambda _payload: None,
        endpoint: str = "",
        tokens: Mapping[str, str] | None = None,
        signing_clock: Clock | None = None,
    ) -> None:
        self.answers: list[OssRule] = []
        self.habits = OssHabits()
        self._clock = ShiftedClock(clock)
        self._signing_clock = ShiftedClock(signing_clock or clock)
        self._verifier = Verifier(self._signing_clock, keys, region, tokens or {})
        self._core = Core(self._clock, account_id, region, endpoint, notify, habits=self.habits)

    @property
    def clock_ahead_seconds(self) -> float:
        """How far OSS's clock is ahead of everybody else's: Date, Last-Modified, events, time stamps."""
        return self._clock.ahead_seconds

    @clock_ahead_seconds.setter
    def clock_ahead_seconds(self, seconds: float) -> None:
        self._clock.ahead_seconds = self._signing_clock.ahead_seconds = seconds

    @property
    def expired_tokens(self) -> set[str]:
        """Security tokens that were good once."""
        return self._verifier.expired_tokens

    def now(self) -> float:
        """Return the time by OSS's clock."""
        return self._clock.now()

    def create_bucket(self, name: str, *, public_read: bool = False) -> None:
        """Create a bucket; one that exists only gets the ACL."""
        oss_buckets.create(self._core, name, "public-read" if public_read else PRIVATE)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket itself, for those who bypass HTTP; OssError where there is none.

        What is done to it is told to nobody. Its `versioning` may be set.
        """
        return self._core.bucket(name)

    def verdict(
        self, method: str, bucket: str, key: str = "", params: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Return the answer that a rule has for a request, or None; a rule that counts its times counts this one."""
        request = Request(method, f"{bucket}.oss-{self._core.region}.aliyuncs.com", f"/{quote(key)}")
        return first_answer(self.answers, Call(request, "", self.now(), bucket, key, params or {}))

    def read(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object, through a symlink where there is one; None where a read would be refused."""
        try:
            return self._core.resolved(bucket, key)
        except OssError:
            return None

    def put(self, bucket: str, key: str, data: bytes, *, headers: Mapping[str, str] | None = None) -> StoredObject:
        """Write an object without a signature; `headers` as in `StoredObject`. It is told of."""
        return oss_write.put_directly(self._core, bucket, key, data, headers)

    def link(self, bucket: str, key: str, target: str) -> StoredObject:
        """Write a symlink to an object of the same bucket without a signature. It is told of."""
        return oss_write.link_directly(self._core, bucket, key, target)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object without a signature. It is told of."""
        core = self._core
        core.remove("DeleteObject", core.bucket(bucket), key, core.request_id())

    def delete_many(self, bucket: str, keys: list[str]) -> list[str]:
        """Delete objects without a signature and return the keys that were deleted; they are told of."""
        return oss_write.delete_directly(self._core, bucket, keys)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, in OSS's order."""
        return self._core.bucket(bucket).keys(prefix)

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        return self._replied(request, self._answer)

    def fault_response(self, kind: str, request: Request) -> Response:
        """Refuse as OSS does when it throttles ("throttle") or fails ("server_error")."""

        def fail(_call: Call) -> Response:
            raise OssError(_FAULTS[kind])

        return self._replied(request, fail)

    def _replied(self, request: Request, answer: Callable[[Call], Response]) -> Response:
        request_id = self._core.request_id()
        try:
            call = parse(request, request_id=request_id, now=self._clock.now())
            reply = answer(call)
        except OssError as error:
            reply = _refusal(error, request, request_id)
        except RawAnswer as raw:
            reply = raw.answer.response(request)
        headers = {
            "Server": "AliyunOSS",
            "Date": formatdate(self._clock.now(), usegmt=True),
            "Content-Length": str(len(reply.body)),
            "x-oss-request-id": request_id,
            "x-oss-server-time": "1",
            **reply.headers,
        }
        if reply.status == 304:
            del headers["Content-Length"]
        return replace(reply, headers=headers)

    def _answer(self, call: Call) -> Response:
        if call.method == "POST" and not call.key and call.header("content-type").startswith(FORM):
            return post_object(self._core, self._verifier, call)
        naming = next((name for name in call.params if name in _NAMING), "")
        operation = _operation(call, naming)
        if call.bucket and operation is not oss_buckets.put_bucket:
            self._core.bucket(call.bucket)
        if self._verifier.signer(call) is None and not self._open_to_all(call, naming):
            raise OssError("AccessDenied")
        answer = first_answer(self.answers, call)
        if answer is None:
            return operation(self._core, call)
        if answer.carried_out:
            operation(self._core, call)
        raise refusal_of(answer) if answer.code else RawAnswer(answer)

    def _open_to_all(self, call: Call, naming: str) -> bool:
        """Whether an anonymous call is a read of something public."""
        if not call.key or (call.method, naming) not in _ANONYMOUS_READS:
            return False
        bucket = self._core.bucket(call.bucket)
        found = bucket.get(call.key)
        acl = found.acl if found and found.acl != "default" else bucket.acl
        return acl != PRIVATE


def _operation(call: Call, naming: str) -> Operation:
    table = OBJECT_OPERATIONS if call.key else BUCKET_OPERATIONS if call.bucket else SERVICE_OPERATIONS
    found = table.get((call.method, naming))
    if found is None:
        raise OssError("NotImplemented" if naming else "MethodNotAllowed", Method=call.method)
    return found


def _refusal(error: OssError, request: Request, request_id: str) -> Response:
    if error.status == 304:
        return Response(304, error.headers)
    facts = {
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id,
        "HostId": request.host,
        **error.details,
    }
    body = xml.document("Error", [xml.element(name, value) for name, value in facts.items()])
    headers = {"Content-Type": "application/xml", **error.headers}
    if request.method != "HEAD":
        return Response(error.status, headers, body)
    # A reply to HEAD has no body, so the same document stands in a header.
    headers["x-oss-err"] = base64.b64encode(body).decode()
    return Response(error.status, headers)
