"""The source tree in, its breaches of the house rules out: what a linter does not hold is held here."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
FOLDERS = (".ci", "functions", "scripts", "shared", "tests")
NOT_OURS = {"__pycache__", ".hypothesis"}
WRITTEN_BY_TOOLS = re.compile(r"requirements[\w-]*\.txt|LICENSE")
# In two parts each, so that this file does not name them either.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmmirror", "com"),
        ("debian", "org"),
        ("crates", "io"),
    )
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s;&|(])\./([\w./-]+)")


def files() -> Iterator[Path]:
    """List every file that belongs to the project."""
    yield from sorted(path for path in ROOT.iterdir() if path.is_file())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not NOT_OURS & set(path.parts):
                yield path


def name(path: Path) -> str:
    """Give a file's name for a message."""
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> str:
    """Give a text file's content, or nothing for a file that is no text."""
    return path.read_text(encoding="utf-8", errors="ignore")


SOURCES = [path for path in files() if path.suffix == ".py"]
COMMANDS = [path for path in files() if read(path).startswith("#!/usr/bin/env bash")]


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    """List the nodes of some kinds in a source."""
    return (node for node in ast.walk(ast.parse(read(path))) if isinstance(node, kinds))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """List the functions of a source, nested ones too."""
    for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield node


def test_functions_are_short() -> None:
    """No function is longer than 70 lines."""
    long = [
        f"{name(path)}:{node.lineno} {node.name} has {lines} lines"
        for path in SOURCES
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_are_short() -> None:
    """No file that a person writes is longer than 500 lines."""
    ours = [path for path in files() if not WRITTEN_BY_TOOLS.fullmatch(path.name)]
    long = [f"{name(path)} has {lines} lines" for path in ours if (lines := read(path).count("\n")) > FILE_LINES_MAX]
    assert long == []


def test_modules_say_what_they_are_for() -> None:
    """Each module opens with a docstring."""
    assert [name(path) for path in SOURCES if not ast.get_docstring(ast.parse(read(path)))] == []


def test_tests_say_what_they_prove() -> None:
    """Each test has a docstring."""
    silent = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_nothing_is_patched() -> None:
    """No source imports a mocking library: what a test replaces, it passes in."""

    def imported(path: Path) -> set[str]:
        modules = {alias.name for node in nodes(path, ast.Import) for alias in getattr(node, "names", ())}
        return modules | {f"{getattr(node, 'module', '')}" for node in nodes(path, ast.ImportFrom)}

    assert [name(path) for path in SOURCES if {"mock", "unittest.mock"} & imported(path)] == []


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the installing machine's setting, so no file names a registry."""
    named = [f"{name(path)} names {host}" for path in files() for host in REGISTRIES if host in read(path)]
    assert named == []


def test_commands_are_executable_and_stop_at_the_first_error() -> None:
    """Each shell command may be started as it is, says in a comment what it does, and ends when a step fails."""
    faults = [
        name(path)
        for path in COMMANDS
        if not os.access(path, os.X_OK)
        or not read(path).splitlines()[1].startswith("# ")
        or "\nset -euo pipefail\n" not in read(path)
    ]
    assert faults == []


def readme_commands() -> list[str]:
    """List the programs of this tree that the README's blocks of commands start."""
    blocks = [
        text for language, text in FENCE.findall(read(ROOT / "README.md")) if language in {"", "sh", "bash", "console"}
    ]
    return sorted({command for block in blocks for command in COMMAND.findall(block)})


def test_readme_shows_commands() -> None:
    """The README shows at least one command of this tree."""
    assert readme_commands() != []


def test_readme_commands_exist() -> None:
    """Each command that the README shows is a file that may be started."""
    assert [command for command in readme_commands() if not os.access(ROOT / command, os.X_OK)] == []


@pytest.mark.parametrize("folder", ["functions", "scripts", "shared", "tests"])
def test_the_tree_is_where_these_tests_look(folder: str) -> None:
    """These tests see sources in each folder, so that none of them passes because it looked at nothing."""
    assert any(path.relative_to(ROOT).parts[0] == folder for path in SOURCES)
