"""The tab that shows the chain as it ran: stages from left to right, branches below each other."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from longpole.analysis.result import RunAnalysis
from longpole.dashboard.graph import layout_of, shape_of
from longpole.dashboard.web.graph import graph


def tab(found: RunAnalysis, *, on_open: Callable[[str], None]) -> None:
    """Draw the tab; `on_open` shows a span in the waterfall."""
    shape = shape_of(found)
    graph(found, layout_of(shape, found.facts.wall_ns), key="graph", on_open=on_open)
    st.caption(
        "From left to right what followed what; below each other what ran side by side. Bold: the "
        "critical path; the bar at a box's foot is its share of the wall. Alike branches are one "
        "box ×N; +N is what a box holds and does not show."
    )
