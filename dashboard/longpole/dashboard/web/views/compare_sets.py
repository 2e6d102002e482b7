"""Two sets of runs compared: by how much, how sure, through what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from longpole.analysis import PlaceDelta, SetComparison
from longpole.dashboard import meanings, words
from longpole.dashboard.charts import difference
from longpole.dashboard.places import below_labels
from longpole.dashboard.set_difference import (
    Difference,
    differences,
    excludes_zero,
    interval_words,
    set_verdict,
    what_differs,
    what_is_missing,
)
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import NEWEST, Compared, Question
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.views import filters, many
from longpole.dashboard.web.views.colours import theme
from longpole.storage import RunQuery

_ROWS_MOST: Final = 100
_NUMBER: Final = ColumnKind.NUMBER
_WALLS: Final = (
    Column(key="what", label="", width_px=110, grows=True, is_sortable=False),
    Column(key="before", label="Before", kind=_NUMBER, width_px=96, is_sortable=False),
    Column(key="after", label="After", kind=_NUMBER, width_px=96, is_sortable=False),
    Column(key="delta", label="Difference", kind=_NUMBER, width_px=104, is_sortable=False),
    Column(key="between", label="95 % between", kind=_NUMBER, width_px=180, is_sortable=False,
           help=meanings.BETWEEN),
)  # fmt: skip
_PLACES: Final = (
    Column(key="place", label="A run waits for", width_px=220, grows=True),
    Column(key="before", label="Before", kind=_NUMBER, width_px=96, help=meanings.CONTRIBUTION),
    Column(key="after", label="After", kind=_NUMBER, width_px=96, help=meanings.CONTRIBUTION),
    Column(key="delta", label="Difference", kind=_NUMBER, width_px=104),
    Column(key="between", label="95 % between", kind=_NUMBER, width_px=180, is_sortable=False,
           help=meanings.BETWEEN),
    Column(key="remark", label="", width_px=100),
)  # fmt: skip


def draw(token: int) -> None:
    """Draw the two sets, or what to do to choose them."""
    before, after = _boxes()
    if not before.strip() or not after.strip():
        st.caption(
            "Say which runs are before and which after, as in the filter of the other pages:"
        )
        st.code("name:panel until:2d\nname:panel since:2d", language=None)
        st.code("tag:v1\ntag:v2", language=None)
        return
    found = samples.compared_sets(_question(before, token), _question(after, token))
    _sides(found)
    if found.comparison is None:
        empty = "before" if not found.before.samples else "after"
        st.info(
            f"No run that has ended matches the filter {empty}.", icon=":material/filter_alt_off:"
        )
        return
    _compared(found, found.comparison)


def _boxes() -> tuple[str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        before = st.text_input("Before", key="before", bind="query-params", width=380,
                               placeholder="tag:v1", help=filters.FILTER_HELP,
                               icon=":material/search:")  # fmt: skip
        after = st.text_input("After", key="after", bind="query-params", width=380,
                              placeholder="tag:v2", help=filters.FILTER_HELP,
                              icon=":material/search:")  # fmt: skip
    return before or "", after or ""


def _question(text: str, token: int) -> Question:
    return Question(query=RunQuery(where=filters.where(text)), newest=NEWEST, token=token)


def _sides(found: Compared) -> None:
    for word, side in (("before", found.before), ("after", found.after)):
        names = list(dict.fromkeys(sample.chain for sample in side.samples))
        named = words.short_name(names[0]) if len(names) == 1 else f"{len(names)} chains"
        st.caption(f"{word}: {words.markdown(named)} · {many.counted(side)}")


def _compared(found: Compared, comparison: SetComparison) -> None:
    st.markdown(f"**{words.markdown(words.begun(set_verdict(comparison)))}**")
    missing = what_is_missing(comparison)
    if missing:
        st.caption(words.markdown(words.begun(missing)))
    numbers, picture = st.columns(2, gap="medium")
    with numbers:
        many.heading("Numbers", meanings.BETWEEN)
        table(_walls(comparison), key="set_walls")
    with picture:
        many.heading("Walls", "Which share of the runs took at most how long")
        many.chart(
            difference.wall_shares(found.before.samples, found.after.samples, theme()),
            key="wall_shares",
            alt="Share of the runs by wall, before and after",
        )
    _places(what_differs(comparison))


def _walls(comparison: SetComparison) -> Table:
    return Table(
        caption="Both sets side by side",
        columns=_WALLS,
        rows=tuple(_wall(difference) for difference in differences(comparison)),
    )


def _wall(one: Difference) -> Row:
    written = (one.what, one.before, one.after, one.delta, one.between)
    return Row(id=one.what, cells=tuple(Cell(text) for text in written))


def _places(told: Sequence[PlaceDelta]) -> None:
    many.heading(
        "Through what", "The differences of the positions add up to that of the mean walls"
    )
    if not told:
        st.caption("No position contributes more or less than before.")
        return
    many.chart(
        difference.place_deltas(told, theme()),
        key="place_deltas",
        alt="By how much a run waits longer for each position, with 95 % intervals",
    )
    shown = told[:_ROWS_MOST]
    table(
        Table(
            caption="Positions by difference",
            columns=_PLACES,
            rows=tuple(map(_place, shown, below_labels([place.position for place in shown]))),
            max_height_px=520,
        ),
        key="set_places",
    )


def _place(place: PlaceDelta, label: str) -> Row:
    remark = "new" if not place.runs_before else "gone" if not place.runs_after else ""
    return Row(
        id="\x1f".join(place.position),
        is_strong=excludes_zero(place.between_ns),
        cells=(
            Cell(label, label, note=" › ".join(place.position)),
            cells.length(place.before_ns),
            cells.length(place.after_ns),
            cells.delta(place.delta_ns),
            Cell(interval_words(place.between_ns)),
            cells.text(remark),
        ),
    )
