"""Mutation testing: which changes are made, that tests meet the changed module, and what the command says of them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from scripts.mutation.explained import FIELDS, read_explanations, stale
from scripts.mutation.figures import figures, is_in_order
from scripts.mutation.ground import ROOT, Ground, module_name
from scripts.mutation.inject import inject, marked
from scripts.mutation.judge import Stage, Verdict, shares
from scripts.mutation.mutants import Mutant, enumerations, in_order_of_chance, is_in_sample, mutants_of, of_text
from scripts.mutation.trial import FIRST_TESTS_MAX

SECONDS_MAX = 120


def changes(text: str, operator: str) -> list[str]:
    """List what an operator makes of a text, in the order of the places."""
    made = of_text("m.py", text, {"Color": ("RED", "GREEN", "BLUE")})
    return [mutant.after for mutant in made if mutant.operator == operator]


@pytest.mark.parametrize(
    ("operator", "text", "after"),
    [
        ("compare", "x = a < b", ["a <= b"]),
        ("compare", "x = a <= b", ["a < b"]),
        ("compare", "x = a > b", ["a >= b"]),
        ("compare", "x = a >= b", ["a > b"]),
        ("compare", "x = a == b", ["a != b"]),
        ("compare", "x = a != b", ["a == b"]),
        ("compare", "x = a in b", ["a not in b"]),
        ("compare", "x = a not in b", ["a in b"]),
        ("compare", "x = a is b", ["a is not b"]),
        ("compare", "x = a is not b", ["a is b"]),
        ("compare", "x = a < b <= c", ["a < b < c", "a <= b <= c"]),
        ("compare", "x = ((a) < # or > ?\n (b))", ["(a) <= # or > ? (b)"]),
        ("boolean", "x = a and b and c", ["a or b or c"]),
        ("boolean", "x = a or b", ["a and b"]),
        ("operand", "x = a and b", ["True and b", "a and True"]),
        ("operand", "x = a or b", ["False or b", "a or False"]),
        ("not", "x = not a", ["a"]),
        ("sign", "x = a[-n:]", ["n"]),
        ("arithmetic", "x = a + b", ["a - b"]),
        ("arithmetic", "x = a - (b) * c", ["a + (b) * c", "(b) // c"]),
        ("arithmetic", "x = a // b", ["a * b"]),
        ("arithmetic", "x = a / b", ["a * b"]),
        ("arithmetic", "x = a % b", ["a * b"]),
        ("arithmetic", "x = a ** b", ["a * b"]),
        ("arithmetic", "x += 1", ["x -= 1"]),
        ("call", "x = min(a, max(b, c))", ["max(a, max(b, c))", "min(b, c)"]),
        ("call", "x = any(a)", ["all(a)"]),
        ("reverse", "x = sorted(a)", ["sorted(a, reverse=True)"]),
        ("reverse", "x = sorted(a, key=f,)", ["sorted(a, key=f,reverse=True)"]),
        ("reverse", "x = sorted(a for a in b)", ["sorted((a for a in b), reverse=True)"]),
        ("reverse", "x.sort()", ["x.sort(reverse=True)"]),
        ("reverse", "x = sorted(a, reverse=True)", []),
        ("keyword", "x = replace(a, b=1, c=2)", ["replace(a, b=1)", "replace(a, c=2)"]),
        ("keyword", "x = replace(b=1, c=2)", ["replace( c=2)", "replace(b=1)"]),
        ("keyword", "x = min(a, key=lambda b: -b)", ["min(a)"]),
        ("keyword", "x = f(**a)", []),
        ("constant", "x = 0, 1, 7", ["1", "0", "8"]),
        ("constant", "x = 0.0, 1.0, 2.5", ["1.0", "0.0", "3.5"]),
        ("constant", "x = True, False, None, ...", ["False", "True"]),
        ("text", "x = 'word', ''", ['""', '"~"']),
        ("text", "x = f'{a}-{b}'", ['""']),
        ("member", "x = Color.RED, Color.BLUE, Color.other, Kind.RED", ["Color.GREEN", "Color.RED"]),
        ("condition", "if a:\n    b()", ["False", "True"]),
        ("condition", "x = a if b else c", ["False", "True"]),
        ("condition", "match a:\n    case 1 if b:\n        c()", ["False", "True"]),
        ("condition", "while a:\n    b()", ["False"]),
        ("condition", "while True:\n    b()", []),
        ("filter", "x = [a for a in b if a if c]", ["True", "True"]),
        ("slice", "x = a[b:c + 1]", ["(b) + 1:c + 1", "b:(c + 1) + 1"]),
        ("slice", "x = a[1:]", []),
        ("return", "def f() -> int | None:\n    return a", ["0", "None"]),
        ("return", "def f() -> bool:\n    return a", ["False", "True"]),
        ("return", "def f() -> list[int]:\n    return a", ["[]"]),
        ("return", "def f() -> Thing:\n    return a", []),
        ("statement", "def f():\n    a.append(1)\n    b.c = 1\n    d[0] = 1", ["pass", "pass", "pass"]),
        ("statement", "def f(a):\n    a = g(a)\n    b = a\n    b += 1\n    return b", ["pass", "pass"]),
        ("statement", "def f():\n    for a in b:\n        continue\n    raise E", ["pass", "pass"]),
        ("statement", "a.append(1)", []),
    ],
)
def test_each_operator_makes_its_changes(operator: str, text: str, after: list[str]) -> None:
    """What each operator makes of a small source, and what it leaves alone."""
    assert after == changes(text, operator)


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""',
        "def f() -> None:\n    'docstring'",
        "import a.b\nfrom c import d as e",
        "a: Literal['b', 1]",
        "def f(a: 'b' = c) -> Literal[1]: ...",
        "@decorated(1)\ndef f() -> None: ...",
        "x = 'told to people', f'{a} of {b + 1}'",
        "assert a == 1",
        "class A(Struct, frozen=True): ...",
        "T = TypeVar('T', bound='A')",
    ],
)
def test_what_only_people_read_is_not_changed(text: str) -> None:
    """Docstrings, annotations, messages and declarations decide nothing."""
    assert [] == of_text("m.py", text)


def test_only_the_changed_expression_changes() -> None:
    """A change is a slice of the text, even where letters take several bytes."""
    text = 'x = ("é — ü", a  <  b)  # why\n'
    (mutant,) = of_text("m.py", text)
    assert 'x = ("é — ü", a  <=  b)  # why\n' == mutant.applied(text)
    assert (1, 15) == (mutant.line, mutant.column)


def test_enumerations_are_known_by_their_members() -> None:
    """Members are what a class of that kind assigns, and nothing of other classes."""
    text = "class A(str, Enum):\n    B = 1\n    C = 2\n    def d(self): ...\nclass E:\n    F = 1\n"
    assert {"A": ("B", "C")} == enumerations([text])


def test_what_decides_has_enough_mutants() -> None:
    """The modules that are listed have hundreds of mutants, and each is another program that can be compiled."""
    every = mutants_of(Ground())
    assert len(every) >= 200
    for mutant in in_order_of_chance(every)[:200]:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        changed = mutant.applied(text)
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
        compile(changed, mutant.file, "exec")


DEEP = """
def f(a):
    with a:
        try:
            b = 1
        except E:
            c()
        else:
            while a:
                d()
    match a:
        case 1:
            e()
    class G:
        h = 1
        def i(self):
            return 2
    return [j for j in a if j]
k = 3
"""


def test_marks_name_the_statements_of_mutants() -> None:
    """Each mutant of a function stands in a statement that has a mark, so what reaches it is known."""
    marks = {node.value for node in ast.walk(marked("m.py", DEEP)) if isinstance(node, ast.Constant)}
    statements = {f"m.py:{mutant.statement}" for mutant in of_text("m.py", DEEP) if mutant.statement}
    assert len(statements) >= 8
    assert statements <= marks
    assert ["3"] == [mutant.before for mutant in of_text("m.py", DEEP) if not mutant.statement]


def test_a_mark_tells_what_was_reached() -> None:
    """A marked module does what it did, and says where it came by."""
    reached: list[str] = []
    space: dict[str, Any] = {"__reached__": reached.append}
    text = "def f(a):\n    if a:\n        return 1\n    return 2\n"
    exec(compile(marked("m.py", text), "m.py", "exec"), space)  # noqa: S102 - it stands two lines above
    assert 2 == space["f"](0)
    assert ["m.py:2:4", "m.py:4:4"] == reached


def test_what_was_imported_before_cannot_be_changed() -> None:
    """An injected module that is already there would be met by no test, so it is refused."""
    path = ROOT / "scripts/mutation/ground.py"
    finders = list(sys.meta_path)
    with pytest.raises(RuntimeError, match=r"already imported.*scripts\.mutation\.ground"):
        inject(ROOT, {path: compile("", str(path), "exec")})
    assert finders == sys.meta_path
    assert "a.b" == module_name(Path("/r"), Path("/r/a/b/__init__.py"))


SAMPLED = "def f(a, b):\n    return a < 1 and b > 2 or a == 3\n"


def test_the_sample_is_fixed() -> None:
    """Which mutants are in it depends on what they are, not on lines, runs or processes."""
    every = of_text("m.py", SAMPLED)
    moved = of_text("m.py", "# A comment above.\n\n" + SAMPLED)
    keys = [mutant.key for mutant in every if is_in_sample(mutant, (1, 3))]
    assert keys == [mutant.key for mutant in moved if is_in_sample(mutant, (1, 3))]
    assert ["3 -> 4", "2 -> 3"] == [f"{mutant.before} -> {mutant.after}" for mutant in in_order_of_chance(every)][:2]
    assert 0 < len(keys) < len(every) == sum(is_in_sample(mutant, (3, 3)) for mutant in every)


def test_tests_that_reach_it_are_chosen_and_likely_ones_go_first() -> None:
    """A mutant of a statement meets its own tests; one of the import meets all, those of its module first."""
    stage = Stage(
        {"slow": 2.0, "quick": 1.0, "far": 0.5},
        {"m.py:1:4": frozenset({"slow", "quick"})},
        {"m.py": frozenset({"slow", "quick"})},
    )
    inside, outside = _mutant(statement="1:4"), _mutant(statement="")
    assert ["quick", "slow"] == stage.chosen(inside, [])
    assert ["slow", "quick"] == stage.chosen(inside, ["slow"])
    assert ["quick", "slow", "far"] == stage.chosen(outside, [])
    assert [] == stage.chosen(_mutant(statement="9:9"), ["slow"])


def test_tests_are_dealt_out_file_by_file(tmp_path: Path) -> None:
    """The largest first, so that the shares take about as long; what is named alone stays alone."""
    for name, size in (("a", 5), ("b", 9), ("c", 7)):
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / f"sub/test_{name}.py").write_text("#" * size)
    (tmp_path / "test_d.py").write_text("#" * 8)
    (tmp_path / "sub/conftest.py").write_text("#" * 99)
    dealt = [["sub/test_b.py", "sub/test_c.py"], ["test_d.py::test_e", "sub/test_a.py"]]
    assert dealt == shares(tmp_path, ["sub", "test_d.py::test_e"], 2)
    assert [["test_d.py"]] == shares(tmp_path, ["test_d.py"], 2)


def _mutant(after: str = "2", statement: str = "") -> Mutant:
    return Mutant("m.py", "f", 1, 1, "x = 1", "constant", "1", after, statement, 4, 5, after)


def _entry(mutant: Mutant, why: str = "It comes to the same.") -> dict[str, str]:
    return {**dict(zip(FIELDS, mutant.key, strict=True)), "why": why}


def _write(path: Path, entries: Sequence[object]) -> Path:
    path.write_text(yaml.safe_dump(list(entries), allow_unicode=True), encoding="utf-8")
    return path


def test_explanations_are_read_as_they_stand_in_the_source(tmp_path: Path) -> None:
    """`1_000`, `True` and `0.0` are texts, whatever YAML would make of them."""
    path = tmp_path / "explained.yml"
    path.write_text("- {file: m.py, where: '', line: x = 1, operator: constant, before: 1_000, after: True, why: So.}")
    assert {("m.py", "", "x = 1", "constant", "1_000", "True"): "So."} == read_explanations(path)


def test_all_faults_of_the_explanations_are_told_at_once(tmp_path: Path) -> None:
    """An entry without a reason, one with a field too few and one that is there twice."""
    mutant = _mutant()
    short = {name: text for name, text in _entry(mutant).items() if name != "after"}
    path = _write(tmp_path / "explained.yml", [_entry(mutant), _entry(mutant, " "), short, _entry(mutant)])
    with pytest.raises(SystemExit, match=r"entry 2 must have.*entry 3 must have.*entry 4 says again"):
        read_explanations(path)


def test_the_project_s_explanations_are_not_stale() -> None:
    """Each explains a mutant that there is."""
    assert [] == stale(read_explanations(Ground().explained), mutants_of(Ground()))


def test_survivors_are_explained_or_told() -> None:
    """Only what survived counts as explained; an explanation of what is killed is needless, one of nothing stale."""
    killed, explained, survived = _mutant("2"), _mutant("3"), _mutant("4")
    verdicts = [
        Verdict(killed, "tests/a.py::test_b", late=True),
        Verdict(explained, ""),
        Verdict(survived, "", reached=False),
    ]
    found = figures(verdicts, {killed.key: "So.", explained.key: "So."}, [_mutant("9").key])
    assert (3, 1, 1, 0.3333) == tuple(found[name] for name in ("mutants", "killed", "explained", "killed_share"))
    assert [("4", False)] == [(row["after"], row["reached"]) for row in found["survivors"]]
    assert [["9"], ["2"]] == [[row["after"] for row in found[name]] for name in ("stale", "needless")]
    assert ({"tests/a.py": 1}, 1) == (found["killed_by"], found["killed_late"])
    assert {"constant": "1 of 3"} == found["by_operator"]


@pytest.mark.parametrize(
    ("killed", "explained", "whole", "expected"),
    [
        (94, 6, True, True),
        (92, 8, True, False),  # explanations cannot take the place of tests
        (92, 8, False, True),  # a sample may have more of them than its share
        (99, 0, False, False),  # one survived
        (0, 0, False, False),  # nothing was tried
    ],
)
def test_the_bar(killed: int, explained: int, whole: bool, expected: bool) -> None:  # noqa: FBT001 - a table
    """All is killed or explained, and of the whole enough is killed."""
    survived = 1 if killed == 99 else 0
    verdicts = [Verdict(_mutant(str(number)), "t" if number < killed else "") for number in range(killed + explained)]
    verdicts += [Verdict(_mutant("survived"), "")] * survived
    explanations = {verdict.mutant.key: "So." for verdict in verdicts[killed : killed + explained]}
    assert is_in_order(figures(verdicts, explanations, []), whole=whole) is expected


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
    _write(root / "explained.yml", entries)
    return root


def test_the_command_tells_what_was_killed_and_what_survived(tmp_path: Path) -> None:
    """Killed: by a test, by an end that never comes, by a crash. Survived: what tests miss, and what none reaches."""
    every = {(mutant.before, mutant.after): mutant for mutant in of_text("rules.py", RULES)}
    explained, needless = every["now > due", "now >= due"], every["items", "False"]
    gone = _mutant()
    ended = mutate(tree(tmp_path, entries=[_entry(mutant) for mutant in (explained, needless, gone)]))
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
