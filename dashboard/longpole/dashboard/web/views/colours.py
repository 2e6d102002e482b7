"""Streamlit's colours and icons for the ways a span can end."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Literal

import streamlit as st

from longpole.dashboard.palette import Theme
from longpole.model import Status

BadgeColour = Literal["red", "orange", "blue", "green", "gray"]

STATUS_COLOURS: dict[Status, BadgeColour] = {
    Status.OK: "green",
    Status.ERROR: "red",
    Status.CANCELLED: "orange",
    Status.INTERRUPTED: "orange",
    Status.RUNNING: "blue",
    Status.LOST: "red",
}

STATUS_ICONS = {
    Status.OK: ":material/check:",
    Status.ERROR: ":material/close:",
    Status.CANCELLED: ":material/block:",
    Status.INTERRUPTED: ":material/pause:",
    Status.RUNNING: ":material/progress_activity:",
    Status.LOST: ":material/help:",
}


def theme() -> Theme:
    """Return the theme that the reader's browser shows; every figure asks for it first."""
    # Plotly looks for pandas in each value where somebody has loaded it, and fails on one that
    # another session has loaded by half: importing waits until it is whole. Alone it is not needed.
    if "pandas" in sys.modules:
        import_module("pandas")
    return "dark" if st.context.theme.type == "dark" else "light"
