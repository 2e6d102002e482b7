"""Registers the tiles with Streamlit and mounts them.

Small pictures without axes: some lines of SVG for all of them together, where a chart library would
be loaded and run once for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longpole.dashboard.overview import Tile
from longpole.dashboard.web.component_data import as_json_only
from longpole.dashboard.web.component_files import registered

_component = registered(Path(__file__).parent, "../follow.js", "tiles.js")


def tiles(shown: Sequence[Tile], *, hrefs: Mapping[str, str], key: str) -> None:
    """Show tiles.

    Args:
        shown: what to show; the same tiles are not sent again.
        hrefs: address of the page about each topic; a tile about another one leads nowhere.
        key: unique on the page.
    """
    _component(data=as_json_only(payload(shown, hrefs)), key=key)


def payload(shown: Sequence[Tile], hrefs: Mapping[str, str]) -> dict[str, Any]:
    """Return the tiles as JSON values for the browser."""
    return {
        "tiles": [
            {
                "label": tile.label,
                "value": tile.value,
                "meaning": tile.meaning,
                "href": hrefs.get(tile.topic),
                "shape": tile.shape.value,
                "last": tile.last,
                "points": [[point.height, point.told] for point in tile.points],
            }
            for tile in shown
        ]
    }
