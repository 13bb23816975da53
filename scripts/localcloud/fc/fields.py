"""A mapping out of a template goes in; typed values come out, and every fault is noted with its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Fields:
    """The fields of one mapping, each read once; `finish` reports the ones nobody asked for."""

    def __init__(self, value: Any, path: str, faults: list[str]) -> None:
        self.path = path
        self.faults = faults
        self._left: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            faults.append(f"{path}: must be a mapping")

    def fault(self, name: str, message: str) -> None:
        """Note that a field is wrong."""
        self.faults.append(f"{self.path}.{name}: {message}" if name else f"{self.path}: {message}")

    def has(self, name: str) -> bool:
        """Tell whether a field is there and not yet read."""
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:
        """Give a field as it is."""
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """Give a text; without a default it must be there."""
        value = self.take(name, default)
        if not isinstance(value, str):
            self.fault(name, "is required" if value is None else f"must be a text, not {value!r}")
            return ""
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Give a whole number between `low` and `high`."""
        value = self.take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fault(name, f"must be a whole number of {low} to {high}, not {value!r}")
            return default
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Give true or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            self.fault(name, f"must be true or false, not {value!r}")
            return default
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Give a list of at least one text."""
        value = self.take(name)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            self.fault(name, "must be a list of at least one text")
            return ()
        return tuple(value)

    def text_map(self, name: str) -> dict[str, str]:
        """Give a mapping of text to text; numbers are refused, as the component does."""
        value = self.take(name) or {}
        if not isinstance(value, dict):
            self.fault(name, "must be a mapping")
            return {}
        for key, item in value.items():
            if not isinstance(item, str):
                self.fault(f"{name}.{key}", f"must be a text, not {item!r}")
        return {str(key): item for key, item in value.items() if isinstance(item, str)}

    def below(self, name: str) -> Fields:
        """Give the fields of a mapping inside this one; empty where it is absent."""
        return Fields(self.take(name, {}), f"{self.path}.{name}", self.faults)

    def ignore(self, names: Iterable[str]) -> None:
        """Accept fields that change nothing here."""
        for name in names:
            self._left.pop(name, None)

    def finish(self) -> None:
        """Report each field that is left."""
        for name in self._left:
            self.fault(str(name), "is unknown or not supported by the local cloud")
