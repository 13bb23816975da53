"""Domains as people write them: one name for each, or why nothing of it can be refreshed."""

from __future__ import annotations

import pytest

from shared.core.site.domains import domain_fault, domain_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("static.example.com", "static.example.com"),
        ("Static.Example.COM", "static.example.com"),
        ("static.example.com.", "static.example.com"),
        (" static.example.com ", "static.example.com"),
        ("中文.com", "xn--fiq228c.com"),
        ("BÜCHER.example.com", "xn--bcher-kva.example.com"),
        ("中文。com", "xn--fiq228c.com"),
        ("xn--fiq228c.com", "xn--fiq228c.com"),
    ],
)
def test_a_domain_has_one_name(text: str, name: str) -> None:
    """In lower case, without a dot at its end, in the letters that the CDN knows it by."""
    assert (name, "") == (domain_name(text), domain_fault(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "*.example.com",
            "the CDN refreshes no wildcard; name the sub-domains that are served, such as www.example.com",
        ),
        (
            ".example.com",
            "the CDN refreshes no wildcard; name the sub-domains that are served, such as www.example.com",
        ),
        ("*", "the CDN refreshes no wildcard"),
        ("https://x.example.com/a", "write x.example.com"),
        ("x.example.com:443", "write x.example.com"),
        ("x.example.com/", "write x.example.com"),
        ("localhost", "is no domain name"),
        ("10.0.0.1", "is no domain name"),
        ("", "is no domain name"),
        ("a..example.com", "is no domain name"),
        ("🎉.com", "is no domain name"),
        ("a.example.com\nb.example.com", "is no domain name"),
        ("my.oss-cn-hangzhou.aliyuncs.com", "is an endpoint of OSS"),
        ("www.example.com.w.kunlunsl.com", "is the CDN's own name for a domain (its CNAME)"),
        ("www.example.com.w.alikunlun.com", "is the CDN's own name for a domain (its CNAME)"),
    ],
)
def test_what_cannot_be_refreshed_is_refused(text: str, told: str) -> None:
    """With what to write in its place."""
    assert told in domain_fault(text)
