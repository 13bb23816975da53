"""Site files: what is read from a good one, and every fault of a bad one with its line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.checked import Invalid
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Domain, Site, Then, ThenRemoved, Variant

SHIPPED = Path(__file__).parents[3] / "functions" / "sites.yml"

HEAD = "sites:\n  - bucket: content\n    domains: [static.example.com]\n"


def faults(text: str) -> list[str]:
    """Read a bad site file; its faults."""
    with pytest.raises(Invalid) as caught:
        read_sites(text)
    return caught.value.faults


def test_the_shipped_file_is_valid_and_shows_the_defaults() -> None:
    """The file that a team starts from can be deployed, and says about defaults what is so."""
    (site,) = read_sites(SHIPPED.read_text(encoding="utf-8"), str(SHIPPED))
    domains = (Domain("static.example.com"),)
    assert Site(name="my-content-bucket", bucket="my-content-bucket", domains=domains) == site


def test_a_bucket_and_a_domain_are_enough() -> None:
    """Everything else has a default."""
    assert (Site(name="content", bucket="content", domains=(Domain("static.example.com"),)),) == read_sites(HEAD)


def test_every_field_is_taken_over() -> None:
    """What the file says stands in the site."""
    text = """
    sites:
      - name: images
        bucket: content
        domains:
          - static.example.com
          - {name: img.example.com, custom_cache_key: true}
        prefix: 图片/
        path: /img/%E4%B8%AD/
        scheme: http
        include: ["*.jpg"]
        exclude: [".git/**"]
        index: index.html
        variants:
          - x-oss-process=image/resize,w_100
          - {query: v=2, match: ["*.jpg"]}
        created: refresh-then-prefetch
        removed: ignore
        new: prefetch
        unescaped: "!+@"
    """
    expected = Site(
        name="images",
        bucket="content",
        domains=(Domain("static.example.com"), Domain("img.example.com", custom_cache_key=True)),
        prefix="图片/",
        path="/img/%E4%B8%AD/",
        scheme="http",
        include=("*.jpg",),
        exclude=(".git/**",),
        index="index.html",
        variants=(Variant("x-oss-process=image/resize,w_100"), Variant("v=2", ("*.jpg",))),
        created=Then.REFRESH_THEN_PREFETCH,
        removed=ThenRemoved.IGNORE,
        new=Then.PREFETCH,
        unescaped="!+@",
    )
    assert (expected,) == read_sites(text)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ("", "/"),
        ("prefix: docs/", "/docs/"),
        ("prefix: 中/a b+c/", "/%E4%B8%AD/a%20b%2Bc/"),
        ('prefix: "a+b/"\n    unescaped: "+"', "/a+b/"),
        ('prefix: "图\\u3000片/"', "/%E5%9B%BE%E3%80%80%E7%89%87/"),
        ('prefix: "👩\\u200d👧/"', "/%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7/"),
        ("prefix: docs/v", "/docs/v"),
        ("prefix: docs/\n    path: /", "/"),
        ("prefix: docs/v\n    path: /v", "/v"),
    ],
)
def test_without_a_path_urls_show_the_keys(fields: str, path: str) -> None:
    """The path is the prefix, percent-encoded as keys are, unless the file says otherwise."""
    assert [path] == [site.path for site in read_sites(f"{HEAD}    {fields}\n")]


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
        "line 2: sites[0].bucket: 'My_Bucket' is no bucket name (3 to 63 lower-case letters, digits and hyphens)",
        "line 5: sites[0].domains[1]: 'img.example.com/' is no domain name (lower case, without scheme, port or path)",
        "line 6: sites[0].created: expected one of refresh, prefetch, refresh-then-prefetch, ignore, got 'refersh'",
        "line 7: sites[0].remove: unknown field; did you mean 'removed'?",
        "line 8: sites[1].bucket: is missing",
        "line 9: sites[1].path: 'docs' must begin with `/` and be percent-encoded",
        "line 9: sites[1].path: must end with `/`, since it takes the place of the prefix ''",
    ] == faults(text)


def test_the_message_begins_with_the_file() -> None:
    """The person who reads the message knows which file to open, and how much is wrong."""
    with pytest.raises(Invalid) as caught:
        read_sites("sites: []", "functions/sites.yml")
    assert str(caught.value).startswith("functions/sites.yml: 1 fault\n  - line 1: ")


# lines of one site below its domains (line 4 on) -> where, and a part of what is said
FAULTS = [
    ("prefix: /docs/", "line 4: sites[0].prefix: must not begin with `/`"),
    (f"prefix: {'x' * 1_024}", "line 4: sites[0].prefix: must not begin with `/` (keys do not) nor be longer"),
    ("prefix: 5", "line 4: sites[0].prefix: expected `str`, got 5"),
    ("scheme: ftp", "line 4: sites[0].scheme: 'ftp' is neither http nor https"),
    ("path: img/", "line 4: sites[0].path: 'img/' must begin with `/`"),
    ("path: /a b/", "line 4: sites[0].path: '/a b/' must begin with `/` and be percent-encoded"),
    ("path: /%zz/", "line 4: sites[0].path: '/%zz/' must begin with `/` and be percent-encoded"),
    ("path: '/a?b/'", "line 4: sites[0].path: '/a?b/' must begin with `/` and be percent-encoded"),
    ("path: /img", "line 4: sites[0].path: must end with `/`"),
    ("prefix: docs/\n    path: /img", "line 5: sites[0].path: must end with `/`"),
    ("index: docs/index.html", "line 4: sites[0].index: 'docs/index.html' is a file name"),
    ("unescaped: '%'", "line 4: sites[0].unescaped: may only hold"),
    ("unescaped: '?#'", "line 4: sites[0].unescaped: may only hold"),
    ("include: '*.jpg'", "line 4: sites[0].include: expected a list, got '*.jpg'"),
    ("include:\n    - a\n    - 7", "line 6: sites[0].include[1]: expected `str`, got 7"),
    ("exclude: {a: b}", "line 4: sites[0].exclude: expected a list, got {'a': 'b'}"),
    ("variants: ['?w=1 2']", "line 4: sites[0].variants[0]: '?w=1 2' is no query string"),
    ('variants: ["a=1\\nhttps://evil.example.com/"]', "line 4: sites[0].variants[0]: "),
    ("variants:\n      - {query: ''}", "line 5: sites[0].variants[0]: '' is no query string"),
    ("variants:\n      - {match: ['*']}", "line 5: sites[0].variants[0].query: is missing"),
    ("created: prefetch-then-refresh", "line 4: sites[0].created: expected one of refresh, prefetch,"),
    ("removed: prefetch", "line 4: sites[0].removed: expected one of refresh, ignore"),
    ("new: 1", "line 4: sites[0].new: expected"),
    ("prefx: docs/", "line 4: sites[0].prefx: unknown field; did you mean 'prefix'?"),
    ("zzz: 1", "line 4: sites[0].zzz: unknown field; known are bucket, created, domains"),
]


@pytest.mark.parametrize(("fields", "told"), FAULTS)
def test_each_kind_of_fault_is_told(fields: str, told: str) -> None:
    """A fault says where it is and what would be right; nothing else is complained of."""
    (fault,) = faults(f"{HEAD}    {fields}\n")
    assert told == fault[: len(told)]


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        ("'*.example.com'", "'*.example.com': the CDN refreshes no wildcard"),
        ("Static.example.com", "'Static.example.com' is no domain name"),
        ("static.example.com/", "'static.example.com/' is no domain name"),
        ("static.example.com:443", "'static.example.com:443' is no domain name"),
        ("localhost", "'localhost' is no domain name"),
        ("10.0.0.1", "'10.0.0.1' is no domain name"),
        ("中文.com", "'中文.com' is no domain name"),
        ("my.oss-cn-hangzhou.aliyuncs.com", "'my.oss-cn-hangzhou.aliyuncs.com' is an endpoint of OSS"),
        ('"a.example.com\\nb.example.com"', "'a.example.com\\nb.example.com' is no domain name"),
        ("{name: '*.a.example.com'}", "'*.a.example.com': the CDN refreshes no wildcard"),
    ],
)
def test_only_accelerated_domains_are_taken(domain: str, told: str) -> None:
    """Wildcards, URLs, addresses and OSS's own endpoints can never be refreshed, so they are refused at once."""
    (fault,) = faults(f"sites:\n  - bucket: content\n    domains: [{domain}]\n")
    start = f"line 3: sites[0].domains[0]: {told}"
    assert start == fault[: len(start)]


def test_a_domain_that_is_no_text_is_refused() -> None:
    """Numbers and unknown members of a domain are told."""
    text = "sites:\n  - bucket: content\n    domains:\n      - 5\n      - {name: a.com, cached: true}\n      - {}\n"
    starts = (
        "line 4: sites[0].domains[0]: expected",
        "line 5: sites[0].domains[1].cached: unknown field",
        "line 6: sites[0].domains[2].name: is missing",
    )
    assert list(starts) == [fault[: len(start)] for fault, start in zip(faults(text), starts, strict=True)]


@pytest.mark.parametrize("other", ["a.example.com", "{name: a.example.com, custom_cache_key: true}"])
def test_a_domain_is_listed_once(other: str) -> None:
    """The same domain twice in a site is a slip."""
    text = f"sites:\n  - bucket: content\n    domains:\n      - a.example.com\n      - {other}\n"
    assert ["line 5: sites[0].domains[1]: 'a.example.com' is listed twice"] == faults(text)


def test_a_site_needs_a_domain() -> None:
    """An empty list of domains is told."""
    assert ["line 3: sites[0].domains: needs at least one accelerated domain"] == faults(
        "sites:\n  - bucket: content\n    domains: []\n"
    )


def test_sites_have_different_names() -> None:
    """Outcomes are filed by site, so two of one name are refused; other prefixes make other names."""
    same = HEAD + HEAD.removeprefix("sites:\n")
    (fault,) = faults(same)
    assert "two sites are called 'content'; give each its own `name`" in fault
    assert 2 == len(read_sites(same + "    prefix: docs/\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sites:\n  - bucket: a\n    bucket: b\n", "line 3: sites[0].bucket: is given twice"),
        ("sites: []\nsites: []\n", "line 2: sites: is given twice"),
    ],
)
def test_a_field_given_twice_is_told(text: str, told: str) -> None:
    """YAML would silently take the second."""
    assert told in faults(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sites:\n  - bucket: content\n   domains: []\n", 3),
        ("sites:\n\t- bucket: content\n", 2),
        ("sites: [\n", 2),
        ("sites:\n  - {bucket: 'x}\n", 3),
        ("a: 1\n---\nb: 2\n", 2),
        ("sites: *nowhere\n", 1),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int) -> None:
    """A slip of indentation is found without searching."""
    (fault,) = faults(text)
    assert f"line {line}: not YAML: " == fault.partition("YAML: ")[0] + "YAML: "


@pytest.mark.parametrize("text", ["", "# none\n", "sites:\n", "sites: []\n", "sites: {}\n", "[]\n", "7\n", "- sites\n"])
def test_a_file_without_sites_is_refused(text: str) -> None:
    """A deployment that watches nothing is a mistake."""
    assert ["line 1: expected a list of at least one site under `sites:`"] == faults(text)


@pytest.mark.parametrize("site", ["7", "text", "[]", "null"])
def test_a_site_is_a_mapping(site: str) -> None:
    """Anything else in the list is told."""
    (fault,) = faults(f"sites:\n  - {site}\n")
    assert fault.startswith("line 2: sites[0]: expected a mapping, got ")


def test_unknown_things_beside_the_sites_are_told() -> None:
    """A field of a site that slipped to the left is noticed."""
    (fault,) = faults(HEAD + "created: refresh\n")
    assert fault.startswith("line 4: created: unknown field; ")


def test_anchors_and_merges_are_understood() -> None:
    """Sites may share what they have in common, as YAML offers."""
    text = """\
sites:
  - &common
    bucket: content
    domains: [static.example.com]
    exclude: ["*.tmp"]
  - <<: *common
    name: docs
    prefix: docs/
"""
    assert [("content", ("*.tmp",)), ("docs", ("*.tmp",))] == [(site.name, site.exclude) for site in read_sites(text)]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]\n",
        "sites:\n  - &x {bucket: content, domains: [a.example.com], name: *x}\n",
    ],
)
def test_an_alias_of_itself_is_refused(text: str) -> None:
    """A file that contains itself ends with a sentence, not with a crash."""
    assert ["not usable: it is nested too deeply, or an alias contains itself"] == faults(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("sites:\x00", id="control character"),
        pytest.param(f"{HEAD}    prefix: 2024-13-45\n", id="looks like a date"),
        pytest.param(f"{HEAD}    prefix: 0x_\n", id="looks like a number"),
        pytest.param(f"{HEAD}    ? [a, b]\n    : c\n", id="list as a field's name"),
        pytest.param(f"{HEAD}    ? {{a: b}}\n    : c\n", id="mapping as a field's name"),
        pytest.param(f'{HEAD}    prefix: "\\uD800"\n', id="half a character"),
    ],
)
def test_no_text_ends_in_anything_but_faults(text: str) -> None:
    """Whatever stands in the file, what comes out is a list of faults."""
    assert faults(text)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("index: !!bool x", "sites[0].index: cannot be used: 'x' is no bool"),
        ("index: !!timestamp x", "sites[0].index: cannot be used: YAML takes it for !!timestamp; put it in quotes"),
        ("index: 2020-01-01", "sites[0].index: cannot be used: YAML takes it for !!timestamp; put it in quotes"),
        ("index: 2020-13-45", "sites[0].index: cannot be used: YAML takes it for !!timestamp; put it in quotes"),
        ('index: "\\uD800"', "sites[0].index: cannot be used: '\\ud800' holds half a character"),
        ('"\\uDFFF": 1', "sites[0].\udfff: cannot be used: '\\udfff' holds half a character"),
        ("index: !!int ''", "sites[0].index: cannot be used: '' is no int"),
        ("index: !!float x", "sites[0].index: cannot be used: 'x' is no float"),
        ("index: " + "9" * 5_000, "sites[0].index: cannot be used: '9999"),
        ("index: !!binary eA==", "sites[0].index: cannot be used: YAML takes it for !!binary"),
        ("index: !!set {a}", "sites[0].index: cannot be used: YAML takes it for !!set"),
        ("index: !!omap [a: b]", "sites[0].index: cannot be used: YAML takes it for !!omap"),
        ("index: !!python/name:os.system x", "sites[0].index: cannot be used: YAML takes it for !!python/name:os.s"),
        ("index: !mine x", "sites[0].index: cannot be used: YAML takes it for !!!mine"),
        ("index: !!str [x]", "sites[0].index: cannot be used: YAML takes it for !!str"),
        ("index: !!map x", "sites[0].index: cannot be used: YAML takes it for !!map"),
        ("? [a]\n    : b", "sites[0].?: cannot be used: a name is a text"),
    ],
)
def test_yaml_that_is_no_plain_data_is_told_with_its_line(line: str, told: str) -> None:
    """Whatever YAML makes of a value, it is a fault of the file, not of the program."""
    (fault,) = faults(f"{HEAD}    {line}\n")
    assert fault.startswith(f"line 4: {told}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("index: \x01", "line 4: not YAML: character U+0001 is not allowed"),
        ('index: "\\UFFFFFFFF"', "line 4: not YAML: "),
        ('index: "\\U00110000"', "line 4: not YAML: "),
        ("<<: 3", "line 4: not YAML: expected a mapping"),
    ],
)
def test_what_the_reader_stumbles_over_is_told_with_its_line(line: str, told: str) -> None:
    """Characters that do not exist, and merges of nothing."""
    (fault,) = faults(f"{HEAD}    {line}\n")
    assert fault.startswith(told)


def test_one_value_that_is_no_plain_data_hides_no_other() -> None:
    """Each has its line."""
    told = faults(f"{HEAD}    index: !!bool x\n    prefix: 2020-01-01\n    path: !!float x\n")
    assert ["line 4", "line 5", "line 6"] == [fault.partition(":")[0] for fault in told]


def test_aliases_that_multiply_are_refused() -> None:
    """Nine lines that stand for a billion texts are no site file."""
    names = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join(['*' + before] * 10)}]" for before, name in pairwise(names)]
    assert ["not usable: it is nested too deeply, or an alias contains itself"] == faults("\n".join(lines))


@pytest.mark.long
def test_what_is_nested_too_deeply_is_refused() -> None:
    """A thousand lists in one another are no site file."""
    (fault,) = faults("sites: " + "[" * 5_000 + "]" * 5_000)
    assert "nested too deeply" in fault


@pytest.mark.parametrize("name", ["a[b", "a]b[", "x" * 200 + "[.", "..", "[[1]"])
def test_any_name_of_a_field_has_a_line(name: str) -> None:
    """A name that looks like a path sends nobody in a circle."""
    (fault,) = faults(f"{HEAD}    '{name}': 1\n")
    assert fault.startswith(("line 4: sites[0].", "line 2: sites[0]."))
    assert "unknown field" in fault


PIECES = (
    *(
        "sites:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        ": ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a ",
        "<<: ",
        "? ",
        "| ",
        "> ",
        "# ",
    ),
    *("bucket: ", "domains: ", "prefix: ", "variants: ", "name: ", "content", "a.example.com", "x", "~", "=", "-", "%"),
    *(
        "!!bool ",
        "!!int ",
        "!!float ",
        "!!null ",
        "!!timestamp ",
        "!!binary ",
        "!!set ",
        "!!omap ",
        "!!pairs ",
        "!!str ",
    ),
    *(
        "!!seq ",
        "!!map ",
        "!!merge ",
        "!!value ",
        "!mine ",
        "!",
        "!<x> ",
        "2020-13-01",
        "1e999",
        ".nan",
        "0x",
        "1:60",
        "on",
    ),
    *(
        '"\\uD800"',
        '"\\U00110000"',
        '"\\x',
        "'",
        '"',
        "\x85",
        "\u2028",
        "\ufeff",
        "\x00",
        "---",
        "...",
        "%YAML 9.9",
        "9" * 99,
    ),
)


@pytest.mark.long
@settings(max_examples=600)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=24).map("".join), st.booleans())
def test_any_text_is_a_site_file_or_has_faults(text: str, headed: bool) -> None:  # noqa: FBT001 - a case
    """Whatever somebody writes, it is at least one site or a list of what is wrong, and never another exception."""
    try:
        found: tuple[Site, ...] | list[str] = read_sites(f"{HEAD}    {text}" if headed else text)
    except Invalid as error:
        found = error.faults
    assert found
