"""One run: what it tells in a sentence, its numbers, its waterfall, and the tabs beside it."""

from __future__ import annotations

import re
from collections.abc import Callable

import streamlit as st

from longpole.analysis.result import RunAnalysis, RunFacts, RunOutline
from longpole.dashboard import meanings, words
from longpole.dashboard.sentence import sentence
from longpole.dashboard.web import queries
from longpole.dashboard.web.views import (
    branches,
    concurrency,
    critical_path,
    details,
    graph,
    many,
    nothing,
    raw,
    run_cost,
    spans,
    trouble,
    what_if,
)
from longpole.dashboard.web.views.colours import STATUS_COLOURS, STATUS_ICONS
from longpole.dashboard.web.waterfall import height_px, waterfall
from longpole.model import Status
from longpole.model.errors import RunReferenceError, StoreError

_REFRESH_S = 1.0
_REST_S = 0.5
_LOOKS_MOST = 6
_HANDED_OVER = "run token handed over"
_TAB = "tab"
_DETAILS_PX = 460
_ZOOM = "zoom"
_PART = re.compile(r"(-?\d{1,12}(?:\.\d{1,6})?)-(\d{1,12}(?:\.\d{1,6})?)")
_MS = 1_000_000
WATERFALL, PATH, BRANCHES, WHAT_IF, COST, CONCURRENCY, GRAPH, SPANS, RAW = TABS = (
    "Waterfall",
    "Critical path",
    "Branches",
    "What-if",
    "Cost",
    "Concurrency",
    "Graph",
    "Spans",
    "Raw",
)


def page(open_run: Callable[[str], None], runs_page: st.Page) -> None:
    """Draw the run that the address names, or else the newest one."""
    try:
        if not queries.state().runs:
            nothing.empty_store()
            return
        run_id = queries.resolve(st.query_params.get("run", "last"))
        token = st.session_state.pop(_HANDED_OVER, None) or queries.state().token
        found = queries.first_look(run_id, token, wants_rest=False)
    except RunReferenceError as error:
        trouble.reference(error, runs_page)
        return
    except StoreError as error:
        trouble.store(error, queries.shown_store_url())
        return
    _Selection(run_id).begin()
    _header(found, open_run)
    if found.run.status is Status.RUNNING:
        _growing(run_id)
    else:
        _over(found, token)


def _growing(run_id: str) -> None:
    """Draw a run that is still running, again and again."""

    @st.fragment(run_every=_REFRESH_S)
    def body() -> None:
        token = queries.state().token
        shown = queries.analysis(run_id, token)
        if shown.run.status is not Status.RUNNING:
            st.rerun()
        _body(shown, token)

    body()


def _over(found: RunAnalysis | RunOutline, token: int) -> None:
    """Draw a run that has ended; of a large one first what is known soon, then the rest.

    It stays as of this token whatever is recorded meanwhile.
    """
    is_outline, looks = isinstance(found, RunOutline), 0
    selection = _Selection(found.run.run_id)

    @st.fragment(run_every=_REST_S if is_outline else None)
    def body() -> None:
        nonlocal looks
        shown = found
        if is_outline:
            # Not before the first is on the screen; that may never be told, from another tab say.
            wants_rest = selection.is_painted or looks > _LOOKS_MOST
            looks += 1
            shown = queries.first_look(found.run.run_id, token, wants_rest=wants_rest)
            if not isinstance(shown, RunOutline):
                st.session_state[_HANDED_OVER] = token
                st.rerun()
        _body(shown, token)

    body()


def _body(shown: RunAnalysis | RunOutline, token: int) -> None:
    _sentence(shown)
    _numbers(shown.facts)
    _tabs(shown, token)


class _Selection:
    """Which span of a run is selected and which part is in view, in the session and the address.

    `focus` is what the drawing is told to select: it changes only when the page jumps to a span,
    not when the reader selects one in the drawing, so that the drawing need not be sent again. So
    it is with `zoom`.
    """

    def __init__(self, run_id: str) -> None:
        self._selected = f"selected:{run_id}"
        self._focus = f"focus:{run_id}"
        self._zoom = f"zoom:{run_id}"
        self._painted = f"painted:{run_id}"
        self.widget = f"waterfall:{run_id}"

    def begin(self) -> None:
        """Take over the span that the address names, once."""
        if self._selected not in st.session_state:
            self.jump(st.query_params.get("span"))
            st.session_state[self._zoom] = _part(st.query_params.get(_ZOOM, ""))

    @property
    def span_id(self) -> str | None:
        """The selected span."""
        selected: str | None = st.session_state.get(self._selected)
        return selected

    @property
    def focus(self) -> str | None:
        """The span that the drawing is told to select."""
        focus: str | None = st.session_state.get(self._focus)
        return focus

    @property
    def zoom(self) -> tuple[float, float] | None:
        """The part that the drawing is told to show when it appears, in ns since the start."""
        zoom: tuple[float, float] | None = st.session_state.get(self._zoom)
        return zoom

    @property
    def is_painted(self) -> bool:
        """Whether an outline was seen on the screen."""
        return self._painted in st.session_state

    def note_painted(self) -> None:
        """Take over that an outline is on the screen."""
        st.session_state[self._painted] = True

    def jump(self, span_id: str | None) -> None:
        """Select a span from outside of the drawing."""
        st.session_state[self._selected] = span_id
        st.session_state[self._focus] = span_id

    def follow(self) -> None:
        """Take over what was selected in the drawing."""
        span_id = st.session_state[self.widget].get("selected")
        if isinstance(span_id, str):
            st.session_state[self._selected] = span_id
            st.query_params["span"] = span_id

    def look(self) -> None:
        """Take over which part is looked at in the drawing."""
        text = st.session_state[self.widget].get("zoom")
        if text:
            st.query_params[_ZOOM] = text
        else:
            st.query_params.pop(_ZOOM, None)

    def keep(self) -> None:
        """Have the drawing show the same when it appears again, after another tab."""
        st.session_state[self._focus] = self.span_id
        st.session_state[self._zoom] = _part(st.query_params.get(_ZOOM, ""))


def _part(text: str) -> tuple[float, float] | None:
    """Return the part of a run that an address names; `None` for the whole, or what is none."""
    found = _PART.fullmatch(text)
    return None if found is None else (float(found[1]) * _MS, float(found[2]) * _MS)


def _header(found: RunAnalysis | RunOutline, open_run: Callable[[str], None]) -> None:
    run = found.run
    beside = queries.neighbours(run.root.start_ns, queries.state().token)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(words.markdown(run.name), width="content", anchor=False)
        st.badge(run.status.value, color=STATUS_COLOURS[run.status], icon=STATUS_ICONS[run.status])
        st.caption(f"{run.run_id[:8]} · {words.moment(run.root.start_ns)}", width="stretch")
        with st.container(horizontal=True, gap="small", width="content"):
            newer = st.button(
                "Newer", icon=":material/chevron_left:", shortcut="K", disabled=not beside.newer
            )
            older = st.button(
                "Older", icon=":material/chevron_right:", shortcut="J", disabled=not beside.older
            )
    if newer and beside.newer:
        open_run(beside.newer)
    if older and beside.older:
        open_run(beside.older)


def _sentence(found: RunAnalysis | RunOutline) -> None:
    st.markdown(
        " · ".join(
            f"**{phrase.words}" + (f" {words.markdown(phrase.name)}**" if phrase.name else "**")
            for phrase in sentence(found)
        )
    )


def _numbers(facts: RunFacts) -> None:
    usage = facts.usage
    shown: list[tuple[str, str, str | None]] = [
        ("Wall", words.duration(facts.wall_ns), meanings.WALL),
        (
            "Speed-up",
            words.times(facts.speedup_ratio),
            f"Work ÷ wall. With no limits it could be {words.times(facts.parallelism_ratio)}.",
        ),
        ("Work", words.duration(facts.work_ns), "What it would take one after the other"),
        ("Peak", f"{facts.peak_concurrency:,}", meanings.PEAK),
        ("Queued", words.duration(facts.queue_wait_ns), "What limits of concurrency cost"),
        (
            "Retries",
            f"{facts.retries:,}" + (f" + {facts.fallbacks:,}⤳" if facts.fallbacks else ""),
            "Attempts after the first, and fallbacks tried (⤳)"
            if facts.fallbacks
            else meanings.RETRIES,
        ),
        (
            "Tokens",
            words.tokens(usage.total_tokens),
            f"{usage.input_tokens:,} in, {usage.output_tokens:,} out, "
            f"{usage.cache_read_tokens:,} read from cache; {facts.llm_calls:,} model calls",
        ),
        ("Cost", words.cost(facts.cost_usd, facts.unpriced_calls), _cost_help(facts)),
        (
            "Wasted",
            words.usd(facts.wasted_cost_usd),
            f"Spent on results that nobody used; {words.duration(facts.wasted_ns)} of work",
        ),
    ]
    many.metrics(shown)


def _cost_help(facts: RunFacts) -> str:
    if facts.unpriced_calls:
        return f"{facts.unpriced_calls:,} of {facts.llm_calls:,} calls have no known price"
    return "At the prices of the day of each call"


def _tabs(found: RunAnalysis | RunOutline, token: int) -> None:
    selection = _Selection(found.run.run_id)

    def show(span_id: str) -> None:
        selection.jump(span_id)
        st.query_params["span"] = span_id
        st.session_state[_TAB] = WATERFALL

    def whole() -> RunAnalysis:
        if isinstance(found, RunAnalysis):
            return found
        return queries.analysis(found.run.run_id, token)

    draw: dict[str, Callable[[], None]] = {
        WATERFALL: lambda: _waterfall(found, token, selection),
        PATH: lambda: critical_path.tab(whole(), on_open=show),
        BRANCHES: lambda: branches.tab(whole(), on_open=show),
        WHAT_IF: lambda: what_if.tab(whole(), token),
        COST: lambda: run_cost.tab(whole(), on_open=show),
        CONCURRENCY: lambda: concurrency.tab(whole()),
        GRAPH: lambda: graph.tab(whole(), on_open=show),
        SPANS: lambda: spans.tab(whole(), on_open=show),
        RAW: lambda: raw.tab(whole()),
    }
    tabs = st.tabs(TABS, key=_TAB, on_change=selection.keep, bind="query-params")
    for name, tab in zip(TABS, tabs, strict=True):
        # What is not looked at is not computed.
        if tab.open:
            with tab:
                draw[name]()


def _waterfall(found: RunAnalysis | RunOutline, token: int, selection: _Selection) -> None:
    drawing, beside = st.columns([2.7, 1], gap="small")
    with drawing:
        waterfall(
            queries.waterfall_payload(found, selection.focus, selection.zoom, token),
            key=selection.widget,
            on_selected=selection.follow,
            on_zoom=selection.look,
            on_painted=selection.note_painted,
        )
    with beside:
        details.panel(found, selection.span_id, height_px=max(_DETAILS_PX, height_px(found.run)))
