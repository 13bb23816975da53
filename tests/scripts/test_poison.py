"""The figure of what a bad URL in a batch costs: its bound, and that the good ones go."""

from __future__ import annotations

import argparse

import pytest

from scripts.benchmark.__main__ import FIGURES
from scripts.benchmark.poison import Trial, measure, try_batch

FURTHER_CALLS_MAX = 11


@pytest.mark.parametrize("place", [0, 617, 999])
def test_one_bad_url_among_a_thousand_costs_at_most_eleven_further_calls(place: int) -> None:
    """Wherever it stands: 999 are accepted, at a unit each, and the bad one is given up."""
    trial = try_batch(1_000, [place])
    assert trial.refresh_calls <= 1 + FURTHER_CALLS_MAX
    assert Trial(trial.refresh_calls, good_accepted=999, dead=1, units=999) == trial


def test_two_bad_urls_are_both_found() -> None:
    """A second search follows the first, and no good URL is sent twice."""
    assert Trial(refresh_calls=9, good_accepted=8, dead=2, units=8) == try_batch(10, [2, 7])


def test_without_a_bad_url_one_call_is_enough() -> None:
    """What is measured is the bad URL's doing."""
    assert Trial(refresh_calls=1, good_accepted=10, dead=0, units=10) == try_batch(10, [])


def test_the_figure_is_of_the_worst_place() -> None:
    """Each batch gives one row, with the most and the mean of its places."""
    (found,) = measure(argparse.Namespace(places=12), [(10, 1)])
    assert (10, 1, 9, 1, 9) == tuple(
        found[name] for name in ("urls", "bad", "good_urls_accepted_least", "dead_most", "units_most")
    )
    assert found["further_calls_mean"] <= found["further_calls_most"] == found["refresh_calls_most"] - 1 == 5
    assert FIGURES["poison"] is measure
