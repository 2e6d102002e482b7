"""Values made quickly are those that the class's own constructor makes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.model.quick import quick, quick_copy
from longpole.model.run import Run, Span
from longpole.model.usage import Usage
from tests.strategies import any_runs


def values_of(span: Span) -> dict[str, object]:
    return {field.name: getattr(span, field.name) for field in fields(span)}


@given(run=any_runs())
@settings(max_examples=10)
def test_a_span_made_quickly_is_the_span(run: Run) -> None:
    make = quick(Span)
    for span in run.spans:
        made = make(**values_of(span))  # type: ignore[arg-type]

        assert type(made) is Span
        assert made == span
        assert hash(made) == hash(span)
        assert repr(made) == repr(span)
        assert replace(made, name="else").name == "else"


def test_it_is_as_frozen_as_any_other() -> None:
    made = quick(Usage)(
        input_tokens=3,
        output_tokens=2,
        cache_read_tokens=1,
        cache_write_tokens=0,
        reasoning_tokens=0,
    )

    with pytest.raises(FrozenInstanceError):
        made.input_tokens = 4  # type: ignore[misc]
    made.check()


def test_a_field_that_is_forgotten_is_an_error() -> None:
    with pytest.raises(TypeError, match="reasoning_tokens"):
        quick(Usage)(input_tokens=3, output_tokens=2, cache_read_tokens=1, cache_write_tokens=0)


@given(counts=st.lists(st.integers(0, 9), min_size=5, max_size=5), read=st.integers(0, 9))
@settings(max_examples=20)
def test_a_quick_copy_differs_in_what_it_is_told_and_nothing_else(
    counts: list[int], read: int
) -> None:
    usage = Usage(**dict(zip(Usage.__slots__, counts, strict=True)))
    changed = quick_copy(Usage, "cache_read_tokens", "input_tokens")

    assert changed(usage, read, 7) == replace(usage, cache_read_tokens=read, input_tokens=7)
    assert usage == Usage(**dict(zip(Usage.__slots__, counts, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Slotless:
    one: int
    other: str = ""


def test_a_class_without_slots_is_made_by_its_own_constructor() -> None:
    made = quick(Slotless)(one=1, other="two")

    assert (type(made), made) == (Slotless, Slotless(one=1, other="two"))
    assert quick_copy(Slotless, "other")(made, "three") == Slotless(one=1, other="three")
