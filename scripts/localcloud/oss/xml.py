"""XML as OSS writes and reads it: no namespaces out, and tolerant of any character in keys coming in.

A key may hold characters that XML 1.0 forbids even as references; clients send them all the
same (`&#1;`), so request bodies are read by pattern rather than by an XML parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

_NAMED_REFERENCES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_REFERENCE = re.compile(r"&(?:#(?P<decimal>\d+)|#[xX](?P<hex>[0-9a-fA-F]+)|(?P<name>amp|lt|gt|quot|apos));")
# A carriage return or a control character would not survive a parser at the other end as itself.
_UNSAFE = re.compile("[&<>\\x00-\\x08\\x0a-\\x1f]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """Text as character data; control characters become numeric references."""
    return _UNSAFE.sub(lambda hit: _NAMED.get(hit[0]) or f"&#{ord(hit[0])};", text)


def unescape(text: str) -> str:
    """Character data as text: the five named references and every numeric one are resolved."""
    return _REFERENCE.sub(_resolve, text)


def _resolve(hit: re.Match[str]) -> str:
    if name := hit["name"]:
        return _NAMED_REFERENCES[name]
    code = int(hit["decimal"]) if hit["decimal"] else int(hit["hex"], 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def element(name: str, text: object) -> str:
    """Write one leaf element; booleans are written the way OSS writes them."""
    if isinstance(text, bool):
        text = "true" if text else "false"
    return f"<{name}>{escape(str(text))}</{name}>"


def group(name: str, children: Iterable[str]) -> str:
    """Write an element around elements."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(root: str, children: Iterable[str]) -> bytes:
    """Write a whole document as bytes."""
    # A lone surrogate can be in no key, but may be in an echoed argument.
    return (DECLARATION + group(root, children)).encode("utf-8", "replace")


def url_encoded(text: str) -> str:
    """Text as it stands in a list reply that was asked for with `encoding-type=url`."""
    return quote(text, safe="", errors="replace")


def children(body: str, name: str) -> list[str]:
    """Return the inner text of each `name` element, unresolved, in order."""
    return re.findall(rf"<{name}(?:\s[^>]*)?>(.*?)</{name}\s*>", body, re.DOTALL)


def first(body: str, name: str, default: str = "") -> str:
    """Return the resolved text of the first `name` element."""
    found = children(body, name)
    return unescape(found[0]) if found else default
