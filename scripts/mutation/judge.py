"""Mutants in; for each, the test that noticed it out, or that none did.

1. The tests must pass as the modules are. That run also tells which test reaches which statement, in what time.
2. A mutant is tried with the tests that reach its statement; one that runs as its module is imported, with all.
3. First come tests that noticed a mutant of the same function, then those that reach its module; quick ones first.
4. A later stage's tests are for what survived the earlier ones, and has no explanation: that it needs none is for the
   first stage to show. Where nothing is left for a stage, its tests do not run at all.
5. What no test reaches has survived.
6. What runs as a module is imported, or outside of any test, gets a process that has imported nothing. All else is
   tried in forks of one that has collected the tests: there, functions are changed where they are.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import os
import time
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from scripts.mutation.children import Children, Tell, Told, be_fork
from scripts.mutation.functions import Change, change_of
from scripts.mutation.ground import Ground
from scripts.mutation.inject import marked
from scripts.mutation.mutants import Key, Mutant
from scripts.mutation.trial import Room, Trial, in_room, run

BASELINE_SECONDS_MAX = 900.0
OUTPUT_CHARACTERS_MAX = 4_000
SECONDS_AT_LEAST = 3.0
"""What any test may take, in CPU time, before its loop counts as endless."""
TIMES_AS_LONG = 10.0
"""How many times as long as without a change a test may take."""
WAIT_SECONDS_AT_LEAST = 120.0
WAIT_TIMES_AS_LONG = 20.0
"""How many times as long, by the clock on the wall, all tests of a trial may take: one of them may wait for ever.

Generous, since a busy machine must not make a mutant look killed.
"""


class Verdict(NamedTuple):
    """What became of a mutant: the test that failed, empty if none did; whether it hung; whether any test got there."""

    mutant: Mutant
    killer: str
    late: bool = False
    reached: bool = True


class Stage(NamedTuple):
    """Tests: how long each took (CPU seconds), which reach a statement, and which a module."""

    times: Mapping[str, float]
    by_statement: Mapping[str, frozenset[str]]
    by_file: Mapping[str, frozenset[str]]
    outside: frozenset[str] = frozenset()
    """Statements that were reached outside of any test."""

    def chosen(self, mutant: Mutant, killers: Sequence[str]) -> list[str]:
        """Choose the tests that can notice a mutant, those first that are likely to."""
        near = self.by_file.get(mutant.file, frozenset())
        able = self.by_statement.get(f"{mutant.file}:{mutant.statement}", ()) if mutant.statement else self.times
        likely = {test: number for number, test in enumerate(killers)}
        return sorted(able, key=lambda test: (likely.get(test, len(likely)), test not in near, self.times[test]))


class Judge:
    """Tries mutants on a ground, `jobs` at a time; what they leave behind lies in `folder`."""

    def __init__(self, ground: Ground, jobs: int, folder: Path) -> None:
        self._ground, self._jobs, self._folder = ground, jobs, folder
        self._killers: dict[tuple[str, str], deque[str]] = defaultdict(lambda: deque(maxlen=8))
        self._texts = {path.relative_to(ground.root).as_posix(): path.read_text("utf-8") for path in ground.paths()}
        self._room: Room | None = None

    def verdicts(
        self, mutants: Iterable[Mutant], explained: Collection[Key] = (), ends: float = float("inf")
    ) -> Iterator[Verdict]:
        """Try mutants; none is begun after `ends`, by the monotonic clock, but what was begun is carried through."""
        waiting, reached = list(mutants), set[Mutant]()
        for number, tests in enumerate(self._ground.stages):
            if not waiting or (number == 0 and time.monotonic() > ends):
                return
            stage = self._baseline(tests)
            reached.update(mutant for mutant in waiting if stage.chosen(mutant, ()))
            verdicts = self._verdicts(stage, tests, waiting, ends if number == 0 else float("inf"))
            waiting = []
            for verdict in verdicts:
                if verdict.killer or verdict.mutant.key in explained:
                    yield verdict
                else:
                    waiting.append(verdict.mutant)
        yield from (Verdict(mutant, "", reached=mutant in reached) for mutant in waiting)

    def _verdicts(
        self, stage: Stage, tests: Sequence[str], mutants: Sequence[Mutant], ends: float
    ) -> Iterator[Verdict]:
        """Try mutants with the tests of one stage."""
        changes = {mutant: self._change(mutant, stage) for mutant in mutants}
        yield from self._tried(stage, [mutant for mutant, change in changes.items() if change is None], ends)
        inside = [mutant for mutant, change in changes.items() if change is not None]
        if inside and time.monotonic() < ends:
            yield from self._tried_in_room(stage, tests, inside, ends)

    def _change(self, mutant: Mutant, stage: Stage) -> Change | None:
        """Tell which functions a mutant changes; None where a new process has to import it."""
        if not mutant.statement or f"{mutant.file}:{mutant.statement}" in stage.outside:
            return None
        text = self._texts[mutant.file]
        (old,) = _compiled(self._ground.root, mutant.file, text).values()
        (new,) = _compiled(self._ground.root, mutant.file, mutant.applied(text)).values()
        return change_of(old, new)

    def _tried_in_room(
        self, stage: Stage, tests: Sequence[str], mutants: Sequence[Mutant], ends: float
    ) -> Iterator[Verdict]:
        """Try mutants in forks of a process that has collected all tests, itself a fork of this one."""
        reading, writing = os.pipe()
        output = self._folder / "room.out"
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            be_fork(output, lambda: self._be_room(stage, tests, mutants, ends, writing))
        os.close(writing)
        is_over = False
        with os.fdopen(reading, encoding="utf-8") as lines:
            for line in lines:
                number, *rest = json.loads(line)
                is_over = number is None
                if not is_over:
                    yield Verdict(mutants[number], *rest)
        os.waitpid(pid, 0)
        if not is_over:
            said = output.read_text("utf-8", "replace")
            raise SystemExit(f"the tests could not be collected, or run:\n{said[-OUTPUT_CHARACTERS_MAX:]}")

    def _be_room(
        self, stage: Stage, tests: Sequence[str], mutants: Sequence[Mutant], ends: float, writing: int
    ) -> None:
        numbers = {mutant: number for number, mutant in enumerate(mutants)}

        def then(room: Room) -> None:
            self._room = room
            with os.fdopen(writing, "w", encoding="utf-8") as told:
                for verdict in self._tried(stage, mutants, ends):
                    print(json.dumps([numbers[verdict.mutant], *verdict[1:]]), file=told, flush=True)
                print(json.dumps([None]), file=told)

        in_room(self._ground.root, self._ground.paths(), tests, then)

    def _tried(self, stage: Stage, mutants: Iterable[Mutant], ends: float) -> Iterator[Verdict]:
        """Try mutants, in the room if this is one."""
        children: Children[Mutant] = Children(self._jobs, self._folder)
        waiting = iter(mutants)
        going = True
        while going or len(children):
            while going and not children.is_full:
                mutant = next(waiting, None) if time.monotonic() < ends else None
                going = mutant is not None
                if mutant and not self._start(mutant, stage, children):
                    yield Verdict(mutant, "", reached=False)
            if len(children):
                yield self._ended(*children.next())

    def _ended(self, mutant: Mutant, told: Told | None) -> Verdict:
        if told is None:
            return Verdict(mutant, "no test, a crash")
        if told["broken"]:
            raise SystemExit(f"the tests could not be run on {mutant}: {told['broken']}")
        killers = self._killers[mutant.file, mutant.where]
        if told["failed"] and told["failed"] not in killers:
            killers.appendleft(told["failed"])
        return Verdict(mutant, told["failed"], told["late"])

    def _start(self, mutant: Mutant, stage: Stage, children: Children[Mutant]) -> bool:
        """Try a mutant with the tests that can notice it, if there are any."""
        chosen = stage.chosen(mutant, tuple(self._killers[mutant.file, mutant.where]))
        if chosen:
            seconds = {test: SECONDS_AT_LEAST + TIMES_AS_LONG * stage.times[test] for test in chosen}
            longest = WAIT_SECONDS_AT_LEAST + WAIT_TIMES_AS_LONG * sum(stage.times[test] for test in chosen)
            children.start(mutant, self._trial(mutant, stage, chosen, seconds), longest)
        return bool(chosen)

    def _trial(
        self, mutant: Mutant, stage: Stage, chosen: Sequence[str], seconds: Mapping[str, float]
    ) -> Callable[[Tell], None]:
        room = self._room
        if room is None:
            changed = _compiled(self._ground.root, mutant.file, mutant.applied(self._texts[mutant.file]))
            return self._work(changed, (), chosen, seconds)
        change = self._change(mutant, stage) or []
        return lambda tell: room.run(change, chosen, seconds, self._folder / f"tmp-{os.getpid()}", tell)

    def _work(
        self, code: Mapping[Path, CodeType], tests: Sequence[str], chosen: Sequence[str], seconds: Mapping[str, float]
    ) -> Callable[[Tell], None]:
        def work(tell: Tell) -> None:
            run(Trial(self._ground.root, code, tests, chosen, seconds, self._folder / f"tmp-{os.getpid()}"), tell)

        return work

    def _baseline(self, tests: Sequence[str]) -> Stage:
        """Run a stage's tests on the modules as they are, then import what they import of others, for forks to have."""
        code: dict[Path, CodeType] = {}
        for file, text in self._texts.items():
            code |= _compiled(self._ground.root, file, marked(file, text))
        children: Children[int] = Children(self._jobs, self._folder)
        works = [self._work(code, share, (), {}) for share in shares(self._ground.root, tests, self._jobs)]
        outputs = [children.start(number, work, BASELINE_SECONDS_MAX) for number, work in enumerate(works)]
        results = []
        for _ in works:
            number, told = children.next()
            if told is None or told["broken"] or told["failed"]:
                said = outputs[number].read_text("utf-8", "replace") + (told["broken"] if told else "")
                raise SystemExit(f"the tests must pass before anything is changed:\n{said[-OUTPUT_CHARACTERS_MAX:]}")
            results.append(told)
        for told in results:
            _import_others(self._ground.root, told["modules"])
        gc.freeze()  # What no fork collects, no fork has to copy.
        return _stage(results)


def shares(root: Path, tests: Sequence[str], count: int) -> list[list[str]]:
    """Deal tests out, file by file, in so many shares of about the same size."""
    files: list[tuple[int, str]] = []
    for test in tests:
        path = root / test.partition("::")[0]
        within = sorted(path.rglob("test_*.py")) if path.is_dir() else []
        files += [(each.stat().st_size, each.relative_to(root).as_posix()) for each in within]
        files += [] if path.is_dir() else [(path.stat().st_size, test)]
    names = [name for _, name in sorted(files, reverse=True)]
    return [names[start::count] for start in range(min(count, len(names)))]


def _stage(results: Sequence[Told]) -> Stage:
    """Turn round what each test reached. What was reached outside of any test, say by a fixture, is reached by all."""
    times = {test: seconds for told in results for test, seconds in told["times"].items()}
    if not times:
        raise SystemExit("there are no tests")
    by_statement: dict[str, set[str]] = defaultdict(set)
    for told in results:
        for test, names in told["reached"].items():
            for name in names:
                by_statement[name].update([test] if test else times)
    by_file: dict[str, set[str]] = defaultdict(set)
    for name, able in by_statement.items():
        by_file[name.partition(":")[0]] |= able
    return Stage(
        times,
        {name: frozenset(able) for name, able in by_statement.items()},
        {name: frozenset(able) for name, able in by_file.items()},
        frozenset(name for told in results for name in told["reached"].get("", ())),
    )


def _compiled(root: Path, file: str, source: str | ast.Module) -> dict[Path, CodeType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A change may look odd.
        return {root / file: compile(source, root / file, "exec", dont_inherit=True)}


def _import_others(root: Path, modules: Iterable[str]) -> None:
    """Import what is not of this tree, so that no fork has to. What cannot be imported alone, they import."""
    ours = {path.stem for path in root.iterdir()} | {"conftest"}
    for name in modules:
        if name.partition(".")[0] not in ours and not name.startswith(("test_", "__")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    importlib.import_module(name)
                except Exception:  # noqa: BLE001, S112 - it is only to save time
                    continue
