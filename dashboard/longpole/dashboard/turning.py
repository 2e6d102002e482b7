"""Controls ⇄ changes: what a slider says about a target, and changes with that replaced.

The changes themselves are the only state. A control shows what they say about its target, and
turning it gives changes in which this one thing is different.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from longpole.analysis.changes import Change, Faster, Time
from longpole.dashboard import words

NO_TIME: Final = Fraction(0)
"""Stands where something takes no time at all, which no speed says."""
AS_RECORDED: Final = Fraction(1)
_SPEEDS: Final = (
    Fraction(1, 2),
    Fraction(3, 4),
    AS_RECORDED,
    Fraction(5, 4),
    Fraction(3, 2),
    Fraction(2),
    Fraction(3),
    Fraction(5),
    Fraction(10),
)


def speeds(shown: Fraction) -> tuple[Fraction, ...]:
    """Return the places of a slider, slow to fast; `shown` is one of them whatever it is."""
    ratios = {*_SPEEDS, shown} - {NO_TIME}
    return (*sorted(ratios), NO_TIME)


def speed_text(ratio: Fraction) -> str:
    """Return what a place of the slider says.

    >>> [speed_text(Fraction(n)) for n in (1, 2, 0)], speed_text(Fraction(1, 2))
    (['as recorded', '2.0× as fast', 'no time'], '2.0× as slow')
    """
    if ratio == NO_TIME:
        return "no time"
    if ratio == AS_RECORDED:
        return "as recorded"
    if ratio > 1:
        return f"{words.times(float(ratio))} as fast"
    return f"{words.times(float(1 / ratio))} as slow"


def speed_of(changes: Sequence[Change], target: str) -> Fraction:
    """Return how fast a target is to be by these changes."""
    for change in changes:
        if change.target == target and isinstance(change, Faster):
            return change.ratio
        if change.target == target and isinstance(change, Time) and not change.length_ns:
            return NO_TIME
    return AS_RECORDED


def with_speed(changes: Sequence[Change], target: str, ratio: Fraction) -> tuple[Change, ...]:
    """Return changes in which a target is this fast."""
    change: Change | None = Faster(target=target, ratio=ratio)
    if ratio == NO_TIME:
        change = Time(target=target, length_ns=0)
    elif ratio == AS_RECORDED:
        change = None
    return put(changes, target, (Faster, Time), change)


def put(
    changes: Sequence[Change], target: str, kinds: tuple[type[Change], ...], new: Change | None
) -> tuple[Change, ...]:
    """Return changes with those of these kinds about a target replaced; `None`: taken out.

    >>> [c.target for c in put([Time(target="a", length_ns=0)], "a", (Time,), None)]
    []
    """
    kept = [one for one in changes if not (one.target == target and isinstance(one, kinds))]
    return (*kept, new) if new is not None else tuple(kept)
