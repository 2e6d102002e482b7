"""Runs beside each other: what owns which part of each, below how long each took.

A picture has no room for more columns than it has pixels, and a column narrower than a few of them
cannot be clicked. So of many runs some are drawn, evenly spread by wall, the slowest always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from longpole.analysis import HeatMap, RunSample, heat_map
from longpole.analysis.tail import slowest_last
from longpole.dashboard import words
from longpole.dashboard.charts.base import SOFT, layout, literal, unit_of
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.dashboard.places import place_label
from longpole.model.run import Status

RUNS_MOST: Final = 200
"""Columns of one picture."""
_ROWS_MOST: Final = 18
_CELL_PX: Final = 20
_WALLS_PX: Final = 90
_OTHERS: Final = "(everything else)"


def spread(samples: Sequence[RunSample], most: int = RUNS_MOST) -> list[RunSample]:
    """Return at most so many runs, evenly spread by wall, slowest last."""
    order = slowest_last(samples)
    if len(order) <= most:
        return [samples[at] for at in order]
    step = (len(order) - 1) / (most - 1)
    return [samples[order[round(place * step)]] for place in range(most)]


def runs_by_position(samples: Sequence[RunSample], theme: Theme) -> go.Figure:
    """Draw these runs; a click on a bar on top gives the place of its run among the samples."""
    found = heat_map(samples, rows=_ROWS_MOST)
    drawn = [samples[at] for at in found.runs]
    figure = go.Figure()
    _add_walls(figure, found, drawn, theme)
    _add_cells(figure, found, drawn, theme)
    rows_px = len(found.positions) * _CELL_PX
    height_px = rows_px + _WALLS_PX + 84
    inner_px = rows_px + _WALLS_PX + 14
    figure.update_layout(**layout(theme, height_px=height_px))
    labels = _labels(found)
    soft = {"size": 11, "color": SOFT[theme]}
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 12, "b": 40},
        bargap=0.08,
        hovermode="closest",
        clickmode="event+select",
        yaxis={"domain": [0, rows_px / inner_px], "autorange": "reversed", "automargin": True,
               "showgrid": False, "zeroline": False, "ticks": "", "tickmode": "array",
               "tickvals": list(range(len(labels))), "ticktext": labels},
        yaxis2={"domain": [1 - _WALLS_PX / inner_px, 1], "rangemode": "tozero", "nticks": 4,
                "title": {"text": f"wall ({_unit(found)})", "font": soft},
                "tickfont": soft,
                "automargin": True},
        xaxis={"title": {"text": "runs, slowest on the right", "font": {"size": 12}},
               "showticklabels": False, "ticks": "", "showgrid": False, "zeroline": False,
               "range": [-0.5, len(drawn) - 0.5], "anchor": "y"},
    )  # fmt: skip
    return figure


def _labels(found: HeatMap) -> list[str]:
    return [literal(place_label(position)) if position else _OTHERS for position in found.positions]


def _unit(found: HeatMap) -> str:
    return unit_of(max(found.walls_ns, default=0)).name


def _add_walls(figure: go.Figure, found: HeatMap, drawn: Sequence[RunSample], theme: Theme) -> None:
    unit = unit_of(max(found.walls_ns, default=0))
    usual, failed = FAMILY_COLOURS[theme][Family.STRUCTURE], ERROR_COLOURS[theme]
    figure.add_bar(
        x=list(range(len(drawn))),
        y=[wall_ns / unit.ns for wall_ns in found.walls_ns],
        yaxis="y2",
        marker={
            "color": [failed if run.status is Status.ERROR else usual for run in drawn],
            "line": {"width": 0},
        },
        selected={"marker": {"color": FAMILY_COLOURS[theme][Family.MODEL], "opacity": 1}},
        unselected={"marker": {"opacity": 0.75}},
        customdata=[
            [at, run.run_id[:8], words.duration(run.wall_ns), run.status.value,
             words.moment(run.start_ns)]
            for at, run in zip(found.runs, drawn, strict=True)
        ],
        hovertemplate="<b>%{customdata[1]}</b> · %{customdata[2]} · %{customdata[3]}<br>"
        "%{customdata[4]}<br>click to see it below<extra></extra>",
        name="wall",
    )  # fmt: skip


def _add_cells(figure: go.Figure, found: HeatMap, drawn: Sequence[RunSample], theme: Theme) -> None:
    figure.add_heatmap(
        z=[[share * 100 for share in row] for row in found.shares],
        x=list(range(len(drawn))),
        y=list(range(len(found.positions))),
        colorscale=[[0, _faded(theme)], [0.5, _middle(theme)], [1, _full(theme)]],
        zmin=0,
        zmax=100,
        text=[[words.duration(own_ns) for own_ns in row] for row in found.own_path_ns],
        customdata=[[run.run_id[:8] for run in drawn]] * len(found.positions),
        hovertemplate="<b>%{customdata}</b><br>%{text} · %{z:.1f} % of its wall<extra></extra>",
        xgap=0,
        ygap=1,
        colorbar={
            "title": {"text": "% of the wall", "side": "right", "font": {"size": 11}},
            "thickness": 10,
            "outlinewidth": 0,
            "tickfont": {"size": 11},
        },
        name="own time on the critical path",
    )


def _faded(theme: Theme) -> str:
    return {"light": "#F3F6F9", "dark": "#161D26"}[theme]


def _middle(theme: Theme) -> str:
    return {"light": FAMILY_COLOURS["light"][Family.CACHE], "dark": "#24558C"}[theme]


def _full(theme: Theme) -> str:
    return {"light": "#08477B", "dark": FAMILY_COLOURS["dark"][Family.CACHE]}[theme]
