"""What a later page would wait for → loaded in a thread while the first page is looked at."""

from __future__ import annotations

from functools import cache
from threading import Timer
from typing import Final

from longpole.analysis.resampling import prepare

_FIRST_PAGE_S: Final = 3.0


@cache
def load_ahead(wait_s: float = _FIRST_PAGE_S) -> Timer:
    """Load it, once a process, so many seconds from now, when the first page is drawn."""
    timer = Timer(wait_s, prepare)
    timer.daemon = True
    timer.start()
    return timer
