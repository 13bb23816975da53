"""The vendor's error codes, each against what is done about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.provider.codes import error_class
from shared.core.errors import (
    CdnError,
    MinuteSpent,
    QuotaSpent,
    Refused,
    Rejected,
    StoreError,
    Throttled,
    OutcomeUnknown,
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
    ("ServiceBusy", 403, Throttled),
    ("TooManyRequests", 429, Throttled),
    ("Throttling", 400, Throttled),
    ("Throttling.User", 400, Throttled),
    ("Throttling.Api", 503, Throttled),
    ("ServiceUnavailable", 503, Throttled),
    ("FlowControlError", 400, Throttled),
    ("SignatureNonceUsed", 400, Throttled),
    # Split the batch to find what can never go
    ("SingleRequest.OverLimit", 400, Rejected),
    ("InvalidObjectPath.ExceedsMaximum", 400, Rejected),
    ("InvalidObjectPath.Size.Malformed", 400, Rejected),
    ("InvalidObjectPath.Malformed", 400, Rejected),
    ("ObjectPath.Malformed", 400, Rejected),
    ("InvalidExtensiveDomain.ValueNotSupported", 400, Rejected),
    ("InvalidDomain.NotFound", 404, Rejected),
    ("MissingParameter", 400, Refused),
    ("MissingObjectPath", 400, Refused),
    # Questions asked wrongly
    ("InvalidTaskId.Malformed", 400, Rejected),
    ("MissingParameter.ObjectType", 400, Refused),
    ("MissingTimeParameter", 400, Refused),
    ("InvalidStartTime.Malformed", 400, Refused),
    ("InvalidStartTime.ValueNotSupported", 400, Refused),
    ("InvalidEndTime.Malformed", 400, Refused),
    ("InvalidEndTime.Mismatch", 400, Refused),
    ("InvalidStatus.ValueNotSupported", 400, Refused),
    ("InvalidTime", 400, Rejected),
    ("DomainNameOverLimit", 400, Refused),
    # An operator must mend the configuration: no URL is to blame
    ("InvalidObjectType.Malformed", 400, Refused),
    ("InvalidObjectType.ValueNotSupported", 400, Refused),
    ("InvalidCustomHeader", 400, Refused),
    # An operator must mend a domain or the account
    ("InvalidDomain.Offline", 404, Refused),
    ("InvalidDomain.Configure_failed", 500, Refused),
    ("IllegalOperation", 403, Refused),
    ("OperationDenied", 403, Refused),
    ("InsufficientBalance", 400, Refused),
    ("CdnServiceNotFound", 400, Refused),
    ("Forbidden.RiskControl", 403, Refused),
    # An operator must mend credentials, permission, the clock or the endpoint
    ("SignatureDoesNotMatch", 400, Refused),
    ("IncompleteSignature", 400, Refused),
    ("InvalidTimeStamp.Format", 400, Refused),
    ("InvalidTimeStamp.Expired", 400, Refused),
    ("InvalidAccessKeyId.NotFound", 404, Refused),
    ("InvalidAccessKeyId.Inactive", 400, Refused),
    ("Forbidden.AccessKeyDisabled", 403, Refused),
    ("MissingSecurityToken", 400, Refused),
    ("InvalidSecurityToken.Expired", 400, Refused),
    ("InvalidSecurityToken.Malformed", 400, Refused),
    ("InvalidSecurityToken.MismatchWithAccessKey", 400, Refused),
    ("Forbidden.RAM", 403, Refused),
    ("NoPermission", 403, Refused),
    ("InvalidApi.NotFound", 404, Refused),
    ("InvalidProduct.NotFound", 404, Refused),
    ("UnsupportedHTTPMethod", 400, Refused),
    ("InvalidProtocol.NeedSsl", 400, Refused),
    # Nobody knows whether it was carried out
    ("InternalError", 500, OutcomeUnknown),
    ("UnknownError", 500, OutcomeUnknown),
]


@pytest.mark.parametrize(("code", "status", "wanted"), CODES)
def test_each_code_has_its_meaning(code: str, status: int, wanted: type[CdnError]) -> None:
    """Every code of the vendor's pages leads to what is to be done about it."""
    assert wanted is error_class(code, status)


def test_each_code_stands_once() -> None:
    """The table contradicts itself nowhere."""
    assert len(CODES) == len({code for code, _, _ in CODES})


@given(st.sampled_from([code for code, _, _ in CODES]), st.integers(400, 599), st.integers(400, 599))
def test_the_status_does_not_matter_where_the_code_is_known(code: str, one: int, other: int) -> None:
    """Pages and gateways disagree about the status of the same code."""
    assert error_class(code, one) is error_class(code, other)


@pytest.mark.parametrize(
    ("code", "status", "wanted"),
    [
        ("SomethingNew", 400, Refused),
        ("SomethingNew", 403, Refused),
        ("SomethingNew", 500, OutcomeUnknown),
        ("HTTP502", 502, OutcomeUnknown),
        ("QuotaExceeded.Something", 400, QuotaSpent),
        ("Throttling.Something", 503, Throttled),
    ],
)
def test_a_code_nobody_knows_stops_before_it_destroys(code: str, status: int, wanted: type[CdnError]) -> None:
    """Below 500 an operator looks at it and tasks wait; from 500 on it may have been carried out."""
    assert wanted is error_class(code, status)


@pytest.mark.parametrize(
    ("code", "scoped"),
    [
        ("Forbidden.RAM", True),
        ("NoPermission", True),
        ("InvalidDomain.Offline", True),
        ("InvalidDomain.Configure_failed", True),
        ("IllegalOperation", True),
        ("SignatureDoesNotMatch", False),
        ("InvalidAccessKeyId.NotFound", False),
        ("OperationDenied", False),
        ("QuotaExceeded.Refresh", False),
    ],
)
def test_some_refusals_are_about_one_domain(code: str, scoped: bool) -> None:  # noqa: FBT001 - a table
    """Permission and state belong to a domain, so the others of a call still go."""
    assert scoped is concerns_domain(error_class(code, 400)(code))


def test_the_tree_says_what_to_do() -> None:
    """A full minute is a kind of throttling; everything of the CDN is a `CdnError`, and the store is not."""
    assert issubclass(MinuteSpent, Throttled)
    assert {CdnError} == {kind.__bases__[0] for kind in (Throttled, QuotaSpent, Rejected, Refused, OutcomeUnknown)}
    assert not issubclass(StoreError, CdnError)


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
