"""All Hypothesis strategies of the tests: keys, changes, sites, tasks, waits, books, JSON, and lists of them.

Values that belong together agree: equal task ids are equal tasks, and books never have more left than its total.
"""

from __future__ import annotations

import base64
import functools
import json
import string
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from shared.core.plan.books import Books, Hold, minute_of
from shared.core.plan.limits import Limits
from shared.core.site.sites import Domain, Rule, Site, Then, ThenRemoved, WhenSpent
from shared.core.site.spelling import Spelling
from shared.core.task.model import (
    Action,
    Cause,
    Form,
    Kind,
    Lane,
    ObjectChange,
    Result,
    Step,
    Target,
    Task,
    TaskId,
    digest,
)
from shared.core.task.waits import BACKOFF, READY, REFRESH, Wait, minute_of_domain, quota_of, trouble_of

NOW = 1_767_323_045.0
"""2026-01-02 03:04:05 UTC, which is 11:04:05 in UTC+8."""

KEY_BYTES_MAX = 1_023

KEYS = (
    "a.css",
    "a b.css",
    "a+b%20c.css",
    "100%.txt",
    "%41%2f%2F",
    "what?.html",
    "a#b.html",
    "a&b=c;d,e.txt",
    'quote".js',
    "it's.js",
    "back\\slash",
    "line\nbreak.txt",
    "line\r\nhttps://evil.example.com/",
    "a.css\nhttps://evil.example.com/b.css",
    "tab\tand\x00nul\x7f",
    "~-._!$'()*:@[]{}|^`<>",
    "中文/目录/图片 1.png",
    "emoji/🎉👩‍👩‍👧.gif",
    "combining/e\u0301.txt",
    "\u202egnp.txt",
    "a//b.txt",
    "//b.txt",
    "/leading.txt",
    "/",
    "trailing/",
    "dir//",
    "../up.txt",
    "a/./b/../c",
    "docs/index.html",
    "index.html",
    "http://other.example.com/x",
    "@evil.example.com/x",
    ":8080/x",
    "x" * KEY_BYTES_MAX,
    "目" * (KEY_BYTES_MAX // 3),
    "d/" * (KEY_BYTES_MAX // 2) + "f",
)
"""Keys that have broken URL code before: one per way of breaking it, up to OSS's 1,023 bytes."""

_MEMBERS = (
    *("events", "specversion", "data", "messageBody", "TopicName", "Message", "body", "attrs"),
    *("eventName", "eventSource", "eventTime", "oss", "bucket", "object", "name", "key", "size", "responseElements"),
)

UNITS = ("url", "directory", "regex", "ignore-params", "prefetch")


def keys() -> SearchStrategy[str]:
    """Object keys: any UTF-8 of at most 1,023 bytes, the troublesome ones often."""
    characters = st.sampled_from(sorted({each for key in KEYS for each in key})) | st.characters(codec="utf-8")
    long = st.text(st.sampled_from("中é🎉%/ "), min_size=300, max_size=340)
    drawn = st.text(characters, min_size=1, max_size=60) | long
    return st.sampled_from(KEYS) | drawn.filter(lambda key: len(key.encode()) <= KEY_BYTES_MAX)


def json_values() -> SearchStrategy[Any]:
    """Any JSON, with the members that wrappers and events have in likely and unlikely places."""
    text = st.text(st.characters(), max_size=12) | st.sampled_from(
        ("acs:oss", "cdn", "ObjectCreated:PutObject", "oss:ObjectRemoved:DeleteObject", "2026-01-02T03:04:05Z", "e30=")
    )
    members = st.sampled_from(_MEMBERS)
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(members | text, inner, max_size=5),
        max_leaves=20,
    )


Wrap = Callable[[Any], Any]
"""Puts a wrapper around a value that JSON can hold."""


def wrappers() -> SearchStrategy[Wrap]:
    """Wrappers that an event may come in: one each, whose content is JSON, its text, or Base64 of that."""
    texts: tuple[Wrap, ...] = (
        lambda inner: inner,
        json.dumps,
        lambda inner: base64.b64encode(json.dumps(inner).encode()).decode(),
        lambda inner: base64.urlsafe_b64encode(json.dumps(inner).encode()).decode().rstrip("="),
    )
    around: tuple[Wrap, ...] = (
        lambda text: {"specversion": "1.0", "type": "t", "data": text},
        lambda text: {"specversion": "1.0", "data_base64": text},
        lambda text: [{"messageId": "1", "messageBody": text}],
        lambda text: {"TopicName": "t", "Message": text, "MessageId": "1"},
        lambda text: {"body": text, "attrs": {}},
        lambda text: {"rawPath": "/", "body": text, "isBase64Encoded": True, "requestContext": {}},
    )
    pairs = st.tuples(st.sampled_from(around), st.sampled_from(texts))
    return pairs.map(lambda pair: lambda inner: pair[0](pair[1](inner)))


@st.composite
def changes(draw: DrawFn, key: SearchStrategy[str] | None = None) -> ObjectChange:
    """Changes of objects of the bucket `content`: new, overwritten, of unknown growth, removed."""
    removed = draw(st.booleans())
    size = 0 if removed else draw(st.integers(0, 1 << 40))
    chosen = draw(key or keys())
    time = draw(st.integers(0, int(NOW) * 1000)) / 1000
    return ObjectChange(
        id=digest(chosen, repr(time), repr(size)),
        action=Action.REMOVED if removed else Action.CREATED,
        event_name="ObjectRemoved:DeleteObject" if removed else "ObjectCreated:PutObject",
        bucket="content",
        key=chosen,
        etag="5B3C1A2E053D763E1B002CC607C5A0FE",
        size=size,
        delta_size=draw(st.none() | st.just(size) | st.integers(-size, size)),
        time=time,
    )


def prefixes() -> SearchStrategy[str]:
    """Key prefixes of a site, whole folders and parts of names."""
    return st.sampled_from(("", "docs/", "a", "中文/", "line\n", "trailing/"))


def plain_site() -> Site:
    """A site that serves all of the bucket `content`, with every default."""
    return Site(name="site", bucket="content", domains=(Domain("static.example.com"),))


PATTERNS = ("**", "*.css", "docs/**", "*", "?*", "/*.html", "中文/*/*", "**/[a-z]?/**", "a.css")
TEMPLATES = ("{url}", "{url}!thumb", "{url}?x=1", "{dir}", "{folder}", "{dir}{stem}", "/app/latest.zip", "{folder}/|x")


@st.composite
def rules(draw: DrawFn) -> Rule:
    """Rules of a site, some about every key, some that say nothing."""

    def some(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(draw(st.lists(st.sampled_from(texts), max_size=2, unique=True)))

    return Rule(
        name=draw(st.sampled_from(("one", "two"))),
        keys=some(PATTERNS),
        urls=some(TEMPLATES),
        every_query=some(("{url}", "{dir}", "/login")),
        directories=some(("{dir}", "{folder}/", "/", "/docs/")),
        created=draw(st.none() | st.sampled_from(Then)),
        removed=draw(st.none() | st.sampled_from(ThenRemoved)),
        new=draw(st.none() | st.sampled_from(Then)),
    )


@st.composite
def sites(draw: DrawFn) -> Site:
    """Sites of the bucket `content`, each as a site file could describe it."""
    names = draw(st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=3, unique=True))
    spellings = draw(st.lists(st.sampled_from(Spelling), min_size=1, max_size=4, unique=True))
    return Site(
        name="site",
        bucket="content",
        domains=tuple(Domain(name, custom_cache_key=draw(st.booleans())) for name in names),
        prefix=draw(prefixes()),
        scheme=draw(st.sampled_from(("http", "https"))),
        path=draw(st.sampled_from(("", "/", "/static/", "/%E4%B8%AD/"))),
        rules=tuple(draw(st.lists(rules(), max_size=3))),
        created=draw(st.sampled_from(Then)),
        removed=draw(st.sampled_from(ThenRemoved)),
        new=draw(st.none() | st.sampled_from(Then)),
        spellings=tuple(spellings),
        whole_domain=draw(st.booleans()),
        when_spent=draw(st.sampled_from(WhenSpent)),
    )


DOMAINS = tuple(f"d{letter}.example.com" for letter in string.ascii_lowercase[:24])
"""More than twice as many as one call takes."""

_SHAPES = (
    (Kind.REFRESH, Form.FILE, False, "{}.css"),
    (Kind.REFRESH, Form.IGNORE_PARAMS, False, "{}.css"),
    (Kind.REFRESH, Form.DIRECTORY, False, "{}/"),
    (Kind.REFRESH, Form.DIRECTORY, True, "{}/"),
    (Kind.REFRESH, Form.REGEX, False, "{}/.*"),
    (Kind.PREFETCH, Form.FILE, False, "{}.css"),
)


@functools.cache
def make_task(
    url: str,
    *,
    kind: Kind = Kind.REFRESH,
    form: Form = Form.FILE,
    force: bool = False,
    lane: Lane = Lane.OVERWRITTEN,
    time: float = NOW,
    key: str = "",
) -> Task:
    """Make a task whose id follows from all of its other fields; its object is called `key`, or as the URL."""
    lane = Lane.PREFETCH if kind is Kind.PREFETCH else lane
    named = digest(url, kind.value, form.value, str(force), str(lane), repr(time), key)
    cause = Cause(
        event_id=digest(named), event_name="ObjectCreated:PutObject", time=time, bucket="content", key=key or url
    )
    return Task(id=TaskId(named), target=Target(kind, form, url, force), site="site", lane=lane, cause=cause)


def tasks() -> SearchStrategy[Task]:
    """Tasks of every kind and form, over few enough URLs that many are equal."""
    lanes = (Lane.REMOVED, Lane.OVERWRITTEN, Lane.MANUAL)

    def numbered(number: int) -> Task:
        # One number instead of a draw for each field: lists of tasks are drawn often.
        number, shape = divmod(number, len(_SHAPES))
        number, lane = divmod(number, len(lanes))
        number, name = divmod(number, 5)
        domain, age = divmod(number, 4)
        kind, form, force, path = _SHAPES[shape]
        url = f"https://{DOMAINS[domain]}/{path.format(name)}"
        return make_task(url, kind=kind, form=form, force=force, lane=lanes[lane], time=NOW - age)

    return st.integers(0, len(_SHAPES) * len(lanes) * 5 * 4 * len(DOMAINS) - 1).map(numbered)


@st.composite
def crowds(draw: DrawFn) -> list[Task]:
    """Tasks of one kind and form, of a few domains: more than a call takes of some of these."""
    kind, form, force, shape = draw(st.sampled_from(_SHAPES[:4] + _SHAPES[5:]))
    counts = draw(st.sampled_from(((1_001,), (101, 99), (31,) * 12, (1,) * 24)))
    lanes = draw(st.lists(st.sampled_from(Lane), min_size=1, max_size=3))
    return [
        make_task(
            f"https://{name}/{shape.format(number)}",
            kind=kind,
            form=form,
            force=force,
            lane=lanes[number % len(lanes)],
            time=NOW - number % 7,
        )
        for name, count in zip(DOMAINS, counts, strict=False)
        for number in range(count)
    ]


def few_tasks() -> SearchStrategy[list[Task]]:
    """Tasks that wait together."""
    return st.lists(tasks(), max_size=30)


def task_lists() -> SearchStrategy[list[Task]]:
    """Tasks that wait together, some of them twice, or very many."""
    return few_tasks() | few_tasks().map(lambda several: several + several[::2]) | crowds()


def task_orders() -> SearchStrategy[tuple[list[Task], list[Task]]]:
    """The same tasks in two orders."""
    return few_tasks().flatmap(lambda several: st.tuples(st.just(several), st.permutations(several)))


def waits() -> SearchStrategy[Wait]:
    """Reasons of every kind."""
    units, domains = st.sampled_from(UNITS), st.sampled_from(DOMAINS)
    return st.one_of(
        st.sampled_from((READY, BACKOFF, REFRESH)),
        st.builds(quota_of, units),
        st.builds(minute_of_domain, units, domains),
        st.builds(trouble_of, units, domains),
    )


@st.composite
def books(draw: DrawFn) -> Books:
    """Books as a drain finds them: quotas known or not, fresh or of another day, this minute or an earlier one."""
    total = draw(st.dictionaries(st.sampled_from(UNITS), st.integers(0, 3_000)))
    share = draw(st.integers(0, 100))
    used = st.dictionaries(st.sampled_from(DOMAINS), st.integers(0, 1_500), max_size=3)
    return Books(
        read_at=NOW - draw(st.sampled_from((0, 60, 86_400))),
        total=total,
        remaining={unit: most * share // 100 for unit, most in total.items()},
        minute=minute_of(NOW) - draw(st.integers(0, 1)),
        in_minute=draw(st.dictionaries(st.sampled_from(UNITS), used, max_size=3)),
    )


@st.composite
def troubled_books(draw: DrawFn) -> Books:
    """Books that hold some domains back, until a moment that is over or ahead."""
    slots = st.builds(
        lambda unit, domain: trouble_of(unit, domain).slot, st.sampled_from(UNITS), st.sampled_from(DOMAINS)
    )
    holds = st.builds(Hold, st.sampled_from((NOW - 5, NOW, NOW + 5)), st.just(NOW - 60), st.integers(1, 9))
    plain = draw(books())
    return Books(plain.read_at, plain.total, plain.remaining, holds=draw(st.dictionaries(slots, holds, max_size=8)))


def limits() -> SearchStrategy[Limits]:
    """An account's limits, tight ones often."""
    return st.builds(
        Limits,
        urls_per_minute_per_domain=st.integers(1, 3) | st.integers(100, 10_000),
        reserve_percent=st.integers(0, 100),
    )


def steps() -> SearchStrategy[Step]:
    """Entries of a task's history."""
    return st.builds(Step, st.just(NOW), st.sampled_from(Result), code=st.text(max_size=5), message=st.text(max_size=5))
