"""V3 signatures against vectors: the vendor's own, and CDN-shaped ones confirmed with the vendor's signer."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.signature import (
    authorization,
    body_hash,
    canonical_query,
    canonical_request,
    percent_encode,
    sign,
)

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

# Two URLs as the CDN-shaped vectors use them.
URLS = "https://a.example.com/x y.css\nhttps://a.example.com/é+~*.js"
REFRESH = (
    b"Force=false&ObjectPath=https%3A%2F%2Fa.example.com%2Fx%20y.css%0Ahttps%3A%2F%2Fa.example.com%2F%C3%A9%2B~%2A.js"
    b"&ObjectType=File"
)


def signed(canonical: str, secret: str) -> tuple[str, str]:
    """The hash of a canonical request and its signature."""
    return hashlib.sha256(canonical.encode()).hexdigest(), sign(canonical, secret)


def test_the_vendors_example_of_an_ecs_request() -> None:
    """The worked example of the signature page: parameters in the query, an empty body."""
    canonical, names = canonical_request(
        "POST",
        "/",
        [
            ("RegionId", "cn-shanghai"),
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
        ],
        [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-version", "2014-05-26"),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-content-sha256", EMPTY),
        ],
        body_hash(b""),
    )
    assert "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version" == names
    assert (
        "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259",
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
    ) == signed(canonical, "YourAccessKeySecret")


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "d16b30a7699ae9e43875b13195b2f81bcc3ed10c14a9b5eb780e51619aa50be1"),
        ("", "4ab59fffe3c5738ff8a2729f90cc04fe18b02a4b15b2102cbaf92f9ff3df2ea3"),
    ],
)
def test_the_vendors_example_of_a_repeated_header(method: str, signature: str) -> None:
    """Names that differ in case only are one header, its values sorted; an empty parameter keeps its `=`."""
    canonical, names = canonical_request(
        method,
        "/",
        [("test", "ok"), ("empty", "")],
        [("x-acs-test", "http"), ("x-acs-TEST", "https")],
        "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23",
    )
    assert "x-acs-test" == names
    assert signature == sign(canonical, "secret")


def test_the_vendors_example_of_a_query() -> None:
    """Only what RFC 3986 does not reserve stays; a space is `%20`."""
    assert "test=%20~%2F%2A-%2B" == canonical_query([("test", " ~/*-+")])


def cdn_headers(action: str, body: bytes, **more: str) -> dict[str, str]:
    """The signed headers of the CDN-shaped vectors."""
    return {
        "host": "cdn.aliyuncs.com",
        "x-acs-action": action,
        "x-acs-version": "2018-05-10",
        "x-acs-date": "2026-01-02T03:04:05Z",
        "x-acs-signature-nonce": "0123456789abcdef0123456789abcdef",
        "x-acs-content-sha256": body_hash(body),
        **({"content-type": "application/x-www-form-urlencoded"} if body else {}),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def test_the_body_of_a_refresh_has_the_known_hash() -> None:
    """The form that the client sends is byte for byte the one of the vectors."""
    form = canonical_query([("Force", "false"), ("ObjectType", "File"), ("ObjectPath", URLS)])
    assert REFRESH == form.encode()
    assert "cb47a6cb1d3481508e0b01b7263ebf8b6c38687ff77964f4721ec19eb08aa56d" == body_hash(REFRESH)


C2 = {"x_acs_security_token": "tok/en+="}
PUSH = [("Area", "domestic"), ("ObjectPath", URLS)]


@pytest.mark.parametrize(
    ("headers", "query", "canonical_hash", "signature"),
    [
        pytest.param(
            cdn_headers("RefreshObjectCaches", REFRESH),
            [],
            "a0451a673e22135b72fd877d20142e109102ef5b178654023072f8df58b6ed28",
            "ce213f33ee28c797d078046ae943ed4d376cbc994feff457095af2ab56a09c0f",
            id="refresh",
        ),
        pytest.param(
            cdn_headers("RefreshObjectCaches", REFRESH, **C2),
            [],
            None,
            "f3e2ae1d6951382e990861b2156bb89ae8f280346b919f63e25b5ba3a6a7ed89",
            id="refresh with a token",
        ),
        pytest.param(
            cdn_headers("PushObjectCache", b""),
            PUSH,
            "51b9c00516fcfc33dcc53db46345882a8a7b54ab3d218cf43c36ec8f1eb01b55",
            "48916c35f9d0e0b19d0c025627e183be0bef2b0d8eec63c6d3f61c0af9bf1f8a",
            id="prefetch",
        ),
        pytest.param(
            cdn_headers("DescribeRefreshQuota", b""),
            [],
            None,
            "73397e369496aa5ea9f6303fd233d231bdb7d7f66124e39d2ede4a20305dab3b",
            id="quota",
        ),
    ],
)
def test_requests_of_the_cdn(
    headers: dict[str, str], query: list[tuple[str, str]], canonical_hash: str | None, signature: str
) -> None:
    """Requests in the shape of the CDN's operations have the signatures that the vendor's own signer gives."""
    canonical, names = canonical_request("POST", "/", query, headers.items(), headers["x-acs-content-sha256"])
    found_hash, found = signed(canonical, "testSecret")
    assert (canonical_hash or found_hash, signature) == (found_hash, found)
    assert f"ACS3-HMAC-SHA256 Credential=testAK,SignedHeaders={names},Signature={signature}" == authorization(
        "POST", "/", query, headers, "testAK", "testSecret"
    )


@pytest.mark.parametrize(
    ("pairs", "query"),
    [
        ([("b", "1"), ("a", "2")], "a=2&b=1"),
        ([("B", "1"), ("a", "2")], "B=1&a=2"),
        ([("a1", "x"), ("a", "y")], "a=y&a1=x"),
        ([("a-b", "x"), ("a", "y")], "a=y&a-b=x"),
        ([("é", "é")], "%C3%A9=%C3%A9"),
        ([], ""),
    ],
)
def test_parameters_are_sorted_by_name(pairs: list[tuple[str, str]], query: str) -> None:
    """The order is that of the names, also where one begins like another, as in the vendor's signer."""
    assert query == canonical_query(pairs)


@given(st.text())
def test_percent_encoding_leaves_nothing_reserved(text: str) -> None:
    """What comes out is unreserved characters and upper-case escapes."""
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
    assert set() == set(percent_encode(text)) - allowed


def test_headers_are_trimmed() -> None:
    """Spaces around a value are not signed."""
    plain, spaced = ([(name, value)] for name, value in (("a", "b"), ("A", " b ")))
    assert canonical_request("POST", "/", [], plain, "h") == canonical_request("POST", "/", [], spaced, "h")
