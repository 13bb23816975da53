"""A file of YAML in; plain data, and the line of each path in it, out: texts, numbers, lists and mappings, no more.

What YAML could be besides (dates, sets, bytes, tags of programs) and what its reader stumbles over are faults with
their line, never another exception.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import yaml

from shared.core.checked import Fault, Invalid

BYTES_MAX = 2_000_000
"""Of a file: some 30,000 rules, which take half a minute to read."""
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
_PLACE = re.compile(r"\[\d+\]$")
_TAB = re.compile(r"\s*\t")
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_REMEDIES = (
    ("could not find expected ':'", True, "behind the name of a field come `:` and a space"),
    (
        "mapping values are not allowed",
        False,
        "put a text that has `: ` in quotes, and indent alike what belongs together",
    ),
    ("expected <block end>", False, "indent the fields of one thing alike"),
    ("unexpected end of stream", True, "close the quotes that begin there"),
    ("expected ',' or", True, "put commas between, and close the bracket or brace that begins there"),
    ("but found '<stream end>'", True, "close the bracket or brace that begins there"),
)
"""What PyYAML says, whether the line to look at is where that began, and what to do."""
_STUMBLES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML lets through from the conversions that it makes."""


def text_of(data: bytes, source: str) -> str:
    """Decode a file. Raises `Invalid`, with `source` as its subject, where that cannot be done, or it is too large."""
    if len(data) > BYTES_MAX:
        raise Invalid(source, [f"is longer than {BYTES_MAX:,} bytes; patterns say much in few rules"])
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            raise Invalid(source, [f"line 1: is {name}; save the file as UTF-8"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(source, [f"line {line}: not UTF-8 at byte {error.start}; save the file as UTF-8"]) from None


def plain(text: str, source: str, lines: dict[str, int], faults: list[Fault], texts: Collection[str] = ()) -> Any:
    """Read a document; None where it is empty. Adds to `faults` what cannot be used, and notes the line of each path.

    `texts` names fields whose values are texts, and with `[]` behind them lists of texts: a number there is a fault.
    Raises `Invalid`, with `source` as its subject, where it is no YAML.
    """
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        what = f"character U+{_number(fault.character):04X} is not allowed"
        raise Invalid(source, [f"line {line}: not YAML: {what}"]) from None
    try:
        return _document(loader, lines, faults, texts)
    except RecursionError:
        raise Invalid(source, ["not usable: it is nested too deeply, or an alias contains itself"]) from None
    except yaml.YAMLError as fault:
        raise Invalid(source, [_sentence(fault, text.split("\n"))]) from None
    except _STUMBLES as fault:
        raise Invalid(source, [f"line {loader.line + 1}: not YAML: {type(fault).__name__}: {fault}"]) from None
    finally:
        loader.dispose()


def _document(loader: yaml.SafeLoader, lines: dict[str, int], faults: list[Fault], texts: Collection[str]) -> Any:
    node = loader.get_single_node()
    if node is None:
        return None
    walk = _Walk(loader, lines, faults, texts)
    walk.walk(node, "")
    return loader.construct_document(node) if walk.is_plain else None


class _Walk:
    """Goes through a document once, noting lines and faults."""

    def __init__(
        self, loader: yaml.SafeLoader, lines: dict[str, int], faults: list[Fault], texts: Collection[str]
    ) -> None:
        self._loader, self._lines, self._faults, self._texts = loader, lines, faults, texts
        self._left = NODES_MAX
        self.is_plain = True
        """Whether all of it is plain data, so that it can be read."""

    def walk(self, node: yaml.Node, where: str) -> None:
        """Look at a node and all that is in it. Raises `RecursionError` where that is more than anybody writes."""
        self._left -= 1
        if self._left < 0:
            raise RecursionError
        self._lines.setdefault(where, node.start_mark.line + 1)
        if self._is_meant_as_text(node, where):
            self._faults.append(Fault(where, f'YAML does not take that for a text; write "{node.value:.80}"'))
            node.tag = f"{_PREFIX}str"
        if fault := self._fault(node):
            self._spoil(where, fault)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.walk(item, f"{where}[{index}]")
        elif isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, where)

    def _is_meant_as_text(self, node: yaml.Node, where: str) -> bool:
        """Whether a value was written as a text, and is a number or a truth value for YAML."""
        if not isinstance(node, yaml.ScalarNode) or node.style is not None:
            return False
        field = _PLACE.sub("[]", where.rpartition(".")[2])
        is_tagged = self._loader.resolve(yaml.ScalarNode, node.value, (True, False)) != node.tag  # type: ignore[no-untyped-call]
        return field in self._texts and not is_tagged and node.tag.removeprefix(_PREFIX) in {"int", "float", "bool"}

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
            shown = tag if tag.startswith("!") else "!!" + tag
            return f"YAML takes it for {shown:.60}; put it in quotes, or leave the tag away"
        if not isinstance(node, yaml.ScalarNode) or tag == "merge":
            return ""
        if node.value.encode("utf-8", "ignore").decode() != node.value:
            return f"{node.value!r:.60} holds half a character, which cannot be written"
        try:
            self._loader.construct_object(node)
        except (yaml.YAMLError, *_STUMBLES):
            return f"{node.value!r:.60} is no {tag}"
        return ""


def _sentence(fault: yaml.YAMLError, lines: list[str]) -> str:
    """Say what cannot be read, in which line, and what to write there: in it, where that began, or the one before."""
    problem = getattr(fault, "problem", None) or str(fault)
    if (mark := getattr(fault, "problem_mark", None)) is None:
        return f"not YAML: {problem}"
    number = mark.line
    if number < len(lines) and _TAB.match(lines[number]):
        return f"line {number + 1}: not YAML: it begins with a tab; indent with spaces"
    for near in (number, number - 1):
        if 0 <= near < len(lines) and (found := _NEEDS_QUOTES.search(lines[near])):
            hint = f'put what begins with `{found[2]}` in quotes: "{found[1]:.60}"'
            return f"line {near + 1}: not YAML: {problem}; {hint}"
    began = getattr(fault, "context_mark", None)
    for sign, is_where_it_began, hint in _REMEDIES:
        if sign in problem:
            return f"line {(began if is_where_it_began and began else mark).line + 1}: not YAML: {problem}; {hint}"
    return f"line {number + 1}: not YAML: {problem}"


def _number(character: str | int) -> int:
    return character if isinstance(character, int) else ord(character)
