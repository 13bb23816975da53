"""An expression or statement in, what it may be changed into out: one small change each, by text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from scripts.mutation.source import Source


class Edit(NamedTuple):
    """A span of the text, what stands there instead, and the operator that did it."""

    operator: str
    start: int
    end: int
    after: str


class Scope(NamedTuple):
    """Where a node stands: the functions and classes around it, the innermost function, the known enumerations."""

    where: tuple[str, ...] = ()
    function: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    enums: Mapping[str, tuple[str, ...]] = {}


Edits = Iterator[Edit]

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_EMPTY = {
    "bool": ("True", "False"),
    "int": ("0",),
    "float": ("0.0",),
    "str": ('""',),
    "list": ("[]",),
    "tuple": ("()",),
    "set": ("set()",),
    "dict": ("{}",),
}


def edits_of(source: Source, node: ast.AST, scope: Scope) -> Edits:
    """List the changes of one node itself, not of what it is made of."""
    for kind, operator in _OPERATORS:
        if isinstance(node, kind):
            yield from operator(source, node, scope)


def _within(source: Source, node: ast.AST, operator: str, start: int, end: int, new: str) -> Edit:
    """Change a part of a node, and tell the whole of it."""
    first, last = source.span(node)
    return Edit(operator, first, last, source.text[first:start] + new + source.text[end:last])


def _instead(source: Source, node: ast.AST, operator: str, new: str) -> Edit:
    return Edit(operator, *source.span(node), new)


def _symbol(source: Source, left: ast.AST, right: ast.AST, old: str) -> tuple[int, int]:
    """Find the operator between two operands, which brackets and comments may keep apart."""
    words = old.split()
    tokens = source.tokens(source.span(left)[1], source.span(right)[0])
    at = next(number for number, token in enumerate(tokens) if token.text == words[0])
    return tokens[at].start, tokens[at + len(words) - 1].end


def _compare(source: Source, node: ast.Compare, _scope: Scope) -> Edits:
    operands = [node.left, *node.comparators]
    for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
        old, new = _COMPARISONS[type(operator)]
        yield _within(source, node, "compare", *_symbol(source, left, right, old), new)


def _boolean(source: Source, node: ast.BoolOp, _scope: Scope) -> Edits:
    """Take `and` for `or`, all of them in one go, and each operand for one that does not matter."""
    old, new, neutral = ("and", "or", "True") if isinstance(node.op, ast.And) else ("or", "and", "False")
    first, last = source.span(node)
    changed, done = "", first
    for left, right in zip(node.values, node.values[1:], strict=False):
        start, end = _symbol(source, left, right, old)
        changed, done = changed + source.text[done:start] + new, end
    yield Edit("boolean", first, last, changed + source.text[done:last])
    for operand in node.values:
        yield _within(source, node, "operand", *source.span(operand), neutral)


def _unary(source: Source, node: ast.UnaryOp, _scope: Scope) -> Edits:
    if isinstance(node.op, (ast.Not, ast.USub)):
        operator = "not" if isinstance(node.op, ast.Not) else "sign"
        start = source.span(node)[0]
        yield _instead(source, node, operator, source.text[source.after(start).end : source.span(node)[1]].lstrip())


def _arithmetic(source: Source, node: ast.BinOp, _scope: Scope) -> Edits:
    if type(node.op) in _ARITHMETIC:
        old, new = _ARITHMETIC[type(node.op)]
        yield _within(source, node, "arithmetic", *_symbol(source, node.left, node.right, old), new)


def _augmented(source: Source, node: ast.AugAssign, _scope: Scope) -> Edits:
    if type(node.op) in _ARITHMETIC:
        old, new = _ARITHMETIC[type(node.op)]
        yield _within(source, node, "arithmetic", *_symbol(source, node.target, node.value, f"{old}="), f"{new}=")


def _call(source: Source, node: ast.Call, _scope: Scope) -> Edits:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _CALLS:
        yield _within(source, node, "call", *source.span(node.func), _CALLS[name])
    sorts = name == "sorted" or (isinstance(node.func, ast.Attribute) and node.func.attr == "sort")
    if sorts and all(keyword.arg != "reverse" for keyword in node.keywords):
        yield _reversed(source, node)
    for keyword in node.keywords:
        # Without `reverse` is the same as with False, which is a change of its constant.
        if keyword.arg not in {None, "reverse"}:
            yield _within(source, node, "keyword", *_argument(source, keyword), "")


def _reversed(source: Source, node: ast.Call) -> Edit:
    end = source.span(node)[1]
    if node.args and source.span(node.args[0])[1] == end:
        # A generator that is the only argument shares the brackets of the call.
        return _within(
            source, node, "reverse", *source.span(node.args[0]), f"({source.of(node.args[0])}, reverse=True)"
        )
    comma = ", " if source.before(end - 1).text not in {",", "("} else ""
    return _within(source, node, "reverse", end - 1, end - 1, f"{comma}reverse=True")


def _argument(source: Source, keyword: ast.keyword) -> tuple[int, int]:
    """Where an argument stands, with the comma that parts it from the others."""
    start, end = source.span(keyword)
    following, preceding = source.after(end), source.before(start)
    if preceding.text == ",":
        return preceding.start, end
    return start, following.end if following.text == "," else end


def _constant(source: Source, node: ast.Constant, _scope: Scope) -> Edits:
    value: Any = node.value
    if isinstance(value, bool):
        yield _instead(source, node, "constant", str(not value))
    elif isinstance(value, (int, float)):
        yield _instead(source, node, "constant", repr(type(value)(0 if value == 1 else value + 1)))
    elif isinstance(value, str) and " " not in value:
        # What has a space in it is told to people.
        yield _instead(source, node, "text", '""' if value else '"~"')


def _formatted(source: Source, node: ast.JoinedStr, _scope: Scope) -> Edits:
    words = [part.value for part in node.values if isinstance(part, ast.Constant)]
    if not any(" " in str(word) for word in words):
        yield _instead(source, node, "text", '""')


def _member(source: Source, node: ast.Attribute, scope: Scope) -> Edits:
    """Take the next member of an enumeration."""
    members = scope.enums.get(node.value.id, ()) if isinstance(node.value, ast.Name) else ()
    if node.attr in members:
        following = members[(members.index(node.attr) + 1) % len(members)]
        yield _instead(source, node, "member", f"{source.of(node.value)}.{following}")


def _condition(source: Source, node: ast.If | ast.IfExp | ast.match_case, _scope: Scope) -> Edits:
    test = node.guard if isinstance(node, ast.match_case) else node.test
    if test is not None and not isinstance(test, ast.Constant):
        yield _instead(source, test, "condition", "True")
        yield _instead(source, test, "condition", "False")


def _loop(source: Source, node: ast.While, _scope: Scope) -> Edits:
    if not isinstance(node.test, ast.Constant):
        yield _instead(source, node.test, "condition", "False")


def _filter(source: Source, node: ast.comprehension, _scope: Scope) -> Edits:
    for test in node.ifs:
        yield _instead(source, test, "filter", "True")


def _slice(source: Source, node: ast.Slice, _scope: Scope) -> Edits:
    for bound in (node.lower, node.upper):
        if bound is not None and not isinstance(bound, ast.Constant):
            yield _within(source, node, "slice", *source.span(bound), f"({source.of(bound)}) + 1")


def _return(source: Source, node: ast.Return, scope: Scope) -> Edits:
    """Return nothing, or an empty value, where the annotation allows it."""
    if node.value is None or scope.function is None or scope.function.returns is None:
        return
    annotation = scope.function.returns
    allowed = ["None"] if "None" in _names(annotation) or "Optional" in _names(annotation) else []
    for name in _names(annotation.value if isinstance(annotation, ast.Subscript) else annotation):
        allowed += _EMPTY.get(name, ())
    for value in allowed:
        if value != source.of(node.value):
            yield _instead(source, node.value, "return", value)


def _names(annotation: ast.expr) -> set[str]:
    found = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    return found | {"None" for node in ast.walk(annotation) if isinstance(node, ast.Constant) and node.value is None}


def _statement(source: Source, node: ast.stmt, scope: Scope) -> Edits:
    """Leave a statement out, if what follows can be run without it."""
    if scope.function is not None and _dispensable(node, scope.function):
        yield _instead(source, node, "statement", "pass")


def _dispensable(node: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Return):
        return node.value is None
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id in _bound(function, node) for target in node.targets) or (
            all(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets)
        )
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Attribute) and node.value is not None
    return isinstance(node, (ast.AugAssign, ast.Continue, ast.Break, ast.Raise, ast.Delete))


def _bound(function: ast.FunctionDef | ast.AsyncFunctionDef, until: ast.stmt) -> set[str]:
    """The names that have a value in a function before a statement: its arguments, and what was assigned above."""
    names = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    return names | {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < until.lineno
    }


_OPERATORS: tuple[tuple[type[ast.AST] | tuple[type[ast.AST], ...], Callable[[Source, Any, Scope], Edits]], ...] = (
    (ast.Compare, _compare),
    (ast.BoolOp, _boolean),
    (ast.UnaryOp, _unary),
    (ast.BinOp, _arithmetic),
    (ast.AugAssign, _augmented),
    (ast.Call, _call),
    (ast.Constant, _constant),
    (ast.JoinedStr, _formatted),
    (ast.Attribute, _member),
    ((ast.If, ast.IfExp, ast.match_case), _condition),
    (ast.While, _loop),
    (ast.comprehension, _filter),
    (ast.Slice, _slice),
    (ast.Return, _return),
    (ast.stmt, _statement),
)
