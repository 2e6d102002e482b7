"""Flame graphs of the mean critical path, and of their difference, as icicles.

A frame is as wide as its time with all below it; a click on one makes it as wide as the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import plotly.graph_objects as go

from longpole.analysis import Flame, Position
from longpole.analysis.flame import FrameDelta
from longpole.dashboard import words
from longpole.dashboard.charts.base import FAINT, PAGE, TEXT, layout, literal
from longpole.dashboard.difference import signed_duration
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.dashboard.places import label_alone

_LEVEL_PX: Final = 34
_LEAST_PX: Final = 220
_MOST_PX: Final = 620
_DEPTH_MOST: Final = 14


def flame(found: Flame, theme: Theme) -> go.Figure:
    """Draw a flame graph; the darker a frame, the more of the wall it owns itself."""
    frames = found.frames
    wall_ns = float(found.mean_wall_ns) or 1.0
    own = [float(frame.own_ns) / wall_ns for frame in frames]
    told = [
        f"{words.duration(float(frame.total_ns))} a run · "
        f"{words.share(float(frame.total_ns) / wall_ns)} of the wall<br>"
        f"itself {words.duration(float(frame.own_ns))} · {words.share(one)}"
        for frame, one in zip(frames, own, strict=True)
    ]
    figure = _icicle(
        [(frame.position, frame.above) for frame in frames],
        [frame.total_ns for frame in frames],
        told,
    )
    figure.update_traces(
        marker={
            "colors": own,
            "colorscale": _mixed(theme, FAMILY_COLOURS[theme][Family.MODEL]),
            "cmin": 0,
            "cmax": max(own, default=1.0) or 1.0,
            "line": {"color": PAGE[theme], "width": 1},
            "colorbar": {
                "title": {"text": "of the wall, itself", "side": "right", "font": {"size": 11}},
                "tickformat": ".0%",
                "thickness": 10,
                "outlinewidth": 0,
                "tickfont": {"size": 11},
            },
        }
    )
    _laid_out(figure, theme, max((len(frame.position) for frame in frames), default=1))
    return figure


def flame_difference(deltas: Sequence[FrameDelta], theme: Theme) -> go.Figure:
    """Draw the frames of slow runs, red where they own more than in usual ones, blue where less.

    Frames that only usual runs have are as narrow as can be, and still told.
    """
    most_ns = max((abs(float(delta.own_delta_ns)) for delta in deltas), default=1.0) or 1.0
    told = [
        f"{words.duration(float(delta.before_ns))} → {words.duration(float(delta.after_ns))}<br>"
        f"itself {signed_duration(round(delta.own_delta_ns))}"
        for delta in deltas
    ]
    figure = _icicle(
        [(delta.position, delta.above) for delta in deltas],
        [delta.after_ns for delta in deltas],
        told,
    )
    less, more = FAMILY_COLOURS[theme][Family.MODEL], ERROR_COLOURS[theme]
    figure.update_traces(
        marker={
            "colors": [float(delta.own_delta_ns) / 1e6 for delta in deltas],
            "colorscale": [[0, less], [0.5, FAINT[theme]], [1, more]],
            "cmin": -most_ns / 1e6,
            "cmax": most_ns / 1e6,
            "line": {"color": PAGE[theme], "width": 1},
            "colorbar": {
                "title": {"text": "itself, ms more", "side": "right", "font": {"size": 11}},
                "thickness": 10,
                "outlinewidth": 0,
                "tickfont": {"size": 11},
            },
        }
    )
    _laid_out(figure, theme, max((len(delta.position) for delta in deltas), default=1))
    return figure


def _icicle(
    frames: Sequence[tuple[Position, int | None]], totals_ns: Sequence[Fraction], told: list[str]
) -> go.Figure:
    return go.Figure(
        go.Icicle(
            ids=[str(place) for place in range(len(frames))],
            parents=["" if above is None else str(above) for _, above in frames],
            labels=[literal(label_alone(position)) for position, _ in frames],
            values=[float(total_ns) / 1e6 for total_ns in totals_ns],
            branchvalues="total",
            sort=False,
            maxdepth=_DEPTH_MOST,
            tiling={"orientation": "v", "pad": 0},
            root={"color": "rgba(0,0,0,0)"},
            pathbar={"visible": True, "thickness": 20, "side": "top"},
            textposition="middle left",
            texttemplate="%{label}",
            customdata=told,
            hovertemplate="<b>%{label}</b><br>%{customdata}<extra></extra>",
        )
    )


def _mixed(theme: Theme, colour: str) -> list[list[object]]:
    return [[0, FAINT[theme]], [1, colour]]


def _laid_out(figure: go.Figure, theme: Theme, depth: int) -> None:
    height_px = min(_MOST_PX, max(_LEAST_PX, min(depth, _DEPTH_MOST) * _LEVEL_PX + 40))
    figure.update_layout(**layout(theme, height_px=height_px), uniformtext={"minsize": 11})
    figure.update_layout(margin={"l": 0, "r": 8, "t": 26, "b": 4}, uniformtext_mode="hide")
    figure.update_traces(textfont={"size": 12}, pathbar_textfont={"size": 11, "color": TEXT[theme]})
