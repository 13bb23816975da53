"""Templates of URLs: what they stand for, and what cannot work of them, with what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given

from shared.core.site.spelling import strict
from shared.core.site.templates import DIRECTORIES, EVERY_QUERY, URLS, fault_of, filler, literal_path_fault
from tests import strategies

PAGE = "/docs/a/x.tar.html"


@pytest.mark.parametrize(
    ("template", "url", "filled"),
    [
        ("{url}", PAGE, PAGE),
        ("{dir}", PAGE, "/docs/a/"),
        ("{folder}", PAGE, "/docs/a"),
        ("{dir}{name}", PAGE, PAGE),
        ("{dir}{stem}", PAGE, "/docs/a/x.tar"),
        ("{url}!thumb", PAGE, PAGE + "!thumb"),
        ("{url}?x-oss-process=style/thumb", PAGE, PAGE + "?x-oss-process=style/thumb"),
        ("/app/latest.zip", PAGE, "/app/latest.zip"),
        ("/m{url}|[x]", PAGE, f"/m{PAGE}|[x]"),
        ("{dir}", "/x.html", "/"),
        ("{folder}", "/x.html", ""),
        ("{folder}?a", "/x.html", ""),
        ("{folder}/feed.xml", "/x.html", "/feed.xml"),
        ("{dir}{stem}", "/.htaccess", "/.htaccess"),
        ("{dir}{stem}", "/docs/", "/docs/"),
    ],
)
def test_a_template_is_filled_in(template: str, url: str, filled: str) -> None:
    """Placeholders give way to parts of the path, all else stays as written; at the top there is no folder."""
    assert filled == filler(template)(url)


@given(strategies.keys())
def test_parts_make_up_the_path(key: str) -> None:
    """A folder and a name are the URL again, whatever the key holds."""
    url = "/" + strict(key)
    assert [url, url, url] == [filler(each)(url) for each in ("{url}", "{dir}{name}", "{folder}/{name}")]
    assert url.startswith(filler("{dir}{stem}")(url))


# template, its use -> a part of what is said
FAULTS = [
    ("?x-oss-process=style/a", URLS, "says nothing of the path; write '{url}?x-oss-process=style/a'"),
    ("!thumb", URLS, "says nothing of the path; write '{url}!thumb'"),
    ("www.example.com/{name}", URLS, "begins with a domain, and templates are for all of a site's; write the path alo"),
    ("${url}!t", URLS, "has '${url}', which means nothing here; known are {url}, {dir}"),
    ("/a/$1", URLS, "has '$1', which means nothing here"),
    ("/a/:id", URLS, "has ':id', which means nothing here"),
    ("{{url}}!t", URLS, "has '{{url}}', which means nothing here"),
    ("{url}!{style}", URLS, "names {style}; known are {url}, {dir}"),
    ("{URL}!a", URLS, "names {URL}; write {url}"),
    ("{folder}{name}", URLS, "puts {name} right behind {folder}: of /a/x.html it makes /ax.html; write '{dir}{name}'"),
    ("{url}{name}", URLS, "puts {name} right behind {url}: of /a/x.html it makes /a/x.htmlx.html; write '{url}'"),
    ("{url}&x=1", URLS, "has '&x=1' and no `?`: of /a/x.html it makes /a/x.html&x=1; write '{url}?x=1'"),
    ("{url}?*", EVERY_QUERY, "has `*` for its query; write '{url}' under `every_query`"),
    ("/a/*", DIRECTORIES, "has `*`; a directory is all below it: write '/a/'"),
    ("/a/index.html", DIRECTORIES, "must end with `/`, as directories do; write '/a/'"),
    ("{url}?x", DIRECTORIES, "has a query, which a directory has not; write '{dir}'"),
    ("{dir}?x", DIRECTORIES, "has a query, which a directory has not; write '{dir}'"),
    ("{url}?" + "x" * 1_000, URLS, "is longer than the CDN takes, at most 1000 characters and 8 parts in braces"),
    ("{url}" * 9, URLS, "is longer than the CDN takes"),
    ("w=100", URLS, "says nothing of the path; write '{url}?w=100'"),
    ("{url}??w=1", URLS, "has `?` twice; write '{url}?w=1'"),
    ("{url}?", URLS, "ends with `?`; write '{url}'"),
    ("*", URLS, "has `*`, which stands for nothing in a URL"),
    ("/orders/*", URLS, "has `*`"),
    ("{url}?w=*", URLS, "has `*`"),
    ("{url}#top", URLS, "has `#`: nothing from there on is ever requested"),
    ("{url}?x=%zz", URLS, "has a `%` without two hexadecimal digits behind it; the character itself is %25"),
    ("{url}%", URLS, "has a `%` without"),
    ("/a b", URLS, "has ' ', which must be percent-encoded: %20"),
    ("/中", URLS, "has '中', which must be percent-encoded: %E4%B8%AD"),
    ("/a\nhttps://evil.example.com/", URLS, "has '\\n', which must be percent-encoded: %0A"),
    ("/a\u2028b", URLS, "which must be percent-encoded"),
    ("/a\\b", URLS, "which must be percent-encoded: %5C"),
    ("/\ud800", URLS, "must be percent-encoded"),
    ("/a/../b", URLS, "has a segment `.` or `..`"),
    ("/a/%2e", URLS, "has a segment `.` or `..`"),
    ("latest.zip", URLS, "write '/latest.zip' or '{dir}latest.zip'"),
    ("{name}", URLS, "begins with no path; write '{dir}{name}'"),
    ("{ur}!thumb", URLS, "names {ur}; write {url}"),
    ("{path}", URLS, "names {path}; write {url}"),
    ("{xyzzy}", URLS, "names {xyzzy}; known are {url}, {dir}, {folder}, {name}, {stem}"),
    ("{url", URLS, "has a brace without its other half"),
    ("{url}?n={name}", URLS, "has braces in its query"),
    (
        "https://h.example.com/a",
        URLS,
        "begins with a domain, and templates are for all of a site's; write the path alone: '/a'",
    ),
    ("", URLS, "must begin with `/`"),
    ("/login?next=1", EVERY_QUERY, "has a query, and every query is meant; write '/login'"),
    ("/a/?x=1", DIRECTORIES, "has a query, which a directory has not; write '/a/'"),
    ("{url}", DIRECTORIES, "must end with `/`, as directories do; write '{dir}'"),
    ("{folder}", DIRECTORIES, "write '{dir}'"),
    ("/orders", DIRECTORIES, "write '/orders/'"),
]


@pytest.mark.parametrize(("template", "use", "told"), FAULTS)
def test_what_cannot_work_is_refused_with_what_to_write(template: str, use: str, told: str) -> None:
    """Each kind of slip."""
    assert told in fault_of(template, use)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{dir}/x", "/a//x"),
        ("/{dir}{stem}", "//a/x"),
        ("{dir}{url}", "/a//a/x.html"),
        ("//elsewhere.example/x", "//elsewhere.example/x"),
        ("{dir}/", "/a//"),
        ("{dir}../x", "segment `.` or `..`"),
    ],
)
def test_what_placeholders_make_with_their_neighbours_is_looked_at(template: str, told: str) -> None:
    """A folder that ends with `/` needs no other; and nothing leads out of it."""
    for use in ("urls", "directories"):
        assert told in fault_of(template, use)


def test_all_that_is_wrong_with_a_template_is_told_at_once() -> None:
    """One reading mends it."""
    assert "says nothing of the path; write '{url}?x=%zz'; and has a `%`" in fault_of("x=%zz", URLS)


@pytest.mark.parametrize("template", ["{url}", "{url}!a,b;c=d@e", "/a[b]|c", "/%E4%b8?x=/a?b:c", "/", "{folder}.json"])
def test_what_works_is_taken(template: str) -> None:
    """Literal text may hold what browsers leave raw."""
    assert not fault_of(template, URLS)


@pytest.mark.parametrize("template", ["{dir}", "/", "/a/", "{folder}/", "{url}/"])
def test_directories_end_with_a_slash(template: str) -> None:
    """And nothing else does."""
    assert not fault_of(template, DIRECTORIES)


@pytest.mark.parametrize(
    ("path", "told"),
    [("img/", "must begin with `/`"), ("/a?b/", "without a query"), ("/{x}/", "without braces"), ("/a b/", "%20")],
)
def test_a_path_is_written_as_in_urls(path: str, told: str) -> None:
    """It is a literal."""
    assert told in literal_path_fault(path)
    assert not literal_path_fault("/v1/%E4%B8%AD/[x]/")
