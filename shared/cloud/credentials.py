"""The invocation's temporary keys: the runtime brings them, every signer reads them at each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and, with temporary keys, its security token. Never printed."""

    access_key_id: str
    access_key_secret: str
    security_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"


class MissingCredentials(RuntimeError):
    """The runtime brought no keys: the function has no role, or its name is wrong."""


class KeyRing:
    """Holds the keys of the current invocation. Clients live per instance, keys per invocation."""

    def __init__(self, current: Credentials | None = None) -> None:
        self._current = current
        self._earlier: Credentials | None = None
        self._source: Callable[[], Credentials] | None = None

    def use(self, source: Callable[[], Credentials]) -> None:
        """Take over the keys of an invocation. Raises `MissingCredentials` where it brought none."""
        self._earlier = self._current
        self._current = source()
        self._source = source

    def renew(self) -> bool:
        """Look whether the runtime has put new keys in place of the current ones, and take them over."""
        before = self._current
        if self._source is not None:
            self._current = self._source()
        if self._current != before:
            self._earlier = before
        return self._current != before

    def current(self) -> Credentials:
        """The keys to sign with now. Raises `MissingCredentials` before the first invocation."""
        if self._current is None:
            raise MissingCredentials("no keys yet: credentials arrive with an invocation")
        return self._current

    def secrets(self) -> tuple[str, ...]:
        """What must not be told of these keys, and of those before, which a late answer may still name."""
        held = [keys for keys in (self._current, self._earlier) if keys is not None]
        parts = [part for keys in held for part in (keys.security_token, keys.access_key_secret, keys.access_key_id)]
        return tuple(dict.fromkeys(part for part in parts if part))


def from_invocation(context: Any, environ: Mapping[str, str]) -> Credentials:
    """Read the keys where the runtime puts them: on the context (3.10), in the environment (3.12)."""
    held = getattr(context, "credentials", None)
    if getattr(held, "access_key_id", None):
        key_id, secret, token = (
            getattr(held, name, None) for name in ("access_key_id", "access_key_secret", "security_token")
        )
    else:
        key_id, secret, token = (
            environ.get(f"ALIBABA_CLOUD_{name}") for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        )
    if not key_id or not secret:
        raise MissingCredentials(
            "the runtime brought no access key: give the function a role (template.yml: role) that it may assume"
        )
    return Credentials(key_id, secret, token or "")
