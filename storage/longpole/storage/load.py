"""Rows → `Run`: all spans of a run, with what was computed for them, as a proper tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from longpole.model.run import Run, Span, Status, assemble
from longpole.storage import columns
from longpole.storage.database import fetched
from longpole.storage.rows import NO_COST, SPAN_COLUMNS, span_from
from longpole.storage.store import Content

if TYPE_CHECKING:
    from sqlite3 import Connection

_RUNS_AT_ONCE: Final = 200
_SPANS_AT_ONCE: Final = 20_000
_COLUMNS: Final = len(SPAN_COLUMNS)
_SPANS: Final = (
    f"SELECT {', '.join(SPAN_COLUMNS)}, run, recorder FROM spans "
    "WHERE run IN ({marks}) AND start_ns IS NOT NULL"
)
_COSTS: Final = "SELECT run, span_id, cost_usd, unpriced FROM costs WHERE run IN ({marks})"
_ROOTS: Final = (
    "SELECT runs.run, run_id, trace_id, start_attributes, end_attributes FROM runs "
    "LEFT JOIN contents ON contents.run = runs.run AND span_id = root_span_id "
    "WHERE run_id IN ({marks})"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the rows of one run say, not a tree yet."""

    run_id: str
    trace_id: str | None
    attributes: Mapping[str, Any]
    spans: Sequence[Span]

    def assembled(self) -> Run:
        """Return the run.

        Raises:
            BrokenLawError: its spans make no tree.
        """
        attributes = self.attributes
        return assemble(
            self.run_id,
            self.spans,
            trace_id=self.trace_id,
            session_id=columns.session_id(attributes),
            user_id=columns.user_id(attributes),
            tags=columns.tags(attributes),
            metadata=columns.metadata(attributes),
        )


def portions(connection: Connection, run_ids: Sequence[str]) -> list[list[str]]:
    """Return the ids of those runs that are there, in portions that memory holds at once."""
    found: list[list[str]] = []
    spans = _SPANS_AT_ONCE
    for first in range(0, len(run_ids), _RUNS_AT_ONCE):
        some = run_ids[first : first + _RUNS_AT_ONCE]
        sizes = dict(
            connection.execute(
                f"SELECT run_id, spans FROM runs WHERE run_id IN ({_marks(some)})", some
            ).fetchall()
        )
        for run_id in some:
            if run_id in sizes:
                if spans >= _SPANS_AT_ONCE or len(found[-1]) >= _RUNS_AT_ONCE:
                    found.append([])
                    spans = 0
                found[-1].append(run_id)
                spans += sizes[run_id]
    return found


def load_rows(
    connection: Connection, run_ids: Sequence[str], living: Collection[str]
) -> list[Loaded]:
    """Return what is stored of runs, in this order; nothing of those that have no spans.

    Args:
        connection: for reading.
        run_ids: one of the `portions`.
        living: ids of the recorders that live.
    """
    roots = connection.execute(_ROOTS.format(marks=_marks(run_ids)), run_ids).fetchall()
    spans = _load_spans(connection, [run for run, *_ in roots], living)
    loaded = {
        run_id: Loaded(run_id, trace_id, columns.attributes_from(*texts), spans[run])
        for run, run_id, trace_id, *texts in roots
        if run in spans
    }
    return [loaded[run_id] for run_id in run_ids if run_id in loaded]


def _load_spans(
    connection: Connection, runs: Sequence[int], living: Collection[str]
) -> dict[int, list[Span]]:
    """Return the spans of runs, by the run's number; in order of their ids."""
    marks = _marks(runs)
    found = fetched(connection, _SPANS.format(marks=marks), runs)
    open_status = _open_statuses(connection, runs, living)
    costs: defaultdict[int, dict[str, tuple[str | None, str | None]]] = defaultdict(dict)
    for run, span_id, *cost in fetched(connection, _COSTS.format(marks=marks), runs):
        costs[run][span_id] = (cost[0], cost[1])
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for row in found:
        run, recorder = row[_COLUMNS:]
        spans[run].append(
            span_from(
                row[:_COLUMNS],
                open_status=open_status.get(recorder, Status.OK),
                cost=costs[run].get(row[0], NO_COST),
            )
        )
    return spans


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _open_statuses(
    connection: Connection, runs: Sequence[int], living: Collection[str]
) -> dict[int, Status]:
    """Return what a span without an end is, by recorder, for those that have one here."""
    found = connection.execute(
        "SELECT recorder, recorder_id, is_dead FROM recorders WHERE recorder IN "
        f"(SELECT recorder FROM spans WHERE run IN ({_marks(runs)}) AND end_ns IS NULL)",
        runs,
    ).fetchall()
    return {
        recorder: Status.RUNNING if not is_dead and recorder_id in living else Status.LOST
        for recorder, recorder_id, is_dead in found
    }


_CONTENT: Final = (
    "SELECT span_id, input_value, input_mime_type, output_value, output_mime_type, "
    "start_attributes, end_attributes FROM contents JOIN runs USING (run) WHERE run_id = ?"
)


def load_content(connection: Connection, run_id: str, span_id: str) -> Content | None:
    """Return input, output and raw attributes of one span; `None` when there is no such span."""
    found = connection.execute(f"{_CONTENT} AND span_id = ?", (run_id, span_id)).fetchall()
    return _content(*found[0][1:]) if found else None


def load_contents(connection: Connection, run_id: str) -> dict[str, Content]:
    """Return inputs, outputs and raw attributes of all spans of a run, by span id."""
    found = connection.execute(_CONTENT, (run_id,)).fetchall()
    return {span_id: _content(*columns) for span_id, *columns in found}


def _content(
    input_value: str | None,
    input_mime_type: str | None,
    output_value: str | None,
    output_mime_type: str | None,
    *texts: str | None,
) -> Content:
    return Content(
        input_value=input_value,
        input_mime_type=input_mime_type,
        output_value=output_value,
        output_mime_type=output_mime_type,
        attributes=columns.attributes_from(*texts),
    )


def revision(connection: Connection, run_id: str) -> int | None:
    """Return how often a run has changed; `None` when there is none with this id."""
    found = connection.execute("SELECT revision FROM runs WHERE run_id = ?", (run_id,)).fetchall()
    return found[0][0] if found else None
