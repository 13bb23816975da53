"""What a request to the log service is about goes in; a rule for such requests, or a refusal for one, comes out.

See `scripts.localcloud.answers`. A rule speaks once it is known who calls and that project and logstore exist.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scripts.localcloud.answers import Answer, Rule
from scripts.localcloud.sls.auth import SlsError

PUT_LOGS: Final = "PutLogs"
GET_LOGS: Final = "GetLogs"
GET_LOGSTORE: Final = "GetLogStore"

# Status and message by code, as in the vendor's error tables.
REFUSALS: Mapping[str, tuple[int, str]] = {
    "PostBodyInvalid": (400, "Value in log is not string data type."),
    "LogStoreNotExist": (404, "logstore does not exist"),
    "ProjectNotExist": (404, "The Project does not exist"),
    "Unauthorized": (401, "denied by sts or ram, action: log:PostLogStoreLogs"),
    "WriteQuotaExceed": (403, "Project write quota exceed: qps: 1."),
    "ServerBusy": (503, "The server is busy, please try again later."),
    "InternalServerError": (500, "Internal server error message."),
}


@dataclass(frozen=True, slots=True)
class SlsCall:
    """One request: PutLogs with its records, GetLogs or GetLogStore. A record is the fields of a log, as text."""

    operation: str
    project: str
    logstore: str
    records: Sequence[Mapping[str, str]] = ()


SlsRule = Rule[SlsCall]


def rule(
    answer: Answer,
    *,
    operations: Collection[str] = (),
    logstores: Collection[str] = (),
    record: Callable[[Mapping[str, str]], bool] | None = None,
    when: Callable[[SlsCall], bool] | None = None,
    times: int | None = None,
) -> SlsRule:
    """Answer so each call of one of `operations` on one of `logstores`; what is empty fits every call.

    `record` and `when` narrow that further: to calls that write at least one such record, and to such calls.
    """
    wanted_operations, wanted_logstores = frozenset(operations), frozenset(logstores)

    def fits(call: SlsCall) -> bool:
        return (
            (not wanted_operations or call.operation in wanted_operations)
            and (not wanted_logstores or call.logstore in wanted_logstores)
            and (record is None or any(map(record, call.records)))
            and (when is None or when(call))
        )

    return Rule(answer, fits, times)


def refuse_records(record: Callable[[Mapping[str, str]], bool]) -> SlsRule:
    """Refuse each batch that holds such a record, for its content: 400 `PostBodyInvalid`."""
    return rule(Answer("PostBodyInvalid"), operations=[PUT_LOGS], record=record)


def refusal_of(answer: Answer) -> SlsError:
    """Turn an answer with a code into the refusal that it is; status and message default to those of the code."""
    status, message = REFUSALS.get(answer.code, (400, f"{answer.code}."))
    return SlsError(answer.status or status, answer.code, answer.message or message)
