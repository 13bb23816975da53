"""The judge with a clock, on books made by hand: what explains a wait, what does not, and who may go first."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cdn.service import Row
from scripts.simulation.actions import Action
from scripts.simulation.book import Book, Spend, Write
from scripts.simulation.boundaries import SITE, make_scenario
from scripts.simulation.facts import Facts
from scripts.simulation.faults import Incident
from scripts.simulation.runner import Delivery
from scripts.simulation.scenario import RESET, STATIC, Scenario
from scripts.simulation.spans import Span, Spans
from scripts.simulation.waits import PROMPT_SECONDS, lanes_are_kept, no_wait_is_unexplained, waits
from scripts.simulation.world import World

NOON = RESET - 43_200.0
RING = b'{"triggerTime": "2026-09-20T21:32:00Z", "triggerName": "every-minute", "payload": ""}'


def url(name: str) -> str:
    """Name the URL that serves an object."""
    return f"https://{STATIC}/www/{name}"


def scenario_of(**limits: Any) -> Scenario:
    """Make a scenario in which little may go."""
    return make_scenario(SITE, [Action(NOON, "put", "www/a")], limits=replace(Limits(), **limits))


class Told:
    """A book that grows by what a test tells: times are in seconds after noon."""

    def __init__(self, **limits: Any) -> None:
        self.book = Book(scenario_of(**limits), ended=NOON + 200_000.0)
        self._rows: list[Row] = []
        self.book.deliveries = []

    def change(self, name: str, at: float, action: str = "created") -> Told:
        """Let a person write or remove something, and a function acknowledge it at once."""
        event = f"event-{len(self.book.writes)}"
        data = None if action == "removed" else b"new"
        self.book.writes.append(Write(NOON + at, f"www/{name}", data, action, event, "ObjectCreated:PutObject"))
        told = {"events": [{"eventSource": "acs:oss", "responseElements": {"requestId": event}}]}
        self.book.deliveries = [*self.book.deliveries, self._delivery(json.dumps(told).encode(), at)]
        return self

    def rings(self, *times: float) -> Told:
        """Let the timer ring."""
        self.book.deliveries = [*self.book.deliveries, *(self._delivery(RING, at) for at in times)]
        return self

    def minutes(self, last: float) -> Told:
        """Let the timer ring each minute."""
        return self.rings(*(60.0 * number for number in range(int(last // 60) + 2)))

    def accepts(self, name: str, at: float, status: str = "Complete", form: str = "file") -> Told:
        """Let the CDN accept a URL, whose task ends five minutes later."""
        row = Row("1", form, url(name), STATIC, False, NOON + at, NOON + at + 300, status)  # noqa: FBT003
        self._rows.append(row)
        self.book.rows = self._rows
        return self

    def meets(self, kind: str, at: float) -> Told:
        """Let something go wrong."""
        self.book.incidents.append(Incident(NOON + at, kind, "operation", "request"))
        return self

    def unexplained(self) -> list[str]:
        """Name the URLs whose waits nothing explains."""
        facts = Facts(self.book)
        found = waits(facts)
        assert len([wait for wait in found if wait.unexplained > PROMPT_SECONDS]) == len(
            list(no_wait_is_unexplained(found))
        )
        return [wait.want.url.rpartition("/")[2] for wait in found if wait.unexplained > PROMPT_SECONDS]

    def overtaken(self) -> list[str]:
        """Give the sentences about removals that were overtaken."""
        facts = Facts(self.book)
        return [broken.message for broken in lanes_are_kept(facts, waits(facts))]

    @staticmethod
    def _delivery(event: bytes, at: float) -> Delivery:
        return Delivery("function", f"request-{at}", event, NOON + at, NOON + at, "ok")


def test_what_goes_at_once_needs_no_reason() -> None:
    """A call before the acknowledgement, or within two minutes of it, is no wait; three minutes are one."""
    told = Told().minutes(600).change("a", 0).change("b", 0).change("c", 0)
    told.accepts("a", 0).accepts("b", 119).accepts("c", 190)
    assert ["c"] == told.unexplained()


def test_what_never_ends_waits_to_the_end() -> None:
    """A change nobody submits waits, and so does one that was submitted before it was made, or failed each time."""
    told = Told().minutes(3_000).change("a", 0).change("b", 10).change("c", 20)
    told.accepts("b", 5).accepts("c", 30, "Failed")
    assert ["a", "b", "c"] == told.unexplained()


def test_a_spent_day_explains_until_the_reset() -> None:
    """The API's own books tell that the day's units are spent; some minutes after the reset nothing explains more."""
    for after, expected in ((250.0, []), (900.0, ["c"])):
        told = Told(url_refreshes_per_day=2).minutes(43_200 + after).change("c", 3)
        told.accepts("a", 1).accepts("b", 2).accepts("c", 43_200 + after)
        assert expected == told.unexplained()


def test_units_that_others_spent_count_and_unspent_ones_do_not_explain() -> None:
    """What another program took is gone as well; while one unit is left a change has no reason to wait for tomorrow."""
    told = Told(url_refreshes_per_day=2).minutes(43_300).change("c", 3).accepts("a", 1).accepts("c", 43_300)
    assert ["c"] == told.unexplained()
    told.book.spends.append(Spend(NOON + 2, 1))
    assert [] == told.unexplained()


def test_each_day_of_a_wait_has_its_turn() -> None:
    """Each day's unit goes to another URL: some time each day is its turn's, more of it is nobody's."""
    for after, expected in ((400.0, []), (470.0, ["z"]), (500.0, ["z"])):
        told = Told(url_refreshes_per_day=1).minutes(43_200 + 5 * 86_400).change("z", 3).accepts("a", 1)
        for day in range(5):
            told.accepts(f"{day}", 43_200 + day * 86_400 + after)
        told.book.ended += 5 * 86_400
        assert expected == told.accepts("z", 43_200 + 5 * 86_400 + 10).unexplained()


def test_gaps_are_what_no_span_covers() -> None:
    """Before the first span, between spans, and after the last, as far as asked for."""
    spans = Spans([Span(10, 20), Span(30, 40)])
    assert [(5, 10), (20, 30), (40, 50)] == list(spans.gaps(5, 50))
    assert [(20, 25)] == list(spans.gaps(15, 25))
    assert [] == list(spans.gaps(10, 20))
    assert [(0, 1)] == list(Spans().gaps(0, 1))


def test_the_reserve_is_spent_for_others_and_not_for_a_removal() -> None:
    """With one of four units kept an overwrite waits for the reset, and a removal does not."""
    told = Told(url_refreshes_per_day=4)
    told.book.scenario = replace(told.book.scenario, environment={"RESERVE_PERCENT": "25"})
    told.minutes(43_300).change("d", 4).change("e", 5, "removed")
    for name in ("a", "b", "c"):
        told.accepts(name, 1)
    assert ["e"] == told.accepts("d", 43_260).accepts("e", 43_260).unexplained()


def test_a_full_minute_explains_and_one_with_room_does_not() -> None:
    """A backlog that moves at the pace of the domain's limit is explained; one that leaves room in a minute is not."""
    told = Told(urls_per_minute_per_domain=1).minutes(600).change("z", 0)
    for minute in range(6):
        told.accepts(f"{minute}", 60.0 * minute + 1)
    assert [] == told.accepts("z", 361).unexplained()
    assert ["z"] == Told(urls_per_minute_per_domain=2).minutes(600).change("z", 0).accepts("z", 361).unexplained()


def test_each_fault_explains_for_its_own_time() -> None:
    """A CDN fault explains two minutes and a kill three; the log store's outage explains nothing."""
    for kind, waited, expected in (
        ("cdn.lost", 299.0, []),
        ("cdn.lost", 310.0, ["a"]),
        ("kill.after", 359.0, []),
        ("kill.after", 370.0, ["a"]),
        ("sls.down", 190.0, ["a"]),
    ):
        assert expected == Told().minutes(900).change("a", 0).meets(kind, 0).accepts("a", waited).unexplained()


def test_a_silent_timer_explains_but_rings_that_come_to_nothing_do_not() -> None:
    """Without a ring an hour is explained, and the round after it; rings that follow on one another explain nothing."""
    assert [] == Told().rings(3_600).change("a", 0).accepts("a", 3_601).unexplained()
    assert [] == Told().rings(1_800, 3_600).change("a", 0).accepts("a", 3_601).unexplained()
    assert [] == Told().rings(0, 1_200, 2_400).change("a", 0).accepts("a", 2_461).unexplained()
    assert ["a"] == Told().rings(0, 60, 120, 180, 240).change("a", 0).accepts("a", 241).unexplained()
    late = Told().rings(0, 1_200, 1_260, 1_320, 1_380, 1_440, 1_500).change("a", 0)
    assert ["a"] == late.accepts("a", 1_500).unexplained()


def test_a_failure_explains_its_run_and_its_pause() -> None:
    """A task that failed goes again a minute later, and four minutes after it failed twice."""
    told = Told().minutes(2_000).change("a", 0).accepts("a", 1, "Failed").accepts("a", 400, "Failed")
    assert [] == told.accepts("a", 1_100).unexplained()
    late = Told().minutes(2_000).change("a", 0).accepts("a", 1, "Failed").accepts("a", 900)
    assert ["a"] == late.unexplained()


def test_a_burial_ends_a_wait() -> None:
    """What was given up within two minutes did not wait."""
    told = Told().minutes(900).change("a", 0)
    told.book.spool = {
        "dead/2026-09-21/x.json": {
            "pieces": [{"at": NOON + 100, "reason": "bad", "task": {"target": {"url": url("a")}}}]
        }
    }
    assert [] == told.unexplained()


def test_a_removal_is_not_overtaken() -> None:
    """An overwrite that goes five minutes after a removal was acknowledged, and before it goes, is in its way."""
    told = Told().minutes(900).change("b", 1).change("a", 0, "removed").accepts("b", 300).accepts("a", 400)
    assert ["b"] == [sentence.rpartition("/")[2].partition(" ")[0] for sentence in told.overtaken()]


def test_what_goes_before_or_for_another_removal_overtakes_nobody() -> None:
    """Within two minutes of the acknowledgement, at the same time or for a removal of its own, a call is free to go."""
    told = Told().minutes(900).change("b", 1).change("c", 1, "removed").change("a", 0, "removed")
    assert [] == told.accepts("b", 100).accepts("c", 300).accepts("b", 400).accepts("a", 400).overtaken()


def test_removals_keep_their_lane_in_a_backlog() -> None:
    """Behind two hundred overwrites that go ten a minute late removals go first, and all waits are explained."""
    limits = Limits(urls_per_minute_per_domain=10, refresh_duration_seconds=(50.0, 55.0))
    puts = [Action(NOON + 1 + number * 0.01, "put", f"www/{number}.html") for number in range(200)]
    removals = [Action(NOON + 200 + number, "remove", f"www/{number}.html") for number in range(5)]
    environment = {"URLS_PER_MINUTE_PER_DOMAIN": "10", "RESERVE_PERCENT": "0", "LINGER_SECONDS": "0.5"}
    scenario = make_scenario(SITE, [*puts, *removals], limits=limits, environment=environment)
    facts = Facts(World(scenario).run())
    found = waits(facts)
    assert ([], []) == (list(no_wait_is_unexplained(found)), list(lanes_are_kept(facts, found)))
    assert max(wait.seconds for wait in found) > 1_000
    assert max(wait.seconds for wait in found if wait.fate.write.action == "removed") < 180
