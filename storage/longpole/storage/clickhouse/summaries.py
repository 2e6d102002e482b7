"""Computed summaries and costs → `longpole_summaries`, from where a view tells `longpole_runs`.

A summary is a pure function of a run at one revision, so it makes no difference who computed it,
how often, or in which order: the row that was saved last counts, and counts as settled only while
its revision is the run's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import SUMMARIES
from longpole.storage.clickhouse.facts import SETTLED_COLUMNS
from longpole.storage.clickhouse.spelling import moment
from longpole.storage.codec import plain_json
from longpole.storage.store import RunSummary
from longpole.storage.summaries import integer, real, token_sum

_AT_ONCE: Final = 500
_HOUR_NS: Final = 3_600_000_000_000
_COLUMNS: Final = ("run_id", "hour", "saved_ns", *SETTLED_COLUMNS, "run_object", "costs")

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
        hour_s(start_ns),
        now_ns,
        *_settled(summary),
        plain_json(dict(summary.run_object)),
        orjson.dumps(costs).decode(),
    )


def hour_s(start_ns: int) -> int:
    """Return the hour that a run belongs to, in seconds since the epoch."""
    return max(0, min(moment(start_ns) // _HOUR_NS * 3600, 2**32 - 1))


def _settled(summary: RunSummary) -> tuple[Any, ...]:
    """Return the values of `SETTLED_COLUMNS`."""
    about = summary.run_object
    cost_usd, speedup_ratio = (real(about.get(key)) for key in ("cost_usd", "speedup_ratio"))
    tokens, retries = token_sum(about.get("usage")), integer(about.get("retries"))
    return (
        summary.revision,
        math.nan if cost_usd is None else cost_usd,
        math.nan if speedup_ratio is None else speedup_ratio,
        -1 if tokens is None else tokens,
        -1 if retries is None else retries,
        int(any(reason is not None for _, reason in summary.costs.values())),
    )


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


def costs_of(
    database: Database, run_ids: Sequence[str]
) -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """Return, by run id and span id, the cost or the reason why there is none."""
    found = database.query(
        f"SELECT run_id, argMax(costs, saved_ns) FROM {database.name(SUMMARIES)} "
        "WHERE run_id IN {runs:Array(String)} GROUP BY run_id",
        {"runs": list(run_ids)},
    )
    return {
        run_id: {span_id: (cost, reason) for span_id, (cost, reason) in orjson.loads(costs).items()}
        for run_id, costs in found.rows
    }
