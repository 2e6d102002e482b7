"""Parcels → a destination, with a receipt for every run: nothing twice, nothing unnoticed.

Spans go in batches; after each answer the receipts of the runs in it are committed, so that an
export that is cut off, by a kill even, goes on where it was. What a destination has refused is not
sent again unless asked for; what could not be delivered waits for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Protocol

from longpole.storage.exchange.parcel import Parcel
from longpole.storage.store import Receipt, Store

_GIVE_UP_AFTER: Final = 3
_LOOKED_UP_AT_ONCE: Final = 500


class Fate(StrEnum):
    """What became of a span that was sent."""

    SENT = "sent"
    EXISTS = "exists"
    REFUSED = "refused"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A span's fate, and the destination's words about it."""

    fate: Fate
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One span, ready to be sent.

    Attributes:
        payload: what the destination makes of it.
        size_bytes: about how large it is on the wire.
    """

    run_id: str
    span_id: str
    payload: Any
    size_bytes: int


class Destination(Protocol):
    """Where runs go; sending waits out what passes by itself."""

    @property
    def name(self) -> str:
        """What the ledger knows it by."""
        ...

    @property
    def title(self) -> str:
        """What people know it by."""
        ...

    @property
    def batch_spans(self) -> int:
        """How many spans go in one request."""
        ...

    @property
    def batch_bytes(self) -> int:
        """How large a request may be."""
        ...

    def items(self, parcel: Parcel, shift_ns: int) -> Iterable[Item]:
        """Return the spans of a run as they are sent, parents before children."""
        ...

    def send(self, items: Sequence[Item]) -> Sequence[Outcome]:
        """Send one batch; return what became of each item, in order.

        Raises:
            ExchangeError: nothing can be sent there.
        """
        ...


@dataclass(slots=True)
class Report:
    """What became of an export; counts are of spans unless they say runs.

    Attributes:
        runs: all of their spans have been answered for, by acceptance or refusal.
        done_before: runs that were there already and have not changed.
        refused: (run id, span id, why).
        waiting: (run id, why).
        stopped: why the export ended before its end.
    """

    runs: int = 0
    done_before: int = 0
    sent: int = 0
    existed: int = 0
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    stopped: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all that was to go has gone."""
        return not self.refused and not self.waiting and self.stopped is None


class Delivery:
    """One export: parcels in, batches out, receipts kept.

    Args:
        store: open for writing; keeps the ledger.
        destination: where to.
        shift_ns: what to add to the times of a run that was never sent before.
        retry_refused: whether spans that were refused before are sent again.
        force: whether the ledger's word counts for nothing.
        clock_ns: for the receipts.
        progress: called after every answer with the report so far.
    """

    def __init__(
        self,
        store: Store,
        destination: Destination,
        *,
        shift_ns: Callable[[Parcel], int],
        clock_ns: Callable[[], int],
        retry_refused: bool = False,
        force: bool = False,
        progress: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._destination = destination
        self._shift_ns = shift_ns
        self._retry_refused = retry_refused
        self._force = force
        self._clock_ns = clock_ns
        self._progress = progress
        self._open: dict[str, _OpenRun] = {}
        self._batch: list[Item] = []
        self._batch_bytes = 0
        self._failures = 0
        self.report = Report()

    def due(self, run_ids: Iterable[str]) -> Iterator[str]:
        """Yield those of these runs that have something left to send."""
        waiting = iter(run_ids)
        # Some at a time: a receipt names all spans of its run.
        while some := list(islice(waiting, _LOOKED_UP_AT_ONCE)):
            known = {} if self._force else self._store.receipts(self._destination.name, some)
            for run_id in some:
                receipt = known.get(run_id)
                if receipt is None or self._is_due(receipt):
                    yield run_id
                else:
                    self.report.done_before += 1
                    self._count_refused_before(receipt)

    def _is_due(self, receipt: Receipt) -> bool:
        return not receipt.is_done or bool(self._retry_refused and receipt.refused)

    def deliver(self, parcels: Iterable[Parcel]) -> Report:
        """Send all of these; return what became of them.

        Raises:
            ExchangeError: the destination takes nothing at all.
            StoreError: the ledger cannot be written.
        """
        for parcel in parcels:
            self.add(parcel)
            if self.report.stopped is not None:
                break
        self.flush()
        return self.report

    def add(self, parcel: Parcel) -> None:
        """Take one run; full batches go out.

        Raises:
            ExchangeError: the destination takes nothing at all.
        """
        if parcel.run.is_running:
            self.report.waiting[parcel.run.run_id] = "it is still running"
            return
        run = self._opened(parcel)
        items = [
            item
            for item in self._destination.items(parcel, run.receipt.shift_ns)
            if item.span_id not in run.receipt.sent and item.span_id not in run.receipt.refused
        ]
        run.left = len(items)
        if not items:
            self._close(run)
            return
        # A trace is not torn apart where it fits into one request.
        if len(self._batch) + len(items) > self._destination.batch_spans:
            self.flush()
        for item in items:
            if (
                len(self._batch) >= self._destination.batch_spans
                or self._batch_bytes + item.size_bytes > self._destination.batch_bytes
            ):
                self.flush()
            if self.report.stopped is not None:
                return
            self._batch.append(item)
            self._batch_bytes += item.size_bytes

    def flush(self) -> None:
        """Send what waits in the batch.

        Raises:
            ExchangeError: the destination takes nothing at all.
        """
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch or self.report.stopped is not None:
            return
        outcomes = self._destination.send(batch)
        touched: dict[str, _OpenRun] = {}
        for item, outcome in zip(batch, outcomes, strict=True):
            run = touched[item.run_id] = self._open[item.run_id]
            run.take(item.span_id, outcome)
            self._count(item, outcome)
        self._watch(outcomes)
        for run in touched.values():
            self._note(run)
        self._store.save_receipts(run.receipt_now(self._clock_ns()) for run in touched.values())
        self._progress(self.report)

    # --- one run ------------------------------------------------------------------------------

    def _opened(self, parcel: Parcel) -> _OpenRun:
        run_id = parcel.run.run_id
        name = self._destination.name
        known = {} if self._force else self._store.receipts(name, [run_id])
        before = known.get(run_id)
        if before is None:
            before = Receipt(destination=name, run_id=run_id, revision=0)
            before = replace(before, shift_ns=self._shift_ns(parcel))
        elif self._retry_refused and before.refused:
            # What was refused for its times may get others; what is there already keeps its own.
            shift_ns = before.shift_ns if before.sent else self._shift_ns(parcel)
            before = replace(before, refused={}, shift_ns=shift_ns)
        run = _OpenRun(replace(before, revision=parcel.revision))
        self._open[run_id] = run
        return run

    def _close(self, run: _OpenRun) -> None:
        """Note a run of which nothing was left to send after all."""
        self._note(run)
        self._store.save_receipts([run.receipt_now(self._clock_ns())])

    def _note(self, run: _OpenRun) -> None:
        run_id = run.receipt.run_id
        if run.why_waiting:
            self.report.waiting[run_id] = run.why_waiting
        if run.left == 0:
            self.report.runs += run_id not in self.report.waiting
            self._open.pop(run_id, None)

    # --- counting -----------------------------------------------------------------------------

    def _count(self, item: Item, outcome: Outcome) -> None:
        if outcome.fate is Fate.SENT:
            self.report.sent += 1
        elif outcome.fate is Fate.EXISTS:
            self.report.existed += 1
        elif outcome.fate is Fate.REFUSED:
            self.report.refused.append((item.run_id, item.span_id, outcome.detail))

    def _count_refused_before(self, receipt: Receipt) -> None:
        self.report.refused.extend(
            (receipt.run_id, span_id, why) for span_id, why in receipt.refused.items()
        )

    def _watch(self, outcomes: Sequence[Outcome]) -> None:
        """Stop when the destination has not answered for a while: the ledger knows where."""
        if all(outcome.fate is Fate.WAITING for outcome in outcomes):
            self._failures += 1
            if self._failures >= _GIVE_UP_AFTER:
                self.report.stopped = outcomes[-1].detail
        else:
            self._failures = 0


class _OpenRun:
    """A run of which spans are on their way."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.left = 0
        self.why_waiting: str | None = None
        self._sent = set(receipt.sent)
        self._refused: dict[str, str] = dict(receipt.refused)

    def take(self, span_id: str, outcome: Outcome) -> None:
        """Note one span's fate."""
        self.left -= 1
        if outcome.fate is Fate.REFUSED:
            self._refused[span_id] = outcome.detail
        elif outcome.fate is Fate.WAITING:
            self.why_waiting = outcome.detail
        else:
            self._sent.add(span_id)

    def receipt_now(self, at_ns: int) -> Receipt:
        """Return the receipt as of now."""
        on_the_way = f"{self.left} spans had not been sent yet" if self.left else None
        return replace(
            self.receipt,
            sent=frozenset(self._sent),
            refused=self._refused,
            waiting=self.why_waiting or on_the_way,
            at_ns=at_ns,
        )


def describe(report: Report) -> Mapping[str, Any]:
    """Return a report as JSON values."""
    return {
        "runs": report.runs,
        "already_there": report.done_before,
        "spans_sent": report.sent,
        "spans_existed": report.existed,
        "refused": [
            {"run_id": run_id, "span_id": span_id, "reason": why}
            for run_id, span_id, why in report.refused
        ],
        "waiting": [{"run_id": run_id, "reason": why} for run_id, why in report.waiting.items()],
        "stopped": report.stopped,
        "complete": report.is_complete,
    }
