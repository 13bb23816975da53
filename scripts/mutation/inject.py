"""Texts of modules in; whoever imports these modules gets the texts instead of the files."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

from scripts.mutation.ground import module_name
from scripts.mutation.mutants import statement_name

_MARK = "__reached__"


def inject(root: Path, code: Mapping[Path, CodeType], on_reached: Callable[[str], None] = lambda _name: None) -> None:
    """Give code for modules, before anything has imported one of them. What is marked reports to `on_reached`."""
    modules = {module_name(root, path): path for path in code}
    imported = modules.keys() & sys.modules.keys()
    if imported:
        raise RuntimeError(f"already imported, so no change of them would show: {', '.join(sorted(imported))}")
    sys.meta_path.insert(0, _Finder({name: (path, code[path]) for name, path in modules.items()}, on_reached))


class _Finder(MetaPathFinder):
    def __init__(self, modules: Mapping[str, tuple[Path, CodeType]], on_reached: Callable[[str], None]) -> None:
        self._modules, self._on_reached = modules, on_reached

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if fullname not in self._modules:
            return None
        path, code = self._modules[fullname]
        loader = _Loader(fullname, str(path))
        loader.code, loader.on_reached = code, self._on_reached
        within = [str(path.parent)] if path.name == "__init__.py" else None
        return spec_from_file_location(fullname, path, loader=loader, submodule_search_locations=within)


class _Loader(SourceFileLoader):
    code: CodeType
    on_reached: Callable[[str], None]

    def get_code(self, fullname: str) -> CodeType:
        # The marks call it by this name; it has to be there before the module's own first line.
        vars(sys.modules[fullname])[_MARK] = self.on_reached
        return self.code


def marked(file: str, text: str) -> ast.Module:
    """Make each statement of each function report, before it runs, that it was reached: as `file:line:column`."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _mark_blocks(node, file)
    return ast.fix_missing_locations(tree)


def _mark_blocks(node: ast.AST, file: str) -> None:
    for field, block in ast.iter_fields(node):
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            setattr(node, field, [line for statement in block for line in _with_mark(statement, file)])


def _with_mark(statement: ast.stmt, file: str) -> list[ast.stmt]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        inner: list[ast.AST] = []  # It gets its own marks.
    else:
        inner = [statement, *_blocks(statement)]
    for node in inner:
        _mark_blocks(node, file)
    call = ast.Call(ast.Name(_MARK, ast.Load()), [ast.Constant(f"{file}:{statement_name(statement)}")], [])
    return [ast.copy_location(ast.Expr(call), statement), statement]


def _blocks(statement: ast.stmt) -> list[ast.AST]:
    """What of a statement has blocks of its own, without being a statement: handlers and cases."""
    return [
        child for child in ast.iter_child_nodes(statement) if isinstance(child, (ast.ExceptHandler, ast.match_case))
    ]
