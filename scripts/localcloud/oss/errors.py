"""OSS's refusals: an error code goes in, the status and message that OSS gives with it come out."""

from __future__ import annotations

from collections.abc import Mapping

# Status and message by code, as on the vendor's page "Common HTTP status codes and error codes".
REFUSALS: Mapping[str, tuple[int, str]] = {
    "AccessDenied": (403, "You have no right to access this object because of bucket acl."),
    "BucketAlreadyExists": (409, "The requested bucket name is not available."),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size."),
    "EntityTooSmall": (400, "Your proposed upload smaller than the minimum allowed size."),
    "FileAlreadyExists": (409, "The object you specified already exists and can not be overwritten."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The OSS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "An argument of the request is invalid."),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidObjectName": (400, "The specified object is not valid."),
    "InvalidPart": (400, "One or more of the specified parts could not be found or the etag differs."),
    "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
    "InvalidRange": (416, "The requested range cannot be satisfied."),
    "InvalidSecurityToken": (403, "The security token you provided is invalid."),
    "InvalidTargetType": (400, "The target of the symbol link is also a symbol link."),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MalformedXML": (400, "The XML you provided was not well-formed."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchUpload": (404, "The specified upload does not exist, was aborted or was completed."),
    "NotImplemented": (501, "A header or query you provided implies functionality that is not implemented."),
    "NotModified": (304, "The object has not been modified."),
    "NotSymlink": (400, "The object is not symlink."),
    "ObjectNotAppendable": (409, "The object is not appendable."),
    "PositionNotEqualToLength": (409, "Position is not equal to file length."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "QpsLimitExceeded": (503, "Please reduce your request rate."),
    "RequestTimeTooSkewed": (
        403,
        "The difference between the request time and the current time is too large.",
    ),
    "SecondLevelDomainForbidden": (403, "Please use virtual hosted style to access."),
    "SecurityTokenExpired": (403, "The security token you provided has expired."),
    "SignatureDoesNotMatch": (
        403,
        (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        ),
    ),
    "SymlinkTargetNotExist": (404, "The target of the symbol link does not exist."),
    "TotalQpsLimitExceeded": (503, "Please reduce your request rate."),
}


class OssError(Exception):
    """A refusal by its code. The details become elements of the error body."""

    def __init__(self, code: str, message: str = "", /, **details: str) -> None:
        self.status, stock_message = REFUSALS[code]
        self.code = code
        self.message = message or stock_message
        self.headers: Mapping[str, str] = {}
        self.details = details
        super().__init__(f"{code}: {self.message}")

    @classmethod
    def stated(cls, code: str, status: int, message: str, details: Mapping[str, str]) -> OssError:
        """Refuse by any code, known or not; an empty status or message is that of the code."""
        stock_status, stock_message = REFUSALS.get(code, (400, f"{code}."))
        refused = cls("InternalError", message or stock_message, **details)
        refused.code, refused.status = code, status or stock_status
        refused.args = (f"{code}: {refused.message}",)
        return refused

    def with_headers(self, **headers: str) -> OssError:
        """Send headers along; an underscore in a name stands for a hyphen."""
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self
