"""The tab that lists what the run waited for, and what would shorten it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from longpole.analysis.result import Dependencies, RunAnalysis, Segment
from longpole.dashboard import figures, words
from longpole.dashboard.labels import placed_label
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.views.colours import theme

_MAX_SEGMENTS = 500
_WORTH_SAVING = 0.001

_COLUMNS = (
    Column(key="number", label="#", kind=ColumnKind.NUMBER, width_px=52),
    Column(key="span", label="Span", kind=ColumnKind.LINK, width_px=220, grows=True),
    Column(key="start", label="From", kind=ColumnKind.NUMBER, width_px=96),
    Column(key="length", label="Length", kind=ColumnKind.BAR, width_px=110),
    Column(key="share", label="Share", kind=ColumnKind.NUMBER, width_px=80),
    Column(
        key="kind",
        label="Doing",
        width_px=90,
        help="work: nothing below it is on the path; head, between, tail: around what is below it; "
        "backoff: between a failed try and the next one",
    ),
    Column(
        key="via",
        label="Via",
        width_px=90,
        help="Why the path runs here: root, join (its parent waited for it), seq (the next one "
        "waited), slot (the next one needed its place), cancel, stream",
    ),
    Column(
        key="basis",
        label="Basis",
        width_px=96,
        help="recorded: told by the framework; inferred: concluded from times",
    ),
    Column(
        key="tied",
        label="Tied with",
        width_px=150,
        grows=True,
        help="Spans that ended as late as this one",
    ),
)


def tab(found: RunAnalysis, *, on_open: Callable[[str], None]) -> None:
    """Draw the tab; `on_open` shows a span in the waterfall."""
    st.caption(_basis(found))
    picture, ranking = st.columns(2, gap="medium")
    with picture:
        st.plotly_chart(
            figures.path_shares(found, theme()),
            key="path_shares",
            config=figures.CONFIG,
            alt="Time on the critical path and drag of the spans that own most of it",
        )
    with ranking:
        st.markdown("**What would shorten the run**")
        table(_ranking(found), key="ranking", on_open=on_open)
    st.markdown("**Segments**")
    table(_segments(found), key="segments", on_open=_opener(found, on_open))
    if len(found.critical_path) > _MAX_SEGMENTS:
        st.caption(f"The {_MAX_SEGMENTS:,} longest of {len(found.critical_path):,} segments.")


def _basis(found: RunAnalysis) -> str:
    segments = words.count(len(found.critical_path), "segment")
    adds_up = "is" if len(found.critical_path) == 1 else "add up to"
    count = f"{segments} that {adds_up} the wall time. "
    return (
        count
        + {
            Dependencies.RECORDED: "The order of all spans was recorded.",
            Dependencies.INFERRED: "The order of spans was inferred from their times.",
            Dependencies.MIXED: "The order of some spans was recorded, of the others inferred.",
        }[found.facts.dependencies]
    )


def _opener(found: RunAnalysis, on_open: Callable[[str], None]) -> Callable[[str], None]:
    def opened(row_id: str) -> None:
        on_open(found.critical_path[int(row_id)].span_id)

    return opened


def _ranking(found: RunAnalysis) -> Table:
    wall_ns = max(1, found.facts.wall_ns)
    leaves = [
        (span.span_id, found.spans[span.span_id].drag_ns)
        for span in found.run.spans
        if not found.run.children(span.span_id)
        and found.spans[span.span_id].drag_ns > wall_ns * _WORTH_SAVING
    ]
    leaves.sort(key=lambda leaf: -leaf[1])
    most_ns = leaves[0][1] if leaves else 1
    return Table(
        caption="Spans by drag",
        columns=(
            Column(key="span", label="Span", kind=ColumnKind.LINK, width_px=180, grows=True),
            Column(
                key="drag",
                label="Saves",
                kind=ColumnKind.BAR,
                width_px=110,
                help="Drag: the run would end so much sooner were the span instant",
            ),
            Column(key="share", label="Of wall", kind=ColumnKind.NUMBER, width_px=80),
            Column(
                key="own",
                label="Takes",
                kind=ColumnKind.NUMBER,
                width_px=90,
                help="How long the span ran",
            ),
        ),
        rows=tuple(
            Row(
                id=span_id,
                cells=(
                    Cell(placed_label(found.run, found.run.span_by_id[span_id])),
                    Cell(words.duration(drag_ns), drag_ns, drag_ns / most_ns),
                    Cell(words.share(drag_ns / wall_ns), drag_ns),
                    _length_cell(found, span_id),
                ),
            )
            for span_id, drag_ns in leaves[:12]
        ),
        max_height_px=440,
    )


def _length_cell(found: RunAnalysis, span_id: str) -> Cell:
    span = found.run.span_by_id[span_id]
    end_ns = found.ended_ns(span)
    length_ns = max(0, end_ns - span.start_ns)
    return Cell(words.duration(length_ns), length_ns)


def _segments(found: RunAnalysis) -> Table:
    numbered = list(enumerate(found.critical_path))
    if len(numbered) > _MAX_SEGMENTS:
        longest = sorted(numbered, key=lambda item: -item[1].length_ns)[:_MAX_SEGMENTS]
        numbered = sorted(longest, key=lambda item: item[0])
    most_ns = max((segment.length_ns for _, segment in numbered), default=1)
    return Table(
        caption="Segments of the critical path",
        columns=_COLUMNS,
        rows=tuple(_segment(found, number, segment, most_ns) for number, segment in numbered),
        max_height_px=560,
    )


def _segment(found: RunAnalysis, number: int, segment: Segment, most_ns: int) -> Row:
    span_by_id = found.run.span_by_id
    from_ns = segment.start_ns - found.run.root.start_ns
    label = placed_label(found.run, span_by_id[segment.span_id])
    tied = ", ".join(placed_label(found.run, span_by_id[other]) for other in segment.tied_with)
    basis = "inferred" if segment.inferred else "recorded"
    return Row(
        id=str(number),
        cells=(
            Cell(str(number + 1), number),
            Cell(label, label),
            Cell(f"+{words.duration(from_ns)}" if from_ns else "0", from_ns),
            Cell(words.duration(segment.length_ns), segment.length_ns, segment.length_ns / most_ns),
            Cell(words.share(segment.length_ns / max(1, found.facts.wall_ns)), segment.length_ns),
            Cell(segment.kind.value, segment.kind.value),
            Cell(segment.via.value, segment.via.value),
            Cell(basis, basis),
            Cell(tied, tied or None, note=tied),
        ),
    )
