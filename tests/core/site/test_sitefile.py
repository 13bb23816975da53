"""Site files: what is read from a good one, and every fault of a bad one with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.checked import Invalid
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Domain, Rule, Site, Then, ThenRemoved, WhenSpent
from shared.core.site.spelling import Spelling
from shared.core.site.urls import own_paths

SHIPPED = Path(__file__).parents[3] / "functions" / "sites.yml"

HEAD = "sites:\n  - bucket: content\n    domains: [static.example.com]\n"


def faults(text: str) -> list[str]:
    """Read a bad site file; its faults."""
    with pytest.raises(Invalid) as caught:
        read_sites(text)
    return caught.value.faults


def test_the_shipped_file_is_valid_and_shows_the_defaults() -> None:
    """The file that a team starts from says about defaults what is so, and names nobody's bucket."""
    (site,) = read_sites(SHIPPED.read_text(encoding="utf-8"), str(SHIPPED))
    domains = (Domain("replace-with-your-domain.example"),)
    assert Site(name="replace-with-your-bucket", bucket="replace-with-your-bucket", domains=domains) == site


def test_the_examples_of_the_shipped_file_are_valid() -> None:
    """Three whole sites: taken out of their comments they can be deployed."""
    _, _, examples = SHIPPED.read_text(encoding="utf-8").partition("# A static website, a single-page app")
    lines = examples.split("\n")[2:]
    sites = read_sites("sites:\n" + "\n".join(line.removeprefix("#") for line in lines))
    assert ["acme-web:site/", "acme-shop", "acme-img"] == [site.name for site in sites]
    assert [4, 1, 2] == [len(site.rules) for site in sites]


def test_a_bucket_and_a_domain_are_enough() -> None:
    """Everything else has a default."""
    assert (Site(name="content", bucket="content", domains=(Domain("static.example.com"),)),) == read_sites(HEAD)


def test_every_field_is_taken_over() -> None:
    """What the file says stands in the site; short forms stand before its rules, or behind them."""
    text = """
    sites:
      - name: images
        bucket: content
        domains:
          - Static.example.com.
          - {name: 图.example.com, custom_cache_key: true}
        prefix: 图片/
        path: /img/%E4%B8%AD/
        scheme: http
        exclude: ["*.tmp"]
        index: index.html
        rules:
          - keys: ["*.jpg"]
            urls: ["{url}!thumb"]
            every_query: ["{url}"]
            directories: ["{dir}"]
          - name: assets
            created: ignore
            removed: refresh
            new: prefetch
        created: refresh-then-prefetch
        removed: ignore
        new: prefetch
        spellings: [strict, raw]
        whole_domain: true
        when_spent: directory
    """
    expected = Site(
        name="images",
        bucket="content",
        domains=(Domain("static.example.com"), Domain("xn--wcs.example.com", custom_cache_key=True)),
        prefix="图片/",
        path="/img/%E4%B8%AD/",
        scheme="http",
        rules=(
            Rule("exclude", ("*.tmp",), created=Then.IGNORE, removed=ThenRemoved.IGNORE, new=Then.IGNORE),
            Rule("index", ("index.html",), urls=("{dir}",)),
            Rule("rules[0]", ("*.jpg",), urls=("{url}!thumb",), every_query=("{url}",), directories=("{dir}",)),
            Rule("assets", created=Then.IGNORE, removed=ThenRemoved.REFRESH, new=Then.PREFETCH),
        ),
        created=Then.REFRESH_THEN_PREFETCH,
        removed=ThenRemoved.IGNORE,
        new=Then.PREFETCH,
        spellings=(Spelling.STRICT, Spelling.RAW),
        whole_domain=True,
        when_spent=WhenSpent.DIRECTORY,
    )
    assert (expected,) == read_sites(text)


def test_what_is_not_included_is_ignored() -> None:
    """`include` is short for a last rule, beside which nothing is done about keys that no rule names."""
    (site,) = read_sites(f"{HEAD}    include: ['*.css']\n    removed: ignore\n    new: prefetch\n")
    rule = Rule("include", ("*.css",), created=Then.REFRESH, removed=ThenRemoved.IGNORE, new=Then.PREFETCH)
    assert (Then.IGNORE, ThenRemoved.IGNORE, None, (rule,)) == (site.created, site.removed, site.new, site.rules)


@pytest.mark.parametrize(
    ("fields", "key", "paths"),
    [
        ("", "a b.js", ["/a%20b.js"]),
        ("prefix: docs/", "docs/a.js", ["/docs/a.js"]),
        ('prefix: "[a]/"', "[a]/b", ["/[a]/b", "/%5Ba%5D/b"]),
        ("prefix: 中/", "中/a", ["/%E4%B8%AD/a"]),
        ("prefix: docs/\n    path: /", "docs/a.js", ["/a.js"]),
        ("prefix: docs/v\n    path: /v", "docs/v1", ["/v1"]),
        ("path: /static/", "a.js", ["/static/a.js"]),
    ],
)
def test_without_a_path_urls_show_the_keys(fields: str, key: str, paths: list[str]) -> None:
    """The prefix is a part of the key, spelled like the rest, unless the file puts a path in its place."""
    assert paths == [path for site in read_sites(f"{HEAD}    {fields}\n") for path in own_paths(key, site)]


@pytest.mark.parametrize(
    ("fields", "name"), [("", "content"), ("prefix: docs/", "content:docs/"), ("name: a\n    prefix: docs/", "a")]
)
def test_a_site_is_named_by_what_it_serves(fields: str, name: str) -> None:
    """Without a name a site is called by its bucket and prefix."""
    assert [name] == [site.name for site in read_sites(f"{HEAD}    {fields}\n")]


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    """One reading of the message mends the whole file."""
    text = """\
sites:
  - bucket: My_Bucket
    domains:
      - static.example.com
      - img.example.com/
    created: refersh
    remove: ignore
  - domains: [docs.example.com]
    path: docs
"""
    assert [
        "line 2: sites[0].bucket: 'My_Bucket' is no name of a bucket (3 to 63 lower-case letters, digits and hyphens)",
        (
            "line 5: sites[0].domains[1]: 'img.example.com/' is no domain name, without scheme, port and path; "
            "write img.example.com"
        ),
        "line 6: sites[0].created: expected one of refresh, prefetch, refresh-then-prefetch, ignore, got 'refersh'",
        "line 7: sites[0].remove: unknown field; did you mean 'removed'?",
        "line 8: sites[1].bucket: is missing",
        "line 9: sites[1].path: 'docs' must begin with `/`",
    ] == faults(text)


def test_the_message_begins_with_the_file() -> None:
    """The person who reads the message knows which file to open, and how much is wrong."""
    with pytest.raises(Invalid) as caught:
        read_sites("sites: []", "functions/sites.yml")
    assert str(caught.value).startswith("functions/sites.yml: 1 fault\n  - line 1: ")


# lines of one site below its domains (line 4 on) -> where, and a part of what is said
FAULTS = [
    ("prefix: /docs/", "line 4: sites[0].prefix: '/docs/' begins with `/`, as no key does; write 'docs/'"),
    (f"prefix: {'x' * 1_024}", f"line 4: sites[0].prefix: '{'x' * 79} is longer than a key can be"),
    ("prefix: 5", 'line 4: sites[0].prefix: YAML does not take that for a text; write "5"'),
    ("scheme: ftp", "line 4: sites[0].scheme: 'ftp' is neither http nor https"),
    ("path: img/", "line 4: sites[0].path: 'img/' must begin with `/`"),
    ("path: /a b/", "line 4: sites[0].path: '/a b/' has ' ', which must be percent-encoded: %20"),
    ("path: /%zz/", "line 4: sites[0].path: '/%zz/' has a `%` without two hexadecimal digits"),
    ("path: '/a?b/'", "line 4: sites[0].path: '/a?b/' is a path: without a query"),
    (
        "path: /img",
        "line 4: sites[0].path: must end with `/`, since it takes the place of the prefix ''; write '/img/'",
    ),
    ("prefix: docs/\n    path: /img", "line 5: sites[0].path: must end with `/`"),
    (
        "prefix: docs\n    path: /",
        (
            "line 5: sites[0].path: '/' ends with `/` and the prefix 'docs' does not, so docs/a.js would be //a.js, "
            "and docs-old/b.js /-old/b.js; write `prefix: docs/`"
        ),
    ),
    ("index: docs/index.html", "line 4: sites[0].index: 'docs/index.html' is no file name"),
    ("index: '*.html'", "line 4: sites[0].index: '*.html' is no file name"),
    ("spellings: []", "line 4: sites[0].spellings: needs at least one"),
    ("spellings: [raw, raw]", "line 4: sites[0].spellings[1]: 'raw' is listed twice"),
    (
        "spellings: [utf-8]",
        "line 4: sites[0].spellings[0]: expected one of browser, strict, uri, component, raw, lower-case, got 'utf-8'",
    ),
    ("include: '*.jpg'", "line 4: sites[0].include: expected a list, got '*.jpg'; write ['*.jpg']"),
    ("include:\n    - a\n    - 7", 'line 6: sites[0].include[1]: YAML does not take that for a text; write "7"'),
    ("exclude: {a: b}", "line 4: sites[0].exclude: expected a list, got {'a': 'b'}"),
    (
        "include: ['^img/.*$']",
        "line 4: sites[0].include[0]: '^img/.*$' looks like a regular expression (`^`); patterns",
    ),
    ("exclude: ['a\\.jpg']", "line 4: sites[0].exclude[0]: 'a\\\\.jpg' looks like a regular expression (a backslash)"),
    ("exclude: ['[0-9].js']", "line 4: sites[0].exclude[0]: '[0-9].js' looks like a regular expression (a set of"),
    ("exclude: ['!a.js']", "line 4: sites[0].exclude[0]: '!a.js' begins with `!`"),
    ("exclude: ['./a.js']", "line 4: sites[0].exclude[0]: './a.js' begins with `./`, as no key does; write '/a.js'"),
    ("exclude: ['*.{jpg,png}']", "line 4: sites[0].exclude[0]: '*.{jpg,png}' has a choice in braces"),
    ("exclude: ['{name}.js']", "line 4: sites[0].exclude[0]: '{name}.js' has a part of a path in braces; write '*.js'"),
    ("exclude: ['/']", "line 4: sites[0].exclude[0]: '/' is no pattern; `**` fits every key"),
    ("prefix: 'img/*'", "line 4: sites[0].prefix: 'img/*' is no pattern, but what keys begin with; wildcards stand in"),
    ("prefix: ' img/'", "line 4: sites[0].prefix: ' img/' begins or ends with a space; write 'img/'"),
    ("prefix: “img/”", "line 4: sites[0].prefix: '“img/”' has quotes as a part of it; write \"img/\""),
    ("prefix: 'oss://content/img/'", "line 4: sites[0].prefix: 'oss://content/img/' is a URL, and keys begin with"),
    (
        "prefix: img/../css/",
        "line 4: sites[0].prefix: 'img/../css/' has a segment `.` or `..`, which leads nowhere in a",
    ),
    (
        "prefix: 'site\\'",
        "line 4: sites[0].prefix: 'site\\\\' has a backslash, and folders of keys end with `/`; write",
    ),
    (
        "prefix: static.example.com/a/",
        "line 4: sites[0].prefix: 'static.example.com/a/' begins with a domain, as no key",
    ),
    ("prefix: 010", 'line 4: sites[0].prefix: YAML does not take that for a text; write "010"'),
    ("exclude: [1.10]", 'line 4: sites[0].exclude[0]: YAML does not take that for a text; write "1.10"'),
    ("index: true", 'line 4: sites[0].index: YAML does not take that for a text; write "true"'),
    (
        "index: a.html, b.html",
        "line 4: sites[0].index: 'a.html, b.html' is no file name such as index.html: one, without",
    ),
    (
        "path: https://static.example.com/a/",
        "line 4: sites[0].path: 'https://static.example.com/a/' is a URL; write the",
    ),
    ("path: //a/", "line 4: sites[0].path: '//a/' has `//`; write '/a/'"),
    (
        "created:",
        "line 4: sites[0].created: expected one of refresh, prefetch, refresh-then-prefetch, ignore, got nothing",
    ),
    (
        "spellings: raw, strict",
        "line 4: sites[0].spellings: expected a list, got 'raw, strict'; write ['raw', 'strict']",
    ),
    (
        "custom_cache_key: true",
        "line 4: sites[0].custom_cache_key: unknown field; it stands beside the name of a domain",
    ),
    (
        "rules: [{created: ignore, when_spent: directory}]",
        "line 4: sites[0].rules[0].when_spent: unknown field; it stands beside `rules`, for all of them",
    ),
    ("exclude: [tmp/]", "line 4: sites[0].exclude[0]: 'tmp/' fits only the object that stands for the folder itself; "),
    ("exclude: [“*.jpg”]", "line 4: sites[0].exclude[0]: '“*.jpg”' has quotes as a part of it; write \"*.jpg\""),
    (
        "exclude: ['*.a, *.b']",
        'line 4: sites[0].exclude[0]: \'*.a, *.b\' is 2 patterns in one text; write "*.a", "*.b"',
    ),
    ("exclude: ['*.a *.b']", 'line 4: sites[0].exclude[0]: \'*.a *.b\' is 2 patterns in one text; write "*.a", "*.b"'),
    (
        "exclude: ['*.jpg?x=1']",
        "line 4: sites[0].exclude[0]: '*.jpg?x=1' has a query, as no key does; write '*.jpg' under `keys`, and",
    ),
    (
        "exclude: ['https://static.example.com/a/*']",
        "line 4: sites[0].exclude[0]: 'https://static.example.com/a/*' is a URL, and keys begin with neither a scheme",
    ),
    (
        "exclude: [Static.example.com/a/**]",
        "line 4: sites[0].exclude[0]: 'Static.example.com/a/**' begins with a domain, as no key does; write 'a/**'",
    ),
    ("exclude: ['a/../b.js']", "line 4: sites[0].exclude[0]: 'a/../b.js' has a segment `.` or `..`, which leads nowh"),
    (
        "rules: [{name: include, created: ignore}]",
        "line 4: sites[0].rules[0].name: 'include' is what logs call a short form; choose another",
    ),
    ("rules: {keys: [a.js]}", "line 4: sites[0].rules: expected a list, got {'keys': ['a.js']}; put `- ` before the"),
    ("whole_domain: 1", "line 4: sites[0].whole_domain: expected true or false, got 1"),
    (f"exclude: ['{'x' * 1_024}']", f"line 4: sites[0].exclude[0]: '{'x' * 79} is longer than a key can be"),
    (
        "prefix: docs/\n    exclude: ['img/**']",
        (
            "line 5: sites[0].exclude[0]: 'img/**' can never fit: it is held against whole keys, and those of "
            "this site begin with 'docs/'; write 'docs/img/**'"
        ),
    ),
    (
        "prefix: docs/\n    rules: [{keys: [/index.html], urls: ['{dir}']}]",
        "line 5: sites[0].rules[0].keys[0]: '/index.html' can never fit: it is held against whole keys",
    ),
    (
        "exclude: [*.tmp]",
        "line 4: not YAML: expected alphabetic or numeric character, but found '.'; put what begins with `*` in quo",
    ),
    (
        "exclude:\n      - *.tmp",
        "line 5: not YAML: expected alphabetic or numeric character, but found '.'; put what begins",
    ),
    (
        "rules:\n      - urls: [{url}!thumb]",
        "line 5: not YAML: expected ',' or ']', but got '<tag>'; put what begins with `{`",
    ),
    (
        "rules:\n      - urls: [{dir}]",
        'line 5: sites[0].rules[0].urls[0]: YAML takes braces for a mapping; put them in quotes: "{dir}"',
    ),
    (
        "rules:\n      - urls: ['!thumb']",
        "line 5: sites[0].rules[0].urls[0]: '!thumb' says nothing of the path; write '{url}!thumb'",
    ),
    (
        "rules:\n      - urls: ['?x-oss-process=style/a']",
        "line 5: sites[0].rules[0].urls[0]: '?x-oss-process=style/a' says nothing of",
    ),
    ("rules:\n      - urls: ['{url}?x=%zz']", "line 5: sites[0].rules[0].urls[0]: '{url}?x=%zz' has a `%` without"),
    ("rules:\n      - directories: ['{url}']", "line 5: sites[0].rules[0].directories[0]: '{url}' must end with `/`"),
    (
        "rules:\n      - directories: [/]",
        "line 5: sites[0].rules[0].directories[0]: '/' may be all of the domain; name a folder, or",
    ),
    (
        "rules:\n      - {keys: ['*.m3u8'], directories: ['{dir}']}",
        "line 5: sites[0].rules[0].directories[0]: '{dir}' may be all of the domain; name a folder, or say `whole",
    ),
    (
        "rules:\n      - keys: ['*.js']",
        "line 5: sites[0].rules[0]: says nothing; give it one of urls, every_query, directories, created",
    ),
    ("rules:\n      - {keys: [], created: ignore}", "line 5: sites[0].rules[0].keys: names no key; leave it away"),
    (
        "rules:\n      - {key: ['*.js'], created: ignore}",
        "line 5: sites[0].rules[0].key: unknown field; did you mean 'keys'?",
    ),
    (
        "rules:\n      - {created: no}",
        "line 5: sites[0].rules[0].created: YAML reads that as false; write `created: ignore`",
    ),
    ("rules: [7]", "line 4: sites[0].rules[0]: expected a mapping, got 7"),
    ("created: prefetch-then-refresh", "line 4: sites[0].created: expected one of refresh, prefetch,"),
    ("created: yes", "line 4: sites[0].created: YAML reads that as true; write `created: refresh`"),
    ("new: no", "line 4: sites[0].new: YAML reads that as false; write `new: ignore`"),
    ("removed: prefetch", "line 4: sites[0].removed: expected one of refresh, ignore"),
    ("new: 1", "line 4: sites[0].new: expected"),
    ("when_spent: never", "line 4: sites[0].when_spent: expected one of wait, directory"),
    ("variants: ['!thumb']", "line 4: sites[0].variants: unknown field; did you mean 'rules'?"),
    ("unescaped: '!'", "line 4: sites[0].unescaped: unknown field; did you mean 'spellings'?"),
    ("prefx: docs/", "line 4: sites[0].prefx: unknown field; did you mean 'prefix'?"),
    ("zzz: 1", "line 4: sites[0].zzz: unknown field; known are bucket, domains"),
]


@pytest.mark.parametrize(("fields", "told"), FAULTS)
def test_each_kind_of_fault_is_told(fields: str, told: str) -> None:
    """A fault says where it is and what would be right; nothing else is complained of."""
    (fault,) = faults(f"{HEAD}    {fields}\n")
    assert told == fault[: len(told)]


def test_a_slip_of_one_letter_is_told_with_the_word_that_was_meant() -> None:
    """And what is missing for it."""
    text = "sites:\n  - bucket: content\n    domain: static.example.com\n"
    assert [
        "line 2: sites[0].domains: is missing",
        "line 3: sites[0].domain: unknown field; did you mean 'domains'?",
    ] == faults(text)


@pytest.mark.parametrize(
    "fields",
    [
        "whole_domain: true\n    rules: [{directories: [/]}]",
        "whole_domain: false\n    rules: [{directories: ['{dir}']}]",
        "rules: [{keys: ['vod/**/*.m3u8'], directories: ['{dir}']}]",
        "path: /v1/\n    rules: [{directories: ['{dir}', '{folder}/']}]",
        "prefix: docs/\n    rules: [{directories: ['{dir}']}]",
    ],
)
def test_what_cannot_be_a_whole_domain_or_is_allowed_is_taken(fields: str) -> None:
    """A file that says so either way, and rules of keys that lie in folders."""
    assert read_sites(f"{HEAD}    {fields}\n")


def test_a_custom_cache_key_may_mean_a_whole_domain() -> None:
    """The directory of what lies at the top is all of the domain, which the file has to allow or forbid."""
    text = "sites:\n  - bucket: content\n    domains: [{name: a.example.com, custom_cache_key: true}]\n"
    (fault,) = faults(text)
    assert fault.startswith("line 2: sites[0].whole_domain: is missing: on a.example.com only directories")
    assert read_sites(text + "    whole_domain: false\n")
    assert read_sites(text + "    prefix: docs/\n")


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        ("'*.example.com'", "'*.example.com': the CDN refreshes no wildcard; name the sub-domains"),
        ("{name: .a.example.com}", "'.a.example.com': the CDN refreshes no wildcard; name the sub-domains"),
        ("my.oss-cn-hangzhou.aliyuncs.com", "'my.oss-cn-hangzhou.aliyuncs.com' is an endpoint of OSS"),
    ],
)
def test_only_accelerated_domains_are_taken(domain: str, told: str) -> None:
    """What can never be refreshed is refused at once, with its line."""
    (fault,) = faults(f"sites:\n  - bucket: content\n    domains: [{domain}]\n")
    start = f"line 3: sites[0].domains[0]: {told}"
    assert start == fault[: len(start)]


def test_a_domain_that_is_no_text_is_refused() -> None:
    """Numbers and unknown members of a domain are told."""
    text = "sites:\n  - bucket: content\n    domains:\n      - 5\n      - {name: a.com, cached: true}\n      - {}\n"
    starts = (
        "line 4: sites[0].domains[0]: YAML does not take that for a text",
        "line 4: sites[0].domains[0]: '5' is no domain name",
        "line 5: sites[0].domains[1].cached: unknown field",
        "line 6: sites[0].domains[2].name: is missing",
    )
    assert list(starts) == [fault[: len(start)] for fault, start in zip(faults(text), starts, strict=True)]


@pytest.mark.parametrize("other", ["A.example.com.", "{name: A.example.com., custom_cache_key: true}"])
def test_a_domain_is_listed_once(other: str) -> None:
    """The same domain twice in a site is a slip."""
    text = f"sites:\n  - bucket: content\n    domains:\n      - a.example.com\n      - {other}\n"
    assert "line 5: sites[0].domains[1]: 'A.example.com.' is listed twice" in faults(text)


def two(first: str, second: str) -> str:
    """Write a file of two sites of one domain."""
    site = "  - bucket: content\n    domains: [static.example.com]\n    "
    return f"sites:\n{site}{first}\n{site}{second}\n"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("scheme: http", "scheme: http", "says the same as sites[0]; leave one of them away"),
        ("scheme: http", "index: a.html", "has the bucket and prefix of sites[0]; write its domains and rules there"),
        ("name: one", "name: one\n    prefix: docs/", "two sites are called 'one'; give each its own `name`"),
    ],
)
def test_a_site_comes_once(first: str, second: str, told: str) -> None:
    """Where it comes again, what to do depends on what it says."""
    (fault,) = faults(two(first, second))
    assert fault.startswith(f"line 5: sites[1]: {told}")


def test_two_sites_may_share_a_domain() -> None:
    """A task of each may have the same URL, which one unit covers."""
    sites = read_sites(
        two("name: one", "name: two\n    domains: [Static.Example.com.]".replace("\n    domains", "\n    # domains"))
    )
    assert [(Domain("static.example.com"),)] * 2 == [site.domains for site in sites]


def test_a_domain_has_a_custom_cache_key_or_not() -> None:
    """Whichever site names it."""
    text = "sites:\n  - {bucket: content, name: one, domains: [a.example.com]}\n"
    text += "  - {bucket: content, name: two, prefix: d/, domains: [{name: a.example.com, custom_cache_key: true}]}\n"
    (fault,) = faults(text)
    assert fault.startswith("line 3: sites[1].domains[0]: a.example.com has a custom cache key in one site and none in")


def test_sites_that_contradict_each_other_are_refused() -> None:
    """The same keys under the same URLs with different actions, and no patterns that tell them apart."""
    (fault,) = faults(two("name: one", "name: two\n    created: prefetch"))
    assert fault.startswith(
        "line 5: sites[1]: is about the same keys and URLs as site 'one', and asks for something else"
    )
    assert read_sites(two("name: one", "name: two\n    prefix: docs/\n    created: prefetch"))
    assert read_sites(two("name: one", "name: two\n    rules: [{keys: ['*.css'], created: prefetch}]"))


def test_what_is_left_of_the_shipped_file_is_refused_beside_what_is_real() -> None:
    """A bucket or a domain that nobody has."""
    text = "sites:\n  - {bucket: replace-with-your-bucket, domains: [static.example.com]}\n"
    text += "  - {bucket: content, domains: [replace-with-your-domain.example]}\n"
    assert [
        "line 2: sites[0].bucket: is the shipped file's; write the bucket whose objects are served",
        "line 3: sites[1].domains[0]: is the shipped file's; write the accelerated domain that users ask",
    ] == faults(text)


def test_a_site_needs_a_domain() -> None:
    """An empty list of domains is told."""
    assert ["line 3: sites[0].domains: needs at least one accelerated domain"] == faults(
        "sites:\n  - bucket: content\n    domains: []\n"
    )


def test_sites_have_different_names() -> None:
    """Outcomes are filed by site, so two of one name are refused; other prefixes make other names."""
    same = HEAD + HEAD.removeprefix("sites:\n")
    (fault,) = faults(same)
    assert "says the same as sites[0]" in fault
    assert 2 == len(read_sites(same + "    prefix: docs/\n"))
