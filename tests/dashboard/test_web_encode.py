from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from longpole.analysis import (
    Lengths,
    RunAnalysis,
    RunOutline,
    analyse,
    draft_of,
    outline_from,
)
from longpole.dashboard import words
from longpole.dashboard.palette import family
from longpole.dashboard.web.waterfall import encode, rows_in_order
from longpole.dashboard.web.waterfall.encode import (
    CACHE_HIT,
    ERROR,
    ON_PATH,
    RUNNING,
    THICK,
    TIED,
    WAIT_INFERRED,
    WASTED,
)
from longpole.dashboard.web.waterfall.groups import groups_of
from longpole.model import Kind, Run, Span, Status, assemble
from tests.browser import stories
from tests.strategies import any_runs, recorded_runs

_NOW_NS = stories.START_NS + 3_600_000 * stories.MS
_TYPES: Mapping[str, type] = {
    "f8": np.float64,
    "f4": np.float32,
    "i4": np.int32,
    "i2": np.int16,
    "i1": np.int8,
    "u1": np.uint8,
}


class Decoded:
    """What the browser reads out of a payload."""

    def __init__(self, payload: bytes) -> None:
        length = int.from_bytes(payload[:4], "little")
        self.head: dict[str, Any] = json.loads(payload[4 : 4 + length])
        body = payload[4 + length :]
        self.offsets = [4 + length + offset for _, _, offset, _ in self.head["columns"]]
        self.columns: dict[str, npt.NDArray[Any]] = {
            name: np.frombuffer(body, _TYPES[code], count, offset)
            for name, code, offset, count in self.head["columns"]
        }
        for name, code, value, count in self.head["alike"]:
            self.columns[name] = np.full(count, np.nan if value is None else value, _TYPES[code])
        self.ids: list[str] = self.head["ids"] or textwrap.wrap(
            self.columns["idBytes"].tobytes().hex(), 16
        )

    def row(self, span_id: str) -> int:
        return self.ids.index(span_id)

    def flags(self, span_id: str) -> int:
        return int(self.columns["flags"][self.row(span_id)])


def _decoded(run: Run, **options: Any) -> Decoded:
    return Decoded(encode(analyse(run, now_ns=_NOW_NS), **options))


def test_every_column_begins_at_a_multiple_of_eight() -> None:
    decoded = _decoded(stories.failing(1))

    assert all(offset % 8 == 0 for offset in decoded.offsets)


def test_rows_come_depth_first_with_children_by_start() -> None:
    run = stories.panel(1)

    rows = rows_in_order(run)
    assert [span.name for span, _ in rows[:3]] == ["panel", "experts", "RunnableSequence"]
    assert [depth for _, depth in rows[:5]] == [0, 1, 2, 3, 3]
    assert len(rows) == len(run.spans)
    for span, depth in rows[1:]:
        parent = run.span_by_id[span.parent_span_id or ""]
        assert (parent, depth - 1) in rows


def test_times_count_from_the_start_of_the_root_in_nanoseconds() -> None:
    run = stories.panel(1)
    decoded = _decoded(run)

    row = decoded.row(run.spans[1].span_id)
    assert decoded.columns["start"][row] == 10 * stories.MS
    assert decoded.columns["end"][row] == 1_610 * stories.MS


def test_what_still_runs_ends_now() -> None:
    run = stories.running(1, start_ns=stories.START_NS)
    decoded = _decoded(run)

    assert decoded.head["live"]
    assert decoded.columns["end"][0] == _NOW_NS - stories.START_NS
    assert decoded.flags(run.root_span_id) & RUNNING


def test_what_is_not_known_is_not_a_number() -> None:
    run = stories.panel(1)
    decoded = _decoded(run)

    assert np.isnan(decoded.columns["cost"][0])
    assert np.isnan(decoded.columns["firstToken"][0])


def test_the_path_names_rows_and_covers_the_run_without_a_gap() -> None:
    run = stories.panel(1)
    columns = _decoded(run).columns

    assert columns["pathStart"][0] == 0
    assert columns["pathEnd"][-1] == 2_300 * stories.MS
    assert (columns["pathStart"][1:] == columns["pathEnd"][:-1]).all()
    assert columns["pathRow"].max() < len(run.spans)


def test_flags_say_what_the_marks_are_drawn_from() -> None:
    run = stories.failing(1)
    decoded = _decoded(run)
    calls = [span for span in run.spans if span.kind is Kind.LLM]

    assert all(decoded.flags(call.span_id) & ERROR for call in calls)
    assert all(decoded.flags(call.span_id) & THICK for call in calls)
    assert decoded.flags(run.root_span_id) & ON_PATH
    assert not decoded.flags(run.root_span_id) & (THICK | CACHE_HIT)


def test_the_focus_is_told_and_changes_nothing_else() -> None:
    run = stories.panel(1)
    focused = _decoded(run, focus=run.root_span_id)
    plain = _decoded(run)

    assert (focused.head["focus"], plain.head["focus"]) == (run.root_span_id, None)
    assert {**focused.head, "focus": None} == plain.head


def test_names_are_sent_once_however_many_spans_bear_them() -> None:
    decoded = _decoded(stories.wide(1, branches=50))

    assert decoded.head["names"] == [
        "summarise_documents",
        "map",
        "summarise",
        "load",
        "ChatOpenAI",
    ]
    assert len(decoded.ids) == 152


def test_a_very_deep_run_is_no_problem() -> None:
    spans = [
        Span(
            span_id=str(depth),
            parent_span_id=str(depth - 1) if depth else None,
            name="step",
            kind=Kind.CHAIN,
            start_ns=stories.START_NS + depth,
            end_ns=stories.START_NS + 20_000 - depth,
            status=Status.OK,
        )
        for depth in range(3_000)
    ]
    decoded = _decoded(assemble("deep", spans))

    assert decoded.columns["depth"].max() == 2_999


def test_what_was_lost_ends_where_it_was_last_seen_not_now() -> None:
    run = stories.lost(1)

    decoded = _decoded(run)
    assert decoded.columns["end"].max() == 120 * stories.MS


def test_the_part_to_look_at_travels_with_the_run() -> None:
    assert _decoded(stories.panel(1)).head["zoom"] is None
    assert _decoded(stories.panel(1), zoom=(1e6, 5e6)).head["zoom"] == [1e6, 5e6]


# --- what the browser reads is what the analysis says ---------------------------------------------


@given(run=recorded_runs())
@settings(max_examples=20)
def test_recorded_runs_are_read_as_their_analysis_tells_them(run: Run) -> None:
    whole = analyse(run, now_ns=_NOW_NS)

    _check(whole, Decoded(encode(whole)))
    outline = _outline(whole)
    _check(outline, Decoded(encode(outline)))


@given(run=any_runs())
@settings(max_examples=40)
def test_any_runs_are_read_as_their_analysis_tells_them(run: Run) -> None:
    whole = analyse(run, now_ns=_NOW_NS)

    _check(whole, Decoded(encode(whole)))
    outline = _outline(whole)
    _check(outline, Decoded(encode(outline)))


def test_of_an_outline_what_is_not_known_yet_is_left_out_and_nothing_else_differs() -> None:
    whole = analyse(stories.failing(1), now_ns=_NOW_NS)
    soon, later = Decoded(encode(_outline(whole))), Decoded(encode(whole))

    assert later.columns.keys() - soon.columns.keys() == {"self", "slack", "drag"}
    for name, column in soon.columns.items():
        np.testing.assert_array_equal(column, later.columns[name])
    places = {"columns": None, "alike": None}
    assert {**soon.head, **places} == {**later.head, **places}


def test_ids_that_are_no_sixteen_hexadecimal_digits_are_sent_as_texts() -> None:
    run = stories.panel(1)
    odd = [
        replace(
            span,
            span_id=span.span_id.upper() + "G",
            parent_span_id=None
            if span.parent_span_id is None
            else f"{span.parent_span_id.upper()}G",
        )
        for span in run.spans
    ]
    decoded = _decoded(assemble("odd", odd))

    assert decoded.head["ids"] == [span.span_id for span, _ in rows_in_order(assemble("odd", odd))]
    assert "idBytes" not in decoded.columns


def test_concurrency_of_very_many_steps_keeps_its_area() -> None:
    analysis = analyse(stories.wide(1, branches=2_500), now_ns=_NOW_NS)
    columns = Decoded(encode(analysis)).columns

    assert len(analysis.concurrency) > len(columns["stepAt"]) == 2_001
    area = float((columns["stepRunning"][:-1] * np.diff(columns["stepAt"])).sum())
    assert area == pytest.approx(analysis.facts.work_ns, rel=1e-6)
    assert columns["stepRunning"].max() <= analysis.facts.peak_concurrency


def _outline(whole: RunAnalysis) -> RunOutline:
    lengths = Lengths(
        span_length_ns=whole.facts.span_length_ns, queue_wait_ns=whole.facts.queue_wait_ns
    )
    return outline_from(draft_of(whole.run, now_ns=_NOW_NS), lengths)


def _check(told: RunAnalysis | RunOutline, decoded: Decoded) -> None:
    rows, columns, start_ns = rows_in_order(told.run), decoded.columns, told.run.root.start_ns
    groups = groups_of(told)
    assert decoded.ids == [span.span_id for span, _ in rows]
    for row, (span, depth) in enumerate(rows):
        facts, flags = told.spans[span.span_id], int(columns["flags"][row])
        assert columns["start"][row] == span.start_ns - start_ns
        assert columns["end"][row] == told.ended_ns(span) - start_ns
        assert columns["depth"][row] == depth
        assert columns["group"][row] == groups.get(span.span_id, -1)
        assert columns["attempt"][row] == span.attempt
        assert columns["family"][row] == family(span)
        assert decoded.head["names"][columns["name"][row]] == words.short_name(span.name)
        assert decoded.head["branches"][columns["branch"][row]] == (span.branch or "")
        assert decoded.head["models"][columns["model"][row]] == (span.model or "")
        assert decoded.head["kinds"][columns["kind"][row]] == span.kind.value
        assert decoded.head["statuses"][columns["status"][row]] == span.status.value
        assert bool(flags & ON_PATH) == (facts.on_path_ns > 0)
        assert bool(flags & WASTED) == (facts.wasted is not None)
        assert bool(flags & WAIT_INFERRED) == facts.queue_wait_inferred
        assert bool(flags & CACHE_HIT) == span.cache_hit
    tied = {other for segment in told.critical_path for other in segment.tied_with}
    assert {span_id for span_id in decoded.ids if decoded.flags(span_id) & TIED} == tied
    path = [decoded.ids[row] for row in columns["pathRow"]]
    assert path == [segment.span_id for segment in told.critical_path]
    usages = [span.usage for span, _ in rows]
    _same(columns["tokens"], [usage.total_tokens if usage else 0 for usage in usages])
    _same(columns["onPath"], [told.spans[span_id].on_path_ns for span_id in decoded.ids])
    _same(columns["wait"], [told.spans[span_id].queue_wait_ns for span_id in decoded.ids])
    if isinstance(told, RunAnalysis):
        whole = [told.spans[span_id] for span_id in decoded.ids]
        _same(columns["self"], [facts.self_ns for facts in whole])
        _same(columns["slack"], [facts.slack_ns for facts in whole])
        _same(columns["drag"], [facts.drag_ns for facts in whole])


def _same(column: npt.NDArray[Any], values: Sequence[int | None]) -> None:
    expected = [np.nan if value is None else value for value in values]
    np.testing.assert_array_equal(column, np.array(expected, np.float32))
