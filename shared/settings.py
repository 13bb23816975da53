"""The environment in, frozen settings out, or one error that lists every fault.

The docstring under each field is its line in the README's table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

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

    log_level: str = "INFO"
    """Least severe level that is printed."""

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
_AT_LEAST = {
    "URLS_PER_MINUTE_PER_DOMAIN": 1,
    "CALLS_PER_SECOND": 0.1,
    "RESERVE_PERCENT": 0,
    "LINGER_SECONDS": 0.1,
    "LEASE_SECONDS": 1,
}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def read_settings(environ: Mapping[str, str], *, inside: bool = True) -> Settings:
    """Read settings from an environment. Raises `Invalid` with every fault; a variable set to "" is not set.

    Endpoints that are not set are the region's own: those of its network, or with `inside` off the public ones.
    """
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
    faults += _value_faults({name: value for name, value in values.items() if value is not None})
    if faults:
        raise Invalid("settings", [f"{fault.where} {fault.what}" for fault in faults])
    return _with_endpoints(Settings(**{fields[name].name: value for name, value in values.items()}), inside=inside)


def _value_faults(values: Mapping[str, Any]) -> list[Fault]:
    """Check what types cannot say."""
    faults = [
        Fault(name, f"must be at least {least:g}, got {values[name]:g}")
        for name, least in _AT_LEAST.items()
        if name in values and not least <= values[name] < math.inf
    ]
    if values.get("RESERVE_PERCENT", 0) > 100:  # noqa: PLR2004 - a share
        faults.append(Fault("RESERVE_PERCENT", f"is a share of at most 100, got {values['RESERVE_PERCENT']}"))
    if not _BUCKET.fullmatch(values.get("SPOOL_BUCKET", "a-bucket")):
        faults.append(Fault("SPOOL_BUCKET", f"is no name of a bucket, got {values['SPOOL_BUCKET']!r}"))
    prefix = values.get("SPOOL_PREFIX", "")
    if prefix.startswith("/"):
        faults.append(Fault("SPOOL_PREFIX", f"must not begin with `/`, got {prefix!r}"))
    if len(prefix.encode(errors="replace")) > SPOOL_PREFIX_BYTES_MAX:
        faults.append(Fault("SPOOL_PREFIX", f"must not be longer than {SPOOL_PREFIX_BYTES_MAX} bytes: keys follow it"))
    if prefix and not prefix.endswith("/"):
        faults.append(Fault("SPOOL_PREFIX", f"must end with `/`, got {prefix!r}"))
    if values.get("LOG_LEVEL", "INFO") not in _LEVELS:
        faults.append(Fault("LOG_LEVEL", f"is one of {', '.join(_LEVELS)}, got {values['LOG_LEVEL']!r}"))
    faults += [
        Fault(name, f"must begin with http:// or https://, got {values[name]!r}")
        for name in ("OSS_ENDPOINT", "CDN_ENDPOINT", "LOG_ENDPOINT")
        if name in values and not values[name].startswith(("http://", "https://"))
    ]
    return faults


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
