"""Rows of whole numbers → sums of their columns over rows drawn anew, again and again (bootstrap).

In: one row a run (its wall, its cost, …). Out: for each resample, in which as many rows are drawn
with replacement as there are, the sum of each column over all of them, or over those of some ranks.

Where numpy is installed, as Streamlit has it, many resamples are drawn and summed together as
arrays. Without it, columns are packed into one whole number a row: a sum over rows is then one
addition a row, however many columns there are. Both take the same bytes from the same seed and sum
exactly, so they give equal answers.

Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, ch. 6; Lemire (2019), Fast
Random Integer Generation in an Interval, for drawing by multiplication: at 32 bits a row's chance
is off by less than one in 4 billion for each row there is.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from types import ModuleType
from typing import Any, Final

Sums = Sequence[Sequence[int]]
"""Of one resample: for each part the sum of each column."""

_DRAW_BYTES: Final = 4
_SLOT_BYTES: Final = 16
_AT_ONCE: Final = 250_000
"""So many rows are drawn together; an array of them takes 2 MB."""
_PIECE: Final = 262_144
"""So many multiplications OpenBLAS does on the thread that asks for them."""
_EXACT_FLOAT: Final = 1 << 53
_EXACT_INTEGER: Final = 1 << 63


def resampled_sums(
    rows: Sequence[Sequence[int]],
    parts: Sequence[range] | None = None,
    *,
    random: Random,
    resamples: int,
) -> Iterator[Sums]:
    """Yield the sums of so many resamples.

    Args:
        rows: at least one, all of the same length, no number negative, each below 2 to the 100.
        parts: ranks of drawn rows, which are in the order of `rows`; `None` is one part, all of
            them.
        random: where draws come from.
        resamples: how many.
    """
    numpy = _numpy()
    most = max(map(max, rows), default=0) * len(rows)
    if numpy is None or most >= _EXACT_INTEGER:
        return plain_sums(rows, parts, random=random, resamples=resamples)
    return _array_sums(numpy, rows, parts, most, random, resamples)


def prepare() -> None:
    """Load numpy, if it is there: the first call would wait a tenth of a second for it."""
    _numpy()


@cache
def _numpy() -> ModuleType | None:
    try:
        import numpy
    except ImportError:
        return None
    return numpy


# --- with arrays ----------------------------------------------------------------------------------


def _array_sums(
    numpy: Any,
    rows: Sequence[Sequence[int]],
    parts: Sequence[range] | None,
    most: int,
    random: Random,
    resamples: int,
) -> Iterator[Sums]:
    """Yield the sums; `most` is what none of them exceeds."""
    # Whole numbers up to here are exact as floats, whose matrices are multiplied many times faster.
    kind = numpy.float64 if most < _EXACT_FLOAT else numpy.int64
    values, count = numpy.array(rows, dtype=kind), len(rows)
    block = max(1, _AT_ONCE // count)
    for first in range(0, resamples, block):
        some = min(block, resamples - first)
        numbers = _drawn_array(numpy, count, some, random)
        if parts is not None:
            numbers.sort(axis=1)
        times = (
            _times(numpy, numbers[:, part.start : part.stop], count).astype(kind)
            for part in parts or (range(count),)
        )
        sums = [_product(numpy, one, values).astype(numpy.int64).tolist() for one in times]
        yield from zip(*sums, strict=True)


def _drawn_array(numpy: Any, count: int, resamples: int, random: Random) -> Any:
    """Return numbers of drawn rows, a line a resample."""
    words = numpy.frombuffer(random.randbytes(_DRAW_BYTES * count * resamples), dtype="<u4")
    numbers = (words.astype(numpy.uint64) * numpy.uint64(count)) >> numpy.uint64(32)
    return numbers.astype(numpy.int64).reshape(resamples, count)


def _times(numpy: Any, numbers: Any, count: int) -> Any:
    """Return how often each row was drawn, a line a resample."""
    resamples = len(numbers)
    places = numbers + numpy.arange(resamples)[:, None] * count
    return numpy.bincount(places.ravel(), minlength=resamples * count).reshape(resamples, count)


def _product(numpy: Any, times: Any, values: Any) -> Any:
    """Multiply two matrices in pieces that are done on this thread.

    Larger ones are shared with threads of the linear algebra library, which wait for their part at
    full speed and so use several times the processor time.
    """
    (lines, count), columns = times.shape, values.shape[1]
    deep = max(1, min(count, _PIECE // (8 * columns)))
    high = max(1, _PIECE // (deep * columns))
    product = numpy.zeros((lines, columns), dtype=values.dtype)
    for line in range(0, lines, high):
        for row in range(0, count, deep):
            some = times[line : line + high, row : row + deep]
            product[line : line + high] += some @ values[row : row + deep]
    return product


# --- without --------------------------------------------------------------------------------------


def plain_sums(
    rows: Sequence[Sequence[int]],
    parts: Sequence[range] | None = None,
    *,
    random: Random,
    resamples: int,
) -> Iterator[Sums]:
    """Yield what `resampled_sums` does, without numpy and whatever the size of the numbers."""
    count, columns = len(rows), len(rows[0])
    packed = [_packed(row) for row in rows]
    for _ in range(resamples):
        numbers = [word * count >> 32 for word in _words(random.randbytes(_DRAW_BYTES * count))]
        if parts is None:
            yield (_unpacked(sum(map(packed.__getitem__, numbers)), columns),)
            continue
        numbers.sort()
        yield tuple(
            _unpacked(sum(map(packed.__getitem__, numbers[part.start : part.stop])), columns)
            for part in parts
        )


def _words(data: bytes) -> Sequence[int]:
    words = array("I", data)
    if sys.byteorder == "big":
        words.byteswap()
    return words


def _packed(row: Sequence[int]) -> int:
    return int.from_bytes(b"".join(one.to_bytes(_SLOT_BYTES, "little") for one in row), "little")


def _unpacked(total: int, columns: int) -> list[int]:
    data = total.to_bytes(_SLOT_BYTES * columns, "little")
    return [
        int.from_bytes(data[at : at + _SLOT_BYTES], "little")
        for at in range(0, len(data), _SLOT_BYTES)
    ]
