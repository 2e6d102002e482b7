"""How fast the store takes spans in, beside plain `executemany` of the same rows.

Subject: runs of a realistic shape as the tracer writes them, about 1.6 kB a span with content.
Both subjects write the same spans into fresh WAL databases on the same disk; what was written is
counted before anything is printed.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from longpole.model.run import Status
from longpole.model.settings import read_settings
from longpole.storage import RunQuery, SpanEnd, SpanEvent, SpanStart, open_store
from longpole.storage.writer import Writer

REPETITIONS = 5
RUNS = 500
SPANS_A_RUN = 21
_TEXT = "The harbour opens at six and the first boats leave at seven. " * 10


def main() -> None:
    """Measure and print a table."""
    events = [event for number in range(RUNS) for event in _events_of_run(number)]
    spans = RUNS * SPANS_A_RUN
    appended, drained, plain, sizes = [], [], [], []
    for _ in range(REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            one = _through_the_writer(Path(folder) / "runs.db", events, spans)
            appended.append(one[0])
            drained.append(one[1])
            sizes.append(one[2])
            plain.append(_plain_rows(Path(folder) / "plain.db", events, spans))
    print(f"store: {spans:,} spans, {len(events):,} events; medians (lowest … highest)")
    _print("append, µs an event on the caller's thread", appended)
    _print("spool to database, spans a second", drained)
    _print("plain executemany, spans a second", plain)
    ratio = statistics.median(drained) / statistics.median(plain)
    print(f"{'share of plain executemany':46}{ratio:10.2f}")
    _print("bytes a span in the database", sizes)


def _print(label: str, values: list[float]) -> None:
    middle = statistics.median(values)
    print(f"{label:46}{middle:10,.1f} ({min(values):,.1f} … {max(values):,.1f})")


def _through_the_writer(
    path: Path, events: list[SpanEvent], spans: int
) -> tuple[float, float, float]:
    writer = Writer(str(path), settings=read_settings({}), cadence_s=0.0)
    start_ns = time.perf_counter_ns()
    for event in events:
        writer.append(event)
    appended_ns = time.perf_counter_ns() - start_ns
    if not writer.flush(120.0):
        raise SystemExit("the store did not take everything in")
    drained_ns = time.perf_counter_ns() - start_ns
    writer.close(10.0)
    store = open_store(str(path), mode="read")
    page = store.list_runs(RunQuery(limit=1))
    stored = store.state().spans
    store.close()
    if (page.total, stored) != (RUNS, spans):
        raise SystemExit(f"expected {RUNS} runs and {spans} spans, got {page.total}, {stored}")
    return (
        appended_ns / len(events) / 1000,
        spans / (drained_ns / 1e9),
        path.stat().st_size / spans,
    )


def _plain_rows(path: Path, events: list[SpanEvent], spans: int) -> float:
    rows = _rows(events)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        "CREATE TABLE spans (run TEXT, span TEXT, parent TEXT, name TEXT, start INTEGER, "
        "end INTEGER, status TEXT, input TEXT, output TEXT, PRIMARY KEY (run, span)) STRICT;"
        "CREATE INDEX by_start ON spans (start);"
        "CREATE INDEX by_run ON spans (run, start);"
    )
    start_ns = time.perf_counter_ns()
    for first in range(0, len(rows), 1000):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows[first : first + 1000]
        )
        connection.execute("COMMIT")
    taken_ns = time.perf_counter_ns() - start_ns
    (stored,) = connection.execute("SELECT count(*) FROM spans").fetchone()
    connection.close()
    if stored != spans:
        raise SystemExit(f"expected {spans} plain rows, got {stored}")
    return spans / (taken_ns / 1e9)


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
