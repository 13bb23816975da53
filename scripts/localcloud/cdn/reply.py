"""The document of a reply goes in; JSON or XML as the CDN's gateway writes it comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from scripts.localcloud.cdn.errors import RefusedError
from scripts.localcloud.web import Response

HOST_ID = "cdn.aliyuncs.com"


def success(operation: str, document: Mapping[str, Any], *, as_xml: bool) -> Response:
    """Answer 200 with a document."""
    return _response(200, f"{operation}Response", document, as_xml=as_xml)


def refusal(request_id: str, refused: RefusedError, *, as_xml: bool) -> Response:
    """Answer with the status of an error and the four fields that every error has."""
    document = {
        "RequestId": request_id,
        "HostId": HOST_ID,
        "Code": refused.code,
        "Message": refused.message,
    }
    return _response(refused.status, "Error", document, as_xml=as_xml)


def _response(status: int, root: str, document: Mapping[str, Any], *, as_xml: bool) -> Response:
    if as_xml:
        text = f'<?xml version="1.0" encoding="UTF-8"?>{"".join(_elements(root, document))}'
        kind = "text/xml;charset=utf-8"
    else:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        kind = "application/json;charset=utf-8"
    headers = {"Content-Type": kind, "x-acs-request-id": str(document["RequestId"])}
    return Response(status, headers, text.encode())


def _elements(name: str, value: Any) -> Iterator[str]:
    """Write a value as elements called `name`; a list repeats the element."""
    if isinstance(value, list):
        for item in value:
            yield from _elements(name, item)
    elif isinstance(value, Mapping):
        inner = "".join(text for key, item in value.items() for text in _elements(key, item))
        yield f"<{name}>{inner}</{name}>"
    else:
        yield f"<{name}>{escape(str(value))}</{name}>"
