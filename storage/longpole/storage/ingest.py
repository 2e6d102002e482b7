"""Span events → rows, inside the caller's transaction.

Starts and ends of one span may come together, apart, in either order and more than once. The first
start and the first end count; whatever comes again changes nothing, so a spool may be taken in any
number of times. The rows of runs, and the totals, are brought up to date in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from longpole.model.run import Status
from longpole.storage import columns
from longpole.storage.index import unindex
from longpole.storage.store import Recorder, SpanEnd, SpanEvent, SpanStart

if TYPE_CHECKING:
    from sqlite3 import Connection

_LOOK_UP_AT_ONCE: Final = 500


@dataclass(slots=True)
class _Pair:
    """What a batch says about one span."""

    start: SpanStart | None = None
    end: SpanEnd | None = None


@dataclass(slots=True)
class _Batch:
    """The events of one run in a batch."""

    run_id: str
    run: int = 0
    is_new: bool = False
    is_indexed: bool = False
    root_span_id: str | None = None
    trace_id: str | None = None
    pairs: dict[str, _Pair] = field(default_factory=dict)
    new_spans: int = 0
    has_changed: bool = False


def recorder_number(connection: Connection, recorder: Recorder) -> int:
    """Return the number of a recorder, given out on first sight."""
    found = connection.execute(
        "SELECT recorder FROM recorders WHERE recorder_id = ?", (recorder.recorder_id,)
    ).fetchall()
    if found:
        return int(found[0][0])
    cursor = connection.execute(
        "INSERT INTO recorders (recorder_id, pid, host) VALUES (?, ?, ?)",
        (recorder.recorder_id, recorder.pid, recorder.host),
    )
    return int(cursor.lastrowid or 0)


def ingest(connection: Connection, recorder: int, events: Iterable[SpanEvent]) -> None:
    """Store events of one recorder, whose number is given, in any order."""
    batches = _by_run(events)
    _find_runs(connection, batches)
    writes = _Writes()
    for batch in batches:
        known = {} if batch.is_new else _known_spans(connection, batch)
        for span_id, pair in batch.pairs.items():
            _sort_in(writes, batch, recorder, span_id, pair, known.get(span_id))
    changed = [batch for batch in batches if batch.has_changed]
    unindex(connection, (batch.run for batch in changed if batch.is_indexed))
    writes.apply(connection)
    _enter_runs(connection, recorder, [batch for batch in changed if batch.is_new])
    _update_runs(connection, [batch for batch in changed if not batch.is_new])
    _update_totals(connection, changed)


def _by_run(events: Iterable[SpanEvent]) -> list[_Batch]:
    batches: dict[str, _Batch] = {}
    for event in events:
        batch = batches.get(event.run_id)
        if batch is None:
            batch = batches[event.run_id] = _Batch(event.run_id)
        pair = batch.pairs.get(event.span_id)
        if pair is None:
            pair = batch.pairs[event.span_id] = _Pair()
        if isinstance(event, SpanStart):
            pair.start = pair.start or event
        else:
            pair.end = pair.end or event
    return list(batches.values())


def _find_runs(connection: Connection, batches: Sequence[_Batch]) -> None:
    """Give every batch the number of its run; new ones are entered when all is known of them."""
    last = 0
    for batch in batches:
        found = connection.execute(
            "SELECT run, root_span_id, trace_id, is_indexed FROM runs WHERE run_id = ?",
            (batch.run_id,),
        ).fetchall()
        if found:
            batch.run, batch.root_span_id, batch.trace_id, batch.is_indexed = found[0]
            continue
        if not last:
            last = connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchall()[0][0]
        last += 1
        batch.run = last
        batch.is_new = True


_Known = tuple[int | None, int | None]


def _known_spans(connection: Connection, batch: _Batch) -> dict[str, _Known]:
    """Return start and end, as far as stored, of those spans of a batch that are stored."""
    known: dict[str, _Known] = {}
    ids = list(batch.pairs)
    for first in range(0, len(ids), _LOOK_UP_AT_ONCE):
        some = ids[first : first + _LOOK_UP_AT_ONCE]
        found = connection.execute(
            "SELECT span_id, start_ns, end_ns FROM spans "
            f"WHERE run = ? AND span_id IN ({', '.join('?' * len(some))})",
            (batch.run, *some),
        ).fetchall()
        known.update((span_id, (start_ns, end_ns)) for span_id, start_ns, end_ns in found)
    return known


_Row = dict[str, Any]
"""Columns and their values; what is not in it is NULL."""


@lru_cache(maxsize=512)
def _insert(table: str, filled: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(filled))
    return f"INSERT INTO {table} ({', '.join(filled)}) VALUES ({places})"


@lru_cache(maxsize=512)
def _update(table: str, told: tuple[str, ...], gaps: tuple[str, ...]) -> str:
    """Return the statement that sets the columns told, and of others those that are NULL."""
    changes = [f"{column} = ?" for column in told]
    changes += [f"{column} = coalesce({column}, ?)" for column in gaps]
    return f"UPDATE {table} SET {', '.join(changes)} WHERE run = ? AND span_id = ?"


class _Writes:
    """Rows of a batch, by the statement that writes them.

    A statement names the columns of its rows and no others. There are few such shapes, and binding
    NULL to the rest of the 38 columns of a span would double what writing it takes. In a batch a
    span is either inserted or changed, so the statements may come in any order.
    """

    def __init__(self) -> None:
        self._by_statement: dict[str, list[tuple[Any, ...]]] = {}

    def insert(self, table: str, row: _Row) -> None:
        """Insert a row."""
        self._add(_insert(table, tuple(row)), tuple(row.values()))

    def update(self, table: str, key: tuple[int, str], told: _Row, gaps: _Row) -> None:
        """Set columns of a span's row, and fill those of `gaps` that are NULL."""
        statement = _update(table, tuple(told), tuple(gaps))
        self._add(statement, (*told.values(), *gaps.values(), *key))

    def _add(self, statement: str, parameters: tuple[Any, ...]) -> None:
        rows = self._by_statement.get(statement)
        if rows is None:
            rows = self._by_statement[statement] = []
        rows.append(parameters)

    def apply(self, connection: Connection) -> None:
        """Write everything."""
        for statement, rows in self._by_statement.items():
            connection.executemany(statement, rows)


def _sort_in(
    writes: _Writes,
    batch: _Batch,
    recorder: int,
    span_id: str,
    pair: _Pair,
    known: _Known | None,
) -> None:
    if known is None:
        _add_span(writes, batch.run, recorder, span_id, pair)
        batch.new_spans += 1
        batch.has_changed = True
        return
    start_ns, end_ns = known
    if pair.start is not None and start_ns is None:
        _add_start(writes, batch.run, recorder, pair.start)
        start_ns = pair.start.start_ns
        batch.has_changed = True
    if pair.end is not None and end_ns is None:
        _add_end(writes, batch.run, pair.end, start_ns)
        batch.has_changed = True


def _add_span(writes: _Writes, run: int, recorder: int, span_id: str, pair: _Pair) -> None:
    start, end = pair.start, pair.end
    attributes = _attributes(pair)
    row: _Row = {"run": run, "span_id": span_id, "recorder": recorder}
    content: _Row = {"run": run, "span_id": span_id}
    content.update(columns.content_from(attributes))
    if start is not None:
        row.update(_start_columns(start))
        content["start_attributes"] = columns.without_content(start.attributes)
    if end is not None:
        row.update(_end_columns(end))
        content["end_attributes"] = columns.without_content(end.attributes)
    row.update(columns.columns_from(attributes, row.get("start_ns")))
    writes.insert("spans", row)
    writes.insert("contents", content)


def _attributes(pair: _Pair) -> Mapping[str, Any]:
    """Return what start and end tell together; the end's word counts."""
    start, end = pair.start, pair.end
    if start is None:
        return end.attributes if end else {}
    if end is None or not end.attributes:
        return start.attributes
    return {**start.attributes, **end.attributes}


def _start_columns(start: SpanStart) -> _Row:
    return {
        "parent_span_id": start.parent_span_id,
        "is_root": start.is_root,
        "name": start.name,
        "start_ns": columns.as_int64(start.start_ns),
    }


def _end_columns(end: SpanEnd) -> _Row:
    row: _Row = {"end_ns": columns.as_int64(end.end_ns), "status": end.status.value}
    if end.error is not None:
        row["error_type"] = end.error.type
        row["error_message"] = end.error.message
    return row


def _add_start(writes: _Writes, run: int, recorder: int, start: SpanStart) -> None:
    key = (run, start.span_id)
    told = {"recorder": recorder, **_start_columns(start)}
    # The end's word counts where both have one, whichever arrives first.
    writes.update("spans", key, told, columns.columns_from(start.attributes, told["start_ns"]))
    attributes = columns.without_content(start.attributes)
    content = columns.content_from(start.attributes)
    writes.update("contents", key, {"start_attributes": attributes}, content)


def _add_end(writes: _Writes, run: int, end: SpanEnd, start_ns: int | None) -> None:
    key = (run, end.span_id)
    told = {**_end_columns(end), **columns.columns_from(end.attributes, start_ns)}
    writes.update("spans", key, told, {})
    attributes = columns.without_content(end.attributes)
    content = {**columns.content_from(end.attributes), "end_attributes": attributes}
    writes.update("contents", key, content, {})


# --- the rows of runs -------------------------------------------------------------------------

_ABOUT_RUN: Final = (
    "root_span_id",
    "trace_id",
    "name",
    "status",
    "start_ns",
    "end_ns",
    "wall_ns",
    "session_id",
    "user_id",
    "tags",
    "search",
    "recorder",
)
_OF_ROOT: Final = ("name", "start_ns", "end_ns", "status", "error_type", "error_message")
_INSERT_RUN: Final = (
    f"INSERT INTO runs ({', '.join(_ABOUT_RUN)}, run_id, spans, revision, run) "
    f"VALUES ({', '.join('?' * len(_ABOUT_RUN))}, ?, ?, 1, ?)"
)
_UPDATE_RUN: Final = (
    f"UPDATE runs SET {', '.join(f'{column} = ?' for column in _ABOUT_RUN)} WHERE run = ?"
)


def _enter_runs(connection: Connection, recorder: int, new: Sequence[_Batch]) -> None:
    """Enter runs that were not there, at once with all that their batch tells of them.

    A row that is entered first and described later is written to its twelve indexes twice.
    """
    for batch in new:
        batch.root_span_id = _root_among(batch)
        root = None if batch.root_span_id is None else batch.pairs[batch.root_span_id]
        if root is None or root.start is None:
            connection.execute(
                "INSERT INTO runs (run, run_id, status, spans, recorder, revision) "
                "VALUES (?, ?, ?, ?, ?, 1)",
                (batch.run, batch.run_id, Status.RUNNING.value, batch.new_spans, recorder),
            )
            _describe_without_root(connection, batch)
            continue
        attributes = _attributes(root)
        told = {**_start_columns(root.start), **(_end_columns(root.end) if root.end else {})}
        about = _about_run(batch, told, attributes)
        connection.execute(
            _INSERT_RUN, (*about, recorder, batch.run_id, batch.new_spans, batch.run)
        )
        _tag(connection, batch, attributes)


def _update_runs(connection: Connection, changed: Sequence[_Batch]) -> None:
    connection.executemany(
        "UPDATE runs SET revision = revision + 1, spans = spans + ? WHERE run = ?",
        [(batch.new_spans, batch.run) for batch in changed],
    )
    for batch in changed:
        if batch.root_span_id is None:
            batch.root_span_id = _root_among(batch)
        if batch.root_span_id is None:
            _describe_without_root(connection, batch)
        elif batch.root_span_id in batch.pairs:
            _describe(connection, batch)


def _root_among(batch: _Batch) -> str | None:
    starts = (pair.start for pair in batch.pairs.values())
    return next((start.span_id for start in starts if start and start.is_root), None)


def _trace_id(batch: _Batch) -> str | None:
    starts = (pair.start for pair in batch.pairs.values())
    return next((start.trace_id for start in starts if start and start.trace_id), None)


def _describe(connection: Connection, batch: _Batch) -> None:
    """Bring a run's row up to date with its root."""
    *told, recorder, start_attributes, end_attributes = connection.execute(
        f"SELECT {', '.join(_OF_ROOT)}, recorder, start_attributes, end_attributes "
        "FROM spans LEFT JOIN contents USING (run, span_id) "
        "WHERE run = ? AND span_id = ?",
        (batch.run, batch.root_span_id),
    ).fetchall()[0]
    attributes = columns.attributes_from(start_attributes, end_attributes)
    about = _about_run(batch, dict(zip(_OF_ROOT, told, strict=True)), attributes)
    connection.execute(_UPDATE_RUN, (*about, recorder, batch.run))
    connection.execute("DELETE FROM run_tags WHERE run = ?", (batch.run,))
    _tag(connection, batch, attributes)


def _about_run(
    batch: _Batch, root: Mapping[str, Any], attributes: Mapping[str, Any]
) -> tuple[str | int | None, ...]:
    """Return the columns of a run, but for the recorder, as the columns of its root tell them."""
    name, start_ns, end_ns, status, error_type, error = map(root.get, _OF_ROOT)
    tags = columns.tags(attributes)
    return (
        batch.root_span_id,
        batch.trace_id or _trace_id(batch),
        name,
        Status.RUNNING.value if end_ns is None else status,
        start_ns,
        end_ns,
        None if end_ns is None or start_ns is None else max(0, end_ns - start_ns),
        columns.session_id(attributes),
        columns.user_id(attributes),
        orjson.dumps(tags).decode() if tags else None,
        columns.search_text((name, error_type, error)),
    )


def _tag(connection: Connection, batch: _Batch, attributes: Mapping[str, Any]) -> None:
    tags = columns.tags(attributes)
    if tags:
        connection.executemany(
            "INSERT INTO run_tags (tag, run) VALUES (?, ?)", [(tag, batch.run) for tag in tags]
        )


def _describe_without_root(connection: Connection, batch: _Batch) -> None:
    """Bring the row of a run whose root is not known up to date with all its spans."""
    name, start_ns, end_ns, still_open, recorder = connection.execute(
        "SELECT min(name), min(start_ns), max(end_ns), sum(end_ns IS NULL), min(recorder) "
        "FROM spans WHERE run = ? AND start_ns IS NOT NULL",
        (batch.run,),
    ).fetchall()[0]
    if start_ns is None:
        return
    end_ns = None if still_open else end_ns
    connection.execute(
        _UPDATE_RUN,
        (
            None,
            batch.trace_id or _trace_id(batch),
            name,
            Status.RUNNING.value if still_open else Status.OK.value,
            start_ns,
            end_ns,
            None if end_ns is None else max(0, end_ns - start_ns),
            None,
            None,
            None,
            columns.search_text((name,)),
            recorder,
            batch.run,
        ),
    )


def _update_totals(connection: Connection, changed: Sequence[_Batch]) -> None:
    if changed:
        connection.execute(
            "UPDATE totals SET runs = runs + ?, spans = spans + ?, changes = changes + 1",
            (
                sum(batch.is_new for batch in changed),
                sum(batch.new_spans for batch in changed),
            ),
        )


def mark_changed(connection: Connection) -> None:
    """Move the change token."""
    connection.execute("UPDATE totals SET changes = changes + 1")
