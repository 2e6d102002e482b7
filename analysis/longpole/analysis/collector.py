"""Building many values without Python's collector of reference cycles getting in the way.

The values of an analysis hold no cycles: they are freed as soon as nobody uses them, collector or
not. But their number makes it start, again and again, and each time it walks everything that is
alive in the process. At 100,000 spans that took about half of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """Hold the collector off; it goes on afterwards if it was on before.

    It belongs to the process. Threads in here at the same time may start it for each other: then
    one of them is slower, nothing else.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
