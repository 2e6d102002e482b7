"""How long lists, filters and single runs take in a store of a million spans, while one writes.

Subject: 129,500 runs of five kinds of chain (`tests.large_store`); a second process records runs
all the while, as fast as a busy app. What can be counted otherwise is checked before anything is
timed; every question is asked many times.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from longpole.model.run import Status
from longpole.storage import Recorder, RunOrder, RunQuery, Store, open_store
from longpole.storage.filter_text import parse
from longpole.storage.run_events import events_from_run
from tests.large_store import drawn_runs, make_large_store

RUNS = 129_500
REPETITIONS = 40

_FILTERS = {
    "filter: status and wall": "status:error wall>2s",
    "filter: model and time": "model:gpt-4.1* since:1d",
    "filter: branch": "branch:gemini",
    "filter: retries and cost": "has:retry cost>0.001",
    "filter: tag and session": "tag:nightly session:session-3",
    "filter: error": "error:RateLimit*",
    "filter: words": '"slow down"',
    "filter: rare": "name:panel model:*haiku* has:error has:unpriced wall>3s",
}


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.db"
        now_ns = time.time_ns()
        runs, spans = make_large_store(path, runs=RUNS, now_ns=now_ns)
        size_bytes = path.stat().st_size
        print(
            f"lists: {runs:,} runs, {spans:,} spans, {size_bytes / spans:,.0f} bytes a span "
            "without content, one process recording beside; milliseconds"
        )
        store = open_store(str(path), mode="read")
        _check(store, runs)
        writer = subprocess.Popen([sys.executable, "-m", "tests.bench.lists", str(path)])
        try:
            for label, ask in questions(store, now_ns).items():
                print_times(label, *times_ms(ask))
        finally:
            writer.terminate()
            writer.wait()
            store.close()


def _check(store: Store, runs: int) -> None:
    """Ask what can be counted otherwise."""
    if store.list_runs(RunQuery(limit=1)).total != runs:
        raise SystemExit("not all runs are listed")
    by_status = sum(store.list_runs(RunQuery(status=(status,), limit=1)).total for status in Status)
    if by_status != runs:
        raise SystemExit(f"statuses add up to {by_status} of {runs} runs")


def questions(store: Store, now_ns: int) -> dict[str, Callable[[], object]]:
    """What is asked of a store, by label."""
    dice = random.Random(5)
    ids = store.run_ids(RunQuery())
    page = RunQuery(limit=50)
    asked: dict[str, Callable[[], object]] = {
        "newest page": lambda: store.list_runs(page),
        "page in the middle": lambda: store.list_runs(replace(page, offset=dice.randrange(60_000))),
        "dearest first": lambda: store.list_runs(replace(page, order=RunOrder.COST)),
        "slowest of one chain": lambda: store.list_runs(
            replace(page, order=RunOrder.WALL, name="panel")
        ),
        "counts and change token": store.state,
        "one run": lambda: store.load_run(dice.choice(ids)),
        "run by the beginning of its id": lambda: store.resolve(dice.choice(ids)[:12]),
    }
    for label, text in _FILTERS.items():
        where = parse(text, now_ns=now_ns)
        asked[label] = lambda where=where: store.list_runs(replace(page, where=where))  # type: ignore[misc]
    return asked


def times_ms(
    ask: Callable[[], object], repetitions: int = REPETITIONS
) -> tuple[list[float], list[float]]:
    """Return how long each asking took, and the processor time of it; the first is not counted."""
    ask()
    taken, used = [], []
    for _ in range(repetitions):
        start_ns, begin_ns = time.perf_counter_ns(), time.thread_time_ns()
        ask()
        taken.append((time.perf_counter_ns() - start_ns) / 1e6)
        used.append((time.thread_time_ns() - begin_ns) / 1e6)
    return taken, used


def print_times(label: str, taken: list[float], used: list[float]) -> None:
    """Print one line."""
    p95s = (statistics.quantiles(times, n=20)[-1] for times in (taken, used))
    medians = map(statistics.median, (taken, used))
    wall, processor = (
        f"median {median:8.1f}   p95 {p95:8.1f}" for median, p95 in zip(medians, p95s, strict=True)
    )
    print(f"  {label:34}{wall}   processor time {processor}")


def _record_for_ever(path: Path) -> None:
    """Write as a busy app does, in a process of its own, until it is ended."""
    store = open_store(str(path), mode="write")
    recorder = Recorder(recorder_id="9" * 16, pid=1, host="writer")
    for turn in range(1, 1_000_000):
        for run in drawn_runs(50, seed=turn, begin_ns=time.time_ns()):
            store.write(recorder, events_from_run(run))


if __name__ == "__main__":
    _record_for_ever(Path(sys.argv[1]))
