"""The command that tries mutants, on small trees: what it kills, what survives, and what it says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.mutation.ground import ROOT
from scripts.mutation.mutants import of_text
from scripts.mutation.trial import FIRST_TESTS_MAX
from tests.scripts.entries import a_mutant, entry_of, write_entries

SECONDS_MAX = 120


RULES = """
import os


def is_late(now, due):
    return now > due


def emptied(items):
    while items:
        items.pop()
    return items


def leave(code):
    if code:
        os._exit(3)


def unused():
    return not 0
"""
TESTS = '''
"""Tests of the rules."""

import rules


def test_late():
    assert rules.is_late(2, 1)
    assert not rules.is_late(1, 2)


def test_emptied():
    assert rules.emptied([1]) == []


def test_stay():
    rules.leave(0)
'''


class Ended(NamedTuple):
    """How the command ended."""

    code: int
    found: dict[str, Any]
    words: str


def mutate(root: Path, *options: str) -> Ended:
    """Run the command on a small tree: its exit code, its figures and what it said to people."""
    places = ["--root", str(root), "--modules", "rules.py", "--tests", "test_rules.py"]
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "scripts.mutation", *places, "--explained", str(root / "explained.yml"), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    lines = done.stdout.splitlines()
    return Ended(done.returncode, json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}, done.stderr)


def tree(root: Path, rules: str = RULES, tests: str = TESTS, entries: Sequence[object] = ()) -> Path:
    """Make a small tree: a module, its tests, its explanations."""
    (root / "rules.py").write_text(rules, encoding="utf-8")
    (root / "test_rules.py").write_text(tests, encoding="utf-8")
    write_entries(root / "explained.yml", entries)
    return root


def test_the_command_tells_what_was_killed_and_what_survived(tmp_path: Path) -> None:
    """Killed: by a test, by an end that never comes, by a crash. Survived: what tests miss, and what none reaches."""
    every = {(mutant.before, mutant.after): mutant for mutant in of_text("rules.py", RULES)}
    explained, needless = every["now > due", "now >= due"], every["items", "False"]
    gone = a_mutant()
    ended = mutate(tree(tmp_path, entries=[entry_of(mutant) for mutant in (explained, needless, gone)]))
    found = ended.found
    survivors = {(row["before"], row["after"]): row["reached"] for row in found["survivors"]}
    assert {("not 0", "0"): False, ("0", "1"): False, ("code", "False"): True} == {
        key: reached for key, reached in survivors.items() if key[0] != "os._exit(3)" and key[0] != "3"
    }
    assert (len(every), 1, 1) == (found["mutants"], found["explained"], found["killed_late"])
    assert found["mutants"] == found["killed"] + found["explained"] + len(found["survivors"])
    assert {"test_rules.py": 2, "no test, a crash": 1} == found["killed_by"]
    assert [gone.key[5]] == [row["after"] for row in found["stale"]]
    assert [needless.key[5]] == [row["after"] for row in found["needless"]]
    assert 1 == ended.code
    assert "survived (no test gets there): rules.py:21:12 not: not 0 -> 0" in ended.words


STRICT = "def is_late(now, due):\n    return now > due\n"
STRICT_TESTS = '"""Tests."""\nimport rules\n\n\ndef test_late():\n    assert not rules.is_late(1, 1)\n'


def test_the_command_ends_well_where_all_is_killed(tmp_path: Path) -> None:
    """One mutant, killed: that is all of them, and the sample without it has nothing to say for itself."""
    tree(tmp_path, STRICT, STRICT_TESTS)
    ended = mutate(tmp_path, "--json")
    assert (0, 1, 1, "") == (ended.code, ended.found["mutants"], ended.found["killed"], ended.words)
    late = mutate(tmp_path, "--json", "--minutes", "0")
    assert (1, 0, 1) == (late.code, late.found["mutants"], late.found["left"])


def test_tests_that_fail_by_themselves_prove_nothing(tmp_path: Path) -> None:
    """Where a test fails without any change, the command says which and does not go on."""
    ended = mutate(tree(tmp_path, STRICT, STRICT_TESTS.replace("(1, 1)", "(2, 1)")))
    assert (1, {}) == (ended.code, ended.found)
    assert "the tests must pass before anything is changed" in ended.words
    assert "FAILED test_rules.py::test_late" in ended.words


def test_a_module_that_cannot_be_imported_any_more_is_killed(tmp_path: Path) -> None:
    """A change may break the import itself; the tests' collection then fails."""
    rules = "LIMIT = 7\nassert LIMIT == 7, 'it is seven'\n"
    tests = '"""Tests."""\nimport rules\n\n\ndef test_nothing():\n    assert rules\n'
    ended = mutate(tree(tmp_path, rules, tests), "--json")
    assert (0, 1, {"test_rules.py": 1}) == (ended.code, ended.found["killed"], ended.found["killed_by"])


STAGES = """
import sys
from pathlib import Path
from scripts.mutation.ground import Ground
from scripts.mutation.judge import Judge
from scripts.mutation.mutants import mutants_of

root, explained = Path(sys.argv[1]), sys.argv[2:]
ground = Ground(root, ["rules.py"], ["rules.py"], [["test_rules.py"], ["test_later.py"]], root)
every = mutants_of(ground)
keys = [mutant.key for mutant in every if mutant.before in explained]
for verdict in sorted(Judge(ground, 2, root).verdicts(every, keys)):
    print(verdict.mutant.before, verdict.mutant.after, verdict.killer or "none", verdict.reached)
"""
LATER_RULES = "def is_late(now, due):\n    return now > due\n\n\ndef unused(a, b):\n    return a < b\n"
LATER_TESTS = '"""Tests."""\nimport rules\n\n\ndef test_late():\n    assert rules.is_late(2, 1)\n'


def _stages(root: Path, later: str, *explained: str) -> list[str]:
    """Judge the mutants of two functions with tests in two stages."""
    tree(root, LATER_RULES, LATER_TESTS)
    (root / "test_later.py").write_text(later, encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", STAGES, str(root), *explained],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return done.stdout.splitlines() or [done.stderr]


def test_a_later_stage_is_for_what_has_survived_without_a_reason(tmp_path: Path) -> None:
    """It may kill it or reach nothing of it; what is explained it does not meet, and nobody runs it for nothing."""
    assert ["a < b a <= b none False", "now > due now >= due test_later.py::test_late True"] == sorted(
        _stages(tmp_path, STRICT_TESTS)
    )
    assert ["a < b a <= b none False", "now > due now >= due none True"] == sorted(
        _stages(tmp_path, STRICT_TESTS, "now > due")
    )
    broken = STRICT_TESTS.replace("(1, 1)", "(2, 1)")
    assert 2 == len(_stages(tmp_path, broken, "now > due", "a < b"))
    assert "the tests must pass before anything is changed" in _stages(tmp_path, broken)[0]


LAST_TESTS = '''
"""The slowest test, so that it comes last."""

import time

import rules


def test_last():
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert not rules.is_late(1, 1)
'''


def test_all_chosen_tests_run_however_many_there_are(tmp_path: Path) -> None:
    """The likeliest of them first, alone; then the others, whose files were not so much as imported before."""
    tests = STRICT_TESTS.replace("(1, 1)", "(2, 3)") + "".join(
        f"\n\ndef test_{number}():\n    assert not rules.is_late(2, 3)\n" for number in range(FIRST_TESTS_MAX)
    )
    tree(tmp_path, STRICT, tests)
    (tmp_path / "test_last.py").write_text(LAST_TESTS, encoding="utf-8")
    ended = mutate(tmp_path, "--json", "--tests", "test_rules.py", "test_last.py")
    assert (0, {"test_last.py": 1}) == (ended.code, ended.found["killed_by"])


WAITING = """
import sys, time
from pathlib import Path
from scripts.mutation.children import Children

children = Children(2, Path(sys.argv[1]))
children.start("waits", lambda tell: time.sleep(60), 0.2)
children.start("tells", lambda tell: tell({"a": "b" * 200_000}), 60)
assert children.is_full
print([(ticket, told and len(told["a"])) for ticket, told in sorted(children.next() for _ in "12")])
children.start("fails", lambda tell: 1 / 0, 60)
print(children.next()[1]["broken"].splitlines()[-1])
"""


def test_a_table_of_tests_that_has_other_rows_is_run(tmp_path: Path) -> None:
    """A change may change the names of tests; those that take their place run instead."""
    rules = "LIMIT = 7\n"
    tests = (
        '"""Tests."""\nimport pytest\nimport rules\n\n\n'
        "@pytest.mark.parametrize('limit', [rules.LIMIT])\ndef test_limit(limit):\n    assert limit == 7\n"
    )
    ended = mutate(tree(tmp_path, rules, tests), "--json")
    assert (0, 1, {"test_rules.py": 1}) == (ended.code, ended.found["killed"], ended.found["killed_by"])


def test_a_child_that_waits_for_ever_is_ended(tmp_path: Path) -> None:
    """Its time is up by the clock on the wall; another one's long message comes whole, and what a third raises."""
    command = [sys.executable, "-c", WAITING, str(tmp_path)]
    done = subprocess.run(  # noqa: S603 - ours
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    )
    told = "[('tells', 200000), ('waits', None)]"
    assert [told, "ZeroDivisionError: division by zero"] == done.stdout.splitlines()
