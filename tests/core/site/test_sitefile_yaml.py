"""Site files as YAML: what cannot be read of them is told with its line, and any text ends in sites or faults."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.checked import Invalid
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Site

HEAD = "sites:\n  - bucket: content\n    domains: [static.example.com]\n"


def faults(text: str) -> list[str]:
    """Read a bad site file; its faults."""
    with pytest.raises(Invalid) as caught:
        read_sites(text)
    return caught.value.faults


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
        ("sites:\n  - {bucket: 'x}\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("sites: *nowhere\n", 1),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int) -> None:
    """A slip of indentation is found without searching."""
    (fault,) = faults(text)
    assert f"line {line}: not YAML: " == fault.partition("YAML: ")[0] + "YAML: "


WANTED = "a site file begins with `sites:`, and below it `  - bucket: …` for each site"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", f"nothing in the file; {WANTED}"),
        ("# none\n", f"nothing in the file; {WANTED}"),
        ("sites:\n", f"sites: expected a list of at least one site, got nothing; {WANTED}"),
        ("sites: []\n", f"sites: expected a list of at least one site, got []; {WANTED}"),
        ("sites: {}\n", f"sites: expected a list of at least one site, got {{}}; {WANTED}"),
        (
            "sites:\n  bucket: a\n",
            "sites: expected a list of at least one site, got {'bucket': 'a'}; put `- ` before the first field of each",
        ),
        ("[]\n", f"expected a mapping, got []; {WANTED}"),
        ("7\n", f"expected a mapping, got 7; {WANTED}"),
        ("- sites\n", f"expected a mapping, got ['sites']; {WANTED}"),
        ("bucket: a\n", f"no field `sites`, but ['bucket']; {WANTED}"),
        ("site: []\n", "site: unknown field; did you mean 'sites'?"),
        ("Sites: []\n", "Sites: unknown field; did you mean 'sites'?"),
    ],
)
def test_a_file_without_sites_is_refused(text: str, told: str) -> None:
    """A deployment that watches nothing is a mistake; what a file needs is said."""
    (fault,) = faults(text)
    assert fault.startswith(f"line 1: {told}")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("sites: []".encode("utf-16"), "line 1: is UTF-16; save the file as UTF-8"),
        (b"# site\n# caf\xe9\n", "line 2: not UTF-8 at byte 12; save the file as UTF-8"),
        (b"#" * 2_000_001, "is longer than 2,000,000 bytes; patterns say much in few rules"),
    ],
)
def test_a_file_that_is_no_text_is_refused(data: bytes, told: str) -> None:
    """With what to do, and before anything of it is read."""
    with pytest.raises(Invalid) as caught:
        read_sites(data, "sites.yml")
    assert ("sites.yml", [told]) == (caught.value.subject, caught.value.faults)


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    """Editors write one."""
    assert read_sites(HEAD) == read_sites(b"\xef\xbb\xbf" + HEAD.encode())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("\tprefix: a/", "line 4: not YAML: it begins with a tab; indent with spaces"),
        ("    rules:\n      - keys: [!thumb]\n        created: ignore", 'quotes: "!thumb"'),
        ("   prefix: a/", "; indent the fields of one thing alike"),
        ("    prefix: a: b", "; put a text that has `: ` in quotes, and indent alike what belongs together"),
        ("    prefix: 'a", "line 4: not YAML: found unexpected end of stream; close the quotes that begin there"),
        ("    created refresh\n    index: a", "; behind the name of a field come `:` and a space"),
        ("    exclude: [a, b\n    index: x", "; put commas between, and close the bracket or brace that begins there"),
        ("    exclude: [a, ", "; close the bracket or brace that begins there"),
    ],
)
def test_what_is_no_yaml_comes_with_what_to_write(fields: str, told: str) -> None:
    """YAML's own words, and a remedy."""
    (fault,) = faults(f"{HEAD}{fields}\n")
    assert told in fault


def test_the_line_is_that_of_what_lacks_quotes() -> None:
    """YAML notices a line later."""
    (fault,) = faults(f"{HEAD}    rules:\n      - keys: [!thumb]\n        created: ignore\n")
    assert fault.startswith("line 5: not YAML")


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
    assert [("content", ("*.tmp",)), ("docs", ("*.tmp",))] == [
        (site.name, site.rules[0].keys) for site in read_sites(text)
    ]


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
        ("index: " + "9" * 5_000, 'sites[0].index: YAML does not take that for a text; write "9999'),
        ("index: !!binary eA==", "sites[0].index: cannot be used: YAML takes it for !!binary"),
        ("index: !!set {a}", "sites[0].index: cannot be used: YAML takes it for !!set"),
        ("index: !!omap [a: b]", "sites[0].index: cannot be used: YAML takes it for !!omap"),
        ("index: !!python/name:os.system x", "sites[0].index: cannot be used: YAML takes it for !!python/name:os.s"),
        ("index: !mine x", "sites[0].index: cannot be used: YAML takes it for !mine"),
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
    *(
        "bucket: ",
        "domains: ",
        "prefix: ",
        "rules: ",
        "keys: ",
        "urls: ",
        "name: ",
        "content",
        "a.example.com",
        "x",
        "~",
        "=",
        "-",
        "%",
    ),
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
        "{dir}",
        "*.tmp",
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
