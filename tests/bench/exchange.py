"""How fast runs leave, for LangSmith and into files, and come in again; and the memory it takes.

Subjects: each file format, from packed runs to bytes and from bytes to events, and
`longpole export langsmith` as a process, from a store of realistic runs to the strict
stand-in on the loopback, which runs in this process. Beside it: LangSmith's own client alone, given
the same runs as finished dictionaries. What has arrived is counted before anything is printed.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from longpole.dashboard.parcels import pack_all
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, SpanStart, open_store
from longpole.storage.exchange.csv_out import write_csv
from longpole.storage.exchange.jsonl import read_jsonl, write_jsonl
from longpole.storage.exchange.langsmith.client import NotingSession, open_client
from longpole.storage.exchange.langsmith.runs import langsmith_runs
from longpole.storage.exchange.otlp_in import read_otlp_protobuf
from longpole.storage.exchange.otlp_out import to_request
from longpole.storage.exchange.parcel import Incoming
from longpole.storage.exchange.parquet import write_parquet
from longpole.storage.exchange.perfetto import write_perfetto
from tests.langsmith.server import API_KEY, StandIn
from tests.storage.exchange.stores import fill

BRANCHES = 19
RUNS = (100, 1_000, 5_000)
_BATCH = 100
# The kernel's own high-water mark; that of `wait4` counts this process too, from before the exec.
_MEASURED = """
import atexit, re
from pathlib import Path
from longpole.dashboard.cli.main import main
peak = lambda: re.search("VmHWM.*", Path("/proc/self/status").read_text())[0]
atexit.register(lambda: __import__("sys").stderr.write(peak()))
main()
"""


def main() -> None:
    """Measure and print a table."""
    print(f"exchange: runs of {BRANCHES + 1} spans; LangSmith's API is on the loopback")
    print(f"{'':46}{'spans':>10}{'spans/s':>10}{'peak MB':>10}")
    for runs in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "runs.db"
            fill(path, time.time_ns() - 3600 * 10**9, runs, BRANCHES).close()
            spans = runs * (BRANCHES + 1)
            _print("longpole export langsmith", spans, *_exported(path, spans))
            if runs == RUNS[0]:
                _print("LangSmith's client alone", spans, _client_alone(path, spans), None)
            if runs == RUNS[1]:
                for label, seconds in _formats(path, Path(folder), spans):
                    _print(label, spans, seconds, None)


def _print(label: str, spans: int, seconds: float, peak_mb: float | None) -> None:
    shown = "" if peak_mb is None else f"{peak_mb:10,.0f}"
    print(f"{label:46}{spans:10,}{spans / seconds:10,.0f}{shown}")


def _formats(path: Path, folder: Path, spans: int) -> Iterator[tuple[str, float]]:
    """Yield what each format takes, out of packed runs and into events."""
    store = open_store(str(path))
    try:
        book, now_ns = PriceBook(), time.time_ns()
        start_ns = time.perf_counter_ns()
        parcels = list(pack_all(store, store.run_ids(RunQuery()), book=book, now_ns=now_ns))
        yield "load, price, analyse", _seconds_since(start_ns)
    finally:
        store.close()
    lines, message = folder / "runs.jsonl", folder / "runs.pb"

    def write_lines() -> int:
        with lines.open("wb") as out:
            return write_jsonl(parcels, out).spans

    def write_message() -> int:
        request = to_request(parcels)
        message.write_bytes(request.SerializeToString())
        return sum(len(one.scope_spans[0].spans) for one in request.resource_spans)

    for label, work in (
        ("JSON lines out", write_lines),
        ("JSON lines in", lambda: _starts(read_jsonl(lines))),
        ("OTLP protobuf out", write_message),
        ("OTLP protobuf in", lambda: _starts(read_otlp_protobuf(message))),
        ("CSV out", lambda: write_csv(parcels, io.StringIO(newline=""), "spans").spans),
        ("Parquet out", lambda: write_parquet(parcels, folder).spans),
        ("Perfetto out", lambda: write_perfetto(parcels, io.BytesIO()).spans),
    ):
        start_ns = time.perf_counter_ns()
        counted = work()
        seconds = _seconds_since(start_ns)
        assert counted == spans, f"{label}: {counted} spans, expected {spans}"
        yield label, seconds


def _starts(items: Iterable[Incoming]) -> int:
    return sum(isinstance(item, SpanStart) for item in items)


def _seconds_since(start_ns: int) -> float:
    return (time.perf_counter_ns() - start_ns) / 1e9


def _exported(path: Path, spans: int) -> tuple[float, float]:
    with StandIn() as stand_in:
        told = {"LANGSMITH_ENDPOINT": stand_in.url, "LANGSMITH_API_KEY": API_KEY}
        command = ["export", "langsmith", "--project", "bench", "--store", str(path)]
        start_ns = time.perf_counter_ns()
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, *command],
            env={**os.environ, **told},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = _seconds_since(start_ns)
        assert len(stand_in.runs) == spans
    return seconds, int(done.stderr.split()[-2]) / 1024


def _client_alone(path: Path, spans: int) -> float:
    store = open_store(str(path))
    try:
        runs = [
            run
            for parcel in pack_all(
                store, store.run_ids(RunQuery()), book=PriceBook(), now_ns=time.time_ns()
            )
            for _, run in langsmith_runs(parcel, project="bench")
        ]
    finally:
        store.close()
    with StandIn() as stand_in, NotingSession() as session:
        client = open_client(session, endpoint=stand_in.url, api_key=API_KEY)
        start_ns = time.perf_counter_ns()
        for first in range(0, len(runs), _BATCH):
            client.multipart_ingest(create=runs[first : first + _BATCH])
        seconds = _seconds_since(start_ns)
        assert len(stand_in.runs) == spans
    return seconds


if __name__ == "__main__":
    main()
