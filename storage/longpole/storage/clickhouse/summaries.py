"""Computed summaries and costs → `longpole_summaries`, from where a view tells `longpole_runs`.

A summary is a pure function of a run at one revision, so it makes no difference who computed it,
how often, or in which order: the row that was saved last counts, and counts as settled only while
its revision is the run's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import SUMMARIES
from longpole.storage.clickhouse.spelling import moment
from longpole.storage.codec import plain
from longpole.storage.store import RunSummary
from longpole.storage.summaries import integer, real, token_sum

_AT_ONCE: Final = 500
_HOUR_NS: Final = 3_600_000_000_000
_COLUMNS: Final = ("run_id", "hour", "saved_ns", "settled", "run_object", "costs")

Revisions = Callable[[Sequence[str]], Mapping[str, tuple[int, int]]]
"""Run ids → revision and start of those that there are."""


def save_summaries(
    database: Database, summaries: Iterable[RunSummary], revisions: Revisions, *, now_ns: int
) -> None:
    """Store summaries, except of runs that have changed since the summary was computed."""
    waiting = iter(summaries)
    while some := list(islice(waiting, _AT_ONCE)):
        known = revisions([summary.run_id for summary in some])
        database.insert(
            SUMMARIES,
            _COLUMNS,
            [
                _row(summary, known[summary.run_id][1], now_ns)
                for summary in some
                if known.get(summary.run_id, (None, 0))[0] == summary.revision
            ],
        )


def _row(summary: RunSummary, start_ns: int, now_ns: int) -> tuple[Any, ...]:
    costs = {span_id: list(cost) for span_id, cost in summary.costs.items()}
    return (
        summary.run_id,
        max(0, min(moment(start_ns) // _HOUR_NS * 3600, 2**32 - 1)),
        now_ns,
        _settled(summary),
        orjson.dumps(plain(dict(summary.run_object))).decode(),
        orjson.dumps(costs).decode(),
    )


def _settled(summary: RunSummary) -> dict[str, Any]:
    about = summary.run_object
    told: dict[str, Any] = {
        "cost_usd": real(about.get("cost_usd")),
        "speedup_ratio": real(about.get("speedup_ratio")),
        "tokens": token_sum(about.get("usage")),
        "retries": integer(about.get("retries")),
    }
    short = {"cost_usd": "cost", "speedup_ratio": "speedup"}
    settled: dict[str, Any] = {"revision": summary.revision}
    for name, value in told.items():
        settled[f"has_{short.get(name, name)}"] = int(value is not None)
        settled[name] = value or 0
    settled["is_unpriced"] = int(any(reason is not None for _, reason in summary.costs.values()))
    return settled


def run_objects(database: Database, run_ids: Sequence[str]) -> dict[str, str]:
    """Return the run objects that were kept of these runs, as JSON."""
    if not run_ids:
        return {}
    found = database.query(
        f"SELECT run_id, argMax(run_object, saved_ns) FROM {database.name(SUMMARIES)} "
        "WHERE run_id IN {ids:Array(String)} GROUP BY run_id",
        {"ids": list(run_ids)},
    )
    return {row[0]: row[1] for row in found.rows}


def costs_of(database: Database, run_id: str) -> dict[str, tuple[str | None, str | None]]:
    """Return the cost, or the reason why there is none, of each span that has either."""
    found = database.query(
        f"SELECT argMax(costs, saved_ns) FROM {database.name(SUMMARIES)} "
        "WHERE run_id = {run:String} GROUP BY run_id",
        {"run": run_id},
    )
    told = orjson.loads(found.rows[0][0]) if found.rows else {}
    return {span_id: (cost, reason) for span_id, (cost, reason) in told.items()}
