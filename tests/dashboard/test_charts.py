"""Figures about many runs: what they show, in which unit, and that text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import plotly.graph_objects as go
import pytest

from longpole.analysis import (
    RunSample,
    analyse,
    change_points,
    compare,
    compare_sets,
    criticality,
    flame_difference,
    flame_of,
    samples_of,
    trend_of,
)
from longpole.analysis.trends import HOUR_NS
from longpole.dashboard.charts import (
    base,
    difference,
    flame,
    heat_map,
    trend,
    waterfalls,
)
from longpole.dashboard.charts.base import lay_out, layout
from longpole.dashboard.charts.criticality import criticality as criticality_figure
from longpole.dashboard.palette import Theme
from longpole.model import Kind, Run
from tests.analysis.panels import Panel, samples
from tests.browser import stories

NOW_NS = stories.START_NS + 3_600_000 * stories.MS
PANELS = samples([Panel(web=100 + 9 * at, notes=250) for at in range(24)])
HOSTILE = [analyse(stories.hostile(number), now_ns=NOW_NS) for number in (3, 4)]
HOSTILE_SAMPLES = samples_of(HOSTILE)


def _axes(figure: Any) -> list[str]:
    layout = figure.layout
    return [layout.xaxis.title.text or "", layout.yaxis.title.text or ""]


def test_bars_of_a_fan_out_carry_their_intervals() -> None:
    (fan_out,) = criticality(PANELS)
    figure = criticality_figure(fan_out, "light")

    (bars,) = figure.data
    assert list(figure.layout.yaxis.ticktext) == [
        str(branch.position[-1]) for branch in fan_out.branches
    ]
    assert sum(bars.x) == pytest.approx(100)
    for branch, share, more, less in zip(
        fan_out.branches, bars.x, bars.error_x.array, bars.error_x.arrayminus, strict=True
    ):
        assert share + more == pytest.approx(branch.between.high * 100)
        assert share - less == pytest.approx(branch.between.low * 100)


def test_frames_are_as_wide_as_the_mean_wall_and_hold_their_children() -> None:
    found = flame_of(PANELS)
    (icicle,) = flame.flame(found, "dark").data

    assert icicle.values[0] == pytest.approx(float(found.mean_wall_ns) / 1e6)
    for place, parent in enumerate(icicle.parents):
        assert (parent == "") is (found.frames[place].above is None)
    assert icicle.branchvalues == "total"


def test_the_difference_of_flame_graphs_is_as_wide_as_the_slow_one() -> None:
    usual, slow = flame_of(PANELS[:12]), flame_of(PANELS[12:])
    (icicle,) = flame.flame_difference(flame_difference(usual, slow), "light").data

    assert icicle.values[0] == pytest.approx(float(slow.mean_wall_ns) / 1e6)
    grown = sum(icicle.marker.colors)
    assert grown == pytest.approx(float(slow.mean_wall_ns - usual.mean_wall_ns) / 1e6)


def test_of_many_runs_some_are_drawn_the_slowest_always() -> None:
    drawn = heat_map.spread(PANELS, most=5)

    assert [run.wall_ns for run in drawn] == sorted(run.wall_ns for run in drawn)
    assert drawn[-1].wall_ns == max(run.wall_ns for run in PANELS)
    assert len({run.run_id for run in drawn}) == 5
    assert heat_map.spread(PANELS, most=100) == heat_map.spread(PANELS)


def test_a_bar_on_top_of_the_heat_map_names_its_run() -> None:
    drawn = heat_map.spread(PANELS)
    bars, cells = heat_map.runs_by_position(drawn, "light").data

    assert [drawn[point[0]].run_id[:8] for point in bars.customdata] == [
        point[1] for point in bars.customdata
    ]
    columns = [sum(column) for column in zip(*cells.z, strict=True)]
    assert columns == pytest.approx([100] * len(drawn))


def test_a_lasting_change_is_a_line_that_says_how_much() -> None:
    changed = samples([Panel(web=300 + at % 7) for at in range(40)]) + samples(
        [Panel(web=600 + at % 7) for at in range(40)], first=41
    )
    changes = change_points(changed)
    figure = trend.walls(trend_of(changed, bucket_ns=HOUR_NS), changes, "light")

    (change,) = changes
    assert [line.x0 for line in figure.layout.shapes] == [base.moment(change.at_ns)]
    assert figure.layout.annotations[0].text.startswith("+8")
    assert [trace.name for trace in figure.data] == ["p95", "p50"]


def test_every_axis_has_a_unit_and_times_say_their_zone() -> None:
    buckets = trend_of(PANELS, bucket_ns=HOUR_NS)
    (fan_out,) = criticality(PANELS)
    (one, other) = (analyse(stories.panel(number), now_ns=NOW_NS) for number in (1, 2))
    comparison = compare_sets(PANELS[:12], PANELS[12:], resamples=50)

    starts, walls = _axes(trend.walls(buckets, (), "light"))
    assert (starts, walls) == ("start of the runs, by hour (UTC)", "wall (ms)")
    assert "(%)" in _axes(trend.failed(buckets, "light"))[1]
    assert "(USD)" in _axes(trend.costs(buckets, "light"))[1]
    assert "(%)" in _axes(criticality_figure(fan_out, "light"))[0]
    assert "(s)" in _axes(waterfalls.waterfalls(compare(one, other), "light"))[0]
    assert "(ms)" in _axes(difference.place_deltas(comparison.places, "light"))[0]
    assert "(ms)" in _axes(difference.wall_shares(PANELS[:12], PANELS[12:], "light"))[0]


def test_a_difference_that_can_be_chance_is_grey() -> None:
    same = compare_sets(PANELS, PANELS, resamples=50)
    apart = compare_sets(
        samples([Panel(web=300 + at) for at in range(9)]),
        samples([Panel(web=900 + at) for at in range(9)]),
        resamples=50,
    )

    grey = difference.place_deltas(same.places, "light").data[-1].marker.color
    assert set(grey) == {"#98A2B0"}
    coloured = difference.place_deltas(apart.places, "light").data[-1].marker.color
    assert coloured[0] == "#D62839"


def test_parts_of_a_stack_add_up() -> None:
    buckets = trend_of(PANELS, bucket_ns=HOUR_NS)
    figure = trend.stacked(
        buckets,
        {"a": [1.0] * len(buckets), "b": [2.0] * len(buckets)},
        "light",
        title="cost (USD)",
        told={"a": ["$1"] * len(buckets), "b": ["$2"] * len(buckets)},
    )

    assert [list(bar.y) for bar in figure.data] == [[1.0] * len(buckets), [2.0] * len(buckets)]
    assert figure.layout.barmode == "stack"


def test_both_waterfalls_have_the_same_rows_on_one_axis() -> None:
    before, after = (analyse(run, now_ns=NOW_NS) for run in (stories.panel(1), stories.failing(2)))
    comparison = compare(before, after)
    figure = waterfalls.waterfalls(comparison, "light")

    assert figure.layout.yaxis.ticktext == figure.layout.yaxis2.ticktext
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.name for bar in bars] == ["before", "after"]
    assert max(base + x for base, x in zip(bars[0].base, bars[0].x, strict=True)) == (
        pytest.approx(2.3)
    )
    assert {bar.xaxis for bar in bars} <= {None, "x"}


def test_of_many_rows_those_are_drawn_that_make_the_difference() -> None:
    runs = [stories.wide(1, branches=40), stories.wide(2, branches=60)]
    comparison = compare(*(analyse(run, now_ns=NOW_NS) for run in runs))

    shown = waterfalls.shown_pairs(comparison)
    assert len(shown) <= waterfalls.ROWS_MOST
    assert shown[0] is comparison.pairs[0]
    greatest = max(comparison.pairs, key=lambda pair: abs(pair.path_delta_ns))
    assert greatest in shown
    for pair in shown:
        assert pair.above is None or comparison.pairs[pair.above] in shown


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_text_of_a_trace_reaches_plotly_without_markup(theme: Theme) -> None:
    buckets = trend_of(HOSTILE_SAMPLES, bucket_ns=HOUR_NS)
    drawn = [
        *(criticality_figure(one, theme) for one in criticality(HOSTILE_SAMPLES)),
        flame.flame(flame_of(HOSTILE_SAMPLES), theme),
        flame.flame_difference(_flames(HOSTILE_SAMPLES), theme),
        heat_map.runs_by_position(HOSTILE_SAMPLES, theme),
        waterfalls.waterfalls(compare(*HOSTILE), theme),
        difference.place_deltas(compare_sets(HOSTILE_SAMPLES, PANELS).places, theme),
        trend.stacked(
            buckets,
            {stories.CANARY: [1.0] * len(buckets)},
            theme,
            title="errors",
            told={stories.CANARY: ["1"] * len(buckets)},
        ),
    ]

    written = [figure.to_json() for figure in drawn]
    assert any("![x](http" in text for text in written)
    for text in written:
        assert "<b>bold" not in text
        assert "\\u003cb\\u003ebold" not in text


def _flames(found: Sequence[RunSample]) -> Any:
    return flame_difference(flame_of(found[:1]), flame_of(found))


def test_an_empty_run_is_drawn_too() -> None:
    found = samples_of([analyse(_empty_run(), now_ns=NOW_NS)])

    assert flame.flame(flame_of(found), "light").data[0].values == (0.0,)
    assert heat_map.runs_by_position(found, "light").data[1].z == ([0.0],)
    assert flame_of(found).mean_wall_ns == Fraction(0)


def _empty_run() -> Run:
    story = stories.Story(1, stories.START_NS)
    story.add(None, "nothing", Kind.CHAIN, 0, 0)
    return story.run()


def test_a_figure_gets_what_all_share_and_what_is_its_own() -> None:
    laid_out, changed = go.Figure(go.Bar(y=[1])), go.Figure(go.Bar(y=[1]))
    lay_out(
        laid_out, "dark", height_px=90, margin_t=12, y={"title_text": "cost (USD)"}, barmode="stack"
    )
    changed.update_layout(**layout("dark", height_px=90), barmode="stack")
    changed.update_layout(margin_t=12)
    changed.update_yaxes(title_text="cost (USD)")

    assert laid_out == changed
