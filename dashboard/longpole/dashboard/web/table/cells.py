"""Cells for numbers of the analysis, written as everywhere and sorted by what they are."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from longpole.analysis import Position
from longpole.dashboard import words
from longpole.dashboard.difference import signed_duration
from longpole.dashboard.places import place_label
from longpole.dashboard.web.table.values import Cell

NOTHING = "–"
_SEEN = 0.0005


def length(length_ns: Fraction | float, *, of_ns: Fraction | float | None = None) -> Cell:
    """Return a length of time; with `of_ns`, over a bar that is as long as its part of that."""
    shown = float(length_ns)
    ratio = shown / float(of_ns) if of_ns else 0.0
    return Cell(words.duration(shown) if shown else NOTHING, shown, ratio)


def delta(delta_ns: Fraction | int) -> Cell:
    """Return a difference of times."""
    return Cell(signed_duration(round(delta_ns)), float(delta_ns))


def share(ratio: Fraction | float) -> Cell:
    """Return a part of a whole."""
    value = float(ratio)
    if value < 0:
        sign = "−" if value <= -_SEEN else ""
        return Cell(f"{sign}{words.share(-value)}", value)
    return Cell(words.share(value) if value else NOTHING, value)


def each(ratio: Fraction | float) -> Cell:
    """Return how many there were for one of something; may be more than one."""
    value = float(ratio)
    return Cell(f"{value:.2g}" if value else NOTHING, value)


def count(number: int) -> Cell:
    """Return how many."""
    return Cell(f"{number:,}" if number else NOTHING, number)


def cost(amount_usd: Decimal | None, unpriced_calls: int = 0) -> Cell:
    """Return what is known of a cost."""
    note = f"{words.count(unpriced_calls, 'call')} without a price" if unpriced_calls else ""
    value = None if amount_usd is None else float(amount_usd)
    return Cell(words.cost(amount_usd, unpriced_calls), value, note=note)


def since(at_ns: int) -> Cell:
    """Return a moment, told by how long ago it was."""
    return Cell("", at_ns // 1_000_000, note=words.moment(at_ns))


def place(position: Position) -> Cell:
    """Return where something stands, the whole way in the note."""
    label = place_label(position)
    return Cell(label, label, note=" › ".join(position))


def text(words_: str, note: str = "") -> Cell:
    """Return plain text."""
    return Cell(words_, words_ or None, note=note)
