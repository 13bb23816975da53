"""A text of YAML in; plain data, and the line of each path in it, out: texts, numbers, lists and mappings, no more.

What YAML could be besides (dates, sets, bytes, tags of programs) and what its reader stumbles over are faults with
their line, never another exception.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from shared.core.checked import Fault, Invalid

NODES_MAX = 100_000
"""Of a document with its aliases followed; a few that contain each other can stand for billions."""

_KINDS: dict[type[yaml.Node], frozenset[str]] = {
    yaml.ScalarNode: frozenset({"str", "int", "float", "bool", "null", "merge"}),
    yaml.SequenceNode: frozenset({"seq"}),
    yaml.MappingNode: frozenset({"map"}),
}
_PREFIX = "tag:yaml.org,2002:"
_NEEDS_QUOTES = re.compile(r"(?:^|[\s\[,])(([*!&@%`{])[^\s,\]]*)")
"""What begins with a sign that means something to YAML, such as `*.tmp`, `{url}!thumb` and `!thumb`."""
_STUMBLES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML lets through from the conversions that it makes."""


def plain(text: str, source: str, lines: dict[str, int], faults: list[Fault]) -> Any:
    """Read a document; None where it is empty. Adds to `faults` what cannot be used, and notes the line of each path.

    Raises `Invalid`, with `source` as its subject, where it is no YAML.
    """
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        what = f"character U+{_number(fault.character):04X} is not allowed"
        raise Invalid(source, [f"line {line}: not YAML: {what}"]) from None
    try:
        return _document(loader, lines, faults)
    except RecursionError:
        raise Invalid(source, ["not usable: it is nested too deeply, or an alias contains itself"]) from None
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        hint = _hint(text.split("\n"), mark.line) if mark else ""
        raise Invalid(source, [f"{where}not YAML: {getattr(fault, 'problem', None) or fault}{hint}"]) from None
    except _STUMBLES as fault:
        raise Invalid(source, [f"line {loader.line + 1}: not YAML: {type(fault).__name__}: {fault}"]) from None
    finally:
        loader.dispose()


def _document(loader: yaml.SafeLoader, lines: dict[str, int], faults: list[Fault]) -> Any:
    node = loader.get_single_node()
    if node is None:
        return None
    walk = _Walk(loader, lines, faults)
    walk.walk(node, "")
    return loader.construct_document(node) if walk.is_plain else None


class _Walk:
    """Goes through a document once, noting lines and faults."""

    def __init__(self, loader: yaml.SafeLoader, lines: dict[str, int], faults: list[Fault]) -> None:
        self._loader, self._lines, self._faults = loader, lines, faults
        self._left = NODES_MAX
        self.is_plain = True
        """Whether all of it is plain data, so that it can be read."""

    def walk(self, node: yaml.Node, where: str) -> None:
        """Look at a node and all that is in it. Raises `RecursionError` where that is more than anybody writes."""
        self._left -= 1
        if self._left < 0:
            raise RecursionError
        self._lines.setdefault(where, node.start_mark.line + 1)
        if fault := self._fault(node):
            self._spoil(where, fault)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.walk(item, f"{where}[{index}]")
        elif isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, where)

    def _walk_mapping(self, node: yaml.MappingNode, where: str) -> None:
        seen = set()
        for key, item in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            path = f"{where}.{name}" if where else name
            self._lines[path] = key.start_mark.line + 1
            fault = self._fault(key) if isinstance(key, yaml.ScalarNode) else "a name is a text"
            if fault:
                self._spoil(path, fault)
            if name in seen:
                self._faults.append(Fault(path, "is given twice"))
            seen.add(name)
            self.walk(item, path)

    def _spoil(self, where: str, fault: str) -> None:
        self.is_plain = False
        self._faults.append(Fault(where, f"cannot be used: {fault}"))

    def _fault(self, node: yaml.Node) -> str:
        """Tell why a node by itself is no plain data; nothing where it is."""
        tag = node.tag.removeprefix(_PREFIX)
        if tag not in _KINDS[type(node)]:
            return f"YAML takes it for !!{tag:.60}; put it in quotes, or leave the tag away"
        if not isinstance(node, yaml.ScalarNode) or tag == "merge":
            return ""
        if node.value.encode("utf-8", "ignore").decode() != node.value:
            return f"{node.value!r:.60} holds half a character, which cannot be written"
        try:
            self._loader.construct_object(node)
        except (yaml.YAMLError, *_STUMBLES):
            return f"{node.value!r:.60} is no {tag}"
        return ""


def _hint(lines: list[str], number: int) -> str:
    """Say what probably lacks quotes in the line that could not be read, or in the one before it."""
    near = [lines[place] for place in (number, number - 1) if 0 <= place < len(lines)]
    found = next(filter(None, map(_NEEDS_QUOTES.search, near)), None)
    return f'; put what begins with `{found[2]}` in quotes: "{found[1]:.60}"' if found else ""


def _number(character: str | int) -> int:
    return character if isinstance(character, int) else ord(character)
