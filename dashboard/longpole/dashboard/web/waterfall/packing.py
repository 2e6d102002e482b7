"""Columns of numbers and a head of texts → bytes that a browser lays typed arrays over.

Layout: `u32` length of the head, the head as JSON, then one column after the other, each starting
at a multiple of eight so that nothing is copied. The head says under "columns" where each lies, as
[name, type, offset, how many], and under "alike" of which column all values are one, as [name,
type, value, how many]; `null` there is not a number. Whole numbers take as few bytes as they need.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]

_TYPE_CODES: Final = {
    "float64": "f8",
    "float32": "f4",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint8": "u1",
}


def moments(values_ns: Sequence[int], start_ns: int) -> Column:
    """Return times from a start on; doubles hold nanoseconds exactly up to 104 days."""
    return (np.array(values_ns, np.int64) - start_ns).astype(np.float64)


def reals(values: Sequence[float | Decimal | None]) -> Column:
    """Return numbers that are only read; what is not known becomes NaN."""
    return np.array(values, np.float32)


def integers(values: Sequence[int] | Column) -> Column:
    """Return whole numbers in the narrowest type that holds them."""
    column = np.asarray(values, np.int32)
    if not len(column):
        return column
    least, most = column.min(), column.max()
    for narrow in (np.int8, np.int16):
        limits = np.iinfo(narrow)
        if limits.min <= least and most <= limits.max:
            return column.astype(narrow)
    return column


def small(values: Iterable[int] | Column) -> Column:
    """Return numbers from 0 to 255."""
    return np.asarray(values, np.uint8)


def hexadecimal(texts: Sequence[str], digits: int) -> Column | None:
    """Return texts of so many lower-case hexadecimal digits, two in a byte; `None` for others."""
    joined = "".join(texts)
    if set(map(len, texts)) != {digits}:
        return None
    try:
        packed = bytes.fromhex(joined)
    except ValueError:
        return None
    return np.frombuffer(packed, np.uint8) if packed.hex() == joined else None


def packed(head: Mapping[str, Any], columns: Mapping[str, Column]) -> bytes:
    """Return head and columns as one."""
    places: list[tuple[str, str, int, int]] = []
    alike: list[tuple[str, str, float | None, int]] = []
    chunks: list[bytes] = []
    offset = 0
    for name, column in columns.items():
        code = _TYPE_CODES[column.dtype.name]
        if len(column) > 1 and _is_one_value(column):
            first = column[0].item()
            alike.append((name, code, None if first != first else first, len(column)))
            continue
        padding = -offset % 8
        chunks += [b"\0" * padding, column.tobytes()]
        offset += padding
        places.append((name, code, offset, len(column)))
        offset += column.nbytes
    text = json.dumps({**head, "columns": places, "alike": alike}).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join([len(text).to_bytes(4, "little"), text, *chunks])


def _is_one_value(column: Column) -> bool:
    first = column[0]
    return bool(np.isnan(column).all() if first != first else (column == first).all())
