"""A worker: computes the summaries of its share of the runs, again and again.

Any number of them may run, on any number of machines: the store tells each one its share anew in
every round, so that workers may come and go. What two of them compute twice is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from longpole.dashboard.settle import has_backlog, settle
from longpole.model.errors import StoreUnavailableError
from longpole.model.pricing import PriceBook
from longpole.storage import Share, Store

ROUND_RUNS: Final = 500
"""Runs of one round at most, after which a worker asks for its share again."""
BACKLOG_RUNS: Final = 50_000
"""The same for a round in which several processes compute a backlog."""
PROCESSES_MOST: Final = 4
"""As many processes are started unasked, and may be asked for on any machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did; `trouble` is why it did nothing, where the store does not answer."""

    settled: int
    share: Share | None
    trouble: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there was less to do than one round can."""
        return self.settled < ROUND_RUNS


def work_once(
    store: Store,
    worker_id: str,
    *,
    book: PriceBook,
    now_ns: int,
    processes: int = 1,
    is_over: Callable[[], bool] = lambda: False,
) -> Round:
    """Settle what is unsettled of the worker's share: up to `ROUND_RUNS`, of a backlog more."""
    settled = 0
    try:
        share = store.share_of(worker_id)
        if processes > 1 and has_backlog(store, share):
            # Loaded here: the command line need not wait for it whatever it was asked.
            from longpole.dashboard.backlog import settle_backlog

            settled = settle_backlog(
                store,
                book=book,
                now_ns=now_ns,
                limit=BACKLOG_RUNS,
                processes=processes,
                share=share,
                is_over=is_over,
            )
        if settled < ROUND_RUNS and not is_over():
            settled += settle(store, book=book, now_ns=now_ns, limit=ROUND_RUNS, share=share)
    except StoreUnavailableError as error:
        return Round(settled=0, share=None, trouble=str(error))
    return Round(settled=settled, share=share)


def work(
    store: Store,
    worker_id: str,
    *,
    book: PriceBook,
    clock_ns: Callable[[], int],
    pause: Callable[[], bool],
    tell: Callable[[Round], object],
    processes: int = 1,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Work until `pause` says that it is enough.

    Args:
        store: open for writing.
        worker_id: unique among workers.
        book: what calls cost.
        clock_ns: nanoseconds since the epoch.
        pause: waits between rounds when there is little to do; whether to stop.
        tell: is told of every round.
        processes: how many compute a backlog.
        is_over: whether to stop in the middle of one.
    """
    while not is_over():
        outcome = work_once(
            store, worker_id, book=book, now_ns=clock_ns(), processes=processes, is_over=is_over
        )
        tell(outcome)
        if outcome.is_idle and pause():
            return
