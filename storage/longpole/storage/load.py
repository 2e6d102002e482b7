"""Rows → `Run`: all spans of a run, with what was computed for them, as a proper tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from longpole.model.run import Run, Span, Status, assemble
from longpole.storage import rows
from longpole.storage.rows import SPAN_COLUMNS, span_from
from longpole.storage.store import Content

if TYPE_CHECKING:
    from sqlite3 import Connection

_SPANS: Final = (
    f"SELECT recorder, cost_usd, unpriced, {', '.join(SPAN_COLUMNS)} "
    "FROM spans LEFT JOIN costs USING (run, span_id) "
    "WHERE run = ? AND start_ns IS NOT NULL"
)


def load_run(connection: Connection, run_id: str, is_living: Callable[[str], bool]) -> Run | None:
    """Return a run; `None` when there is none with this id.

    Args:
        connection: for reading.
        run_id: the whole id.
        is_living: whether the recorder with this id lives.
    """
    found = connection.execute(
        "SELECT run, trace_id, root_span_id FROM runs WHERE run_id = ?", (run_id,)
    ).fetchall()
    if not found:
        return None
    run, trace_id, root_span_id = found[0]
    spans = _load_spans(connection, run, is_living)
    if not spans:
        return None
    attributes = _load_attributes(connection, run, root_span_id)
    return assemble(
        run_id,
        spans,
        trace_id=trace_id,
        session_id=rows.session_id(attributes),
        user_id=rows.user_id(attributes),
        tags=rows.tags(attributes),
        metadata=rows.metadata(attributes),
    )


def _load_spans(connection: Connection, run: int, is_living: Callable[[str], bool]) -> list[Span]:
    found = connection.execute(_SPANS, (run,)).fetchall()
    open_status = _open_statuses(connection, run, is_living)
    return [
        span_from(row, open_status=open_status.get(recorder, Status.OK), cost=(cost_usd, unpriced))
        for recorder, cost_usd, unpriced, *row in found
    ]


def _open_statuses(
    connection: Connection, run: int, is_living: Callable[[str], bool]
) -> dict[int, Status]:
    """Return what a span without an end is, by recorder, for those that have one here."""
    found = connection.execute(
        "SELECT recorder, recorder_id, is_dead FROM recorders WHERE recorder IN "
        "(SELECT recorder FROM spans WHERE run = ? AND end_ns IS NULL)",
        (run,),
    ).fetchall()
    return {
        recorder: Status.RUNNING if not is_dead and is_living(recorder_id) else Status.LOST
        for recorder, recorder_id, is_dead in found
    }


def _load_attributes(connection: Connection, run: int, span_id: str | None) -> dict[str, Any]:
    found = connection.execute(
        "SELECT start_attributes, end_attributes FROM contents WHERE run = ? AND span_id = ?",
        (run, span_id),
    ).fetchall()
    return rows.attributes_from(*found[0]) if found else {}


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
        attributes=rows.attributes_from(*texts),
    )


def revision(connection: Connection, run_id: str) -> int | None:
    """Return how often a run has changed; `None` when there is none with this id."""
    found = connection.execute("SELECT revision FROM runs WHERE run_id = ?", (run_id,)).fetchall()
    return found[0][0] if found else None
