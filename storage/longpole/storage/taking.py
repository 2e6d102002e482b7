"""What a drainer does with a spool: the calls by which it reaches the store behind it.

For SQLite, the database file itself keeps how far each spool is taken in, in the same transaction
as the events (`FileTaker`). A store elsewhere has a taker of its own (`clickhouse.outbox`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from longpole.storage import drain
from longpole.storage.commit import Committer
from longpole.storage.drain import Progress
from longpole.storage.store import Recorder


class Taker(Protocol):
    """Brings what is spooled into a store; used by one thread. All methods raise `StoreError`s."""

    @property
    def beat_s(self) -> float | None:
        """How often the store wants to hear that the recorder lives; `None` where it sees that."""
        ...

    def take_in(self, name: str, fd: int, *, is_alive: bool) -> Progress:
        """Store the next chunk of one spool file, as `drain.take_in` does."""
        ...

    def write_drops(self, recorder: Recorder, dropped: Mapping[str, int]) -> None:
        """Store how many spans a recorder dropped in all, by reason."""
        ...

    def remove(self, path: Path, *, is_torn: bool) -> None:
        """Remove a file that is stored as a whole."""
        ...

    def sweep(self, *, is_over: Callable[[], bool], skip: Collection[str]) -> None:
        """Take in the spools of all recorders but those named, then bury the dead ones."""
        ...

    def beat(self, recorder: Recorder) -> None:
        """Tell that the recorder lives."""
        ...

    def close(self) -> None:
        """Let go of the store until there is more."""
        ...

    def abandon(self) -> None:
        """Forget what was opened before a fork, and touch none of it."""
        ...


class FileTaker:
    """The taker of a SQLite store."""

    beat_s = None

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    def take_in(self, name: str, fd: int, *, is_alive: bool) -> Progress:
        """Store the next chunk of one spool file."""
        return drain.take_in(self._committer, name, fd, is_alive=is_alive)

    def write_drops(self, recorder: Recorder, dropped: Mapping[str, int]) -> None:
        """Store how many spans a recorder dropped in all, by reason."""
        drain.write_drops(self._committer, recorder, dropped)

    def remove(self, path: Path, *, is_torn: bool) -> None:
        """Remove a file that is stored as a whole."""
        drain.remove(self._committer, path, is_torn=is_torn)

    def sweep(self, *, is_over: Callable[[], bool], skip: Collection[str]) -> None:
        """Take in the spools of all recorders but those named, then bury the dead ones."""
        drain.sweep(self._committer, is_over=is_over, skip=skip)

    def beat(self, recorder: Recorder) -> None:
        """Do nothing: the lock on the spool file tells."""

    def close(self) -> None:
        """Close the connection."""
        self._committer.close()

    def abandon(self) -> None:
        """Forget the connection, and leave it to the parent."""
        self._committer.abandon()
