"""Paths as clients write them, held against independent implementations: a URL parser of browsers, and node's."""

from __future__ import annotations

import json
import shutil
import subprocess
from urllib.parse import quote, unquote

import ada_url
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.core.site.spelling import Spelling, encoders, has_dot_segments, spellings_of
from tests import strategies

PRINTABLE = tuple(map(chr, range(0x20, 0x7F)))
OTHERS = (
    "中",
    "é",
    "e\u0301",
    "🎉",
    "👩\u200d👩\u200d👧",
    "\u3000",
    "\u202e",
    "\xa0",
    "\x7f",
    "\x00",
    "\n",
    "\r\n",
    "\t",
)
MEANT = frozenset("/?#\\%")
"""What a parser does not take for a character of the path: these are always encoded, as a link to the key must."""
DIFFERING = "!$&'()*+,:;=@[]|"
ALL = tuple(Spelling)


def spelled(path: str, *spellings: Spelling) -> tuple[str, ...]:
    """Write a path in some spellings."""
    return spellings_of("/", path, encoders(spellings))


def parsed(path: str) -> str:
    """Write a path as a parser of browsers does."""
    return ada_url.URL("https://h.example.com/" + path).pathname


@pytest.mark.parametrize("character", [*(each for each in PRINTABLE if each not in MEANT), *OTHERS[:9]])
def test_browsers_spell_each_character_as_their_parser_does(character: str) -> None:
    """Every printable character of ASCII, and of what lies beyond it some of each kind."""
    path = f"a{character}b"
    assert parsed(path) == spelled(path, Spelling.BROWSER)[0]


@pytest.mark.parametrize("character", [*PRINTABLE, *OTHERS])
def test_strictly_all_but_unreserved_characters_are_encoded(character: str) -> None:
    """As the standard library has it, which knows RFC 3986."""
    assert ("/" + quote(f"a{character}b"),) == spelled(f"a{character}b", Spelling.STRICT)


@pytest.mark.parametrize("character", [*PRINTABLE, *OTHERS])
def test_a_uri_leaves_all_that_separates_as_it_is(character: str) -> None:
    """`encodeURI` of a path: the standard library's words for it."""
    assert ("/" + quote(f"a{character}b", safe="/!'()*;,:@&=+$"),) == spelled(f"a{character}b", Spelling.URI)


@pytest.mark.parametrize("character", [*PRINTABLE, *OTHERS])
def test_a_component_leaves_five_characters_more_as_they_are(character: str) -> None:
    """`encodeURIComponent` of each segment: the standard library's words for it."""
    assert ("/" + quote(f"a{character}b", safe="/!'()*"),) == spelled(f"a{character}b", Spelling.COMPONENT)


@pytest.mark.parametrize("character", [*sorted(MEANT - {"/"}), "\x00", "\n", "\r", "\t", "\x7f", "\x1b", " ", '"'])
@pytest.mark.parametrize("spelling", ALL)
def test_what_would_change_a_path_is_encoded_in_every_spelling(character: str, spelling: Spelling) -> None:
    """A key's own `%`, `?`, `#` and backslash, and controls."""
    for path in spelled(f"a{character}b", spelling):
        assert f"/a%{ord(character):02x}b" == path.lower()


@pytest.mark.parametrize("character", PRINTABLE)
def test_only_some_characters_have_two_spellings(character: str) -> None:
    """Equal spellings cost one unit, those that differ two; of `^` parsers have two by themselves."""
    count = len(spelled(f"a{character}b", Spelling.BROWSER, Spelling.STRICT))
    assert (2 if character in DIFFERING + "^" else 1) == count


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("img/2018-2-23-16:27:21.png", ["img/2018-2-23-16:27:21.png", "img/2018-2-23-16%3A27%3A21.png"]),
        ("post/[id]-9f2c.js", ["post/[id]-9f2c.js", "post/%5Bid%5D-9f2c.js"]),
        ("a|b.png", ["a|b.png", "a%7Cb.png"]),
        ("a^[b", ["a%5E[b", "a^[b", "a%5E%5Bb"]),
        ("中 文.png", ["%E4%B8%AD%20%E6%96%87.png"]),
        ("a//b", ["a//b"]),
        ("a/../b:c", ["a/../b%3Ac"]),
        ("./:", ["./%3A"]),
        ("a/..", ["a/.."]),
        ("a/%2e/:", ["a/%252e/:", "a/%252e/%3A"]),
        ("a/.../b", ["a/.../b"]),
        ("half\ud800", ["half%EF%BF%BD"]),
    ],
)
def test_keys_have_known_spellings(key: str, paths: list[str]) -> None:
    """The default: browsers' first, then the strict one; where a parser takes dot segments away, that alone."""
    assert ["/" + path for path in paths] == list(spelled(key, Spelling.BROWSER, Spelling.STRICT))


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        (Spelling.RAW, "/é:中%20\u200d%E2%80%A8^.png".replace("^", "%5E")),
        (Spelling.LOWER_CASE, "/%c3%a9%3a%e4%b8%ad%20%e2%80%8d%e2%80%a8%5e.png"),
    ],
)
def test_unproven_spellings_are_there_for_those_who_need_them(spelling: Spelling, path: str) -> None:
    """UTF-8 as it is, but for what ends a line; and lower-case digits."""
    assert (path,) == spelled("é:中 \u200d\u2028^.png", spelling)


@given(strategies.keys(), st.sampled_from(ALL))
@example("\ufeffa", Spelling.RAW)
def test_a_spelling_comes_back_as_the_key(key: str, spelling: Spelling) -> None:
    """What a server decodes is the key, and the text has one line and no end of a path."""
    for path in spelled(key, spelling):
        assert "/" + key == unquote(path, errors="strict")
        assert 1 == len(path.splitlines())
        assert not set(path) & set('?#\\ "<>`{}')


@given(
    strategies.keys(),
    st.sampled_from((Spelling.BROWSER, Spelling.STRICT, Spelling.URI, Spelling.COMPONENT, Spelling.LOWER_CASE)),
)
def test_parsing_leaves_a_spelling_unchanged(key: str, spelling: Spelling) -> None:
    """What a browser is given as a link it asks for as that; but for dot segments, and a raw `^`."""
    for path in spelled(key, spelling):
        if not has_dot_segments(path) and "^" not in path:
            assert path == parsed(path[1:])


@given(strategies.keys())
def test_the_first_spelling_is_what_a_browser_asks_for(key: str) -> None:
    """Of a link in which only what would end the path, or is cut off at the end of a text, is encoded."""
    link = "".join(f"%{ord(each):02X}" if each in "%?#\\" or each <= " " else each for each in key)
    first = spelled(key, Spelling.BROWSER)[0]
    assert has_dot_segments(first) or parsed(link) == first


@given(st.lists(st.sampled_from([*PRINTABLE, *OTHERS, "\ud800", "/", "../"]), max_size=8).map("".join))
def test_equal_spellings_come_once(path: str) -> None:
    """In the order in which the site names them."""
    found = spelled(path, *ALL)
    assert len(found) == len(set(found))
    assert spelled(path, Spelling.BROWSER)[0] == found[0]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is another witness where it is present")
def test_node_agrees() -> None:
    """Its parser takes halves of surrogates, which the other's binding does not; it may be of before 2023 as to `^`."""
    paths = [f"a{each}b" for each in (*PRINTABLE, *OTHERS[:9], "\ud800", "x\udfff") if each not in MEANT]
    program = "console.log(JSON.stringify(JSON.parse(process.argv[1]).map(p => new URL('https://h/' + p).pathname)))"
    out = subprocess.run(["node", "-e", program, json.dumps(paths)], capture_output=True, text=True, check=True)  # noqa: S603, S607 - a witness
    assert [] == [
        (path, theirs)
        for path, theirs in zip(paths, json.loads(out.stdout), strict=True)
        if theirs not in spelled(path, Spelling.BROWSER)
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is another witness where it is present")
@pytest.mark.parametrize(
    ("function", "spelling", "odd"),
    [("encodeURIComponent", Spelling.COMPONENT, "/"), ("encodeURI", Spelling.URI, "?#")],
)
def test_node_agrees_about_its_functions(function: str, spelling: Spelling, odd: str) -> None:
    """What spellings are named for; `encodeURI` takes a `?` and a `#` for what they mean."""
    texts = [f"a{each}b" for each in (*PRINTABLE, *OTHERS) if each not in odd]
    program = f"console.log(JSON.stringify(JSON.parse(process.argv[1]).map(p => '/' + {function}(p))))"
    out = subprocess.run(["node", "-e", program, json.dumps(texts)], capture_output=True, text=True, check=True)  # noqa: S603, S607 - a witness
    assert json.loads(out.stdout) == [spelled(text, spelling)[0] for text in texts]
