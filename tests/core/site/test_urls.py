"""From a change and the sites to tasks: which URLs come out, in which form, and that nothing else ever does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.site.sites import Domain, Site, Then, ThenRemoved, Variant
from shared.core.site.urls import Skipped, directory_of, object_urls, refreshable
from shared.core.site.urls import tasks_of as tasks_of_provider
from shared.core.task.model import Action, Form, Kind, Lane, ObjectChange, Task, domain_of
from tests import strategies

STATIC = Domain("static.example.com")
SITE = Site(name="site", bucket="content", domains=(STATIC,))
CHARACTERS_MAX = ALIBABA_CDN.url_characters_max


def tasks_of(changed: ObjectChange, sites: Iterable[Site]) -> tuple[list[Task], list[Skipped]]:
    """Find what a change makes stale, for the one provider that there is."""
    return tasks_of_provider(changed, sites, ALIBABA_CDN)


def change(key: str, *, removed: bool = False, size: int = 5, delta_size: int | None = 2) -> ObjectChange:
    """Make a change of an object of the bucket `content`."""
    return ObjectChange(
        id="event",
        action=Action.REMOVED if removed else Action.CREATED,
        event_name="ObjectRemoved:DeleteObject" if removed else "ObjectCreated:PutObject",
        bucket="content",
        key=key,
        etag="E",
        size=size,
        delta_size=delta_size,
        time=7.0,
    )


def site(**fields: object) -> Site:
    """Make a site that differs from the plain one."""
    return msgspec.structs.replace(SITE, **fields)


def urls(key: str, *sites: Site, removed: bool = False) -> list[tuple[str, str, str]]:
    """List what a change of a key asks for: kind, form, URL."""
    tasks, _ = tasks_of(change(key, removed=removed), sites or (SITE,))
    return [(task.target.kind.value, task.target.form.value, task.url) for task in tasks]


@given(strategies.keys())
def test_percent_encoding_comes_back_as_the_key(key: str) -> None:
    """A path has nothing but unreserved characters, `%XX` and `/`, and decodes to the key."""
    (url,) = object_urls(key, SITE, STATIC)
    path = url.removeprefix("https://static.example.com")
    assert "/" + key == unquote(path, errors="strict")
    assert re.fullmatch(r"(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})+", path)


@given(strategies.keys(), strategies.prefixes(), st.sampled_from(("", "+", "!$&'()*+,;=:@")))
def test_the_path_takes_the_place_of_the_prefix(rest: str, prefix: str, unescaped: str) -> None:
    """Behind the site's path stands the key without the site's prefix; what clients send raw stays raw."""
    mapped = site(prefix=prefix, path="/v1/%E4%B8%AD/", unescaped=unescaped)
    (url,) = object_urls(prefix + rest, mapped, STATIC)
    tail = url.removeprefix("https://static.example.com/v1/%E4%B8%AD/")
    assert rest == unquote(tail)
    assert [] == [each for each in unescaped if f"%{ord(each):02X}" in tail]


@given(strategies.changes(), st.lists(strategies.sites(), max_size=3))
@example(change("a.css\nhttps://evil.example.com/x"), [SITE])
@example(change("@evil.example.com/x"), [SITE])
@example(change("//evil.example.com/x"), [SITE])
def test_only_configured_domains_come_out(changed: ObjectChange, several: list[Site]) -> None:
    """Whatever a key contains, each task is one URL, of one line, of a domain that a site names."""
    tasks, _ = tasks_of(changed, several)
    names = {domain.name for each in several for domain in each.domains}
    assert set() == {domain_of(task.url) for task in tasks} - names
    assert set() == {urlsplit(task.url).hostname for task in tasks} - names
    assert [] == [task.url for task in tasks if not re.fullmatch(r"https?://[!-~]+", task.url)]
    assert [1] * len(tasks) == [len(task.url.splitlines()) for task in tasks]


@given(strategies.changes(), st.lists(strategies.sites(), max_size=3))
@example(change("x" * 1_023, delta_size=5), [site(created=Then.PREFETCH)])
@example(change("目" * 341), [site(created=Then.PREFETCH)])
def test_no_url_is_too_long(changed: ObjectChange, several: list[Site]) -> None:
    """No task has a URL over 1,024 characters, which the CDN would refuse."""
    tasks, _ = tasks_of(changed, several)
    assert [] == [task.url for task in tasks if len(task.url) > CHARACTERS_MAX]


@given(strategies.changes(), st.lists(strategies.sites(), max_size=3))
@example(change("folder/"), [site(created=Then.PREFETCH)])
def test_each_change_causes_tasks_or_names_the_rule_against_them(changed: ObjectChange, several: list[Site]) -> None:
    """No change vanishes: it causes a task, or is skipped by a rule that can be told."""
    tasks, skipped = tasks_of(changed, several)
    assert tasks or skipped
    assert [] == [each for each in skipped if not each.reason]


@given(strategies.changes(), st.lists(strategies.sites(), max_size=3))
def test_a_second_delivery_causes_the_same_tasks(changed: ObjectChange, several: list[Site]) -> None:
    """Tasks follow from the event alone, ids included, and no two of them share an id."""
    tasks, _ = tasks_of(changed, several)
    assert tasks == tasks_of(changed, several)[0]
    assert len(tasks) == len({task.id for task in tasks})


def test_another_event_causes_other_ids() -> None:
    """The same object written again is other tasks: a submitted refresh never absorbs a later write."""
    (first,), _ = tasks_of(change("a.css"), (SITE,))
    (second,), _ = tasks_of(msgspec.structs.replace(change("a.css"), id="later event"), (SITE,))
    assert first.url == second.url
    assert first.id != second.id


def test_a_task_knows_its_cause() -> None:
    """Event, object and site stand in the task, so that any URL can be traced to its upload."""
    (task,), _ = tasks_of(change("a.css"), (SITE,))
    assert ("event", "ObjectCreated:PutObject", 7.0, "content", "a.css", "E") == (
        task.cause.event_id,
        task.cause.event_name,
        task.cause.time,
        task.cause.bucket,
        task.cause.key,
        task.cause.etag,
    )
    assert ("site", Lane.OVERWRITTEN, "alibaba-cdn") == (task.site, task.lane, task.target.provider)
    assert (0, 0, 0, 0, "", ()) == (
        task.calls_tried,
        task.cdn_failures,
        task.unknowns,
        task.blamed,
        task.part,
        task.history,
    )


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("a b.css", "https://static.example.com/a%20b.css"),
        ("a+b%20c.css", "https://static.example.com/a%2Bb%2520c.css"),
        ("what?.html", "https://static.example.com/what%3F.html"),
        ("a#b.html", "https://static.example.com/a%23b.html"),
        ("line\nbreak.txt", "https://static.example.com/line%0Abreak.txt"),
        ("中/é.png", "https://static.example.com/%E4%B8%AD/%C3%A9.png"),
        ("🎉", "https://static.example.com/%F0%9F%8E%89"),
        ("a//b.txt", "https://static.example.com/a//b.txt"),
        ("/leading.txt", "https://static.example.com//leading.txt"),
        ("trailing/", "https://static.example.com/trailing/"),
        ("~-._", "https://static.example.com/~-._"),
    ],
)
def test_troublesome_keys_have_known_urls(key: str, url: str) -> None:
    """The spelling is the one that RFC 3986 clients request."""
    assert [("refresh", "file", url)] == urls(key)


def test_every_domain_of_every_site_that_serves_the_object_is_refreshed() -> None:
    """Domains and sites multiply; a URL that two sites share has a task of each, which one unit covers."""
    both = site(name="both", domains=(STATIC, Domain("img.example.com")))
    assert [
        ("refresh", "file", "https://static.example.com/a.css"),
        ("refresh", "file", "https://img.example.com/a.css"),
        ("refresh", "file", "https://static.example.com/a.css"),
    ] == urls("a.css", both, SITE)


def test_other_buckets_and_prefixes_are_skipped_with_a_reason() -> None:
    """What no site serves is named so."""
    elsewhere = (site(bucket="other"), site(prefix="docs/"))
    tasks, skipped = tasks_of(change("a.css"), elsewhere)
    assert [] == tasks
    assert [("", "no site serves content/a.css")] == [(each.site, each.reason) for each in skipped]


def test_each_site_that_passes_a_change_over_says_why() -> None:
    """One site may refresh what another excludes."""
    tasks, skipped = tasks_of(change("a.tmp"), (site(name="strict", exclude=("*.tmp",)), SITE))
    assert ["https://static.example.com/a.tmp"] == [task.url for task in tasks]
    assert [("strict", "matches the exclude pattern '*.tmp'")] == [(each.site, each.reason) for each in skipped]


@pytest.mark.parametrize(
    ("key", "prefix", "paths"),
    [
        ("index.html", "", ["/index.html", "/"]),
        ("docs/index.html", "", ["/docs/index.html", "/docs/"]),
        ("docs/my-index.html", "", ["/docs/my-index.html"]),
        ("docs/index.html/x", "", ["/docs/index.html/x"]),
        ("docs/index.html", "docs/", ["/index.html", "/"]),
        ("docs/index.html", "docs/in", ["/dex.html"]),
    ],
)
def test_an_index_document_also_serves_its_folder(key: str, prefix: str, paths: list[str]) -> None:
    """`docs/index.html` is what `docs/` shows, so both are stale."""
    indexed = site(prefix=prefix, index="index.html")
    assert ["https://static.example.com" + path for path in paths] == object_urls(key, indexed, STATIC)


def test_variants_are_refreshed_beside_the_object() -> None:
    """A refresh of the bare URL leaves its query variants stale, so each that applies is sent too."""
    varied = site(variants=(Variant("x-oss-process=style/a"), Variant("x-oss-process=style/b", ("*.jpg",))))
    assert [
        "https://static.example.com/a.jpg",
        "https://static.example.com/a.jpg?x-oss-process=style/a",
        "https://static.example.com/a.jpg?x-oss-process=style/b",
    ] == object_urls("a.jpg", varied, STATIC)
    assert [
        "https://static.example.com/a.css",
        "https://static.example.com/a.css?x-oss-process=style/a",
    ] == object_urls("a.css", varied, STATIC)


@given(strategies.keys(), st.booleans())
def test_what_cannot_go_as_a_file_goes_as_its_directory(key: str, custom: bool) -> None:  # noqa: FBT001 - drawn
    """A directory that holds the URL and is short enough itself takes its place, and only where it must."""
    domain = Domain("static.example.com", custom_cache_key=custom)
    (url,) = object_urls(key, SITE, domain)
    form, target = refreshable(url, domain, CHARACTERS_MAX)
    if len(url) <= CHARACTERS_MAX and not custom:
        assert (Form.FILE, url) == (form, target)
    else:
        assert Form.DIRECTORY is form
        assert url.startswith(target)
        assert target.endswith("/")
        assert len("https://static.example.com/") <= len(target) <= CHARACTERS_MAX


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("https://h.example.com/a.css", "https://h.example.com/"),
        ("https://h.example.com/a/b.css", "https://h.example.com/a/"),
        ("https://h.example.com/a/b/", "https://h.example.com/a/b/"),
        ("https://h.example.com/a/b.jpg?x=/style/thumb", "https://h.example.com/a/"),
        ("https://h.example.com/", "https://h.example.com/"),
        ("https://h.example.com//a.css", "https://h.example.com//"),
        ("https://h.example.com/" + "a" * 990 + "/" + "b" * 990 + "/c.css", "https://h.example.com/" + "a" * 990 + "/"),
        ("https://h.example.com/" + "a" * 1_024 + "/c.css", "https://h.example.com/"),
    ],
)
def test_the_directory_of_a_url_is_the_deepest_that_fits(url: str, directory: str) -> None:
    """The nearest folder, or the nearest above it that is not too long; at the most the whole domain."""
    assert directory == directory_of(url, CHARACTERS_MAX)


def test_a_custom_cache_key_means_directories() -> None:
    """A domain with a custom cache key cannot refresh single URLs; variants share their directory."""
    custom = site(domains=(Domain("img.example.com", custom_cache_key=True),), variants=(Variant("w=1"),))
    assert [("refresh", "directory", "https://img.example.com/a/")] == urls("a/b.jpg", custom)


# created, removed, new -> what an overwrite, a removal and a new object of `a.css` ask for
RULES: list[tuple[Then, ThenRemoved, Then | None, list[str], list[str], list[str]]] = [
    (Then.REFRESH, ThenRemoved.REFRESH, None, ["refresh"], ["refresh"], ["refresh"]),
    (Then.PREFETCH, ThenRemoved.IGNORE, None, ["prefetch"], [], ["prefetch"]),
    (Then.IGNORE, ThenRemoved.REFRESH, None, [], ["refresh"], []),
    (Then.REFRESH, ThenRemoved.REFRESH, Then.PREFETCH, ["refresh"], ["refresh"], ["prefetch"]),
    (Then.REFRESH, ThenRemoved.REFRESH, Then.IGNORE, ["refresh"], ["refresh"], []),
    (Then.IGNORE, ThenRemoved.IGNORE, Then.REFRESH, [], [], ["refresh"]),
    (Then.REFRESH_THEN_PREFETCH, ThenRemoved.REFRESH, None, ["refresh+"], ["refresh"], ["refresh+"]),
]


@pytest.mark.parametrize(("created", "removed", "new", "overwrite", "removal", "fresh"), RULES)
def test_rules_say_what_a_change_asks_for(
    created: Then, removed: ThenRemoved, new: Then | None, overwrite: list[str], removal: list[str], fresh: list[str]
) -> None:
    """Created, removed and new objects each follow their rule; `+` stands for a prefetch that follows."""
    ruled = site(created=created, removed=removed, new=new)

    def asked(changed: ObjectChange) -> list[str]:
        tasks, _ = tasks_of(changed, (ruled,))
        return [task.target.kind.value + "+" * task.then_prefetch for task in tasks]

    assert overwrite == asked(change("a.css"))
    assert removal == asked(change("a.css", removed=True, size=0, delta_size=-5))
    assert fresh == asked(change("a.css", delta_size=5))


def test_lanes_say_how_urgent_a_task_is() -> None:
    """Removals come before overwrites, and prefetches after both."""
    kept = tasks_of(change("a.css"), (SITE,))[0]
    gone = tasks_of(change("a.css", removed=True), (SITE,))[0]
    warm = tasks_of(change("a.css"), (site(created=Then.PREFETCH),))[0]
    assert [Lane.OVERWRITTEN, Lane.REMOVED, Lane.PREFETCH] == [task.lane for task in (*kept, *gone, *warm)]


def test_folders_are_refreshed_and_never_prefetched() -> None:
    """The CDN prefetches no URL that ends with `/`, neither alone nor after a refresh."""
    then = site(index="index.html", created=Then.REFRESH_THEN_PREFETCH)
    tasks, _ = tasks_of(change("docs/index.html"), (then,))
    assert [("https://static.example.com/docs/index.html", True), ("https://static.example.com/docs/", False)] == [
        (task.url, task.then_prefetch) for task in tasks
    ]
    alone = site(index="index.html", created=Then.PREFETCH)
    assert [("prefetch", "file", "https://static.example.com/docs/index.html")] == urls("docs/index.html", alone)


def test_what_goes_as_a_directory_is_not_prefetched_after() -> None:
    """A directory cannot be prefetched."""
    custom = site(domains=(Domain("img.example.com", custom_cache_key=True),), created=Then.REFRESH_THEN_PREFETCH)
    tasks, _ = tasks_of(change("a/b.jpg"), (custom,))
    assert [(Kind.REFRESH, Form.DIRECTORY, False)] == [
        (task.target.kind, task.target.form, task.then_prefetch) for task in tasks
    ]


@pytest.mark.parametrize(("length", "form"), [(1_024, Form.FILE), (1_025, Form.DIRECTORY)])
def test_a_url_of_just_the_longest_length_goes_as_itself(length: int, form: Form) -> None:
    """The vendor's limit is the last length that goes; one character more goes as the directory."""
    url = "https://static.example.com/d/" + "x" * (length - len("https://static.example.com/d/"))
    assert form is refreshable(url, STATIC, CHARACTERS_MAX)[0]
    assert "https://static.example.com/d/" == directory_of(url, CHARACTERS_MAX)


@pytest.mark.parametrize(
    ("most", "directory"), [(28, "https://h.example.com/aa/bb/"), (27, "https://h.example.com/aa/")]
)
def test_a_directory_of_just_the_longest_length_fits(most: int, directory: str) -> None:
    """The deepest folder counts with its own slash."""
    assert directory == directory_of("https://h.example.com/aa/bb/c.css", most)
