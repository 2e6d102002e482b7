"""Who a fan-out waits for → bars of shares with their intervals."""

from __future__ import annotations

from typing import Final

import plotly.graph_objects as go

from longpole.analysis import FanOutCriticality
from longpole.dashboard import words
from longpole.dashboard.charts.base import ROW_PX, TEXT, lay_out, literal, rows_axis
from longpole.dashboard.palette import FAMILY_COLOURS, Family, Theme
from longpole.dashboard.places import place_label

BARS_MOST: Final = 15
"""Branches in one picture; who ends last hardly ever is in none."""


def criticality(fan_out: FanOutCriticality, theme: Theme) -> go.Figure:
    """Draw how often each branch ended last, and where that share lies with 95 % confidence."""
    shown = fan_out.branches[:BARS_MOST]
    places = [-place for place in range(len(shown))]
    shares = [float(branch.share) * 100 for branch in shown]
    first, *others = FAMILY_COLOURS[theme][Family.MODEL], FAMILY_COLOURS[theme][Family.STRUCTURE]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            x=shares,
            y=places,
            width=0.6,
            marker={"color": [first, *(others * (len(shown) - 1))]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [b.between.high * 100 - x for b, x in zip(shown, shares, strict=True)],
                "arrayminus": [x - b.between.low * 100 for b, x in zip(shown, shares, strict=True)],
                "color": TEXT[theme],
                "thickness": 1.3,
                "width": 4,
            },
            customdata=[
                (
                    literal(place_label(branch.position)),
                    words.share(float(branch.share)),
                    words.share(branch.between.low),
                    words.share(branch.between.high),
                    f"{branch.took_part:,}",
                )
                for branch in shown
            ],
            hovertemplate="<b>%{customdata[0]}</b><br>ended last in %{customdata[1]}, 95 % between "
            "%{customdata[2]} and %{customdata[3]}<br>took part %{customdata[4]} times"
            "<extra></extra>",
        )
    )
    lay_out(
        figure,
        theme,
        height_px=len(shown) * ROW_PX + 64,
        margin_t=8,
        x={"title_text": "share of executions it ended last in (%)", "range": [0, 103]},
        y=rows_axis(places, [literal(place_label(branch.position)) for branch in shown]),
    )
    return figure
