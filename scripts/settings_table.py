"""The docstrings of `Settings` in; the README's table of settings out, in its place between two markers.

python -m scripts.settings_table
"""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import msgspec

from shared import settings

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings: made by `python -m scripts.settings_table` -->\n", "<!-- end of settings -->"


def table() -> str:
    """Make the table: each variable, its default, and its docstring."""
    tree = ast.parse(Path(settings.__file__).read_text(encoding="utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings").body
    told = {
        field.target.id: str(after.value.value)
        for field, after in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for field in msgspec.structs.fields(settings.Settings):
        default = "needed" if field.required else f"`{field.default}`" if field.default != "" else ""
        rows.append(f"| `{field.encode_name}` | {default} | {told[field.name]} |")
    return "\n".join(rows) + "\n"


def in_place(text: str) -> str:
    """Put the table where it belongs in the README's text."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    README.write_text(in_place(README.read_text(encoding="utf-8")), encoding="utf-8")
