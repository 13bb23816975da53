"""An operator's environment, or the ready file of a local cloud, in; the same parts a function works with out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from scripts.cloudprocess import NEEDED, environment_of, site_file_of
from scripts.operators.faults import Fault, say
from shared import wiring
from shared.cloud.credentials import Credentials, MissingCredentials
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Site
from shared.settings import read_settings

CODE = Path(__file__).parents[2] / "functions"
"""What a deployment packs, so a relative SITES_FILE means the same file here and there."""

Connect = Callable[[Mapping[str, str], Path | None], wiring.Instance]


class Desk:
    """What the commands share; nothing is connected before a command needs it, so that each can tell its usage."""

    def __init__(self, connect: Callable[[], wiring.Instance]) -> None:
        self._connect = connect

    @cached_property
    def instance(self) -> wiring.Instance:
        """The spool, the CDN, the log store, the sites and the clock."""
        return self._connect()


class Report:
    """Prints what a step wants a person to know."""

    def info(self, event: str, **details: object) -> None:
        """Print nothing: the command tells what it did."""

    debug = info

    def warning(self, event: str, **details: object) -> None:
        """Print one line."""
        say(", ".join([event, *(f"{name}: {value}" for name, value in details.items())]))

    error = warning


def connect(environ: Mapping[str, str], local: Path | None = None) -> wiring.Instance:
    """Put the parts together. Raises `Invalid`, `MissingCredentials` or `Fault` where something does not do."""
    if local is None:
        settings = read_settings(environ, inside=False)
        sites = _sites(CODE / settings.sites_file)
    else:
        ready = _ready(Path(environ.get("CALLED_FROM", "."), local))
        environ = environment_of(ready)
        settings = read_settings(environ, inside=False)
        sites = read_sites(site_file_of(ready))
    keys = _keys(environ)
    instance = wiring.build(settings, sites, report=Report())
    instance.keys.use(lambda: keys)
    return instance


def _sites(path: Path) -> tuple[Site, ...]:
    try:
        return read_sites(path.read_bytes(), str(path))
    except OSError as error:
        raise Fault(f"SITES_FILE {path} cannot be read: {error.strerror}") from error


def _ready(path: Path) -> dict[str, str]:
    """Read what a local cloud wrote when it was ready."""
    try:
        ready = json.loads(path.read_text(encoding="utf-8"))
        missing = NEEDED - ready.keys()
    except OSError as error:
        raise Fault(f"--local {path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError) as error:
        raise Fault(f"--local {path} is no ready file of a local cloud: it is not a JSON object") from error
    if missing:
        raise Fault(f"--local {path} is no ready file of a local cloud: it does not name {', '.join(sorted(missing))}")
    return {name: str(value) for name, value in ready.items()}


def _keys(environ: Mapping[str, str]) -> Credentials:
    """Read the access key where the vendor's own programs look for it."""
    key_id, secret, token = (
        environ.get(f"ALIBABA_CLOUD_{name}", "") for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    )
    if not key_id or not secret:
        raise MissingCredentials("ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET must be set")
    return Credentials(key_id, secret, token)
