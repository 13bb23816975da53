"""What the CDN API answered in; domain values out, or the `CdnError` that says what is known of the call.

Rules:

1. Only what an operation documents is its answer. A success without it is an error of the code that it holds, or of
   unknown outcome; a page of a proxy, a redirect, a list of something else: the same. None of them is "no rows".
2. Texts are redacted and cut here; URLs stay as they are, since rows are told apart by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import msgspec

from shared.cloud.provider.codes import error_class
from shared.cloud.session import REDIRECTED, is_redirect, redirect_told
from shared.core.errors import CdnError, OutcomeUnknown
from shared.core.foreign import CODE_CHARACTERS_MAX, cut, foreign, valid
from shared.core.plan.books import Quota
from shared.core.task.rows import Accepted, CdnTask, Page, task_from_row

STATED_WAIT_SECONDS_MAX = 120.0
"""The vendor's SDK waits no longer either, whatever the reply says."""
IDS_PER_REPLY_MAX = 1_000
"""A call has at most as many URLs."""
URL_CHARACTERS_MAX = 4_096
"""Of a row: more than any URL that was submitted, so that a longer one is none of ours."""
DIGITS_MAX = 15
TOTAL_UNTOLD = -1

_ROW_TYPES = {
    # Directory refreshes are "path" in some replies, prefetches go by the operation's names.
    "path": "directory",
    "dir": "directory",
    "prefetch": "preload",
    "push": "preload",
}
_QUOTA_FIELDS = {
    "url": ("urlquota", "urlremain"),
    "directory": ("dirquota", "dirremain"),
    "regex": ("regexquota", "regexremain"),
    "ignore-params": ("ignoreparamsquota", "ignoreparamsremain"),
    "prefetch": ("preloadquota", "preloadremain"),
}

Secrets = Iterable[str]


def code_of(reply: httpx.Response) -> str:
    """The vendor's error code; the status where the body has none, nothing where the reply is good."""
    return "" if reply.is_success else _lowered(_body(reply) or {}).get("code") or f"HTTP{reply.status_code}"


def checked(action: str, reply: httpx.Response, secrets: Secrets) -> dict[str, Any]:
    """The body of a good reply; the fitting `CdnError` for every other."""
    if is_redirect(reply.status_code):
        raise OutcomeUnknown(REDIRECTED, f"{action} was {redirect_told(reply.status_code, reply.headers)}")
    body = _body(reply)
    if body is None:
        raise OutcomeUnknown("NotJson", f"{action} was answered {reply.status_code} without JSON")
    if reply.is_success:
        return body
    stated = reply.headers.get("x-acs-retry-after", "")
    wait = min(_whole(stated) / 1000, STATED_WAIT_SECONDS_MAX) if _is_whole(stated) else 0.0
    raise _error(code_of(reply), reply.status_code, body, secrets, wait)


def accepted(reply: Mapping[str, Any], field: str, secrets: Secrets) -> Accepted:
    """The task ids of a submission, however they come."""
    value = reply.get(field)
    request_id = foreign(reply.get("RequestId") or "", secrets, CODE_CHARACTERS_MAX)
    ids = tuple(part.strip() for part in str(value).split(",") if part.strip()) if _is_text(value) else ()
    if not ids:
        raise _not_told(reply, "NoTaskId", f"accepted, but {field} is missing", secrets)
    if len(ids) > IDS_PER_REPLY_MAX or max(map(len, ids)) > CODE_CHARACTERS_MAX:
        raise OutcomeUnknown("OddTaskId", f"accepted, but {field} is none of the API's", request_id=request_id)
    return Accepted(ids, request_id)


def page(reply: Mapping[str, Any], secrets: Secrets) -> Page:
    """The rows of a task list, whether wrapped in `CDNTask` or not, and how many there are."""
    tasks = reply.get("Tasks")
    if tasks is None and ("Tasks" not in reply or "code" in _lowered(reply)):
        raise _not_told(reply, "NoTasks", "the answer holds no task list", secrets)
    rows = tasks.get("CDNTask") if isinstance(tasks, dict) else tasks
    if rows is not None and not isinstance(rows, list):
        raise OutcomeUnknown("OddReply", "the task list is no list")
    return Page(tuple(_row(row, secrets) for row in rows or ()), _total(reply))


def quota(reply: Mapping[str, Any], secrets: Secrets) -> Quota:
    """What the day leaves, by unit; a unit that is not told, or not as a number, is absent."""
    told = {name.lower(): value for name, value in reply.items()}
    if not any(name in told for names in _QUOTA_FIELDS.values() for name in names):
        raise _not_told(reply, "NoQuota", "the answer holds no quota", secrets)
    known = {
        unit: (_whole(told[of]), _whole(told[left]))
        for unit, (of, left) in _QUOTA_FIELDS.items()
        if _is_whole(told.get(of)) and _is_whole(told.get(left))
    }
    return Quota(
        total={unit: total for unit, (total, _) in known.items()},
        remaining={unit: left for unit, (_, left) in known.items()},
    )


def _row(row: Any, secrets: Secrets) -> CdnTask:
    if not isinstance(row, dict):
        raise OutcomeUnknown("OddReply", f"a row of the task list is no object but {type(row).__name__}")
    try:
        task = task_from_row(row)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as fault:
        raise OutcomeUnknown("OddReply", f"a row of the task list cannot be read: {type(fault).__name__}") from None
    kind = foreign(task.object_type, secrets, CODE_CHARACTERS_MAX)
    return msgspec.structs.replace(
        task,
        task_id=foreign(task.task_id, (), CODE_CHARACTERS_MAX),
        url=cut(valid(task.url), URL_CHARACTERS_MAX),
        object_type=_ROW_TYPES.get(kind, kind),
        status=foreign(task.status, secrets, CODE_CHARACTERS_MAX),
        description=foreign(task.description, secrets),
    )


def _total(reply: Mapping[str, Any]) -> int:
    """How many rows there are in all; `TOTAL_UNTOLD` where the answer does not say."""
    total = reply.get("TotalCount")
    if total is None:
        return TOTAL_UNTOLD
    if not _is_whole(total):
        raise OutcomeUnknown("OddReply", f"the count of rows is {foreign(repr(total), most=CODE_CHARACTERS_MAX)}")
    return _whole(total)


def _not_told(reply: Mapping[str, Any], code: str, message: str, secrets: Secrets) -> CdnError:
    """The error of a success that does not hold what was asked for: that of its code, where it has one."""
    fields = _lowered(reply)
    if fields.get("code"):
        return _error(fields["code"], 200, reply, secrets)
    return OutcomeUnknown(code, message, request_id=foreign(fields.get("requestid", ""), secrets, CODE_CHARACTERS_MAX))


def _error(code: str, status: int, body: Mapping[str, Any], secrets: Secrets, wait: float = 0.0) -> CdnError:
    fields = _lowered(body)
    return error_class(code, status)(
        foreign(code, secrets, CODE_CHARACTERS_MAX),
        foreign(fields.get("message", ""), secrets),
        request_id=foreign(fields.get("requestid", ""), secrets, CODE_CHARACTERS_MAX),
        wait_seconds=wait,
    )


def _body(reply: httpx.Response) -> dict[str, Any] | None:
    """The JSON object of a reply; None where there is none."""
    try:
        body = msgspec.json.decode(reply.content)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _lowered(body: Mapping[str, Any]) -> dict[str, str]:
    """The texts of an error's body, names in lower case."""
    return {name.lower(): str(value) for name, value in body.items() if _is_text(value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_text(value) and str(value).strip().isdecimal() and len(str(value).strip()) <= DIGITS_MAX


def _whole(value: Any) -> int:
    return int(str(value).strip())
