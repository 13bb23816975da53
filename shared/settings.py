"""The environment in; frozen settings out, or one error that lists every fault, or what works of them and the faults.

The docstring under each field is its line in the README's table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared.core.checked import Fault, Invalid, check
from shared.core.plan.limits import Limits
from shared.core.site.sites import Site


class Settings(msgspec.Struct, frozen=True, rename=lambda name: name.upper()):
    """What a deployment sets; each field is an environment variable of its name in upper case."""

    spool_bucket: str
    """Bucket that keeps the state; best one of its own."""

    log_project: str
    """Log service (SLS) project of the outcome log."""

    logstore: str
    """Logstore of the outcome log."""

    region: str = ""
    """Region of the buckets; empty means the function's own."""

    spool_prefix: str = "cdn-refresh/"
    """Key prefix of the state in that bucket; ends with `/`, or empty."""

    sites_file: str = "sites.yml"
    """Site file, relative to the code package's root."""

    oss_endpoint: str = ""
    """OSS endpoint of the spool; empty means the region's internal one."""

    cdn_endpoint: str = "https://cdn.aliyuncs.com"
    """CDN API endpoint."""

    log_endpoint: str = ""
    """Log service endpoint; empty means the region's intranet one."""

    urls_per_minute_per_domain: int = Limits().urls_per_minute_per_domain
    """URLs that one domain may refresh in a minute."""

    calls_per_second: float = Limits().calls_per_second
    """Submissions a second."""

    reserve_percent: int = Limits().reserve_percent
    """Share of each day's quota, in percent, kept for removals and for people."""

    linger_seconds: float = 10.0
    """How long a drain waits, in a burst, for its next call to fill; a lone upload never waits."""

    lease_seconds: float = 120.0
    """How long a drain that died keeps others from draining; at least the functions' timeout."""

    ignore_params_type: str = "IgnoreParams"
    """How the API calls that object type; older English pages say ExQuery."""

    dead_days: int = 90
    """How many days what was given up is kept."""

    proxy: str = ""
    """HTTP proxy for all calls (http:// or https:// and its host); empty means none."""

    http_events: bool = False
    """Whether events may also come as HTTP requests (`true`); whoever knows a public address can then spend quota."""

    log_level: str = "INFO"
    """Least severe level that is printed; `DEBUG` tells which cases each decision met."""

    @property
    def limits(self) -> Limits:
        """The account's limits."""
        return Limits(
            urls_per_minute_per_domain=self.urls_per_minute_per_domain,
            calls_per_second=self.calls_per_second,
            reserve_percent=self.reserve_percent,
        )


SPOOL_PREFIX_BYTES_MAX = 100
"""OSS takes keys of 1,023 bytes; those of notes need the rest."""
SPOOL_SETTINGS = ("SPOOL_BUCKET", "SPOOL_PREFIX", "REGION", "OSS_ENDPOINT", "PROXY")
"""Without these nothing can be kept; with any other one wrong, events are noted until it is mended."""

_BETWEEN: Mapping[str, tuple[float, float]] = {
    "URLS_PER_MINUTE_PER_DOMAIN": (1, 100_000),
    "CALLS_PER_SECOND": (0.1, 1_000),
    "RESERVE_PERCENT": (0, 100),
    "LINGER_SECONDS": (0.1, 60),
    "LEASE_SECONDS": (1, 3_600),
    "DEAD_DAYS": (1, 3_650),
}
_SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    # The vendor's naming rules.
    "SPOOL_BUCKET": (
        re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        "is no name of a bucket (3 to 63 lower-case letters, digits and hyphens)",
    ),
    "LOG_PROJECT": (
        re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        "is no name of a project (3 to 63 lower-case letters, digits and hyphens)",
    ),
    "LOGSTORE": (
        re.compile(r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]"),
        "is no name of a logstore (2 to 63 lower-case letters, digits, hyphens and underscores)",
    ),
    "REGION": (re.compile(r"[a-z]{2,4}(?:-[a-z0-9]+)+"), "is no region such as cn-hangzhou"),
    "IGNORE_PARAMS_TYPE": (re.compile(r"[A-Za-z]{1,40}"), "is no object type: it has letters only"),
    "SITES_FILE": (re.compile(r"[^\x00]+"), "is no path of a file"),
}
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*"  # a name or IPv4
    r"|[0-9a-f.]*:[0-9a-f:.]+"  # IPv6
)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_ENDPOINTS = ("OSS_ENDPOINT", "CDN_ENDPOINT", "LOG_ENDPOINT")


def read_settings(environ: Mapping[str, str], *, inside: bool = True) -> Settings:
    """Read settings from an environment. Raises `Invalid` with every fault; a variable set to "" is not set.

    Endpoints that are not set are the region's own: those of its network, or with `inside` off the public ones.
    """
    values, faults = _read(environ)
    if faults:
        raise Invalid("settings", [_told(fault) for fault in faults])
    return _with_endpoints(_made(values), inside=inside)


def read_what_works(environ: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """Read settings of which some may be wrong: those that work, defaults for the others, and every fault.

    Raises `Invalid`, with every fault, where one of `SPOOL_SETTINGS` is wrong.
    """
    values, faults = _read(environ)
    told = [_told(fault) for fault in faults]
    if any(fault.where in SPOOL_SETTINGS for fault in faults):
        raise Invalid("settings", told)
    wrong = {fault.where for fault in faults}
    needed = {field.encode_name: "" for field in msgspec.structs.fields(Settings) if field.required}
    usable = {name: value for name, value in values.items() if name not in wrong}
    return _with_endpoints(_made({**needed, **usable}), inside=True), tuple(told)


def _read(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    """Read each variable by itself, so that one fault hides no other; what has the wrong type has no value."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(Settings)}
    given = {name: value for name, value in environ.items() if name in fields and value != ""}
    if region := environ.get("FC_REGION"):
        given.setdefault("REGION", region)
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in given:
            values[name] = check(given[name], field.type, name, faults, strict=False)
        elif field.required:
            faults.append(Fault(name, "is missing"))
    if "REGION" not in given:
        faults.append(Fault("REGION", "is missing, and the runtime does not name its region (FC_REGION)"))
    values = {name: value for name, value in values.items() if value is not None}
    return values, faults + _value_faults(values)


def _made(values: Mapping[str, Any]) -> Settings:
    names = {field.encode_name: field.name for field in msgspec.structs.fields(Settings)}
    return Settings(**{names[name]: value for name, value in values.items()})


def _told(fault: Fault) -> str:
    return f"{fault.where} {fault.what}"


def _value_faults(values: Mapping[str, Any]) -> list[Fault]:
    """Check what types cannot say."""
    faults = [
        Fault(name, f"must be from {least:g} to {most:g}, got {values[name]:g}")
        for name, (least, most) in _BETWEEN.items()
        if name in values and not least <= values[name] <= most
    ]
    faults += [
        Fault(name, f"{what}, got {values[name]!r:.80}")
        for name, (shape, what) in _SHAPES.items()
        if name in values and not shape.fullmatch(values[name])
    ]
    faults += _prefix_faults(values.get("SPOOL_PREFIX", ""))
    if values.get("LOG_LEVEL", "INFO") not in _LEVELS:
        faults.append(Fault("LOG_LEVEL", f"is one of {', '.join(_LEVELS)}, got {values['LOG_LEVEL']!r:.80}"))
    faults += [
        Fault(name, f"{fault}, got {values[name]!r:.80}")
        for name in _ENDPOINTS
        if name in values and (fault := _endpoint_fault(values[name]))
    ]
    # A proxy's address may hold a password, so it is not repeated.
    if "PROXY" in values and (fault := _endpoint_fault(values["PROXY"], may_log_in=True)):
        faults.append(Fault("PROXY", fault))
    if _host(values.get("OSS_ENDPOINT", "")).startswith(f"{values.get('SPOOL_BUCKET', '')}."):
        faults.append(Fault("OSS_ENDPOINT", f"must not name the bucket, got {values['OSS_ENDPOINT']!r:.80}"))
    return faults


def _prefix_faults(prefix: str) -> list[Fault]:
    found = [
        (prefix.startswith(("/", "\\")), "must not begin with `/` or a backslash, as keys do not"),
        (prefix != "" and not prefix.endswith("/"), "must end with `/`"),
        (not prefix.isprintable(), "must hold no control characters, separators or halves of characters"),
    ]
    faults = [Fault("SPOOL_PREFIX", f"{what}, got {prefix!r:.80}") for is_wrong, what in found if is_wrong]
    if len(prefix.encode(errors="replace")) > SPOOL_PREFIX_BYTES_MAX:
        faults.append(Fault("SPOOL_PREFIX", f"must not be longer than {SPOOL_PREFIX_BYTES_MAX} bytes: keys follow it"))
    return faults


def _endpoint_fault(url: str, *, may_log_in: bool = False) -> str:
    """Tell why an address cannot be called; nothing where it can."""
    if not url.startswith(("http://", "https://")):
        return "must begin with http:// or https://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address of a host"
    if not _HOST.fullmatch(parts.hostname or "") or port == 0:
        return "is no address of a host"
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in url or "#" in url:
        return "must be an address without a path or a query"
    if "@" in parts.netloc and not may_log_in:
        return "must hold no user and password"
    return ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _with_endpoints(settings: Settings, *, inside: bool) -> Settings:
    region = settings.region
    oss, log = (f"oss-{region}-internal", f"{region}-intranet") if inside else (f"oss-{region}", region)
    return msgspec.structs.replace(
        settings,
        oss_endpoint=settings.oss_endpoint or f"https://{oss}.aliyuncs.com",
        log_endpoint=settings.log_endpoint or f"https://{log}.log.aliyuncs.com",
    )


def check_spool_apart(settings: Settings, sites: tuple[Site, ...]) -> None:
    """Refuse a spool that a site's rule would trigger on: every note would then cause another invocation."""
    watched = [
        f"SPOOL_PREFIX {settings.spool_prefix!r} lies in what site {site.name!r} watches "
        f"({site.bucket}/{site.prefix}); use another bucket, or a prefix that no site and no trigger covers"
        for site in sites
        if site.bucket == settings.spool_bucket
        and (settings.spool_prefix.startswith(site.prefix) or site.prefix.startswith(settings.spool_prefix))
    ]
    if watched:
        raise Invalid("settings", watched)
