"""structlog set up for Function Compute: JSON lines on stdout, one canonical line per invocation."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog


def logger(level: str = "INFO", stream: TextIO | None = None) -> Any:
    """Make a logger that writes JSON lines to `stream` (stdout). Nothing global is configured."""
    return structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stdout),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        cache_logger_on_first_use=False,
    )
