"""A part of the product with some of its methods replaced: what the broken variants that wrap one are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Wrong:
    """A part whose methods are the inner one's, but for those that a subclass has."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        """Leave the others as they are."""
        return getattr(self.inner, name)
