"""How fast new runs are settled and indexed: stage by stage, then all of it, as users have it.

Subject: runs of five kinds of chain (`tests.large_store`) with a question and an answer at every
model call, which the spans above them repeat, as chains do. Stages are processor time of one core;
the rest is wall time, once in one process and once with two that compute beside the one that
writes. What was settled and indexed is counted, and compared, before anything is printed.
"""

from __future__ import annotations

import random
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from longpole.analysis.collector import no_cycle_collection
from longpole.dashboard.backlog import settle_backlog
from longpole.dashboard.settle import BATCH, settle, summary_of
from longpole.model import Kind, Run
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import Recorder, RunQuery, SpanEvent, SpanStart, Store, open_store
from longpole.storage.filter_text import parse
from longpole.storage.run_events import events_from_run
from tests.large_store import drawn_runs

RUNS = 8_000
WRITTEN_AT_ONCE = 50
BEGIN_NS = 1_790_000_000_000_000_000
WORDS = 20_000


def main() -> None:
    """Measure and print a table."""
    dice = random.Random(3)
    words = ["".join(dice.choices("aeioulnrstdm", k=dice.randrange(2, 10))) for _ in range(WORDS)]
    weights = [1 / (rank + 1) for rank in range(WORDS)]

    def text() -> str:
        return " ".join(dice.choices(words, weights, k=dice.randrange(20, 160)))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        store = open_store(str(path), mode="write")
        chars = _record(store.write, drawn_runs(RUNS, seed=3, begin_ns=BEGIN_NS), text)
        spans = store.state().spans
        store.close()
        print(f"settle: {RUNS:,} runs, {spans:,} spans, {chars / spans:,.0f} characters a span")
        copies = [path.with_name(name) for name in ("stages.db", "one.db", "two.db")]
        for copy in copies:
            shutil.copy(path, copy)
        _stages(copies[0], spans)
        _index(copies[0], spans, words[0])
        one, two = (
            _whole(copies[1], spans, "one process", _in_one),
            _whole(copies[2], spans, "two beside it", _in_two),
        )
        if one != two:
            raise SystemExit("several processes keep something else than one")


def _record(
    write: Callable[[Recorder, list[SpanEvent]], None], runs: Iterator[Run], text: Callable[[], str]
) -> int:
    recorder = Recorder(recorder_id="f" * 16, pid=1, host="bench")
    chars = 0
    while some := list(islice(runs, WRITTEN_AT_ONCE)):
        events = [event for run in some for event in _with_texts(run, text)]
        chars += sum(
            len(str(event.attributes.get(key, "")))
            for event in events
            for key in ("input.value", "output.value")
        )
        write(recorder, events)
    return chars


def _with_texts(run: Run, text: Callable[[], str]) -> Iterator[SpanEvent]:
    said = {span.span_id: text() for span in run.spans if span.kind is Kind.LLM}
    above = {span.parent_span_id: said[span.span_id] for span in run.spans if span.span_id in said}
    for event in events_from_run(run):
        value = said.get(event.span_id) or above.get(event.span_id)
        if value is not None:
            is_start = isinstance(event, SpanStart)
            told = {"input.value": value} if is_start else {"output.value": value[::-1]}
            event = event._replace(attributes={**event.attributes, **told})
        yield event


def _stages(path: Path, spans: int) -> None:
    """Do what `settle` does, step by step."""
    store = open_store(str(path), mode="write")
    book = PriceBook()
    taken = dict.fromkeys(("load", "price", "analyse", "save"), 0.0)
    settled = 0

    def timed(step: str, begin: float) -> float:
        now = time.process_time()
        taken[step] += now - begin
        return now

    while waiting := dict(store.unsettled_runs(BATCH)):
        with no_cycle_collection():
            at = time.process_time()
            runs = list(store.load_runs(list(waiting)))
            at = timed("load", at)
            priced = [price_run(run, book) for run in runs]
            at = timed("price", at)
            summaries = [summary_of(run, waiting[run.run_id], now_ns=BEGIN_NS) for run in priced]
            at = timed("analyse", at)
        store.save_summaries(summaries)
        timed("save", at)
        settled += len(runs)
    store.close()
    if settled != RUNS:
        raise SystemExit(f"{settled} of {RUNS} runs were settled")
    for step, seconds in taken.items():
        print(f"  {step:14}{spans / seconds:10,.0f} spans a second of processor time")
    print(f"  {'together':14}{spans / sum(taken.values()):10,.0f}")


def _index(path: Path, spans: int, word: str) -> None:
    store = open_store(str(path), mode="write")
    begin = time.process_time()
    indexed = store.index_runs(RUNS)
    seconds = time.process_time() - begin
    if indexed != RUNS:
        raise SystemExit(f"{indexed} of {RUNS} runs were indexed")
    if store.list_runs(RunQuery(where=parse(word, now_ns=0))).total < RUNS / 2:
        raise SystemExit("the most frequent word is hardly found")
    store.close()
    print(f"  {'index':14}{spans / seconds:10,.0f}, on its own")
    connection = sqlite3.connect(path)
    for label, tables in (("facets", "'facets%', 'words'"), ("texts", "'texts%'"), ("all", "'%'")):
        where = " OR ".join(f"name LIKE {table}" for table in tables.split(", "))
        (used,) = connection.execute(f"SELECT sum(pgsize) FROM dbstat WHERE {where}").fetchone()
        print(f"  {label:14}{used / spans:10,.0f} bytes a span")
    connection.close()


def _whole(path: Path, spans: int, label: str, job: Callable[[Store], int]) -> dict[str, Any]:
    """Settle and index everything, and return what is kept."""
    store = open_store(str(path), mode="write")
    before_s, own_before_s, begin = _processor_s(), time.process_time(), time.perf_counter()
    settled = job(store)
    wall_s, processor_s = time.perf_counter() - begin, _processor_s() - before_s
    own_s = time.process_time() - own_before_s
    kept = {row.run_id: row.summary for row in store.list_runs(RunQuery(limit=RUNS)).rows}
    is_done = settled == len(kept) == RUNS and not store.has_unindexed_runs()
    store.close()
    if not is_done:
        raise SystemExit(f"{settled} of {RUNS} runs were settled")
    print(
        f"  {label:14}{spans / wall_s:10,.0f} spans a second of wall time, settled and indexed"
        f" ({wall_s:.1f} s; processors: {own_s:.1f} s here, {processor_s:.1f} s in all)"
    )
    return kept


def _in_one(store: Store) -> int:
    return settle(store, book=PriceBook(), now_ns=BEGIN_NS, limit=RUNS)


def _in_two(store: Store) -> int:
    return settle_backlog(store, book=PriceBook(), now_ns=BEGIN_NS, limit=RUNS, processes=2)


def _processor_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
