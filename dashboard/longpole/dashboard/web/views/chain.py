"""One chain in full: its sentence and numbers, and the tabs with what its runs tell together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from longpole.analysis.chain import ChainAnalysis
from longpole.analysis.many import Aggregate
from longpole.dashboard import meanings, words
from longpole.dashboard.places import place_label
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.views import (
    chain_flame,
    chain_path,
    chain_runs,
    chain_structures,
    chain_trend,
    filters,
    many,
    nothing,
)
from longpole.dashboard.web.views.error_table import error_table

_PART: Final = "part"
PATH, FLAME, RUNS, TREND, ERRORS, STRUCTURES = PARTS = (
    "What it waits for",
    "Flame graph",
    "Runs",
    "Over time",
    "Errors",
    "Structures",
)


def whole(name: str, question: Question, found: Sampled) -> None:
    """Draw one chain."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("All chains", icon=":material/arrow_back:", on_click=_leave, type="tertiary")
        st.subheader(words.markdown(words.short_name(name)), width="content", anchor=False)
        st.caption(many.counted(found), width="stretch")
    if not found.samples:
        nothing.no_match(question.query, question.token)
        return
    analysis = samples.chain(question)
    st.markdown(_sentence(analysis))
    many.metrics(_numbers(analysis.whole))
    _parts(question, analysis)


def _leave() -> None:
    st.session_state[filters.CHAIN] = None


def _sentence(analysis: ChainAnalysis) -> str:
    whole, bound = analysis.whole, analysis.bound
    phrases = [f"**p50 {words.duration(whole.wall.p50_ns)}**"]
    if bound is not None:
        label = words.markdown(place_label(bound.position))
        phrases.append(f"**{words.share(float(bound.share))}** of it waiting for **{label}**")
    if analysis.changes:
        last = analysis.changes[-1]
        how = "slower" if last.ratio > 1 else "faster"
        share = words.share(abs(last.ratio - 1))
        since = words.markdown(words.moment(last.at_ns))
        phrases.append(f"**{share} {how}** since {since}")
    if whole.errors:
        phrases.append(f"**{words.share(float(whole.error_rate))}** failed")
    return " · ".join(phrases)


def _numbers(whole: Aggregate) -> list[tuple[str, str, str | None]]:
    runs = whole.runs
    shown: list[tuple[str, str, str | None]] = [
        ("p50", words.duration(whole.wall.p50_ns), meanings.P50),
        ("p95", words.duration(whole.wall.p95_ns), meanings.P95),
        ("p99", words.duration(whole.wall.p99_ns), meanings.P99),
        ("Speed-up", words.times(whole.speedup_ratio), meanings.SPEEDUP),
        ("Queued", words.duration(whole.queue_wait_ns / runs), meanings.QUEUED),
        ("Failed", words.share(float(whole.error_rate)), meanings.FAILED),
        ("Retried", words.share(whole.retried / runs), meanings.RETRIED),
        ("Cost a run", words.cost(whole.mean_cost_usd, whole.unpriced_calls), meanings.COST),
        ("Wasted a run", words.usd(whole.wasted_cost_usd / runs), meanings.WASTED),
    ]
    return shown


def _parts(question: Question, analysis: ChainAnalysis) -> None:
    drawn: dict[str, Callable[[], None]] = {
        PATH: lambda: chain_path.tab(analysis),
        FLAME: lambda: chain_flame.tab(question),
        RUNS: lambda: chain_runs.tab(analysis),
        TREND: lambda: chain_trend.tab(analysis),
        ERRORS: lambda: _errors(analysis),
        STRUCTURES: lambda: chain_structures.tab(analysis),
    }
    tabs = st.tabs(PARTS, key=_PART, on_change="rerun", bind="query-params")
    for tab, name in zip(tabs, PARTS, strict=True):
        if tab.open:
            with tab:
                drawn[name]()


def _errors(analysis: ChainAnalysis) -> None:
    if not analysis.errors:
        st.caption("Nothing failed in these runs.")
        return
    error_table(analysis.errors, key="chain_errors", names_chain=False)
