"""A table of a report: columns, lines, and what stands in cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from longpole.dashboard.report.markup import Html, Part, element
from longpole.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its heading, and whether numbers stand in it."""

    label: str
    is_number: bool = False


def text_column(label: str) -> Column:
    """Return a column of words."""
    return Column(label=label)


def number_column(label: str) -> Column:
    """Return a column of numbers, written to the right."""
    return Column(label=label, is_number=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row: one part a column, and whether it is the one to look at."""

    parts: Sequence[Part]
    is_strong: bool = False


def table(caption: str, columns: Sequence[Column], lines: Iterable[Line]) -> Html:
    """Return a table that scrolls by itself where it is wider than the page."""
    head = element(
        "tr",
        *(
            element("th", column.label, scope="col", class_="n" if column.is_number else None)
            for column in columns
        ),
    )
    body = [
        element(
            "tr",
            *(
                element("td", part, class_="n" if column.is_number else None)
                for column, part in zip(columns, line.parts, strict=True)
            ),
            class_="strong" if line.is_strong else None,
        )
        for line in lines
    ]
    drawn = element(
        "table",
        element("caption", caption, class_="hidden"),
        element("thead", head),
        element("tbody", *body),
    )
    return element("div", drawn, class_="scroll", tabindex="0")


def note(text: str) -> Html:
    """Return a line of small print."""
    return element("p", text, class_="note")


def bar(ratio: float, text: str) -> Html:
    """Return a number with a bar under it, as long as its part of the whole."""
    width = f"{max(0.0, min(1.0, ratio)) * 100:.1f}%"
    return element("span", text, class_="bar", style=f"--part:{width}")


def status_mark(status: Status) -> Html:
    """Return how something ended, told by sign, word and colour."""
    sign = {Status.OK: "✓", Status.ERROR: "✕", Status.RUNNING: "●"}.get(status, "■")
    return element("span", f"{sign} {status.value}", class_=f"status {status.value}")


def some_of(shown: int, total: int, what: str, which: str) -> Html | None:
    """Return small print that says what is not shown; `None` when all is."""
    return None if shown == total else note(f"{shown:,} of {total:,} {what}, {which}.")
