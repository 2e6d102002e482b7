"""How fast ClickHouse takes spans in, how large they get, and how long lists take at a million.

Subject: chDB, the engine in this process, on as many cores as the machine has; a server does the
same work in another process. Spans with content (about 1.3 kB each) are written as the drainer
writes them, for the rate and the size. For the lists some hundred runs are drawn, written and
settled the ordinary way and copied by the engine to other ids and times, as `tests.large_store`
does in SQLite. What was written is counted before anything is timed. The engine is in this process,
so its processor time is told beside the time that passes: on a busy machine only that compares.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from longpole.dashboard.settle import settle
from longpole.model import semconv
from longpole.model.pricing import PriceBook
from longpole.model.run import Run, Status
from longpole.storage import Recorder, RunQuery, SpanEvent, SpanStart, Store, open_store
from longpole.storage.clickhouse.address import read_address
from longpole.storage.clickhouse.connection import ClientDatabase
from longpole.storage.run_events import events_from_run
from tests.bench.lists import print_times, questions, times_ms
from tests.large_store import MS, drawn_runs
from tests.storage.clickhouse.collector import GENERATIONS

SPANS_WRITTEN = 60_000
BATCHES = (100, 1_000, 10_000)
SETTLED = 800
TEMPLATES = 500
COPIES = 259
_APART_NS = 3_600_000_000_000
"""Between copies: whole hours, so that a summary stays in the hour of its run."""
REPETITIONS = 7
_RECORDER = Recorder(recorder_id="f" * 16, pid=1, host="bench")
_WORDS = Path(__file__).read_text().split()


def main() -> None:
    """Measure and print tables."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = f"{folder}/data"
        for table in ("longpole", "collector"):
            _write(f"chdb:///{folder}/engine?database=write_{table}", table)
        _settle(f"chdb:///{folder}/engine?database=settle")
        for table in ("longpole", "collector"):
            _ask(f"chdb:///{folder}/engine?database=ask_{table}", table)


def _opened(url: str, table: str) -> Store:
    if table == "collector":
        database = ClientDatabase(read_address(url))
        database.command(f"CREATE DATABASE {database.address.database}")
        database.command(GENERATIONS["2026"].replace("{name}", database.name("otel_traces")))
        database.close()
    return open_store(url, mode="write")


# --- writing ------------------------------------------------------------------------------------


def _write(url: str, table: str) -> None:
    store = _opened(url, table)
    events = _with_content(_runs_without_end(), random.Random(7))
    print(f"clickhouse: spans a second into chDB, the {table}'s table, 1.3 kB of content a span")
    written = 0
    for batch in BATCHES:
        spans = min(SPANS_WRITTEN, batch * 30)
        some = list(islice(events, spans * 2))
        start_ns, used_ns = time.perf_counter_ns(), time.process_time_ns()
        for first in range(0, len(some), batch * 2):
            store.write(_RECORDER, some[first : first + batch * 2])
        taken_s = (time.perf_counter_ns() - start_ns) / 1e9
        used_s = (time.process_time_ns() - used_ns) / 1e9
        written += len({(event.run_id, event.span_id) for event in some})
        print(
            f"  {f'{batch:,} spans an insert':34}{spans / taken_s:12,.0f}"
            f"   a processor second {spans / used_s:10,.0f}"
        )
    state = store.state()
    if state.spans != written:
        raise SystemExit(f"expected {written} spans, found {state.spans}")
    _merge(url)
    _print_sizes(url, written)
    store.close()


def _runs_without_end() -> Iterator[Run]:
    seed = 0
    while True:
        seed += 1
        for run in drawn_runs(500, seed=seed, begin_ns=1_790_000_000_000_000_000 + seed * 10**12):
            yield replace(run, trace_id=run.run_id)


def _with_content(runs: Iterable[Run], dice: random.Random) -> Iterator[SpanEvent]:
    """Events span by span: a start, and its end right behind it."""
    for run in runs:
        for event in events_from_run(run):
            key = semconv.INPUT_VALUE if isinstance(event, SpanStart) else semconv.OUTPUT_VALUE
            text = " ".join(dice.choices(_WORDS, k=90))
            yield event._replace(attributes={**event.attributes, key: text})


def _merge(url: str) -> None:
    database = ClientDatabase(read_address(url))
    for name in ("otel_traces", "longpole_runs", "longpole_open", "longpole_texts"):
        database.command(f"OPTIMIZE TABLE {database.name(name)} FINAL")
    database.close()


def _print_sizes(url: str, spans: int) -> None:
    database = ClientDatabase(read_address(url))
    found = database.query(
        "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active "
        "AND database = {name:String} GROUP BY table ORDER BY 2 DESC",
        {"name": database.address.database},
    )
    database.close()
    for name, size_bytes in found.rows:
        if size_bytes > spans:
            print(f"  {f'bytes a span in {name}':34}{size_bytes / spans:12,.1f}")


# --- settling and indexing ----------------------------------------------------------------------


def _settle(url: str) -> None:
    """Tell how long a worker takes, and what the words of contents take on disk."""
    store = _opened(url, "longpole")
    runs = drawn_runs(SETTLED, seed=5, begin_ns=1_790_000_000_000_000_000)
    store.write(_RECORDER, list(_with_content(runs, random.Random(7))))
    spans = store.state().spans
    start_ns = time.process_time_ns()
    indexed = store.index_runs(SETTLED)
    index_s = (time.process_time_ns() - start_ns) / 1e9
    settled = settle(store, book=PriceBook(), now_ns=2 * 10**18, limit=SETTLED)
    both_s = (time.process_time_ns() - start_ns) / 1e9
    if (indexed, settled) != (SETTLED, SETTLED):
        raise SystemExit(f"expected {SETTLED} runs, indexed {indexed} and settled {settled}")
    print(f"clickhouse: a worker on {SETTLED} runs, {spans:,} spans with content")
    for label, taken_s in (
        ("priced and analysed", both_s - index_s),
        ("indexed", index_s),
        ("both", both_s),
    ):
        print(f"  {f'runs {label}':34}{SETTLED / taken_s:12,.0f} a processor second")
    _merge(url)
    _print_sizes(url, spans)
    store.close()


# --- asking -------------------------------------------------------------------------------------


def _ask(url: str, table: str) -> None:
    store = _opened(url, table)
    now_ns = time.time_ns()
    begin_ns = now_ns - TEMPLATES * 1_000 * MS
    runs = [
        replace(run, trace_id=run.run_id)
        for run in drawn_runs(TEMPLATES, seed=1, begin_ns=begin_ns)
    ]
    store.write(_RECORDER, [event for run in runs for event in events_from_run(run)])
    settle(store, book=PriceBook(), now_ns=now_ns, limit=TEMPLATES)
    _multiply(url)
    _merge(url)
    state = store.state()
    _check(store, TEMPLATES * COPIES)
    print(
        f"clickhouse: {state.runs:,} runs, {state.spans:,} spans without content, the {table}'s "
        "table; milliseconds"
    )
    _print_sizes(url, state.spans)
    for label, ask in questions(store, now_ns).items():
        if table == "longpole" or label == "one run":
            _print(label, ask)
    since = RunQuery(since_ns=now_ns - 3_600 * 10**9)
    _print("newest page of the last hour", lambda: store.list_runs(since))
    store.close()


def _print(label: str, ask: Callable[[], object]) -> None:
    used_ns = time.process_time_ns()
    taken, used = times_ms(ask, REPETITIONS)
    used_ms = (time.process_time_ns() - used_ns) / 1e6 / (REPETITIONS + 1)
    print_times(f"{label} ({used_ms:,.0f} ms, engine too)", taken, used)


def _multiply(url: str) -> None:
    """Copy all runs to other ids and earlier times; the views follow."""
    database = ClientDatabase(read_address(url))
    other_id = (
        "concat(leftPad(lower(hex(toUInt32(cityHash64({id}, copy)))), 8, '0'), substring({id}, 9))"
    )
    for table, id_column, changed in (
        (
            "otel_traces",
            "TraceId",
            "fromUnixTimestamp64Nano(toUnixTimestamp64Nano(Timestamp) - "
            f"toInt64(copy) * {_APART_NS}) AS Timestamp",
        ),
        ("longpole_summaries", "run_id", f"hour - toUInt32(copy * {_APART_NS // 10**9}) AS hour"),
    ):
        database.command(
            f"INSERT INTO {database.name(table)} "
            f"SELECT * EXCEPT copy REPLACE({other_id.replace('{id}', id_column)} AS {id_column}, "
            f"{changed}) FROM {database.name(table)} CROSS JOIN "
            f"(SELECT number + 1 AS copy FROM numbers({COPIES - 1})) AS copies"
        )
    database.close()


def _check(store: Store, runs: int) -> None:
    if store.list_runs(RunQuery(limit=1)).total != runs:
        raise SystemExit("not all runs are listed")
    by_status = sum(store.list_runs(RunQuery(status=(one,), limit=1)).total for one in Status)
    if by_status != runs:
        raise SystemExit(f"statuses add up to {by_status} of {runs} runs")
    if not all(row.is_settled for row in store.list_runs(RunQuery(limit=500)).rows):
        raise SystemExit("copied summaries do not fit their runs")
