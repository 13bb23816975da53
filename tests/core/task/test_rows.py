"""Rows of the task list, read leniently, and whose they are."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given

from shared.core.task.model import Form, Kind, Target
from shared.core.task.rows import (
    Accepted,
    CdnTask,
    Page,
    Prefetch,
    Rows,
    RowState,
    is_row_of,
    names_in_list,
    plain_url,
    task_from_row,
)
from tests import strategies

ROW = {
    "TaskId": "704225667",
    "ObjectPath": "http://h.example.com/1.txt",
    "ObjectType": "file",
    "Status": "Complete",
    "Process": "100%",
    "CreationTime": "2014-11-27T08:23:22Z",
    "Description": "",
}


def test_a_row_is_read() -> None:
    """The vendor's own sample comes out typed."""
    assert (
        CdnTask(
            "704225667", "http://h.example.com/1.txt", "file", RowState.COMPLETE, "Complete", 100.0, 1_417_076_602.0
        )
    ) == task_from_row(ROW)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Complete", RowState.COMPLETE),
        ("complete", RowState.COMPLETE),
        ("Refreshing", RowState.RUNNING),
        ("Pending", RowState.RUNNING),
        ("Failed", RowState.FAILED),
        ("Timeout", RowState.FAILED),
        ("Canceled", RowState.FAILED),
        ("SomethingNew", RowState.RUNNING),
        ("", RowState.RUNNING),
    ],
)
def test_statuses(status: str, state: RowState) -> None:
    """Four statuses end a task; whatever else the vendor says, it is still running."""
    assert (state, status) == (task_from_row({**ROW, "Status": status}).state, task_from_row({"Status": status}).status)


@pytest.mark.parametrize(
    ("process", "percent"),
    [
        ("100%", 100.0),
        ("99.37%", 99.37),
        ("10", 10.0),
        (10, 10.0),
        (" 5 % ", 5.0),
        ("", 0.0),
        (None, 0.0),
        ("soon", 0.0),
    ],
)
def test_percentages(process: Any, percent: float) -> None:
    """With or without the sign, as text or number; what cannot be read is nothing done yet."""
    assert percent == task_from_row({**ROW, "Process": process}).percent


@pytest.mark.parametrize(
    ("description", "read"),
    [
        ("Internal Error", "InternalError"),
        ("InternalError", "InternalError"),
        ("Origin Return StatusCode 5XX", "OriginReturnStatusCode5XX"),
        ("OriginReturn StatusCode 5XX", "OriginReturnStatusCode5XX"),
        (None, ""),
    ],
)
def test_reasons_are_spelled_one_way(description: Any, read: str) -> None:
    """The vendor's pages put spaces in different places."""
    assert read == task_from_row({**ROW, "Description": description}).description


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read"),
    [
        ("TaskId", 704225667, "task_id", "704225667"),
        ("ObjectType", "Directory", "object_type", "directory"),
        ("CreationTime", "", "created", 0.0),
        ("CreationTime", "yesterday", "created", 0.0),
        ("CreationTime", "2014-11-27T16:23:22+08:00", "created", 1_417_076_602.0),
    ],
)
def test_odd_fields(field: str, value: Any, attribute: str, read: object) -> None:
    """Ids may be numbers, types in any case, times absent or with a zone."""
    assert read == getattr(task_from_row({**ROW, field: value}), attribute)


@pytest.mark.parametrize("text", ["2014-11-27T08:23:22Z", "2014-11-27T08:23:22", "2014-11-27 08:23:22+00:00"])
def test_a_time_without_a_zone_is_in_utc(text: str) -> None:
    """Wherever the function runs."""
    assert 1_417_076_602.0 == task_from_row({**ROW, "CreationTime": text}).created


def test_an_empty_row_is_a_row() -> None:
    """Fields that are absent have neutral values."""
    assert CdnTask("", "", "", RowState.RUNNING, "", 0.0, 0.0) == task_from_row({})


@given(strategies.json_values())
def test_no_row_makes_it_raise(value: Any) -> None:
    """Whatever a field holds, the row is read."""
    assert isinstance(task_from_row(dict.fromkeys(ROW, value)), CdnTask)


def row(url: str, object_type: str = "file", task_id: str = "1") -> CdnTask:
    """Make a row of the task list."""
    return CdnTask(task_id, url, object_type, RowState.COMPLETE, "Complete", 100.0, 0.0)


def target(url: str, form: Form = Form.FILE, kind: Kind = Kind.REFRESH) -> Target:
    """Make a target of the usual provider."""
    return Target(kind, form, url)


U = "https://h.example.com/a"

# row type -> the targets that it can be of
TYPES: list[tuple[str, list[str]]] = [
    ("file", ["file"]),
    ("directory", ["directory"]),
    ("path", ["directory"]),
    ("dir", ["directory"]),
    ("regex", ["regex"]),
    ("preload", ["prefetch"]),
    ("prefetch", ["prefetch"]),
    ("push", ["prefetch"]),
    ("", ["file", "directory", "ignore-params", "regex"]),
    ("ignoreparams", ["file", "directory", "ignore-params", "regex"]),
    ("something new", ["file", "directory", "ignore-params", "regex"]),
]


@pytest.mark.parametrize(("object_type", "names"), TYPES)
def test_the_type_of_a_row_says_what_it_can_be_of(object_type: str, names: list[str]) -> None:
    """A known type is of its form only; one that nobody knows may be of any refresh, and never of a prefetch."""
    every = {form.value: target(U, form) for form in Form} | {"prefetch": target(U, kind=Kind.PREFETCH)}
    assert names == [name for name, each in every.items() if is_row_of(row(U, object_type), each)]


@pytest.mark.parametrize(
    ("spelled", "is_own"),
    [
        ("https://h.example.com/a/%E4%B8%AD%20b.css", True),
        ("http://h.example.com/a/%e4%b8%ad%20b.css", True),
        ("h.example.com/a/\u4e2d b.css", True),
        ("https://H.EXAMPLE.com/a/\u4e2d%20b.css", True),
        ("https://h.example.com/a/%E4%B8%AD%20b.css/", True),
        ("https://h.example.com/A/%E4%B8%AD%20b.css", False),
        ("https://h.example.com/a/%E4%B8%AD%20b.css?v=1", False),
        ("https://g.example.com/a/%E4%B8%AD%20b.css", False),
        ("https://h.example.com/a/", False),
        ("", False),
    ],
)
def test_a_row_is_known_however_its_url_is_spelled(spelled: str, *, is_own: bool) -> None:
    """The vendor may decode, drop the scheme, lower the host or drop a slash; another URL stays another."""
    assert is_own is is_row_of(row(spelled), target("https://h.example.com/a/%E4%B8%AD%20b.css"))


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://H.example.com/A%2Fb", "h.example.com/A/b"),
        ("h.example.com", "h.example.com"),
        ("https://h.example.com/a/b/", "h.example.com/a/b"),
        ("https://h.example.com/a?u=https://g/", "h.example.com/a?u=https://g"),
        ("https://h.example.com/%FF", "h.example.com/\udcff"),
        ("", ""),
    ],
)
def test_the_plain_spelling(url: str, plain: str) -> None:
    """No scheme, the host in lower case, nothing encoded, no slash at the end."""
    assert plain == plain_url(url)


@pytest.mark.parametrize(("encoded", "left"), [("%41", "A"), ("%2541", "A"), ("%252541", "A"), ("%25252541", "%41")])
def test_what_was_encoded_several_times_is_decoded_so_often(encoded: str, left: str) -> None:
    """Three times and no more, so that a short text is not looked at without end."""
    assert f"h.example.com/{left}" == plain_url(f"https://h.example.com/{encoded}")


def test_a_whole_domain_is_known_without_its_slash() -> None:
    """What holds of a folder's last slash holds of the domain's."""
    assert is_row_of(row("h.example.com", "directory"), target("https://h.example.com/", Form.DIRECTORY))


def test_a_row_without_scheme_may_have_one_in_its_path() -> None:
    """Of a key that looks like a URL the row is still found where the vendor drops the scheme and decodes."""
    assert is_row_of(row("h.example.com/to/https://x/"), target("https://h.example.com/to/https%3A//x/"))


@given(strategies.keys().filter(lambda key: "://" not in key))
def test_a_url_has_one_plain_spelling(key: str) -> None:
    """However often a URL is encoded, scheme and host's case aside, it stays the URL that it is."""
    encoded = "https://h.example.com/" + quote(key)
    assert plain_url(encoded) == plain_url("H.example.com/" + quote(key, safe="/:@!"))


def test_rows_are_found_by_their_target() -> None:
    """All rows of a target come, of every id; where one is spelled like the target, only such ones do."""
    exact, again, other = row(U), row(U, task_id="2"), row("http://h.example.com/a")
    assert [exact, again] == Rows([other, exact, again]).of(target(U))
    assert [other] == Rows([other]).of(target(U))
    assert [] == Rows([exact]).of(target(U + "b"))
    assert [] == Rows([exact]).of(target(U, Form.DIRECTORY))
    folder = row("h.example.com/a", "path")
    assert [folder] == Rows([exact, folder]).of(target(U + "/", Form.DIRECTORY))


@pytest.mark.parametrize(
    ("count", "total", "is_complete"),
    [(2, 2, True), (1, 2, False), (3, 2, True), (0, 0, True), (0, -1, False), (2, -1, False)],
)
def test_a_page_knows_whether_it_is_all(count: int, total: int, *, is_complete: bool) -> None:
    """As many rows as there are in all; fewer say that more are to be asked for, and of no total nobody knows."""
    assert is_complete is Page((row(U),) * count, total).is_complete


def test_states_of_rows_have_their_words() -> None:
    """Logs tell them."""
    assert ["running", "complete", "failed"] == [state.value for state in RowState]


def test_what_nobody_asks_for_is_not_asked_for() -> None:
    """A prefetch has the domain's own coverage and headers; an acceptance may have come without a call's id."""
    assert {
        "area": "",
        "l2_preload": False,
        "with_header": {},
        "query_hashkey": False,
        "consistency_hash": False,
    } == msgspec.to_builtins(Prefetch())
    assert (("",), "") == (Accepted(("",)).task_ids, Accepted(("",)).request_id)
    assert "" == row(U).description


def test_spellings_of_a_url_have_a_name_in_common() -> None:
    """By it a call is found whose rows may be another's; each has its own name beside it."""
    urls = ("https://h.example.com/a@b", "https://h.example.com/a%40b", "https://h.example.com/c")
    names = [names_in_list(Target(Kind.REFRESH, Form.FILE, url)) for url in urls]
    assert names[0][1] == names[1][1] != names[2][1]
    assert [Target(Kind.REFRESH, Form.FILE, url).name for url in urls] == [name for name, _ in names]
    assert names[0][0] == names[0][1]
    assert names[0][1] != names_in_list(Target(Kind.PREFETCH, Form.FILE, urls[0]))[1]
