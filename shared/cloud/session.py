"""Make a `requests` session that goes where it is sent and nowhere else, and say what kept it from an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from shared.core.foreign import CODE_CHARACTERS_MAX, foreign

REDIRECTED = "Redirected"
"""The code of a reply that points elsewhere: none of our calls is answered so, and a token must not follow it."""
UNTRUSTED = "Untrusted"
"""The code of a server whose certificate does not prove who it is."""
UNREACHABLE = "Unreachable"


class _Straight(requests.Session):
    """Follows no redirect: the reply that asks for one comes back as it is."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the session's own seam
        return None


def straight_session(adapter: Any = None, proxy: str = "") -> requests.Session:
    """Make a session without redirects, .netrc and the environment's proxies; `proxy` is the one setting."""
    session = _Straight()
    session.trust_env = False
    if adapter is not None:
        session.mount("http://", adapter)
        session.mount("https://", adapter)
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    return session


def is_redirect(status: int) -> bool:
    """Whether a status points elsewhere."""
    return 300 <= status < 400  # noqa: PLR2004 - the class of statuses


def redirect_told(status: int, headers: Mapping[str, str]) -> str:
    """Say where a reply pointed, by its host alone: what follows in the address may hold a key."""
    location = next((value for name, value in headers.items() if name.lower() == "location"), "")
    try:
        host = urlsplit(location).hostname or "the same host"
    except ValueError:
        host = "no readable address"
    return f"answered {status}, which points to {foreign(host, most=CODE_CHARACTERS_MAX)}; no redirect is followed"


def fault_told(fault: BaseException) -> tuple[str, str]:
    """Tell what kept a request from being answered: a code, and the innermost reason in its own words."""
    inner = fault
    while (reason := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) is not None:
        if not isinstance(reason, BaseException):
            break
        inner = reason
    text = f"{type(inner).__name__}: {inner}"
    return (UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in text.upper().replace(" ", "_") else UNREACHABLE), text
