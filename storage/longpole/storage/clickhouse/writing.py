"""Span events → rows: finished spans into `otel_traces`, open ones into `longpole_open`.

Starts and ends of one span may come together, apart, in either order and more than once. What
comes together is one row. A start alone waits in `longpole_open`; when its end comes both become a
row of `otel_traces`, and the start is marked as done. An end alone waits likewise. Nothing here is
a transaction: what a crash leaves is written again, and rows that are there twice count once when
read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import DONE, OPEN, OPEN_END, OPEN_START, TOLD, TRACES
from longpole.storage.clickhouse.load import OPEN_LAYOUT, Recorded, events_of
from longpole.storage.clickhouse.spelling import Layout, end_row, row_from
from longpole.storage.store import SpanEvent, SpanStart

_LOOK_UP_AT_ONCE: Final = 2_000
_OPEN_COLUMNS: Final = ("RunId", "Part", "Version", "RecorderId", *OPEN_LAYOUT.insert_columns)
_DONE_COLUMNS: Final = ("RunId", "Part", "Version", "SpanId")

_Key = tuple[str, str]
"""Run id and span id."""


@dataclass(slots=True)
class _Rows:
    """Rows of a batch, by where they go."""

    finished: list[tuple[Any, ...]] = field(default_factory=list)
    waiting: list[tuple[Any, ...]] = field(default_factory=list)
    done: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """What `longpole_open` says of one span."""

    recorded: Recorded = field(default_factory=Recorded)
    is_done: bool = False


def write_events(
    database: Database,
    layout: Layout,
    recorder_id: str,
    events: Iterable[SpanEvent],
    *,
    token: str | None = None,
) -> None:
    """Store events of one recorder, in any order; the same events again change nothing.

    Args:
        database: to write to.
        layout: of its `otel_traces`.
        recorder_id: who must live for spans without an end to be running.
        events: plain ones, as `codec.decode` returns them.
        token: names this batch, so that a second try of it stores nothing twice.
    """
    pairs = _paired(events)
    known = _known(database, [key for key, one in pairs.items() if not (one.start and one.end)])
    rows = _Rows()
    for key, told in pairs.items():
        _sort_in(rows, layout, recorder_id, key, told, known.get(key))
    database.insert(TRACES, layout.insert_columns, rows.finished, token=token)
    database.insert(OPEN, _OPEN_COLUMNS, rows.waiting)
    # Last, so that a span is never in neither table.
    database.insert(OPEN, _DONE_COLUMNS, rows.done)


def _paired(events: Iterable[SpanEvent]) -> dict[_Key, Recorded]:
    pairs: dict[_Key, Recorded] = {}
    for event in events:
        pair = pairs.setdefault((event.run_id, event.span_id), Recorded())
        if isinstance(event, SpanStart):
            pair.start = pair.start or event
        else:
            pair.end = pair.end or event
    return pairs


def _known(database: Database, keys: Sequence[_Key]) -> dict[_Key, _Known]:
    """Return what is waiting of spans of which a batch tells only a part."""
    known: dict[_Key, _Known] = {}
    for first in range(0, len(keys), _LOOK_UP_AT_ONCE):
        some = keys[first : first + _LOOK_UP_AT_ONCE]
        found = database.query(
            "SELECT RunId AS run, Part AS part, Version AS version, "
            f"{OPEN_LAYOUT.select_columns(with_content=True)} FROM {database.name(OPEN)} FINAL "
            "WHERE RunId IN {runs:Array(String)} AND SpanId IN {spans:Array(String)}",
            {"runs": sorted({run for run, _ in some}), "spans": [span for _, span in some]},
        )
        for row in found.by_name():
            one = known.setdefault((row["run"], row["span_id"]), _Known())
            if row["version"] == DONE:
                one.is_done = True
                continue
            for start, end in events_of([row]):
                if row["part"] == OPEN_START:
                    one.recorded.start = start
                else:
                    one.recorded.end = end
    return known


def _sort_in(
    rows: _Rows,
    layout: Layout,
    recorder_id: str,
    key: _Key,
    told: Recorded,
    known: _Known | None,
) -> None:
    if known is not None and known.is_done:
        return
    before = Recorded() if known is None else known.recorded
    start, end = before.start or told.start, before.end or told.end
    run_id, span_id = key
    if start is not None and end is not None:
        rows.finished.append(row_from(start, end, layout))
        if known is not None:
            rows.done.append((run_id, OPEN_START, DONE, span_id))
            rows.done.append((run_id, OPEN_END, DONE, span_id))
    elif start is not None and before.start is None:
        row = row_from(start, None, OPEN_LAYOUT)
        rows.waiting.append((run_id, OPEN_START, TOLD, recorder_id, *row))
    elif end is not None and before.end is None:
        rows.waiting.append((run_id, OPEN_END, TOLD, recorder_id, *end_row(end, OPEN_LAYOUT)))
