"""Computed summaries and costs → rows; the columns that lists are ordered by come from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from longpole.storage.codec import plain_json
from longpole.storage.ingest import mark_changed
from longpole.storage.store import RunSummary

if TYPE_CHECKING:
    from sqlite3 import Connection


_SAVE: Final = (
    "UPDATE runs SET settled_revision = revision, cost_usd = ?, speedup_ratio = ?, tokens = ?, "
    "retries = ? WHERE run = ?"
)

_SAMPLES: Final = (
    "SELECT run_id, sample FROM runs JOIN summaries USING (run) "
    "WHERE run_id IN ({marks}) AND settled_revision = revision AND sample IS NOT NULL"
)
_AT_ONCE: Final = 500


def save_summaries(connection: Connection, summaries: Iterable[RunSummary]) -> None:
    """Store summaries, except of runs that have changed since the summary was computed."""
    fitting = [
        (run, summary) for summary in summaries if (run := _number(connection, summary)) is not None
    ]
    if not fitting:
        return
    connection.executemany(_SAVE, [_columns(run, summary) for run, summary in fitting])
    connection.executemany(
        "INSERT OR REPLACE INTO summaries (run, run_object, sample) VALUES (?, ?, ?)",
        [(run, plain_json(dict(summary.run_object)), summary.sample) for run, summary in fitting],
    )
    connection.executemany("DELETE FROM costs WHERE run = ?", [(run,) for run, _ in fitting])
    connection.executemany(
        "INSERT INTO costs (run, span_id, cost_usd, unpriced) VALUES (?, ?, ?, ?)",
        [
            (run, span_id, cost, reason)
            for run, summary in fitting
            for span_id, (cost, reason) in summary.costs.items()
        ],
    )
    mark_changed(connection)


def samples(connection: Connection, run_ids: Sequence[str]) -> dict[str, str]:
    """Return the samples of those runs that have not changed since, by run id."""
    found: dict[str, str] = {}
    for first in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[first : first + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        found.update(connection.execute(_SAMPLES.format(marks=marks), some).fetchall())
    return found


def _number(connection: Connection, summary: RunSummary) -> int | None:
    """Return the number of the run that a summary is of, if it still is as it was."""
    found = connection.execute(
        "SELECT run FROM runs WHERE run_id = ? AND revision = ?",
        (summary.run_id, summary.revision),
    ).fetchall()
    return found[0][0] if found else None


def _columns(run: int, summary: RunSummary) -> tuple[float | int | None, ...]:
    about = summary.run_object
    return (
        real(about.get("cost_usd")),
        real(about.get("speedup_ratio")),
        token_sum(about.get("usage")),
        integer(about.get("retries")),
        run,
    )


def real(value: object) -> float | None:
    """Return a number, also one that is told as text; `None` when it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def integer(value: object) -> int | None:
    """Return an integer; `None` when it is none."""
    return value if isinstance(value, int) else None


def token_sum(usage: Any) -> int | None:
    """Return all tokens of a usage object, those in and those out; `None` without one."""
    if not isinstance(usage, Mapping):
        return None
    counts = [integer(usage.get(key)) for key in ("input_tokens", "output_tokens")]
    return sum(count for count in counts if count is not None)
