"""A service's `Response` goes in; the headers and body that HTTP lets on the wire come out."""

from __future__ import annotations

from email.utils import formatdate

from scripts.localcloud.web import Response

STATUSES_WITHOUT_BODY = frozenset({204, 304})


def as_sent(method: str, response: Response, now: float) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Give the reply the length and date it must carry, and no body where there can be none.

    A reply to HEAD keeps the Content-Length its service set: the length of the body that GET would send.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    headers.setdefault("date", formatdate(now, usegmt=True))
    body = response.body
    if response.status in STATUSES_WITHOUT_BODY:
        headers.pop("content-length", None)
        body = b""
    elif method == "HEAD":
        headers.setdefault("content-length", str(len(body)))
        body = b""
    else:
        headers["content-length"] = str(len(body))
    return [(_encoded(name), _encoded(value)) for name, value in headers.items()], body


def joined(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Collect header lines as they came, under lower-case names; a repeated name's values are joined."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _encoded(text: str) -> bytes:
    """Encode header text: Latin-1 as HTTP has it, or UTF-8 for names that Latin-1 cannot write."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
