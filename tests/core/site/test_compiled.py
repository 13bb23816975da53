"""Compiled site files: the same sites come back, and only beside the very text that they were made of."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.core.site.compiled import compiled, sites_of
from shared.core.site.sites import Site
from tests import strategies

TEXT = b"sites: ..."


@given(st.lists(strategies.sites(), min_size=1, max_size=3).map(tuple))
def test_sites_come_back(sites: tuple[Site, ...]) -> None:
    """Every field of every rule."""
    assert sites == sites_of(compiled(TEXT, sites), TEXT)


def test_what_belongs_to_another_file_or_version_is_not_read() -> None:
    """The file itself is then read instead."""
    site = strategies.plain_site()
    data = compiled(TEXT, (site,))
    newer = msgspec.json.encode({**msgspec.json.decode(data), "format": 2})
    assert [None] * 6 == [
        sites_of(data, TEXT + b" "),
        sites_of(newer, TEXT),
        sites_of(b"", TEXT),
        sites_of(b"\xff", TEXT),
        sites_of(b"[]", TEXT),
        sites_of(compiled(TEXT, ()), TEXT),
    ]
