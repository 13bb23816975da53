"""Mutation testing: which changes are made, that tests meet the changed module, and what the command says of them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.mutation.explained import read_explanations, stale
from scripts.mutation.figures import figures, is_in_order
from scripts.mutation.ground import ROOT, Ground, module_name
from scripts.mutation.inject import inject, marked
from scripts.mutation.judge import Stage, Verdict, shares
from scripts.mutation.mutants import enumerations, in_order_of_chance, is_in_sample, mutants_of, of_text
from tests.scripts.entries import a_mutant, entry_of, write_entries

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
    inside, outside = a_mutant(statement="1:4"), a_mutant(statement="")
    assert ["quick", "slow"] == stage.chosen(inside, [])
    assert ["slow", "quick"] == stage.chosen(inside, ["slow"])
    assert ["quick", "slow", "far"] == stage.chosen(outside, [])
    assert [] == stage.chosen(a_mutant(statement="9:9"), ["slow"])


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


def test_explanations_are_read_as_they_stand_in_the_source(tmp_path: Path) -> None:
    """`1_000`, `True` and `0.0` are texts, whatever YAML would make of them."""
    path = tmp_path / "explained.yml"
    path.write_text("- {file: m.py, where: '', line: x = 1, operator: constant, before: 1_000, after: True, why: So.}")
    assert {("m.py", "", "x = 1", "constant", "1_000", "True"): "So."} == read_explanations(path)


def test_all_faults_of_the_explanations_are_told_at_once(tmp_path: Path) -> None:
    """An entry without a reason, one with a field too few and one that is there twice."""
    mutant = a_mutant()
    short = {name: text for name, text in entry_of(mutant).items() if name != "after"}
    path = write_entries(tmp_path / "explained.yml", [entry_of(mutant), entry_of(mutant, " "), short, entry_of(mutant)])
    with pytest.raises(SystemExit, match=r"entry 2 must have.*entry 3 must have.*entry 4 says again"):
        read_explanations(path)


def test_the_project_s_explanations_are_not_stale() -> None:
    """Each explains a mutant that there is."""
    assert [] == stale(read_explanations(Ground().explained), mutants_of(Ground()))


def test_survivors_are_explained_or_told() -> None:
    """Only what survived counts as explained; an explanation of what is killed is needless, one of nothing stale."""
    killed, explained, survived = a_mutant("2"), a_mutant("3"), a_mutant("4")
    verdicts = [
        Verdict(killed, "tests/a.py::test_b", late=True),
        Verdict(explained, ""),
        Verdict(survived, "", reached=False),
    ]
    found = figures(verdicts, {killed.key: "So.", explained.key: "So."}, [a_mutant("9").key])
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
    verdicts = [Verdict(a_mutant(str(number)), "t" if number < killed else "") for number in range(killed + explained)]
    verdicts += [Verdict(a_mutant("survived"), "")] * survived
    explanations = {verdict.mutant.key: "So." for verdict in verdicts[killed : killed + explained]}
    assert is_in_order(figures(verdicts, explanations, []), whole=whole) is expected
