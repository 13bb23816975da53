"""An OSS that answers, deletes, dates and keeps otherwise than one would expect."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scripts.localcloud.answers import Answer, redirect
from scripts.localcloud.oss.answers import (
    DENIED_BY_POLICY,
    QPS_LIMITED,
    TIME_SKEWED,
    TOKEN_EXPIRED,
    in_other_region,
    rule,
)
from scripts.localcloud.oss.state import Bucket, new_object
from scripts.localcloud.web import Response
from tests.localcloud.oss_caller import NOW, Desk, code_of

ONLY_NEW = {"x-oss-forbid-overwrite": "true"}
TWO = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>"


@pytest.fixture
def desk() -> Desk:
    """A store with a bucket named site."""
    return Desk()


def texts(reply: Response, name: str) -> list[str]:
    """The texts of all elements of a name."""
    return re.findall(rf"<{name}>(.*?)</{name}>", reply.body.decode())


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "code", "message"),
    [
        (QPS_LIMITED, 503, "QpsLimitExceeded", "reduce your request rate"),
        (TOKEN_EXPIRED, 403, "SecurityTokenExpired", "token you provided has expired"),
        (DENIED_BY_POLICY, 403, "AccessDenied", "denied by bucket policy"),
        (TIME_SKEWED, 403, "RequestTimeTooSkewed", "too large"),
        (in_other_region("site", "oss-cn-shanghai.aliyuncs.com"), 403, "AccessDenied", "using the specified endpoint"),
        (Answer("Never.Seen", 418, "Short and stout."), 418, "Never.Seen", "Short and stout."),
    ],
)
def test_requests_of_a_prefix_are_refused(desk: Desk, answer: Answer, status: int, code: str, message: str) -> None:
    """Each request to a key or a listing below the prefix is refused in OSS's words, with a request id; others not."""
    desk.store.answers.append(rule(answer, prefix="spool/"))
    for reply in (desk.call("PUT", "spool/a"), desk.call("GET", "", "prefix=spool/")):
        assert (reply.status, code_of(reply)) == (status, code)
        assert message in reply.body.decode()
        assert texts(reply, "RequestId") == [reply.headers["x-oss-request-id"]]
    assert desk.call("PUT", "a").status == 200
    assert desk.store.keys("site") == ["a"]


def test_a_bucket_of_another_region_names_its_endpoint(desk: Desk) -> None:
    """The refusal has an element for the endpoint to use."""
    desk.store.answers.append(rule(in_other_region("site", "oss-cn-shanghai.aliyuncs.com"), buckets=["site"]))
    assert texts(desk.call("GET", "a"), "Endpoint") == ["oss-cn-shanghai.aliyuncs.com"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_put_is_redirected(desk: Desk, status: int) -> None:
    """The location is the same object at another host; nothing was written; other methods are answered as ever."""
    desk.store.answers.append(rule(redirect("http://elsewhere.example.org", status), methods=["PUT"], prefix="lease/"))
    reply = desk.call("PUT", "lease/1", body=b"x", headers=ONLY_NEW)
    assert (reply.status, reply.headers["Location"]) == (status, "http://elsewhere.example.org/site/lease/1")
    assert (desk.call("GET", "lease/1").status, desk.call("PUT", "a").status) == (404, 200)


def test_a_write_is_carried_out_and_then_denied(desk: Desk) -> None:
    """The object is there although the reply said 503, once."""
    desk.store.answers.append(rule(Answer("QpsLimitExceeded", carried_out=True), methods=["PUT"], times=1))
    assert desk.call("PUT", "a", body=b"x").status == 503
    assert desk.call("GET", "a").body == b"x"
    assert desk.call("PUT", "a").status == 200


def test_any_reply_can_be_given(desk: Desk) -> None:
    """A proxy's page, or a connection that drops after the write."""
    desk.store.answers.append(rule(Answer(status=502, body=b"<html>"), methods=["GET"]))
    desk.store.answers.append(rule(Answer(dropped=True, carried_out=True), methods=["PUT"]))
    reply = desk.call("GET", "a")
    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (502, b"<html>", "6")
    assert desk.call("PUT", "a").lost
    assert desk.store.keys("site") == ["a"]


def test_a_predicate_and_a_verdict(desk: Desk) -> None:
    """`when` sees the whole call, and code that bypasses HTTP may ask for the same verdict."""
    desk.store.answers.append(rule(QPS_LIMITED, when=lambda call: call.params.get("list-type") == "2"))
    assert desk.call("GET", "", "list-type=2").status == 503
    assert desk.call("GET", "").status == 200
    assert desk.store.verdict("GET", "site", params={"list-type": "2"}) == QPS_LIMITED
    assert desk.store.verdict("GET", "site", "a") is None


# -- deletions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "quiet", "deleted", "errors"),
    [(False, False, ["a"], []), (True, False, ["a"], ["b"]), (False, True, [], []), (True, True, [], ["b"])],
)
def test_some_of_many_are_not_deleted(
    desk: Desk,
    told: bool,  # noqa: FBT001 - a column of the table
    quiet: bool,  # noqa: FBT001 - a column of the table
    deleted: list[str],
    errors: list[str],
) -> None:
    """The result lists only what was deleted, or names the others as errors; quiet ones name errors alone."""
    for key in ("a", "b"):
        desk.store.put("site", key, b"x")
    desk.store.habits.undeleted = lambda bucket, key: (bucket, key) == ("site", "b")
    desk.store.habits.undeleted_are_told = told
    desk.events()
    body = TWO.replace(b"<Delete>", b"<Delete><Quiet>true</Quiet>") if quiet else TWO
    reply = desk.call("POST", "", "delete", body)
    named = [re.findall(r"<Key>(.*?)</Key>", "".join(texts(reply, name))) for name in ("Deleted", "Error")]
    assert (reply.status, named, desk.store.keys("site")) == (200, [deleted, errors], ["b"])
    assert [key for _, key, _, _ in desk.events()] == ["a"]


def test_many_are_deleted_without_http(desk: Desk) -> None:
    """The same switch holds for those who bypass HTTP, who learn what was deleted."""
    for key in ("a", "b"):
        desk.store.put("site", key, b"x")
    desk.store.habits.undeleted = lambda _bucket, key: key == "a"
    assert desk.store.delete_many("site", ["a", "b", "c"]) == ["b", "c"]
    assert desk.store.keys("site") == ["a"]


# -- clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "date"), [(65.0, "06:14:25"), (-65.0, "06:12:15")])
def test_oss_has_a_clock_of_its_own(desk: Desk, ahead: float, date: str) -> None:
    """Date, Last-Modified and event times are by OSS's clock, which may be ahead or behind."""
    desk.store.clock_ahead_seconds = ahead
    assert desk.call("PUT", "a").headers["Date"] == f"Wed, 25 Feb 2026 {date} GMT"
    assert desk.call("HEAD", "a").headers["Last-Modified"] == f"Wed, 25 Feb 2026 {date} GMT"
    assert desk.told[0]["events"][0]["eventTime"] == f"2026-02-25T{date}.000Z"
    assert desk.store.now() == NOW + ahead


def test_a_signature_is_judged_by_osss_clock(desk: Desk) -> None:
    """A client whose clock is right is refused by an OSS whose clock is 16 minutes ahead."""
    desk.store.clock_ahead_seconds = 16 * 60
    reply = desk.call("GET", "a")
    assert (reply.status, code_of(reply)) == (403, "RequestTimeTooSkewed")


def test_events_have_times_of_their_own(desk: Desk) -> None:
    """The times in events may differ from the rest of OSS."""
    desk.store.habits.event_ahead_seconds = -20.0
    assert desk.call("PUT", "a").headers["Date"].endswith("06:13:20 GMT")
    assert desk.told[0]["events"][0]["eventTime"] == "2026-02-25T06:13:00.000Z"


def test_some_changes_are_told_to_nobody(desk: Desk) -> None:
    """No event comes of what the switch names, as of a batch whose events do not name every key; the change is made."""
    desk.store.habits.untold = lambda name, key: name == "ObjectRemoved:DeleteObjects" and key == "b"
    for key in ("a", "b"):
        desk.call("PUT", key)
    desk.call("POST", "", "delete", TWO)
    told = [(name.partition(":")[0], key) for name, key, _, _ in desk.events()]
    assert told == [("ObjectCreated", "a"), ("ObjectCreated", "b"), ("ObjectRemoved", "a")]
    assert desk.store.keys("site") == []


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versioning_ignores_put_if_absent(desk: Desk, status: Any) -> None:
    """The second writer who asked to create only succeeds too, and both replies carry a version id."""
    desk.store.bucket("site").versioning = status
    first, second = (desk.call("PUT", "a", body=body, headers=ONLY_NEW) for body in (b"1", b"2"))
    assert (first.status, second.status, desk.call("GET", "a").body) == (200, 200, b"2")
    ids = [reply.headers["x-oss-version-id"] for reply in (first, second)]
    assert (ids == ["null", "null"]) is (status == "Suspended")
    assert len(set(ids)) == len(desk.store.bucket("site").history)


def test_without_versioning_there_are_no_version_ids(desk: Desk) -> None:
    """A bucket that never had versions refuses the second writer, and says nothing of versions."""
    replies = [desk.call("PUT", "a", headers=ONLY_NEW), desk.call("PUT", "a", headers=ONLY_NEW), desk.call("GET", "a")]
    assert [reply.status for reply in replies] == [200, 409, 200]
    assert not any("x-oss-version-id" in reply.headers for reply in replies)


def test_put_if_absent_without_http() -> None:
    """Those who bypass HTTP meet the same: with versions, whoever wants to create does."""
    bucket = Bucket("b", NOW)
    written = [bucket.put_new(new_object("a", data, NOW, {})) for data in (b"1", b"2")]
    bucket.versioning = "Enabled"
    written.append(bucket.put_new(new_object("a", b"3", NOW, {})))
    found = bucket.get("a")
    assert found is not None
    assert (written, found.data, len(bucket.history)) == ([True, False, True], b"3", 2)


def test_a_deletion_hides_and_its_removal_shows_again(desk: Desk) -> None:
    """A deleted key answers 404 with the marker's id; without the marker the object is back, as it was."""
    desk.call("PUT", "a", body=b"before")
    desk.store.bucket("site").versioning = "Enabled"
    deleted = desk.call("DELETE", "a")
    marker = deleted.headers["x-oss-version-id"]
    hidden = desk.call("GET", "a")
    assert (deleted.status, hidden.status, code_of(hidden)) == (204, 404, "NoSuchKey")
    assert [reply.headers["x-oss-delete-marker"] for reply in (deleted, hidden)] == ["true", "true"]
    assert hidden.headers["x-oss-version-id"] == marker
    assert desk.call("GET", "a", "versionId=null").body == b"before"
    assert desk.call("GET", "a", f"versionId={marker}").status == 405
    assert desk.call("DELETE", "a", f"versionId={marker}").headers["x-oss-delete-marker"] == "true"
    back = desk.call("GET", "a")
    assert (back.body, back.headers["x-oss-version-id"]) == (b"before", "null")
    assert desk.call("DELETE", "a", "versionId=null").status == 204
    assert (desk.call("GET", "a").status, len(desk.store.bucket("site").history)) == (404, 0)
    assert code_of(desk.call("GET", "a", "versionId=null")) == "NoSuchVersion"


def test_a_deletion_of_many_in_a_versioned_bucket_tells_of_nothing(desk: Desk) -> None:
    """No event is raised, as both of the vendor's texts have it; the result names the markers."""
    desk.store.bucket("site").versioning = "Enabled"
    desk.call("PUT", "a")
    desk.call("PUT", "b")
    desk.events()
    reply = desk.call("POST", "", "delete", TWO)
    assert (texts(reply, "DeleteMarker"), len(set(texts(reply, "DeleteMarkerVersionId")))) == (["true", "true"], 2)
    assert (desk.events(), desk.store.keys("site")) == ([], [])


def test_an_object_without_versions_is_its_null_version(desk: Desk) -> None:
    """In a bucket that never had versions `null` names the object itself, and no other id names anything."""
    desk.call("PUT", "a", body=b"x")
    desk.events()
    assert texts(desk.call("GET", "", "versions"), "VersionId") == ["null"]
    assert (desk.call("GET", "a", "versionId=null").body, desk.call("GET", "a", "versionId=1").status) == (b"x", 404)
    desk.call("DELETE", "a", "versionId=1")
    assert (desk.store.keys("site"), desk.events()) == (["a"], [])
    desk.call("DELETE", "a", "versionId=null")
    assert (desk.store.keys("site"), desk.events()) == ([], [("ObjectRemoved:DeleteObject", "a", 0, -1)])


def test_an_appended_object_stays_one_version(desk: Desk) -> None:
    """Appending to the current version makes no other, and neither does a new ACL."""
    desk.store.bucket("site").versioning = "Enabled"
    desk.call("POST", "log", "append&position=0", b"1")
    desk.call("POST", "log", "append&position=1", b"2")
    desk.call("PUT", "log", "acl", headers={"x-oss-object-acl": "private"})
    assert (desk.call("GET", "log").body, len(desk.store.bucket("site").history)) == (b"12", 1)


# -- listings --------------------------------------------------------------------------------------

LISTED = "list-type=2&delimiter=/&max-keys={}&start-after={}"


@pytest.mark.parametrize(
    ("limit", "after", "keys", "folders", "truncated"),
    [
        (2, "", ["a"], ["b/"], True),  # a common prefix counts toward max-keys
        (3, "", ["a", "c"], ["b/"], True),
        (9, "", ["a", "c", "e"], ["b/", "d/"], False),
        (9, "a", ["c", "e"], ["b/", "d/"], False),
        (9, "b", ["c", "e"], ["b/", "d/"], False),  # `b/` comes after `b`
        (9, "b/", ["c", "e"], ["d/"], False),  # not after itself
        (9, "b/1", ["c", "e"], ["d/"], False),  # beyond it, though keys of it follow
        (9, "b/~", ["c", "e"], ["d/"], False),
        (1, "c", [], ["d/"], True),
        (9, "e", [], [], False),
    ],
)
def test_a_listing_rolls_up_counts_and_skips(
    desk: Desk,
    limit: int,
    after: str,
    keys: list[str],
    folders: list[str],
    truncated: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Common prefixes count toward max-keys, come once, and only if they sort after start-after themselves."""
    for key in ("a", "b/1", "b/2", "c", "d/1", "e"):
        desk.store.put("site", key, b"")
    reply = desk.call("GET", "", LISTED.format(limit, after.replace("/", "%2F")))
    shown = ["".join(texts(Response(body=each.encode()), "Prefix")) for each in texts(reply, "CommonPrefixes")]
    assert (texts(reply, "Key"), shown) == (keys, folders)
    assert texts(reply, "KeyCount") == [str(len(keys) + len(folders))]
    assert texts(reply, "IsTruncated") == ["true" if truncated else "false"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("after", ["", "a", "b/1"])
def test_a_listing_goes_on_where_it_stopped(desk: Desk, limit: int, after: str) -> None:
    """Whatever the size of the pages, all of them together are the listing in one piece, in order, each thing once."""
    for key in ("a", "b/1", "b/2", "b/c/1", "c", "d/1", "d/2", "e"):
        desk.store.put("site", key, b"")
    whole = _walk(desk, 9, after)
    assert _walk(desk, limit, after) == whole == sorted(set(whole))


def _walk(desk: Desk, limit: int, after: str) -> list[str]:
    """List everything page by page: keys and common prefixes, each page sorted."""
    found: list[str] = []
    token = ""
    while True:
        more = f"&continuation-token={token}" if token else ""
        reply = desk.call("GET", "", LISTED.format(limit, after.replace("/", "%2F")) + more)
        page = texts(reply, "Key") + [each for each in texts(reply, "Prefix") if each]
        page += re.findall(r"<CommonPrefixes><Prefix>(.*?)<", reply.body.decode())
        found += sorted(set(page))
        if texts(reply, "IsTruncated") == ["false"]:
            return found
        (token,) = texts(reply, "NextContinuationToken")
