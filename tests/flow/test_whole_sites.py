"""Whole sites, as the README and the shipped site file show them, at the local edge: what people request gets fresh."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.localcloud.cloud import Options
from scripts.localcloud.edge import Edge, Origin, Site, bucket_origin
from scripts.localcloud.web import Request, Response
from tests.flow.world import World

ROOT = Path(__file__).parents[2]


class Example(NamedTuple):
    """Who serves a site: its bucket and domain, and which object its origin answers a path with."""

    bucket: str
    domain: str
    key_of: Callable[[str], str]


def _website(path: str) -> str:
    """Objects below site/; a page has a folder of its own, and guides are asked for without `.html`."""
    name = path.rpartition("/")[2]
    if path.startswith("/guide/") and "." not in name:
        return f"site{path}.html"
    return f"site{path}" if "." in name else f"site{path.rstrip('/')}/index.html"


def _app(path: str) -> str:
    return path[1:] if path.startswith("/assets/") else "index.html"


def _images(path: str) -> str:
    return path[1:].partition("!")[0]


WEB = Example("acme-web", "www.example.com", _website)
SHOP = Example("acme-shop", "shop.example.com", _app)
IMAGES = Example("acme-img", "img.example.com", _images)
REQUESTS = [
    (WEB, "site/about/index.html", ("/about/index.html", "/about/", "/about")),
    (WEB, "site/index.html", ("/", "/index.html")),
    (WEB, "site/guide/first/x.html", ("/guide/first/x", "/guide/first/x.html")),
    (WEB, "site/js/[id].js", ("/js/[id].js", "/js/%5Bid%5D.js")),
    (SHOP, "index.html", ("/", "/orders/42", "/login?next=1")),
    (SHOP, "assets/16:27.js", ("/assets/16:27.js", "/assets/16%3A27.js")),
    (IMAGES, "a b@2x.jpg", ("/a%20b@2x.jpg", "/a%20b@2x.jpg!thumb", "/a%20b@2x.jpg?x-oss-process=style/thumb")),
    (IMAGES, "img/banner/b.gif", ("/img/banner/b.gif", "/img/banner/b.gif?v=1", "/img/banner/b.gif?w_321")),
]


def _in_readme() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def _in_shipped_file() -> list[str]:
    """Take the examples out of their comments."""
    text = (ROOT / "functions/sites.yml").read_text("utf-8")
    lines = [line[1:] for line in text.partition("image store:\n")[2].splitlines()]
    return re.findall(r"^ +- bucket: .*?(?=^ +- bucket: |\Z)", "\n".join(lines), re.DOTALL | re.MULTILINE)


def _site_file(bucket: str, source: str) -> str:
    texts = {"readme": _in_readme, "shipped": _in_shipped_file}[source]()
    (found,) = (text for text in texts if f"bucket: {bucket}" in text)
    return found if found.startswith("sites:") else f"sites:\n{found}"


def _origin(world: World, example: Example) -> Origin:
    objects = bucket_origin(world.cloud.oss, example.bucket)

    def origin(path: str, query: str, conditions: Mapping[str, str]) -> Response:
        return objects("/" + example.key_of(path), query, conditions)

    return origin


@pytest.mark.parametrize("source", ["readme", "shipped"])
@pytest.mark.parametrize(("example", "key", "targets"), REQUESTS)
def test_what_people_request_gets_fresh(source: str, example: Example, key: str, targets: tuple[str, ...]) -> None:
    """Each page is cached before an object of it is written; the functions do the rest."""
    world = World(_site_file(example.bucket, source), Options(bucket=example.bucket, domains=(example.domain,)))
    edge = Edge(world.clock, {example.domain: Site(_origin(world, example))})
    world.cloud.cdn.on_refreshed.append(edge.refresh)

    def served(target: str) -> bytes:
        path, _, query = target.partition("?")
        return edge.handle(Request("GET", example.domain, path, query)).body

    world.put(key, b"old")
    assert dict.fromkeys(targets, b"old") == {target: served(target) for target in targets}
    event = world.put(key, b"new")
    assert dict.fromkeys(targets, b"old") == {target: served(target) for target in targets}
    world.deliver(event)
    world.minutes(10)
    assert dict.fromkeys(targets, b"new") == {target: served(target) for target in targets}


def test_the_shipped_file_works_once_its_placeholders_are_replaced() -> None:
    """Nothing else has to be changed in it."""
    text = (ROOT / "functions/sites.yml").read_text("utf-8")
    text = text.replace("replace-with-your-bucket", "content")
    world = World(text.replace("replace-with-your-domain.example", "static.example.com"))
    world.deliver(world.put("a.css"))
    assert ["https://static.example.com/a.css"] == world.submitted_urls()
