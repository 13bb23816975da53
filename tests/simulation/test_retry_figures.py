"""How long a task that failed at the CDN waited until it went again, of books and tallies made by hand."""

from __future__ import annotations

from collections import Counter

from scripts.localcloud.cdn.service import Row
from scripts.simulation.book import Book
from scripts.simulation.report import Tally, count, figures
from scripts.simulation.scenario import draw

NOTHING = {"p50": None, "p99": None, "max": None}


def row(path: str, accepted: float, finish: float, status: str = "Complete", form: str = "file") -> Row:
    """A submission of a URL."""
    return Row("1", form, path, "static.example.com", False, accepted, finish, status)  # noqa: FBT003 - no force


def tally_of(*rows: Row) -> Tally:
    """Count a run in which nothing but these submissions happened."""
    return count(Book(draw(1, 1, 0.0), rows=rows))


def test_a_retry_is_the_next_submission_after_the_failure() -> None:
    """What was on its way before the failure is no retry, nor is another form, another URL or a third submission."""
    tally = tally_of(
        row("/a", 0.0, 300.0, "Failed"),
        row("/a", 200.0, 500.0),
        row("/a", 310.0, 600.0, form="preload"),
        row("/b", 320.0, 600.0),
        row("/a", 361.54, 700.0),
        row("/a", 400.0, 700.0),
    )
    assert (1, Counter({61.5: 1})) == (tally.failures, tally.retries)


def test_each_failure_of_a_url_has_its_own_retry() -> None:
    """A retry that fails is itself followed; the last one, given up, counts as a failure without retry."""
    tally = tally_of(
        row("/a", 0.0, 100.0, "Failed", "preload"),
        row("/a", 150.0, 250.0, "Failed", "preload"),
        row("/a", 450.0, 550.0, "Failed", "preload"),
    )
    assert (3, Counter({50.0: 1, 200.0: 1})) == (tally.failures, tally.retries)


def test_figures_of_many_runs_are_of_all_their_retries() -> None:
    """Tallies merge, and median, 99th percentile and maximum are of all that they hold."""
    many = Tally(failures=100, retries=Counter({60.0: 60, 90.0: 38}))
    few = Tally(failures=3, retries=Counter({60.0: 1, 3600.0: 1}))
    found = figures([many, few])
    assert (103, 100) == (found["failures"], found["retried"])
    assert {"p50": 60.0, "p99": 90.0, "max": 3600.0} == found["retry_seconds"]


def test_without_failures_there_are_no_seconds() -> None:
    """Nothing failed, so nothing waited."""
    found = figures([tally_of(row("/a", 0.0, 300.0))])
    assert (0, 0, NOTHING) == (found["failures"], found["retried"], found["retry_seconds"])
