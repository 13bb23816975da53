"""What a request to OSS is about goes in; a rule for such requests, or a refusal for one, comes out.

See `scripts.localcloud.answers`. A rule speaks once it is known who calls, and that the bucket exists.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from scripts.localcloud.answers import Answer, Rule
from scripts.localcloud.oss.call import Call
from scripts.localcloud.oss.errors import OssError

OssRule = Rule[Call]

QPS_LIMITED = Answer("QpsLimitExceeded")
TOKEN_EXPIRED = Answer("SecurityTokenExpired")
DENIED_BY_POLICY = Answer("AccessDenied", message="Access denied by bucket policy.")
TIME_SKEWED = Answer("RequestTimeTooSkewed", details={"MaxAllowedSkewMilliseconds": "900000"})


def in_other_region(bucket: str, endpoint: str) -> Answer:
    """Refuse as OSS does for a bucket of another region, whose endpoint it names."""
    message = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    )
    return Answer("AccessDenied", message=message, details={"Bucket": bucket, "Endpoint": endpoint})


def rule(
    answer: Answer,
    *,
    methods: Collection[str] = (),
    buckets: Collection[str] = (),
    prefix: str = "",
    params: Collection[str] = (),
    when: Callable[[Call], bool] | None = None,
    times: int | None = None,
) -> OssRule:
    """Answer so each request of one of `methods` to one of `buckets`; what is empty fits every request.

    `prefix` is that of the key, or of the keys that a listing asks for; `params` are arguments that its query has, such
    as `symlink`; `when` narrows that further.
    """
    wanted_methods, wanted_buckets = frozenset(methods), frozenset(buckets)

    def fits(call: Call) -> bool:
        return (
            (not wanted_methods or call.method in wanted_methods)
            and (not wanted_buckets or call.bucket in wanted_buckets)
            and (call.key or call.params.get("prefix", "")).startswith(prefix)
            and all(name in call.params for name in params)
            and (when is None or when(call))
        )

    return Rule(answer, fits, times)


def refusal_of(answer: Answer) -> OssError:
    """Turn an answer with a code into the refusal that it is; status and message default to those of the code."""
    return OssError.stated(answer.code, answer.status, answer.message, answer.details)
