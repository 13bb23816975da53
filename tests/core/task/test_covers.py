"""Does one target reach what another asks for: every form against every other, and what finds them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.covers import covers, names_of, refreshes_of, source_name, voids
from shared.core.task.model import Cause, Form, Kind, Lane, Target
from tests.strategies import NOW, make_task

H = "https://h.example.com"


def target(form: Form, url: str, kind: Kind = Kind.REFRESH, *, force: bool = False) -> Target:
    """Make a target of the usual provider."""
    return Target(kind, form, H + url, force)


@pytest.mark.parametrize(
    ("one", "other", "reaches"),
    [
        ((Form.FILE, "/a/b.css"), (Form.FILE, "/a/b.css"), True),
        ((Form.FILE, "/a/b.css"), (Form.FILE, "/a/b.css?v=1"), False),
        ((Form.FILE, "/a/b.css?v=1"), (Form.FILE, "/a/b.css"), False),
        ((Form.FILE, "/a/b.css"), (Form.IGNORE_PARAMS, "/a/b.css"), False),
        ((Form.FILE, "/a/"), (Form.DIRECTORY, "/a/"), False),
        ((Form.IGNORE_PARAMS, "/a/b.css"), (Form.FILE, "/a/b.css"), True),
        ((Form.IGNORE_PARAMS, "/a/b.css"), (Form.FILE, "/a/b.css?v=1"), True),
        ((Form.IGNORE_PARAMS, "/a/b.css"), (Form.IGNORE_PARAMS, "/a/b.css"), True),
        ((Form.IGNORE_PARAMS, "/a/b.css"), (Form.FILE, "/a/c.css"), False),
        ((Form.IGNORE_PARAMS, "/a/"), (Form.DIRECTORY, "/a/"), False),
        ((Form.DIRECTORY, "/a/"), (Form.FILE, "/a/b.css"), True),
        ((Form.DIRECTORY, "/a/"), (Form.FILE, "/a/b.css?v=/x/"), True),
        ((Form.DIRECTORY, "/"), (Form.FILE, "/a/b.css"), True),
        ((Form.DIRECTORY, "/b/"), (Form.FILE, "/a.css?v=/b/"), False),
        ((Form.DIRECTORY, "/a/"), (Form.FILE, "/ab.css"), False),
        ((Form.DIRECTORY, "/a/"), (Form.IGNORE_PARAMS, "/a/b.css"), True),
        ((Form.DIRECTORY, "/a/"), (Form.DIRECTORY, "/a/"), True),
        ((Form.DIRECTORY, "/a/"), (Form.DIRECTORY, "/a/b/"), True),
        ((Form.DIRECTORY, "/a/b/"), (Form.DIRECTORY, "/a/"), False),
        ((Form.DIRECTORY, "/"), (Form.REGEX, "/a/.*"), False),
        ((Form.REGEX, "/a/.*"), (Form.REGEX, "/a/.*"), True),
        ((Form.REGEX, "/a/.*"), (Form.FILE, "/a/b.css"), False),
    ],
)
def test_a_target_covers_what_its_form_says(one: tuple[Form, str], other: tuple[Form, str], *, reaches: bool) -> None:
    """A folder covers what lies below it, ignore-params all variants of a path, all else itself."""
    assert reaches is covers(target(*one), target(*other))


def test_kind_and_force_do_not_matter_to_what_is_reached() -> None:
    """A refresh reaches the URL that a prefetch is about; a forced one reaches the same."""
    prefetch = target(Form.FILE, "/a", Kind.PREFETCH)
    assert covers(target(Form.FILE, "/a"), prefetch)
    assert covers(target(Form.DIRECTORY, "/", force=True), prefetch)


@pytest.mark.parametrize("field", ["provider", "account"])
def test_another_cdn_or_account_reaches_nothing_of_ours(field: str) -> None:
    """Edges of one do not know of the other."""
    plain = target(Form.FILE, "/a")
    assert not covers(msgspec.structs.replace(plain, **{field: "other"}), plain)
    assert covers(
        msgspec.structs.replace(plain, **{field: "other"}), msgspec.structs.replace(plain, **{field: "other"})
    )


def test_a_directory_without_its_slash_covers_nothing_below() -> None:
    """`/a/b` as a directory is not `/a/bc.css`, and the refreshes of a URL do not list it either."""
    assert not covers(target(Form.DIRECTORY, "/a/b"), target(Form.FILE, "/a/bc.css"))


PATHS = ("/", "/a", "/a/", "/a/b", "/a/b/", "/a/b.css", "/a/b.css?v=1", "/a/b.css?v=/c/", "/c/")
ALL = [
    Target(Kind.REFRESH, form, H + path, force)
    for form in Form
    for path in PATHS
    if (form is not Form.DIRECTORY or path.endswith("/")) and (form is not Form.IGNORE_PARAMS or "?" not in path)
    for force in (False, True)
]


@given(st.sampled_from([each for each in ALL if each.form is not Form.REGEX]), st.sampled_from(Kind))
def test_the_refreshes_of_a_target_are_those_that_cover_it(asked: Target, kind: Kind) -> None:
    """Each that is listed covers it, and each that covers it is listed: once, as a refresh, forced and not."""
    wanted = msgspec.structs.replace(asked, kind=kind)
    listed = refreshes_of(wanted)
    assert {each for each in ALL if covers(each, wanted)} == {each for each in listed if each in ALL}
    assert [] == [each for each in listed if not covers(each, wanted)]
    assert len(listed) == len(set(listed))
    assert {Kind.REFRESH} == {each.kind for each in listed}


def test_of_a_pattern_only_itself_is_listed() -> None:
    """Nobody can tell what a pattern reaches, so no folder is known to cover it."""
    wanted = target(Form.REGEX, "/a/.*")
    assert [] == [each for each in refreshes_of(wanted) if not covers(each, wanted)]


def test_the_refreshes_of_a_target_are_of_its_cdn_and_account() -> None:
    """What another account refreshes is not looked for."""
    listed = refreshes_of(msgspec.structs.replace(target(Form.FILE, "/a"), provider="p", account="a"))
    assert {("p", "a")} == {(each.provider, each.account) for each in listed}


@pytest.mark.parametrize(
    ("lane", "kind", "key", "age", "void"),
    [
        (Lane.REMOVED, Kind.PREFETCH, "k", 1.0, True),
        (Lane.REMOVED, Kind.PREFETCH, "k", 0.0, False),
        (Lane.REMOVED, Kind.PREFETCH, "k", -1.0, False),
        (Lane.REMOVED, Kind.PREFETCH, "other", 1.0, False),
        (Lane.REMOVED, Kind.REFRESH, "k", 1.0, False),
        (Lane.MANUAL, Kind.PREFETCH, "k", 1.0, False),
    ],
)
def test_a_later_removal_voids_a_prefetch(lane: Lane, kind: Kind, key: str, age: float, *, void: bool) -> None:
    """Of the same object, and strictly later: in one second nobody can tell which came first."""
    removal = make_task(H + "/a", lane=lane, key="k")
    assert void is voids(removal, make_task(H + "/a", kind=kind, time=NOW - age, key=key))


def test_a_task_is_found_by_its_target_and_a_prefetch_by_its_object_too() -> None:
    """A removal looks for prefetches of its object, whatever their URL."""
    refresh, prefetch = make_task(H + "/a", key="k"), make_task(H + "/a", kind=Kind.PREFETCH, key="k")
    assert [refresh.target.name] == names_of(refresh)
    assert [prefetch.target.name, "object\ncontent\nk"] == names_of(prefetch)
    assert "object\nb\nk" == source_name(Cause("e", "n", NOW, "b", "k"))
