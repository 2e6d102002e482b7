"""Many new runs at once → their summaries, computed by processes beside this one.

A process takes a second to start, so this is worth it for a backlog only: runs that were imported,
or recorded while nobody looked. The others load, price and analyse; this one alone writes, and
indexes meanwhile. What is kept is what `settle` keeps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from queue import SimpleQueue
from typing import Final

from longpole.dashboard.helping import Helper, Task
from longpole.dashboard.settle import BATCH
from longpole.model.pricing import PriceBook
from longpole.storage import ALL_RUNS, RunSummary, Share, Store

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
    waiting = store.unsettled_runs(limit, share)
    tasks = (
        Task(url=store.url, rules=book.own, now_ns=now_ns, runs=waiting[first : first + batch])
        for first in range(0, len(waiting), batch)
    )
    settled = 0
    with contextlib.suppress(ChildProcessError), _helpers(processes) as begin:
        running: set[Future[list[RunSummary]]] = set()
        while True:
            room = 0 if is_over() else processes * _AHEAD - len(running)
            running |= {begin(task) for task in islice(tasks, room)}
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                summaries = one.result()
                store.save_summaries(summaries)
                settled += len(summaries)
                store.index_runs(_INDEXED_RATIO * batch)
    return settled


@contextlib.contextmanager
def _helpers(count: int) -> Iterator[Callable[[Task], Future[list[RunSummary]]]]:
    """Start processes; yield what has one of them do a task, as soon as one is free."""
    with contextlib.ExitStack() as ended:
        free: SimpleQueue[Helper] = SimpleQueue()
        for _ in range(count):
            helper = Helper()
            ended.callback(helper.close)
            free.put(helper)
        # As many threads as processes: each waits for one.
        pool = ThreadPoolExecutor(count)
        ended.callback(pool.shutdown, cancel_futures=True)
        yield lambda task: pool.submit(_done, free, task)


def _done(free: SimpleQueue[Helper], task: Task) -> list[RunSummary]:
    helper = free.get()
    try:
        return helper.summaries(task)
    finally:
        free.put(helper)
