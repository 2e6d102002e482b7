"""Curves of the wall over how much faster each branch is → one figure.

A line falls as long as its branch holds the run up, and is flat from the dot on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from longpole.analysis.curves import Curve
from longpole.dashboard import words
from longpole.dashboard.charts.base import layout, literal, series_colours, unit_of
from longpole.dashboard.palette import Theme
from longpole.dashboard.supposition import curved

LINES_MOST: Final = 6
_LABEL_CHARACTERS: Final = 30


def gains(curves: Sequence[Curve], theme: Theme) -> go.Figure:
    """Draw the curves that gain most; there is at least one."""
    shown = curves[:LINES_MOST]
    unit = unit_of(shown[0].walls_ns[0][1])
    figure = go.Figure()
    for curve, colour in zip(shown, series_colours(theme, len(shown)), strict=True):
        name = literal(curved(curve), _LABEL_CHARACTERS)
        figure.add_scatter(
            x=[percent for percent, _ in curve.walls_ns],
            y=[wall_ns / unit.ns for _, wall_ns in curve.walls_ns],
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2},
            marker={"size": [8 * (p == curve.kink_percent) for p, _ in curve.walls_ns]},
            customdata=[words.duration(wall_ns) for _, wall_ns in curve.walls_ns],
            hovertemplate=f"{name}, %{{x}} % less time: %{{customdata}}<extra></extra>",
        )
    figure.update_layout(**layout(theme, height_px=300, shows_legend=True))
    figure.update_layout(legend={"y": 1.02}, margin={"t": 20 + 20 * (len(shown) + 1) // 2})
    figure.update_xaxes(title_text="less time (%)", range=[-2, 102], dtick=20, fixedrange=True)
    figure.update_yaxes(title_text=f"wall ({unit.name})", rangemode="tozero", fixedrange=True)
    return figure
