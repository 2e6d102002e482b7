"""Which workers are there, and which runs are each one's.

A worker notes that it is there; those noted within the last half minute, in the order of their
ids, number the shares. Two workers that see different lists for a moment compute the same summaries
twice at worst, since a summary depends on nothing but the run.
"""

from __future__ import annotations

from typing import Final

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import WORKERS
from longpole.storage.store import Share

ABSENCE_S: Final = 30
"""A worker that was silent for longer has no share."""


def share_of(database: Database, worker_id: str) -> Share:
    """Note that a worker is there, and return its share."""
    database.insert(WORKERS, ("worker_id",), [(worker_id,)])
    found = database.query(
        f"SELECT DISTINCT worker_id FROM {database.name(WORKERS)} "
        f"WHERE seen_at >= now() - INTERVAL {ABSENCE_S} SECOND ORDER BY worker_id"
    )
    ids = [one for (one,) in found.rows]
    # An asynchronous insert may not be seen yet on another replica.
    everyone = sorted({*ids, worker_id})
    return Share(index=everyone.index(worker_id), count=len(everyone))
