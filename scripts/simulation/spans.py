"""Spans of time go in; their union, and how much of another span it covers, come out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """From `begin` to `end`, in epoch seconds."""

    begin: float
    end: float


class Spans:
    """A set of moments, as spans that do not touch, in order."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans = _merged(spans)
        self._begins = [span.begin for span in self._spans]

    def within(self, begin: float, end: float) -> Iterator[Span]:
        """Give the parts that lie between two moments."""
        place = max(0, bisect_right(self._begins, begin) - 1)
        for span in self._spans[place:]:
            if span.begin >= end:
                return
            if span.end > begin:
                yield Span(max(begin, span.begin), min(end, span.end))

    def seconds(self, begin: float, end: float) -> float:
        """Tell how much lies between two moments."""
        return sum(span.end - span.begin for span in self.within(begin, end))

    def gaps(self, begin: float, end: float) -> Iterator[Span]:
        """Give the parts between two moments that do not lie in it."""
        for span in self.within(begin, end):
            if span.begin > begin:
                yield Span(begin, span.begin)
            begin = span.end
        if end > begin:
            yield Span(begin, end)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.begin <= merged[-1].end:
            merged[-1] = Span(merged[-1].begin, max(merged[-1].end, span.end))
        elif span.end > span.begin:
            merged.append(span)
    return merged
