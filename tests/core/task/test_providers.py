"""What a CDN is, as a value: each target has its shape, and with that the quota it spends from."""

from __future__ import annotations

import msgspec
import pytest

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.task.model import Form, Kind, Target
from shared.core.task.provider import Shape

URL = "https://a.example.com/a"
SHAPES = (
    Shape(Kind.REFRESH, Form.FILE, "url", 1_000),
    Shape(Kind.REFRESH, Form.DIRECTORY, "directory", 100),
    Shape(Kind.PREFETCH, Form.FILE, "prefetch", 50),
)
SOME = msgspec.structs.replace(CDN, name="some-cdn", shapes=SHAPES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.unit)
def test_a_target_has_the_shape_of_its_kind_and_form(shape: Shape) -> None:
    """Both decide: a file is refreshed from one quota and prefetched from another."""
    target = Target(shape.kind, shape.form, URL)
    assert (shape, shape.unit) == (SOME.shape(target), SOME.unit(target))


@pytest.mark.parametrize(("kind", "form"), [(Kind.REFRESH, Form.REGEX), (Kind.PREFETCH, Form.DIRECTORY)])
def test_a_target_without_a_shape_is_told(kind: Kind, form: Form) -> None:
    """Not every CDN knows every form: the fault says which, and of whom."""
    with pytest.raises(LookupError, match=rf"some-cdn has no {kind.value} of the form {form.value}"):
        SOME.shape(Target(kind, form, URL))


def test_of_a_shape_nothing_is_known_but_what_is_said() -> None:
    """The team's setting limits its minute, and nobody knows what its rows are called."""
    assert (None, "") == (SHAPES[0].per_minute, SHAPES[0].row_type)
