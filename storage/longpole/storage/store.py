"""What a store is: span events in, lists of runs and whole runs out.

Every store (SQLite here, others beside it) obeys the `Store` protocol; `open_store` picks one by
URL. The events are what the tracer and the importers hand over; how attributes become columns is
`rows`' affair, so that every source is read the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol

from longpole.model.run import Run, SpanError, Status
from longpole.storage.filters import Filter

_NO_ATTRIBUTES: Final[Mapping[str, Any]] = MappingProxyType({})


# Events are tuples, alone among the values here: two of each span are made on the thread of the
# traced app, and two again when they are taken in; a frozen dataclass takes four times as long.
class SpanStart(NamedTuple):
    """A span began. Attributes carry the keys of `longpole.model.semconv`."""

    run_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    is_root: bool
    name: str
    start_ns: int
    attributes: Mapping[str, Any] = _NO_ATTRIBUTES


class SpanEnd(NamedTuple):
    """A span ended; its attributes are those that its start did not have, or has changed."""

    run_id: str
    span_id: str
    end_ns: int
    status: Status
    error: SpanError | None = None
    attributes: Mapping[str, Any] = _NO_ATTRIBUTES


SpanEvent = SpanStart | SpanEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """The process that recorded: who must be alive for a running span to be running."""

    recorder_id: str
    pid: int
    host: str


class RunOrder(StrEnum):
    """Columns that a list of runs can be ordered by."""

    START = "start"
    WALL = "wall"
    COST = "cost"
    NAME = "name"
    STATUS = "status"
    SPEEDUP = "speedup"
    TOKENS = "tokens"
    RETRIES = "retries"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs to list, newest first unless told otherwise.

    Attributes:
        name: exact name of the chain.
        status: any of these; empty means every status.
        since_ns, until_ns: bounds on the start, half open.
        text: what free text in a filter is: in the name or error, or as words in a content.
        where: what a run must match besides, from `filter_text.parse`.
        limit, offset: the page.
    """

    name: str | None = None
    status: tuple[Status, ...] = ()
    session_id: str | None = None
    tag: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    text: str | None = None
    where: Filter | None = None
    order: RunOrder = RunOrder.START
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in a list.

    Attributes:
        summary: the run object that was computed when the run was last looked at; `None` before.
        is_settled: whether the summary still fits the recorded spans.
    """

    run_id: str
    name: str
    status: Status
    start_ns: int
    end_ns: int | None
    spans: int
    session_id: str | None
    user_id: str | None
    tags: tuple[str, ...]
    summary: Mapping[str, Any] | None
    is_settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One page of a list and how many runs the query matches in all."""

    rows: tuple[RunRow, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What was computed for a run, to be kept beside it.

    Attributes:
        revision: the run's revision that was looked at, from `Store.unsettled_runs`.
        run_object: the `run` object of `longpole show --json`.
        costs: for each model call its cost (as text) or the reason why there is none.
        sample: what answers about many runs need of this one, as text; `None` where nothing is
            kept. It must hold neither the run's id nor when it started.
    """

    run_id: str
    revision: int
    run_object: Mapping[str, Any]
    costs: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    sample: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which runs are one worker's: those whose hash leaves `index` when divided by `count`."""

    index: int
    count: int


ALL_RUNS: Final = Share(index=0, count=1)
"""The share of a worker that is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Input and output of one span as recorded; `None` where not captured."""

    input_value: str | None
    input_mime_type: str | None
    output_value: str | None
    output_mime_type: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """How the store is, for `stats()`, the banner and `doctor`.

    Attributes:
        spooled_bytes: written by recorders, not yet in the database.
        dropped: spans lost, by reason.
        token: changes whenever any run changes; cheap to read.
    """

    runs: int
    spans: int
    spooled_bytes: int
    dropped: Mapping[str, int]
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSize:
    """Bytes on disk.

    Attributes:
        used_bytes: pages of the database that hold something.
        free_bytes: pages inside the file that hold nothing and can be given back.
        log_bytes: of the write-ahead log beside it.
        spooled_bytes: written by recorders, not yet in the database.
    """

    used_bytes: int
    free_bytes: int
    log_bytes: int
    spooled_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.used_bytes + self.free_bytes + self.log_bytes + self.spooled_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a destination has of one run, as far as it has answered.

    Attributes:
        destination: where to, in one line; the same text for the same place.
        revision: the run's revision that was sent.
        sent: spans that the destination acknowledged.
        refused: spans that it will not take, and its words why.
        waiting: why the rest has not gone yet; `None` when nothing is left.
        shift_ns: what was added to the run's times, so that a later try adds the same.
        at_ns: when this was noted.
        is_current: whether the run is still as it was when it was sent.
    """

    destination: str
    run_id: str
    revision: int
    sent: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    waiting: str | None = None
    shift_ns: int = 0
    at_ns: int = 0
    is_current: bool = True

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to send."""
        return self.is_current and self.waiting is None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationState:
    """What the ledger says of one destination; counts are of runs unless they say spans.

    Attributes:
        destination: as in `Receipt`.
        done: all of their spans were answered for, and they have not changed since.
        changed: sent, and changed since.
        waiting: something of them has not gone yet.
        refused_spans: spans that the destination will not take.
        reason: why something waits, or else was refused, in the words of one of them.
        at_ns: when anything was noted last.
    """

    destination: str
    done: int
    changed: int
    waiting: int
    refused_spans: int
    reason: str | None
    at_ns: int


class Store(Protocol):
    """A place for runs. All methods raise `StoreError`s only; none of them blocks a writer."""

    @property
    def url(self) -> str:
        """The URL that opens this store again."""
        ...

    def write(self, recorder: Recorder, events: Iterable[SpanEvent]) -> None:
        """Store these events in one transaction; the same events again change nothing."""
        ...

    def list_runs(self, query: RunQuery) -> RunPage:
        """Return one page of runs."""
        ...

    def resolve(self, reference: str) -> str:
        """Return the run id for an id, a unique prefix of one, or `last`.

        Raises:
            UnknownRunError: nothing matches.
            AmbiguousRunError: several runs match.
        """
        ...

    def load_run(self, run_id: str) -> Run:
        """Return the whole run; spans of a dead recorder that never ended are `lost`.

        Raises:
            UnknownRunError: there is no such run.
        """
        ...

    def load_runs(self, run_ids: Sequence[str]) -> Iterator[Run]:
        """Yield whole runs in this order, as `load_run` returns them, a few at a time in memory.

        Those that are not there, or whose spans make no tree, are left out.
        """
        ...

    def load_content(self, run_id: str, span_id: str) -> Content | None:
        """Return input, output and raw attributes of one span."""
        ...

    def load_contents(self, run_id: str) -> Mapping[str, Content]:
        """Return inputs, outputs and raw attributes of all spans of a run, by span id."""
        ...

    def run_ids(self, query: RunQuery) -> Sequence[str]:
        """Return the ids of all runs that match, in the query's order; its page is ignored."""
        ...

    def revision(self, run_id: str) -> int:
        """Return a number that grows whenever anything of the run changes.

        Raises:
            UnknownRunError: there is no such run.
        """
        ...

    def unsettled_runs(self, limit: int, share: Share = ALL_RUNS) -> Sequence[tuple[str, int]]:
        """Return (run id, revision) of runs whose summary is missing or out of date.

        Args:
            limit: how many at most.
            share: only these runs.
        """
        ...

    def share_of(self, worker_id: str) -> Share:
        """Note that a worker is there, and return which runs are its; ask again now and then.

        Shares of workers that came or went lately may overlap, which does no harm, and together
        they are always all runs.
        """
        ...

    def save_summaries(self, summaries: Iterable[RunSummary]) -> None:
        """Keep computed summaries and costs; one of an older revision is ignored."""
        ...

    @property
    def keeps_samples(self) -> bool:
        """Whether the samples of summaries are kept; where not, who needs one takes it anew."""
        ...

    def samples(self, run_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the samples that were kept of runs and still fit them, by run id."""
        ...

    def has_unindexed_runs(self) -> bool:
        """Whether there are ended runs that filters still have to look into, span by span."""
        ...

    def index_runs(self, limit: int, share: Share = ALL_RUNS) -> int:
        """Make up to `limit` ended runs quick to find, newest first; return how many.

        A store of many machines indexes the runs of one worker's share, a file all of them.

        Only what inputs and outputs of indexed runs say is found by words.
        """
        ...

    def receipts(self, destination: str, run_ids: Iterable[str]) -> Mapping[str, Receipt]:
        """Return what the ledger says of these runs; those that were never sent are left out."""
        ...

    def save_receipts(self, receipts: Iterable[Receipt]) -> None:
        """Note what was sent, in one transaction; a receipt replaces the one before."""
        ...

    def destinations(self) -> Sequence[DestinationState]:
        """Return what the ledger says of each destination, the latest first."""
        ...

    def state(self) -> StoreState:
        """Return counts and the change token."""
        ...

    def delete_runs(self, run_ids: Iterable[str]) -> int:
        """Delete runs and all that belongs to them; return how many spans that were.

        Spans that arrive later for a deleted run make a run without its beginning.
        """
        ...

    def delete_contents(self, run_ids: Iterable[str]) -> int:
        """Delete inputs and outputs of runs; return of how many spans. All else stays."""
        ...

    def size(self) -> StoreSize:
        """Return what the store takes on disk."""
        ...

    def reclaim(self) -> None:
        """Give free space inside the store back to the disk."""
        ...

    def problems(self, *, is_thorough: bool = False) -> Sequence[str]:
        """Return what is broken in the store itself, in plain words; nothing when it is sound."""
        ...

    def back_up(self, target: Path) -> None:
        """Copy the store, as it is now, into a new file; recorders go on meanwhile."""
        ...

    def close(self) -> None:
        """Release files; a closed store cannot be used again."""
        ...


OpenMode = Literal["read", "change", "write"]
"""What a store is opened for: `change` may write, but makes no file that is not there, so that a
name that is mistyped leaves nothing behind; `write` makes what is missing."""
