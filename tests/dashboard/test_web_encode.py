from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analysis import analyse
from longpole.dashboard.web.waterfall import encode, rows_in_order
from longpole.dashboard.web.waterfall.encode import CACHE_HIT, ERROR, ON_PATH, RUNNING, THICK
from longpole.model import Kind, Run, Span, Status, assemble
from tests.browser import stories

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
