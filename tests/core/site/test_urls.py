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
from shared.core.site.sites import Domain, Rule, Site, Then, ThenRemoved, WhenSpent
from shared.core.site.spelling import Spelling
from shared.core.site.urls import Skipped, directory_of, is_whole_domain, judge, own_paths, refreshable
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


def paths(key: str, *rules: Rule, **fields: object) -> list[str]:
    """List what a change of a key refreshes on one domain: paths as files, and in other forms with the form before."""
    found = urls(key, site(rules=rules, **fields))
    shown = [(form, url.removeprefix("https://static.example.com")) for _, form, url in found]
    return [path if form == "file" else f"{form} {path}" for form, path in shown]


@given(strategies.keys(), st.sampled_from(Spelling))
def test_percent_encoding_comes_back_as_the_key(key: str, spelling: Spelling) -> None:
    """Whatever a key holds, each path decodes to it."""
    for path in own_paths(key, site(spellings=(spelling,))):
        assert "/" + key == unquote(path, errors="strict")


@given(strategies.keys(), strategies.prefixes())
def test_the_path_takes_the_place_of_the_prefix(rest: str, prefix: str) -> None:
    """Behind the site's path, as it is written, stands the key without the site's prefix."""
    mapped = site(prefix=prefix, path="/v1/%E4%b8%ad/[x]/")
    for path in own_paths(prefix + rest, mapped):
        assert rest == unquote(path.removeprefix("/v1/%E4%b8%ad/[x]/"))


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
    assert [] == [task.url for task in tasks if not re.fullmatch(r"https?://[!-~\xa0-\U0010ffff]+", task.url)]
    assert [1] * len(tasks) == [len(task.url.splitlines()) for task in tasks]


@given(strategies.changes(), st.lists(strategies.sites(), max_size=3))
@example(change("x" * 1_023, delta_size=5), [site(created=Then.PREFETCH)])
@example(change("目" * 341), [site(created=Then.PREFETCH)])
def test_no_url_is_too_long(changed: ObjectChange, several: list[Site]) -> None:
    """No task has a URL over 1,024 characters, which the CDN would refuse."""
    tasks, _ = tasks_of(changed, several)
    assert [] == [task.url for task in tasks if len(task.url.encode()) > CHARACTERS_MAX]
    assert [] == [task.url for task in tasks if len(task.or_directory.encode()) > CHARACTERS_MAX]


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
        ("a%20b.css", "https://static.example.com/a%2520b.css"),
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
    """Where all clients write a key in the same way, one unit is enough."""
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
    tasks, skipped = tasks_of(
        change("a.tmp"), (site(name="strict", rules=(Rule("exclude", ("*.tmp",), created=Then.IGNORE),)), SITE)
    )
    assert ["https://static.example.com/a.tmp"] == [task.url for task in tasks]
    assert [("strict", "rule exclude ignores created objects that match '*.tmp'")] == [
        (each.site, each.reason) for each in skipped
    ]


INDEX = Rule("index", ("index.html",), urls=("{dir}",))


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        ("index.html", "", ["/index.html", "/"]),
        ("docs/index.html", "", ["/docs/index.html", "/docs/"]),
        ("docs/my-index.html", "", ["/docs/my-index.html"]),
        ("docs/index.html/x", "", ["/docs/index.html/x"]),
        ("docs/index.html", "docs/", ["/index.html", "/"]),
    ],
)
def test_an_index_document_also_serves_its_folder(key: str, prefix: str, expected: list[str]) -> None:
    """`docs/index.html` is what `docs/` shows, so both are stale."""
    assert expected == paths(key, INDEX, prefix=prefix, path="/")


# key, rules -> what is refreshed
SERVED = [
    ("img/2018-2-23-16:27:21.png", [], ["/img/2018-2-23-16:27:21.png", "/img/2018-2-23-16%3A27%3A21.png"]),
    ("post/[id]-9f2c.js", [], ["/post/[id]-9f2c.js", "/post/%5Bid%5D-9f2c.js"]),
    (
        "about/index.html",
        [INDEX, Rule("bare", ("index.html",), urls=("{folder}",))],
        ["/about/index.html", "/about/", "/about"],
    ),
    ("guide/x.html", [Rule("clean", ("guide/**/*.html",), urls=("{dir}{stem}",))], ["/guide/x.html", "/guide/x"]),
    ("index.html", [Rule("app", ("/index.html",), directories=("/orders/",))], ["/index.html", "directory /orders/"]),
    ("a/index.html", [Rule("app", ("/index.html",), directories=("/orders/",))], ["/a/index.html"]),
    (
        "img/a.jpg",
        [Rule("styles", ("*.jpg",), urls=("{url}!thumb", "{url}?x-oss-process=style/thumb"))],
        ["/img/a.jpg", "/img/a.jpg!thumb", "/img/a.jpg?x-oss-process=style/thumb"],
    ),
    ("img/a.jpg", [Rule("queries", every_query=("{url}",))], ["/img/a.jpg", "ignore-params /img/a.jpg"]),
    ("a.js", [Rule("login", every_query=("/login",))], ["/a.js", "/login", "ignore-params /login"]),
    ("vod/a/x.m3u8", [Rule("playlist", ("*.m3u8",), directories=("{dir}",))], ["/vod/a/x.m3u8", "directory /vod/a/"]),
    ("app/v1.zip", [Rule("alias", ("app/v*.zip",), urls=("/app/latest.zip",))], ["/app/v1.zip", "/app/latest.zip"]),
    (
        "a:b.jpg",
        [Rule("styles", urls=("{url}!a:b",))],
        ["/a:b.jpg", "/a%3Ab.jpg", "/a:b.jpg!a:b", "/a%3Ab.jpg!a:b"],
    ),
    ("a.jpg", [Rule("one", urls=("/b",)), Rule("two", urls=("/b", "{url}"))], ["/a.jpg", "/b"]),
]


@pytest.mark.parametrize(("key", "rules", "expected"), SERVED)
def test_everything_that_a_key_is_served_as_is_refreshed(key: str, rules: list[Rule], expected: list[str]) -> None:
    """In each form that the CDN has, and URLs of all rules add up."""
    assert expected == paths(key, *rules)


def test_each_task_names_the_rule_that_asks_for_it() -> None:
    """So that a person sees where a URL comes from."""
    caused, _ = judge(change("docs/index.html"), [site(rules=(INDEX,))], ALIBABA_CDN)
    assert [("/docs/index.html", ""), ("/docs/", "index")] == [
        (each.task.url.removeprefix("https://static.example.com"), each.rule) for each in caused
    ]


def test_second_spellings_have_the_last_lane_of_refreshes() -> None:
    """They wait first when units run short; but a removal is urgent however it is spelled."""
    rules = (Rule("both", urls=("{url}!x", "/a%5Bb")),)
    tasks, _ = tasks_of(change("a[b"), [site(rules=rules)])
    assert [
        ("a[b", Lane.OVERWRITTEN),
        ("a%5Bb", Lane.OVERWRITTEN),
        ("a[b!x", Lane.OVERWRITTEN),
        ("a%5Bb!x", Lane.SPELLED),
    ] == [(task.url.rpartition("/")[2], task.lane) for task in tasks]
    gone, _ = tasks_of(change("a[b", removed=True), [SITE])
    assert [Lane.REMOVED] * 2 == [task.lane for task in gone]


def test_only_first_spellings_are_prefetched() -> None:
    """Alone, and after a refresh."""
    assert [("prefetch", "file", "https://static.example.com/a[b")] == urls("a[b", site(created=Then.PREFETCH))
    tasks, _ = tasks_of(change("a[b"), [site(created=Then.REFRESH_THEN_PREFETCH)])
    assert [True, False] == [task.then_prefetch for task in tasks]


def test_folders_and_queries_are_refreshed_also_where_objects_are_prefetched() -> None:
    """Nothing can be prefetched of them, and what rules say of them holds all the same."""
    ruled = site(created=Then.PREFETCH, rules=(Rule("one", every_query=("{url}",), directories=("{dir}",)),))
    assert [
        ("prefetch", "file", "https://static.example.com/a/b.css"),
        ("refresh", "ignore-params", "https://static.example.com/a/b.css"),
        ("refresh", "directory", "https://static.example.com/a/"),
    ] == urls("a/b.css", ruled)


CUSTOM = (Domain("static.example.com", custom_cache_key=True),)


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("about", {"domains": CUSTOM}),
        ("x" * 1_020, {}),
        ("a.m3u8", {"rules": (Rule("one", directories=("{dir}",)),)}),
        ("a/b", {"rules": (Rule("one", directories=("/",)),)}),
        ("a/../b", {"domains": CUSTOM, "prefix": "a/"}),
        ("site//b", {"prefix": "site/", "path": "/", "rules": (Rule("one", directories=("{dir}",)),)}),
        ("a/..", {"rules": (Rule("one", ("a/**",), directories=("/{name}/",)),)}),
    ],
)
def test_a_whole_domain_is_refreshed_only_where_that_is_allowed(key: str, fields: dict[str, object]) -> None:
    """By a rule, or by what takes the place of a URL; what is left out is told."""
    refused, skipped = tasks_of(change(key), [site(**fields)])
    assert [] == [task.url for task in refused if is_whole_domain(task.url) and task.target.form is Form.DIRECTORY]
    assert ["which takes `whole_domain: true`"] == [each.reason[-32:] for each in skipped]
    allowed, skipped = tasks_of(change(key), [site(**fields, whole_domain=True)])
    assert 1 == sum(is_whole_domain(task.url) for task in allowed)
    assert [] == skipped


@pytest.mark.parametrize(
    ("key", "fields", "directory"),
    [
        ("a/b.jpg", {}, ""),
        ("a/b.jpg", {"when_spent": WhenSpent.DIRECTORY}, "https://static.example.com/a/"),
        ("b.jpg", {"when_spent": WhenSpent.DIRECTORY}, ""),
        ("b.jpg", {"when_spent": WhenSpent.DIRECTORY, "whole_domain": True}, "https://static.example.com/"),
    ],
)
def test_every_query_may_name_what_goes_once_its_units_are_spent(
    key: str, fields: dict[str, object], directory: str
) -> None:
    """The folder, but for a whole domain; by default it waits."""
    tasks, _ = tasks_of(change(key), [site(rules=(Rule("one", every_query=("{url}",)),), **fields)])
    assert ["", directory] == [task.or_directory for task in tasks]


@given(strategies.keys(), st.booleans())
def test_what_cannot_go_as_a_file_goes_as_its_directory(key: str, custom: bool) -> None:  # noqa: FBT001 - drawn
    """A directory that holds the URL and is short enough itself takes its place, and only where it must."""
    domain = Domain("static.example.com", custom_cache_key=custom)
    url = "https://static.example.com" + own_paths(key, SITE)[-1]
    form, target = refreshable(Form.FILE, url, domain, CHARACTERS_MAX)
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
    """A domain with a custom cache key cannot refresh single URLs; all that is in a folder shares one task."""
    rules = (Rule("one", urls=("{url}?w=1",), every_query=("{url}",)),)
    custom = site(domains=(Domain("img.example.com", custom_cache_key=True),), rules=rules)
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
    then = site(rules=(INDEX,), created=Then.REFRESH_THEN_PREFETCH)
    tasks, _ = tasks_of(change("docs/index.html"), (then,))
    assert [("https://static.example.com/docs/index.html", True), ("https://static.example.com/docs/", False)] == [
        (task.url, task.then_prefetch) for task in tasks
    ]
    alone = site(rules=(INDEX,), created=Then.PREFETCH)
    assert [("prefetch", "file", "https://static.example.com/docs/index.html")] == urls("docs/index.html", alone)


def test_what_goes_as_a_directory_is_not_prefetched_after() -> None:
    """A directory cannot be prefetched."""
    custom = site(domains=(Domain("img.example.com", custom_cache_key=True),), created=Then.REFRESH_THEN_PREFETCH)
    tasks, _ = tasks_of(change("a/b.jpg"), (custom,))
    assert [(Kind.REFRESH, Form.DIRECTORY, False)] == [
        (task.target.kind, task.target.form, task.then_prefetch) for task in tasks
    ]


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("", True),
        ("/", True),
        ("//", True),
        ("a/../", True),
        ("a/%2E%2e/", True),
        ("./", True),
        ("../../", True),
        ("a/..//./", True),
        ("a/", False),
        ("a//", False),
        ("../a/", False),
        ("a/b/../", False),
        (".../", False),
        ("a", False),
        ("a/..", False),
    ],
)
def test_what_may_be_taken_for_a_whole_domain_is_one(path: str, whole: bool) -> None:  # noqa: FBT001 - a case
    """Whoever resolves dot segments, or merges slashes, refreshes all of it."""
    assert whole == is_whole_domain(f"https://h.example.com/{path}")


@pytest.mark.parametrize(("length", "form"), [(1_024, Form.FILE), (1_025, Form.DIRECTORY)])
def test_a_url_of_just_the_longest_length_goes_as_itself(length: int, form: Form) -> None:
    """The vendor's limit is the last length that goes; one character more goes as the directory."""
    url = "https://static.example.com/d/" + "x" * (length - len("https://static.example.com/d/"))
    assert form is refreshable(Form.FILE, url, STATIC, CHARACTERS_MAX)[0]
    assert "https://static.example.com/d/" == directory_of(url, CHARACTERS_MAX)


@pytest.mark.parametrize(
    ("most", "directory"), [(28, "https://h.example.com/aa/bb/"), (27, "https://h.example.com/aa/")]
)
def test_a_directory_of_just_the_longest_length_fits(most: int, directory: str) -> None:
    """The deepest folder counts with its own slash."""
    assert directory == directory_of("https://h.example.com/aa/bb/c.css", most)
