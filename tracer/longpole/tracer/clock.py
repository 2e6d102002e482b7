"""The time of a callback: nanoseconds since the epoch that never run backwards.

Events carry no time, so the first line of every callback reads this clock. It is the wall clock of
the moment the process loaded Longpole plus the monotonic time since: durations stay true when
somebody sets the wall clock, and all spans of one process share one anchor.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns nanoseconds since the Unix epoch."""

_ANCHOR_NS = time.time_ns() - time.perf_counter_ns()


def now_ns() -> int:
    """Return nanoseconds since the Unix epoch, monotonic within this process."""
    return _ANCHOR_NS + time.perf_counter_ns()
