"""Races are run in every order of their calls: each schedule once, alike each time, and what is broken is found."""

from __future__ import annotations

import ast
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.simulation.__main__ import main
from scripts.simulation.branches import BRANCHES, NOT_MET, PREFIX, Observer, branches, marked
from scripts.simulation.broken import MUTANTS
from scripts.simulation.holders import Holders, WatchedSpool
from scripts.simulation.instances import Changes
from scripts.simulation.interleavings import OBSERVERS, Run, explore, is_in_order, race_of, run_one, states, summary
from scripts.simulation.race import BOUNDS, EVERYBODY, EXPIRY_SECONDS, HONOURED, LEASES, Race
from scripts.simulation.races import RACES
from scripts.simulation.schedules import Bounds, ChoiceError, Choices, Mark, Past
from scripts.simulation.wrong import Wrong
from shared.core.plan.books import Books, Quota
from shared.core.plan.lease import Taken

ROOT = Path(__file__).parents[2]
PAIR = RACES[0]
PREEMPTED_ONCE = Bounds(preemptions=1)
ALL = Bounds(preemptions=2, crashes=1, preemptions_with_crash=1)


def schedules(bounds: Bounds, lease: str = HONOURED) -> list[Run]:
    """Run all schedules of the first race."""
    return list(explore(PAIR, lease, bounds))


@pytest.mark.parametrize(
    ("race", "lease"),
    [pytest.param(race, lease, id=f"{race.name}, {lease}") for race in RACES for lease in race.leases],
)
def test_each_race_begins_as_it_says(race: Race, lease: str) -> None:
    """So many processes race, each makes calls, and undisturbed no rule breaks."""
    run = run_one(race, lease, PREEMPTED_ONCE)
    assert race.processes == len({step.partition(":")[0] for step in run.steps})
    assert ([], []) == (run.broken, run.bent)


def test_without_preemption_the_processes_run_one_after_the_other() -> None:
    """Only who begins is open then, and who goes on where one sleeps or ends."""
    runs = schedules(Bounds(preemptions=0))
    names = [[name for name, _ in itertools.groupby(step.partition(":")[0] for step in run.steps)] for run in runs]
    assert [["object_created.0", "object_created.1"], ["object_created.1", "object_created.0"]] == sorted(names)


def test_each_schedule_is_run_once_and_alike() -> None:
    """No two runs take the same steps, and a schedule alone repeats its run."""
    runs = schedules(PREEMPTED_ONCE)
    assert len(runs) == len({run.schedule for run in runs}) == len({tuple(run.steps) for run in runs}) > 10
    for run in runs[::7]:
        again = run_one(PAIR, HONOURED, PREEMPTED_ONCE, run.schedule)
        assert (run.steps, run.counts) == (again.steps, again.counts)


def test_a_bound_on_preemptions_is_kept() -> None:
    """Nobody who could go on is left more often than the bound says, and some are that often."""
    switches = [
        sum(one != other for one, other in itertools.pairwise(step.partition(":")[0] for step in run.steps))
        for run in schedules(PREEMPTED_ONCE)
    ]
    assert {1, 2} == set(switches)


def test_processes_end_where_ends_can_be_told_apart() -> None:
    """With a crash allowed each writing call is the last one of its process once, and no reading one but the first."""
    runs = schedules(Bounds(preemptions=0, crashes=1))
    ends = {step for run in runs for step in run.steps if " ends " in step}
    writes = {step.partition(": ")[2] for run in runs for step in run.steps if " ends " not in step}
    writes = {call for call in writes if not call.startswith(("oss list", "oss get", "cdn Describe", "sleep"))}
    after = {step.partition(" after ")[2] for step in ends if " after " in step}
    assert {call[:40] for call in after} == {call[:40] for call in writes}
    assert all("oss list lease/" in step for step in ends if " before " in step)


def test_a_lease_expires_by_choice() -> None:
    """Time passes at most once in a run, by as much as a lease lasts, and not where everybody gets it anyway."""
    runs = schedules(Bounds(preemptions=1, expiries=1, expiry_seconds=EXPIRY_SECONDS))
    passed = [sum("seconds pass" in step for step in run.steps) for run in runs]
    assert {0, 1} == set(passed)
    assert (1, 0) == (PAIR.bounds(HONOURED, 3).expiries, PAIR.bounds(EVERYBODY, 3).expiries)


def test_the_lighter_a_race_the_more_may_go_against_it() -> None:
    """With one process more asked for each race is tried further; those of two receivers are tried furthest at once."""
    for race in (race for race in RACES if race.processes > 1):
        assert [replace(bounds, expiries=0) for bounds in BOUNDS] == [
            replace(race.bounds(HONOURED, race.weight + more), expiries=0) for more in range(len(BOUNDS))
        ]
    assert BOUNDS[-1] == PAIR.bounds(HONOURED, 3) == PAIR.bounds(HONOURED, 4)
    assert replace(BOUNDS[-1], expiries=0) == PAIR.bounds(EVERYBODY, 3)
    heavy = next(race for race in RACES if race.weight == 1)
    assert heavy.bounds(EVERYBODY, 3) == BOUNDS[1]
    assert heavy.bounds(EVERYBODY, 1) == BOUNDS[0]


def test_what_does_not_concern_one_another_may_change_places() -> None:
    """Two reads, or calls of two services, lead to one point in either order; a write and a read do not."""
    assert _past("oss list a", "oss get b") == _past("oss get b", "oss list a", swapped=True)
    assert _past("oss put a", "sls write") == _past("sls write", "oss put a", swapped=True)
    assert _past("oss put a", "oss list b") != _past("oss list b", "oss put a", swapped=True)
    assert _past("cdn Refresh", "cdn Describe") != _past("cdn Describe", "cdn Refresh", swapped=True)
    assert _past("oss list a", "sleep sleep") != _past("sleep sleep", "oss list a", swapped=True)
    assert _past("oss put a", "cdn Refresh") != _past("cdn Refresh", "oss put a", swapped=True)


def _past(first: str, second: str, *, swapped: bool = False) -> int:
    past = Past()
    names = ("two", "one") if swapped else ("one", "two")
    past.add(names[0], first)
    past.add(names[1], second)
    return past.value


def test_a_schedule_that_does_not_fit_is_refused() -> None:
    """A choice that a run does not have is no run."""
    with pytest.raises(ChoiceError, match="choice 1 of the schedule is 2, and there are 2"):
        _take(Choices((1, 2)))
    with pytest.raises(ChoiceError):
        run_one(PAIR, HONOURED, PREEMPTED_ONCE, (7,))


def _take(choices: Choices) -> None:
    for _ in range(2):
        choices.take(2, Mark(0, "", ends=False, preemptions=0))


@pytest.mark.parametrize(
    "name", ["deleted before it is settled", "no look after giving the lease back", "sent again without asking"]
)
def test_a_broken_variant_is_found(name: str) -> None:
    """Among the schedules of two receivers is one that shows it."""
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    runs = explore(PAIR, HONOURED, ALL, changes=mutant.changes)
    assert any(broken.rule in mutant.rules for run in runs for broken in run.broken)


@dataclass
class ToldCdn(Wrong):
    """Tells who asks for the quota."""

    told: Callable[[str], None] = print

    def quota(self) -> Quota:
        """Tell, and ask."""
        self.told("quota asked")
        found: Quota = self.inner.quota()
        return found


def test_an_observer_adds_what_has_to_be_come_by() -> None:
    """What it is told of is among what a run reached, and its names among those that are wanted."""

    def watch(changes: Changes, told: Callable[[str], None]) -> Changes:
        return replace(changes, kit=lambda kit: replace(changes.kit(kit), cdn=ToldCdn(kit.cdn, told)))

    observer = Observer(frozenset({"quota asked"}), watch)
    assert "quota asked" in run_one(PAIR, HONOURED, ALL, observers=[observer]).reached
    assert "quota asked" not in run_one(PAIR, HONOURED, ALL).reached
    assert set(states([observer])) - set(states()) == {"quota asked"}


@pytest.mark.long
def test_each_state_is_come_by_in_some_race() -> None:
    """The races together reach every result, area, call and branch, most of them undisturbed."""
    runs = [run_one(race, HONOURED, ALL, observers=OBSERVERS) for race in RACES]
    for race in map(race_of, ("one bad URL of three", "a call that came to nothing, and a later one")):
        runs += explore(race, HONOURED, race.bounds(HONOURED, 3), observers=OBSERVERS)
    reached = {name for run in runs for name in run.reached}
    assert [] == [name for name in states() if name not in reached]


def test_all_branches_in_the_source_are_wanted_but_those_that_no_plan_gives() -> None:
    """Their names stand in the source; a reason to wait is a branch for each reason."""
    found = branches()
    assert {"reply: unsent", "reply: the account is refused", "waiting: quota", "followed: done"} < found
    assert found == {name.removeprefix(PREFIX) for name in BRANCHES.names} | NOT_MET.keys()
    with pytest.raises(ValueError, match="nobody knows which branches"):
        list(marked(ast.parse("decision.met(f'of {domain}')")))


def test_a_missed_state_is_not_in_order() -> None:
    """Neither a broken rule nor a state that nothing came by passes."""
    assert is_in_order({"rules_broken": 0, "states": 2, "states_reached": 2})
    assert not is_in_order({"rules_broken": 0, "states": 2, "states_reached": 1})
    assert not is_in_order({"rules_broken": 1, "states": 2, "states_reached": 2})


@pytest.mark.long
def test_the_command_counts_schedules_by_case() -> None:
    """Several processes share the work, and the last line of the output has the figures."""
    quickest = next(race for race in RACES if "log service" in race.name)
    options = ["--interleavings", "--processes", "1", "--case", quickest.name, "--jobs", "2", "--json"]
    command = [sys.executable, "-m", "scripts.simulation", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    found = json.loads(done.stdout.splitlines()[-1])
    counts = found["cases"][quickest.name]
    assert found["schedules"] == sum(counts.values())
    assert (0, set(LEASES)) == (found["rules_broken"], set(counts))
    assert summary([quickest], 1, leases=[HONOURED])["schedules"] == counts[HONOURED] > 40


def test_the_command_repeats_one_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells each step, in order."""
    status = main(["--interleavings", "--case", PAIR.name, "--schedule", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (0, 1, []) == (status, found["schedules"], found["broken"])
    assert ["object_created.1: oss list lease/", "object_created.0: sls write"] == [
        found["steps"][0],
        next(step for step in reversed(found["steps"]) if "sls" in step),
    ]


@dataclass
class Leases:
    """Gives its leases to everybody."""

    def take(self, work: str, _owner: str) -> Taken:
        """Give one."""
        return Taken(work, 0, Books())

    def release(self, _taken: Taken, _books: Books) -> None:
        """Take it back."""


def test_only_who_holds_a_lease_beside_another_counts() -> None:
    """One after another, or of other work, nobody does; who has given it back and takes it again does once more."""
    holders = Holders()
    spool = WatchedSpool(Leases(), holders)
    first = spool.take("drain", "a")
    settles = spool.take("settle", "b")
    assert first is not None
    assert settles is not None
    spool.release(first, Books())
    long = spool.take("drain", "c")
    assert 0 == holders.beside
    for count in (1, 2):
        again = spool.take("drain", "a")
        assert again is not None
        assert count == holders.beside
        spool.release(again, Books())
    assert long is not None
    spool.release(long, Books())
    spool.take("drain", "a")
    assert 2 == holders.beside
