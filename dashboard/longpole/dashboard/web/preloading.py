"""Streamlit's file with Plotly in it → a script that loads it while the first page is looked at.

Streamlit loads the file, five megabytes, when a page first draws a chart; loading and starting it
takes a second, which the reader of the first chart would wait. The script asks for it when a page
has been looked at for a second, so that it is in nobody's way who clicks at once, and keeps silent
if that fails: then the chart loads it as ever.

Source: HTML Standard, section 8.1.6.7, module scripts are loaded once a document;
w3.org/TR/requestidlecallback.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import streamlit

_CHARTS: Final = "static/js/PlotlyChart.*.js"
_NAME: Final = re.compile(r"[\w.-]+", re.ASCII)
_QUIET_MS: Final = 1_000
_SCRIPT: Final = """
const ask = window.requestIdleCallback ?? (run => setTimeout(run, 200));
let quietSince = performance.now();
const stir = () => { quietSince = performance.now(); };
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, stir, { capture: true });
const watch = setInterval(() => {
  if (!document.querySelector('[data-test-script-state="notRunning"]')) stir();
  if (performance.now() - quietSince < %d) return;
  clearInterval(watch);
  ask(() => import("./static/js/%s").catch(() => {}));
}, 100);
"""


def streamlit_files() -> Path:
    """Return the folder of the files that Streamlit serves."""
    return Path(streamlit.__file__).parent / "static"


def preload_script(static: Path) -> str:
    """Return the script, or nothing where Streamlit's files are not as they are expected to be.

    Args:
        static: the folder of the files that Streamlit serves.
    """
    found = sorted(static.glob(_CHARTS))
    # The name goes into a script.
    if len(found) != 1 or not _NAME.fullmatch(found[0].name):
        return ""
    return _SCRIPT % (_QUIET_MS, found[0].name)


PRELOAD_SCRIPT: Final = preload_script(streamlit_files())
"""The script for the installed Streamlit."""
