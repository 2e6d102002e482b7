"""Groups of errors as a table whose rows open the newest run with such an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from longpole.analysis import ErrorGroup
from longpole.dashboard import meanings, words
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table

_ROWS_MOST: Final = 200
_NUMBER: Final = ColumnKind.NUMBER


def error_table(groups: Sequence[ErrorGroup], *, key: str, names_chain: bool) -> None:
    """Draw the groups, what occurred in most runs first; with their chain where it may differ."""
    chain = [Column(key="chain", label="Chain", width_px=130)] if names_chain else []
    columns = (
        Column(
            key="error", label="Error", kind=ColumnKind.LINK, width_px=260, grows=True,
            help=meanings.ERRORS + ". Opens the newest run with it",
        ),
        *chain,
        Column(key="place", label="Where", width_px=170, help="The branch, and the span in it"),
        Column(key="model", label="Model", width_px=168),
        Column(key="rate", label="Of runs", kind=_NUMBER, width_px=80,
               help="Share of the runs in which it occurred"),
        Column(key="runs", label="Runs", kind=_NUMBER, width_px=66),
        Column(key="times", label="Times", kind=_NUMBER, width_px=70),
        Column(key="first", label="First seen", kind=ColumnKind.SINCE, width_px=96),
        Column(key="last", label="Last seen", kind=ColumnKind.SINCE, width_px=96),
        Column(key="remark", label="Kind", width_px=86),
    )  # fmt: skip
    table(
        Table(
            caption="Errors by kind",
            columns=columns,
            rows=tuple(
                _row(number, group, names_chain) for number, group in enumerate(groups[:_ROWS_MOST])
            ),
            max_height_px=560,
        ),
        key=key,
    )


def _row(number: int, group: ErrorGroup, names_chain: bool) -> Row:
    named = group.type.rpartition(".")[2]
    told = ": ".join(part for part in (named, group.message) if part) or "(not told)"
    models = ", ".join(group.models)
    chain = [cells.text(words.short_name(group.position[0]))] if names_chain else []
    return Row(
        id=str(number),
        href=f"run?run={group.run_id}",
        cells=(
            Cell(words.plain(told), told, note=group.example or told),
            *chain,
            cells.place(group.position),
            cells.text(models, note=models),
            cells.share(group.rate),
            cells.count(group.runs),
            cells.count(group.count),
            cells.since(group.first_seen_ns),
            cells.since(group.last_seen_ns),
            cells.text("rate limit" if group.is_rate_limit else ""),
        ),
    )
