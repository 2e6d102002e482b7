"""How fast the store takes spans in, beside plain `executemany` of the same rows.

Subject: runs of a realistic shape as the tracer writes them, about 1.6 kB a span with content, into
fresh WAL databases on the same disk: recorded and taken in at once by one process, as in an app;
taken in alone, from the spool of a recorder that is gone. Beside it `executemany` of the rows that
this made, into the same tables, and of nine columns of each span into one table, which is what a
recorder would write that had nothing to answer but where time went. What was written is counted
before anything is printed.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from longpole.model.run import Status
from longpole.model.settings import read_settings
from longpole.storage import RunQuery, SpanEnd, SpanEvent, SpanStart, open_store
from longpole.storage.codec import encode
from longpole.storage.commit import Committer
from longpole.storage.database import open_for_writing
from longpole.storage.drain import sweep
from longpole.storage.spool import SpoolFile, spool_folder
from longpole.storage.store import Recorder
from longpole.storage.writer import Writer

REPETITIONS = 5
RUNS = 500
SPANS_A_RUN = 21
SPANS = RUNS * SPANS_A_RUN
_TEXT = "The harbour opens at six and the first boats leave at seven. " * 10
_TABLES = ("spans", "contents")
_ROWS_A_COMMIT = 1_000


def main() -> None:
    """Measure and print a table."""
    events = [event for number in range(RUNS) for event in _events_of_run(number)]
    subjects: dict[str, Callable[[Path, list[SpanEvent]], float]] = {
        "recorded and taken in at once, spans a second": _at_once,
        "taken in alone, spans a second": _alone,
        "executemany of the same rows, spans a second": _same_rows,
        "executemany of nine columns, spans a second": _nine_columns,
    }
    measured: dict[str, list[float]] = {label: [] for label in subjects}
    sizes: list[float] = []
    for _ in range(REPETITIONS):
        for label, subject in subjects.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "runs.db"
                measured[label].append(SPANS / (subject(path, events) / 1e9))
                if subject is _alone:
                    sizes.append(path.stat().st_size / SPANS)
    print(f"store: {SPANS:,} spans, {len(events):,} events; medians (lowest … highest)")
    for label, values in measured.items():
        _print(label, values)
    _print("bytes a span in the database", sizes)
    at_once, alone, same, nine = map(statistics.median, measured.values())
    print(f"{'at once, of executemany of the same rows':52}{at_once / same:10.2f}")
    print(f"{'alone, of executemany of the same rows':52}{alone / same:10.2f}")
    print(f"{'alone, of executemany of nine columns':52}{alone / nine:10.2f}")


def _print(label: str, values: list[float]) -> None:
    middle = statistics.median(values)
    print(f"{label:52}{middle:10,.0f} ({min(values):,.0f} … {max(values):,.0f})")


def _at_once(path: Path, events: list[SpanEvent]) -> float:
    writer = Writer(str(path), settings=read_settings({}), cadence_s=0.0)
    start_ns = time.perf_counter_ns()
    for event in events:
        writer.append(event)
    if not writer.flush(120.0):
        raise SystemExit("the store did not take everything in")
    taken_ns = time.perf_counter_ns() - start_ns
    writer.close(10.0)
    _check_store(path)
    return taken_ns


def _alone(path: Path, events: list[SpanEvent]) -> float:
    _write_spool(path, events)
    committer = Committer(path, lock_wait_s=None, busy_wait_s=1.0)
    start_ns = time.perf_counter_ns()
    sweep(committer, is_over=lambda: False)
    taken_ns = time.perf_counter_ns() - start_ns
    committer.close()
    _check_store(path)
    return taken_ns


def _write_spool(path: Path, events: list[SpanEvent]) -> None:
    recorder = Recorder(recorder_id="c" * 16, pid=os.getpid(), host="")
    spool = SpoolFile(spool_folder(path), recorder, 1)
    for event in events:
        spool.append(encode(event), is_start=isinstance(event, SpanStart))
    spool.close()


def _check_store(path: Path) -> None:
    with closing(open_store(str(path), mode="read")) as store:
        found = (store.list_runs(RunQuery(limit=1)).total, store.state().spans)
    if found != (RUNS, SPANS):
        raise SystemExit(f"expected {RUNS} runs and {SPANS} spans, got {found}")


def _same_rows(path: Path, events: list[SpanEvent]) -> float:
    stored = path.with_name("stored.db")
    _alone(stored, events)
    with closing(open_for_writing(stored, wait_s=1.0)) as connection:
        rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in _TABLES}
    with closing(open_for_writing(path, wait_s=1.0)) as connection:
        return _written(connection, rows)


def _nine_columns(path: Path, events: list[SpanEvent]) -> float:
    rows = _rows(events)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE spans (run TEXT, span TEXT, parent TEXT, name TEXT, start INTEGER, "
            "end INTEGER, status TEXT, input TEXT, output TEXT, PRIMARY KEY (run, span)) STRICT;"
            "CREATE INDEX by_start ON spans (start);"
            "CREATE INDEX by_run ON spans (run, start);"
        )
        return _written(connection, {"spans": rows})


def _written(connection: sqlite3.Connection, tables: dict[str, list[tuple[object, ...]]]) -> float:
    start_ns = time.perf_counter_ns()
    for first in range(0, SPANS, _ROWS_A_COMMIT):
        connection.execute("BEGIN IMMEDIATE")
        for name, rows in tables.items():
            places = ", ".join("?" * len(rows[0]))
            connection.executemany(
                f"INSERT INTO {name} VALUES ({places})", rows[first : first + _ROWS_A_COMMIT]
            )
        connection.execute("COMMIT")
    taken_ns = time.perf_counter_ns() - start_ns
    for name in tables:
        (stored,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
        if stored != SPANS:
            raise SystemExit(f"expected {SPANS} rows in {name}, got {stored}")
    return taken_ns


def _rows(events: list[SpanEvent]) -> list[tuple[object, ...]]:
    ends = {(event.run_id, event.span_id): event for event in events if isinstance(event, SpanEnd)}
    return [
        (
            event.run_id,
            event.span_id,
            event.parent_span_id,
            event.name,
            event.start_ns,
            ends[event.run_id, event.span_id].end_ns,
            ends[event.run_id, event.span_id].status.value,
            event.attributes["input.value"],
            ends[event.run_id, event.span_id].attributes["output.value"],
        )
        for event in events
        if isinstance(event, SpanStart)
    ]


def _events_of_run(number: int) -> list[SpanEvent]:
    run_id = f"{number:032x}"
    begin_ns = 1_790_000_000_000_000_000 + number * 1_000_000_000
    events: list[SpanEvent] = []
    for span in range(SPANS_A_RUN):
        root = span == 0
        events.append(
            SpanStart(
                run_id=run_id,
                trace_id=run_id,
                span_id=f"{number:08x}{span:08x}",
                parent_span_id=None if root else f"{number:08x}{0:08x}",
                is_root=root,
                name="panel" if root else "gpt-4o-mini",
                start_ns=begin_ns + span,
                attributes={
                    "longpole.kind": "chain" if root else "llm",
                    "openinference.span.kind": "CHAIN" if root else "LLM",
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "longpole.branch": str(span),
                    "longpole.fan_out": "parallel",
                    "longpole.order.group": "parallel",
                    "input.value": _TEXT,
                    "input.mime_type": "text/plain",
                },
            )
        )
    ends = (
        SpanEnd(
            run_id=run_id,
            span_id=f"{number:08x}{span:08x}",
            end_ns=begin_ns + 1_000_000 + span,
            status=Status.OK,
            attributes={
                "gen_ai.usage.input_tokens": 812,
                "gen_ai.usage.output_tokens": 120,
                "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                "output.value": _TEXT,
                "output.mime_type": "text/plain",
            },
        )
        for span in reversed(range(SPANS_A_RUN))
    )
    return [*events, *ends]
