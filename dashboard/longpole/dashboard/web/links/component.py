"""Registers the links with Streamlit and mounts them.

Streamlit's own page links cannot say what a box on the next page holds: when a page is switched so,
what the box held before wins over the address. These go as the browser's back button does, by which
the address wins. Labels are text, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longpole.dashboard.web.component_data import as_json_only
from longpole.dashboard.web.component_files import registered

_component = registered(Path(__file__).parent, "../follow.js", "links.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link.

    Attributes:
        what: what it leads to, in a word; read before the label.
        href: the page of the app, with what it is about.
    """

    what: str
    label: str
    href: str


def links(shown: Sequence[Link], *, key: str) -> None:
    """Show links; `key` is unique on the page."""
    _component(
        data=as_json_only({"links": [[one.what, one.label, one.href] for one in shown]}),
        key=key,
        width="content",
    )
