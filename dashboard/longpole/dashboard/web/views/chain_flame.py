"""The tab with the mean critical path as a flame graph: all runs, slow ones, the difference."""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.analysis.tail import RUNS_NEEDED
from longpole.dashboard import words
from longpole.dashboard.charts import flame
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.colours import theme

ALL, SLOW, DIFFERENCE = _KINDS = ("all runs", "slowest 5 %", "difference")
_CAPTION: Final = (
    "Time on the critical path, in the mean; a frame is as wide as its position with all below it. "
    "Click a frame to look closer, the bar on top to go back."
)


def tab(question: Question) -> None:
    """Draw the tab."""
    found = samples.flames(question)
    kind = st.segmented_control(
        "Flame graph of",
        _KINDS,
        default=ALL,
        required=True,
        key="flame",
        bind="query-params",
        label_visibility="collapsed",
    )
    if kind != ALL and found.slow is None:
        st.caption(f"It takes {RUNS_NEEDED} runs to tell slow runs from usual ones.")
        return
    if kind == DIFFERENCE and found.difference is not None:
        st.caption(
            "As wide as in the slowest 5 %; red where a position owns more of the critical path "
            "than in the middle half, blue where less."
        )
        many.chart(
            flame.flame_difference(found.difference, theme()),
            key="flame_difference",
            alt="What slow runs wait for longer than usual ones",
        )
        return
    shown = found.slow if kind == SLOW and found.slow is not None else found.every
    wall = words.duration(float(shown.mean_wall_ns))
    st.caption(f"{words.count(shown.runs, 'run')}, {wall} in the mean. {_CAPTION}")
    many.chart(
        flame.flame(shown, theme()), key=f"flame:{kind}", alt="The mean critical path by position"
    )
