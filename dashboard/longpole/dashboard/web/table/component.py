"""Registers the table with Streamlit and mounts it.

Streamlit's own table draws on a canvas, sorts only the rows it was sent, and its row selection is
a position that moves when rows arrive. This one is a real HTML table: it can be read aloud and
walked with the arrow keys, its rows are links, and sorting by a header may be the server's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from longpole.dashboard.web.component_data import as_json_only
from longpole.dashboard.web.component_files import registered
from longpole.dashboard.web.table.values import Sort, Table

_component = registered(Path(__file__).parent, "../follow.js", "table.js")


def _nothing() -> None:
    """Stand in where nobody wants to know."""


def table(
    content: Table,
    *,
    key: str,
    on_open: Callable[[str], None] | None = None,
    on_sort: Callable[[Sort], None] | None = None,
    on_action: Callable[[str, tuple[str, ...]], None] | None = None,
) -> None:
    """Show a table.

    Args:
        content: what to show; the same content is not sent again.
        key: unique on the page.
        on_open: called with the id of the row that was opened, if the row has no address.
        on_sort: called with the new order when `content.sorts_here` is false.
        on_action: called with the key of an action that has no address, and the ids of the rows
            that are ticked, in the order of the ticks.
    """

    def opened() -> None:
        row_id = st.session_state[key].get("opened")
        if on_open is not None and isinstance(row_id, str):
            on_open(row_id)

    def sorted_by() -> None:
        order = st.session_state[key].get("sorted")
        if on_sort is not None and isinstance(order, dict):
            on_sort(Sort(key=str(order.get("key")), descending=bool(order.get("descending"))))

    def acted() -> None:
        told = st.session_state[key].get("acted")
        if on_action is not None and isinstance(told, dict):
            on_action(str(told.get("key")), tuple(str(one) for one in told.get("ids", ())))

    _component(
        data=as_json_only(content.payload()),
        key=key,
        on_opened_change=opened if on_open else _nothing,
        on_sorted_change=sorted_by if on_sort else _nothing,
        on_acted_change=acted if on_action else _nothing,
    )
