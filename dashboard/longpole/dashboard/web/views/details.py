"""The panel beside the waterfall: everything about one span, its content on demand.

While none is selected, what is known of the run as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from longpole.analysis.result import RunAnalysis, RunOutline, SpanFacts, SpanOutline
from longpole.dashboard import words
from longpole.dashboard.conversation import Message, messages_in
from longpole.dashboard.json_tree import Node, tree_of
from longpole.dashboard.web import queries
from longpole.dashboard.web.json_tree import json_tree
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.views.colours import STATUS_COLOURS, STATUS_ICONS
from longpole.model import Span, Status

_Known = SpanFacts | SpanOutline

_CONTENT_CHARACTERS = 20_000
_MESSAGES_MOST = 12
_JSON = "application/json"
CHAT, TREE, TEXT = "chat", "tree", "text"
_WANTED = "content_wanted"
_ERROR_CHARACTERS, _ERROR_PX = 480, 220
_UNENDED = {Status.RUNNING: " so far", Status.LOST: ", then lost"}


def panel(analysis: RunAnalysis | RunOutline, span_id: str | None, *, height_px: int) -> None:
    """Draw the panel for a span, or say how to choose one."""
    with st.container(border=True, height=height_px, gap="small"):
        span = analysis.run.span_by_id.get(span_id or "")
        if span is None:
            _whole(analysis)
            return
        _header(span)
        _error(span)
        table(_facts(analysis, span), key="facts")
        _content(analysis.run.run_id, span.span_id)


def _whole(analysis: RunAnalysis | RunOutline) -> None:
    st.markdown("**The run**")
    st.caption("Click a row for a span, or use ↑ ↓ and Enter. The key ? shows all keys.")
    _error(analysis.run.root)
    table(_pairs("Facts of the run", _run_facts(analysis)), key="facts")


def _error(span: Span) -> None:
    """Show an error before anything else; a long one scrolls."""
    if span.error is None:
        return
    told = f"{span.error.type}: {span.error.message}"
    is_long = len(told) > _ERROR_CHARACTERS
    st.code(told, language=None, wrap_lines=True, height=_ERROR_PX if is_long else "content")


def _header(span: Span) -> None:
    st.markdown(f"**{words.markdown(words.span_label(span))}**")
    with st.container(horizontal=True, gap="small"):
        st.badge(
            span.status.value, color=STATUS_COLOURS[span.status], icon=STATUS_ICONS[span.status]
        )
        st.badge(span.kind.value, color="gray")
        if span.role is not None:
            st.badge(span.role.value.replace("_", " "), color="gray")


def _run_facts(analysis: RunAnalysis | RunOutline) -> list[tuple[str, str, str]]:
    run, facts = analysis.run, analysis.facts
    found = [
        ("Started", words.moment(run.root.start_ns), ""),
        ("Session", run.session_id, ""),
        ("User", run.user_id, ""),
        ("Tags", ", ".join(run.tags), ""),
        *(
            (name, value, "From the metadata of the run")
            for name, value in run.metadata.items()
            if value not in (run.session_id, run.user_id)
        ),
        ("Spans", f"{len(run.spans):,}", ""),
        ("Model calls", f"{facts.llm_calls:,}", ""),
        ("Order", facts.dependencies.value, "How it is known what waited for what"),
        ("Run id", run.run_id, ""),
    ]
    return [(name, str(value), note) for name, value, note in found if value]


def _facts(analysis: RunAnalysis | RunOutline, span: Span) -> Table:
    facts = analysis.spans[span.span_id]
    pairs = [
        *_times(analysis, span, facts),
        *_path(analysis, span, facts),
        *_model(span),
        ("Span id", span.span_id, ""),
    ]
    return _pairs("Facts of the span", pairs)


def _pairs(caption: str, pairs: Sequence[tuple[str, str, str]]) -> Table:
    return Table(
        caption=caption,
        columns=(
            Column(key="fact", label="Fact", width_px=110, is_sortable=False),
            Column(
                key="value",
                label="Value",
                kind=ColumnKind.NUMBER,
                width_px=84,
                grows=True,
                is_sortable=False,
            ),
        ),
        rows=tuple(
            Row(id=name, cells=(Cell(name, note=note or name), Cell(value, note=note or value)))
            for name, value, note in pairs
        ),
        shows_header=False,
        wraps=True,
        max_height_px=2_000,
    )


def _times(
    analysis: RunAnalysis | RunOutline, span: Span, facts: _Known
) -> list[tuple[str, str, str]]:
    length_ns = max(0, analysis.ended_ns(span) - span.start_ns)
    found = [
        (
            "Start",
            f"+{words.duration(max(0, span.start_ns - analysis.run.root.start_ns))}",
            words.moment(span.start_ns),
        ),
        ("Duration", words.duration(length_ns) + _UNENDED.get(span.status, ""), ""),
    ]
    if isinstance(facts, SpanFacts):
        own = words.duration(facts.self_ns)
        found.append(("Own time", own, "Time covered by no span below it"))
    if facts.queue_wait_ns is not None:
        how = " (inferred)" if facts.queue_wait_inferred else ""
        found.append(
            ("Queue wait", words.duration(facts.queue_wait_ns) + how, "Ready until started")
        )
    if span.time_to_first_token_ns is not None:
        found.append(("First token", words.duration(span.time_to_first_token_ns), ""))
    return found


def _path(
    analysis: RunAnalysis | RunOutline, span: Span, facts: _Known
) -> list[tuple[str, str, str]]:
    wall_ns = max(1, analysis.facts.wall_ns)
    if facts.on_path_ns:
        share = words.share(facts.on_path_ns / wall_ns)
        found = [("On critical path", f"{words.duration(facts.on_path_ns)} · {share}", "")]
    else:
        found = [("On critical path", "no", "")]
    if isinstance(facts, SpanFacts):
        found += _floats(facts)
    if span.attempt > 1:
        found.append(("Attempt", str(span.attempt), ""))
    if facts.wasted is not None:
        found.append(("Not used", facts.wasted.value, "Nobody used its result"))
    return found


def _floats(facts: SpanFacts) -> list[tuple[str, str, str]]:
    slack = "any" if facts.slack_ns is None else words.duration(facts.slack_ns)
    found = [("Slack", slack, "How much later it could end without moving the run's end")]
    if facts.on_path_ns:
        drag = words.duration(facts.drag_ns)
        found.insert(0, ("Drag", drag, "Were it instant, the run would end so much sooner"))
    return found


def _model(span: Span) -> list[tuple[str, str, str]]:
    found = []
    if span.model is not None:
        found.append(("Model", span.model, ""))
    if span.provider is not None:
        found.append(("Provider", span.provider, ""))
    if span.usage is not None:
        usage = span.usage
        found.append(
            (
                "Tokens in, out",
                f"{words.tokens(usage.input_tokens)}, {words.tokens(usage.output_tokens)}",
                f"{usage.cache_read_tokens:,} read from cache, "
                f"{usage.reasoning_tokens:,} for reasoning",
            )
        )
    if span.cost_usd is not None:
        found.append(("Cost", words.usd(span.cost_usd), ""))
    elif span.unpriced is not None:
        found.append(("Cost", f"unknown: {span.unpriced}", ""))
    if span.cache_hit:
        found.append(("Cache", "hit", ""))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """An input or an output, and what it can be shown as."""

    title: str
    text: str
    mime_type: str | None
    messages: tuple[Message, ...]
    tree: Node | None


def _content(run_id: str, span_id: str) -> None:
    content = queries.content(run_id, span_id)
    if content is None or (content.input_value is None and content.output_value is None):
        st.caption("Input and output were not recorded.")
        return
    parts = [
        _part(title, text, mime_type)
        for title, text, mime_type in (
            ("Output", content.output_value, content.output_mime_type),
            ("Input", content.input_value, content.input_mime_type),
        )
        if text is not None
    ]
    view = _view(parts)
    for part in parts:
        _shown(part, view)


def _part(title: str, text: str, mime_type: str | None) -> _Part:
    is_json = mime_type == _JSON
    return _Part(
        title=title,
        text=text,
        mime_type=mime_type,
        messages=messages_in(text) if is_json else (),
        tree=tree_of(text) if is_json else None,
    )


def _view(parts: Sequence[_Part]) -> str:
    """Return how the parts are shown: as the reader chose last, where they can be, or else best."""
    views = [
        *([CHAT] if any(part.messages for part in parts) else []),
        *([TREE] if any(part.tree for part in parts) else []),
        TEXT,
    ]
    if len(views) == 1:
        return TEXT
    wanted = st.session_state.get(_WANTED)
    key = f"content_as:{'-'.join(views)}"
    return st.segmented_control(
        "Shown as",
        views,
        default=wanted if wanted in views else views[0],
        required=True,
        key=key,
        on_change=_remember,
        args=(key,),
        label_visibility="collapsed",
    )


def _remember(key: str) -> None:
    st.session_state[_WANTED] = st.session_state[key]


def _shown(part: _Part, view: str) -> None:
    if view == CHAT and part.messages:
        _chat(part.title, part.messages)
        return
    st.caption(part.title)
    if view in (CHAT, TREE) and part.tree is not None:
        json_tree(part.tree, label=part.title, key=f"tree:{part.title}")
    else:
        _value(part.text, part.mime_type)


def _chat(title: str, messages: Sequence[Message]) -> None:
    """Show who said what, the last messages of a long chat; as text, never as markup."""
    shown = messages[-_MESSAGES_MOST:]
    for number, message in enumerate(shown):
        before = f"{title} · " if number == 0 else ""
        st.caption(f"{before}{words.markdown(words.shortened(message.role, 60))}")
        st.code(message.text[:_CONTENT_CHARACTERS], language=None, wrap_lines=True)
        if len(message.text) > _CONTENT_CHARACTERS:
            st.caption(f"The first {_CONTENT_CHARACTERS:,} of {len(message.text):,} characters.")
    if len(shown) < len(messages):
        st.caption(f"The last {len(shown)} of {len(messages):,} messages.")


def _value(text: str, mime_type: str | None) -> None:
    """Show content as text, indented where it is JSON; never as markup."""
    shown = words.indented(text) if mime_type == _JSON else text
    language = "json" if mime_type == _JSON else None
    st.code(shown[:_CONTENT_CHARACTERS], language=language, wrap_lines=True)
    if len(shown) > _CONTENT_CHARACTERS:
        st.caption(f"The first {_CONTENT_CHARACTERS:,} of {len(shown):,} characters.")
