"""A run's waterfall as lines of text: the tree on the left, bars on one time axis on the right.

`█` work on the critical path, `▒` work beside it, `━` and `─` the same for spans that only hold
others, `░` waiting in a queue. A `▎` before a name says that the path runs through the span.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from longpole.analysis.result import RunAnalysis, Segment
from longpole.dashboard import words
from longpole.dashboard.cli.marks import FAMILY_STYLES, STATUS_MARKS, marks_of
from longpole.dashboard.cli.table import shortened
from longpole.dashboard.palette import family
from longpole.model.run import Span, Status

LEGEND: Final = "█ ━ on the critical path   ▒ ─ beside it   ░ queued"
"""What the bars are made of."""

ROWS_SHOWN: Final = 60
"""Rows up to which a run is shown whole."""

_KEPT: Final = 4
_NOTABLE_KEPT: Final = 8
_LEVELS_SHOWN: Final = 12
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
    poles = {fan_out.long_pole for fan_out in analysis.fan_outs}
    rows: list[Row] = []
    work: list[Row] = [Row(analysis.run.root, 0)]
    while work:
        row = work.pop()
        rows.append(row)
        if row.folded:
            continue
        below = analysis.run.children(row.span.span_id)
        lines = (
            _folded_lines(analysis, poles, below, row.depth + 1)
            if folds
            else [Row(span, row.depth + 1) for span in below]
        )
        work.extend(reversed(lines))
    return rows


def _folded_lines(
    analysis: RunAnalysis, poles: Set[str], spans: Sequence[Span], depth: int
) -> list[Row]:
    """Return the lines of siblings; a fold stands where the first span that it hides began."""
    alike: dict[str, list[Span]] = {}
    for span in spans:
        alike.setdefault(span.name, []).append(span)
    hidden = {name: _hidden(analysis, poles, group) for name, group in alike.items()}
    hidden_ids = {span.span_id for group in hidden.values() for span in group}
    lines: list[Row] = []
    for span in spans:
        if span.span_id not in hidden_ids:
            lines.append(Row(span, depth))
        elif span is hidden[span.name][0]:
            lines.append(Row(span, depth, hidden[span.name]))
    return lines


def _hidden(analysis: RunAnalysis, poles: Set[str], group: Sequence[Span]) -> tuple[Span, ...]:
    """Return the spans of a group that say less than the others; none rather than one."""
    spans = analysis.spans
    notable = sorted(
        (span for span in group if _is_notable(analysis, span)),
        key=lambda span: (-spans[span.span_id].on_path_ns, span.status is Status.OK),
    )
    failed = [span for span in notable if span.status is not Status.OK]
    kept = poles | {span.span_id for span in (*failed[:_KEPT], *notable[:_NOTABLE_KEPT])}
    fill = max(0, _KEPT - sum(span.span_id in kept for span in group))
    others = [span for span in group if span.span_id not in kept]
    return tuple(others[fill:]) if len(others) - fill > 1 else ()


def _is_notable(analysis: RunAnalysis, span: Span) -> bool:
    return (
        span.status is not Status.OK
        or span.attempt > 1
        or analysis.spans[span.span_id].on_path_ns > 0
    )


def draw(analysis: RunAnalysis, rows: Iterable[Row], width: int) -> list[Text]:
    """Return the lines of a waterfall, `width` columns wide, with its axis on top."""
    lines = list(rows)
    levels = min(_LEVELS_SHOWN, width // 10)
    names = max((cell_len(_name(row, levels) + _marks(row)) for row in lines), default=0)
    name_width = max(14, min(names, width * 2 // 5))
    bar_width = max(10, width - name_width - _DURATION_WIDTH - 3)
    scale = _Scale(analysis, bar_width)
    path: dict[str, list[Segment]] = {}
    for segment in analysis.critical_path:
        path.setdefault(segment.span_id, []).append(segment)
    drawn = [_axis(analysis, scale, name_width)]
    drawn.extend(_line(analysis, path, row, scale, name_width, levels) for row in lines)
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


def _line(
    analysis: RunAnalysis,
    path: Mapping[str, Sequence[Segment]],
    row: Row,
    scale: _Scale,
    name_width: int,
    levels: int,
) -> Text:
    on_path = not row.folded and analysis.spans[row.span.span_id].on_path_ns > 0
    line = Text().append("▎" if on_path else " ", style="bold")
    style = "red" if _failures(row) else "bold" if on_path else ""
    label, marks = _name(row, levels), _marks(row)
    name = shortened(Text(label, style), name_width - cell_len(marks)).append(marks)
    line.append_text(name).append(" " * (name_width - cell_len(name.plain)))
    line.append(_length(analysis, row).rjust(_DURATION_WIDTH + 1) + " ", style="dim")
    if row.folded:
        return line.append_text(_folded_bar(analysis, row, scale))
    return line.append_text(_bar(analysis, path.get(row.span.span_id, ()), row.span, scale))


def _failures(row: Row) -> int:
    return sum(span.status is Status.ERROR for span in row.folded or (row.span,))


def _name(row: Row, levels: int) -> str:
    """Return the name as far in as the row is deep; beyond so many levels the depth is told."""
    indent = "  " * min(row.depth, levels)
    if row.depth > levels:
        indent += f"+{row.depth - levels} "
    if row.folded:
        return f"{indent}×{len(row.folded):,} {words.plain(row.span.name)}"
    return f"{indent}{words.plain(words.span_label(row.span))}"


def _marks(row: Row) -> str:
    """Return the signs behind a name, which is cut so that they stay."""
    if not row.folded:
        marks = marks_of(row.span)
    elif _failures(row):
        marks = f"{STATUS_MARKS[Status.ERROR]}{_failures(row):,}"
    else:
        marks = ""
    return f" {marks}" if marks else ""


def _length(analysis: RunAnalysis, row: Row) -> str:
    if row.folded:
        lengths = sorted(_end(analysis, span) - span.start_ns for span in row.folded)
        return f"~{words.duration(lengths[len(lengths) // 2])}"
    return words.duration(_end(analysis, row.span) - row.span.start_ns)


def _end(analysis: RunAnalysis, span: Span) -> int:
    return analysis.facts.end_ns if span.end_ns is None else span.end_ns


def _bar(analysis: RunAnalysis, path: Sequence[Segment], span: Span, scale: _Scale) -> Text:
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
    for segment in path:
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
    for style, alike in groupby(cells, key=lambda cell: cell[1]):
        text.append("".join(character for character, _ in alike), style=style)
    return text
