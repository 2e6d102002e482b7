"""The tab that shows how many spans were at work over time."""

from __future__ import annotations

import streamlit as st

from longpole.analysis.result import RunAnalysis
from longpole.dashboard import figures, words
from longpole.dashboard.web.views.colours import theme


def tab(found: RunAnalysis) -> None:
    """Draw the tab."""
    facts = found.facts
    mean = facts.work_ns / facts.wall_ns if facts.wall_ns else 0.0
    st.caption(
        f"At most {words.count(facts.peak_concurrency, 'span')} at work at once, {mean:.1f} on "
        "average · "
        f"{words.share(facts.efficiency_ratio)} of what was allowed was used · nothing at work for "
        f"{words.share(found.breakdown.idle_ratio)} of the time, one span alone for "
        f"{words.share(found.breakdown.serial_ratio)}"
    )
    st.plotly_chart(
        figures.concurrency(found, theme()),
        key="concurrency",
        config=figures.CONFIG,
        alt="Spans at work over time",
    )
