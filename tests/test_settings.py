"""Settings from an environment: defaults by region, and every fault at once."""

from __future__ import annotations

import msgspec
import pytest

from shared.core.checked import Invalid
from shared.core.plan.limits import Limits
from shared.core.site.sites import Domain, Site
from shared.settings import Settings, check_spool_apart, read_settings, read_what_works

LEAST = {"SPOOL_BUCKET": "spool", "LOG_PROJECT": "project", "LOGSTORE": "store", "FC_REGION": "cn-hangzhou"}


def faults(**environ: str) -> list[str]:
    """Read an environment with something wrong; its faults."""
    with pytest.raises(Invalid) as caught:
        read_settings({**LEAST, **environ})
    return caught.value.faults


def test_three_variables_are_enough() -> None:
    """Everything else has a default; endpoints are the region's own, inside the vendor's network."""
    assert Settings(
        spool_bucket="spool",
        log_project="project",
        logstore="store",
        region="cn-hangzhou",
        spool_prefix="cdn-refresh/",
        sites_file="sites.yml",
        oss_endpoint="https://oss-cn-hangzhou-internal.aliyuncs.com",
        cdn_endpoint="https://cdn.aliyuncs.com",
        log_endpoint="https://cn-hangzhou-intranet.log.aliyuncs.com",
    ) == read_settings(LEAST)


def test_a_region_that_is_set_beats_the_functions_own() -> None:
    """The spool may lie elsewhere."""
    found = read_settings({**LEAST, "REGION": "cn-shanghai"})
    assert ("cn-shanghai", "https://oss-cn-shanghai-internal.aliyuncs.com") == (found.region, found.oss_endpoint)


def test_outside_the_vendor_s_network_the_endpoints_are_the_public_ones() -> None:
    """Operators' machines do not reach the internal addresses; what is set still wins."""
    found = read_settings({**LEAST, "LOG_ENDPOINT": "http://127.0.0.1:1"}, inside=False)
    assert ("https://oss-cn-hangzhou.aliyuncs.com", "http://127.0.0.1:1") == (found.oss_endpoint, found.log_endpoint)
    assert read_settings(LEAST, inside=False).log_endpoint == "https://cn-hangzhou.log.aliyuncs.com"


def test_endpoints_may_be_set() -> None:
    """Another network, or a local cloud."""
    given = dict.fromkeys(("OSS_ENDPOINT", "CDN_ENDPOINT", "LOG_ENDPOINT"), "http://127.0.0.1:1")
    found = read_settings({**LEAST, **given})
    assert {"http://127.0.0.1:1"} == {found.oss_endpoint, found.cdn_endpoint, found.log_endpoint}


def test_numbers_come_as_text() -> None:
    """An environment has nothing else."""
    found = read_settings(
        {
            **LEAST,
            "URLS_PER_MINUTE_PER_DOMAIN": "10000",
            "CALLS_PER_SECOND": "12.5",
            "RESERVE_PERCENT": "0",
            "LINGER_SECONDS": "1",
            "LEASE_SECONDS": "600",
        }
    )
    assert Limits(urls_per_minute_per_domain=10_000, calls_per_second=12.5, reserve_percent=0) == found.limits
    assert (1.0, 600.0) == (found.linger_seconds, found.lease_seconds)


def test_a_variable_set_to_nothing_is_not_set() -> None:
    """Templates write empty values for what is left out."""
    blank = dict.fromkeys((field.encode_name for field in msgspec.structs.fields(Settings)), "")
    assert read_settings(LEAST) == read_settings({**blank, **LEAST})


def test_other_variables_do_not_matter() -> None:
    """An environment is full of things that are not ours."""
    assert read_settings(LEAST) == read_settings({**LEAST, "PATH": "/bin", "spool_bucket": "x", "RESERVE": "7"})


def test_everything_missing_is_told_at_once() -> None:
    """One attempt to deploy shows all that has to be set."""
    with pytest.raises(Invalid) as caught:
        read_settings({})
    assert [
        "SPOOL_BUCKET is missing",
        "LOG_PROJECT is missing",
        "LOGSTORE is missing",
        "REGION is missing, and the runtime does not name its region (FC_REGION)",
    ] == caught.value.faults
    assert str(caught.value).startswith("settings: 4 faults\n  - SPOOL_BUCKET is missing\n")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("RESERVE_PERCENT", "five", "RESERVE_PERCENT expected `int`, got 'five'"),
        ("RESERVE_PERCENT", "5.5", "RESERVE_PERCENT expected `int`, got '5.5'"),
        ("RESERVE_PERCENT", "-1", "RESERVE_PERCENT must be from 0 to 100, got -1"),
        ("RESERVE_PERCENT", "101", "RESERVE_PERCENT must be from 0 to 100, got 101"),
        ("URLS_PER_MINUTE_PER_DOMAIN", "0", "URLS_PER_MINUTE_PER_DOMAIN must be from 1 to 100000, got 0"),
        ("CALLS_PER_SECOND", "0", "CALLS_PER_SECOND must be from 0.1 to 1000, got 0"),
        ("CALLS_PER_SECOND", "fast", "CALLS_PER_SECOND expected `float`, got 'fast'"),
        ("LINGER_SECONDS", "0", "LINGER_SECONDS must be from 0.1 to 60, got 0"),
        ("URLS_PER_MINUTE_PER_DOMAIN", "1000000", "URLS_PER_MINUTE_PER_DOMAIN must be from 1 to 100000, got 1e+06"),
        ("CALLS_PER_SECOND", "1001", "CALLS_PER_SECOND must be from 0.1 to 1000, got 1001"),
        ("LINGER_SECONDS", "61", "LINGER_SECONDS must be from 0.1 to 60, got 61"),
        ("LEASE_SECONDS", "3601", "LEASE_SECONDS must be from 1 to 3600, got 3601"),
        ("DEAD_DAYS", "0", "DEAD_DAYS must be from 1 to 3650, got 0"),
        ("DEAD_DAYS", "1.5", "DEAD_DAYS expected `int`, got '1.5'"),
        (
            "SPOOL_BUCKET",
            "Spool_1",
            "SPOOL_BUCKET is no name of a bucket (3 to 63 lower-case letters, digits and hyphens), got 'Spool_1'",
        ),
        (
            "LOG_PROJECT",
            "-logs",
            "LOG_PROJECT is no name of a project (3 to 63 lower-case letters, digits and hyphens), got '-logs'",
        ),
        (
            "LOGSTORE",
            "Out comes",
            (
                "LOGSTORE is no name of a logstore (2 to 63 lower-case letters, digits, hyphens and underscores), "
                "got 'Out comes'"
            ),
        ),
        ("REGION", "Hangzhou", "REGION is no region such as cn-hangzhou, got 'Hangzhou'"),
        ("IGNORE_PARAMS_TYPE", "a b", "IGNORE_PARAMS_TYPE is no object type: it has letters only, got 'a b'"),
        ("SPOOL_PREFIX", "state", "SPOOL_PREFIX must end with `/`, got 'state'"),
        (
            "SPOOL_PREFIX",
            "/state/",
            "SPOOL_PREFIX must not begin with `/` or a backslash, as keys do not, got '/state/'",
        ),
        (
            "SPOOL_PREFIX",
            "a\u202eb/",
            "SPOOL_PREFIX must hold no control characters, separators or halves of characters, got 'a\\u202eb/'",
        ),
        (
            "OSS_ENDPOINT",
            "https://spool.oss-cn-hangzhou.aliyuncs.com",
            "OSS_ENDPOINT must not name the bucket, got 'https://spool.oss-cn-hangzhou.aliyuncs.com'",
        ),
        ("HTTP_EVENTS", "yes", "HTTP_EVENTS expected true or false, got 'yes'"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL is one of DEBUG, INFO, WARNING, ERROR, got 'LOUD'"),
        (
            "OSS_ENDPOINT",
            "oss.aliyuncs.com",
            "OSS_ENDPOINT must begin with http:// or https://, got 'oss.aliyuncs.com'",
        ),
        (
            "CDN_ENDPOINT",
            "cdn.aliyuncs.com",
            "CDN_ENDPOINT must begin with http:// or https://, got 'cdn.aliyuncs.com'",
        ),
        ("LOG_ENDPOINT", "ftp://log", "LOG_ENDPOINT must begin with http:// or https://, got 'ftp://log'"),
    ],
)
def test_each_fault_names_its_variable(name: str, value: str, told: str) -> None:
    """The sentence says what is wrong and what was given."""
    assert [told] == faults(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALLS_PER_SECOND", "nan"),
        ("LINGER_SECONDS", "nan"),
        ("LINGER_SECONDS", "inf"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "-120"),
    ],
)
def test_a_number_that_cannot_be_meant_is_told(name: str, value: str) -> None:
    """No time or rate is negative, nothing, endless or not a number."""
    (fault,) = faults(**{name: value})
    assert fault.startswith(name)


@pytest.mark.parametrize("name", ["OSS_ENDPOINT", "CDN_ENDPOINT", "LOG_ENDPOINT", "PROXY"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://", "is no address of a host"),
        ("https://:443", "is no address of a host"),
        ("https://a host", "is no address of a host"),
        ("https://host:99999", "is no address of a host"),
        ("https://host:x", "is no address of a host"),
        ("https://[::1", "is no address of a host"),
        ("https://host/path", "must be an address without a path or a query"),
        ("https://host?a=b", "must be an address without a path or a query"),
        ("https://host/#", "must be an address without a path or a query"),
        ("socks5://host", "must begin with http:// or https://"),
        ("host", "must begin with http:// or https://"),
    ],
)
def test_an_address_that_cannot_be_called_is_told(name: str, url: str, told: str) -> None:
    """Scheme and host, and a port where it is needed: no path, no query."""
    (fault,) = faults(**{name: url})
    assert fault.startswith(f"{name} {told}")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "https://host", "https://host/", "http://[::1]:8080", "https://a-b.c.example.com:8443"],
)
def test_an_address_that_can_be_called_is_taken(url: str) -> None:
    """Names, addresses of both kinds, and ports."""
    given = dict.fromkeys(("OSS_ENDPOINT", "CDN_ENDPOINT", "LOG_ENDPOINT", "PROXY"), url)
    assert url == read_settings({**LEAST, **given}).proxy


def test_a_password_is_for_the_proxy_and_is_not_repeated() -> None:
    """A proxy may want one; no endpoint does. No fault shows it."""
    assert read_settings({**LEAST, "PROXY": "http://me:hush@proxy:3128"}).proxy == "http://me:hush@proxy:3128"
    assert ["PROXY must be an address without a path or a query"] == faults(PROXY="http://me:hush@proxy/path")
    assert faults(CDN_ENDPOINT="http://me@host")[0].startswith("CDN_ENDPOINT must hold no user and password")


def test_what_works_is_used_where_the_spool_can_be() -> None:
    """Events can be kept, so a wrong setting elsewhere is told, all at once, and stands at its default."""
    wrong = {"LOG_PROJECT": "", "LOGSTORE": "?", "RESERVE_PERCENT": "five", "LEASE_SECONDS": "0", "DEAD_DAYS": "30"}
    found, told = read_what_works({**LEAST, **wrong})
    assert ["LEASE_SECONDS", "LOGSTORE", "LOG_PROJECT", "RESERVE_PERCENT"] == sorted(
        each.partition(" ")[0] for each in told
    )
    assert msgspec.structs.replace(read_settings(LEAST), log_project="", logstore="", dead_days=30) == found
    assert (read_settings(LEAST), ()) == read_what_works(LEAST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPOOL_BUCKET", ""),
        ("SPOOL_BUCKET", "?"),
        ("SPOOL_PREFIX", "/"),
        ("FC_REGION", ""),
        ("OSS_ENDPOINT", "x"),
        ("PROXY", "x"),
    ],
)
def test_without_a_spool_nothing_works(name: str, value: str) -> None:
    """Nothing could be kept, so there is no instance; the other faults are told with it."""
    with pytest.raises(Invalid) as caught:
        read_what_works({**LEAST, "RESERVE_PERCENT": "five", name: value})
    assert 2 <= len(caught.value.faults)
    assert any("RESERVE_PERCENT" in fault for fault in caught.value.faults)


def test_every_fault_is_told_at_once() -> None:
    """A wrong type in one variable hides no wrong value in another, nor what is missing."""
    found = faults(SPOOL_BUCKET="", RESERVE_PERCENT="five", SPOOL_PREFIX="state", LOG_LEVEL="LOUD", FC_REGION="")
    assert ["LOG_LEVEL", "REGION", "RESERVE_PERCENT", "SPOOL_BUCKET", "SPOOL_PREFIX"] == sorted(
        fault.partition(" ")[0] for fault in found
    )


def site(bucket: str, prefix: str) -> Site:
    """Make a site that watches a prefix of a bucket."""
    return Site(name="site", bucket=bucket, domains=(Domain("a.example.com"),), prefix=prefix)


@pytest.mark.parametrize(
    ("spool_prefix", "bucket", "prefix", "apart"),
    [
        ("cdn-refresh/", "spool", "", False),
        ("cdn-refresh/", "spool", "cdn-refresh/", False),
        ("cdn-refresh/", "spool", "cdn-", False),
        ("cdn-refresh/", "spool", "cdn-refresh/waiting/", False),
        ("", "spool", "docs/", False),
        ("cdn-refresh/", "spool", "docs/", True),
        ("cdn-refresh/", "spool", "cdn-refresh2/", True),
        ("cdn-refresh/", "content", "", True),
        ("", "content", "", True),
    ],
)
def test_the_spool_lies_apart_from_what_is_watched(
    spool_prefix: str,
    bucket: str,
    prefix: str,
    apart: bool,  # noqa: FBT001 - a table
) -> None:
    """A spool inside a watched prefix would wake the function with each of its own writes, for ever."""
    settings = msgspec.structs.replace(read_settings(LEAST), spool_prefix=spool_prefix)
    several = (site("elsewhere", ""), site(bucket, prefix))
    if apart:
        check_spool_apart(settings, several)
    else:
        with pytest.raises(Invalid, match="use another bucket, or a prefix that no site and no trigger covers"):
            check_spool_apart(settings, several)


def test_each_field_says_what_it_is_for() -> None:
    """The README's table is made of the docstrings under the fields."""
    names = [field.name for field in msgspec.structs.fields(Settings)]
    assert names == [name for name in names if name == name.lower()]
    assert [name.upper() for name in names] == [field.encode_name for field in msgspec.structs.fields(Settings)]
