"""Wrappers of the functions that submit work: each piece gets a `Submission`, rows their `Row`.

Each takes the original and returns what stands in for it. The stamp lies in the context that the
work runs in, which is a copy made for it alone, so nothing has to be taken back.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

from longpole.tracer.batches import Row, current_batch
from longpole.tracer.clock import now_ns
from longpole.tracer.spans import UMBRELLA
from longpole.tracer.submissions import SUBMISSION, Submission


def begin(submission: Submission, row: Row | None) -> None:
    """Note in the context of a piece of work that it begins now."""
    SUBMISSION.set(submission)
    if row is not None:
        UMBRELLA.set(row)
    submission.began_ns = now_ns()


def of_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `ContextThreadPoolExecutor.submit`."""

    def submit(self: Any, func: Any, /, *args: Any, **kwargs: Any) -> Any:
        if func is next and args and _is_under_way(args[0]):
            # One more chunk of a stream: what starts in it was ready at no certain moment.
            return original(self, func, *args, **kwargs)
        batch = current_batch()
        row = None if batch is None else batch.next_row(self._max_workers)
        return original(self, _work, Submission(now_ns()), row, func, *args, **kwargs)

    return submit


def of_map(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `ContextThreadPoolExecutor.map`: all its pieces are ready at once."""

    def map_(self: Any, fn: Any, *iterables: Any, **kwargs: Any) -> Any:
        count = len(iterables[0])
        batch = current_batch()
        rows = None if batch is None else batch.deal(count, self._max_workers)
        submitted_ns = now_ns()
        submissions = [Submission(submitted_ns) for _ in range(count)]

        def begun(submission: Submission, row: Row | None, *args: Any) -> Any:
            begin(submission, row)
            return fn(*args)

        # The first iterable is asked for its length.
        return original(self, begun, submissions, rows or [None] * count, *iterables, **kwargs)

    return map_


def of_gather(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `gather_with_concurrency`: a piece begins when the semaphore lets it."""

    async def gather_with_concurrency(n: int | None, *coros: Any) -> Any:
        batch = current_batch()
        rows = None if batch is None else batch.deal(len(coros), n)
        submitted_ns = now_ns()
        begun = [
            _Begun(coro, Submission(submitted_ns), rows[at] if rows else None)
            for at, coro in enumerate(coros)
        ]
        return await original(n, *begun)

    return gather_with_concurrency


def of_background_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap LangGraph's `BackgroundExecutor.submit`."""

    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(self, partial(_work, Submission(now_ns()), None, fn), *args, **kwargs)

    return submit


def of_async_background_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap LangGraph's `AsyncBackgroundExecutor.submit`."""

    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(self, partial(_awork, Submission(now_ns()), fn), *args, **kwargs)

    return submit


def _work(submission: Submission, row: Row | None, func: Any, /, *args: Any, **kwargs: Any) -> Any:
    begin(submission, row)
    return func(*args, **kwargs)


async def _awork(submission: Submission, func: Any, /, *args: Any, **kwargs: Any) -> Any:
    begin(submission, None)
    return await func(*args, **kwargs)


def _is_under_way(generator: object) -> bool:
    return (
        inspect.isgenerator(generator)
        and inspect.getgeneratorstate(generator) != inspect.GEN_CREATED
    )


class _Begun:
    """A coroutine that notes when it begins; one that never does warns as it did before."""

    __slots__ = ("_coroutine", "_row", "_submission")

    def __init__(self, coroutine: Awaitable[Any], submission: Submission, row: Row | None) -> None:
        self._coroutine = coroutine
        self._submission = submission
        self._row = row

    def __await__(self) -> Generator[Any, Any, Any]:
        begin(self._submission, self._row)
        return (yield from self._coroutine.__await__())
