"""Columns of text that fit the terminal: long texts are cut first, then the least needed go.

Numbers are never cut, as half a number is a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

NOTHING: Final = "–"
"""What a cell says where there is nothing to tell."""
_GAP: Final = 2
_TEXT_MIN_WIDTH: Final = 16

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and its cells, from top to bottom.

    Attributes:
        is_number: written to the right and never cut.
        is_whole: never cut.
        need: the columns with the smallest one go first where there is no room; 0 goes never.
    """

    heading: str
    cells: Sequence[Text]
    is_number: bool = False
    is_whole: bool = False
    need: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether the column may be narrower than what is in it."""
        return not (self.is_number or self.is_whole)

    @property
    def says_something(self) -> bool:
        """Whether any cell holds more than a dash."""
        return any(text.plain not in ("", NOTHING) for text in self.cells)

    @property
    def width(self) -> int:
        """Columns of the terminal that the widest cell fills."""
        return max((cell_len(text.plain) for text in self.cells), default=0)


def column(
    heading: str,
    items: Iterable[Item],
    cell: Callable[[Item], Text | str],
    *,
    is_number: bool = False,
    is_whole: bool = False,
    need: int = 0,
) -> Column:
    """Return a column with one cell for each item."""
    written = [cell(item) for item in items]
    return Column(
        heading=heading,
        cells=[Text(one) if isinstance(one, str) else one for one in written],
        is_number=is_number,
        is_whole=is_whole,
        need=need,
    )


def table(columns: Sequence[Column], width: int) -> list[Text]:
    """Return heading and rows as lines of at most `width` columns of the terminal.

    A column in which nothing is written, or only that there is nothing, is left out.
    """
    kept = [(one, _full_width(one)) for one in columns if one.says_something]
    while _missing(kept, width) > _to_be_cut(kept) and any(one.need for one, _ in kept):
        kept.remove(min((one for one in kept if one[0].need), key=lambda one: one[0].need))
    fitted = _cut(kept, _missing(kept, width))
    headings = [Text(one.heading, style="dim") for one, _ in fitted]
    rows = zip(*(one.cells for one, _ in fitted), strict=True)
    return [_line(cells, fitted) for cells in (headings, *rows)]


def _full_width(column: Column) -> int:
    return max(column.width, cell_len(column.heading))


def _missing(columns: Sequence[tuple[Column, int]], width: int) -> int:
    return sum(one + _GAP for _, one in columns) - _GAP - width


def _to_be_cut(columns: Sequence[tuple[Column, int]]) -> int:
    return sum(max(0, one - _TEXT_MIN_WIDTH) for column, one in columns if column.is_cut)


def _cut(columns: Sequence[tuple[Column, int]], missing: int) -> list[tuple[Column, int]]:
    """Return the columns with the widest text made narrower until enough is gained."""
    fitted = list(columns)
    for _ in range(missing):
        texts = [at for at, (column, _) in enumerate(fitted) if column.is_cut]
        if not texts:
            break
        widest = max(texts, key=lambda at: fitted[at][1])
        column, one = fitted[widest]
        if one <= _TEXT_MIN_WIDTH:
            break
        fitted[widest] = (column, one - 1)
    return fitted


def _line(cells: Sequence[Text], columns: Sequence[tuple[Column, int]]) -> Text:
    line = Text()
    for at, (cell, (column, width)) in enumerate(zip(cells, columns, strict=True)):
        line.append(" " * _GAP if at else "")
        spare = width - cell_len(cell.plain)
        if column.is_number:
            line.append(" " * spare)
        line.append_text(cell if spare >= 0 else shortened(cell, width))
        if not column.is_number and at < len(columns) - 1:
            line.append(" " * spare)
    return line


def shortened(text: Text, width: int) -> Text:
    """Return text that fills at most so many columns; wide characters fill two each."""
    if cell_len(text.plain) <= width:
        return text
    return Text(f"{set_cell_size(text.plain, width - 1).rstrip()}…", style=text.style)
