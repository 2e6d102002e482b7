"""One writing connection to one database, used under the commit lock and re-opened as needed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longpole.storage.database import (
    CommitLock,
    identity,
    keep_open,
    open_for_writing,
    store_errors,
    transaction,
)

if TYPE_CHECKING:
    from sqlite3 import Connection


class _NoFork:
    """Makes a fork wait for the end of a commit, and a commit for the end of a fork.

    SQLite remembers in the process's memory which locks its connections hold. A child forked in the
    middle of a commit inherits that memory without the commit, and would find the database locked
    by itself for as long as it lives.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forking = threading.local()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep forks waiting."""
        with self._lock:
            yield

    def before_fork(self) -> None:
        """Wait for a commit under way, but not for ever: a fork is the app's."""
        self._forking.waited = self._lock.acquire(timeout=_LONGEST_FORK_WAIT_S)

    def after_fork(self) -> None:
        """Go on in the parent."""
        if self._forking.waited:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Go on in the child; a commit that was not waited for is not under way there."""
        self._lock = threading.Lock()


_LONGEST_FORK_WAIT_S: Final = 5.0
NO_FORK: Final = _NoFork()
os.register_at_fork(
    before=NO_FORK.before_fork,
    after_in_parent=NO_FORK.after_fork,
    after_in_child=NO_FORK.after_fork_in_child,
)


class Committer:
    """Writes transactions; not thread-safe.

    Args:
        path: the database file; it and its folder are made when they are not there.
        lock_wait_s: longest wait for other processes that commit; `None` waits in line.
        busy_wait_s: longest wait for programs that do not know the commit lock.
    """

    def __init__(self, path: Path, *, lock_wait_s: float | None, busy_wait_s: float) -> None:
        self.path = path
        self._lock = CommitLock(path)
        self._lock_wait_s = lock_wait_s
        self._busy_wait_s = busy_wait_s
        self._connection: Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._pid = os.getpid()

    @contextlib.contextmanager
    def committing(self) -> Iterator[Connection]:
        """Write in one transaction.

        Raises:
            StoreError: the database cannot be opened or written; nothing was changed.
        """
        with store_errors(self.path):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock.held(self._lock_wait_s), NO_FORK.held():
                connection = self._opened()
                try:
                    with transaction(connection):
                        yield connection
                except BaseException:
                    # Whatever went wrong, the next try starts from a fresh connection.
                    self._close()
                    raise

    @contextlib.contextmanager
    def holding(self) -> Iterator[Connection]:
        """Lend the connection under the lock, for statements that are transactions themselves.

        Raises:
            StoreError: the database cannot be opened or written.
        """
        with store_errors(self.path), self._lock.held(self._lock_wait_s):
            yield self._opened()

    def fold_back(self) -> None:
        """Move the write-ahead log into the database and cut it; readers may keep a part of it.

        Raises:
            StoreError: the database cannot be opened or written.
        """
        with self.holding() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _opened(self) -> Connection:
        if self._pid != os.getpid():
            self.abandon()
        if self._connection is not None and identity(self.path) != self._identity:
            # Somebody removed or replaced the file; writes would go to a file nobody can see.
            self._close()
        if self._connection is None:
            self._connection = open_for_writing(self.path, wait_s=self._busy_wait_s)
            self._identity = identity(self.path)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection, under the lock because closing may fold the log back.

        Raises:
            StoreError: the lock cannot be had.
        """
        if self._connection is not None and self._pid == os.getpid():
            with store_errors(self.path), self._lock.held(self._lock_wait_s), NO_FORK.held():
                self._close()

    def abandon(self) -> None:
        """Forget what was opened before a fork, without closing the connection."""
        self._lock.abandon()
        if self._connection is not None:
            keep_open(self._connection)
        self._connection = None
        self._pid = os.getpid()
