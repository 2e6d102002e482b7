"""Figures of the run page: they draw what the analysis found, and no markup of a trace."""

from __future__ import annotations

import pytest

from longpole.analysis import analyse
from longpole.analysis.change_text import parse_change
from longpole.analysis.curves import curves
from longpole.analysis.result import RunAnalysis
from longpole.analysis.what_if import replayable, what_if
from longpole.dashboard.charts.gains import gains
from longpole.dashboard.charts.icicle import icicle
from longpole.dashboard.charts.strips import ROWS_MOST, shown_rows, strips
from longpole.dashboard.spent import spending_of
from longpole.model import Run
from longpole.model.pricing import PriceBook
from tests.browser import stories

_NOW_NS = stories.START_NS + 3_600_000 * stories.MS


def _analysis(run: Run) -> RunAnalysis:
    return analyse(run, now_ns=_NOW_NS)


def _changed(run: Run, text: str) -> RunAnalysis:
    one = replayable(run, now_ns=_NOW_NS)
    return _analysis(what_if(one, [parse_change(text)], book=PriceBook()).after)


def test_before_and_after_stand_below_each_other_with_the_same_rows() -> None:
    run = stories.panel(1)

    figure = strips(_analysis(run), _changed(run, "claude:time=0"), "light")
    before, _, before_path, after, _, after_path = figure.data
    assert list(before.y) == list(after.y) == [0, -1, -2, -3]
    assert [text.split(" ")[0] for text in figure.layout.yaxis.ticktext][:3] == [
        "claude",
        "gpt",
        "mini",
    ]
    assert before.x[0] == pytest.approx(1.585)
    assert after.x[0] == 0
    # The path ran along the first row and runs along the second one then.
    assert before_path.y[2] == pytest.approx(-0.4)
    assert -1.4 in [round(y, 3) for y in after_path.y if y is not None]


def test_of_many_branches_those_that_count_for_one_of_the_runs_are_drawn() -> None:
    run = stories.wide(1, branches=200)
    before, after = _analysis(run), _changed(run, "map:limit=none")

    rows = shown_rows(before, after)
    assert len(rows) == ROWS_MOST
    assert after.fan_outs[0].long_pole in rows


def test_a_branch_that_is_gone_has_a_row_without_a_bar() -> None:
    run = stories.panel(1)

    figure = strips(_analysis(run), _changed(run, "gpt:without"), "dark")
    assert len(figure.data[0].x) == len(figure.data[3].x) + 1


def test_a_curve_ends_where_the_drag_says() -> None:
    run = stories.panel(1)
    drawn = curves([replayable(run, now_ns=_NOW_NS)])

    line = gains(drawn, "light").data[0]
    assert line.y[0] == pytest.approx(2.3)
    assert line.y[-1] == pytest.approx(2.3 - drawn[0].gain_ns / 1e9)


def test_the_icicle_adds_up_to_the_cost_of_the_run() -> None:
    found = _analysis(stories.panel(1))

    trace = icicle(spending_of(found), "panel", "light").data[0]
    values = dict(zip(trace.ids, trace.values, strict=True))
    assert found.facts.cost_usd is not None
    assert values["run"] == pytest.approx(float(found.facts.cost_usd))
    for box, value in values.items():
        below = [
            values[one] for one, above in zip(trace.ids, trace.parents, strict=True) if above == box
        ]
        assert not below or sum(below) == pytest.approx(value)


def test_no_markup_of_a_trace_reaches_a_figure() -> None:
    run = stories.hostile(1)
    found = _analysis(run)
    drawn = [
        strips(found, _changed(run, "*:faster=2"), "light"),
        gains(curves([replayable(run, now_ns=_NOW_NS)]), "light"),
        icicle(spending_of(found), run.name, "dark"),
    ]

    for figure in drawn:
        text = figure.to_json()
        assert "<b>bold" not in text
        assert "\\u003cb\\u003ebold" not in text
