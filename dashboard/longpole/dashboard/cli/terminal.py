"""The terminal that commands write to."""

from __future__ import annotations

import shutil
import sys

from rich.console import Console

_WIDTH_OF_A_FILE = 120


def console() -> Console:
    """Return a console on standard output, as wide as the terminal; colours where it has them.

    Written to a file or pipe it is of a fixed width, so that output can be compared.
    """
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else _WIDTH_OF_A_FILE
    return Console(width=max(40, width), highlight=False, markup=False, emoji=False)
