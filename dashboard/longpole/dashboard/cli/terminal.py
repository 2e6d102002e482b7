"""The terminal that commands write to."""

from __future__ import annotations

import io
import shutil
import sys

from rich.console import Console

_WIDTH_OF_A_FILE = 120


def console() -> Console:
    """Return a console on standard output, as wide as the terminal; colours where it has them.

    Written to a file or pipe it is of a fixed width, so that output can be compared, unless COLUMNS
    asks for another.
    """
    # A terminal of an older encoding shows question marks where it lacks the signs.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    width = shutil.get_terminal_size((_WIDTH_OF_A_FILE, 24)).columns
    return Console(width=max(40, width), highlight=False, markup=False, emoji=False)
