"""What viewers see at the edges while the bucket changes and the CDN is told to refresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from types import SimpleNamespace

import pytest

from scripts.localcloud.cdn.paths import Purge
from scripts.localcloud.edge import Edge, Site, bucket_origin
from scripts.localcloud.web import Request, Response
from tests.localcloud.cdn_caller import START, Account

HOST = "a.example.com"
A = f"https://{HOST}"


@dataclass
class Bucket:
    """A stand-in for the object store: one bucket of pages."""

    now: float = START - 1_000
    pages: dict[str, SimpleNamespace] = field(default_factory=dict)

    def read(self, _bucket: str, key: str) -> SimpleNamespace | None:
        """Give the page under a key, or None."""
        return self.pages.get(key)

    def put(self, key: str, text: str, **headers: str) -> None:
        """Write a page; each write is a second later than the one before."""
        self.now += 1
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        etag = md5(text.encode(), usedforsecurity=False).hexdigest().upper()
        self.pages[key] = SimpleNamespace(data=text.encode(), etag=etag, modified=self.now, headers=named)


class World:
    """A bucket, the edges in front of it, and a CDN account that refreshes them."""

    def __init__(self, *, ignore_params: bool = False) -> None:
        self.bucket = Bucket()
        self.down = False
        self.account = Account(HOST, refresh_duration_seconds=(10, 20), prefetch_duration_seconds=(10, 20))
        self.clock = self.account.clock
        site = Site(self._origin, ignore_params=ignore_params)
        self.edge = Edge(self.clock, {HOST: site}, default_domain=HOST)
        self.account.cdn.on_refreshed.append(self.edge.refresh)
        self.account.cdn.on_prefetched.append(self.edge.prefetch)
        self._bucket_origin = bucket_origin(self.bucket, "content")

    def _origin(self, path: str, query: str, conditions: Mapping[str, str]) -> Response:
        return Response(503) if self.down else self._bucket_origin(path, query, conditions)

    def get(self, path: str, query: str = "", *, method: str = "GET", **headers: str) -> Response:
        """View a page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.edge.handle(Request(method, HOST, path, query, named))

    def view(self, path: str, query: str = "", *, node: int = 1) -> tuple[str, str]:
        """View a page and read its text and what the cache did."""
        response = self.get(path, query, x_edge_node=str(node))
        return response.body.decode(), response.headers["x-cache"]

    def refreshed(self, *urls: str, **params: str) -> None:
        """Refresh URLs and wait until that took effect."""
        assert self.account.refresh(*urls, **params)["HttpStatus"] == 200
        self.clock.advance(20)


def test_a_page_is_stale_until_it_is_refreshed() -> None:
    """An overwritten object goes on being served as it was, on every node, until its refresh ends."""
    world = World()
    world.bucket.put("a.js", "old")
    assert world.view("/a.js") == ("old", "MISS TCP_MISS")
    assert world.view("/a.js", node=2) == ("old", "MISS TCP_MISS")
    world.bucket.put("a.js", "new")
    assert world.view("/a.js") == ("old", "HIT TCP_MEM_HIT")
    world.account.refresh(f"http://{HOST.upper()}/a.js")
    world.clock.advance(9)
    assert world.view("/a.js", node=2) == ("old", "HIT TCP_MEM_HIT")
    world.clock.advance(11)
    assert world.view("/a.js") == ("new", "MISS TCP_MISS")
    assert world.view("/a.js", node=2) == ("new", "MISS TCP_MISS")


def test_a_deleted_page_vanishes_with_its_refresh() -> None:
    """A removed object is served until its refresh, then it is not found, and that is soon forgotten."""
    world = World()
    world.bucket.put("a.js", "old")
    world.view("/a.js")
    del world.bucket.pages["a.js"]
    assert world.get("/a.js").status == 200
    world.refreshed(f"{A}/a.js")
    gone = world.get("/a.js")
    assert (gone.status, b"<Code>NoSuchKey</Code>" in gone.body) == (404, True)
    world.bucket.put("a.js", "back")
    assert world.get("/a.js").status == 404
    world.clock.advance(1)
    assert world.view("/a.js") == ("back", "MISS TCP_REFRESH_MISS")


def test_a_file_is_refreshed_by_its_exact_text() -> None:
    """Another query, another case and another encoding name other copies, which stay."""
    world = World()
    names = [("/a b.js".replace(" ", "%20"), ""), ("/a%20b.js", "v=1"), ("/A%20b.js", "")]
    for path, _ in names:
        world.bucket.put(path[1:].replace("%20", " "), "old")
    for path, query in names:
        world.view(path, query)
    world.refreshed(f"{A}/a b.js")
    assert [world.view(*name)[1] for name in names] == ["HIT TCP_MEM_HIT"] * 3
    world.refreshed(f"{A}/a%20b.js")
    assert [world.view(*name)[1] for name in names] == ["MISS TCP_MISS"] + ["HIT TCP_MEM_HIT"] * 2


@pytest.mark.parametrize("form", ["IgnoreParams", "ExQuery"])
def test_ignore_params_reaches_all_queries_of_a_path(form: str) -> None:
    """All variants of one path go, under either of the type's names; the next path stays."""
    world = World()
    for key in ("a.jpg", "a.jpg2"):
        world.bucket.put(key, key)
    views = [("/a.jpg", ""), ("/a.jpg", "x-oss-process=image/resize,w_10"), ("/a.jpg2", "")]
    for path, query in views:
        world.view(path, query)
    world.refreshed(f"{A}/a.jpg?any=1", ObjectType=form, Force="true")
    assert [world.view(*each)[1].split()[0] for each in views] == ["MISS", "MISS", "HIT"]


@pytest.mark.parametrize("spare", [False, True])
def test_whether_every_query_means_none_as_well_is_a_switch(*, spare: bool) -> None:
    """Nobody has shown what the live service does, so both ways can be tried; queries go in both, other paths never."""
    world = World()
    world.edge.ignore_params_spare_bare = spare
    for key in ("a.jpg", "b.jpg"):
        world.bucket.put(key, "old")
    views = [("/a.jpg", ""), ("/a.jpg", "v=1"), ("/a.jpg", "v=2"), ("/b.jpg", "v=1")]
    for node in (1, 2):
        for path, query in views:
            world.view(path, query, node=node)
    world.refreshed(f"{A}/a.jpg", ObjectType="IgnoreParams", Force="true")
    seen = [[world.view(*each, node=node)[1].split()[0] for each in views] for node in (1, 2)]
    assert seen == [["HIT" if spare else "MISS", "MISS", "MISS", "HIT"]] * 2
    world.refreshed(f"{A}/a.jpg")
    assert world.view("/a.jpg")[1] == "MISS TCP_MISS"


def test_raw_and_encoded_paths_are_two_copies_of_one_object() -> None:
    """A URL that was sent as it is, in UTF-8, is refreshed as it was sent, and an encoded one encoded."""
    world = World()
    world.bucket.put("é x.js", "old")
    raw, mixed, encoded = "/é x.js", "/é%20x.js", "/%C3%A9%20x.js"
    for path in (raw, mixed, encoded):
        assert world.view(path) == ("old", "MISS TCP_MISS")
    for number, path in enumerate((mixed, encoded, raw)):
        world.refreshed(A + path)
        assert [world.view(each)[1].split()[0] for each in (mixed, encoded, raw)] == [
            "MISS" if index == number else "HIT" for index in range(3)
        ]


def test_bytes_that_are_no_text_are_not_found() -> None:
    """No object has such a key, and the error page can still be written."""
    assert World().get("/\udcff.js").status == 404


def test_a_directory_revalidates_what_did_not_change() -> None:
    """With Force=false an unchanged page is confirmed by 304, a changed one fetched, others left alone."""
    world = World()
    for key in ("d/same.js", "d/sub/changed.js", "other.js"):
        world.bucket.put(key, "old")
        world.view(f"/{key}")
    world.bucket.put("d/sub/changed.js", "new")
    world.edge.origin_requests.clear()
    world.refreshed(f"{A}/d/", ObjectType="Directory")
    assert world.view("/d/same.js") == ("old", "HIT TCP_REFRESH_HIT")
    assert world.view("/d/sub/changed.js") == ("new", "MISS TCP_REFRESH_MISS")
    assert world.view("/other.js") == ("old", "HIT TCP_MEM_HIT")
    assert world.edge.origin_requests == {(HOST, 304): 1, (HOST, 200): 1}
    assert world.view("/d/same.js") == ("old", "HIT TCP_MEM_HIT")


def test_a_forced_directory_is_fetched_anew() -> None:
    """With Force=true even unchanged pages are fetched as a whole."""
    world = World()
    world.bucket.put("d/same.js", "old")
    world.view("/d/same.js")
    world.refreshed(f"{A}/", ObjectType="Directory", Force="True")
    assert world.view("/d/same.js") == ("old", "MISS TCP_MISS")
    assert world.edge.origin_requests == {(HOST, 200): 2}


@pytest.mark.parametrize(
    ("pattern", "hits"),
    [
        ("/img/[0-9][a-z].jpg", {"/img/1a.jpg"}),
        ("/img/.*.jpg", {"/img/1a.jpg", "/img/x/1a.jpg", "/img/1aXjpg.jpg"}),
        ("/img/[^/]*.jpg", {"/img/1a.jpg", "/img/1aXjpg.jpg"}),
        ("/img/1a", set()),
    ],
)
def test_a_regex_knows_four_blocks(pattern: str, hits: set[str]) -> None:
    """A pattern must match from end to end, and a dot outside a block is a dot."""
    world = World()
    paths = {"/img/1a.jpg", "/img/x/1a.jpg", "/img/1aXjpg", "/img/1aXjpg.jpg"}
    for path in paths:
        world.bucket.put(path[1:], "old")
        world.view(path)
    world.refreshed(f"{A}{pattern}", ObjectType="Regex", Force="true")
    assert {path for path in paths if world.view(path)[1] == "MISS TCP_MISS"} == hits


def test_a_prefetch_fills_the_second_level_only() -> None:
    """After a prefetch the first viewer of each L1 misses there, but the origin is not asked again."""
    world = World()
    world.bucket.put("a.js", "new")
    world.account.prefetch(f"{A}/a.js")
    world.clock.advance(20)
    assert list(world.edge.held(f"{A}/a.js")) == ["cache1.l2"]
    response = world.get("/a.js")
    assert response.headers["x-cache"] == "MISS TCP_MISS"
    assert response.headers["via"] == "cache1.l2[200,H], cache1.l1[200,M]"
    assert world.edge.origin_requests == {(HOST, 200): 1}


@pytest.mark.parametrize(
    ("down", "description"), [(True, "Origin Return StatusCode 5XX"), (False, "Origin Return StatusCode 404")]
)
def test_a_prefetch_fails_unless_the_origin_answers_200(description: str, *, down: bool) -> None:
    """The row of a prefetch that found nothing or a broken origin has failed and says so."""
    world = World()
    world.down = down
    task_id = world.account.prefetch(f"{A}/a.js")["PushTaskId"]
    world.clock.advance(20)
    (row,) = world.account.rows_of(task_id)
    assert (row["Status"], row["Description"]) == ("Failed", description)


def test_a_prefetch_leaves_a_fresh_copy_alone() -> None:
    """Prefetching without a refresh before it changes nothing: the old copy is still fresh."""
    world = World()
    world.bucket.put("a.js", "old")
    world.view("/a.js")
    world.bucket.put("a.js", "new")
    world.account.prefetch(f"{A}/a.js")
    world.clock.advance(20)
    assert world.edge.held(f"{A}/a.js")["cache1.l2"].body == b"old"


def test_time_to_live() -> None:
    """A page lasts as long as Cache-Control says, on both levels together, and is then revalidated."""
    world = World()
    world.bucket.put("a.js", "old", Cache_Control="max-age=60")
    world.view("/a.js")
    world.clock.advance(40)
    assert world.get("/a.js", x_edge_node="2").headers["age"] == "40"
    world.clock.advance(19)
    assert world.view("/a.js", node=2)[1] == "HIT TCP_MEM_HIT"
    world.clock.advance(1)
    assert world.view("/a.js", node=2)[1] == "HIT TCP_REFRESH_HIT"
    assert world.view("/a.js", node=1)[1] == "HIT TCP_REFRESH_HIT"
    assert world.edge.origin_requests == {(HOST, 200): 1, (HOST, 304): 1}


@pytest.mark.parametrize("control", ["no-store", "private", "no-cache", "max-age=0", "s-maxage=0, max-age=9"])
def test_pages_that_must_not_be_kept(control: str) -> None:
    """What the origin forbids to keep is fetched each time."""
    world = World()
    world.bucket.put("a.js", "old", Cache_Control=control)
    world.view("/a.js")
    assert world.view("/a.js") == ("old", "MISS TCP_MISS")
    assert world.edge.held(f"{A}/a.js") == {}


def test_a_stale_page_outlives_a_broken_origin() -> None:
    """While the origin answers 5xx an expired page is served as stale; with none the error is passed on."""
    world = World()
    world.bucket.put("a.js", "old", Cache_Control="max-age=60")
    world.view("/a.js")
    world.clock.advance(60)
    world.down = True
    assert world.view("/a.js") == ("old", "STALE TCP_REFRESH_FAIL_HIT")
    assert world.get("/b.js").status == 503
    world.clock.advance(1)
    assert world.view("/b.js") == ("", "MISS TCP_REFRESH_MISS")
    world.down = False
    assert world.view("/a.js") == ("old", "HIT TCP_REFRESH_HIT")


def test_a_site_may_ignore_queries() -> None:
    """All queries share one copy there, which the bare URL refreshes."""
    world = World(ignore_params=True)
    world.bucket.put("a.js", "old")
    world.view("/a.js", "v=1")
    assert world.view("/a.js", "v=2") == ("old", "HIT TCP_MEM_HIT")
    world.refreshed(f"{A}/a.js")
    assert world.view("/a.js", "v=1")[1] == "MISS TCP_MISS"


def test_heads_ranges_and_conditions_of_viewers() -> None:
    """HEAD has GET's length and no body, a range its part, and a viewer's good copy is confirmed."""
    world = World()
    world.bucket.put("a.js", "0123456789", Content_Type="text/javascript")
    head = world.get("/a.js", method="HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", "10")
    assert head.headers["content-type"] == "text/javascript"
    part = world.get("/a.js", range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert world.get("/a.js", range="bytes=-3").body == b"789"
    assert world.get("/a.js", range="bytes=10-").status == 416
    again = world.get("/a.js", if_none_match=head.headers["etag"])
    assert (again.status, again.body, again.headers["x-cache"]) == (304, b"", "HIT TCP_IMS_HIT")
    assert world.get("/a.js", if_modified_since=head.headers["last-modified"]).status == 304
    assert world.get("/a.js", if_none_match='"other"').status == 200


def test_keys_are_decoded_and_directories_have_an_index() -> None:
    """The path names the key it encodes, and a directory its index document."""
    world = World()
    world.bucket.put("ü/index.html", "hello")
    assert world.view("/%C3%BC/")[0] == "hello"
    assert world.view("/%C3%BC/index.html")[0] == "hello"
    plain = bucket_origin(world.bucket, "content", index_document="")
    assert plain("/%C3%BC/", "", {}).status == 404


def test_whom_the_edges_answer() -> None:
    """Loopback hosts mean the default domain; unknown hosts, methods and nodes are refused."""
    world = World()
    world.bucket.put("a.js", "old")
    assert world.edge.handle(Request("GET", "127.0.0.1:8080", "/a.js")).body == b"old"
    assert world.edge.handle(Request("GET", "other.example.com", "/a.js")).status == 403
    assert world.get("/a.js", method="POST").status == 405
    assert world.get("/a.js", x_edge_node="3").status == 400


def test_a_refresh_of_what_is_not_held_does_nothing() -> None:
    """Refreshing pages and hosts that no node holds is no error."""
    world = World()
    for form in ("file", "directory", "ignoreparams", "regex"):
        world.edge.refresh(Purge.of(form, f"{A}/none/", force=True))
    assert world.edge.held(f"{A}/none/") == {}
