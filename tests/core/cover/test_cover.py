"""Which folders are refreshed as directories: held against every choice there is, and against the stated bound."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.cover import Cover, Folder, cover
from shared.core.cover.folders import folders_of
from shared.core.cover.near import nearly
from shared.core.cover.search import Search, Tree

PRICES = (0.0, 1.0, 50.0, 500.0)


@st.composite
def trees(draw: st.DrawFn, most: int = 9) -> list[Folder]:
    """Draw folders that lie in one another."""
    found = []
    for number in range(draw(st.integers(1, most))):
        parent = draw(st.integers(-1, number - 1))
        may = draw(st.integers(0, 9)) > 0
        found.append(Folder(parent, draw(st.integers(0, 9)), draw(st.integers(0, 60)), may))
    return found


def below(folders: Sequence[Folder], place: int) -> tuple[int, int]:
    """Count changed and other objects in a folder and all below it, one by one."""
    inside = [each for each in range(len(folders)) if place in around(folders, each)]
    return sum(folders[each].changed for each in inside), sum(folders[each].other for each in inside)


def around(folders: Sequence[Folder], place: int) -> list[int]:
    """List a folder and those that it lies in."""
    found = []
    while place >= 0:
        found.append(place)
        place = folders[place].parent
    return found


def every_choice(folders: Sequence[Folder], most: int) -> list[tuple[int, ...]]:
    """List all choices of folders none of which lies in another."""
    allowed = [place for place, folder in enumerate(folders) if folder.may]
    return [
        chosen
        for count in range(min(most, len(allowed)) + 1)
        for chosen in combinations(allowed, count)
        if not any(one != other and one in around(folders, other) for one in chosen for other in chosen)
    ]


@given(trees(), st.integers(0, 60), st.integers(0, 5), st.sampled_from(PRICES))
def test_no_choice_is_better(folders: list[Folder], url_units: int, directory_units: int, price: float) -> None:
    """The cost is the least of all choices that fit; where none fits, none leaves fewer URLs uncovered."""
    found = cover(folders, url_units, directory_units, price)
    need = sum(folder.changed for folder in folders) - url_units
    told = [(some, [below(folders, each) for each in some]) for some in every_choice(folders, directory_units)]
    fitting = [
        sum(other for _, other in counts) + price * len(some)
        for some, counts in told
        if sum(changed for changed, _ in counts) >= need
    ]
    assert bool(fitting) == found.fits
    if fitting:
        assert (min(fitting), min(fitting)) == (found.cost, found.bound)
    else:
        assert max(sum(changed for changed, _ in counts) for _, counts in told) == found.covered


@given(trees(40), st.integers(0, 200), st.integers(0, 12), st.sampled_from(PRICES))
def test_what_is_told_of_a_choice_is_so(
    folders: list[Folder], url_units: int, directory_units: int, price: float
) -> None:
    """It is allowed, within its units, and covers and costs what it says."""
    found = cover(folders, url_units, directory_units, price)
    counts = [below(folders, each) for each in found.chosen]
    assert len(found.chosen) <= directory_units
    assert all(folders[each].may for each in found.chosen)
    assert not any(one != other and one in around(folders, other) for one in found.chosen for other in found.chosen)
    assert found.covered == sum(changed for changed, _ in counts)
    assert found.collateral == sum(other for _, other in counts)
    assert found.cost == found.collateral + price * len(found.chosen)
    need = sum(folder.changed for folder in folders) - url_units
    assert found.fits == (found.covered >= max(0, need))
    assert found.bound <= found.cost


@given(trees(14), st.integers(0, 80), st.integers(1, 6), st.sampled_from(PRICES))
def test_the_bound_of_many_folders_holds(
    folders: list[Folder], url_units: int, directory_units: int, price: float
) -> None:
    """What the search by prices calls a bound is under the least cost, and what it finds is not under it."""
    best = cover(folders, url_units, directory_units, price)
    need = sum(folder.changed for folder in folders) - url_units
    if need <= 0:
        return
    search = Search(Tree(folders, price), need, directory_units)
    assert (nearly(search) is not None) == best.fits
    if best.fits:
        assert search.bound - 1e-6 <= best.cost <= search.least + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_many_folders_cost_little_more_than_the_bound(seed: int) -> None:
    """A thousand folders, a tenth to nine tenths of whose URLs fit."""
    rng = Random(seed)
    folders = [
        Folder(rng.randrange(-1, number), rng.randint(0, 20), rng.choice((0, 5, 50, 500))) for number in range(1_000)
    ]
    total = sum(folder.changed for folder in folders)
    found = cover(folders, int(total * (0.1, 0.5, 0.9)[seed % 3]), 70, 500.0)
    assert found.fits
    assert found.bound > 0
    assert found.cost <= 1.1 * found.bound


def test_nothing_is_taken_where_all_fits() -> None:
    """However many units there are."""
    assert Cover((), 0, 0, 0.0, 0.0) == cover([Folder(-1, 5, 3)], 5, 100, 500.0)
    assert Cover((), 0, 0, 0.0, 0.0) == cover([], 0, 100, 500.0)


def test_a_price_keeps_units() -> None:
    """Without one the least collateral takes each folder; with one the folder around them all."""
    folders = [Folder(-1, 0, 30), *(Folder(0, 5, 0) for _ in range(20))]
    assert (20, 0) == (len(cover(folders, 0, 70, 0.0).chosen), cover(folders, 0, 70, 0.0).collateral)
    assert ((0,), 30) == (cover(folders, 0, 70, 500.0).chosen, cover(folders, 0, 70, 500.0).collateral)


def test_a_whole_domain_is_not_taken_unless_it_may() -> None:
    """The folder of the top is all of the domain."""
    urls = [f"https://a.example.com/{folder}/{number}.html" for folder in "xyz" for number in range(9)]
    names, folders = folders_of(urls)
    found = cover(folders, 0, 1, 500.0)
    assert (False, 9) == (found.fits, found.covered)
    names, folders = folders_of(urls, whole=["a.example.com"])
    assert ["https://a.example.com/"] == [names[each] for each in cover(folders, 0, 1, 500.0).chosen]


def test_folders_of_urls_lie_in_one_another() -> None:
    """Queries do not count, nor slashes in them; others are counted where they lie."""
    names, folders = folders_of(
        ["https://a.example.com/x/y/1.html?z=/q/", "https://a.example.com/x/2.html", "https://b.example.com/3"],
        {"https://a.example.com/x/z/": 7},
    )
    assert [
        ("https://a.example.com/", Folder(-1, 0, 0, may=False)),
        ("https://a.example.com/x/", Folder(0, 1)),
        ("https://a.example.com/x/y/", Folder(1, 1)),
        ("https://b.example.com/", Folder(-1, 1, 0, may=False)),
        ("https://a.example.com/x/z/", Folder(1, 0, 7)),
    ] == list(zip(names, folders, strict=True))
