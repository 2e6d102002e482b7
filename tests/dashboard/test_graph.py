"""A run as a graph of stages: nothing is lost, nothing overlaps, alike branches are one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import analyse
from longpole.analysis.result import RunAnalysis
from longpole.dashboard.graph import Box, Frame, Layout, Step, layout_of, shape_of
from longpole.model import Kind, Run, Span, Status, assemble
from longpole.model.run import Order
from tests.browser import stories
from tests.strategies import BEGIN_NS, any_runs, recorded_runs


def _analysis(run: Run) -> RunAnalysis:
    return analyse(run, now_ns=BEGIN_NS + 10**12)


def _steps(step: Step) -> Iterator[Step]:
    yield step
    for stage in step.stages:
        for inner in stage.steps:
            yield from _steps(inner)


def _drawn(found: RunAnalysis) -> Layout:
    return layout_of(shape_of(found), found.facts.wall_ns)


@given(recorded_runs(), st.integers(1, 30))
@settings(max_examples=60)
def test_every_span_is_in_one_step_or_counted_as_hidden(run: Run, most: int) -> None:
    steps = list(_steps(shape_of(_analysis(run), most=most)))

    counted = sum(len(step.spans) * (1 + len(step.wraps)) + step.hidden for step in steps)
    assert counted == len(run.spans)


@given(any_runs())
@settings(max_examples=60)
def test_boxes_lie_beside_each_other_and_lines_run_to_the_right(run: Run) -> None:
    drawn = _drawn(_analysis(run))

    for one, other in combinations(drawn.boxes, 2):
        is_beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        is_below = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert is_beside or is_below
    placed: list[Box | Frame] = [*drawn.boxes, *drawn.frames]
    for box in placed:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawn.width
        assert box.y + box.height <= drawn.height
    assert all(edge.x0 <= edge.x1 for edge in drawn.edges)


def test_branches_stand_below_each_other_and_the_judge_after_them() -> None:
    drawn = _drawn(_analysis(stories.panel(1)))

    by_label = {box.step.label: box for box in drawn.boxes}
    claude, gpt, judge = (
        by_label["RunnableSequence[claude]"],
        by_label["RunnableSequence[gpt]"],
        by_label["ChatOpenAI"],
    )
    assert claude.x == gpt.x
    assert claude.y < gpt.y
    assert judge.x > claude.x + claude.width
    assert claude.height > gpt.height
    assert any(edge.is_on_path for edge in drawn.edges)


def test_three_hundred_branches_are_one_box() -> None:
    drawn = _drawn(_analysis(stories.wide(1, branches=300)))

    assert [len(box.step.spans) for box in drawn.boxes] == [300, 300]
    assert {box.step.label for box in drawn.boxes} == {"load", "ChatOpenAI"}


def _many(count: int, *, name: str, **more: object) -> Run:
    root = Span(
        span_id="root", parent_span_id=None, name="agent", kind=Kind.CHAIN,
        start_ns=0, end_ns=count * 10, status=Status.OK,
    )  # fmt: skip
    turns = [
        Span(
            span_id=f"{at}", parent_span_id="root", name=name.format(at), kind=Kind.NODE,
            start_ns=at * 10, end_ns=at * 10 + 10, status=Status.OK,
            order=Order(superstep=at) if more else Order(),
        )
        for at in range(count)
    ]  # fmt: skip
    return assemble("a" * 32, [root, *turns])


def test_supersteps_are_columns() -> None:
    drawn = _drawn(_analysis(_many(5, name="node-{}", superstep=True)))

    assert [head.superstep for head in drawn.heads] == [0, 1, 2, 3, 4]
    assert sorted(box.x for box in drawn.boxes) == [box.x for box in drawn.boxes]


def test_a_loop_of_many_turns_is_shown_as_one() -> None:
    (box,) = _drawn(_analysis(_many(200, name="turn"))).boxes

    assert len(box.step.spans) == 200


def test_a_thousand_different_nodes_stay_few_enough_to_be_looked_at() -> None:
    run = _many(1_000, name="group-{}")
    below = [
        Span(
            span_id=f"{span.span_id}.{place}", parent_span_id=span.span_id, name=f"part-{place}",
            kind=Kind.TOOL, start_ns=span.start_ns + place, end_ns=span.start_ns + place + 1,
            status=Status.OK,
        )
        for span in run.spans[1:11]
        for place in range(9)
    ]  # fmt: skip
    found = _analysis(assemble(run.run_id, [*run.spans, *below]))

    steps = list(_steps(shape_of(found)))
    assert len(steps) < 120
    counted = sum(len(step.spans) * (1 + len(step.wraps)) + step.hidden for step in steps)
    assert counted == len(found.run.spans)


def test_of_very_many_branches_those_that_count_most_are_shown() -> None:
    root = Span(
        span_id="root", parent_span_id=None, name="fan", kind=Kind.CHAIN,
        start_ns=0, end_ns=2_000, status=Status.OK,
    )  # fmt: skip
    branches = [
        Span(
            span_id=f"{at:04}", parent_span_id="root", name=f"expert-{at}", kind=Kind.LLM,
            start_ns=0, end_ns=1_000 + at, status=Status.OK, order=Order(group="fan"),
        )
        for at in range(500)
    ]  # fmt: skip

    drawn = _drawn(_analysis(assemble("c" * 32, [root, *branches])))
    labels = [box.step.label for box in drawn.boxes]
    assert len(labels) < 30
    assert "expert-499" in labels
    assert sum(len(box.step.spans) for box in drawn.boxes) == 500


def test_a_very_deep_run_is_no_problem() -> None:
    spans = [
        Span(
            span_id=f"{depth}", parent_span_id=None if depth == 0 else f"{depth - 1}",
            name=f"level-{depth}", kind=Kind.CHAIN, start_ns=depth, end_ns=20_000 - depth,
            status=Status.OK,
        )
        for depth in range(5_000)
    ]  # fmt: skip

    (box,) = _drawn(_analysis(assemble("b" * 32, spans))).boxes
    assert len(box.step.wraps) == 4_999
