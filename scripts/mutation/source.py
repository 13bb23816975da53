"""A module's text and syntax tree in; the spans, tokens and pieces of text that its nodes stand for out."""

from __future__ import annotations

import ast
import io
import tokenize
from bisect import bisect_left, bisect_right
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


class Token(NamedTuple):
    """A token of the code, by offsets into the text."""

    start: int
    end: int
    text: str


class Source:
    """A module's text. Offsets count characters from its beginning."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self.lines = io.StringIO(text).readlines()
        self._starts = [0, *accumulate(len(line) for line in self.lines)]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends. The tree tells columns in bytes, here they are characters."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end_line, end_column = getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0)
        return self._offset(line, column), self._offset(end_line, end_column)

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def of(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, each counted from 1."""
        line = bisect_right(self._starts, offset) - 1
        return line + 1, offset - self._starts[line] + 1

    def line_at(self, offset: int) -> str:
        """The line that an offset lies in, without its indentation."""
        return self.lines[self.position(offset)[0] - 1].strip()

    @cached_property
    def _tokens(self) -> list[Token]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [
            Token(
                self._starts[token.start[0] - 1] + token.start[1], self._starts[token.end[0] - 1] + token.end[1], word
            )
            for token in tokens
            if token.type not in _NO_CODE and (word := token.string)
        ]

    def tokens(self, start: int, end: int) -> list[Token]:
        """The tokens between two offsets; brackets are among them, comments are not."""
        return self._tokens[bisect_left(self._tokens, (start,)) : bisect_left(self._tokens, (end,))]

    def before(self, offset: int) -> Token:
        """The last token that ends before an offset or at it."""
        return self._tokens[bisect_left(self._tokens, (offset,)) - 1]

    def after(self, offset: int) -> Token:
        """The first token at an offset or after it."""
        return self._tokens[bisect_left(self._tokens, (offset,))]
