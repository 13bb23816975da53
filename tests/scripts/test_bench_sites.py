"""The keys by which units are counted: a fixed thousand, so that figures can be compared."""

from __future__ import annotations

from scripts.benchmark.corpus import KEYS, MIXTURE, keys
from scripts.benchmark.sites import text
from shared.core.checked import Invalid
from shared.core.site.sitefile import read_sites


def test_the_corpus_is_the_same_each_time() -> None:
    """A thousand keys in the stated mixture, nearly all of them distinct."""
    made = keys()
    assert KEYS == len(made) == sum(count for count, _ in MIXTURE)
    assert made == keys()
    assert len(set(made)) > KEYS * 0.9
    assert all(0 < len(key.encode()) < 1_024 for key in made)


def test_the_sites_that_are_measured_can_work() -> None:
    """A part of them is read, which takes long for all."""
    written = text(is_shared=True).partition("- bucket: content-0")[2].partition("- bucket: content-0")[0]
    try:
        (site,) = read_sites("sites:\n- bucket: content-0" + written)
    except Invalid as error:
        raise AssertionError(str(error)) from error
    assert 50 == len(site.rules)
