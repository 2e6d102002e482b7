"""The tab with the structures of a chain's runs: who is made of other parts than most."""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.analysis import Position, RunSample, ShapeGroup
from longpole.analysis.chain import ChainAnalysis
from longpole.dashboard import meanings, words
from longpole.dashboard.places import place_label
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table

_ROWS_MOST: Final = 100
_NAMED: Final = 6
_COLUMNS: Final = (
    Column(key="number", label="Structure", kind=ColumnKind.LINK, width_px=110,
           help=meanings.STRUCTURE + ". Opens its newest run"),
    Column(key="share", label="Share", kind=ColumnKind.BAR, width_px=90),
    Column(key="runs", label="Runs", kind=ColumnKind.NUMBER, width_px=76),
    Column(key="positions", label="Positions", kind=ColumnKind.NUMBER, width_px=90),
    Column(key="wall", label="Mean wall", kind=ColumnKind.NUMBER, width_px=96),
    Column(key="without", label="Without", width_px=220, grows=True,
           help="What the most frequent structure has and this one has not"),
    Column(key="with", label="With", width_px=220, grows=True,
           help="What this one has and the most frequent structure has not"),
)  # fmt: skip


def tab(analysis: ChainAnalysis) -> None:
    """Draw the tab."""
    shapes = analysis.shapes
    usual = shapes[0]
    st.caption(
        "All runs are made of the same positions."
        if len(shapes) == 1
        else f"{len(shapes):,} structures; {words.share(float(usual.share))} of the runs are alike."
    )
    table(
        Table(
            caption="Structures, the most frequent first",
            columns=_COLUMNS,
            rows=tuple(
                _row(number, shape, usual, analysis.samples)
                for number, shape in enumerate(shapes[:_ROWS_MOST], start=1)
            ),
        ),
        key="structures",
    )


def _row(number: int, shape: ShapeGroup, usual: ShapeGroup, samples: tuple[RunSample, ...]) -> Row:
    members = [samples[at] for at in shape.members]
    newest = max(members, key=lambda run: run.start_ns)
    share = float(shape.share)
    without, more = usual.positions - shape.positions, shape.positions - usual.positions
    return Row(
        id=str(number),
        href=f"run?run={newest.run_id}",
        cells=(
            Cell(f"{number}" if number > 1 else "1, usual", number),
            Cell(words.share(share), share, share),
            cells.count(len(members)),
            cells.count(len(shape.positions)),
            cells.length(sum(run.wall_ns for run in members) / len(members)),
            _named(without),
            _named(more),
        ),
    )


def _named(positions: frozenset[Position]) -> Cell:
    """Return the topmost of some positions; what is below them goes with them."""
    topmost = [one for one in sorted(positions) if one[:-1] not in positions]
    labels = [place_label(one) for one in topmost]
    rest = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return Cell(
        ", ".join(labels[:_NAMED]) + rest,
        len(positions),
        note="\n".join(" › ".join(one) for one in topmost[:20]),
    )
