"""Which recorders live: those that hold a spool file somewhere, and those of this process.

A recorder of this process is known by its own id, not by the process id: in containers every
process has the same one, and after a restart a dead recorder would be taken for this one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from longpole.storage.spool import living_recorders

# With the process that noted them: a forked child has its parent's list, not its recorders.
_OWN: Final[set[tuple[int, str]]] = set()


def note_own(recorder_id: str) -> None:
    """Note a recorder of this process; it lives as long as the process does."""
    _OWN.add((os.getpid(), recorder_id))


def own_recorders() -> frozenset[str]:
    """Return the ids of the recorders of this process."""
    pid = os.getpid()
    # A copy: other threads may note theirs meanwhile.
    return frozenset(recorder_id for noted, recorder_id in _OWN.copy() if noted == pid)


def living(folder: Path) -> frozenset[str]:
    """Return the ids of all recorders that are known to live and write into this folder."""
    return living_recorders(folder) | own_recorders()
