"""Building many values without Python's collector of reference cycles getting in the way.

The values of an analysis hold no cycles: they are freed as soon as nobody uses them, collector or
not. But their number makes it start, again and again, and each time it walks everything that is
alive in the process. At 100,000 spans that took about half of the time.

Once it is on again it would walk all that is new at the next chance, to find out that it stays.
Freezing everything and letting it go at once counts it as old without a look at any of it.

Source: docs.python.org, `gc.freeze` and `gc.unfreeze` ("back into the oldest generation").
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
            _count_as_old()
            gc.enable()


def _count_as_old() -> None:
    # What a program froze for good, before a fork say, is to stay so.
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
