"""Modules in, their mutants out: each with its place, its text before and after, and a name that survives edits."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from scripts.mutation.ground import Ground
from scripts.mutation.operators import Edit, Scope, edits_of
from scripts.mutation.source import Source

_UNTOUCHED = (ast.Import, ast.ImportFrom, ast.Assert, ast.Global, ast.Nonlocal)
_ANNOTATIONS = {"annotation", "returns", "decorator_list", "type_params", "type_comment"}
_TYPE_MAKERS = {"TypeVar", "ParamSpec", "NewType"}
_DECLARATIONS = {"frozen", "kw_only"}
"""Of a record's class: they bind those who write code, as annotations do."""

Key = tuple[str, str, str, str, str, str]


class Mutant(NamedTuple):
    """One small change of a module. `line` and `column` count from 1; `where` names the function around it."""

    file: str
    where: str
    line: int
    column: int
    text: str
    operator: str
    before: str
    after: str
    statement: str
    """Names the innermost statement of a function, as `reach` does; empty where it runs as the module is imported."""
    start: int
    end: int
    new: str

    @property
    def key(self) -> Key:
        """What an explanation names it by: neither line nor column, so that edits elsewhere do not matter."""
        return (self.file, self.where, self.text, self.operator, self.before, self.after)

    def applied(self, text: str) -> str:
        """The module's text with this change in it."""
        return text[: self.start] + self.new + text[self.end :]

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} {self.operator}: {self.before} -> {self.after or 'nothing'}"


def mutants_of(ground: Ground) -> list[Mutant]:
    """List the mutants of all modules, in the order of their places."""
    enums = enumerations(path.read_text(encoding="utf-8") for path in ground.enum_paths())
    return [mutant for path in ground.paths() for mutant in of_file(ground.root, path, enums)]


def of_file(root: Path, path: Path, enums: Mapping[str, tuple[str, ...]]) -> list[Mutant]:
    """List the mutants of one module."""
    return of_text(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"), enums)


def of_text(file: str, text: str, enums: Mapping[str, tuple[str, ...]] | None = None) -> list[Mutant]:
    """List the mutants of a module's text; what comes to the same text as another is left out."""
    source = Source(text)
    seen = {text}
    found = []
    for edit, scope, statement in _walk(source, source.tree, Scope(enums=enums or {}), ""):
        mutant = _mutant(file, source, edit, scope, statement)
        changed = mutant.applied(text)
        if changed not in seen:
            seen.add(changed)
            found.append(mutant)
    return sorted(found, key=lambda mutant: (mutant.line, mutant.column, mutant.operator, mutant.after))


def _mutant(file: str, source: Source, edit: Edit, scope: Scope, statement: str) -> Mutant:
    start, end = edit.start, edit.end
    return Mutant(
        file,
        ".".join(scope.where),
        *source.position(start),
        source.line_at(start),
        edit.operator,
        " ".join(source.text[start:end].split()),
        " ".join(edit.after.split()),
        statement,
        start,
        end,
        edit.after,
    )


def _walk(source: Source, node: ast.AST, scope: Scope, statement: str) -> Iterator[tuple[Edit, Scope, str]]:
    """Go through a tree, but not into what only people, or the type checker, read."""
    if isinstance(node, _UNTOUCHED) or _is_docstring(node) or _makes_a_type(node):
        return
    if isinstance(node, ast.stmt) and scope.function is not None:
        statement = statement_name(node)
    for edit in edits_of(source, node, scope):
        yield edit, scope, statement
    if isinstance(node, ast.JoinedStr):
        return
    inner = _inside(node, scope)
    for field, child in _children(node):
        if field not in _ANNOTATIONS:
            yield from _walk(source, child, inner if field == "body" else scope, statement)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            declares = isinstance(node, ast.ClassDef) and isinstance(child, ast.keyword) and child.arg in _DECLARATIONS
            if isinstance(child, ast.AST) and not declares:
                yield field, child


def _inside(node: ast.AST, scope: Scope) -> Scope:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return scope._replace(where=(*scope.where, node.name), function=node)
    if isinstance(node, ast.ClassDef):
        return scope._replace(where=(*scope.where, node.name))
    return scope


def statement_name(node: ast.stmt) -> str:
    """Name a statement of a module by where it begins."""
    return f"{node.lineno}:{node.col_offset}"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _makes_a_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _TYPE_MAKERS


def enumerations(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """List the members of the enumerations in some modules, by the enumeration's name."""
    classes = [node for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    return {
        node.name: tuple(
            target.id
            for line in node.body
            if isinstance(line, ast.Assign)
            for target in line.targets
            if isinstance(target, ast.Name)
        )
        for node in classes
        if any(ast.unparse(base).endswith(("Enum", "Flag")) for base in node.bases)
    }


def is_in_sample(mutant: Mutant, share: tuple[int, int]) -> bool:
    """Whether a mutant is in the n-th part of all: by its name, so the same each time, wherever it stands."""
    return _rank(mutant) % share[1] < share[0]


def in_order_of_chance(mutants: Iterable[Mutant]) -> list[Mutant]:
    """Sort mutants by a number made of their names, so that what is tried first says something of all."""
    return sorted(mutants, key=_rank)


def _rank(mutant: Mutant) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(mutant.key).encode()).digest()[:8], "big")
