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
    ("ServiceBusy", 403, Refused),
    ("TooManyRequests", 429, Throttled),
    ("Throttling", 400, Throttled),
    ("Throttling.User", 400, Throttled),
    ("Throttling.Api", 503, Throttled),
    ("ServiceUnavailable", 503, OutcomeUnknown),
    ("FlowControlError", 400, Throttled),
    ("SignatureNonceUsed", 400, Throttled),
    # Split the batch to find what can never go
    ("SingleRequest.OverLimit", 400, TooLarge),
    ("InvalidObjectPath.ExceedsMaximum", 400, TooLarge),
    ("InvalidObjectPath.Size.Malformed", 400, TooLarge),
    ("InvalidObjectPath.Malformed", 400, Rejected),
    ("ObjectPath.Malformed", 400, Rejected),
    ("InvalidExtensiveDomain.ValueNotSupported", 400, BadDomain),
    ("InvalidDomain.NotFound", 404, BadDomain),
    ("MissingParameter", 400, AccountRefused),
    ("MissingObjectPath", 400, OutcomeUnknown),
    # Questions asked wrongly
    ("InvalidTaskId.Malformed", 400, Rejected),
    ("MissingParameter.ObjectType", 400, AccountRefused),
    ("MissingTimeParameter", 400, OutcomeUnknown),
    ("InvalidStartTime.Malformed", 400, OutcomeUnknown),
    ("InvalidStartTime.ValueNotSupported", 400, OutcomeUnknown),
    ("InvalidEndTime.Malformed", 400, OutcomeUnknown),
    ("InvalidEndTime.Mismatch", 400, OutcomeUnknown),
    ("InvalidStatus.ValueNotSupported", 400, OutcomeUnknown),
    ("InvalidTime", 400, Rejected),
    ("DomainNameOverLimit", 400, AccountRefused),
    # An operator must mend the configuration: no URL is to blame
    ("InvalidObjectType.Malformed", 400, Refused),
    ("InvalidObjectType.ValueNotSupported", 400, Refused),
    ("InvalidCustomHeader", 400, Refused),
    # An operator must mend a domain or the account
    ("InvalidDomain.Offline", 404, Refused),
    ("InvalidDomain.Configure_failed", 500, Refused),
    ("IllegalOperation", 403, Refused),
    ("OperationDenied", 403, Refused),
    ("InsufficientBalance", 400, AccountRefused),
    ("CdnServiceNotFound", 400, AccountRefused),
    ("Forbidden.RiskControl", 403, AccountRefused),
    # An operator must mend credentials, permission, the clock or the endpoint
    ("SignatureDoesNotMatch", 400, AccountRefused),
    ("IncompleteSignature", 400, AccountRefused),
    ("InvalidTimeStamp.Format", 400, AccountRefused),
    ("InvalidTimeStamp.Expired", 400, AccountRefused),
    ("InvalidAccessKeyId.NotFound", 404, AccountRefused),
    ("InvalidAccessKeyId.Inactive", 400, AccountRefused),
    ("Forbidden.AccessKeyDisabled", 403, AccountRefused),
    ("MissingSecurityToken", 400, AccountRefused),
    ("InvalidSecurityToken.Expired", 400, AccountRefused),
    ("InvalidSecurityToken.Malformed", 400, AccountRefused),
    ("InvalidSecurityToken.MismatchWithAccessKey", 400, AccountRefused),
    ("Forbidden.RAM", 403, Refused),
    ("NoPermission", 403, Refused),
    ("InvalidApi.NotFound", 404, AccountRefused),
    ("InvalidProduct.NotFound", 404, AccountRefused),
    ("UnsupportedHTTPMethod", 400, AccountRefused),
    ("InvalidProtocol.NeedSsl", 400, AccountRefused),
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
        ("SomethingNew", 400, OutcomeUnknown),
        ("SomethingNew", 403, OutcomeUnknown),
        ("SomethingNew", 200, OutcomeUnknown),
        ("SomethingNew", 429, Throttled),
        ("SomethingNew", 500, OutcomeUnknown),
        ("HTTP502", 502, OutcomeUnknown),
        ("QuotaExceeded.Something", 400, QuotaSpent),
        ("Throttling.Something", 503, Throttled),
    ],
)
def test_a_code_nobody_knows_stops_before_it_destroys(code: str, status: int, wanted: type[CdnError]) -> None:
    """Whatever its status, nobody knows whether it was carried out: the task list is asked first."""
    assert wanted is error_class(code, status)


@pytest.mark.parametrize(
    ("code", "account"),
    [
        ("Forbidden.RAM", False),
        ("NoPermission", False),
        ("InvalidDomain.Offline", False),
        ("InvalidDomain.Configure_failed", False),
        ("IllegalOperation", False),
        ("OperationDenied", False),
        ("ServiceBusy", False),
        ("SignatureDoesNotMatch", True),
        ("InvalidAccessKeyId.NotFound", True),
        ("InsufficientBalance", True),
    ],
)
def test_some_refusals_may_be_about_one_domain(code: str, account: bool) -> None:  # noqa: FBT001 - a table
    """Permission and state may belong to a domain, so the others of a call still go; keys and balance do not."""
    assert issubclass(error_class(code, 400), Refused)
    assert account is issubclass(error_class(code, 400), AccountRefused)


def test_the_tree_says_what_to_do() -> None:
    """Everything of the CDN is a `CdnError`, a refusal is one before execution, and the store stands apart."""
    kinds = (Unsent, Throttled, MinuteSpent, QuotaSpent, Rejected, Refused, OutcomeUnknown)
    assert {CdnError} == {kind.__bases__[0] for kind in kinds}
    assert {Rejected} == {kind.__bases__[0] for kind in (TooLarge, BadDomain)}
    assert not issubclass(StoreError, CdnError)
    assert issubclass(RecordsRefused, LogStoreDown)


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


def test_an_error_of_several_writes_names_what_is_not_durable() -> None:
    """The others are, so only these are to be written again."""
    error = NotAllStored("put two", "AccessDenied", "no", request_id="R", keys=("a", "b"))
    assert (("a", "b"), "AccessDenied", "R") == (error.keys, error.code, error.request_id)


def test_an_error_of_the_log_store_carries_its_words() -> None:
    """Code, message and request id, for the alarm and the log."""
    error = LogStoreDown("Unauthorized", "no", request_id="R")
    assert ("Unauthorized: no (request R)", "no", "R") == (str(error), error.message, error.request_id)
