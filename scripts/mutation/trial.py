"""Run some tests on modules as they are given, in a process made for it; tell which failed first, or what was reached.

It ends at the first failure. A test that takes far longer than it should counts as failed: its loop may have no end.
Most of a trial's time goes to importing test files, so those of the likeliest tests are imported first, and run alone.
Or all tests are collected once: forks of that process then change functions in it, and run some of them.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import hypothesis
import pytest

from scripts.mutation.functions import Change, Functions
from scripts.mutation.inject import inject

COLLECT_SECONDS_MAX = 60.0
"""How much CPU time the imports and the collection may take."""

FIRST_TESTS_MAX = 12
"""How many of the chosen tests, the likeliest, run before the files of the others are so much as imported."""

_NO_SHRINKING = [
    phase for phase in hypothesis.Phase if phase not in {hypothesis.Phase.shrink, hypothesis.Phase.explain}
]

Tell = Callable[[Mapping[str, Any]], None]


class Trial(NamedTuple):
    """Code for modules by path, and the tests to run: all of some, as pytest takes them, or single ones in their order.

    `seconds` is the CPU time that each of the chosen may take.
    """

    root: Path
    code: Mapping[Path, CodeType]
    tests: Sequence[str]
    chosen: Sequence[str]
    seconds: Mapping[str, float]
    folder: Path
    """For what the tests write."""


def run(trial: Trial, tell: Tell) -> None:
    """Run the tests; tell `failed` (a test, or empty) and `late`, or `broken` where there were none to run.

    Where all pass it also tells `times` by test, what each `reached`, and which `modules` were imported for it. Where
    pytest itself could not go on it tells of no test, but what pytest said.
    """
    _enter(trial.root)
    watch = _Watch(tell)
    inject(trial.root, trial.code, watch.reach)
    options = [*_options(trial.root), "--basetemp", str(trial.folder)]
    codes = set()
    for tests, chosen in _parts(trial):
        watch.begin(chosen, trial.seconds, tell)
        with_limit(COLLECT_SECONDS_MAX, watch.too_late)
        codes.add(pytest.main([*options, *tests], plugins=[watch]))
    failed = codes - {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    tell(
        {
            "failed": f"pytest: {failed.pop()}" if failed else "",
            "late": False,
            "broken": "there are no tests" if trial.chosen and codes == {pytest.ExitCode.NO_TESTS_COLLECTED} else "",
            "times": watch.times,
            "reached": {test: sorted(names) for test, names in watch.reached.items()},
            "modules": list(sys.modules),
        }
    )


def _parts(trial: Trial) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Cut a trial in up to two: each with the tests as pytest takes them, and those that were chosen of them."""
    if not trial.chosen:
        return [(trial.tests, ())]
    parts = (trial.chosen[:FIRST_TESTS_MAX], trial.chosen[FIRST_TESTS_MAX:])
    return [(sorted({test.partition("::")[0] for test in part}), part) for part in parts if part]


class Room:
    """A process in which all tests are collected and none has run: its forks can begin at once."""

    def __init__(self, session: pytest.Session, watch: _Watch, functions: Functions) -> None:
        self._session, self._watch, self._functions = session, watch, functions

    def run(
        self, change: Change, chosen: Sequence[str], seconds: Mapping[str, float], folder: Path, tell: Tell
    ) -> None:
        """In a fork: change functions, run some tests in their order, and tell `failed`, `late` and `broken`."""
        folder.mkdir()
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        self._functions.apply(change)
        self._watch.begin(chosen, seconds, tell)
        items = self._watch.in_order(self._session.items)
        for number, item in enumerate(items, 1):
            following = items[number] if number < len(items) else None
            self._session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        tell({"failed": "", "late": False, "broken": "" if items else "there are no tests"})


def in_room(root: Path, files: Collection[Path], tests: Sequence[str], then: Callable[[Room], None]) -> None:
    """Collect tests as they are, and call `then` in their midst; `files` are those whose functions may be changed."""
    watch = _Watch(lambda _told: None)
    _enter(root)
    code = pytest.main([*_options(root), "--capture=no", *tests], plugins=[watch, _Host(watch, files, then)])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest ended with {code!r}")


class _Host:
    def __init__(self, watch: _Watch, files: Collection[Path], then: Callable[[Room], None]) -> None:
        self._watch, self._files, self._then = watch, files, then

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of all tests."""
        functions = Functions(self._files)
        gc.freeze()
        self._then(Room(session, self._watch, functions))
        return True


def _enter(root: Path) -> None:
    os.chdir(root)
    sys.path.insert(0, str(root))


def _options(root: Path) -> list[str]:
    return ["-p", "no:xdist", "--rootdir", str(root)]


def with_limit(seconds: float, on_late: Callable[[int, FrameType | None], None]) -> None:
    """Call `on_late` once the process has used so much more CPU time; never for 0."""
    signal.signal(signal.SIGPROF, on_late)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _table(test: str) -> str:
    """Name a test without its row."""
    return test.partition("[")[0]


class _Watch:
    """What pytest tells its plugins."""

    def __init__(self, tell: Tell) -> None:
        self.times: dict[str, float] = {}
        self.reached: dict[str, set[str]] = {"": set()}
        self._test = ""
        self.begin((), {}, tell)

    def begin(self, chosen: Sequence[str], seconds: Mapping[str, float], tell: Tell) -> None:
        """Let only these tests run from now on, all where there are none, each in its time."""
        self._chosen, self._seconds, self._tell = chosen, seconds, tell
        self._longest = max(seconds.values(), default=0.0)

    def reach(self, name: str) -> None:
        """Note that a marked statement was reached; outside of tests, under an empty name."""
        self.reached[self._test].add(name)

    def too_late(self, _number: int, _frame: FrameType | None) -> None:
        """End here: the loop that the test hangs in ends no other way."""
        self._end(self._test or "collection", late=True)

    def _end(self, test: str, *, late: bool = False) -> None:
        self._tell({"failed": test, "late": late, "broken": ""})
        if self._chosen:
            os._exit(0)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Once it has failed, an example need not be made small; and a busy machine must not make a test fail."""
        usual = hypothesis.settings.default or hypothesis.settings()
        health = {*usual.suppress_health_check, hypothesis.HealthCheck.too_slow}
        hypothesis.settings.register_profile(
            "mutation", parent=usual, phases=_NO_SHRINKING, deadline=None, suppress_health_check=list(health)
        )
        hypothesis.settings.load_profile("mutation")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what was chosen."""
        items[:] = self.in_order(items)

    def in_order(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """List the chosen tests in their order; all rows of a table that has not the rows it had."""
        if not self._chosen:
            return items
        there = {item.nodeid for item in items}
        order = {name: number for number, name in enumerate(self._chosen)}
        tables = {_table(name): number for name, number in order.items() if name not in there}
        places = {item: order.get(item.nodeid, tables.get(_table(item.nodeid), -1)) for item in items}
        return sorted((item for item in items if places[item] >= 0), key=places.__getitem__)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported is a failure, too."""
        if report.failed:
            self._end(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Time a test, and end it where it hangs."""
        self._test, started = item.nodeid, time.process_time()
        self.reached[item.nodeid] = set()
        with_limit(self._seconds.get(item.nodeid, self._longest), self.too_late)
        outcome = yield
        with_limit(0, self.too_late)
        self._test = ""
        self.times[item.nodeid] = time.process_time() - started
        return outcome

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first failure is enough."""
        if report.failed:
            self._end(report.nodeid)
