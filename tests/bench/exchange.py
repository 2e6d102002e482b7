"""How fast runs leave for LangSmith, and how much memory that takes.

Subject: `longpole export langsmith` as a process, from a store of realistic runs to the strict
stand-in on the loopback, which runs in this process. Beside it: LangSmith's own client alone, given
the same runs as finished dictionaries. What has arrived is counted before anything is printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from longpole.dashboard.parcels import pack
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, open_store
from longpole.storage.exchange.langsmith.client import NotingSession, open_client
from longpole.storage.exchange.langsmith.runs import langsmith_runs
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
    print(f"exchange: runs of {BRANCHES + 1} spans to LangSmith's API on the loopback")
    print(f"{'':46}{'spans':>10}{'spans/s':>10}{'peak MB':>10}")
    for runs in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "runs.db"
            fill(path, time.time_ns() - 3600 * 10**9, runs, BRANCHES).close()
            spans = runs * (BRANCHES + 1)
            _print("longpole export langsmith", spans, *_exported(path, spans))
            if runs == RUNS[0]:
                _print("LangSmith's client alone", spans, _client_alone(path, spans), None)


def _print(label: str, spans: int, seconds: float, peak_mb: float | None) -> None:
    shown = "" if peak_mb is None else f"{peak_mb:10,.0f}"
    print(f"{label:46}{spans:10,}{spans / seconds:10,.0f}{shown}")


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
        seconds = (time.perf_counter_ns() - start_ns) / 1e9
        assert len(stand_in.runs) == spans
    return seconds, int(done.stderr.split()[-2]) / 1024


def _client_alone(path: Path, spans: int) -> float:
    store = open_store(str(path))
    try:
        runs = [
            run
            for run_id in store.run_ids(RunQuery())
            for _, run in langsmith_runs(
                pack(store, run_id, book=PriceBook(), now_ns=time.time_ns()), project="bench"
            )
        ]
    finally:
        store.close()
    with StandIn() as stand_in, NotingSession() as session:
        client = open_client(session, endpoint=stand_in.url, api_key=API_KEY)
        start_ns = time.perf_counter_ns()
        for first in range(0, len(runs), _BATCH):
            client.multipart_ingest(create=runs[first : first + _BATCH])
        seconds = (time.perf_counter_ns() - start_ns) / 1e9
        assert len(stand_in.runs) == spans
    return seconds


if __name__ == "__main__":
    main()
