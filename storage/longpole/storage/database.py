"""The one way to the database file: open it, check that it is ours, commit under the lock.

Every connection in a process comes from the one SQLite library that sqlite-utils uses, and nothing
here opens the file otherwise: a second library, or a plain `open` and `close`, would silently drop
the locks of the first (POSIX locks belong to the process). Commits, checkpoints and the closing of
writing connections happen under `flock` on `<database>.lock`, which keeps waits fair and the
write-ahead log small, and which the kernel releases when its holder dies.

Source: sqlite.org "How To Corrupt An SQLite Database File"; sqlite.org/wal.html.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from longpole.model.errors import (
    CorruptStoreError,
    NewerSchemaError,
    NotAStoreError,
    OlderSchemaError,
    StoreError,
    StoreUnavailableError,
)
from longpole.storage.library import APPLICATION_ID, SCHEMA_VERSION, sqlite_library
from longpole.storage.schema import create

if TYPE_CHECKING:
    import sqlite3
    from sqlite3 import Connection
else:
    sqlite3 = sqlite_library()

_MISUSES: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
)
_READ_WAIT_S: Final = 5.0
_LOCK_STEP_S: Final = 0.005
_NEW_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_LOCK_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def store_error(error: BaseException, path: Path) -> StoreError:
    """Return what an error of SQLite or of the system means for the caller, with a way out."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name == "SQLITE_NOTADB":
        return NotAStoreError(
            f"{str(path)!r} is no Longpole store; it is left as it is, name another file"
        )
    if name.startswith("SQLITE_CORRUPT"):
        return CorruptStoreError(
            f"{str(path)!r} is damaged; it is left as it is: move it away, or rescue what is left "
            f"with: sqlite3 {path} .recover"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreUnavailableError(
            f"{str(path)!r} is locked by another process; try again when that is done"
        )
    # The shared memory beside the file cannot grow either where a disk is full.
    is_full = name in {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}
    if is_full or getattr(error, "errno", None) == errno.ENOSPC:
        return StoreUnavailableError(f"no space left to write {str(path)!r}; make room on the disk")
    detail = f"{name}: {error}" if name else str(error)
    return StoreUnavailableError(f"{str(path)!r} cannot be used here and now: {detail}")


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into `StoreError`s."""
    try:
        yield
    except _MISUSES:
        # No trouble with the file: a value or a statement of ours that does not fit.
        raise
    except (sqlite3.Error, OSError) as error:
        raise store_error(error, path) from error


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one under the same name; `None` without a file.

    Raises:
        NotAStoreError: there is something else than a regular file.
        StoreUnavailableError: it cannot be told.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(error, path) from error
    if not stat.S_ISREG(found.st_mode):
        raise NotAStoreError(f"{str(path)!r} is no file; name the file that the store should be")
    return found.st_dev, found.st_ino


class CommitLock:
    """`flock` on `<database>.lock`: held around every commit, by whoever commits."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd: int | None = None

    @contextlib.contextmanager
    def held(self, wait_s: float | None) -> Iterator[None]:
        """Hold the lock; `wait_s` is the longest wait, `None` waits in line for ever.

        Raises:
            StoreUnavailableError: others held it all the time.
            OSError: the lock file cannot be opened.
        """
        self._fd = fd = os.open(self._path, _LOCK_FILE, 0o600)
        try:
            self._take(fd, wait_s)
            try:
                yield
            finally:
                # Said aloud: closing alone would leave the lock with a child forked meanwhile.
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            self._fd = None
            os.close(fd)

    def abandon(self) -> None:
        """Close, in a forked child, what was held at the fork; the lock stays the parent's."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _take(self, fd: int, wait_s: float | None) -> None:
        if wait_s is None:
            fcntl.flock(fd, fcntl.LOCK_EX)
            return
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StoreUnavailableError(
                        f"{str(self._path)!r} is held by another process; "
                        "try again when that is done"
                    ) from None
                time.sleep(_LOCK_STEP_S)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _connected(path: Path, mode: str, wait_s: float) -> Connection:
    connection: Connection = sqlite3.connect(
        f"file:{quote(str(path))}?{mode}",
        uri=True,
        isolation_level=None,
        timeout=wait_s,
        check_same_thread=False,
    )
    # One undecodable byte must not cost a whole page of rows.
    connection.text_factory = _decoded
    return connection


def fetched(connection: Connection, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a query; texts are decoded by SQLite, faster, unless one cannot be."""
    forgiving = connection.text_factory
    connection.text_factory = str
    try:
        return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError:
        connection.text_factory = forgiving
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.text_factory = forgiving


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchall()[0][0])


def _is_ours(connection: Connection, path: Path) -> bool:
    """Whether the file is a store already; an empty file is not one yet.

    Raises:
        NotAStoreError: it is the database of something else.
        NewerSchemaError: a newer Longpole wrote it.
    """
    application_id = _pragma(connection, "application_id")
    if application_id == APPLICATION_ID:
        version = _pragma(connection, "user_version")
        if version > SCHEMA_VERSION:
            raise NewerSchemaError(str(path), version, SCHEMA_VERSION)
        return True
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]
    if application_id or tables:
        raise NotAStoreError(
            f"{str(path)!r} is the database of another program; it is left as it is, "
            "name another file"
        )
    return False


def open_for_writing(path: Path, *, wait_s: float) -> Connection:
    """Open the database, made or brought up to date as needed; the caller holds the commit lock.

    Raises:
        StoreError: it cannot be opened, or is not ours; it is left as it is.
    """
    with store_errors(path):
        if identity(path) is None:
            # Made here, private, so that SQLite gives its side files the same mode.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, _NEW_FILE, 0o600))
        connection = _connected(path, "mode=rw", wait_s)
        try:
            if not _is_ours(connection, path):
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute("PRAGMA synchronous = NORMAL")
            # What is deleted is zeroed where its page stays; freed pages go back to the disk.
            connection.execute("PRAGMA secure_delete = FAST").fetchall()
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _migrate(connection: Connection) -> None:
    version = _pragma(connection, "user_version")
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version:
            _bring_up_to_date(connection)
        else:
            create(connection, datetime.now(UTC))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _bring_up_to_date(connection: Connection) -> None:
    # Only for an older file: sqlite-utils takes long to load.
    from sqlite_utils import Database

    from longpole.storage.migrations import MIGRATIONS

    MIGRATIONS.apply(Database(connection))


def open_for_reading(path: Path) -> Connection | None:
    """Open the database so that nothing can be written; `None` while it holds nothing yet.

    Raises:
        StoreError: it cannot be opened, or is not ours.
    """
    with store_errors(path):
        if identity(path) is None:
            return None
        try:
            return _checked_for_reading(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname == "SQLITE_READONLY_ROLLBACK":
                _roll_back(path)
                return _checked_for_reading(path, "mode=ro")
            if not _lies_still(path):
                raise
            # On a read-only file system a write-ahead log cannot be joined, and none is there.
            return _checked_for_reading(path, "mode=ro&immutable=1")


def _roll_back(path: Path) -> None:
    """Undo what a process left half done that died while it made the file; no reader can."""
    with (
        CommitLock(path).held(_READ_WAIT_S),
        contextlib.closing(_connected(path, "mode=rw", _READ_WAIT_S)) as connection,
    ):
        _pragma(connection, "user_version")


def _lies_still(path: Path) -> bool:
    side_files = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    return not os.access(path.parent, os.W_OK) and not any(map(os.path.exists, side_files))


def _checked_for_reading(path: Path, mode: str) -> Connection | None:
    connection = _connected(path, mode, _READ_WAIT_S)
    try:
        if not _is_ours(connection, path):
            connection.close()
            return None
        version = _pragma(connection, "user_version")
        if version < SCHEMA_VERSION:
            raise OlderSchemaError(
                f"{str(path)!r} has the older schema {version} and cannot be brought up to date "
                "here; open it once where it can be written"
            )
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def open_copy(path: Path) -> Connection:
    """Open a new file, which nobody else knows yet, to copy a database into.

    Raises:
        OSError: it cannot be made, or is there already.
    """
    os.close(os.open(path, _NEW_FILE, 0o600))
    return _connected(path, "mode=rw", _READ_WAIT_S)


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Write in one transaction; the caller holds the commit lock."""
    # Immediate: one that reads first and then writes can fail at once whatever the timeout.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def keep_open(connection: Connection) -> None:
    """Never close this connection: it was made before a fork, and its locks are the parent's."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
