"""The vendor's error codes, each against what is done about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.codes import error_class
from shared.core.errors import (
    AccountRefused,
    BadDomain,
    CdnError,
    LogStoreDown,
    MinuteSpent,
    NotAllStored,
    OutcomeUnknown,
    QuotaSpent,
    RecordsRefused,
    Refused,
    Rejected,
    StoreError,
    Throttled,
    TooLarge,
    Unsent,
)

# Code and HTTP status as the vendor's pages list them -> what it means here.
CODES: list[tuple[str, int, type[CdnError]]] = [
    # Wait for the reset at 00:00 UTC+8
    ("QuotaExceeded.Refresh", 400, QuotaSpent),
    ("QuotaExceeded.Preload", 400, QuotaSpent),
    # Wait for the next minute
    ("QuotaPerMinuteExceeded.Refresh", 400, MinuteSpent),
    ("QuotaPerMinuteExceeded.Preload", 400, MinuteSpent),
    ("TooMany.Refresh", 400, MinuteSpent),
    ("PreloadQueueFull", 400, MinuteSpent),
    # Wait a little
    ("TooManyRequests", 429, Throttled),
    ("Throttling", 400, Throttled),
    ("Throttling.User", 400, Throttled),
    ("Throttling.Api", 503, Throttled),
    ("FlowControlError", 400, Throttled),
    ("SignatureNonceUsed", 400, Throttled),
    # There was too much of it
    ("SingleRequest.OverLimit", 400, TooLarge),
    ("InvalidObjectPath.ExceedsMaximum", 400, TooLarge),
    ("InvalidObjectPath.Size.Malformed", 400, TooLarge),
    # Search the call for what can never go
    ("InvalidObjectPath.Malformed", 400, Rejected),
    ("ObjectPath.Malformed", 400, Rejected),
    # A domain is none of the account's, or none that can be refreshed
    ("InvalidExtensiveDomain.ValueNotSupported", 400, BadDomain),
    ("InvalidDomain.NotFound", 404, BadDomain),
    # Questions that nobody can answer: nothing was asked of the CDN but words
    ("InvalidTaskId.Malformed", 400, Rejected),
    ("InvalidTime", 400, Rejected),
    # The state of a domain, or what a policy says of it
    ("ServiceBusy", 403, Refused),
    ("InvalidDomain.Offline", 404, Refused),
    ("InvalidDomain.Configure_failed", 500, Refused),
    ("InvalidDomain.Checking", 400, Refused),
    ("IncorrectDomainStatus", 400, Refused),
    ("IllegalOperation", 403, Refused),
    ("OperationDenied", 403, Refused),
    ("Forbidden", 403, Refused),
    ("Forbidden.RAM", 403, Refused),
    ("Forbidden.NoPermission", 403, Refused),
    ("NoPermission", 403, Refused),
    # A form that is not taken says nothing of the other forms
    ("InvalidObjectType.Malformed", 400, Refused),
    ("InvalidObjectType.ValueNotSupported", 400, Refused),
    ("InvalidCustomHeader", 400, Refused),
    # The account, its keys, the clock, or how this package asks
    ("InsufficientBalance", 400, AccountRefused),
    ("CdnServiceNotFound", 400, AccountRefused),
    ("Forbidden.RiskControl", 403, AccountRefused),
    ("Forbidden.AccessKeyDisabled", 403, AccountRefused),
    ("SignatureDoesNotMatch", 400, AccountRefused),
    ("IncompleteSignature", 400, AccountRefused),
    ("InvalidTimeStamp.Format", 400, AccountRefused),
    ("InvalidTimeStamp.Expired", 400, AccountRefused),
    ("InvalidAccessKeyId.NotFound", 404, AccountRefused),
    ("InvalidAccessKeyId.Inactive", 400, AccountRefused),
    ("MissingSecurityToken", 400, AccountRefused),
    ("InvalidSecurityToken.Expired", 400, AccountRefused),
    ("InvalidSecurityToken.Malformed", 400, AccountRefused),
    ("InvalidSecurityToken.MismatchWithAccessKey", 400, AccountRefused),
    ("MissingParameter", 400, AccountRefused),
    ("MissingParameter.ObjectType", 400, AccountRefused),
    ("InvalidVersion", 400, AccountRefused),
    ("DomainNameOverLimit", 400, AccountRefused),
    ("InvalidApi.NotFound", 404, AccountRefused),
    ("InvalidProduct.NotFound", 404, AccountRefused),
    ("UnsupportedHTTPMethod", 400, AccountRefused),
    ("InvalidProtocol.NeedSsl", 400, AccountRefused),
    # Nobody knows whether it was carried out
    ("InternalError", 500, OutcomeUnknown),
    ("UnknownError", 500, OutcomeUnknown),
    ("ServiceUnavailable", 503, OutcomeUnknown),
    # Of queries, which change nothing: what they say of a call is not known
    ("MissingTimeParameter", 400, OutcomeUnknown),
    ("InvalidStartTime.Malformed", 400, OutcomeUnknown),
    ("InvalidStartTime.ValueNotSupported", 400, OutcomeUnknown),
    ("InvalidEndTime.Malformed", 400, OutcomeUnknown),
    ("InvalidEndTime.Mismatch", 400, OutcomeUnknown),
    ("InvalidStatus.ValueNotSupported", 400, OutcomeUnknown),
]


@pytest.mark.parametrize(("code", "status", "wanted"), CODES)
def test_each_code_has_its_meaning(code: str, status: int, wanted: type[CdnError]) -> None:
    """Every code of the vendor's pages leads to what is to be done about it."""
    assert wanted is error_class(code, status)


def test_each_code_stands_once() -> None:
    """The table contradicts itself nowhere."""
    assert len(CODES) == len({code for code, _, _ in CODES})


@given(
    st.sampled_from([code for code, _, wanted in CODES if wanted is not OutcomeUnknown]),
    st.integers(400, 599),
    st.integers(400, 599),
)
def test_the_status_does_not_matter_where_the_code_is_known(code: str, one: int, other: int) -> None:
    """Pages and gateways disagree about the status of the same code."""
    assert error_class(code, one) is error_class(code, other)


@pytest.mark.parametrize(
    ("code", "status", "wanted"),
    [
        ("SomethingNew", 400, OutcomeUnknown),
        ("SomethingNew", 403, OutcomeUnknown),
        ("SomethingNew", 428, OutcomeUnknown),
        ("SomethingNew", 429, Throttled),
        ("SomethingNew", 430, OutcomeUnknown),
        ("SomethingNew", 500, OutcomeUnknown),
        ("HTTP502", 502, OutcomeUnknown),
        ("HTTP429", 429, Throttled),
        ("", 400, OutcomeUnknown),
        ("forbidden", 403, OutcomeUnknown),
        ("Throttlings", 400, OutcomeUnknown),
        ("InvalidObjectPathSomething", 400, OutcomeUnknown),
        ("QuotaExceeded.Something", 400, QuotaSpent),
        ("QuotaPerMinuteExceeded.Something", 400, MinuteSpent),
        ("Throttling.Something", 503, Throttled),
        ("InvalidObjectPath.Something", 400, Rejected),
        ("Forbidden.Something", 403, Refused),
        ("Forbidden.AccessKeySomething", 403, AccountRefused),
        ("Forbidden.RiskControl.Something", 403, AccountRefused),
    ],
)
def test_a_code_nobody_knows_is_asked_about(code: str, status: int, wanted: type[CdnError]) -> None:
    """Whatever its status, an answer that is not known to come before execution does not tell the outcome."""
    assert wanted is error_class(code, status)


def test_the_tree_says_what_to_do() -> None:
    """Every error hangs where its file draws it, so that whoever catches one catches what it stands for."""
    assert {CdnError} == {
        kind.__bases__[0] for kind in (Unsent, Throttled, MinuteSpent, QuotaSpent, Rejected, Refused, OutcomeUnknown)
    }
    assert (Rejected, Rejected, Refused) == tuple(kind.__bases__[0] for kind in (TooLarge, BadDomain, AccountRefused))
    assert (StoreError, LogStoreDown) == (NotAllStored.__bases__[0], RecordsRefused.__bases__[0])
    assert [False, False] == [issubclass(kind, CdnError) for kind in (StoreError, LogStoreDown)]


def test_an_error_carries_the_vendors_words() -> None:
    """Code, message, request id and the wait that was asked for are kept for the log and the retry."""
    error = Throttled("Throttling", "slow down", request_id="R", wait_seconds=1.5)
    assert ("Throttling: slow down", "Throttling", "slow down", "R", 1.5) == (
        str(error),
        error.code,
        error.message,
        error.request_id,
        error.wait_seconds,
    )
    assert "Throttling" == str(Throttled("Throttling"))


def test_an_error_of_the_store_says_what_was_being_done() -> None:
    """The sentence names object and code."""
    error = StoreError("put spool/a", "AccessDenied", "no")
    assert ("put spool/a: AccessDenied: no", "AccessDenied") == (str(error), error.code)


def test_an_error_of_the_store_may_name_the_request() -> None:
    """The vendor's support asks for the request's id, so it stands in the sentence where it is known."""
    error = NotAllStored("put spool/a", "AccessDenied", "no", request_id="R", keys=("a",))
    assert ("put spool/a: AccessDenied: no (request R)", "no", "R", ("a",)) == (
        str(error),
        error.message,
        error.request_id,
        error.keys,
    )


def test_an_error_of_the_log_store_says_what_it_said() -> None:
    """Code, words and the request's id stay readable by program and by person."""
    plain, full = LogStoreDown("Busy", "later"), RecordsRefused("PostBodyInvalid", "no", request_id="R")
    assert ("Busy: later", "Busy", "later", "") == (str(plain), plain.code, plain.message, plain.request_id)
    assert ("PostBodyInvalid: no (request R)", "R") == (str(full), full.request_id)
