"""Answers of the CDN that depend on what a call is about: in HTTP and without it, carried out or not."""

from __future__ import annotations

import json

import pytest

from scripts.localcloud.answers import Answer, RawAnswer, redirect
from scripts.localcloud.cdn.answers import CdnCall, json_answer, rule, size_limit
from scripts.localcloud.cdn.errors import RefusedError
from tests.localcloud.cdn_caller import Account

A, B = "https://a.example.com", "https://b.example.com"


@pytest.fixture
def account() -> Account:
    """A CDN of two domains."""
    return Account("a.example.com", "b.example.com")


def test_a_domain_is_refused_until_its_rule_goes(account: Account) -> None:
    """Each call that holds a URL of the domain gets code, status and message; others and later ones do not."""
    account.cdn.answers.append(rule(Answer("ServiceBusy", 403, "Busy."), domains=["B.example.com"]))
    for _ in range(3):
        refused = account.refresh(f"{A}/1", f"{B}/1")
        assert (refused["HttpStatus"], refused["Code"], refused["Message"]) == (403, "ServiceBusy", "Busy.")
    assert account.refresh(f"{A}/1")["HttpStatus"] == 200
    account.cdn.answers.clear()
    assert account.refresh(f"{B}/1")["HttpStatus"] == 200
    assert [row.path for row in account.cdn.submissions] == [f"{A}/1", f"{B}/1"]


def test_one_url_spoils_its_call(account: Account) -> None:
    """A rule about URLs fits the calls that name one of them, character by character."""
    account.cdn.answers.append(rule(Answer("InternalError", 500), urls=[f"{A}/bad"]))
    assert account.refresh(f"{A}/good", f"{A}/bad")["Code"] == "InternalError"
    assert account.refresh(f"{A}/good", f"{A}/bad?1")["HttpStatus"] == 200


def test_a_known_code_brings_its_own_status_and_message(account: Account) -> None:
    """Where a rule states only the code, the vendor's table gives the rest; an unknown code is a 400."""
    account.cdn.answers.append(rule(Answer("ServiceUnavailable"), times=1))
    account.cdn.answers.append(rule(Answer("Never.Seen"), times=1))
    first, second, third = (account.refresh(f"{A}/1") for _ in range(3))
    assert (first["HttpStatus"], first["Code"]) == (503, "ServiceUnavailable")
    assert "temporary failure" in first["Message"]
    assert (second["HttpStatus"], second["Code"]) == (400, "Never.Seen")
    assert third["HttpStatus"] == 200


def test_a_call_is_carried_out_and_then_denied(account: Account) -> None:
    """503 although the task was made: its units are gone and its row is there."""
    account.cdn.answers.append(rule(Answer("ServiceUnavailable", carried_out=True), operations=["RefreshObjectCaches"]))
    assert account.refresh(f"{A}/1")["HttpStatus"] == 503
    listed = account.call("DescribeRefreshTasks", ObjectPath=f"{A}/1")
    assert (listed["TotalCount"], account.cdn.spent()["file"]) == (1, 1)
    assert [(call.code, call.carried_out) for call in account.cdn.calls] == [("ServiceUnavailable", True), ("OK", True)]


def test_what_is_not_carried_out_changes_nothing(account: Account) -> None:
    """Without `carried_out` nothing is spent, and the books say so."""
    account.cdn.answers.append(rule(Answer("ServiceUnavailable")))
    account.refresh(f"{A}/1")
    assert (account.cdn.spent()["file"], account.cdn.submissions) == (0, [])
    assert [(call.code, call.carried_out) for call in account.cdn.calls] == [("ServiceUnavailable", False)]


def test_the_api_refuses_by_itself_before_a_rule_speaks_afterwards(account: Account) -> None:
    """A call that cannot be carried out gets its own refusal, whatever a rule would say after it."""
    account.cdn.answers.append(rule(Answer("ServiceUnavailable", carried_out=True)))
    assert account.refresh("no url")["Code"] == "InvalidObjectPath.Malformed"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (json_answer({"Code": "Throttling"}), 200, b'{"Code": "Throttling"}'),
        (json_answer({"Tasks": [None]}), 200, b'{"Tasks": [null]}'),
        (Answer(status=502, body=b"<html>Bad Gateway</html>"), 502, b"<html>Bad Gateway</html>"),
        (Answer(status=200, body=b"no JSON"), 200, b"no JSON"),
        (Answer(), 200, b""),
    ],
)
def test_any_reply_can_be_given(account: Account, answer: Answer, status: int, body: bytes) -> None:
    """A raw answer goes out as it stands, whatever its shape, and the books name its status."""
    account.cdn.answers.append(rule(answer, operations=["DescribeRefreshTaskById"]))
    reply = account.exchange("DescribeRefreshTaskById", TaskId="1")
    assert (reply.status, reply.body, account.cdn.calls[-1].code) == (status, body, f"HTTP {status}")


def test_a_connection_drops_with_the_call_carried_out(account: Account) -> None:
    """The reply is lost, the task is not."""
    account.cdn.answers.append(rule(Answer(dropped=True, carried_out=True), times=1))
    assert account.exchange("RefreshObjectCaches", ObjectPath=f"{A}/1").lost
    assert ([row.path for row in account.cdn.submissions], account.cdn.calls[0].code) == ([f"{A}/1"], "Dropped")


def test_a_call_that_is_too_large_is_refused_in_html(account: Account) -> None:
    """The bytes of ObjectPath decide, not the number of URLs; the refusal is a proxy's page."""
    account.cdn.answers.append(size_limit(len(f"{A}/ä".encode())))
    assert account.refresh(f"{A}/ä")["HttpStatus"] == 200
    reply = account.exchange("RefreshObjectCaches", ObjectPath=f"{A}/ää")
    assert (reply.status, reply.headers["Content-Type"]) == (413, "text/html")
    assert b"413 Request Entity Too Large" in reply.body


def test_a_gateway_redirects(account: Account) -> None:
    """The location is the same path and query of the other host."""
    account.cdn.answers.append(rule(redirect("https://elsewhere.example.org/", 302)))
    reply = account.exchange("DescribeRefreshQuota")
    assert (reply.status, reply.headers["Location"]) == (302, "https://elsewhere.example.org/")


def test_a_predicate_narrows_a_rule(account: Account) -> None:
    """`when` sees operation, parameters, URLs and domains, those of a query too."""
    seen: list[CdnCall] = []

    def look(call: CdnCall) -> bool:
        seen.append(call)
        return False

    account.cdn.answers.append(rule(Answer("Forbidden"), when=look))
    account.call("DescribeRefreshTasks", ObjectType="file", DomainName="A.example.com")
    account.refresh(f"{A}/1", "rubbish")
    assert [call.operation for call in seen] == ["DescribeRefreshTasks", "RefreshObjectCaches"]
    assert [call.domains for call in seen] == [{"a.example.com"}, {"a.example.com"}]
    assert seen[1].urls == {f"{A}/1", "rubbish"}


def test_rules_hold_without_http(account: Account) -> None:
    """`carry_out` does what `handle` does: documents, refusals, other answers, and the books."""
    document = account.cdn.carry_out("RefreshObjectCaches", {"ObjectPath": f"{A}/1"}, "somebody")
    assert document["RefreshTaskId"]
    assert document["RequestId"] == account.cdn.calls[0].request_id
    account.cdn.answers.append(rule(Answer("Forbidden", 403), times=1))
    with pytest.raises(RefusedError, match=r"^Forbidden: ") as refused:
        account.cdn.carry_out("DescribeRefreshQuota", {})
    assert refused.value.status == 403
    account.cdn.answers.append(rule(json_answer({"Tasks": [None]}), times=1))
    with pytest.raises(RawAnswer) as raw:
        account.cdn.carry_out("DescribeRefreshTaskById", {"TaskId": "1"})
    assert json.loads(raw.value.answer.body) == {"Tasks": [None]}
    codes = [(call.access_key, call.code) for call in account.cdn.calls]
    assert codes == [("somebody", "OK"), ("", "Forbidden"), ("", "HTTP 200")]


def test_a_verdict_can_be_asked_for(account: Account) -> None:
    """Code that carries out calls by itself asks what a rule says of one."""
    answer = Answer("Forbidden", carried_out=True)
    account.cdn.answers.append(rule(answer, urls=[f"{A}/1"], times=1))
    assert account.cdn.verdict("RefreshObjectCaches", {"ObjectPath": f"{A}/2"}) is None
    assert account.cdn.verdict("RefreshObjectCaches", {"ObjectPath": f"{A}/1"}) == answer
    assert account.cdn.verdict("RefreshObjectCaches", {"ObjectPath": f"{A}/1"}) is None
