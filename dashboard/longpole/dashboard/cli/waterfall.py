"""A run's waterfall as lines of text: the tree on the left, bars on one time axis on the right.

`█` work on the critical path, `▒` work beside it, `━` and `─` the same for spans that only hold
others, `░` waiting in a queue. A `▎` before a name says that the path runs through the span.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from longpole.analysis.result import RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.cli.marks import FAMILY_STYLES, marks_of
from longpole.dashboard.palette import family
from longpole.model.run import Span, Status

ROWS_SHOWN: Final = 60
"""Rows up to which a run is shown whole."""

_BRANCHES_KEPT: Final = 4
_DURATION_WIDTH: Final = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a span, or `folded` spans that are like it and were left out."""

    span: Span
    depth: int
    folded: tuple[Span, ...] = ()


def rows_of(analysis: RunAnalysis, *, limit: int | None = ROWS_SHOWN) -> list[Row]:
    """Return the lines in order of the tree; above `limit` spans, like branches are folded."""
    folds = limit is not None and len(analysis.run.spans) > limit
    rows: list[Row] = []
    work: list[Row] = [Row(analysis.run.root, 0)]
    while work:
        row = work.pop()
        rows.append(row)
        if row.folded:
            continue
        below = analysis.run.children(row.span.span_id)
        work.extend(reversed(_lines(analysis, below, row.depth + 1, folds=folds)))
    return rows


def _lines(analysis: RunAnalysis, spans: tuple[Span, ...], depth: int, *, folds: bool) -> list[Row]:
    if not folds:
        return [Row(span, depth) for span in spans]
    alike: dict[str, list[Span]] = {}
    for span in spans:
        alike.setdefault(span.name, []).append(span)
    lines: list[Row] = []
    for span in spans:
        group = alike[span.name]
        kept = _kept(analysis, group)
        if span.span_id in kept or len(group) - len(kept) < 2:
            lines.append(Row(span, depth))
        elif span is next(one for one in group if one.span_id not in kept):
            lines.append(Row(span, depth, tuple(one for one in group if one.span_id not in kept)))
    return lines


def _kept(analysis: RunAnalysis, group: list[Span]) -> set[str]:
    """Return the spans of a group that are never folded: those that say something."""
    kept = {
        span.span_id
        for span in group
        if span.status is not Status.OK
        or span.attempt > 1
        or analysis.spans[span.span_id].on_path_ns > 0
    }
    for span in group[:_BRANCHES_KEPT]:
        if len(kept) < _BRANCHES_KEPT:
            kept.add(span.span_id)
    return kept


def draw(analysis: RunAnalysis, rows: Iterable[Row], width: int) -> list[Text]:
    """Return the lines of a waterfall, `width` columns wide, with its axis on top."""
    lines = list(rows)
    names = max((len(_name(row)) for row in lines), default=0)
    name_width = max(14, min(names, width * 2 // 5))
    bar_width = max(10, width - name_width - _DURATION_WIDTH - 3)
    scale = _Scale(analysis, bar_width)
    drawn = [_axis(analysis, scale, name_width)]
    drawn.extend(_line(analysis, row, scale, name_width) for row in lines)
    return drawn


class _Scale:
    """Times of a run as columns of its bars."""

    def __init__(self, analysis: RunAnalysis, width: int) -> None:
        self.width = width
        self._from_ns = analysis.run.root.start_ns
        self._length_ns = max(1, analysis.facts.wall_ns)

    def column(self, at_ns: int) -> int:
        """Return the column of a moment, moments outside the run at its edges."""
        column = (at_ns - self._from_ns) * self.width // self._length_ns
        return max(0, min(self.width, column))

    def cells(self, start_ns: int, end_ns: int) -> range:
        """Return the columns of a stretch of time, at least one."""
        first = min(self.column(start_ns), self.width - 1)
        return range(first, max(first + 1, self.column(end_ns)))


def _axis(analysis: RunAnalysis, scale: _Scale, name_width: int) -> Text:
    wall_ns = analysis.facts.wall_ns
    ticks = 4 if scale.width >= 60 else 2
    cells = [" "] * scale.width
    for tick in range(ticks + 1):
        label = "0" if tick == 0 else words.duration(wall_ns * tick / ticks)
        at = scale.width * tick // ticks
        first = max(0, min(scale.width - len(label), at - len(label) // 2 if tick else 0))
        cells[first : first + len(label)] = label
    return Text(" " * (name_width + _DURATION_WIDTH + 3) + "".join(cells), style="dim")


def _line(analysis: RunAnalysis, row: Row, scale: _Scale, name_width: int) -> Text:
    on_path = not row.folded and analysis.spans[row.span.span_id].on_path_ns > 0
    line = Text("▎" if on_path else " ", style="bold")
    name = _name(row)
    cut = name if len(name) <= name_width else f"{name[: name_width - 1]}…"
    failed = row.span.status is Status.ERROR
    line.append(cut.ljust(name_width), style="red" if failed else "bold" if on_path else "")
    line.append(_length(analysis, row).rjust(_DURATION_WIDTH + 1) + " ", style="dim")
    line.append_text(
        _folded_bar(analysis, row, scale) if row.folded else _bar(analysis, row.span, scale)
    )
    return line


def _name(row: Row) -> str:
    indent = "  " * row.depth
    if row.folded:
        return f"{indent}×{len(row.folded)} {words.plain(row.span.name)}"
    marks = marks_of(row.span)
    label = f"{indent}{words.plain(words.span_label(row.span))}"
    return f"{label} {marks}" if marks else label


def _length(analysis: RunAnalysis, row: Row) -> str:
    if row.folded:
        lengths = sorted(_end(analysis, span) - span.start_ns for span in row.folded)
        return f"~{words.duration(lengths[len(lengths) // 2])}"
    return words.duration(_end(analysis, row.span) - row.span.start_ns)


def _end(analysis: RunAnalysis, span: Span) -> int:
    return analysis.facts.end_ns if span.end_ns is None else span.end_ns


def _bar(analysis: RunAnalysis, span: Span, scale: _Scale) -> Text:
    holds_others = bool(analysis.run.children(span.span_id))
    off, on = ("─", "━") if holds_others else ("▒", "█")
    style = FAMILY_STYLES[family(span)]
    cells: list[tuple[str, str]] = [(" ", "")] * scale.width
    wait_ns = analysis.spans[span.span_id].queue_wait_ns or 0
    if scale.column(span.start_ns) > scale.column(span.start_ns - wait_ns):
        for cell in scale.cells(span.start_ns - wait_ns, span.start_ns):
            cells[cell] = ("░", "dim")
    for cell in scale.cells(span.start_ns, _end(analysis, span)):
        cells[cell] = (off, style)
    for segment in analysis.critical_path:
        if segment.span_id == span.span_id:
            for cell in scale.cells(segment.start_ns, segment.end_ns):
                cells[cell] = (on, f"bold {style}" if not holds_others else "bold")
    return _text(cells)


def _folded_bar(analysis: RunAnalysis, row: Row, scale: _Scale) -> Text:
    """Draw how many of the folded spans ran at each moment, from `▁` to `█`."""
    running = [0] * scale.width
    for span in row.folded:
        for cell in scale.cells(span.start_ns, _end(analysis, span)):
            running[cell] += 1
    most = max(running)
    levels = "▁▂▃▄▅▆▇█"
    style = FAMILY_STYLES[family(row.span)]
    return _text(
        [
            (levels[(count * len(levels) - 1) // most] if count else " ", f"dim {style}")
            for count in running
        ]
    )


def _text(cells: list[tuple[str, str]]) -> Text:
    text = Text()
    for character, style in cells:
        text.append(character, style=style)
    return text
