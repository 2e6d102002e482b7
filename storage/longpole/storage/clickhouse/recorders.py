"""Who records, and who of them lives.

A recorder of this machine lives while it holds its spool file, as everywhere. One of another
machine is known by what it says: its writer notes that it is there every half minute, and who was
not heard of for a while is dead. The server's clock measures that, so clocks of machines need not
agree.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import OPEN, OPEN_START, RECORDERS, TOLD
from longpole.storage.store import Recorder

BEAT_S: Final = 30.0
"""How often a recorder says that it is there."""
SILENCE_S: Final = 120
"""A recorder of another machine that was silent for longer is dead."""


def note(database: Database, recorder: Recorder) -> None:
    """Note that a recorder is there now."""
    database.insert(
        RECORDERS,
        ("recorder_id", "pid", "host"),
        [(recorder.recorder_id, recorder.pid, recorder.host)],
    )


def dead_with_open_spans(database: Database, living_here: Collection[str]) -> list[str]:
    """Return the ids of dead recorders that left spans open.

    Args:
        database: to read from.
        living_here: ids of the recorders that live on this machine.
    """
    open_ = database.query(
        f"SELECT DISTINCT RecorderId FROM {database.name(OPEN)} FINAL "
        f"WHERE Part = '{OPEN_START}' AND Version = {TOLD}"
    )
    ids = [recorder_id for (recorder_id,) in open_.rows]
    living = set(living_here) | _heard_of(database, [one for one in ids if one not in living_here])
    return sorted(one for one in ids if one not in living)


def is_living(database: Database, recorder_id: str, living_here: Collection[str]) -> bool:
    """Return whether a recorder lives."""
    return recorder_id in living_here or recorder_id in _heard_of(database, [recorder_id])


def _heard_of(database: Database, ids: list[str]) -> set[str]:
    """Return those that another machine has told of lately."""
    if not ids:
        return set()
    found = database.query(
        "SELECT recorder_id, argMax(host, seen_at), "
        "dateDiff('second', max(seen_at), now()) <= {silence:Int64} "
        f"FROM {database.name(RECORDERS)} WHERE recorder_id IN {{ids:Array(String)}} "
        "GROUP BY recorder_id",
        {"silence": SILENCE_S, "ids": ids},
    )
    here = os.uname().nodename
    return {recorder_id for recorder_id, host, is_heard in found.rows if is_heard and host != here}
