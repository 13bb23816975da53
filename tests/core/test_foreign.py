"""What services say, and what people read: nothing that opens a door leaves, nothing that is printed deceives."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.foreign import REDACTED, TEXT_CHARACTERS_MAX, cut, escaped, foreign, redacted
from tests import strategies

TOKEN = "CAISkwJ1q6Ft5B2yfSjIr5b/H/vGiLNJz6uPUE/dgXY4WuFvoKn+tDz2IHlKenZsA+4Xtvk2nmxY7fYYlrorUJ5WVlCYatJuqA==&x"
SECRET = "uQy7/rSz+Kd0w=Wm3PbT9cVeXo1N5h"
KEY_ID = "STS.NUgYrLnoC37mZZCNnAbez"
SECRETS = (KEY_ID, SECRET, TOKEN)

SPELLINGS: list[Callable[[str], str]] = [
    str,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    lambda text: quote(quote(text, safe=""), safe=""),
    quote_plus,
    escape,
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    lambda text: "".join(each if each.isalnum() else f"&#x{ord(each):X};" for each in text),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_our_keys_are_found_in_each_spelling(secret: str, spelling: Callable[[str], str]) -> None:
    """Whatever a service echoes, and however it encodes that, no key, secret or token stands in it."""
    told = foreign(f"before {spelling(secret)} after", SECRETS)
    assert f"before {REDACTED} after" == told


def test_a_token_that_the_service_has_cut_is_found() -> None:
    """The beginning alone is known, wherever it ends."""
    for length in range(16, len(TOKEN), 7):
        assert f"token {REDACTED}" == foreign(f"token {TOKEN[:length]}", (TOKEN,))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId",
            f"Specified signature is not matched with our calculation. server string to sign is: {REDACTED}",
        ),
        ("<StringToSign>GET\n\n/bucket/key</StringToSign>", f"<StringToSign> {REDACTED}"),
        ("Signature=abcdef0123, next", f"Signature={REDACTED}, next"),
        ("OSS4-HMAC-SHA256 Credential=LTAI/20261125/x,Signature=abcdef", f"OSS4-HMAC-SHA256 Credential={REDACTED},"),
        ("x-acs-security-token:CAISnotours more", f"x-acs-security-token:{REDACTED} more"),
        ("x-oss-security-token: CAISnotours", f"x-oss-security-token: {REDACTED}"),
        ("&SecurityToken%3DCAISnotours%26Version", f"&SecurityToken%3D{REDACTED}"),
        ('{"SecurityToken": "CAISnotours"}', f'{{"SecurityToken": "{REDACTED}"}}'),
        ("key LTAI5tNotOursNotOurs is disabled", f"key {REDACTED} is disabled"),
        (f"stray {TOKEN} here", f"stray {REDACTED}"),
    ],
)
def test_keys_that_are_not_ours_are_known_by_their_shape(said: str, kept: str) -> None:
    """Names that announce a key, and the shapes of the vendor's own keys, do without knowing ours."""
    assert redacted(said).startswith(kept)


@pytest.mark.parametrize(
    "said",
    [
        "The request signature we calculated does not match the signature you provided. Check your key and method.",
        "The security token you provided has expired.",
        "The specified access key is not found.",
        "AccessDenied: You have no right to access this object because of bucket acl.",
    ],
)
def test_the_vendors_sentences_stay(said: str) -> None:
    """Words about keys are no keys."""
    assert said == foreign(said, SECRETS)


@given(st.text(st.characters()), st.sampled_from(SECRETS), st.sampled_from(SPELLINGS), st.text(st.characters()))
def test_nothing_that_opens_a_door_is_kept(
    before: str, secret: str, spelling: Callable[[str], str], after: str
) -> None:
    """In the midst of any text, no secret is left; what comes out is short and can be stored."""
    told = foreign(before + spelling(secret) + after, SECRETS)
    assert spelling(secret) not in told
    assert secret not in told
    assert len(told) <= TEXT_CHARACTERS_MAX
    assert told == told.encode().decode()


def test_long_texts_are_cut_and_say_so() -> None:
    """A text of 60 kB comes in as some hundred characters, in a moment."""
    told = foreign("x" * 60_000)
    assert (TEXT_CHARACTERS_MAX, "x…") == (len(told), told[-2:])
    assert ("ab", "ab", "a…") == (cut("ab", 3), cut("ab", 2), cut("abc", 2))


def test_short_values_are_no_secrets() -> None:
    """A key that is a common word would take that word out of every sentence."""
    assert "the token is bad" == foreign("the token is bad", ("token", ""))


UNSAFE = (
    *("\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\x9b"),
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066"),
    *("\u2069", "\ufeff", "\ud800", "\udfff", "\U000e0041"),
)


@pytest.mark.parametrize("character", UNSAFE)
def test_what_deceives_is_escaped(character: str) -> None:
    """Controls, separators, direction, zero width and half pairs are seen for what they are."""
    told = escaped(f"a{character}b")
    assert told.isascii()
    assert told.isprintable()
    assert character == json.loads(f'"{told}"')[1]


@given(st.text(st.characters(codec=None)) | strategies.keys())
def test_json_stays_the_same_json(text: str) -> None:
    """Escaping a JSON document changes nothing of what it says, and leaves nothing that deceives."""
    told = escaped(json.dumps({text: text}, ensure_ascii=False))
    assert {text: text} == json.loads(told)
    assert not set(UNSAFE) & set(told)
    assert told == told.encode().decode()


def test_other_texts_stay_readable() -> None:
    """Letters of any script, signs and pictures are no danger."""
    assert "图片/é ü.png 🎉 %20" == escaped("图片/é ü.png 🎉 %20")
