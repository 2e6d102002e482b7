"""Rows of runs → their spans, and the `Run`s they make.

A run's row in `longpole_runs` says which trace and which stretch of time to look in, which is what
makes the look-up cheap whatever the sorting of `otel_traces`. Spans that have not ended come from
`longpole_open`; of a span that is in both, `otel_traces` counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from longpole.model.run import Run, Span, Status, assemble
from longpole.storage import columns, rows
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import OPEN, OPEN_START, RUNS, TOLD, TRACES
from longpole.storage.clickhouse.facts import NO_START_NS, RANK_BITS, run_id_sql, span_id_sql
from longpole.storage.clickhouse.spelling import (
    Layout,
    foreign_span,
    kind_number,
    without_added,
)
from longpole.storage.clickhouse.summaries import costs_of
from longpole.storage.exchange.foreign import HandOvers, events_from_foreign
from longpole.storage.exchange.parcel import Refused
from longpole.storage.store import Content, SpanEnd, SpanStart

OPEN_LAYOUT: Final = Layout(has_scope=True)
"""The layout of `longpole_open`, which is always ours."""

_RUNS_AT_ONCE: Final = 200
_SPANS_AT_ONCE: Final = 20_000


@dataclass(slots=True)
class Recorded:
    """One span as far as it is known: its start, its end, and who records it while it is open."""

    start: SpanStart | None = None
    end: SpanEnd | None = None
    recorder_id: str = ""

    @property
    def attributes(self) -> dict[str, Any]:
        """What was told of it; the end's word counts."""
        told = dict(self.start.attributes) if self.start else {}
        return {**told, **(self.end.attributes if self.end else {})}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the spans of a run are, and how many."""

    run_id: str
    trace_id: str
    first_ns: int
    last_ns: int
    names: list[str]
    root_span_id: str | None
    spans: int


_PLACES: Final = f"""
SELECT run_id, max(trace_id) AS trace, min(first_ns) AS begin, max(last_ns) AS until,
  arraySort(groupUniqArrayArray(names)) AS all_names,
  bitShiftRight(max(rank), {RANK_BITS}) = 1 AS is_rooted,
  argMaxMerge(root_span_id) AS root_id, uniqExactMerge(spans) AS span_count
FROM {{table}} WHERE run_id IN {{runs:Array(String)}}
GROUP BY run_id HAVING begin < {NO_START_NS}"""


def places_of(database: Database, run_ids: Sequence[str]) -> dict[str, Place]:
    """Return where the spans of those of these runs are that there are, by run id."""
    sql = _PLACES.replace("{table}", database.name(RUNS))
    return {
        found["run_id"]: Place(
            run_id=found["run_id"],
            trace_id=found["trace"],
            first_ns=found["begin"],
            last_ns=found["until"],
            names=list(found["all_names"]),
            root_span_id=found["root_id"] if found["is_rooted"] else None,
            spans=found["span_count"],
        )
        for found in database.query(sql, {"runs": list(run_ids)}).by_name()
    }


def portions(database: Database, run_ids: Sequence[str]) -> Iterator[list[Place]]:
    """Yield where those runs are that are there, in portions that memory holds at once."""
    for first in range(0, len(run_ids), _RUNS_AT_ONCE):
        some = run_ids[first : first + _RUNS_AT_ONCE]
        places = places_of(database, some)
        portion: list[Place] = []
        spans = 0
        for run_id in some:
            if run_id in places:
                portion.append(places[run_id])
                spans += places[run_id].spans
                if spans >= _SPANS_AT_ONCE:
                    yield portion
                    portion, spans = [], 0
        if portion:
            yield portion


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is recorded and computed of one run, not a tree yet."""

    place: Place
    recorded: Mapping[str, Recorded]
    spans: Sequence[Span]

    def assembled(self) -> Run:
        """Return the run.

        Raises:
            BrokenLawError: its spans make no tree.
        """
        root = self.recorded.get(self.place.root_span_id or "")
        attributes = root.attributes if root else {}
        return assemble(
            self.place.run_id,
            self.spans,
            trace_id=self.place.trace_id or None,
            session_id=columns.session_id(attributes) or None,
            user_id=columns.user_id(attributes) or None,
            tags=columns.tags(attributes),
            metadata=columns.metadata(attributes),
        )


def load_rows(
    database: Database,
    layout: Layout,
    places: Sequence[Place],
    is_living: Callable[[str], bool],
    *,
    with_content: bool = False,
) -> list[Loaded]:
    """Return what is stored of runs, in this order; nothing of those that have no spans.

    Args:
        database: to read from.
        layout: of its `otel_traces`.
        places: one of the `portions`.
        is_living: whether the recorder with this id lives.
        with_content: whether inputs and outputs are wanted, too.
    """
    if not places:
        return []
    recorded = recorded_spans(database, layout, places, with_content=with_content)
    costs = costs_of(database, [place.run_id for place in places])
    loaded = []
    for place in places:
        known, priced = recorded[place.run_id], costs.get(place.run_id, {})
        spans = [
            _span(one, is_living, priced.get(span_id, (None, None)))
            for span_id, one in known.items()
            if one.start is not None
        ]
        if spans:
            loaded.append(Loaded(place, known, spans))
    return loaded


def load_contents(
    database: Database, layout: Layout, run_id: str, span_id: str | None = None
) -> dict[str, Content]:
    """Return inputs, outputs and raw attributes of a run's spans, or of one, by span id."""
    places = list(places_of(database, [run_id]).values())
    if not places:
        return {}
    recorded = recorded_spans(database, layout, places, with_content=True, span_id=span_id)
    return {
        found: _content(one.attributes)
        for found, one in recorded[run_id].items()
        if span_id is None or found == span_id
    }


def recorded_spans(
    database: Database,
    layout: Layout,
    places: Sequence[Place],
    *,
    with_content: bool,
    span_id: str | None = None,
) -> dict[str, dict[str, Recorded]]:
    """Return what is recorded of spans, by run id and span id; `span_id` may narrow the search."""
    recorded: dict[str, dict[str, Recorded]] = {place.run_id: {} for place in places}
    finished = _traces_rows(database, layout, places, with_content=with_content, span_id=span_id)
    for start, end in events_of(finished):
        known = recorded[start.run_id].setdefault(start.span_id, Recorded(start, end))
        if known.end is None:
            known.end = end
    for part, recorder_id, start, end in open_events(database, list(recorded)):
        known = recorded[start.run_id].setdefault(start.span_id, Recorded())
        if part == OPEN_START:
            if known.start is None:
                known.start, known.recorder_id = start, recorder_id
        elif known.end is None:
            known.end = end
    return recorded


def _traces_rows(
    database: Database,
    layout: Layout,
    places: Sequence[Place],
    *,
    with_content: bool,
    span_id: str | None,
) -> Iterable[Mapping[str, Any]]:
    # The names and the seconds are there for tables that are sorted by them, as the Collector's.
    columns = layout.select_columns(with_content=with_content)
    only = "" if span_id is None else f" AND {span_id_sql()} = {{span:String}}"
    sql = (
        f"SELECT {columns} FROM {database.name(TRACES)} "
        "WHERE TraceId IN {traces:Array(String)} AND SpanName IN {names:Array(String)} "
        "AND Timestamp >= fromUnixTimestamp64Nano({first:Int64}) "
        "AND Timestamp <= fromUnixTimestamp64Nano({last:Int64}) "
        f"AND {run_id_sql()} IN {{runs:Array(String)}}{only}"
    )
    values = {
        "traces": sorted({place.trace_id for place in places}),
        "names": sorted({name for place in places for name in place.names}),
        "first": min(place.first_ns for place in places),
        "last": max(place.last_ns for place in places),
        "runs": [place.run_id for place in places],
        "span": span_id or "",
    }
    return database.query(sql, values).by_name()


def open_events(
    database: Database, run_ids: Sequence[str]
) -> Iterator[tuple[str, str, SpanStart, SpanEnd | None]]:
    """Yield part, recorder, start and end of the rows of runs in `longpole_open`."""
    sql = (
        f"SELECT RunId AS run, Part AS part, RecorderId AS recorder, "
        f"{OPEN_LAYOUT.select_columns(with_content=True)} FROM {database.name(OPEN)} FINAL "
        f"WHERE RunId IN {{runs:Array(String)}} AND Version = {TOLD}"
    )
    for row in database.query(sql, {"runs": list(run_ids)}).by_name():
        for start, end in events_of([row]):
            # An end that came without its start has no trace that would name its run.
            yield row["part"], row["recorder"], start._replace(run_id=row["run"]), end


def events_of(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[SpanStart, SpanEnd | None]]:
    """Yield start and end of each row, read as the import of OTLP reads a span."""
    table = list(found)
    told = ((foreign_span(row), kind_number(row)) for row in table)
    for row, span in zip(table, HandOvers().marked(told), strict=True):
        if isinstance(span, Refused):
            continue
        start, end = None, None
        for event in events_from_foreign(span):
            if isinstance(event, SpanStart):
                start = without_added(row, event)
            elif isinstance(event, SpanEnd):
                end = without_added(row, event)
        assert isinstance(start, SpanStart)
        yield start, end if isinstance(end, SpanEnd) else None


def _span(
    one: Recorded, is_living: Callable[[str], bool], cost: tuple[str | None, str | None]
) -> Span:
    start, end = one.start, one.end
    assert start is not None
    start_ns = columns.as_int64(start.start_ns)
    told = columns.columns_from(one.attributes, start_ns)
    error = None if end is None else end.error
    row = (
        start.span_id,
        start.parent_span_id,
        start.is_root,
        start.name,
        start_ns,
        None if end is None else columns.as_int64(end.end_ns),
        None if end is None else end.status.value,
        None if error is None else error.type,
        None if error is None else error.message,
        *map(told.get, columns.ATTRIBUTE_COLUMNS),
    )
    is_running = end is None and is_living(one.recorder_id)
    return rows.span_from(row, open_status=Status.RUNNING if is_running else Status.LOST, cost=cost)


def _content(attributes: dict[str, Any]) -> Content:
    told = columns.content_from(attributes)
    return Content(
        input_value=told.get("input_value"),
        input_mime_type=told.get("input_mime_type"),
        output_value=told.get("output_value"),
        output_mime_type=told.get("output_mime_type"),
        attributes=columns.attributes_from(columns.without_content(attributes)),
    )
