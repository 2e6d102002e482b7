"""Units of time as people write them behind a number → their length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNITS_NS: Final[Mapping[str, int]] = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
"""Nanoseconds of one of each; changes of a what-if and budgets know the same."""
