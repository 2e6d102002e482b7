"""Runs stand where `place_of` says, also where that was looked up before."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableParallel

from longpole.model.place import BY_POSITION, Above, Shape, Started, place_of
from longpole.model.run import Kind
from tests.tracer.chains import step
from tests.tracer.conftest import Recording, outline

TAGS = st.lists(
    st.sampled_from(
        ["map:key:a", "seq:step:2", "retry:attempt:2", "condition:1", "branch:1", "mine"]
    ),
    max_size=3,
)
SHAPES = st.sampled_from([None, *Shape])
KINDS = st.sampled_from(list(Kind))


@settings(max_examples=100)
@given(TAGS, SHAPES, KINDS, SHAPES, KINDS, TAGS, st.integers(0, 5))
def test_only_below_runs_that_count_their_children_does_the_position_say_where_one_stands(
    tags: list[str],
    shape: Shape | None,
    kind: Kind,
    shape_above: Shape | None,
    kind_above: Kind,
    inherited: list[str],
    position: int,
) -> None:
    started = Started(kind=kind, shape=shape, tags=tags, metadata={})
    first, later = (
        place_of(
            started,
            Above(
                kind=kind_above,
                shape=shape_above,
                inherited=inherited,
                task=None,
                position=number,
            ),
        )
        for number in (0, position)
    )

    assert first == later or shape_above in BY_POSITION


def test_a_later_run_of_the_same_tags_stands_where_the_first_one_did(
    recording: Recording,
) -> None:
    fan_out = RunnableParallel(a=step("one") | step("two"), b=step("three"))
    for _ in range(2):
        fan_out.invoke(1, recording.config)

    first, second = recording.runs()
    assert outline(first) == outline(second)
    assert [span.branch for span in first.spans].count("a") == 1
