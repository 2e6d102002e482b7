"""The tab with everything about a run as JSON: what `longpole show --json` writes."""

from __future__ import annotations

import json
import shlex
from typing import Any

import streamlit as st

from longpole.analysis.result import RunAnalysis
from longpole.dashboard.documents import show_document
from longpole.dashboard.json_tree import tree_of_value
from longpole.dashboard.web import queries
from longpole.dashboard.web.json_tree import json_tree
from longpole.dashboard.web.views import exporting

_SPANS_SHOWN = 200
_SEGMENTS_SHOWN = 500


def tab(found: RunAnalysis) -> None:
    """Draw the tab."""
    run_id = found.run.run_id
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # Written when it is asked for, not every time that the tab is seen.
        st.download_button(
            "Download JSON",
            lambda: json.dumps(show_document(found), indent=2, ensure_ascii=False),
            file_name=f"{run_id}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        # A page that follows a run is drawn anew all the time, and would close the dialog.
        is_running = found.run.is_running
        if st.button(
            "Export",
            icon=":material/upload_file:",
            disabled=is_running,
            help="When the run has ended" if is_running else None,
        ):
            exporting.dialog([run_id])
        command = ("longpole", "show", run_id[:8], "--json", *queries.store_arguments())
        st.code(shlex.join(command), language=None)
    shown, is_whole = _cut(show_document(found))
    if not is_whole:
        st.caption(
            f"The first {_SPANS_SHOWN} of {len(found.run.spans):,} spans and "
            f"{_SEGMENTS_SHOWN} segments; the download has all."
        )
    json_tree(tree_of_value(shown), label="The run as JSON", key="raw", unfolded=1)


def _cut(document: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return as much of a document as a browser takes at once, and whether that is all."""
    limits = {"spans": _SPANS_SHOWN, "critical_path": _SEGMENTS_SHOWN}
    is_whole = all(len(document[key]) <= most for key, most in limits.items())
    cut = {key: value[: limits[key]] if key in limits else value for key, value in document.items()}
    return cut, is_whole
