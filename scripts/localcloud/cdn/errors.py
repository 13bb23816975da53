"""An error code of the CDN API goes in; its HTTP status and message come out, as a `RefusedError` to raise.

Codes and statuses are those of the vendor's error tables; where its pages disagree, the status of the
newer page stands here.
"""

from __future__ import annotations

ERRORS: dict[str, tuple[int, str]] = {
    # Who calls, and whether the request is whole.
    "IncompleteSignature": (400, "The request signature does not conform to the standards: {reason}."),
    "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    # The older SDK splits this message at the colon and compares what follows with its own string.
    "SignatureDoesNotMatch": (
        400,
        "Specified signature is not matched with our calculation. server string to sign is:{expected}",
    ),
    "MissingSecurityToken": (400, "SecurityToken is mandatory for this action."),
    "InvalidSecurityToken.Expired": (400, "Specified SecurityToken is expired."),
    "InvalidSecurityToken.MismatchWithAccessKey": (
        400,
        "Specified SecurityToken mismatch with the AccessKey.",
    ),
    "InvalidApi.NotFound": (404, "Specified api is not found, please check your url and method."),
    "InvalidVersion": (400, "Specified parameter Version is not valid."),
    "UnsupportedHTTPMethod": (400, "This http method is not supported."),
    # Flow control and the service's own trouble.
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    # What was asked for.
    "MissingParameter": (
        400,
        "The input parameter {name} that is mandatory for this action is not supplied.",
    ),
    "InvalidParameter": (400, "The specified parameter {name} is not valid."),
    "InvalidObjectType.ValueNotSupported": (400, "The specified ObjectType is not supported."),
    "InvalidObjectPath.Malformed": (400, "The specified ObjectPath is not valid: {url}"),
    "InvalidDomain.NotFound": (404, "The domain [{domain}] does not belong to you."),
    "InvalidExtensiveDomain.ValueNotSupported": (400, "The wildcard domain [{domain}] is not supported."),
    "InvalidCustomHeader": (400, "The specified WithHeader is not valid."),
    "SingleRequest.OverLimit": (400, "The maximum number of {what} in one request is {most}."),
    "QuotaExceeded.Refresh": (400, "The daily refresh quota has been exceeded."),
    "QuotaExceeded.Preload": (400, "The daily preload quota has been exceeded."),
    "QuotaPerMinuteExceeded.Refresh": (400, "The {what} limit per minute has been exceeded."),
    "PreloadQueueFull": (400, "The preload queue is full. Try again later."),
    # Queries about tasks.
    "InvalidTaskId.Malformed": (400, "The specified TaskId is not valid."),
    "MissingParameter.ObjectType": (400, "ObjectType is required with DomainName or Status."),
    "MissingTimeParameter": (400, "StartTime and EndTime must be given together."),
    "InvalidStartTime.Malformed": (400, "The specified StartTime is not valid."),
    "InvalidEndTime.Malformed": (400, "The specified EndTime is not valid."),
    "InvalidEndTime.Mismatch": (400, "The specified EndTime is not later than StartTime."),
    "InvalidStatus.ValueNotSupported": (400, "The specified Status is not supported."),
    "InvalidTime": (400, "Only tasks of the last {days} days can be queried."),
}


class RefusedError(Exception):
    """The gateway or the CDN refuses a call: nothing was changed and nothing was spent."""

    def __init__(self, code: str, **names: object) -> None:
        self.code = code
        self.status, template = ERRORS.get(code, ERRORS["MissingParameter"])
        self.message = template.format(**names)
        super().__init__(f"{code}: {self.message}")

    @classmethod
    def stated(cls, code: str, status: int, message: str) -> RefusedError:
        """Refuse by any code, known or not, with a status and a message that are taken as they are."""
        refused = cls(code, name="", reason="", expected="", domain="", url="", what="", most="", days="")
        refused.status, refused.message = status, message
        refused.args = (f"{code}: {message}",)
        return refused


def missing(name: str) -> RefusedError:
    """Refuse for a common parameter that is not there: its code is `Missing` and the name."""
    return RefusedError(f"Missing{name}", name=name)
