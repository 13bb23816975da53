"""What the oracle says: which rule was broken, and how."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """One breach of one rule. `rule` begins with the rule's number in the design."""

    rule: str
    message: str
