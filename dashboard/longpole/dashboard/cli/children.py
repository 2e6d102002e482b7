"""Programs that a command starts and stands aside for: signals and exit codes pass through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

_STANDARD_ERROR: Final = 2


def run_module(module: str, arguments: Sequence[str], *, quiet: bool = False) -> int:
    """Run `python -m module` in a child of its own; return the exit code.

    What a quiet one writes to standard output goes to standard error instead.
    The terminal sends its interrupts to the child as well, so they are left to it here; an order
    to terminate is handed on.
    """
    child = subprocess.Popen(_command(module, arguments), stdout=_STANDARD_ERROR if quiet else None)
    before = signal.signal(signal.SIGTERM, lambda number, _frame: child.send_signal(number))
    try:
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


def become_module(module: str, arguments: Sequence[str]) -> None:
    """Turn this process into `python -m module`; does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, _command(module, arguments))


def _command(module: str, arguments: Sequence[str]) -> list[str]:
    # -P: files of the folder that the user is in must not stand in for ours.
    return [sys.executable, "-P", "-m", module, *arguments]
