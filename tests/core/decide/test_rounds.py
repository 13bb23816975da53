"""Many rounds without any I/O: outages that end, and targets that no call can digest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from shared.core.errors import CdnError, MinuteSpent, OutcomeUnknown, Refused, Rejected
from shared.core.plan.retry import BLAMED_TRIES_MAX
from shared.core.task.model import State, Task
from shared.core.task.rows import CdnTask
from tests.core.decide.rounds import ROUND_SECONDS, Rounds, counted, lost_with
from tests.core.decide.snapshots import HOST, A, B, files, row
from tests.strategies import NOW, make_task

MINUTE = int(60 / ROUND_SECONDS)


def traffic(rounds: Rounds, host: str, number: int) -> None:
    """Let one more object of a domain change."""
    rounds.note([make_task(f"{host}/extra-{number}.css", time=rounds.now)])


def in_outage(_tasks: Sequence[Task]) -> CdnError | None:
    """No call is carried out, and nobody hears of it."""
    return OutcomeUnknown("ReadTimeout")


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_outage_splits_counts_and_buries_nothing(is_busy: bool) -> None:  # noqa: FBT001 - a table
    """However long it lasts: each task has been part of one lost call that counts, and all goes once it is over."""
    rounds = Rounds(in_outage)
    rounds.note(files(300))
    rounds.run(60 * MINUTE, lambda number: traffic(rounds, HOST, number) if is_busy else None)
    tasks = [task for task, _ in rounds.waiting.values()]
    assert ({}, 300 + 60 * MINUTE * is_busy) == (rounds.ended, len(tasks))
    assert {(0, 0)} == {counted(task)[:2] for task in tasks}
    probed = {(1, 0)} if is_busy else set()
    assert {(0, 0), (1, 1)} | probed >= {(task.unknowns, task.calls_tried) for task in tasks}
    assert [] == [task for task in tasks if task.history]
    assert {"reply: unknown", "unknown: goes again as a whole", "unknown: the CDN is in trouble"} == rounds.branches
    assert 3 >= len({task.part for task in tasks})
    rounds.verdict = lambda _tasks: None
    rounds.run(4 * MINUTE)
    assert {} == rounds.waiting
    assert len(tasks) == len(rounds.of(State.ACCEPTED))


@pytest.mark.parametrize("is_busy", [False, True])
def test_in_an_outage_one_call_a_minute_goes(is_busy: bool) -> None:  # noqa: FBT001 - a table
    """One target each, another one each time, once the first calls have come to nothing; and hardly any goes apart."""
    rounds = Rounds(in_outage)
    rounds.note(files(50))
    rounds.run(30 * MINUTE, lambda number: traffic(rounds, HOST, number) if is_busy else None)
    assert [50 + is_busy] * 2 == [len(tasks) for _, tasks in rounds.calls[:2]]
    probes = [(at, tasks) for at, tasks in rounds.calls[2:] if at >= NOW + 60]
    assert {1} == {len(tasks) for _, tasks in probes}
    assert len(probes) - 5 <= len({tasks[0].id for _, tasks in probes})
    assert 20 <= len(probes) <= 30
    assert min(later - sooner for (sooner, _), (later, _) in pairwise(probes)) >= 55
    assert len({task.part for task, _ in rounds.waiting.values()}) <= 3


@pytest.mark.parametrize("place", [0, 50, 99])
def test_a_poison_ends_alone_while_others_of_its_domain_go(place: int) -> None:
    """The good ones beside it go within four minutes, it is tried a bounded number of times, and dies with history."""
    tasks = files(100)
    rounds = Rounds(lost_with(frozenset({tasks[place].url})))
    rounds.note(tasks)
    rounds.run(4 * MINUTE, lambda number: traffic(rounds, HOST, number))
    good = {task.this_try for task in tasks if task is not tasks[place]}
    assert good <= rounds.of(State.ACCEPTED)
    rounds.run(60 * MINUTE, lambda number: traffic(rounds, HOST, 1_000 + number))
    assert {tasks[place].this_try} == rounds.of(State.DEAD)
    last = rounds.last[tasks[place].this_try]
    assert BLAMED_TRIES_MAX == last.blamed
    assert ["NotCarriedOut"] * 2 == [step.code for step in last.history]
    alone = [sent for _, sent in rounds.calls if [task.url for task in sent] == [tasks[place].url]]
    assert BLAMED_TRIES_MAX <= len(alone) <= BLAMED_TRIES_MAX + 1


def test_ten_poisons_of_a_thousand_end_alone() -> None:
    """The good ones beside them go within four minutes."""
    tasks = files(1_000)
    bad = tasks[::100]
    rounds = Rounds(lost_with(frozenset(task.url for task in bad)))
    rounds.note(tasks)
    rounds.run(4 * MINUTE, lambda number: traffic(rounds, HOST, number))
    assert {task.this_try for task in tasks} - {task.this_try for task in bad} <= rounds.of(State.ACCEPTED)
    rounds.run(60 * MINUTE, lambda number: traffic(rounds, HOST, 1_000 + number))
    assert {task.this_try for task in bad} == rounds.of(State.DEAD)


@pytest.mark.parametrize("others", ["nothing", "another domain"])
def test_a_poison_does_not_hold_its_neighbours_where_nothing_else_of_its_domain_goes(others: str) -> None:
    """A probe that went shows that the domain works: the rest then goes in parts, not one target every two minutes."""
    tasks = files(100)
    rounds = Rounds(lost_with(frozenset({tasks[50].url})))
    rounds.note(tasks)
    rounds.run(
        30 * MINUTE, lambda number: traffic(rounds, f"https://{B}", number) if others == "another domain" else None
    )
    assert {task.this_try for task in tasks if task is not tasks[50]} <= rounds.of(State.ACCEPTED)


@pytest.mark.parametrize(
    "error",
    [OutcomeUnknown("InternalError"), Refused("ServiceBusy")],
)
def test_a_domain_that_is_in_trouble_holds_back_no_other(error: CdnError) -> None:
    """The other one goes within minutes, and each of its later changes in the round that meets it."""

    def verdict(tasks: Sequence[Task]) -> CdnError | None:
        return error if any(task.domain == A for task in tasks) else None

    rounds = Rounds(verdict)
    rounds.note([*files(30), *files(30, f"https://{B}")])
    rounds.run(4 * MINUTE)
    assert {task.this_try for task in files(30, f"https://{B}")} <= rounds.of(State.ACCEPTED)
    rounds.run(10 * MINUTE, lambda number: traffic(rounds, f"https://{B}", number))
    assert 30 + 10 * MINUTE == len(rounds.of(State.ACCEPTED))
    assert {task.id for task in files(30)} == {task.id for task, _ in rounds.waiting.values()}
    assert set() == rounds.of(State.DEAD)
    rounds.verdict = lambda _tasks: None
    rounds.run(20 * MINUTE)
    assert {} == rounds.waiting


@pytest.mark.parametrize("domain", [A, B])
def test_a_domain_that_stays_in_trouble_after_an_outage_holds_back_no_other(domain: str) -> None:
    """While everything is held another domain is tried each minute, so the one that works again is soon found."""
    other = B if domain == A else A
    rounds = Rounds(in_outage)
    rounds.note([*files(20), *files(20, f"https://{B}")])
    rounds.run(6 * MINUTE)
    rounds.verdict = lambda tasks: in_outage(tasks) if any(task.domain == domain for task in tasks) else None
    rounds.run(5 * MINUTE)
    assert {task.this_try for task in files(20, f"https://{other}")} == rounds.of(State.ACCEPTED)


def test_a_pile_drains_at_the_pace_of_its_minute() -> None:
    """What a minute takes goes in that minute, and nobody waits for tomorrow."""
    left = {"minute": 0, "units": 0}

    def verdict(tasks: Sequence[Task]) -> CdnError | None:
        minute = int(rounds.now // 60)
        if left["minute"] != minute:
            left.update(minute=minute, units=300)
        if len(tasks) > left["units"]:
            return MinuteSpent("QuotaPerMinuteExceeded.Refresh")
        left["units"] -= len(tasks)
        return None

    rounds = Rounds(verdict)
    tasks = files(2_500)
    rounds.note(tasks)
    rounds.run(11 * MINUTE)
    assert {task.this_try for task in tasks} == rounds.of(State.ACCEPTED)


def test_bad_ones_end_in_the_round_that_meets_them() -> None:
    """The good ones go beside them, in the same round."""
    tasks = files(200)
    bad = {task.url for task in tasks[::10]}
    rounds = Rounds(lambda sent: Rejected("Malformed") if any(task.url in bad for task in sent) else None)
    rounds.note(tasks)
    rounds.run(1)
    assert (20, 180, {}, {}) == (
        len(rounds.of(State.DEAD)),
        len(rounds.of(State.ACCEPTED)),
        rounds.waiting,
        rounds.intents,
    )


def test_an_answer_that_was_lost_costs_no_second_unit() -> None:
    """The call was carried out: the task list shows it, and nothing is sent again."""
    rounds = Rounds(lambda _tasks: None)
    tasks = files(20)
    rounds.note(tasks)
    carried_out = rounds.verdict

    def lost(sent: Sequence[Task]) -> CdnError | None:
        rounds.rows += [_row(task, rounds.now) for task in sent]
        return OutcomeUnknown("ReadTimeout")

    rounds.verdict = lost
    rounds.run(1)
    rounds.verdict = carried_out
    rounds.run(3)
    assert (1, {task.this_try for task in tasks}) == (len(rounds.calls), rounds.of(State.ACCEPTED))
    assert NOW < rounds.now


def _row(task: Task, at: float) -> CdnTask:
    return row(task.url, "1", at)
