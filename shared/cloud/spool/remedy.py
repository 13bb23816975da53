"""An error of the spool's bucket in; a sentence that says what is wrong and what to do about it out."""

from __future__ import annotations

from shared.core.errors import StoreError

_BY_CODE = {
    "NoSuchBucket": "does not exist; create it or name another",
    "VersioningOn": (
        "keeps versions, so OSS ignores put-if-absent and two could submit at once; "
        "use a bucket in which versioning was never switched on"
    ),
    "Redirected": "{message}; set REGION and OSS_ENDPOINT to where the bucket lies, and PROXY to what leads there",
    "Unreachable": (
        "cannot be reached ({message}); check REGION, OSS_ENDPOINT, PROXY and the function's network: "
        "an internal endpoint answers in its own region only"
    ),
    "Untrusted": (
        "does not prove who it is ({message}); "
        "set OSS_ENDPOINT to the vendor's own address, and PROXY to what leads there"
    ),
    "NotOss": "does not answer as OSS does: {message}; check OSS_ENDPOINT and PROXY",
    "RequestTimeTooSkewed": (
        "refuses the time that requests are signed by, though it is that of its own replies; "
        "see whether PROXY changes their Date"
    ),
    "SecurityTokenExpired": (
        "refuses the function's temporary keys, whose time is over; the next invocation brings new ones: "
        "if it goes on, see that no keys stand in the function's environment"
    ),
    "InvalidSecurityToken": "{keys}",
    "InvalidAccessKeyId": "{keys}",
    "SignatureDoesNotMatch": "{keys}",
    "UserDisable": "{stopped}",
    "AbnormalBucketOwnerStatus": "{stopped}",
}
_KEYS = (
    "refuses the function's keys ({code}: {message}); give the function a role (template.yml: role), "
    "and let no access key stand in its environment"
)
_STOPPED = "is stopped with its account ({code}: {message}); look at the account's balance and services"
_ELSEWHERE = (
    "lies in another region than {region} ({message}); set REGION, and OSS_ENDPOINT where it is set, to where it lies"
)
_POLICY = (
    "is closed by a policy ({message}); let the policy of the bucket, or of the VPC's endpoint, "
    "admit the function's role and network"
)
_DENIED = "may not be used with the function's role ({code}: {message}); grant it {right} on it"
_SIGNED_FOR_ANOTHER_REGION = "signing region"
_OF_ANOTHER_REGION = "specified endpoint"


def remedy(error: StoreError, region: str, right: str) -> str:
    """Go on after the bucket's name; `right` is the permission that what was tried needs."""
    told = {"code": error.code, "message": error.message, "region": region, "right": right}
    parts = {"keys": _KEYS.format(**told), "stopped": _STOPPED.format(**told)}
    sentence = _sentence(error.code, error.message.lower()).format(**told, **parts)
    return sentence + (f" (request {error.request_id})" if error.request_id else "")


def _sentence(code: str, message: str) -> str:
    if _OF_ANOTHER_REGION in message or _SIGNED_FOR_ANOTHER_REGION in message:
        return _ELSEWHERE
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code == "AccessDenied":
        # Of the bucket's policy or the VPC's; "authorizer's policy" is that of the role itself.
        return _POLICY if "bucket policy" in message or "vpc" in message else _DENIED
    return "cannot be used ({code}: {message})"
