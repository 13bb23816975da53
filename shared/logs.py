"""structlog set up for Function Compute: JSON lines on stdout, one canonical line per invocation.

What is printed deceives nobody and is bounded: controls, separators and marks of direction are escaped as JSON escapes
them, long values are cut, and no key, token or signature is in it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from shared.core.foreign import cut, escaped, redacted, without

VALUE_CHARACTERS_MAX = 4_000
"""Function Compute cuts a line at 32 KB; an object's key has at most 1,023 bytes, a URL some four thousand."""
EXCEPTION_CHARACTERS_MAX = 12_000
ITEMS_MAX = 100
"""How many values of a list or a mapping are printed."""
DEPTH_MAX = 5

_FROM_OUTSIDE = frozenset({"exception", "reason", "message"})
"""Fields with texts of which nobody knows what they hold; the others are data."""
_CAUSES = re.compile(r"(\n\n(?:The above exception was|During handling of).*\n\n)")
"""Between the traces of an error and of its cause. What is taken out of one ends with it."""
_VENDORS = ("oss2", "aliyun", "httpx", "httpcore", "urllib3", "requests")

Secrets = Callable[[], Iterable[str]]


def logger(level: str = "INFO", stream: TextIO | None = None, secrets: Secrets = tuple) -> Any:
    """Make a logger that writes JSON lines to `stream` (stdout). Nothing global is configured.

    `secrets` tells the keys of the moment, which are taken out of all that is printed.
    """
    return structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stdout),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Bounded(secrets),
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            _escape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        cache_logger_on_first_use=False,
    )


def quiet_vendors() -> None:
    """Let the vendor's clients print warnings only: oss2 prints each error's whole reply, httpx a line a call."""
    for name in _VENDORS:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Bounded:
    """Cuts long values, deep ones and many, and takes keys out of texts."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        secrets = tuple(self._secrets())
        return {str(name): self._field(name, value, secrets) for name, value in event.items()}

    def _field(self, name: object, value: Any, secrets: tuple[str, ...]) -> Any:
        if name not in _FROM_OUTSIDE:
            return _bounded(value, secrets)
        if name != "exception":
            return cut(redacted(str(value), secrets), VALUE_CHARACTERS_MAX)
        text = "".join(redacted(part, secrets) for part in _CAUSES.split(str(value)))
        # What happened stands at a trace's end.
        return text if len(text) <= EXCEPTION_CHARACTERS_MAX else "…" + text[1 - EXCEPTION_CHARACTERS_MAX :]


def _bounded(value: Any, secrets: tuple[str, ...], depth: int = 0) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        first = list(value.items())[:ITEMS_MAX]
        return {_text(name, secrets): _bounded(each, secrets, depth + 1) for name, each in first} | _left(value, "…")
    if depth < DEPTH_MAX and isinstance(value, (list, tuple, set, frozenset)):
        shown = [_bounded(each, secrets, depth + 1) for each in list(value)[:ITEMS_MAX]]
        return shown + [f"… {count} more" for count in _left(value, "…").values()]
    return _text(value, secrets)


def _text(value: object, secrets: tuple[str, ...]) -> str:
    return cut(without(value if isinstance(value, str) else str(value), secrets), VALUE_CHARACTERS_MAX)


def _left(values: Any, name: str) -> dict[str, int]:
    """Tell how many values are not shown, where some are not."""
    return {name: len(values) - ITEMS_MAX} if len(values) > ITEMS_MAX else {}


def _escape(_logger: Any, _method: str, line: Any) -> str:
    return escaped(line)
