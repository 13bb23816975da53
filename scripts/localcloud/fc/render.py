"""A Serverless Devs document goes in; the same document comes out with every `${...}` replaced.

Understood are `${vars.a.b}`, `${env('K', 'default')}`, `${config('K')}`, `${this.name}`, `${this.props.a}`
and `${resources.id.props.a}`. A text that is one expression takes the value's own type; inside longer text
the value is written out. Anything else is a fault, reported with its place in the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EXPRESSION = re.compile(r"\$\{([^}]*)\}")
CALL = re.compile(r"""(env|config)\(\s*(['"])(.*?)\2\s*(?:,\s*(['"])(.*?)\4\s*)?\)""")
REFERENCE = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")


class RenderError(ValueError):
    """An expression that cannot be replaced."""


class Renderer:
    """Replaces expressions, following references to other parts of the document as they come."""

    def __init__(self, document: Mapping[str, Any], environ: Mapping[str, str], config: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._document = document
        self._sources = {"env": environ, "config": config}
        self._following: list[str] = []

    def render(self, node: Any, path: str, resource: str = "") -> Any:
        """Replace everything below `node`; `resource` is what `this` means there."""
        if isinstance(node, dict):
            return {key: self.render(value, f"{path}.{key}", resource) for key, value in node.items()}
        if isinstance(node, list):
            return [self.render(value, f"{path}[{place}]", resource) for place, value in enumerate(node)]
        if not isinstance(node, str):
            return node
        try:
            return self._text(node, resource)
        except RenderError as error:
            self.faults.append(f"{path}: {error}")
            return ""

    def _text(self, text: str, resource: str) -> Any:
        whole = EXPRESSION.fullmatch(text)
        if whole:
            return self._value(whole[1].strip(), resource)
        return EXPRESSION.sub(lambda match: self._written(match[1].strip(), resource), text)

    def _written(self, expression: str, resource: str) -> str:
        value = self._value(expression, resource)
        if isinstance(value, (dict, list)):
            raise RenderError(f"${{{expression}}} is not a plain value and cannot stand inside text")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _value(self, expression: str, resource: str) -> Any:
        call = CALL.fullmatch(expression)
        if call:
            return self._looked_up(call[1], call[3], call[5])
        if not REFERENCE.fullmatch(expression):
            raise RenderError(f"${{{expression}}} is not supported")
        return self._followed(expression.split("."), resource)

    def _looked_up(self, source: str, name: str, default: str | None) -> str:
        value = self._sources[source].get(name, default)
        if value is None:
            raise RenderError(f"{source}('{name}') is not set and has no default")
        return value

    def _followed(self, words: list[str], resource: str) -> Any:
        """Find what a reference names, and render it in its own place."""
        if words == ["this", "name"]:
            return resource
        if words[0] == "this":
            words = ["resources", resource, *words[1:]]
        if words[0] not in ("vars", "resources") or words[2:3] == ["output"]:
            raise RenderError(f"${{{'.'.join(words)}}} is not supported")
        name = ".".join(words)
        if name in self._following:
            raise RenderError(f"${{{name}}} refers to itself")
        owner = words[1] if words[0] == "resources" and len(words) > 1 else resource
        self._following.append(name)
        try:
            return self._rendered_reference(self._found(words), owner)
        finally:
            self._following.pop()

    def _rendered_reference(self, node: Any, owner: str) -> Any:
        """Render a part that another part names; its fault counts where it was named."""
        if isinstance(node, str):
            return self._text(node, owner)
        if isinstance(node, dict):
            return {key: self._rendered_reference(value, owner) for key, value in node.items()}
        return [self._rendered_reference(value, owner) for value in node] if isinstance(node, list) else node

    def _found(self, words: list[str]) -> Any:
        node: Any = self._document
        for word in words:
            if isinstance(node, list) and word.isdigit() and int(word) < len(node):
                node = node[int(word)]
            elif isinstance(node, dict) and word in node:
                node = node[word]
            else:
                raise RenderError(f"${{{'.'.join(words)}}} names nothing")
        return node
