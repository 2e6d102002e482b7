"""Keeping a database file small, copied and sound: deletes, freed pages, backups, checks.

Deleting goes in small transactions, so that recorders never wait long for the lock. Deleted rows
leave free pages in the file; freeing them moves pages from its end and cuts it, which only a file
with `auto_vacuum = INCREMENTAL` can do, as every store is made.

Source: sqlite.org/pragma.html (incremental_vacuum, quick_check), sqlite.org/backup.html.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longpole.model.errors import CorruptStoreError, StoreUnavailableError
from longpole.storage.database import open_copy, store_errors
from longpole.storage.index import forget_texts, unindex
from longpole.storage.ingest import mark_changed

if TYPE_CHECKING:
    from sqlite3 import Connection

RUNS_AT_ONCE: Final = 200
PAGES_AT_ONCE: Final = 500

_OF_A_RUN: Final = ("exports", "summaries", "costs", "contents", "run_tags", "spans", "runs")
_BACKUP_PAGES: Final = 1_000
_PROBLEMS_TOLD: Final = 20


def in_batches(run_ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield the ids in batches that one transaction may take."""
    waiting = iter(run_ids)
    while some := list(islice(waiting, RUNS_AT_ONCE)):
        yield some


def delete_runs(connection: Connection, run_ids: Sequence[str]) -> int:
    """Delete a batch of runs with all that belongs to them; return how many spans that were."""
    numbers = _numbers(connection, run_ids)
    marks = ", ".join("?" * len(numbers))
    spans = connection.execute(
        f"SELECT coalesce(sum(spans), 0) FROM runs WHERE run IN ({marks})", numbers
    ).fetchall()[0][0]
    unindex(connection, numbers)
    for table in _OF_A_RUN:
        connection.execute(f"DELETE FROM {table} WHERE run IN ({marks})", numbers)
    connection.execute(
        "UPDATE totals SET runs = runs - ?, spans = spans - ?", (len(numbers), spans)
    )
    mark_changed(connection)
    return int(spans)


def delete_contents(connection: Connection, run_ids: Sequence[str]) -> int:
    """Delete inputs and outputs of a batch of runs; return of how many spans."""
    numbers = _numbers(connection, run_ids)
    marks = ", ".join("?" * len(numbers))
    forget_texts(connection, numbers)
    emptied = connection.execute(
        "UPDATE contents SET input_value = NULL, input_mime_type = NULL, output_value = NULL, "
        f"output_mime_type = NULL WHERE run IN ({marks}) "
        "AND (input_value IS NOT NULL OR output_value IS NOT NULL)",
        numbers,
    ).rowcount
    if emptied:
        mark_changed(connection)
    return int(emptied)


def _numbers(connection: Connection, run_ids: Sequence[str]) -> list[int]:
    marks = ", ".join("?" * len(run_ids))
    found = connection.execute(f"SELECT run FROM runs WHERE run_id IN ({marks})", tuple(run_ids))
    return [number for (number,) in found.fetchall()]


def page_bytes(connection: Connection) -> tuple[int, int]:
    """Return the bytes of pages in use, and of free ones."""
    size, pages, free = (
        int(connection.execute(f"PRAGMA {name}").fetchall()[0][0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return (pages - free) * size, free * size


def free_pages(connection: Connection) -> bool:
    """Give some free pages back, in a transaction of its own; return whether there are more."""
    # As a script: `execute` takes one step of the statement only, which frees one page.
    connection.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
    return page_bytes(connection)[1] > 0


def problems_in(connection: Connection, *, is_thorough: bool) -> list[str]:
    """Return what SQLite finds wrong with the file; thorough takes as long as reading all of it."""
    name = "integrity_check" if is_thorough else "quick_check"
    found = connection.execute(f"PRAGMA {name}({_PROBLEMS_TOLD})").fetchall()
    return [text for (text,) in found if text != "ok"]


def back_up(connection: Connection, target: Path) -> None:
    """Copy the database as it is now into a new file, while others go on writing.

    Raises:
        StoreUnavailableError: there is a file of this name already, or it cannot be written.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    with store_errors(target), contextlib.ExitStack() as undone:
        _reserve(target)
        undone.callback(target.unlink)
        with contextlib.closing(open_copy(unfinished)) as copy:
            undone.callback(unfinished.unlink)
            connection.backup(copy, pages=_BACKUP_PAGES)
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
            found = problems_in(copy, is_thorough=False)
        if found:
            raise CorruptStoreError(f"the copy would not be sound: {found[0]}")
        os.replace(unfinished, target)
        undone.pop_all()


def _reserve(target: Path) -> None:
    """Take the name, so that nothing that appears meanwhile is replaced."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise StoreUnavailableError(f"{str(target)!r} is there already; name a new file") from None
