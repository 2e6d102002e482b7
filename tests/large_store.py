"""Stores of any size, with runs as people have them, in seconds.

Some hundred runs of five kinds of chain are drawn, recorded and settled the ordinary way; the rest
are copies of them under other ids and at other times, made by the database itself. So a store of a
million spans takes half a minute, and every row is one that Longpole wrote.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from longpole.dashboard.settle import settle
from longpole.model import (
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
    Usage,
    assemble,
)
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, open_store
from longpole.storage.run_events import events_from_run

MS = 1_000_000

_MODELS = (
    ("openai", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4.1-2025-04-14"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("google", "gemini-2.5-flash"),
    ("ollama", "llama3.2"),
)


@dataclass
class _Drawn:
    """One run while it is drawn; times are offsets from its start in ns."""

    number: int
    dice: random.Random
    spans: list[Span] = field(default_factory=list)

    def length_ns(self, typical_ms: float) -> int:
        """A length as services show them: log-normal, with a long tail."""
        return round(self.dice.lognormvariate(0, 0.5) * typical_ms * MS) + 1

    def add(
        self, parent: str | None, name: str, kind: Kind, begin: int, end: int, **more: object
    ) -> str:
        span_id = f"{self.number * 4096 + len(self.spans):016x}"
        bare = {
            "span_id": span_id,
            "parent_span_id": parent,
            "name": name,
            "kind": kind,
            "start_ns": begin,
            "end_ns": end,
            "status": Status.OK,
        }
        self.spans.append(Span(**{**bare, **more}))  # type: ignore[arg-type]
        return span_id

    def call(self, parent: str, begin: int, which: int = 0, **more: object) -> int:
        """A call of one of the models; returns its end. One in fifty fails."""
        provider, model = _MODELS[which]
        tokens = self.dice.randrange(20, 800)
        end = begin + self.length_ns(400 + tokens)
        fails = self.dice.random() < 0.02
        self.add(
            parent,
            model.split("-20")[0],
            Kind.LLM,
            begin,
            end,
            provider=provider,
            model=model,
            usage=None if fails else Usage(input_tokens=tokens * 3, output_tokens=tokens),
            status=Status.ERROR if fails else Status.OK,
            error=SpanError(type="RateLimitError", message="slow down") if fails else None,
            **more,
        )
        return end


def _panel(run: _Drawn) -> None:
    """Branches of prompt, model and parser side by side."""
    root = run.add(None, "panel", Kind.CHAIN, 0, 0, role=Role.FAN_OUT)
    ends = []
    for which, key in ((3, "gemini"), (2, "claude"), (1, "gpt")):
        branch = run.add(
            root,
            "RunnableSequence",
            Kind.CHAIN,
            MS,
            MS,
            role=Role.BRANCH,
            branch=key,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="parallel"),
        )
        end = run.call(branch, 2 * MS, which, order=Order(seq=1), step=1)
        _close(run, branch, end + MS)
        ends.append(end + MS)
    _close(run, root, max(ends) + MS)


def _rag(run: _Drawn) -> None:
    """Sources side by side, then an answer."""
    root = run.add(None, "rag-answer", Kind.CHAIN, 0, 0)
    fetch = run.add(
        root, "fetch", Kind.CHAIN, MS, MS, role=Role.FAN_OUT, order=Order(seq=1), step=1
    )
    ends = []
    for key, typical_ms in (("docs", 80), ("wiki", 120), ("tickets", 250)):
        end = 2 * MS + run.length_ns(typical_ms)
        run.add(
            fetch,
            "VectorStoreRetriever",
            Kind.RETRIEVER,
            2 * MS,
            end,
            role=Role.BRANCH,
            branch=key,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="parallel"),
        )
        ends.append(end)
    _close(run, fetch, max(ends))
    _close(run, root, run.call(root, max(ends) + MS, 1, order=Order(seq=2), step=2) + MS)


def _agent(run: _Drawn) -> None:
    """Turns of a model and its tools."""
    root = run.add(None, "support-agent", Kind.CHAIN, 0, 0)
    at = MS
    for turn in range(run.dice.randrange(1, 5)):
        at = run.call(root, at, 2) + MS
        end = at + run.length_ns(60)
        run.add(root, f"tool-{turn % 3}", Kind.TOOL, at, end)
        at = end + MS
    _close(run, root, run.call(root, at, 4) + MS)


def _map(run: _Drawn) -> None:
    """Many items under a limit of four."""
    root = run.add(None, "summarise-all", Kind.CHAIN, 0, 0, role=Role.FAN_OUT)
    places = [MS] * 4
    for item in range(run.dice.randrange(5, 25)):
        places.sort()
        places[0] = run.call(
            root,
            places[0],
            role=Role.ITEM,
            branch=str(item),
            fan_out=FanOutKind.MAP,
            fan_out_limit=4,
            order=Order(group="map"),
        )
    _close(run, root, max(places) + MS)


def _retry(run: _Drawn) -> None:
    """A call that is tried again."""
    root = run.add(None, "extract", Kind.CHAIN, 0, 0)
    at = MS
    for attempt in range(1, run.dice.randrange(1, 4) + 1):
        at = (
            run.call(root, at, role=Role.ATTEMPT, attempt=attempt, order=Order(seq=attempt))
            + 50 * MS
        )
    _close(run, root, at)


def _close(run: _Drawn, span_id: str, end: int) -> None:
    at = next(at for at, span in enumerate(run.spans) if span.span_id == span_id)
    run.spans[at] = replace(run.spans[at], end_ns=end)


_CHAINS: tuple[Callable[[_Drawn], None], ...] = (_panel, _rag, _agent, _map, _retry)


def drawn_runs(count: int, *, seed: int, begin_ns: int) -> Iterator[Run]:
    """Runs of all kinds, a second apart, the same ones for the same seed."""
    dice = random.Random(seed)
    for number in range(1, count + 1):
        run = _Drawn(number, dice)
        dice.choice(_CHAINS)(run)
        start_ns = begin_ns + number * 1_000 * MS
        spans = [
            replace(span, start_ns=start_ns + span.start_ns, end_ns=start_ns + (span.end_ns or 0))
            for span in run.spans
        ]
        failed = any(span.status is Status.ERROR for span in spans)
        if failed and dice.random() < 0.5:
            spans[0] = replace(spans[0], status=Status.ERROR)
        yield assemble(
            f"{dice.getrandbits(128):032x}",
            spans,
            session_id=f"session-{number % 17}",
            user_id=f"user-{number % 5}",
            tags=("prod",) if number % 3 else ("test", "nightly"),
        )


def make_large_store(
    path: Path, *, runs: int, seed: int = 1, now_ns: int, templates: int = 500
) -> tuple[int, int]:
    """Write a store; return how many runs and spans it has: `runs` rounded up to whole copies.

    Args:
        path: a file that is not there yet.
        runs: how many runs at least; they have about ten spans each.
        seed: another one draws other runs.
        now_ns: when the newest run was.
        templates: how many runs are drawn; the others are copies.
    """
    templates = min(templates, runs)
    store = open_store(str(path), mode="write")
    recorder = Recorder(recorder_id="f" * 16, pid=1, host="bench")
    for run in drawn_runs(templates, seed=seed, begin_ns=now_ns - templates * 1_000 * MS):
        store.write(recorder, events_from_run(run))
    settle(store, book=PriceBook(), now_ns=now_ns, limit=templates)
    store.close()
    copies = -(-runs // templates)
    _multiply(path, templates, copies)
    store = open_store(str(path), mode="read")
    state = store.state()
    store.close()
    return state.runs, state.spans


def _multiply(path: Path, templates: int, copies: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    stride = connection.execute("SELECT max(run) FROM runs").fetchone()[0]
    connection.execute("BEGIN IMMEDIATE")
    for table in ("runs", "run_tags", "spans", "contents", "costs", "summaries", "facets"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        picked = ", ".join(_copied(column, stride, templates) for column in columns)
        connection.execute(
            "WITH RECURSIVE copies(copy) AS "
            f"(SELECT 1 WHERE {copies} > 1 UNION ALL SELECT copy + 1 FROM copies "
            f"WHERE copy < {copies - 1}) "
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT {picked} FROM copies, {table} WHERE run <= {stride}"
        )
    connection.execute(
        "UPDATE totals SET runs = (SELECT count(*) FROM runs), "
        "spans = (SELECT sum(spans) FROM runs)"
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


# Odd factors, so that no two copies of a run get the same digits.
_PREFIX = "printf('%08x', (run * 2654435761 + copy * 2246822519) % 4294967296)"


def _copied(column: str, stride: int, templates: int) -> str:
    """SQL for a column of a copy: other ids, earlier times, everything else the same."""
    earlier = f"copy * {templates * 1_000 * MS}"
    if column == "run":
        return f"run + copy * {stride}"
    if column in ("run_id", "trace_id"):
        return f"{_PREFIX} || substr({column}, 9)"
    if column in ("start_ns", "end_ns", "ready_ns", "first_token_ns"):
        return f"{column} - {earlier}"
    if column == "run_object":
        return (
            "json_set(run_object, '$.run_id', "
            f"{_PREFIX} || substr(run_object ->> '$.run_id', 9), "
            f"'$.start_ns', (run_object ->> '$.start_ns') - {earlier}, "
            f"'$.end_ns', (run_object ->> '$.end_ns') - {earlier})"
        )
    return column
