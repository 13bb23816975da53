"""The outcome log against the local log service and against answers that it would never give."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.inprocess import RequestsAdapter
from scripts.localcloud.sls.service import LogStore
from scripts.localcloud.web import Request, Response
from shared.cloud.credentials import Credentials, KeyRing
from shared.cloud.outcomes import AGE_SECONDS_MAX, AHEAD_SECONDS_MAX, TEXT_CHARACTERS_MAX, OutcomeLog
from shared.core.errors import LogStoreDown, RecordsRefused
from shared.core.task.model import Outcome, Result

KEYS = Credentials("LTAIlogkeyid0000", "the-secret-of-the-log", "CAISthetokenofthelog/+==")
ENDPOINT = "http://cn-hangzhou.log.aliyuncs.com"


class Service:
    """The local log service with one logstore; `doctored` stands between it and the client."""

    def __init__(self) -> None:
        self.clock = VirtualClock(time.time())
        self.sls = LogStore(
            self.clock,
            keys={KEYS.access_key_id: KEYS.access_key_secret},
            tokens={KEYS.access_key_id: KEYS.security_token},
        )
        self.sls.create("project", "outcomes")
        self.requests: list[Request] = []
        self.alarms: list[tuple[str, str]] = []
        self.doctored: Callable[[Request], Response] = self.plain

    def plain(self, request: Request) -> Response:
        """Answer as the service does."""
        return self.sls.handle(request)

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        self.requests.append(request)
        return self.doctored(request)

    def log(self, project: str = "project", logstore: str = "outcomes", **options: Any) -> OutcomeLog:
        """Make a client; its machine's clock is right unless told otherwise."""
        given = {
            "keys": KeyRing(KEYS),
            "clock": self.clock.now,
            "signing": self.clock.now,
            "alarm": lambda *told: self.alarms.append(told),
            **options,
        }
        keys = given.pop("keys")
        return OutcomeLog(ENDPOINT, project, logstore, keys, adapter=RequestsAdapter(self.handle, self.clock), **given)

    def record(self, **fields: Any) -> Outcome:
        """Make a record of now."""
        return msgspec.structs.replace(Outcome(time=self.clock.now(), result=Result.SKIPPED), **fields)

    @property
    def logged(self) -> list[dict[str, str]]:
        """What the logstore holds."""
        return self.sls.logs("project", "outcomes")


@pytest.fixture
def service() -> Service:
    """An empty log service."""
    return Service()


def error_of(log: OutcomeLog, service: Service) -> LogStoreDown:
    """Write a record, which must fail; the error."""
    with pytest.raises(LogStoreDown) as caught:
        log.write([service.record()])
    return caught.value


def refusal(code: str, message: str = "no", status: int = 400) -> Response:
    """Refuse as the log service does."""
    body = json.dumps({"errorCode": code, "errorMessage": message}).encode()
    return Response(status, {"x-log-requestid": "R1", "content-type": "application/json"}, body)


def test_records_are_written(service: Service) -> None:
    """What is written stands in the logstore with its fields."""
    service.log().write([service.record(message="one"), service.record(message="two")])
    assert ["one", "two"] == [record["message"] for record in service.logged]
    assert [] == service.alarms


# Which answers count


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, {"content-type": "text/html"}, b"<html>Please log in to this network.</html>"),
        Response(200),
        Response(200, {}, b"{}"),
        Response(204, {"x-log-requestid": ""}),
    ],
)
def test_only_the_services_own_reply_counts(service: Service, answer: Response) -> None:
    """A proxy's 200 is no acknowledgement."""
    service.doctored = lambda _: answer
    assert "NotSls" == error_of(service.log(), service).code
    assert "is not the log service" in service.alarms[0][0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(service: Service, status: int) -> None:
    """The token stays with the log service, and the answer counts for nothing."""
    service.doctored = lambda _: Response(
        status, {"location": f"http://elsewhere.example.com/?{KEYS.security_token}", "x-log-requestid": "R1"}
    )
    error = error_of(service.log(), service)
    assert ("Redirected", f"answered {status}, which points to elsewhere.example.com; no redirect is followed") == (
        error.code,
        error.message,
    )
    assert ["project.cn-hangzhou.log.aliyuncs.com"] == [request.host for request in service.requests]


# What is refused for its content, and what is down


@pytest.mark.parametrize(
    "code",
    [
        "PostBodyInvalid",
        "PostBodyTooLarge",
        "PostBodyUncompressError",
        "InvalidTimestamp",
        "InvalidEncoding",
        "InvalidKey",
    ],
)
def test_what_is_refused_for_its_content_is_told_apart(service: Service, code: str) -> None:
    """Another write may be taken, so these records are to blame, in the vendor's words."""
    service.doctored = lambda _: refusal(code, "because of these")
    error = error_of(service.log(), service)
    assert (RecordsRefused, code, "because of these", "R1") == (
        type(error),
        error.code,
        error.message,
        error.request_id,
    )
    assert [] == service.alarms


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal("WriteQuotaExceed", status=403), "WriteQuotaExceed"),
        (refusal("ShardWriteQuotaExceed", status=403), "ShardWriteQuotaExceed"),
        (refusal("ServerBusy", status=503), "ServerBusy"),
        (refusal("InternalServerError", status=500), "InternalServerError"),
        (refusal("ParameterInvalid"), "ParameterInvalid"),
        (refusal("SomethingNew"), "SomethingNew"),
        (Response(502, {}, b"<html>Bad Gateway</html>"), "HTTP502"),
        (Response(500, {}, b"[" * 9_999), "HTTP500"),
        (Response(200, {}, b"", lost=True), "Unreachable"),
        (Response(200, {"x-log-requestid": "R"}, b"", delay_seconds=60), "Unreachable"),
    ],
)
def test_everything_else_means_that_the_log_store_is_down(service: Service, answer: Response, code: str) -> None:
    """No record is to blame; they are kept, and one try is made."""
    service.doctored = lambda _: answer
    error = error_of(service.log(), service)
    assert (LogStoreDown, code) == (type(error), error.code)
    assert 1 == len(service.requests)


@pytest.mark.parametrize(
    ("place", "alarm", "remedy"),
    [
        (("nowhere", "outcomes"), "LOG_PROJECT 'nowhere' does not exist at http://cn-hangzhou", "set LOG_PROJECT"),
        (("project", "nowhere"), "LOGSTORE 'nowhere' does not exist in project 'project'", "create it"),
        (("", ""), "LOG_PROJECT or LOGSTORE is not set", "set both"),
    ],
)
def test_what_only_a_person_can_mend_is_alarmed_at_once(
    service: Service, place: tuple[str, str], alarm: str, remedy: str
) -> None:
    """The first write tells, once, what is wrong and what to do."""
    log = service.log(*place)
    error_of(log, service)
    error_of(log, service)
    ((told, advice),) = service.alarms
    assert alarm in told
    assert remedy in advice


def test_a_missing_right_is_alarmed(service: Service) -> None:
    """The role may not write: the right it lacks is named."""
    service.doctored = lambda _: refusal("Unauthorized", "denied by sts or ram, action: log:PostLogStoreLogs", 401)
    error_of(service.log(), service)
    assert "grant the role log:PostLogStoreLogs on it" == service.alarms[0][1]


def test_an_error_holds_no_key(service: Service) -> None:
    """What the service echoes of a signed request does not go on, neither in the error nor in the alarm."""
    echo = f"x-acs-security-token:{KEYS.security_token} Signature {KEYS.access_key_secret} by {KEYS.access_key_id}"
    service.doctored = lambda _: refusal("Unauthorized", echo + "x" * 60_000, 401)
    error = error_of(service.log(), service)
    for told in (str(error), *service.alarms[0]):
        assert not [part for part in KeyRing(KEYS).secrets() if part in told]
        assert 600 > len(told)
    assert error.__cause__ is None


# Keys and clocks


@pytest.mark.parametrize("error", [-86_400.0, 3_600.0])
def test_a_wrong_clock_does_not_matter(service: Service, error: float) -> None:
    """A machine that is hours wrong is refused once, and then signs by the service's clock."""
    log = service.log(signing=lambda: service.clock.now() + error)
    log.write([service.record()])
    log.write([service.record()])
    assert (2, 3) == (len(service.logged), len(service.requests))


def test_new_keys_are_taken_where_the_old_ones_ended(service: Service) -> None:
    """A write goes on with the keys that the runtime has by now."""
    runtime = iter([Credentials("STS.ended", "secret", "token"), KEYS])
    keys = KeyRing()
    keys.use(lambda: next(runtime))
    service.log(keys=keys).write([service.record()])
    assert (1, 2) == (len(service.logged), len(service.requests))
    assert [] == service.alarms


# What records may hold


def test_old_records_go_under_a_time_that_is_taken(service: Service) -> None:
    """What was kept for weeks, or comes from a clock ahead, is written; its own time stays in its field."""
    now = service.clock.now()
    times = [0.0, now - 30 * 86_400, now, now + 86_400, 1e12]
    service.log().write([service.record(time=moment) for moment in times])
    dated = [int(record["__time__"]) for record in service.logged]
    oldest, latest = int(now - AGE_SECONDS_MAX), int(now + AHEAD_SECONDS_MAX)
    assert [oldest, oldest, int(now), latest, latest] == dated
    assert [f"{moment:.3f}" for moment in times] == [record["time"] for record in service.logged]


def test_any_text_can_be_written(service: Service) -> None:
    """Half characters and endless texts do not stop a batch."""
    service.log().write([service.record(key="a\ud800b", message="m" * 99_999)])
    (record,) = service.logged
    assert ("a?b", TEXT_CHARACTERS_MAX) == (record["key"], len(record["message"]))


def test_a_log_service_that_does_not_answer_is_told() -> None:
    """One try, and the reason."""
    log = OutcomeLog("http://127.0.0.1:9", "project", "outcomes", KeyRing(KEYS))
    with pytest.raises(LogStoreDown, match=r"Unreachable: .*Connection refused"):
        log.write([Outcome(time=time.time(), result=Result.SKIPPED)])
