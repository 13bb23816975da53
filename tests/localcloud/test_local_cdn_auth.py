"""The local CDN's signatures, against the vendor's test vectors, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest

from scripts.localcloud.cdn.auth import (
    acs3_canonical_request,
    acs3_signature,
    acs3_string_to_sign,
    canonical_query,
    read_claim,
    rpc_signature,
    rpc_string_to_sign,
)
from scripts.localcloud.web import Request
from tests.localcloud.cdn_caller import START, Account, signed_request

NONCE = "0123456789abcdef0123456789abcdef"
TWO_URLS = "https://a.example.com/x y.css\nhttps://a.example.com/é+~*.js"
RPC_COMMON = {"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0"}
ACS3_BODY = (
    b"Force=false&ObjectPath=https%3A%2F%2Fa.example.com%2Fx%20y.css%0A"
    b"https%3A%2F%2Fa.example.com%2F%C3%A9%2B~%2A.js&ObjectType=File"
)


def rpc(secret: str, method: str, **params: str) -> str:
    """Sign parameters as an RPC client does."""
    return rpc_signature(secret, rpc_string_to_sign(method, params.items()))


@pytest.mark.parametrize(
    ("secret", "params", "expected"),
    [
        (
            "testsecret",
            {
                "AccessKeyId": "testid",
                "Action": "DescribeRegions",
                "Format": "XML",
                "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
                "Timestamp": "2016-02-23T12:46:24Z",
                "Version": "2014-05-26",
            },
            "OLeaidS1JvxuMvnyHOwuJ+uX5qY=",
        ),
        (
            "testsecret",
            {
                "AccessKeyId": "testid",
                "Action": "DescribeDedicatedHosts",
                "Format": "JSON",
                "RegionId": "cn-beijing",
                "SignatureNonce": "edb2b34af0af9a6d14deaf7c1a5315eb",
                "Timestamp": "2023-03-13T08:34:30Z",
                "Version": "2014-05-26",
            },
            "9NaGiOspFP5UPcwX8Iwt2YJXXuk=",
        ),
        (
            "testSecret",
            {
                "AccessKeyId": "testId",
                "Action": "SendSms",
                "Format": "XML",
                "OutId": "123",
                "PhoneNumbers": "15300000001",
                "RegionId": "cn-hangzhou",
                "SignName": "阿里云短信测试专用",
                "SignatureNonce": "45e25e9b-0a6f-4070-8c85-2956eda1b466",
                "TemplateCode": "SMS_71390007",
                "TemplateParam": '{"customer":"test"}',
                "Timestamp": "2017-07-12T02:42:19Z",
                "Version": "2017-05-25",
            },
            "zJDF+Lrzhj/ThnlvIToysFRq6t4=",
        ),
    ],
    ids=["DescribeRegions", "DescribeDedicatedHosts", "SendSms"],
)
def test_rpc_signs_as_the_documents_show(secret: str, params: dict[str, str], expected: str) -> None:
    """The documents' own RPC examples come out to the letter."""
    assert rpc(secret, "GET", **RPC_COMMON, **params) == expected


def test_rpc_signs_as_the_sdks_own_tests_show() -> None:
    """Bare parameters and an empty method are signed as the SDKs' test suites expect."""
    assert rpc("secret", "GET", query="test", body="test") == "XlUyV4sXjOuX5FnjUz9IF9tm5rU="
    assert rpc("accessKeySecret", "", test="ok") == "jHx/oHoHNrbVfhncHEvPdHXZwHU="


def test_hmac_sha1_of_plain_and_of_chinese_text() -> None:
    """The hash beneath RPC agrees with the SDKs' vectors; RPC itself only adds `&` to the secret."""
    for source, expected in (
        ("source", "Jv4yi8SobFhg5t1C7nWLbhBSFZQ="),
        ("中文unicode", "szlfHs3WVaO/HgY3Cg7/uyXDaRw="),
    ):
        digest = hmac.new(b"secret", source.encode(), hashlib.sha1).digest()
        assert base64.b64encode(digest).decode() == expected
    assert rpc_signature("secre", "source") != rpc_signature("secret", "source")


def test_acs3_signs_as_the_documents_show() -> None:
    """The documents' V3 example comes out, canonical request and signature."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-version": "2014-05-26",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    query = {
        "RegionId": "cn-shanghai",
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
    }
    request = acs3_request("POST", "YourAccessKeyId", headers, urlencode(query))
    claim = read_claim(request)
    assert claim.string_to_sign == (
        "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    )
    assert claim.expected_signature("YourAccessKeySecret") == (
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", "d16b30a7699ae9e43875b13195b2f81bcc3ed10c14a9b5eb780e51619aa50be1"),
        ("", "/", "4ab59fffe3c5738ff8a2729f90cc04fe18b02a4b15b2102cbaf92f9ff3df2ea3"),
    ],
)
def test_acs3_joins_a_header_that_came_twice(method: str, path: str, expected: str) -> None:
    """A header given twice, in two cases, is signed once with its values sorted."""
    canonical = acs3_canonical_request(
        method,
        path,
        [("test", "ok"), ("empty", "")],
        [("x-acs-test", "http"), ("x-acs-TEST", "https")],
        "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23",
    )
    assert acs3_signature("secret", acs3_string_to_sign(canonical)) == expected


def test_query_values_are_encoded_by_rfc_3986() -> None:
    """A space is `%20`, a star `%2A`, and a tilde stays."""
    assert canonical_query([("test", " ~/*-+")]) == "test=%20~%2F%2A-%2B"


@pytest.mark.skipif("sm3" not in hashlib.algorithms_available, reason="this OpenSSL has no SM3")
def test_acs3_with_sm3() -> None:
    """The Chinese hash is understood too."""
    expected = "b9ff646822f41ef647c1416fa2b8408923828abc0464af6706e18db3e8553da8"
    assert acs3_signature("secret", "source", "ACS3-HMAC-SM3") == expected


def acs3_request(
    method: str, key: str, headers: dict[str, str], query: str = "", body: bytes = b"", signature: str = "0"
) -> Request:
    """Build a request that signs all of its headers."""
    authorization = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={';'.join(sorted(headers))},Signature={signature}"
    return Request(
        method,
        headers["host"],
        "/",
        query,
        headers={**headers, "authorization": authorization},
        body=body,
    )


def cdn_request(action: str, *, query: str = "", body: bytes = b"", signature: str = "0", **extra: str) -> Request:
    """Build the V3 request of the CDN-shaped vectors."""
    headers = {
        "host": "cdn.aliyuncs.com",
        "x-acs-action": action,
        "x-acs-version": "2018-05-10",
        "x-acs-date": "2026-01-02T03:04:05Z",
        "x-acs-signature-nonce": NONCE,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        **{name.replace("_", "-"): value for name, value in extra.items()},
    }
    return acs3_request("POST", "testAK", headers, query, body, signature)


FORM = {"content_type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("request_parts", "signature"),
    [
        (
            {"action": "RefreshObjectCaches", "body": ACS3_BODY, **FORM},
            "ce213f33ee28c797d078046ae943ed4d376cbc994feff457095af2ab56a09c0f",
        ),
        (
            {
                "action": "RefreshObjectCaches",
                "body": ACS3_BODY,
                "x_acs_security_token": "tok/en+=",
                **FORM,
            },
            "f3e2ae1d6951382e990861b2156bb89ae8f280346b919f63e25b5ba3a6a7ed89",
        ),
        (
            {
                "action": "PushObjectCache",
                "query": urlencode({"Area": "domestic", "ObjectPath": TWO_URLS}, quote_via=quote_plus),
            },
            "48916c35f9d0e0b19d0c025627e183be0bef2b0d8eec63c6d3f61c0af9bf1f8a",
        ),
        (
            {"action": "DescribeRefreshQuota"},
            "73397e369496aa5ea9f6303fd233d231bdb7d7f66124e39d2ede4a20305dab3b",
        ),
    ],
    ids=["refresh", "refresh with a token", "prefetch", "quota"],
)
def test_acs3_requests_of_the_official_signer_are_admitted(request_parts: dict[str, str], signature: str) -> None:
    """Requests signed by the official SDK's signer are admitted; with another secret they are not."""
    account = Account()
    if "x_acs_security_token" in request_parts:
        account.tokens["testAK"] = "tok/en+="
    request = cdn_request(**request_parts, signature=signature)  # type: ignore[arg-type]  # body is bytes
    claim = read_claim(request)
    assert claim.expected_signature("testSecret") == signature
    assert claim.expected_signature("another") != signature
    assert account.cdn.handle(request).status == 200


@pytest.mark.parametrize(
    ("request_parts", "canonical_hash"),
    [
        (
            {"action": "RefreshObjectCaches", "body": ACS3_BODY, **FORM},
            "a0451a673e22135b72fd877d20142e109102ef5b178654023072f8df58b6ed28",
        ),
        (
            {
                "action": "PushObjectCache",
                "query": urlencode({"Area": "domestic", "ObjectPath": TWO_URLS}, quote_via=quote),
            },
            "51b9c00516fcfc33dcc53db46345882a8a7b54ab3d218cf43c36ec8f1eb01b55",
        ),
    ],
    ids=["refresh", "prefetch"],
)
def test_acs3_canonical_requests_agree(request_parts: dict[str, str], canonical_hash: str) -> None:
    """The canonical request is the official signer's, in whichever spelling the query arrives."""
    claim = read_claim(cdn_request(**request_parts))  # type: ignore[arg-type]  # body is bytes
    assert claim.string_to_sign == f"ACS3-HMAC-SHA256\n{canonical_hash}"


def rpc_request(method: str, action: str, *, signature: str, in_body: bool, **params: str) -> Request:
    """Build the RPC request of the CDN-shaped vectors, its parameters in the query or in a form."""
    everything = {
        **RPC_COMMON,
        "AccessKeyId": "testAK",
        "Action": action,
        "Format": "JSON",
        "SignatureNonce": NONCE,
        "Timestamp": "2026-01-02T03:04:05Z",
        "Version": "2018-05-10",
        "Signature": signature,
        **params,
    }
    text = urlencode(everything)
    if in_body:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Request(method, "cdn.aliyuncs.com", "/", headers=headers, body=text.encode())
    return Request(method, "cdn.aliyuncs.com", "/", text)


@pytest.mark.parametrize("in_body", [False, True], ids=["query", "form"])
@pytest.mark.parametrize(
    ("method", "action", "params", "signature"),
    [
        (
            "POST",
            "RefreshObjectCaches",
            {"ObjectPath": TWO_URLS, "ObjectType": "File", "Force": "false"},
            "X8JK76SeCKAy2T7pb2jv4UA2AXs=",
        ),
        (
            "GET",
            "RefreshObjectCaches",
            {"ObjectPath": TWO_URLS, "ObjectType": "File", "Force": "false"},
            "k3r8JYQNXQOIM1cpyj6CkG247bg=",
        ),
        (
            "POST",
            "PushObjectCache",
            {"ObjectPath": TWO_URLS, "Area": "domestic", "SecurityToken": "tok/en+="},
            "U6eS4V/agJR0jh9FziPlfSV1GuY=",
        ),
        ("GET", "DescribeRefreshQuota", {}, "Y4R2w+TF47Sd7OHgPoLhAUwr5Rs="),
    ],
    ids=["refresh", "refresh by GET", "prefetch with a token", "quota"],
)
def test_rpc_requests_of_the_official_signer_are_admitted(
    method: str, action: str, params: dict[str, str], signature: str, *, in_body: bool
) -> None:
    """Requests signed by the official SDK's signer are admitted, wherever their parameters stand."""
    account = Account()
    if "SecurityToken" in params:
        account.tokens["testAK"] = params["SecurityToken"]
    request = rpc_request(method, action, signature=signature, in_body=in_body, **params)
    response = account.cdn.handle(request)
    assert (response.status, account.cdn.calls[-1].code) == (200, "OK")


def code_of(account: Account, request: Request) -> tuple[int, str]:
    """Read the status and the code of a refusal."""
    response = account.cdn.handle(request)
    return response.status, json.loads(response.body).get("Code", "OK")


def test_a_wrong_secret_is_refused() -> None:
    """A signature by another secret does not match; an unknown key is not found."""
    account = Account()
    wrong = signed_request(START, "DescribeRefreshQuota", {}, nonce="a", key=("testAK", "guess"))
    assert code_of(account, wrong) == (400, "SignatureDoesNotMatch")
    unknown = signed_request(START, "DescribeRefreshQuota", {}, nonce="b", key=("nobody", "testSecret"))
    assert code_of(account, unknown) == (404, "InvalidAccessKeyId.NotFound")


def test_a_changed_request_is_refused() -> None:
    """Neither the body nor a signed header can be changed under a signature."""
    account = Account()
    good = signed_request(START, "RefreshObjectCaches", {"ObjectPath": "https://a.example.com/a"}, nonce="a")
    body = Request("POST", good.host, "/", headers=good.headers, body=b"ObjectPath=https://a.example.com/b")
    assert code_of(account, body) == (400, "SignatureDoesNotMatch")
    action = Request(
        "POST", good.host, "/", headers={**good.headers, "x-acs-action": "PushObjectCache"}, body=good.body
    )
    assert code_of(account, action) == (400, "SignatureDoesNotMatch")
    assert code_of(account, good) == (200, "OK")


def test_what_must_be_signed_must_be_there() -> None:
    """A V3 request that leaves the date or a token unsigned is incomplete; one without signature too."""
    account = Account()
    good = signed_request(START, "DescribeRefreshQuota", {}, nonce="a")
    authorization = good.headers["authorization"]
    undated = {**good.headers, "authorization": authorization.replace("x-acs-date;", "")}
    assert code_of(account, Request("POST", good.host, "/", headers=undated)) == (400, "IncompleteSignature")
    slipped_in = {**good.headers, "x-acs-security-token": "t"}
    request = Request("POST", good.host, "/", headers=slipped_in)
    assert code_of(account, request) == (400, "IncompleteSignature")
    bare = {**good.headers, "authorization": "ACS3-HMAC-SHA256 nonsense"}
    assert code_of(account, Request("POST", good.host, "/", headers=bare)) == (400, "IncompleteSignature")


@pytest.mark.parametrize(("absent", "code"), [("Signature", "MissingSignature"), ("Timestamp", "MissingTimestamp")])
def test_rpc_parameters_that_are_absent_are_named(absent: str, code: str) -> None:
    """An RPC request without a common parameter is refused by that parameter's name."""
    account = Account()
    signature = "Y4R2w+TF47Sd7OHgPoLhAUwr5Rs="
    whole = rpc_request("GET", "DescribeRefreshQuota", signature=signature, in_body=False)
    query = urlencode([pair for pair in parse_qsl(whole.query) if pair[0] != absent])
    assert code_of(account, Request("GET", whole.host, "/", query)) == (400, code)


def test_old_and_unreadable_times_are_refused() -> None:
    """Fifteen minutes off is still good, a second more is not, and prose is no time."""
    account = Account()
    for seconds, expected in ((-900, (200, "OK")), (900, (200, "OK"))):
        request = signed_request(START + seconds, "DescribeRefreshQuota", {}, nonce=f"good{seconds}")
        assert code_of(account, request) == expected
    for seconds in (-901, 901):
        request = signed_request(START + seconds, "DescribeRefreshQuota", {}, nonce=f"bad{seconds}")
        assert code_of(account, request) == (400, "InvalidTimeStamp.Expired")
    request = signed_request(START, "DescribeRefreshQuota", {}, nonce="c", headers={"x-acs-date": "yesterday"})
    assert code_of(account, request) == (400, "InvalidTimeStamp.Format")


def test_a_nonce_is_good_once_while_its_time_is_good() -> None:
    """A replay is refused for as long as its time stamp holds; later the nonce is forgotten."""
    account = Account()
    early = signed_request(START + 600, "DescribeRefreshQuota", {}, nonce="once")
    assert code_of(account, early) == (200, "OK")
    account.clock.advance(600 + 900)
    assert code_of(account, early) == (400, "SignatureNonceUsed")
    account.clock.advance(1)
    assert code_of(account, early) == (400, "InvalidTimeStamp.Expired")
    again = signed_request(account.clock.now(), "DescribeRefreshQuota", {}, nonce="once")
    assert code_of(account, again) == (200, "OK")


def test_a_forged_request_does_not_use_up_a_nonce() -> None:
    """Somebody without the secret cannot make an honest call fail by guessing its nonce."""
    account = Account()
    forged = signed_request(START, "DescribeRefreshQuota", {}, nonce="n", key=("testAK", "guess"))
    assert code_of(account, forged) == (400, "SignatureDoesNotMatch")
    assert code_of(account, signed_request(START, "DescribeRefreshQuota", {}, nonce="n")) == (200, "OK")


def test_temporary_keys_need_their_token() -> None:
    """A temporary key is refused without its token, with another one, and with one that has expired."""
    account = Account()
    account.tokens["testAK"] = "fresh"
    account.cdn.expired_tokens.add("stale")
    for number, (headers, expected) in enumerate(
        [
            ({}, (400, "MissingSecurityToken")),
            ({"x-acs-security-token": "other"}, (400, "InvalidSecurityToken.MismatchWithAccessKey")),
            ({"x-acs-security-token": "stale"}, (400, "InvalidSecurityToken.Expired")),
            ({"x-acs-security-token": "fresh"}, (200, "OK")),
        ]
    ):
        request = signed_request(START, "DescribeRefreshQuota", {}, nonce=f"t{number}", headers=headers)
        assert code_of(account, request) == expected


def test_a_permanent_key_takes_no_token() -> None:
    """A token beside a key that has none does not match."""
    request = signed_request(START, "DescribeRefreshQuota", {}, nonce="p", headers={"x-acs-security-token": "any"})
    assert code_of(Account(), request) == (400, "InvalidSecurityToken.MismatchWithAccessKey")
