"""Computed summaries and costs → rows; the columns that lists are ordered by come from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from longpole.storage.codec import plain
from longpole.storage.ingest import mark_changed
from longpole.storage.store import RunSummary

if TYPE_CHECKING:
    from sqlite3 import Connection


def save_summaries(connection: Connection, summaries: Iterable[RunSummary]) -> None:
    """Store summaries, except of runs that have changed since the summary was computed."""
    saved = [_save(connection, summary) for summary in summaries]
    if any(saved):
        mark_changed(connection)


def _save(connection: Connection, summary: RunSummary) -> bool:
    found = connection.execute(
        "SELECT run FROM runs WHERE run_id = ? AND revision = ?",
        (summary.run_id, summary.revision),
    ).fetchall()
    if not found:
        return False
    run = found[0][0]
    about = summary.run_object
    connection.execute(
        "UPDATE runs SET settled_revision = revision, cost_usd = ?, speedup_ratio = ?, "
        "tokens = ?, retries = ? WHERE run = ?",
        (
            _real(about.get("cost_usd")),
            _real(about.get("speedup_ratio")),
            _tokens(about.get("usage")),
            _integer(about.get("retries")),
            run,
        ),
    )
    connection.execute(
        "INSERT OR REPLACE INTO summaries (run, run_object) VALUES (?, ?)",
        (run, orjson.dumps(plain(dict(about))).decode()),
    )
    connection.execute("DELETE FROM costs WHERE run = ?", (run,))
    connection.executemany(
        "INSERT INTO costs (run, span_id, cost_usd, unpriced) VALUES (?, ?, ?, ?)",
        [(run, span_id, cost, reason) for span_id, (cost, reason) in summary.costs.items()],
    )
    return True


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _tokens(usage: Any) -> int | None:
    if not isinstance(usage, Mapping):
        return None
    counts = [_integer(usage.get(key)) for key in ("input_tokens", "output_tokens")]
    return sum(count for count in counts if count is not None)
