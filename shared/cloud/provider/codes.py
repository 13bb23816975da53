"""A code of the CDN API in; which error it is out. Matched on the vendor's code, never on the HTTP status.

Only codes that are raised before a call is carried out count as refusals. Each stands here with what is checked and
so why nothing was done; every other code, whatever its status, is of unknown outcome and is asked about first.
Sources are the vendor's error tables of RefreshObjectCaches, PushObjectCache and the DescribeRefresh operations
(2018-05-10), and the gateway's common errors.
"""

from __future__ import annotations

from shared.core.errors import (
    AccountRefused,
    BadDomain,
    CdnError,
    MinuteSpent,
    OutcomeUnknown,
    QuotaSpent,
    Refused,
    Rejected,
    Throttled,
    TooLarge,
)

_BY_CODE: dict[str, type[CdnError]] = {
    # Quotas are checked before tasks are made: the vendor counts what was accepted.
    "QuotaExceeded.Refresh": QuotaSpent,
    "QuotaExceeded.Preload": QuotaSpent,
    "QuotaPerMinuteExceeded.Refresh": MinuteSpent,
    "QuotaPerMinuteExceeded.Preload": MinuteSpent,
    "TooMany.Refresh": MinuteSpent,  # the domain's queue is full, so nothing entered it
    "PreloadQueueFull": MinuteSpent,  # the same of prefetches
    # The gateway's flow control stands before the service.
    "TooManyRequests": Throttled,
    "Throttling": Throttled,
    "FlowControlError": Throttled,
    "SignatureNonceUsed": Throttled,  # the gateway's; a new nonce goes with the next try
    # The list of paths is checked as a whole before any of it is accepted: it comes back with nothing done.
    "SingleRequest.OverLimit": TooLarge,
    "InvalidObjectPath.ExceedsMaximum": TooLarge,
    "InvalidObjectPath.Size.Malformed": TooLarge,
    "InvalidObjectPath.Malformed": Rejected,
    "ObjectPath.Malformed": Rejected,
    # The owner of each domain is looked up before a task is made for it.
    "InvalidDomain.NotFound": BadDomain,
    "InvalidExtensiveDomain.ValueNotSupported": BadDomain,
    # Queries change nothing, so that a query was refused says that it was not carried out.
    "InvalidTaskId.Malformed": Rejected,
    "InvalidTime": Rejected,
    # The state of a domain, looked up with its owner.
    "ServiceBusy": Refused,  # "the domain is being configured"
    "InvalidDomain.Offline": Refused,
    "InvalidDomain.Configure_failed": Refused,
    "InvalidDomain.Checking": Refused,
    "IncorrectDomainStatus": Refused,
    "IllegalOperation": Refused,
    # Permission: the gateway asks RAM before it passes a call on. A policy may name single domains.
    "Forbidden": Refused,
    "NoPermission": Refused,
    "OperationDenied": Refused,  # the service is not opened or suspended, for the account or a domain
    # Who calls: checked by the gateway before anything else.
    "SignatureDoesNotMatch": AccountRefused,
    "IncompleteSignature": AccountRefused,
    "InvalidTimeStamp.Format": AccountRefused,
    "InvalidTimeStamp.Expired": AccountRefused,
    "MissingSecurityToken": AccountRefused,
    "InsufficientBalance": AccountRefused,
    "CdnServiceNotFound": AccountRefused,
    # How this package asks: the gateway checks parameters against the operation's definition. A form that is not
    # taken says nothing of the other forms.
    "InvalidObjectType.Malformed": Refused,
    "InvalidObjectType.ValueNotSupported": Refused,
    "InvalidCustomHeader": Refused,
    "MissingParameter": AccountRefused,
    "InvalidVersion": AccountRefused,
    "DomainNameOverLimit": AccountRefused,
    "UnsupportedHTTPMethod": AccountRefused,
    "InvalidProtocol.NeedSsl": AccountRefused,
}

_BY_PREFIX: tuple[tuple[str, type[CdnError]], ...] = (
    # Families whose members the tables list, and that are checked in the same place as those.
    ("Throttling.", Throttled),
    ("QuotaPerMinuteExceeded.", MinuteSpent),
    ("QuotaExceeded.", QuotaSpent),
    ("InvalidAccessKeyId.", AccountRefused),
    ("Forbidden.AccessKey", AccountRefused),
    ("Forbidden.RiskControl", AccountRefused),
    ("InvalidSecurityToken.", AccountRefused),
    ("MissingParameter.", AccountRefused),
    ("InvalidApi.", AccountRefused),
    ("InvalidProduct.", AccountRefused),
    ("Forbidden.", Refused),
    ("InvalidObjectPath.", Rejected),
)

_TOO_MANY_REQUESTS = 429
"""What HTTP itself says of flow control, whatever the body."""


def error_class(code: str, status: int) -> type[CdnError]:
    """Tell what an answer means that was no success."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    for prefix, kind in _BY_PREFIX:
        if code.startswith(prefix):
            return kind
    return Throttled if status == _TOO_MANY_REQUESTS else OutcomeUnknown
