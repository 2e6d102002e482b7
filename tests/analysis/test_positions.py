"""Positions: the same place of a chain has the same name in every run."""

from __future__ import annotations

from hypothesis import given

from longpole.analysis import label_of, positions_of
from longpole.analysis.positions import LABELS_MOST
from longpole.model import FanOutKind, Kind, Role, Run, Span, Status, assemble
from tests.strategies import any_runs, recorded_runs


def _span(span_id: str, parent: str | None, name: str, **more: object) -> Span:
    return Span(
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind=Kind.CHAIN,
        start_ns=0,
        end_ns=10,
        status=Status.OK,
        **more,  # type: ignore[arg-type]
    )


def _positions(*spans: Span) -> list[str]:
    run = assemble("a" * 32, spans)
    found = positions_of(run)
    return ["/".join(found[span.span_id]) for span in spans]


def test_a_position_is_the_labels_from_the_root_down() -> None:
    assert _positions(
        _span("1", None, "panel"),
        _span("2", "1", "model", role=Role.BRANCH, branch="gemini", fan_out=FanOutKind.PARALLEL),
        _span("3", "2", "parser"),
    ) == ["panel", "panel/model[gemini]", "panel/model[gemini]/parser"]


def test_a_branch_called_like_its_span_is_said_once() -> None:
    assert _positions(
        _span("1", None, "graph"),
        _span("2", "1", "search", branch="search", fan_out=FanOutKind.SUPERSTEP),
    ) == ["graph", "graph/search"]


def test_rows_told_apart_by_number_share_a_position() -> None:
    assert _positions(
        _span("1", None, "scores"),
        _span("2", "1", "score", branch="0", role=Role.ITEM, fan_out=FanOutKind.BATCH),
        _span("3", "1", "score", branch="1", role=Role.ITEM, fan_out=FanOutKind.BATCH),
    ) == ["scores", "scores/score[*]", "scores/score[*]"]


def test_a_key_that_a_user_chose_stays_though_it_is_a_number() -> None:
    assert _positions(
        _span("1", None, "years"),
        _span("2", "1", "year", branch="2024", role=Role.BRANCH, fan_out=FanOutKind.PARALLEL),
    ) == ["years", "years/year[2024]"]


def test_later_tries_and_fallbacks_stand_apart_from_the_first_try() -> None:
    spans = (
        _span("1", None, "answer"),
        _span("2", "1", "model", role=Role.ATTEMPT, attempt=1),
        _span("3", "1", "model", role=Role.ATTEMPT, attempt=2),
        _span("4", "1", "model", role=Role.ATTEMPT, attempt=3),
        _span("5", "1", "spare", role=Role.FALLBACK),
    )
    assert _positions(*spans) == [
        "answer",
        "answer/model",
        "answer/model (retry)",
        "answer/model (retry)",
        "answer/spare (fallback)",
    ]
    assert [label_of(span) for span in spans[2:]] == [
        "model (try 2)",
        "model (try 3)",
        "spare (fallback)",
    ]


@given(recorded_runs() | any_runs())
def test_every_span_has_a_position_one_longer_than_its_parents(run: Run) -> None:
    found = positions_of(run)
    assert set(found) == set(run.span_by_id)
    for span in run.spans:
        above = () if span.parent_span_id is None else found[span.parent_span_id]
        assert found[span.span_id][:-1] == above


def test_a_deep_recursion_ends_in_one_position() -> None:
    spans = [
        _span(f"{depth:06d}", f"{depth - 1:06d}" if depth else None, "turn")
        for depth in range(50_000)
    ]
    found = positions_of(assemble("a" * 32, spans))
    assert max(map(len, found.values())) == LABELS_MOST
    assert found["049999"] == found["000300"]
    assert found["049999"][-1] == "…"
    assert len(set(found.values())) == LABELS_MOST
