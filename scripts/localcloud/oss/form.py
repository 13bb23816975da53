"""Form uploads (PostObject): a multipart/form-data body and its policy go in, an object comes out."""

from __future__ import annotations

import base64
import calendar
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scripts.localcloud.oss import xml
from scripts.localcloud.oss.auth import V4_ALGORITHM, Verifier, v1_signature, v4_signature
from scripts.localcloud.oss.call import KEY_BYTES_MAX, Call, kept_headers
from scripts.localcloud.oss.core import Core
from scripts.localcloud.oss.errors import OssError
from scripts.localcloud.oss.read import xml_reply
from scripts.localcloud.oss.state import new_object
from scripts.localcloud.oss.write import checksums, refuse_overwrite
from scripts.localcloud.web import Response

FORM: Final = "multipart/form-data"
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NAME = re.compile(r'[ ;]name="([^"]*)"')
_FILE_NAME = re.compile(r'filename="([^"]*)"')
_TYPE = re.compile(r"^content-type:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was sent: its fields by lower-case name, and the file, which comes last."""

    fields: Mapping[str, str]
    data: bytes
    file_name: str

    @property
    def key(self) -> str:
        """The key to write, in which `${filename}` stands for the name of the file."""
        return self.fields.get("key", "").replace("${filename}", self.file_name)


def parse_form(body: bytes, content_type: str) -> Form:
    """Take a form apart; fields after the file are ignored, as OSS does."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise OssError("MalformedPOSTRequest")
    fields: dict[str, str] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        described = head.decode("utf-8", "replace")
        name = _NAME.search(described)
        if not blank or name is None:
            continue
        if name[1].lower() == "file":
            return _with_file(fields, described, content)
        fields[name[1].lower()] = content.decode("utf-8", "replace")
    raise OssError("MalformedPOSTRequest", "The form holds no file field.")


def _with_file(fields: dict[str, str], described: str, content: bytes) -> Form:
    if kind := _TYPE.search(described):
        fields.setdefault("content-type", kind[1])
    file_name = _FILE_NAME.search(described)
    return Form(fields, content, file_name[1].replace("\\", "/").rpartition("/")[2] if file_name else "")


def post_object(core: Core, verifier: Verifier, call: Call) -> Response:
    """Store the file of a form, once its policy and signature were checked."""
    form = parse_form(call.body(), call.header("content-type"))
    bucket = core.bucket(call.bucket)
    if bucket.acl != "public-read-write" or "policy" in form.fields:
        authorize(verifier, form, call)
    if not 1 <= len(form.key.encode()) <= KEY_BYTES_MAX:
        raise OssError("InvalidObjectName", ObjectName=form.key)
    forbidden = form.fields.get("x-oss-forbid-overwrite", "").lower() == "true"
    refuse_overwrite(bucket, form.key, forbidden=forbidden)
    item = new_object(form.key, form.data, call.now, kept_headers(form.fields))
    stored = core.store("PostObject", bucket, item, call.request_id)
    return _reply(core, call, form, checksums(stored))


def _reply(core: Core, call: Call, form: Form, headers: dict[str, str]) -> Response:
    if url := form.fields.get("success_action_redirect"):
        return Response(303, {**headers, "Location": url})
    status = form.fields.get("success_action_status", "204")
    if status == "201":
        location = f"http://{core.endpoint_of(call.request)}/{call.bucket}/{xml.url_encoded(form.key)}"
        named = {"Bucket": call.bucket, "ETag": headers["ETag"], "Key": form.key, "Location": location}
        reply = xml_reply("PostResponse", [xml.element(name, value) for name, value in named.items()])
        return Response(201, {**reply.headers, **headers}, reply.body)
    return Response(200 if status == "200" else 204, headers)


def authorize(verifier: Verifier, form: Form, call: Call) -> None:
    """Refuse a form whose signature is not of its policy, or that its policy does not allow."""
    fields = form.fields
    policy = fields.get("policy", "")
    if not policy:
        raise OssError("AccessDenied", "Anonymous access is forbidden for this operation.")
    if fields.get("x-oss-signature-version") == V4_ALGORITHM:
        access_key_id, *scope = fields.get("x-oss-credential", "").split("/")
        secret = verifier.secret(access_key_id)
        verifier.check_scope(fields.get("x-oss-date", ""), scope)
        given, expected = fields.get("x-oss-signature", ""), v4_signature(secret, scope, policy)
    else:
        access_key_id = fields.get("ossaccesskeyid", "")
        secret = verifier.secret(access_key_id)
        given, expected = fields.get("signature", ""), v1_signature(secret, policy.encode())
    if given != expected:
        raise OssError("SignatureDoesNotMatch", OSSAccessKeyId=access_key_id, StringToSign=policy)
    verifier.check_token(access_key_id, fields.get("x-oss-security-token", ""))
    _check_policy(policy, form, call.bucket, verifier.clock.now())


def _check_policy(encoded: str, form: Form, bucket: str, now: float) -> None:
    try:
        policy = json.loads(base64.b64decode(encoded))
        expires = calendar.timegm(time.strptime(policy["expiration"][:19], "%Y-%m-%dT%H:%M:%S"))
        conditions = list(policy["conditions"])
    except (ValueError, KeyError, TypeError):
        raise OssError("InvalidArgument", "Invalid Policy: Invalid JSON.") from None
    if expires < now:
        raise OssError("AccessDenied", "Invalid according to Policy: Policy expired.")
    values = {**form.fields, "bucket": bucket, "key": form.key}
    for condition in conditions:
        if not _allows(condition, values, len(form.data)):
            raise OssError(
                "AccessDenied",
                f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}",
            )


def _allows(condition: Any, values: Mapping[str, str], size: int) -> bool:
    """Whether one condition, `{"field": "value"}` or `[operator, "$field", value]`, holds."""
    if isinstance(condition, dict):
        return all(values.get(name.lower(), "") == value for name, value in condition.items())
    operator, operand, value = condition
    if operator == "content-length-range":
        if size > int(value):
            raise OssError("EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(value))
        if size < int(operand):
            raise OssError("EntityTooSmall", ProposedSize=str(size), MinSizeAllowed=str(operand))
        return True
    actual = values.get(str(operand).removeprefix("$").lower(), "")
    if operator == "starts-with":
        return actual.startswith(str(value))
    allowed = {"eq": actual == value, "in": actual in value, "not-in": actual not in value}
    return bool(allowed.get(operator))
