"""The rows of one batch call → one run: a span for the call, each row below it with its index.

LangChain starts every row of a `batch` as a root of its own (or as one more child of the run the
call was made in) and says nothing of its index. `longpole.tracer.probes` puts a `Batch` into the
context of a call and a `Row` into the context of each row as far as rows have one; a run that
starts there, with the parent that the call's rows have, is placed below the call. The call's span
is opened by its first row, so a call that no handler sees leaves no trace and costs next to
nothing. `map()` is such a call too, but its span is LangChain's own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from longpole.model.place import NO_ROW, STRUCTURAL_PREFIXES, Shape
from longpole.model.run import Kind
from longpole.tracer.caller import Caller, default_pool_size
from longpole.tracer.clock import Clock
from longpole.tracer.content import Redact, type_name
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.spans import UMBRELLA, Adopted, Spans
from longpole.tracer.standing import BY_STEPS, Start

_log = logging.getLogger("longpole")

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(slots=True)
class _Home:
    """Where one store's rows of a call belong.

    Attributes:
        outer: the parent LangChain gives to the rows.
        run: the run they are placed below.
        is_own: whether that run is the call's own, and not one that LangChain ends.
        next_index: of rows that have no context of their own; they start in order.
    """

    outer: OpenRun | None
    run: OpenRun
    spans: Spans
    redact: Redact | None
    clock: Clock
    is_own: bool = True
    next_index: int = 0

    def end(self, of_rows: BaseException | None, error: BaseException | None) -> None:
        """End what is left of the call: rows, where there is an exception for them, and itself."""
        end_ns = self.clock()
        if of_rows is not None:
            self.spans.fail_rows(self.run, end_ns, of_rows, self.redact)
        if self.is_own:
            self.spans.close_root(self.run, end_ns, error, self.redact)


class Batch:
    """One call of `batch`, `abatch`, `batch_as_completed`, `abatch_as_completed` or `map()`.

    Args:
        size: how many rows it has.
        configs: the caller's configuration, one for all rows or one for each.
        body: LangChain's id of the run in which the call was made.
        start_ns: when it was made.
        is_map: rows belong to the run they are children of.
        name: of what its rows have in common, where they have names of their own.
        is_counted: whether rows that start without a context of their own start in order, each
            once; a model that answers some of them from its cache does not.
    """

    def __init__(
        self,
        *,
        size: int,
        configs: object,
        body: UUID | None,
        start_ns: int,
        is_map: bool,
        name: str | None = None,
        is_counted: bool = True,
    ) -> None:
        self.size = size
        self.body = body
        self.start_ns = start_ns
        self.limit: int | None = None
        self.is_dealt = False
        self.is_in_contexts = False
        self._configs = configs
        self._is_map = is_map
        self._is_counted = is_counted
        self._name = name
        self._submitted = 0
        self._is_closed = False
        self._outer = UMBRELLA.get()
        self._lock = threading.Lock()
        self._homes: dict[int, _Home] = {}

    # --- handing out rows ----------------------------------------------------------------------

    def deal(self, count: int, limit: int | None) -> list[Row] | None:
        """Return a row for each piece of work submitted together; `None` when these are no rows.

        Rows are dealt once: what a row submits later on is its own affair.
        """
        if self.is_dealt or count != self.size:
            return None
        self.is_dealt = self.is_in_contexts = True
        self.limit = limit
        return [Row(self, index) for index in range(count)]

    def next_row(self, limit: int | None) -> Row | None:
        """Return the next row of those that are submitted one by one; `None` when it is none."""
        if self.is_dealt:
            return None
        index, self._submitted = self._submitted, self._submitted + 1
        self.is_dealt, self.is_in_contexts = self._submitted == self.size, True
        self.limit = limit
        return Row(self, index)

    # --- placing what starts -------------------------------------------------------------------

    def adopt(
        self, spans: Spans, parent: OpenRun | None, start: Start, redact: Redact | None
    ) -> Adopted:
        """Place a run that starts in the call's own context: the next row, if any is left."""
        if self._is_closed:
            return self.pass_on(spans, parent, start, redact)
        with self._lock:
            home = self._home(spans, parent, start, redact)
            if home is None or parent is not home.outer:
                return parent, None
            self.is_dealt = True
            index, home.next_index = home.next_index, home.next_index + 1
        if index >= self.size:
            return home.run, NO_ROW
        return home.run, index if self._is_counted else None

    def adopt_row(
        self,
        spans: Spans,
        parent: OpenRun | None,
        start: Start,
        redact: Redact | None,
        row: Row,
    ) -> Adopted:
        """Place a run that starts in the context of a row."""
        # A row may begin when its call has failed already; what it leaves running is its own.
        if self._is_closed and row.run not in (None, start.uuid):
            return self.pass_on(spans, parent, start, redact)
        with self._lock:
            home = self._home(spans, parent, start, redact)
        if home is None or parent is not home.outer:
            return parent, None
        row.run = row.run or start.uuid
        return home.run, row.index

    def pass_on(
        self, spans: Spans, parent: OpenRun | None, start: Start, redact: Redact | None
    ) -> Adopted:
        """Place what is none of this call's affair."""
        if self._outer is None:
            return parent, None
        return self._outer.adopt(spans, parent, start, redact)

    def _home(
        self, spans: Spans, parent: OpenRun | None, start: Start, redact: Redact | None
    ) -> _Home | None:
        home = self._homes.get(id(spans))
        if home is None and parent is not None and (self._is_map or parent.shape is Shape.EACH):
            home = _Home(parent, parent, spans, redact, start.clock, is_own=False)
        if home is None and self._is_map:
            return None
        if home is None:
            outer, row = self.pass_on(spans, parent, start, redact)
            run = spans.open_below(outer, self._start(start, outer), redact, row)
            home = _Home(parent, run, spans, redact, start.clock)
        self._homes[id(spans)] = home
        return home

    def _start(self, first: Start, outer: OpenRun | None) -> Start:
        """Return the start of the call's own run, told by its first row."""
        inherited = frozenset() if outer is None else outer.inherited
        odd_tags, odd_keys = _differing(self._configs)
        return Start(
            uuid=None,
            parent_uuid=None,
            name=f"batch of {self._name or first.name}",
            kind=Kind.OTHER,
            start_ns=min(self.start_ns, first.start_ns),
            tags=tuple(
                tag
                for tag in first.tags
                if tag not in odd_tags
                and (tag in inherited or not tag.startswith(STRUCTURAL_PREFIXES))
            ),
            metadata={key: first.metadata[key] for key in first.metadata if key not in odd_keys},
            caller=Caller(Shape.BATCH, self._limit(first.caller)),
            clock=first.clock,
        )

    def _limit(self, row: Caller) -> int | None:
        """Return how many rows may run at once: as dealt, else what each step of them keeps."""
        if self.is_in_contexts or self.size < 2:
            return self.limit
        if row.shape not in BY_STEPS:
            return None
        is_pooled = row.shape is not None and asyncio._get_running_loop() is None
        return row.max_concurrency or (default_pool_size() if is_pooled else None)

    # --- the end -------------------------------------------------------------------------------

    def close(self, error: BaseException | None, *, is_async: bool) -> None:
        """End the call's run; `error` is what the call raised.

        Rows that are tasks of their own go on when an asynchronous call has raised. Of all others a
        row that has not ended never will: LangChain forgets some.
        """
        is_left_running = is_async and self.is_in_contexts
        with self._lock:
            self._is_closed = True
            homes = list(self._homes.values())
        for home in homes:
            try:
                home.end(None if is_left_running else error, error)
            except Exception as ours:  # noqa: BLE001 - the call's own outcome is what counts
                _log.warning("longpole could not end the run of a batch: %s", type_name(ours))


class Row:
    """One row of a call, in a context of its own; an umbrella over what starts there."""

    __slots__ = ("batch", "index", "run")

    def __init__(self, batch: Batch, index: int | None) -> None:
        self.batch = batch
        self.index = index
        self.run: UUID | None = None

    def adopt(
        self, spans: Spans, parent: OpenRun | None, start: Start, redact: Redact | None
    ) -> Adopted:
        """Place a run that starts in this row's context."""
        return self.batch.adopt_row(spans, parent, start, redact, self)


def current_batch() -> Batch | None:
    """Return the call in whose own context, outside its rows, we are."""
    umbrella = UMBRELLA.get()
    return umbrella if type(umbrella) is Batch else None


def _differing(configs: object) -> tuple[frozenset[str], frozenset[str]]:
    """Return the tags and the metadata keys that not all rows are given alike."""
    if not isinstance(configs, (list, tuple)):
        return frozenset(), frozenset()
    tags: set[str] = set()
    keys: set[str] = set()
    first_tags, first_told = _told(configs[0]) if configs else ((), {})
    for config in configs:
        row_tags, told = _told(config)
        tags.update(set(row_tags) ^ set(first_tags))
        keys.update(
            key
            for key in {**first_told, **told}
            if not _is_same(first_told.get(key), told.get(key))
        )
    return frozenset(tags), frozenset(keys)


def _told(config: object) -> tuple[Sequence[str], Mapping[str, Any]]:
    if not isinstance(config, dict):
        return (), {}
    return config.get("tags") or (), config.get("metadata") or {}


def _is_same(one: object, other: object) -> bool:
    # Only plain values are compared: an object of the user's is not asked what it equals.
    return one is other or (type(one) in _PLAIN and type(one) is type(other) and one == other)
