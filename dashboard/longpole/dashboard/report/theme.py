"""The report's colours, light and dark, for its style sheet and for its drawings alike.

Drawings are made in the light ones; the page's script swaps each for its dark one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Theme

COLOURS: Final[Mapping[Theme, Mapping[str, str]]] = {
    "light": {
        "page": "#F6F8FA",
        "card": "#FFFFFF",
        "text": "#1A2231",
        "faint": "#596579",
        "line": "#DFE5EB",
        "grid": "#E9EDF2",
        "accent": "#0B62A9",
        "wait": "#7A8699",
    },
    "dark": {
        "page": "#0E131B",
        "card": "#161D28",
        "text": "#E6EBF3",
        "faint": "#9AA7B8",
        "line": "#2A3545",
        "grid": "#232D3B",
        "accent": "#6CB2F5",
        "wait": "#8C99AC",
    },
}


def swaps() -> dict[str, str]:
    """Return the dark colour of each light one."""
    light, dark = COLOURS["light"], COLOURS["dark"]
    return {
        **{light[name]: dark[name] for name in light},
        **dict(zip(FAMILY_COLOURS["light"], FAMILY_COLOURS["dark"], strict=True)),
        ERROR_COLOURS["light"]: ERROR_COLOURS["dark"],
    }


def variables(theme: Theme) -> str:
    """Return the colours as custom properties of a style sheet."""
    named = {
        **COLOURS[theme],
        "error": ERROR_COLOURS[theme],
        **{f"family-{place}": colour for place, colour in enumerate(FAMILY_COLOURS[theme])},
    }
    return "".join(f"--{name}:{colour};" for name, colour in named.items())
