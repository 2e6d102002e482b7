"""What a table shows, and how it travels to the browser.

A row carries the id of what it shows and a click sends that id, so a click can never open another
row than the one that was seen, whatever has arrived in the meantime. Cells are written in Python
(`longpole.dashboard.words`) and put into the page as text, never as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ColumnKind(StrEnum):
    """How a column is drawn.

    `link`: the cell that opens the row; `number`: right-aligned; `bar`: a number over a bar as long
    as the cell's ratio; `status`: a run's or span's status with its colour and mark; `since`: epoch
    milliseconds shown as time that has passed; `code`: fixed width; `mark`: the mark of a status
    without its name; `course`: a number after a small picture of the cell's points.
    """

    LINK = "link"
    TEXT = "text"
    CODE = "code"
    NUMBER = "number"
    BAR = "bar"
    STATUS = "status"
    SINCE = "since"
    MARK = "mark"
    COURSE = "course"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        key: names the column in `Sort`; also what a test looks for.
        width_px: least width; columns share what is left over by `grows`.
        help: shown when the mouse rests on the header.
        is_sortable: whether a click on the header sorts.
    """

    key: str
    label: str
    kind: ColumnKind = ColumnKind.TEXT
    width_px: int = 80
    grows: bool = False
    help: str = ""
    is_sortable: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: what is read.
        value: what is sorted by; `None` sorts last either way.
        ratio: length of the bar, 0 to 1.
        note: shown when the mouse rests on the cell.
        points: heights of a course, 0 to 1, from left to right.
    """

    text: str
    value: float | str | None = None
    ratio: float = 0.0
    note: str = ""
    points: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        href: the page of the app that it leads to; without one, opening it calls `on_open`.
        indent: depth in a tree.
    """

    id: str
    cells: tuple[Cell, ...]
    href: str | None = None
    is_strong: bool = False
    indent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """The column that the rows are sorted by."""

    key: str
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What can be done with rows that were ticked.

    Attributes:
        href: the page it leads to; `{1}`, `{2}` stand for the ids in the order they were ticked,
            `{all}` for all of them with commas between. Without one, `on_action` is called.
        least, most: with how many rows it can be done.
        key: what `on_action` gets.
    """

    label: str
    least: int
    most: int
    href: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A whole table.

    Attributes:
        caption: what it holds, for those who do not see it.
        sort: how the rows are sorted; `None` where they keep their own order.
        sorts_here: whether the browser sorts; else a click asks the server, which holds more rows.
        max_height_px: beyond it the table scrolls.
        shows_header: whether the column labels are seen; they are read aloud either way.
        actions: if there are some, rows can be ticked; ticks stay with their rows, whatever else
            the table comes to show.
        wraps: whether long text goes on in the next line; else it is cut.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    sort: Sort | None = None
    sorts_here: bool = True
    max_height_px: int = 640
    shows_header: bool = True
    actions: tuple[Action, ...] = ()
    wraps: bool = False

    def payload(self) -> dict[str, Any]:
        """Return the table as JSON values for the browser."""
        return {
            "caption": self.caption,
            "columns": [
                {
                    "key": column.key,
                    "label": column.label,
                    "kind": column.kind.value,
                    "width": column.width_px,
                    "grows": column.grows,
                    "help": column.help,
                    "sortable": column.is_sortable,
                }
                for column in self.columns
            ],
            "rows": [
                {
                    "id": row.id,
                    "href": row.href,
                    "strong": row.is_strong,
                    "indent": row.indent,
                    "cells": [_sent(cell) for cell in row.cells],
                }
                for row in self.rows
            ],
            "sort": self.sort and {"key": self.sort.key, "descending": self.sort.descending},
            "sortsHere": self.sorts_here,
            "maxHeight": self.max_height_px,
            "showsHeader": self.shows_header,
            "actions": [
                {
                    "label": one.label,
                    "href": one.href,
                    "key": one.key,
                    "least": one.least,
                    "most": one.most,
                }
                for one in self.actions
            ],
            "wraps": self.wraps,
        }


def _sent(cell: Cell) -> list[Any]:
    """Return a cell as it travels; most have no points, and do without their place."""
    known = [cell.text, cell.value, cell.ratio, cell.note]
    return [*known, list(cell.points)] if cell.points else known
