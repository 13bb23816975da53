"""What can go wrong outside, sorted by what to do about it. What a vendor's code means stands with the provider.

CdnError
├── Unsent          no connection: the request never left
├── Throttled       not carried out: the account's calls come too fast
├── MinuteSpent     not carried out: a domain has had its targets of this minute
├── QuotaSpent      not carried out: the day's quota does not leave as many units
├── Rejected        not carried out: something in the call can never go
│   ├── TooLarge      … since there was too much of it: each target may be good
│   └── BadDomain     … since a domain is none of the account's: none of its targets can go
├── Refused         not carried out: a person must act; maybe for one domain only
│   └── AccountRefused  … for the account as a whole: keys, signature, balance
└── OutcomeUnknown  nobody knows: the task list is asked before anything is sent again

StoreError          OSS did not do what was asked; what is not durable must not be acknowledged
└── NotAllStored      … of several writes: those of `keys` are not durable, the others are
LogStoreDown        the log store did not take records; they are kept, tasks go on
└── RecordsRefused    … since it does not like these records: others it may take
"""

from __future__ import annotations


class CdnError(Exception):
    """A call of the provider's API that was not answered with success. `code` is the vendor's own."""

    def __init__(self, code: str, message: str = "", *, request_id: str = "", wait_seconds: float = 0.0) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.request_id = request_id
        self.wait_seconds = wait_seconds
        """How long the server asks to wait, in seconds; 0 where it does not say."""


class Unsent(CdnError):
    """No connection could be made; nothing was carried out."""


class Throttled(CdnError):
    """The account's flow control; nothing was carried out."""


class MinuteSpent(CdnError):
    """The limit of targets per minute and domain; nothing was carried out."""


class QuotaSpent(CdnError):
    """The day's quota leaves less than the call asked for; nothing was carried out."""


class Rejected(CdnError):
    """Something in the call is wrong and will stay wrong; nothing was carried out."""


class TooLarge(Rejected):
    """There was too much in the call; each of its targets may be good."""


class BadDomain(Rejected):
    """A domain is none of the account's, or none that this operation takes."""


class Refused(CdnError):
    """Permission or the state of a domain: a person must act; nothing was carried out."""


class AccountRefused(Refused):
    """Keys, signature, balance, or what this package sends to every domain: no domain is to blame."""


class OutcomeUnknown(CdnError):
    """No answer, or an answer that does not tell whether the call was carried out."""


class StoreError(Exception):
    """OSS did not do what was asked. `code` is the vendor's, or `Unreachable` where nothing answered."""

    def __init__(self, what: str, code: str, message: str, *, request_id: str = "") -> None:
        super().__init__(f"{what}: {code}: {message}" + (f" (request {request_id})" if request_id else ""))
        self.code = code
        self.message = message
        self.request_id = request_id


class NotAllStored(StoreError):
    """Some of several objects were not written; `code`, `message` and `request_id` are of the first of them."""

    def __init__(self, what: str, code: str, message: str, *, request_id: str = "", keys: tuple[str, ...] = ()) -> None:
        super().__init__(what, code, message, request_id=request_id)
        self.keys = keys


class LogStoreDown(Exception):
    """The log store did not take the records. `code` is the vendor's."""

    def __init__(self, code: str, message: str, *, request_id: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" (request {request_id})" if request_id else ""))
        self.code = code
        self.message = message
        self.request_id = request_id


class RecordsRefused(LogStoreDown):
    """The log store works and does not like the content of these records."""
