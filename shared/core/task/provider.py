"""What a CDN is to the core, as a value: its units, the limits of its calls, how long its task list takes and knows.

A second CDN, or a second account of one, is another of these beside another adapter; no rule of the core names one.
"""

from __future__ import annotations

import msgspec

from shared.core.task.model import Form, Kind, Target


class Shape(msgspec.Struct, frozen=True):
    """What one kind and form of target costs and how many fit a call.

    `unit` names the quota. `per_minute` is how many one domain may have in a minute, None where the team's setting
    says so. `row_type` is how rows of the task list call it, empty where nobody knows.
    """

    kind: Kind
    form: Form
    unit: str
    per_call: int
    per_minute: int | None = None
    row_type: str = ""


class Provider(msgspec.Struct, frozen=True):
    """One CDN. Times are in seconds."""

    name: str
    shapes: tuple[Shape, ...]
    domains_per_call: int
    url_characters_max: int
    reset_utc_offset_seconds: int
    look_back_seconds: float
    rows_appear_within_seconds: float
    ids_per_status_call: int
    status_calls_per_second: float
    list_calls_per_second: float

    def shape(self, target: Target) -> Shape:
        """The shape of a target. Raises `LookupError` for one that this CDN does not know."""
        for shape in self.shapes:
            if (shape.kind, shape.form) == (target.kind, target.form):
                return shape
        raise LookupError(f"{self.name} has no {target.kind.value} of the form {target.form.value}")

    def unit(self, target: Target) -> str:
        """Name the quota that a target spends from."""
        return self.shape(target).unit
