"""A folder of plain files → a component of Streamlit's: nothing to build, nothing to fetch.

Scripts are joined into one module because a module that Streamlit serves from memory cannot import
another one.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer


def registered(folder: Path, *scripts: str) -> ComponentRenderer:
    """Register what `FOLDER.html`, `FOLDER.css` and these scripts in a folder make together."""
    stem = folder / folder.name
    return st.components.v2.component(
        f"longpole_{folder.name}",
        html=stem.with_suffix(".html").read_text(encoding="utf-8"),
        css=stem.with_suffix(".css").read_text(encoding="utf-8"),
        js="\n".join((folder / script).read_text(encoding="utf-8") for script in scripts),
    )
