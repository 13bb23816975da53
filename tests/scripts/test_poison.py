"""The figures of what bad URLs cost: their bounds, that the good ones go, and that what is slow is killed."""

from __future__ import annotations

import argparse

import pytest

from scripts.benchmark import poison
from scripts.benchmark.__main__ import FIGURES
from scripts.benchmark.functions import Functions, event_of
from scripts.benchmark.poison import BAD_DOMAIN, FAILING, REJECTED, Trial, Work, chosen, ended, search, try_batch
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.web import Request, Response

FURTHER_CALLS_MAX = 12
"""Ten halvings of a thousand, the bad one by itself, and what was laid aside until it was found."""


def figures(trial: Trial) -> tuple[int, int, int, int]:
    """What a trial came to: calls, good URLs accepted, dead ones, units."""
    return trial.refresh_calls, trial.good_accepted, trial.dead, trial.units


@pytest.mark.parametrize("place", [0, 617, 999])
def test_one_bad_url_among_a_thousand_costs_at_most_twelve_further_calls(place: int) -> None:
    """Wherever it stands: 999 are accepted, at a unit each, and the bad one is given up."""
    trial = try_batch(1_000, [place])
    assert trial.refresh_calls <= 1 + FURTHER_CALLS_MAX
    assert (999, 1, 999) == figures(trial)[1:]


def test_two_bad_urls_are_both_found() -> None:
    """A second search follows the first, and no good URL is sent twice."""
    trial = try_batch(10, [2, 7])
    assert (8, 2, 8) == figures(trial)[1:]
    assert 11 >= trial.refresh_calls


def test_without_a_bad_url_one_call_is_enough() -> None:
    """What is measured is the bad URL's doing."""
    assert (1, 10, 0, 10) == figures(try_batch(10, []))


def test_the_search_is_measured_at_its_worst_place() -> None:
    """Each batch gives one row, with the most and the mean of its places."""
    (found,) = search(argparse.Namespace(places=12), [(10, 1)])
    assert (10, 1, 9, 1, 9) == tuple(
        found[name] for name in ("urls", "bad", "good_urls_accepted_least", "dead_most", "units_most")
    )
    assert found["further_calls_mean"] <= found["further_calls_most"] == found["refresh_calls_most"] - 1 <= 6
    assert FIGURES["poison"] is poison.measure


def test_bad_urls_end_within_ten_rounds_and_good_ones_within_four() -> None:
    """60 bad ones of 200, with replies that take their time: no invocation is killed, and no good URL costs twice."""
    found = ended(chosen(200, 60))
    assert (200, 60, REJECTED) == (found["urls"], found["bad"], found["code"])
    assert found["rounds_until_good_accepted"] <= 4
    assert found["rounds_until_all_ended"] <= 10
    assert found["seconds_until_good_accepted"] <= found["seconds_until_all_ended"] < 600
    assert (0, 60, 140) == (found["invocations_killed"], found["dead"], found["units"])


def test_a_url_that_the_api_cannot_digest_holds_no_other_back() -> None:
    """Of 50 URLs one makes its call answer a server's error: the others go, it waits alone, then it is given up."""
    found = ended(chosen(50, 1, FAILING))
    assert found["rounds_until_good_accepted"] <= 10
    assert found["rounds_until_all_ended"] is not None
    assert (1, 0) == (found["dead"], found["invocations_killed"])


def test_thousands_are_given_up_at_once() -> None:
    """Their domain is none of the account's: a few calls, a round or two, and nobody is killed."""
    found = ended(Work(2_000, frozenset(range(2_000)), BAD_DOMAIN, events=20, per_minute=10_000))
    assert (2_000, 0) == (found["dead"], found["invocations_killed"])
    assert found["rounds_until_all_ended"] <= 2
    assert found["refresh_calls"] <= 3


def test_what_never_ends_says_so() -> None:
    """Where the good URLs cannot go, their figures are empty: nothing is made up."""
    trial = Trial(Work(3, frozenset({0, 1, 2})))
    assert (trial.is_good_over, trial.is_over) == (True, False)
    trial.next_round()
    assert trial.is_over


def test_a_function_is_killed_at_its_time_limit() -> None:
    """What would run on does nothing any more, gives nothing back, and is counted; the next one starts anew."""
    clock = VirtualClock(poison.START)
    cloud = LocalCloud(Options(), clock)
    facts = cloud.options.facts_in_process()
    services = {name: cloud.handle_for(name) for name in ("cdn", "oss", "sls")}

    def slow(request: Request) -> Response:
        clock.advance(70)
        response = cloud.cdn.handle(request)
        assert isinstance(response, Response)
        return response

    functions = Functions(facts, {**services, "cdn": slow}, clock)
    warm = functions.instance("object_created")
    functions.receive(event_of(facts, ["a.html"], poison.START))
    assert (1, poison.START + 70) == (functions.killed, clock.now())
    held = ["cdn-refresh/lease/drain/000000000001-held"]
    assert held == [key for key in cloud.oss.keys("refresh-spool") if "/lease/" in key]
    assert functions.instance("object_created") is not warm
