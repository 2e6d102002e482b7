"""What to keep → which runs go, oldest first, and what that frees.

Only runs that have ended go. How large the store still is is measured, batch by batch, while it
shrinks; a plan can only estimate it, from the mean size of a span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from longpole.model.run import Status
from longpole.storage import RunQuery, RunRow, Store
from longpole.storage.filters import Filter

_AT_ONCE: Final = 200
_FEWEST_AT_ONCE: Final = 20
_PAGE: Final = 20_000
_ENDED: Final = tuple(status for status in Status if status is not Status.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is not to go.

    Attributes:
        since_ns: runs that started then or later; `None` keeps no run for its age.
        where: only runs that match this may go; `None` means any.
        most_bytes: when this is set, no more runs go than it takes to get below it.
    """

    since_ns: int | None = None
    where: Filter | None = None
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What went, or would go.

    Attributes:
        spans: deleted, or emptied of inputs and outputs; `None` in a plan.
        before_bytes, after_bytes: of the whole store; in a plan `after_bytes` is an estimate.
    """

    runs: int
    spans: int | None
    before_bytes: int
    after_bytes: int


def plan(store: Store, keep: Keep) -> Pruned:
    """Tell what `prune` would do, without doing it."""
    state, size = store.state(), store.size()
    span_bytes = size.used_bytes / state.spans if state.spans else 0.0
    left_bytes = float(size.used_bytes)
    runs = 0
    for row in _rows(store, keep):
        if keep.most_bytes is not None and left_bytes <= keep.most_bytes:
            break
        left_bytes -= span_bytes * row.spans
        runs += 1
    return Pruned(
        runs=runs,
        spans=None,
        before_bytes=size.total_bytes,
        after_bytes=max(0, round(left_bytes)) if runs else size.total_bytes,
    )


def _query(keep: Keep) -> RunQuery:
    return RunQuery(status=_ENDED, until_ns=keep.since_ns, where=keep.where, descending=False)


def _rows(store: Store, keep: Keep) -> Iterator[RunRow]:
    """Yield all runs that may go, oldest first."""
    offset = 0
    while rows := store.list_runs(replace(_query(keep), limit=_PAGE, offset=offset)).rows:
        yield from rows
        offset += len(rows)


def prune(
    store: Store,
    keep: Keep,
    *,
    content_only: bool = False,
    advance: Callable[[int], object] = lambda runs: None,
) -> Pruned:
    """Delete what need not be kept and give the space back.

    Args:
        store: open for writing.
        keep: what stays.
        content_only: inputs and outputs go; runs, times and costs stay.
        advance: told how many runs are done.

    Raises:
        StoreError: the store cannot be written.
    """
    before_bytes = store.size().total_bytes
    delete = store.delete_contents if content_only else store.delete_runs
    runs = spans = 0
    for some in _while_too_large(store, keep):
        spans += delete(some)
        runs += len(some)
        advance(len(some))
    store.reclaim()
    return Pruned(
        runs=runs, spans=spans, before_bytes=before_bytes, after_bytes=store.size().total_bytes
    )


def _while_too_large(store: Store, keep: Keep) -> Iterator[Sequence[str]]:
    """Yield runs to delete, batch by batch, as long as there is reason to."""
    run_ids = store.run_ids(_query(keep))
    first = 0
    while first < len(run_ids):
        at_once = _AT_ONCE if keep.most_bytes is None else _runs_over(store, keep.most_bytes)
        if not at_once:
            return
        yield run_ids[first : first + at_once]
        first += at_once


def _runs_over(store: Store, most_bytes: int) -> int:
    """Return how many runs may go before the store is measured again; none when it fits.

    Half as many as runs of the mean size would have to, so that hardly one too many goes.
    """
    over_bytes = store.size().used_bytes - most_bytes
    if over_bytes <= 0:
        return 0
    run_bytes = store.size().used_bytes / max(1, store.state().runs)
    return min(_AT_ONCE, max(_FEWEST_AT_ONCE, int(over_bytes / run_bytes / 2)))
