"""What can go wrong outside, sorted by what to do about it; at the CDN the vendor's code decides, never the status.

CdnError
├── Throttled     not carried out; the same call may go again after a short wait
│   └── MinuteSpent   … in the next minute
├── QuotaSpent    not carried out; again after the daily reset
├── Rejected      not carried out; something in the batch can never go: find it, or give it up
├── Refused       not carried out; an operator must act, tasks keep waiting
└── Unreachable   nobody knows: ask the task list before anything is sent again

StoreError        OSS did not do what was asked; what is not durable must not be acknowledged
LogStoreDown      the log store did not take records; they are kept, tasks go on
"""

from __future__ import annotations


class CdnError(Exception):
    """A call of the CDN API that was not answered with success. `code` is the vendor's own."""

    def __init__(self, code: str, message: str = "", *, request_id: str = "", wait_seconds: float = 0.0) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.request_id = request_id
        self.wait_seconds = wait_seconds
        """How long the server asks to wait, in seconds; 0 where it does not say."""


class Throttled(CdnError):
    """Flow control or a busy server; nothing was carried out."""


class MinuteSpent(Throttled):
    """The limit of URLs per minute and domain; nothing was carried out."""


class QuotaSpent(CdnError):
    """The day's quota is used up; nothing was carried out."""


class Rejected(CdnError):
    """Something in the batch is wrong and will stay wrong; nothing was carried out."""


class Refused(CdnError):
    """Credentials, permission, account or domain state: a person must act."""


class Unreachable(CdnError):
    """No answer, or an answer that does not tell whether the call was carried out."""


class StoreError(Exception):
    """OSS did not do what was asked. `code` is the vendor's, or `Unreachable` where nothing answered."""

    def __init__(self, what: str, code: str, message: str) -> None:
        super().__init__(f"{what}: {code}: {message}")
        self.code = code


class LogStoreDown(Exception):
    """The log store did not take the records. `code` is the vendor's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


_BY_CODE: dict[str, type[CdnError]] = {
    # Daily and per-minute quotas
    "QuotaExceeded.Refresh": QuotaSpent,
    "QuotaExceeded.Preload": QuotaSpent,
    "QuotaPerMinuteExceeded.Refresh": MinuteSpent,
    "QuotaPerMinuteExceeded.Preload": MinuteSpent,
    "TooMany.Refresh": MinuteSpent,
    "PreloadQueueFull": MinuteSpent,
    # Flow control
    "TooManyRequests": Throttled,
    "Throttling": Throttled,
    "ServiceBusy": Throttled,
    "ServiceUnavailable": Throttled,
    "FlowControlError": Throttled,
    # A new nonce and a new timestamp go with the next try
    "SignatureNonceUsed": Throttled,
    # Something in the batch
    "SingleRequest.OverLimit": Rejected,
    "InvalidObjectPath.ExceedsMaximum": Rejected,
    "InvalidObjectPath.Size.Malformed": Rejected,
    "InvalidObjectPath.Malformed": Rejected,
    "ObjectPath.Malformed": Rejected,
    "InvalidExtensiveDomain.ValueNotSupported": Rejected,
    "InvalidDomain.NotFound": Rejected,
    "InvalidTaskId.Malformed": Rejected,
    "InvalidTime": Rejected,
    # Credentials, permission, account
    "SignatureDoesNotMatch": Refused,
    "IncompleteSignature": Refused,
    "InvalidTimeStamp.Format": Refused,
    "InvalidTimeStamp.Expired": Refused,
    "NoPermission": Refused,
    "InvalidDomain.Offline": Refused,
    "InvalidDomain.Configure_failed": Refused,
    "IllegalOperation": Refused,
    "OperationDenied": Refused,
    "InsufficientBalance": Refused,
    "MissingSecurityToken": Refused,
    # Settings of this package that the API does not take: no URL is to blame
    "InvalidObjectType.Malformed": Refused,
    "InvalidObjectType.ValueNotSupported": Refused,
    "InvalidCustomHeader": Refused,
    "DomainNameOverLimit": Refused,
    "UnsupportedHTTPMethod": Refused,
    "InvalidProtocol.NeedSsl": Refused,
    "CdnServiceNotFound": Refused,
    # The server failed on the way: it may have been carried out
    "InternalError": Unreachable,
    "UnknownError": Unreachable,
}

_BY_PREFIX: tuple[tuple[str, type[CdnError]], ...] = (
    ("Throttling.", Throttled),
    ("QuotaPerMinuteExceeded.", MinuteSpent),
    ("QuotaExceeded.", QuotaSpent),
    ("InvalidAccessKeyId.", Refused),
    ("InvalidSecurityToken.", Refused),
    ("Forbidden.", Refused),
    ("InvalidApi.", Refused),
    ("InvalidProduct.", Refused),
    ("InvalidObjectPath.", Rejected),
    # A request that the API does not understand is this package's fault or its settings': no URL is given up for it.
    ("Missing", Refused),
    ("Invalid", Refused),
)


_DOMAIN_SCOPED = frozenset(
    {
        "Forbidden.RAM",
        "NoPermission",
        "IllegalOperation",
        "InvalidDomain.Offline",
        "InvalidDomain.Configure_failed",
    }
)


_ALL_URLS_OF_DOMAIN = frozenset({"InvalidDomain.NotFound", "InvalidExtensiveDomain.ValueNotSupported"})
_TOO_MANY = frozenset(
    {"SingleRequest.OverLimit", "InvalidObjectPath.ExceedsMaximum", "InvalidObjectPath.Size.Malformed"}
)


def spoils_domain(error: CdnError) -> bool:
    """Whether a rejection is about a domain as such: none of its URLs can ever go."""
    return error.code in _ALL_URLS_OF_DOMAIN


def is_size(error: CdnError) -> bool:
    """Whether a rejection is about how many URLs there were: each of them may be good."""
    return error.code in _TOO_MANY


def concerns_domain(error: CdnError) -> bool:
    """Whether a refusal may be about one domain of a batch only, so that the others should still go."""
    return error.code in _DOMAIN_SCOPED


def error_class(code: str, status: int) -> type[CdnError]:
    """Tell what a vendor's code means. A code nobody knows is refused below 500, else of unknown outcome."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    for prefix, kind in _BY_PREFIX:
        if code.startswith(prefix):
            return kind
    return Refused if status < 500 else Unreachable  # noqa: PLR2004 - the boundary of HTTP itself
