"""Registers the graph with Streamlit, writes what it shows as JSON values, and mounts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from longpole.analysis.result import RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.difference import KEYED, short_label
from longpole.dashboard.graph import Layout, Step
from longpole.dashboard.palette import FAMILY_COLOURS, family
from longpole.dashboard.web.component_data import as_json_only
from longpole.dashboard.web.component_files import registered

_component = registered(Path(__file__).parent, "graph.js")


def graph(found: RunAnalysis, layout: Layout, *, key: str, on_open: Callable[[str], None]) -> None:
    """Show a layout; `on_open` is called with the id of the span that was clicked."""

    def opened() -> None:
        span_id = st.session_state[key].get("opened")
        if isinstance(span_id, str):
            on_open(span_id)

    _component(data=as_json_only(payload(found, layout)), key=key, on_opened_change=opened)


def payload(found: RunAnalysis, layout: Layout) -> dict[str, Any]:
    """Return the drawing as JSON values; names stay text all the way."""
    return {
        "width": layout.width,
        "height": layout.height,
        "colours": FAMILY_COLOURS,
        "boxes": [
            {
                **_step(found, box.step),
                "at": [box.x, box.y, box.width, box.height],
                "share": min(1.0, box.step.on_path_ns / max(1, found.facts.wall_ns)),
                "family": int(family(box.step.spans[0])),
            }
            for box in layout.boxes
        ],
        "frames": [
            {**_step(found, frame.step), "at": [frame.x, frame.y, frame.width, frame.height]}
            for frame in layout.frames
        ],
        "edges": [[edge.x0, edge.y0, edge.x1, edge.y1, edge.is_on_path] for edge in layout.edges],
        "heads": [[head.x, head.y, f"superstep {head.superstep}"] for head in layout.heads],
    }


def _step(found: RunAnalysis, step: Step) -> dict[str, Any]:
    count = len(step.spans)
    inner = " › ".join(_label(label) for label in step.wraps[-1:])
    model = step.spans[0].model
    return {
        "id": step.spans[0].span_id,
        "label": words.plain(_label(step.label)),
        "count": f"×{count:,}" if count > 1 else "",
        "inner": words.plain(model or inner),
        "time": words.duration(step.total_ns // count) + (" each" if count > 1 else ""),
        "hidden": f"+{step.hidden:,}" if step.hidden else "",
        "onPath": step.on_path_ns > 0,
        "failed": step.has_failed,
        "told": words.plain(_told(found, step)),
    }


def _label(label: str) -> str:
    """Return a short label; that many are meant is told by ×N."""
    keyed = KEYED.fullmatch(label)
    if keyed is not None and keyed[2] == "*":
        return f"{words.short_name(keyed[1])}{keyed[3]}"
    return short_label(label)


def _told(found: RunAnalysis, step: Step) -> str:
    share = step.on_path_ns / max(1, found.facts.wall_ns)
    parts = [
        " › ".join([step.label, *step.wraps]),
        words.duration(step.total_ns) + " in all" * (len(step.spans) > 1),
        f"{words.duration(step.on_path_ns)} on the critical path, {words.share(share)}"
        if step.on_path_ns
        else "not on the critical path",
    ]
    if step.hidden:
        parts.append(f"holds {words.count(step.hidden, 'span')} that are not shown")
    if step.has_failed:
        failed = sum(span.error is not None for span in step.spans)
        parts.append(f"{failed or 'some'} failed")
    return ", ".join(parts)
