"""How fast new runs are settled and indexed: loading, pricing, analysing, saving, each on its own.

Subject: runs of five kinds of chain (`tests.large_store`) with a question and an answer at every
model call, which the spans above them repeat, as chains do; processor time of one core. What was
settled and indexed is counted before anything is printed.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from longpole.dashboard.settle import summary_of
from longpole.model import Kind, Run
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import Recorder, RunQuery, SpanEvent, SpanStart, open_store
from longpole.storage.filter_text import parse
from longpole.storage.run_events import events_from_run
from tests.large_store import drawn_runs

RUNS = 2_000
AT_ONCE = 200
BEGIN_NS = 1_790_000_000_000_000_000
WORDS = 20_000


def main() -> None:
    """Measure and print a table."""
    dice = random.Random(3)
    words = ["".join(dice.choices("aeioulnrstdm", k=dice.randrange(2, 10))) for _ in range(WORDS)]
    weights = [1 / (rank + 1) for rank in range(WORDS)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        store = open_store(str(path), mode="write")
        runs = drawn_runs(RUNS, seed=3, begin_ns=BEGIN_NS)

        def text() -> str:
            return " ".join(dice.choices(words, weights, k=dice.randrange(20, 160)))

        chars = _record(store.write, runs, text)
        spans = store.state().spans
        print(f"settle: {RUNS:,} runs, {spans:,} spans, {chars / spans:,.0f} characters a span")
        _settle(path, spans)
        _index(path, spans)
        if store.list_runs(RunQuery(where=parse(words[0], now_ns=0))).total < RUNS / 2:
            raise SystemExit("the most frequent word is hardly found")
        store.close()


def _record(
    write: Callable[[Recorder, list[SpanEvent]], None], runs: Iterator[Run], text: Callable[[], str]
) -> int:
    recorder = Recorder(recorder_id="f" * 16, pid=1, host="bench")
    chars = 0
    for run in runs:
        said = {span.span_id: text() for span in run.spans if span.kind is Kind.LLM}
        above = {
            span.parent_span_id: said[span.span_id] for span in run.spans if span.span_id in said
        }
        events: list[SpanEvent] = []
        for event in events_from_run(run):
            value = said.get(event.span_id) or above.get(event.span_id)
            if value is not None:
                key = "input.value" if isinstance(event, SpanStart) else "output.value"
                value = value if isinstance(event, SpanStart) else value[::-1]
                event = event._replace(attributes={**event.attributes, key: value})
                chars += len(value)
            events.append(event)
        write(recorder, events)
    return chars


def _settle(path: Path, spans: int) -> None:
    """Do what `settle` does, step by step."""
    store = open_store(str(path), mode="write")
    book = PriceBook()
    taken = dict.fromkeys(("load", "price", "analyse", "save"), 0.0)
    settled = 0

    def timed(step: str, begin: float) -> float:
        now = time.process_time()
        taken[step] += now - begin
        return now

    while waiting := dict(store.unsettled_runs(AT_ONCE)):
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
        print(f"  {step:10}{spans / seconds:10,.0f} spans a second")
    print(f"  {'together':10}{spans / sum(taken.values()):10,.0f} spans a second")


def _index(path: Path, spans: int) -> None:
    store = open_store(str(path), mode="write")
    begin = time.process_time()
    indexed = store.index_runs(RUNS)
    seconds = time.process_time() - begin
    store.close()
    if indexed != RUNS:
        raise SystemExit(f"{indexed} of {RUNS} runs were indexed")
    print(f"  {'index':10}{spans / seconds:10,.0f} spans a second, on its own")
    connection = sqlite3.connect(path)
    for label, tables in (("facets", "'facets%', 'words'"), ("texts", "'texts%'"), ("all", "'%'")):
        where = " OR ".join(f"name LIKE {table}" for table in tables.split(", "))
        (used,) = connection.execute(f"SELECT sum(pgsize) FROM dbstat WHERE {where}").fetchone()
        print(f"  {label:10}{used / spans:10,.0f} bytes a span")
    connection.close()


if __name__ == "__main__":
    main()
