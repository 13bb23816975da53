"""The environment in, frozen settings out, or one error that lists every fault.

The docstring under each field is its line in the README's table.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.core.checked import Fault, Invalid, check
from shared.core.limits import Limits
from shared.core.sites import Site


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

    linger_seconds: float = 5.0
    """How long a drain waits, in a burst, for its next call to fill; a lone upload never waits."""

    lease_seconds: float = 120.0
    """How long a drain may go on; at least the functions' timeout."""

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


_AT_LEAST = {"urls_per_minute_per_domain": 1, "calls_per_second": 0.1, "reserve_percent": 0, "linger_seconds": 0.1}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read settings from an environment. Raises `Invalid` with every fault; a variable set to "" is not set."""
    names = {field.encode_name for field in msgspec.structs.fields(Settings)}
    given = {name: value for name, value in environ.items() if name in names and value != ""}
    if region := environ.get("FC_REGION"):
        given.setdefault("REGION", region)
    faults: list[Fault] = []
    settings = check(given, Settings, "", faults, strict=False)
    if not given.get("REGION"):
        faults.append(Fault("REGION", "is missing, and the runtime does not name its region (FC_REGION)"))
    if settings is not None:
        faults += _value_faults(settings)
    if settings is None or faults:
        raise Invalid("settings", [f"{fault.where} {fault.what}" for fault in faults])
    return _with_endpoints(settings)


def _value_faults(settings: Settings) -> list[Fault]:
    faults = [
        Fault(name.upper(), f"must be at least {least:g}, got {getattr(settings, name):g}")
        for name, least in _AT_LEAST.items()
        if getattr(settings, name) < least
    ]
    if settings.reserve_percent > 100:  # noqa: PLR2004 - a share
        faults.append(Fault("RESERVE_PERCENT", f"is a share of at most 100, got {settings.reserve_percent}"))
    if settings.spool_prefix and not settings.spool_prefix.endswith("/"):
        faults.append(Fault("SPOOL_PREFIX", f"must end with `/`, got {settings.spool_prefix!r}"))
    if settings.spool_prefix.startswith("/"):
        faults.append(Fault("SPOOL_PREFIX", f"must not begin with `/`, got {settings.spool_prefix!r}"))
    if settings.log_level not in _LEVELS:
        faults.append(Fault("LOG_LEVEL", f"is one of {', '.join(_LEVELS)}, got {settings.log_level!r}"))
    for name in ("oss_endpoint", "cdn_endpoint", "log_endpoint"):
        url = getattr(settings, name)
        if url and not url.startswith(("http://", "https://")):
            faults.append(Fault(name.upper(), f"must begin with http:// or https://, got {url!r}"))
    return faults


def _with_endpoints(settings: Settings) -> Settings:
    region = settings.region
    return msgspec.structs.replace(
        settings,
        oss_endpoint=settings.oss_endpoint or f"https://oss-{region}-internal.aliyuncs.com",
        log_endpoint=settings.log_endpoint or f"https://{region}-intranet.log.aliyuncs.com",
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
