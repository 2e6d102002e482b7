"""Registers the waterfall with Streamlit and mounts it.

The browser's part is plain HTML, CSS and JavaScript beside this file: nothing to build, nothing to
fetch, and it runs under the strict content policy of `headers.py`. The scripts are joined into one
module because a module that Streamlit serves from memory cannot import another one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_SCRIPTS = ("numbers.js", "data.js", "paint.js", "waterfall.js")


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "longpole_waterfall",
    html=_text("waterfall.html"),
    css=_text("waterfall.css"),
    js="\n".join(_text(name) for name in _SCRIPTS),
)


def waterfall(
    payload: bytes,
    *,
    key: str,
    on_selected: Callable[[], None],
    on_zoom: Callable[[], None],
    on_painted: Callable[[], None],
) -> None:
    """Draw a payload of `encode`.

    When another span is selected, `on_selected` is called and `st.session_state[key]["selected"]`
    is its id; when another part of the run is looked at, `on_zoom`, and "zoom" is that part as
    `from-to` in milliseconds since the start, or empty for the whole run. When the payload of an
    outline is on the screen, `on_painted` is called. The same payload is not sent again, and a new
    one keeps zoom, folds and selection.
    """
    _component(
        data=payload,
        key=key,
        on_selected_change=on_selected,
        on_zoom_change=on_zoom,
        on_painted_change=on_painted,
    )
