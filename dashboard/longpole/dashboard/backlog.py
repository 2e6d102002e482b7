"""Many new runs at once → their summaries, computed by processes beside this one.

A process takes a second to start, so this is worth it for a backlog only: runs that were imported,
or recorded while nobody looked. The others load, price and analyse; this one alone writes, and
indexes meanwhile. What is kept is what `settle` keeps.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import islice
from threading import Thread
from typing import Final

from longpole.dashboard.settle import BATCH, summaries_of
from longpole.model.price_file import PriceRule
from longpole.model.pricing import PriceBook
from longpole.storage import ALL_RUNS, RunSummary, Share, Store, open_store

_AHEAD: Final = 2
_INDEXED_RATIO: Final = 2  # the index is written faster in large portions


def settle_backlog(
    store: Store,
    *,
    book: PriceBook,
    now_ns: int,
    limit: int,
    processes: int,
    share: Share = ALL_RUNS,
    batch: int = BATCH,
    is_over: Callable[[], bool] = lambda: False,
) -> int:
    """Compute and keep the summaries of up to `limit` runs, and index as many; return of how many.

    It ends early when `is_over` says so, and when one of the processes is killed: what is done by
    then is kept, and `settle` does the rest.

    Args:
        store: open for writing.
        book: what calls cost.
        now_ns: the moment that running spans are looked at.
        limit: how many at most.
        processes: how many compute beside this one.
        share: only these runs.
        batch: runs that one of them is given at once.
        is_over: asked between batches.

    Raises:
        StoreUnavailableError: the store cannot be read or written.
    """
    batches = _batches(store.unsettled_runs(limit, share), batch)
    settled = 0
    with contextlib.suppress(BrokenProcessPool), _pool(processes) as pool:
        running: set[Future[list[RunSummary]]] = set()
        while True:
            room = 0 if is_over() else processes * _AHEAD - len(running)
            running |= {
                pool.submit(_summaries, store.url, book.own, now_ns, some)
                for some in islice(batches, room)
            }
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                summaries = one.result()
                store.save_summaries(summaries)
                settled += len(summaries)
                store.index_runs(_INDEXED_RATIO * batch)
    return settled


def _batches(waiting: Sequence[tuple[str, int]], batch: int) -> Iterator[Sequence[tuple[str, int]]]:
    for first in range(0, len(waiting), batch):
        yield waiting[first : first + batch]


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    # Started anew, not forked: a fork would take SQLite's idea of its locks along.
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


# --- in the other processes -------------------------------------------------------------------


def _begin() -> None:
    """Leave interrupts to the process that started this one, and end when that has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _summaries(
    url: str, rules: tuple[PriceRule, ...], now_ns: int, runs: Sequence[tuple[str, int]]
) -> list[RunSummary]:
    return summaries_of(_opened(url), dict(runs), book=_book(rules), now_ns=now_ns)


@cache
def _opened(url: str) -> Store:
    return open_store(url, mode="read")


@cache
def _book(rules: tuple[PriceRule, ...]) -> PriceBook:
    return PriceBook(rules)
