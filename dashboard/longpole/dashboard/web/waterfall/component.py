"""Registers the waterfall with Streamlit and mounts it.

The browser's part is plain HTML, CSS and JavaScript beside this file: nothing to build, nothing to
fetch, and it runs under the strict content policy of `headers.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from longpole.dashboard.web.component_files import registered

_component = registered(Path(__file__).parent, "numbers.js", "data.js", "paint.js", "waterfall.js")


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
