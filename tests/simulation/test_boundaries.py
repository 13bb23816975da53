"""A process that dies at any call that leaves it, before or after it took effect, loses nothing. All are tried."""

from __future__ import annotations

from collections import Counter

import pytest

from scripts.simulation.actions import Action
from scripts.simulation.boundaries import CASES, SITE, START, Case, crashes, make_scenario, summary
from scripts.simulation.broken import DeletesBeforeSettling
from scripts.simulation.instances import Changes
from scripts.simulation.oracle import judge
from scripts.simulation.world import World


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_crash_at_any_call_breaks_no_rule(case: Case) -> None:
    """Each call of a scenario is the last one of its process once; then all rules are checked at rest."""
    found = list(crashes(case))
    assert len(found) > 50
    assert [] == [crash for crash in found if crash.broken]


def test_the_summary_counts_crashes_by_case() -> None:
    """What the command prints: each case with its crashes, and no broken rule."""
    first = CASES[0]
    found = summary([first])
    assert {first.name: found["crashes"]} == found["cases"]
    assert (len(list(crashes(first))), 0, []) == (found["crashes"], found["rules_broken"], found["broken"])


def test_a_crash_shows_what_deletes_too_early() -> None:
    """The same crashes find a drain that deletes its notes as it reads them."""
    (case,) = (case for case in CASES if case.name.startswith("a burst"))
    found = crashes(case, Changes(spool=DeletesBeforeSettling))
    assert any(broken.rule in {"1 lost", "2 merging"} for crash in found for broken in crash.broken)


class SecondNeverArrives:
    """The second refresh never arrives, and the task list does not answer until the first one has long ended."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def befalls(self, service: str, operation: str) -> str:
        """Name the fault of one call, or nothing."""
        self._seen[f"{service} {operation}"] += 1
        if operation == "RefreshObjectCaches" and self._seen["cdn RefreshObjectCaches"] == 2:
            return "cdn.refused"
        return "cdn.throttle" if operation == "DescribeRefreshTasks" and self._seen[f"cdn {operation}"] < 15 else ""


@pytest.mark.parametrize("hundredths", range(30, 65, 5))
def test_a_hot_key_s_call_that_never_arrived_is_not_taken_for_the_one_before(hundredths: int) -> None:
    """Rows tell whole seconds: of two calls in one second, the row of the first proves nothing of the second."""
    key, moment = "www/hot.html", START + 1.02
    writes = [Action(moment, "put", key), Action(moment + hundredths / 100, "put", key)]
    book = World(make_scenario(SITE, writes), chances=SecondNeverArrives()).run()
    assert [] == judge(book)
    assert len(book.rows) == 2
