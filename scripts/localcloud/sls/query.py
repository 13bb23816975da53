"""The text of a log search goes in; a predicate over one log's fields comes out.

The part of the vendor's search language that is understood:
1. `key: value` holds where every word of `value` is a word of the field, whatever the case;
   `value*` is a prefix.
2. `value` alone looks in every field; `*` and an empty query hold for every log.
3. `key > 5`, `>=`, `<`, `<=`, `=` compare numbers.
4. `not` binds tighter than `and` (which may be left out), and that tighter than `or`; parentheses group.
5. Quotes make one value or key of what they enclose.
Words are what stands between the delimiters of the vendor's default index. SQL after `|` is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Record = Mapping[str, str]
Predicate = Callable[[Record], bool]

TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(>=|<=|[()<>=:|])|([^\s"()<>=:|]+))')
DELIMITERS = re.compile(r"""[\s,'";=()\[\]{}?@&<>/:]+""")
"""The vendor's default delimiters: hyphen, underscore and full stop stay inside a word."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}


def compile_query(text: str) -> Predicate:
    """Turn a search into a predicate; ValueError with a sentence where it cannot be understood."""
    parser = _Parser(_tokens(text))
    predicate = parser.alternatives() if parser.more() else _always
    if parser.more():
        raise ValueError(f"the query goes on with {parser.peek().text!r} where it should end")
    return predicate


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    quoted: bool
    sign: bool

    def is_word(self, word: str) -> bool:
        return not self.quoted and not self.sign and self.text.lower() == word


END = _Token("", quoted=False, sign=True)


def _tokens(text: str) -> list[_Token]:
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"the query has a quote that does not end: {text[at:]}")
        quoted, sign, word = match.groups()
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else sign or word
        found.append(_Token(value, quoted is not None, sign is not None))
        at = match.end()
    return found


class _Parser:
    """Reads tokens by the rules at the top of this file, one method per level of binding."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def more(self) -> bool:
        return self._at < len(self._tokens)

    def peek(self) -> _Token:
        return self._tokens[self._at] if self.more() else END

    def _take(self) -> _Token:
        token = self.peek()
        self._at += 1
        return token

    def alternatives(self) -> Predicate:
        parts = [self._conjunction()]
        while self.peek().is_word("or"):
            self._take()
            parts.append(self._conjunction())
        return lambda record: any(part(record) for part in parts)

    def _conjunction(self) -> Predicate:
        parts = [self._negation()]
        while self.more() and not self.peek().is_word("or") and self.peek().text != ")":
            if self.peek().is_word("and"):
                self._take()
            parts.append(self._negation())
        return lambda record: all(part(record) for part in parts)

    def _negation(self) -> Predicate:
        if not self.peek().is_word("not"):
            return self._term()
        self._take()
        inner = self._negation()
        return lambda record: not inner(record)

    def _term(self) -> Predicate:
        token = self._take()
        if token.sign and token.text == "(":
            inner = self.alternatives()
            if self._take().text != ")":
                raise ValueError("the query has a parenthesis that does not end")
            return inner
        if token.sign:
            raise ValueError(f"the query has {token.text!r} where a word should stand")
        follower = self.peek()
        if follower.sign and follower.text == ":":
            self._take()
            return _has_words(token.text, self._operand())
        if follower.sign and follower.text in COMPARISONS:
            self._take()
            return _compares(token.text, COMPARISONS[follower.text], self._operand())
        return _always if token.is_word("*") else _has_words(None, token)

    def _operand(self) -> _Token:
        token = self._take()
        if token.sign:
            raise ValueError("the query has a key without a value")
        return token


def _always(_record: Record) -> bool:
    return True


def _has_words(key: str | None, value: _Token) -> Predicate:
    """Hold where a field, or any field if `key` is None, has every word of `value`."""
    wanted = _words(value.text)

    def holds(text: str) -> bool:
        present = _words(text)
        return all(_is_in(word, present) for word in wanted)

    def predicate(record: Record) -> bool:
        if key is None:
            return any(holds(text) for text in record.values())
        return key in record and holds(record[key])

    return predicate


def _is_in(word: str, present: set[str]) -> bool:
    if word.endswith("*"):
        return any(each.startswith(word[:-1]) for each in present) or word == "*"
    return word in present


def _words(text: str) -> set[str]:
    return {word for word in DELIMITERS.split(text.lower()) if word}


def _compares(key: str, comparison: Callable[[float, float], bool], value: _Token) -> Predicate:
    try:
        limit = float(value.text)
    except ValueError:
        raise ValueError(f"the query compares {key} with {value.text!r}, which is no number") from None

    def predicate(record: Record) -> bool:
        try:
            return comparison(float(record[key]), limit)
        except (KeyError, ValueError):
            return False

    return predicate
