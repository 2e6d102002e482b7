"""Registers the tree with Streamlit and mounts it.

Streamlit's own JSON view takes all of a value at once, rounds its numbers, and cannot be walked
with the keys of a tree. This one makes what is unfolded, and everything in it is only ever text.
"""

from __future__ import annotations

from pathlib import Path

from longpole.dashboard.json_tree import Node
from longpole.dashboard.web.component_data import as_json_only
from longpole.dashboard.web.component_files import registered

_component = registered(Path(__file__).parent, "json_tree.js")


def json_tree(node: Node, *, label: str, key: str, unfolded: int = 2) -> None:
    """Show a tree.

    Args:
        node: what `longpole.dashboard.json_tree` made.
        label: what it is, for those who do not see it.
        key: unique on the page.
        unfolded: how many levels are unfolded at first.
    """
    _component(data=as_json_only({"node": node, "label": label, "unfolded": unfolded}), key=key)
