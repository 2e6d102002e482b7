"""The SQLite store: the `Store` protocol over one database file and the spools beside it.

Reading goes through a pool of connections that cannot write; every read is finished when its method
returns, so no reader holds the log back. Writing goes through one connection under the commit lock.
A reader takes in what spools hold, which is how the last spans of a dead process get here; where it
may not write, it shows what the database has.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longpole.model.errors import (
    AmbiguousRunError,
    BrokenLawError,
    OlderSchemaError,
    StoreError,
    StoreUnavailableError,
    UnknownRunError,
)
from longpole.model.run import Run
from longpole.storage import index, ledger, lists, load, summaries, upkeep
from longpole.storage.alive import living, note_own
from longpole.storage.codec import as_decoded
from longpole.storage.commit import Committer
from longpole.storage.database import identity, keep_open, open_for_reading, store_errors
from longpole.storage.drain import file_size, sweep, waiting_bytes
from longpole.storage.ingest import ingest, recorder_number
from longpole.storage.spool import spool_folder
from longpole.storage.store import (
    ALL_RUNS,
    Content,
    DestinationState,
    OpenMode,
    Receipt,
    Recorder,
    RunPage,
    RunQuery,
    RunSummary,
    Share,
    SpanEvent,
    StoreSize,
    StoreState,
)
from longpole.storage.urls import store_url

if TYPE_CHECKING:
    from sqlite3 import Connection

_WRITE_WAIT_S: Final = 30.0
_TAKE_IN_WAIT_S: Final = 0.5
_FIRST_TAKE_IN_S: Final = 10.0
_TAKE_IN_S: Final = 0.25
_STAND_BACK_S: Final = 0.001
_CANDIDATES: Final = 1_000
_EMPTY_PAGE: Final = RunPage(rows=(), total=0)


class SqliteStore:
    """One database file; safe from any thread. Use `longpole.storage.open_store`."""

    def __init__(self, path: Path, mode: OpenMode) -> None:
        self._path = path
        self._mode = mode
        self._folder = spool_folder(path)
        self._readers = _Readers(path)
        self._write_lock = threading.Lock()
        self._writing = Committer(path, lock_wait_s=_WRITE_WAIT_S, busy_wait_s=_WRITE_WAIT_S)
        self._taking_in = Committer(path, lock_wait_s=_TAKE_IN_WAIT_S, busy_wait_s=_TAKE_IN_WAIT_S)
        self._is_closed = False

    def open(self) -> None:
        """Check the file, make it if it is to be written, take in what spools hold.

        Raises:
            StoreError: it cannot be opened.
        """
        if self._mode == "write":
            with self._write_lock, self._writing.committing():
                pass
        else:
            self._bring_up_to_date()
        self._take_in(_FIRST_TAKE_IN_S)
        with self._readers.reading():
            pass

    def _bring_up_to_date(self) -> None:
        """Migrate a file of an older version; opening it for writing does that."""
        try:
            with self._readers.reading():
                pass
        except OlderSchemaError as error:
            try:
                with self._write_lock, self._writing.committing():
                    pass
            except StoreUnavailableError:
                raise error from None

    @property
    def url(self) -> str:
        """The URL that opens this store again."""
        return store_url(self._path)

    def write(self, recorder: Recorder, events: Iterable[SpanEvent]) -> None:
        """Store these events in one transaction; the same events again change nothing."""
        # Through the bytes a spool would hold, so that every source is read the same way.
        if recorder.pid == os.getpid():
            note_own(recorder.recorder_id)
        plain_events = [as_decoded(event) for event in events]
        with self._committing() as connection:
            ingest(connection, recorder_number(connection, recorder), plain_events)

    def list_runs(self, query: RunQuery) -> RunPage:
        """Return one page of runs."""
        self._take_in(_TAKE_IN_S)
        with self._reading() as connection:
            if connection is None:
                return _EMPTY_PAGE
            return lists.list_runs(connection, query, self._dead(connection))

    def resolve(self, reference: str) -> str:
        """Return the run id for an id, a unique prefix of one, or `last`.

        Raises:
            UnknownRunError: nothing matches.
            AmbiguousRunError: several runs match.
        """
        self._take_in(_TAKE_IN_S)
        with self._reading() as connection:
            candidates = [] if connection is None else _candidates(connection, reference.strip())
        if not candidates:
            raise UnknownRunError(reference)
        if len(candidates) > 1:
            raise AmbiguousRunError(reference, candidates)
        return candidates[0]

    def load_run(self, run_id: str) -> Run:
        """Return the whole run; spans of a dead recorder that never ended are `lost`.

        Raises:
            UnknownRunError: there is no such run.
        """
        found = self._load_rows([run_id])
        if not found:
            raise UnknownRunError(run_id)
        return found[0].assembled()

    def load_runs(self, run_ids: Sequence[str]) -> Iterator[Run]:
        """Yield whole runs, as `load_run` returns them; those that cannot be had are left out."""
        with self._reading() as connection:
            portions = [] if connection is None else load.portions(connection, run_ids)
        for some in portions:
            for loaded in self._load_rows(some):
                try:
                    run = loaded.assembled()
                except BrokenLawError:
                    continue
                yield run

    def _load_rows(self, run_ids: Sequence[str]) -> list[load.Loaded]:
        with self._reading() as connection:
            if connection is None:
                return []
            return load.load_rows(connection, run_ids, living(self._folder))

    def load_content(self, run_id: str, span_id: str) -> Content | None:
        """Return input, output and raw attributes of one span."""
        with self._reading() as connection:
            if connection is None:
                return None
            return load.load_content(connection, run_id, span_id)

    def load_contents(self, run_id: str) -> Mapping[str, Content]:
        """Return inputs, outputs and raw attributes of all spans of a run, by span id."""
        with self._reading() as connection:
            return {} if connection is None else load.load_contents(connection, run_id)

    def run_ids(self, query: RunQuery) -> Sequence[str]:
        """Return the ids of all runs that match, in the query's order; its page is ignored."""
        self._take_in(_TAKE_IN_S)
        with self._reading() as connection:
            if connection is None:
                return []
            return lists.run_ids(connection, query, self._dead(connection))

    def revision(self, run_id: str) -> int:
        """Return a number that grows whenever anything of the run changes.

        Raises:
            UnknownRunError: there is no such run.
        """
        with self._reading() as connection:
            found = None if connection is None else load.revision(connection, run_id)
        if found is None:
            raise UnknownRunError(run_id)
        return found

    def unsettled_runs(self, limit: int, share: Share = ALL_RUNS) -> Sequence[tuple[str, int]]:
        """Return (run id, revision) of ended runs whose summary is missing or out of date."""
        with self._reading() as connection:
            if connection is None:
                return []
            return lists.unsettled_runs(connection, self._dead(connection), limit, share)

    def share_of(self, worker_id: str) -> Share:
        """Return all runs: a file is written by one process at a time, so one worker does."""
        return ALL_RUNS

    def save_summaries(self, summaries_: Iterable[RunSummary]) -> None:
        """Keep computed summaries and costs; one of an older revision is ignored."""
        with self._committing() as connection:
            summaries.save_summaries(connection, summaries_)

    @property
    def keeps_samples(self) -> bool:
        """Whether the samples of summaries are kept: they are."""
        return True

    def samples(self, run_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the samples that were kept of runs and still fit them, by run id."""
        with self._reading() as connection:
            return {} if connection is None else summaries.samples(connection, run_ids)

    def has_unindexed_runs(self) -> bool:
        """Whether there are ended runs that filters still have to look into, span by span."""
        with self._reading() as connection:
            return connection is not None and index.has_unindexed(connection)

    def index_runs(self, limit: int, share: Share = ALL_RUNS) -> int:
        """Make up to `limit` ended runs quick to find, newest first; return how many."""
        indexed = 0
        while indexed < limit and self.has_unindexed_runs():
            with self._committing() as connection:
                indexed += index.index_some(connection, limit - indexed)
            _let_others_commit()
        return indexed

    def receipts(self, destination: str, run_ids: Iterable[str]) -> Mapping[str, Receipt]:
        """Return what the ledger says of these runs; those that were never sent are left out."""
        with self._reading() as connection:
            if connection is None:
                return {}
            return ledger.receipts(connection, destination, run_ids)

    def save_receipts(self, receipts: Iterable[Receipt]) -> None:
        """Note what was sent, in one transaction; a receipt replaces the one before."""
        with self._committing() as connection:
            ledger.save_receipts(connection, receipts)

    def destinations(self) -> Sequence[DestinationState]:
        """Return what the ledger says of each destination, the latest first."""
        with self._reading() as connection:
            return [] if connection is None else ledger.destinations(connection)

    def state(self) -> StoreState:
        """Return counts and the change token."""
        self._take_in(_TAKE_IN_S)
        with self._reading() as connection:
            spooled_bytes = self._spooled_bytes(connection)
            if connection is None:
                return StoreState(runs=0, spans=0, spooled_bytes=spooled_bytes, dropped={}, token=0)
            runs, spans, changes = connection.execute(
                "SELECT runs, spans, changes FROM totals"
            ).fetchall()[0]
            dropped = connection.execute(
                "SELECT reason, sum(spans) FROM drops GROUP BY reason"
            ).fetchall()
        return StoreState(
            runs=runs,
            spans=spans,
            spooled_bytes=spooled_bytes,
            dropped=dict(dropped),
            token=changes,
        )

    def delete_runs(self, run_ids: Iterable[str]) -> int:
        """Delete runs and all that belongs to them; return how many spans that were."""
        spans = 0
        for some in upkeep.in_batches(run_ids):
            with self._committing() as connection:
                spans += upkeep.delete_runs(connection, some)
            _let_others_commit()
        return spans

    def delete_contents(self, run_ids: Iterable[str]) -> int:
        """Delete inputs and outputs of runs; return of how many spans. All else stays."""
        spans = 0
        for some in upkeep.in_batches(run_ids):
            with self._committing() as connection:
                spans += upkeep.delete_contents(connection, some)
            _let_others_commit()
        return spans

    def size(self) -> StoreSize:
        """Return what the store takes on disk."""
        with self._reading() as connection:
            used_bytes, free_bytes = (0, 0) if connection is None else upkeep.page_bytes(connection)
            return StoreSize(
                used_bytes=used_bytes,
                free_bytes=free_bytes,
                log_bytes=file_size(self._path.with_name(f"{self._path.name}-wal")),
                spooled_bytes=self._spooled_bytes(connection),
            )

    def reclaim(self) -> None:
        """Give free space inside the store back to the disk."""
        with self._committing() as connection:
            index.begin_tidying(connection)
        is_left = True
        while is_left:
            with self._committing() as connection:
                is_left = index.tidy(connection)
            _let_others_commit()
        is_left = True
        while is_left:
            with self._write_lock, self._writing.holding() as connection:
                is_left = upkeep.free_pages(connection)
            _let_others_commit()
        with self._write_lock:
            self._writing.fold_back()

    def problems(self, *, is_thorough: bool = False) -> Sequence[str]:
        """Return what is broken in the store itself, in plain words; nothing when it is sound."""
        with self._reading() as connection:
            if connection is None:
                return []
            return upkeep.problems_in(connection, is_thorough=is_thorough)

    def back_up(self, target: Path) -> None:
        """Copy the store, as it is now, into a new file; recorders go on meanwhile."""
        self._take_in(_TAKE_IN_S)
        with self._reading() as connection:
            if connection is None:
                raise StoreUnavailableError(f"store {self.url!r} holds nothing yet")
            upkeep.back_up(connection, target)

    def close(self) -> None:
        """Release files; a closed store cannot be used again."""
        self._is_closed = True
        self._readers.close()
        with self._write_lock:
            for committer in (self._writing, self._taking_in):
                # Closing folds the log back if it can; if others hold the lock, they will.
                with contextlib.suppress(StoreError):
                    committer.close()

    # --- connections --------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailableError(f"store {self.url!r} was closed; open it again")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        self._check_open()
        with self._readers.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def _committing(self) -> Iterator[Connection]:
        self._check_open()
        if self._mode == "read":
            raise StoreUnavailableError(
                f"store {self.url!r} was opened for reading; open it with mode='write'"
            )
        with self._write_lock:
            # Whoever waited for a store that was closed meanwhile must not open it again.
            self._check_open()
            with self._writing.committing() as connection:
                yield connection

    # --- spools and their recorders -----------------------------------------------------------

    def _take_in(self, budget_s: float) -> None:
        """Take in what spools hold, as far as that goes now; reading goes on without."""
        self._check_open()
        with self._readers.reading() as connection:
            if not self._spooled_bytes(connection) and not self._has_dead(connection):
                return
        deadline = time.monotonic() + budget_s
        with self._write_lock, contextlib.suppress(StoreError):
            self._check_open()
            sweep(self._taking_in, is_over=lambda: time.monotonic() > deadline)

    def _spooled_bytes(self, connection: Connection | None) -> int:
        return waiting_bytes(connection, self._folder)

    def _has_dead(self, connection: Connection | None) -> bool:
        """Whether recorders have died that are not marked so."""
        if connection is None:
            return False
        found = connection.execute("SELECT recorder_id FROM recorders WHERE is_dead = 0").fetchall()
        return bool(found) and not living(self._folder).issuperset(name for (name,) in found)

    def _dead(self, connection: Connection) -> list[int]:
        return lists.dead_among_running(connection, living(self._folder))


def _let_others_commit() -> None:
    """Stand back between batches: who waits for the lock is woken, but not handed it."""
    time.sleep(_STAND_BACK_S)


def _candidates(connection: Connection, reference: str) -> list[str]:
    if reference == "last":
        last = lists.last_run(connection)
        return [] if last is None else [last]
    if not reference:
        return []
    for beginning in (reference, reference.lower()):
        found = lists.matching_runs(connection, beginning, _CANDIDATES)
        if reference in found:
            return [reference]
        if found:
            return found
    return []


class _Readers:
    """Connections for reading, used again; one more is made when all are in use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free: list[tuple[tuple[int, int] | None, Connection]] = []
        self._is_closed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """Lend a connection; `None` while there is nothing to read."""
        if self._pid != os.getpid():
            self._begin_anew()
        key = identity(self._path)
        connection = self._taken(key) or open_for_reading(self._path)
        if connection is None:
            yield None
            return
        try:
            with store_errors(self._path):
                yield connection
        except BaseException:
            connection.close()
            raise
        self._give_back(key, connection)

    def _taken(self, key: tuple[int, int] | None) -> Connection | None:
        """Return a free connection to the file that now has this name."""
        with self._lock:
            while self._free:
                had_key, connection = self._free.pop()
                if had_key == key:
                    return connection
                connection.close()
        return None

    def _give_back(self, key: tuple[int, int] | None, connection: Connection) -> None:
        with self._lock:
            if not self._is_closed:
                self._free.append((key, connection))
                return
        connection.close()

    def _begin_anew(self) -> None:
        """In a forked child: leave the parent's connections alone."""
        for _, connection in self._free:
            keep_open(connection)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free = []

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            free, self._free = self._free, []
        for _, connection in free:
            connection.close()
