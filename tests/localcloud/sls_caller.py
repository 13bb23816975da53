"""Records go in; requests to the local log service, written and signed by the vendor's recipe, come out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from email.utils import formatdate

from scripts.localcloud.web import Request, Response

NOW = 1_795_000_000
HOST = "audit.cn-hangzhou.log.aliyuncs.com"


def varint(number: int) -> bytes:
    """Write a number as protobuf does."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def text(number: int, value: str | bytes) -> bytes:
    """Write a field of text, bytes or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def log(time: int, **contents: str) -> bytes:
    """Write a log as a field of a log group."""
    pairs = b"".join(text(2, text(1, key) + text(2, value)) for key, value in contents.items())
    return text(1, varint(1 << 3) + varint(time) + pairs)


def group(*logs: bytes, topic: str = "refresh") -> bytes:
    """Write a log group."""
    return b"".join(logs) + text(3, topic) + text(4, "10.0.0.1")


def signed(
    method: str, path: str, body: bytes, *, date: float = NOW, headers: Mapping[str, str] | None = None
) -> Request:
    """Sign by the vendor's published recipe, version 1, written once more from the document."""
    fields = {f"x-log-{name}": value for name, value in (headers or {}).items()}
    fields |= {"x-log-signaturemethod": "hmac-sha1", "x-log-apiversion": "0.6.0"}
    when, digest = (
        formatdate(date, usegmt=True),
        hashlib.md5(body, usedforsecurity=False).hexdigest() if body else "",
    )
    canonical = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
    message = f"{method}\n{digest}\n\n{when}\n{canonical}{path}"
    signature = base64.b64encode(hmac.new(b"secret", message.encode(), hashlib.sha1).digest()).decode()
    fields |= {"date": when, "content-md5": digest, "authorization": f"LOG key:{signature}"}
    path, _, query = path.partition("?")
    return Request(method, HOST, path, query, fields, body)


def put(raw: bytes, body: bytes | None = None, **headers: str) -> Request:
    """Make a signed PutLogs."""
    stated = {"bodyrawsize": str(len(raw)), **headers}
    return signed("POST", "/logstores/outcomes/shards/lb", raw if body is None else body, headers=stated)


def search(**asked: object) -> Request:
    """Make a signed GetLogs."""
    return signed("POST", "/logstores/outcomes/logs", json.dumps({"from": 0, "to": NOW, **asked}).encode())


def outcome(response: Response) -> tuple[int, str]:
    """The status and error code of a refusal."""
    return response.status, json.loads(response.body)["errorCode"]
