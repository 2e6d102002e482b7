"""The ClickHouse store: the `Store` protocol over the Collector's table and Longpole's own.

Any number of processes and machines read and write; there is no lock. What makes that sound is
that every row may come twice, and that nothing depends on the order in which rows come. What this
machine has spooled for the store is taken in before lists are read, as with a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final

from longpole.model.errors import (
    AmbiguousRunError,
    BrokenLawError,
    StoreUnavailableError,
    UnknownRunError,
    UnsupportedByStoreError,
)
from longpole.model.run import Run
from longpole.storage.alive import living, note_own
from longpole.storage.clickhouse import (
    indexing,
    ledger,
    lists,
    load,
    recorders,
    summaries,
    upkeep,
    workers,
    writing,
)
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import DROPS, RUNS
from longpole.storage.clickhouse.facts import NO_START_NS
from longpole.storage.clickhouse.outbox import Outbox
from longpole.storage.clickhouse.setup import set_up
from longpole.storage.clickhouse.spelling import Layout
from longpole.storage.codec import decode, encode
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

_CANDIDATES: Final = 1_000
_INDEXED_AT_ONCE: Final = 500
_FIRST_TAKE_IN_S: Final = 10.0
_TAKE_IN_S: Final = 0.25
_EMPTY_PAGE: Final = RunPage(rows=(), total=0)


class ClickHouseStore:
    """One database of ClickHouse; safe from any thread. Use `longpole.storage.open_store`."""

    def __init__(
        self,
        database: Database,
        mode: OpenMode,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._mode = mode
        self._clock_ns = clock_ns
        self._layout: Layout | None = None
        self._outbox = Outbox(database)
        self._noted: dict[str, float] = {}

    def open(self) -> None:
        """Look at the tables, make them if they are to be written, take in what is spooled here.

        Raises:
            StoreError: the server does not answer, or the tables cannot be used.
        """
        self._layout = set_up(self._database, makes=self._mode != "read")
        self._outbox.take_in(_FIRST_TAKE_IN_S)

    @property
    def url(self) -> str:
        """The URL that opens this store again."""
        return self._database.address.url

    def write(self, recorder: Recorder, events: Iterable[SpanEvent]) -> None:
        """Store these events; the same events again change nothing."""
        self._check_writable()
        if recorder.pid == os.getpid():
            note_own(recorder.recorder_id)
        layout = self._layout_to_write()
        plain_events = [decode(encode(event)) for event in events]
        self._note(recorder)
        writing.write_events(self._database, layout, recorder.recorder_id, plain_events)

    def _note(self, recorder: Recorder) -> None:
        now = time.monotonic()
        if now - self._noted.get(recorder.recorder_id, -recorders.BEAT_S) >= recorders.BEAT_S:
            recorders.note(self._database, recorder)
            self._noted[recorder.recorder_id] = now

    # --- reading --------------------------------------------------------------------------------

    def list_runs(self, query: RunQuery) -> RunPage:
        """Return one page of runs."""
        if not self._is_there():
            return _EMPTY_PAGE
        return lists.list_runs(self._database, query, self._dead())

    def resolve(self, reference: str) -> str:
        """Return the run id for an id, a unique prefix of one, or `last`.

        Raises:
            UnknownRunError: nothing matches.
            AmbiguousRunError: several runs match.
        """
        candidates = self._candidates(reference.strip()) if self._is_there() else []
        if not candidates:
            raise UnknownRunError(reference)
        if len(candidates) > 1:
            raise AmbiguousRunError(reference, candidates)
        return candidates[0]

    def _candidates(self, reference: str) -> list[str]:
        if reference == "last":
            last = lists.last_run(self._database, self._dead())
            return [] if last is None else [last]
        for beginning in (reference, reference.lower()) if reference else ():
            found = lists.matching_runs(self._database, beginning, _CANDIDATES)
            if reference in found:
                return [reference]
            if found:
                return found
        return []

    def load_run(self, run_id: str) -> Run:
        """Return the whole run; spans of a dead recorder that never ended are `lost`.

        Raises:
            UnknownRunError: there is no such run.
        """
        layout = self._seen_layout()
        if layout is not None:
            places = list(load.places_of(self._database, [run_id]).values())
            for loaded in load.load_rows(self._database, layout, places, self._is_living):
                return loaded.assembled()
        raise UnknownRunError(run_id)

    def load_runs(self, run_ids: Sequence[str]) -> Iterator[Run]:
        """Yield whole runs, as `load_run` returns them; those that cannot be had are left out."""
        layout = self._seen_layout()
        if layout is None:
            return
        for places in load.portions(self._database, run_ids):
            is_living = cache(self._is_living)
            for loaded in load.load_rows(self._database, layout, places, is_living):
                try:
                    run = loaded.assembled()
                except BrokenLawError:
                    continue
                yield run

    def load_content(self, run_id: str, span_id: str) -> Content | None:
        """Return input, output and raw attributes of one span."""
        layout = self._seen_layout()
        if layout is None:
            return None
        return load.load_contents(self._database, layout, run_id, span_id).get(span_id)

    def load_contents(self, run_id: str) -> Mapping[str, Content]:
        """Return inputs, outputs and raw attributes of all spans of a run, by span id."""
        layout = self._seen_layout()
        return {} if layout is None else load.load_contents(self._database, layout, run_id)

    def run_ids(self, query: RunQuery) -> Sequence[str]:
        """Return the ids of all runs that match, in the query's order; its page is ignored."""
        if not self._is_there():
            return []
        return lists.run_ids(self._database, query, self._dead())

    def revision(self, run_id: str) -> int:
        """Return a number that grows whenever anything of the run changes.

        Raises:
            UnknownRunError: there is no such run.
        """
        known = self._revisions([run_id]) if self._seen_layout() else {}
        if run_id not in known:
            raise UnknownRunError(run_id)
        return known[run_id][0]

    def _revisions(self, run_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        return lists.revisions(self._database, run_ids, self._dead())

    # --- what is computed and sent --------------------------------------------------------------

    def unsettled_runs(self, limit: int, share: Share = ALL_RUNS) -> Sequence[tuple[str, int]]:
        """Return (run id, revision) of ended runs whose summary is missing or out of date."""
        if self._seen_layout() is None:
            return []
        return lists.unsettled_runs(self._database, self._dead(), limit, share)

    def share_of(self, worker_id: str) -> Share:
        """Note that a worker is there, and return which runs are its."""
        self._check_writable()
        return workers.share_of(self._database, worker_id)

    def save_summaries(self, summaries_: Iterable[RunSummary]) -> None:
        """Keep computed summaries and costs; one of an older revision is ignored."""
        self._check_writable()
        summaries.save_summaries(
            self._database, summaries_, self._revisions, now_ns=self._clock_ns()
        )

    @property
    def keeps_samples(self) -> bool:
        """Whether the samples of summaries are kept: they are not."""
        return False

    def samples(self, run_ids: Sequence[str]) -> Mapping[str, str]:
        """Return nothing: no samples are kept here."""
        return {}

    def has_unindexed_runs(self) -> bool:
        """Whether there are ended runs whose words and other tools' spans nobody looked at yet."""
        if self._seen_layout() is None:
            return False
        return lists.has_unindexed_runs(self._database, self._dead())

    def index_runs(self, limit: int, share: Share = ALL_RUNS) -> int:
        """Make up to `limit` ended runs quick to find, newest first; return how many."""
        self._check_writable()
        layout = self._layout_to_write()
        indexed = 0
        while indexed < limit:
            some = min(_INDEXED_AT_ONCE, limit - indexed)
            waiting = lists.unindexed_runs(self._database, self._dead(), some, share)
            indexing.index_runs(
                self._database, layout, waiting, cache(self._is_living), now_ns=self._clock_ns()
            )
            indexed += len(waiting)
            if len(waiting) < some:
                break
        return indexed

    def receipts(self, destination: str, run_ids: Iterable[str]) -> Mapping[str, Receipt]:
        """Return what the ledger says of these runs; those that were never sent are left out."""
        if self._seen_layout() is None:
            return {}
        return ledger.receipts(self._database, destination, run_ids, self._revisions)

    def save_receipts(self, receipts: Iterable[Receipt]) -> None:
        """Note what was sent; a receipt replaces the one before."""
        self._check_writable()
        ledger.save_receipts(self._database, receipts, self._revisions, now_ns=self._clock_ns())

    def destinations(self) -> Sequence[DestinationState]:
        """Return what the ledger says of each destination, the latest first."""
        if self._seen_layout() is None:
            return []
        return ledger.destinations(
            self._database, lambda ids: lists.revisions_among(self._database, ids, self._dead())
        )

    def state(self) -> StoreState:
        """Return counts and the change token."""
        if not self._is_there():
            return StoreState(
                runs=0, spans=0, spooled_bytes=self._outbox.spooled_bytes(), dropped={}, token=0
            )
        runs, spans, token = self._database.query(
            f"SELECT uniqExactIf(run_id, first_ns < {NO_START_NS}), uniqExactMerge(spans), "
            f"cityHash64(count(), max(changed_ns)) FROM {self._database.name(RUNS)}"
        ).rows[0]
        dropped = self._database.query(
            "SELECT reason, sum(most) FROM (SELECT recorder_id, reason, max(spans) AS most "
            f"FROM {self._database.name(DROPS)} GROUP BY recorder_id, reason) GROUP BY reason"
        )
        return StoreState(
            runs=runs,
            spans=spans,
            spooled_bytes=self._outbox.spooled_bytes(),
            dropped={reason: int(count) for reason, count in dropped.rows},
            token=token,
        )

    # --- upkeep ---------------------------------------------------------------------------------

    def delete_runs(self, run_ids: Iterable[str]) -> int:
        """Delete runs and all that belongs to them; return how many spans that were."""
        self._check_writable()
        waiting, spans = iter(run_ids), 0
        while some := list(islice(waiting, upkeep.RUNS_AT_ONCE)):
            spans += upkeep.delete_runs(self._database, some)
        return spans

    def delete_contents(self, run_ids: Iterable[str]) -> int:
        """Delete inputs and outputs of runs; return of how many spans. All else stays."""
        self._check_writable()
        waiting, spans = iter(run_ids), 0
        while some := list(islice(waiting, upkeep.RUNS_AT_ONCE)):
            spans += upkeep.delete_contents(self._database, some)
        return spans

    def size(self) -> StoreSize:
        """Return what the tables take on disk."""
        return upkeep.size(self._database, self._outbox.spooled_bytes())

    def reclaim(self) -> None:
        """Do nothing: ClickHouse removes deleted rows and old parts by itself."""

    def problems(self, *, is_thorough: bool = False) -> Sequence[str]:
        """Return what is wrong with the tables, in plain words; nothing when they are sound."""
        if self._seen_layout() is None:
            return []
        return upkeep.problems_in(self._database, is_thorough=is_thorough)

    def back_up(self, target: Path) -> None:
        """Refuse: a server's backups are the server's.

        Raises:
            UnsupportedByStoreError: always.
        """
        database = self._database.address.database
        raise UnsupportedByStoreError(
            f"{self._database.address.shown!r} is no file to copy; use ClickHouse's own: "
            f"BACKUP DATABASE {database} TO Disk('backups', '{target.name}.zip')"
        )

    def close(self) -> None:
        """Let go of the server; a closed store cannot be used again."""
        self._outbox.close()
        self._database.close()

    # --- inside ---------------------------------------------------------------------------------

    def _is_there(self) -> bool:
        """Take in what this machine has spooled; whether there is anything to read."""
        self._outbox.take_in(_TAKE_IN_S)
        return self._seen_layout() is not None

    def _seen_layout(self) -> Layout | None:
        """Return the layout of `otel_traces`; it may have been made since the store was opened."""
        if self._layout is None:
            self._layout = set_up(self._database, makes=False)
        return self._layout

    def _layout_to_write(self) -> Layout:
        layout = self._seen_layout()
        if layout is None:
            raise StoreUnavailableError(f"store {self._database.address.shown!r} lost its tables")
        return layout

    def _check_writable(self) -> None:
        if self._mode == "read":
            raise StoreUnavailableError(
                f"store {self._database.address.shown!r} was opened for reading; "
                "open it with mode='write'"
            )

    def _living_here(self) -> frozenset[str]:
        return living(spool_folder(self._database.address.outbox))

    def _dead(self) -> list[str]:
        return recorders.dead_with_open_spans(self._database, self._living_here())

    def _is_living(self, recorder_id: str) -> bool:
        return recorders.is_living(self._database, recorder_id, self._living_here())
