"""The terminal that commands write to: how wide it is, and which signs it can show."""

from __future__ import annotations

import codecs
import io
import shutil
import sys
from collections.abc import Mapping
from typing import Final

from rich.console import Console

_WIDTH_OF_A_FILE: Final = 120

_PLAIN_SIGNS: Final[Mapping[str, str]] = {
    # Marks of `marks.py`: which is which must be seen on any terminal.
    "✓": "+",
    "✗": "x",
    "⊘": "o",
    "‖": "=",
    "●": "*",
    "↻": "@",
    "⤳": ">",
    "⚡": "!",
    # Bars of the waterfall and of curves.
    "█": "#",
    "━": "=",
    "▒": ":",
    "─": "-",
    "░": ".",
    "▎": "|",
    **{level: str(height) for height, level in enumerate("▁▂▃▄▅▆▇", 1)},
    # Text.
    "…": ".",
    "–": "-",
    "−": "-",
    "·": "|",
    "×": "x",
    "µ": "u",
    "→": ">",
    "›": ">",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
}
_PLAINLY: Final = "longpole-plain"


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what an encoding lacks: a sign of ASCII, `?` for what has none."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN_SIGNS.get(sign, "?") for sign in lacking), error.end


codecs.register_error(_PLAINLY, _plain_signs)


def use_plain_signs() -> None:
    """Have a terminal or file of an older encoding get plain signs where it lacks ours."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAINLY)


def console() -> Console:
    """Return a console on standard output, as wide as the terminal; colours where it has them.

    Written to a file or pipe it is of a fixed width, so that output can be compared, unless COLUMNS
    asks for another.
    """
    width = shutil.get_terminal_size((_WIDTH_OF_A_FILE, 24)).columns
    return Console(width=max(40, width), highlight=False, markup=False, emoji=False)
