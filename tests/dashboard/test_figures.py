from __future__ import annotations

import pytest

from longpole.analysis import analyse
from longpole.analysis.result import RunAnalysis
from longpole.dashboard import figures
from longpole.model import Run
from tests.browser import stories


def _analysis(run: Run) -> RunAnalysis:
    return analyse(run, now_ns=stories.START_NS + 3_600_000 * stories.MS)


def test_the_concurrency_line_reaches_the_peak_and_shows_the_limit() -> None:
    analysis = _analysis(stories.wide(1, branches=40))

    figure = figures.concurrency(analysis, "light")
    assert max(figure.data[0].y) == analysis.facts.peak_concurrency
    assert figure.layout.annotations[0].text == "limit 4 of map"


def test_a_long_profile_is_thinned_without_losing_its_peak() -> None:
    analysis = _analysis(stories.wide(1, branches=2_000))

    figure = figures.concurrency(analysis, "light")
    assert len(figure.data[0].x) < len(analysis.concurrency)
    assert max(figure.data[0].y) == analysis.facts.peak_concurrency


def test_branches_end_where_their_bar_ends_and_idle_until_the_join() -> None:
    analysis = _analysis(stories.panel(1))

    figure = figures.branches(analysis, analysis.fan_outs[0], "light")
    _, bars, idle, _ = figure.data
    assert list(figure.layout.yaxis.ticktext) == ["claude", "gpt", "mini"]
    ends = [base + length for base, length in zip(bars.base, bars.x, strict=True)]
    assert ends == pytest.approx([1.6, 0.9, 0.7])
    joined = [base + length for base, length in zip(idle.base, idle.x, strict=True)]
    assert joined == pytest.approx([1.6, 1.6, 1.6])


def test_of_many_branches_the_last_to_end_are_drawn() -> None:
    fan_out = _analysis(stories.wide(1, branches=100)).fan_outs[0]

    shown = figures.shown_branches(fan_out)
    assert len(shown) == figures.MAX_BARS
    assert fan_out.long_pole in {branch.span_id for branch in shown}


def test_the_shares_of_the_path_add_up_to_the_wall_time() -> None:
    analysis = _analysis(stories.failing(1))

    assert sum(own_ns for _, own_ns in figures.path_owners(analysis)) == analysis.facts.wall_ns


def test_the_text_of_a_trace_reaches_plotly_without_markup() -> None:
    analysis = _analysis(stories.hostile(1))
    drawn = [
        figures.branches(analysis, analysis.fan_outs[0], "light"),
        figures.path_shares(analysis, "dark"),
        figures.concurrency(analysis, "dark"),
    ]

    for figure in drawn:
        text = figure.to_json()
        assert "<b>bold" not in text
        assert "\\u003cb\\u003ebold" not in text
