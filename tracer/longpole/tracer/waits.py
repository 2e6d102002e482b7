"""Wrappers of what a run waits for after it has started: a thread of the loop's pool, a limiter.

An asynchronous chain runs synchronous functions in the event loop's pool; the start event comes
before they get a thread. A model's rate limiter holds the call after its start event as well. Both
waits are added to the run that waits, apart from the queue wait that lies before its start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context
from types import FrameType
from typing import Any
from uuid import UUID

from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables.base import Runnable
from langchain_core.runnables.config import run_in_executor

from longpole.model import semconv
from longpole.tracer.bodies import add_wait, configured_uuid
from longpole.tracer.clock import now_ns
from longpole.tracer.submissions import SUBMISSION, Submission

_RUN_IN_EXECUTOR = run_in_executor.__code__


def of_copy_context(original: Callable[[], Context]) -> Callable[[], Any]:
    """Wrap `copy_context` for `run_in_executor`; its other callers get what they asked for."""

    def copy_context() -> Any:
        frame = sys._getframe(1)
        context = original()
        return _Queued(context, frame.f_locals) if frame.f_code is _RUN_IN_EXECUTOR else context

    return copy_context


class _Queued:
    """Stands in for the context of a function that waits for a thread; it is only asked to run."""

    __slots__ = ("_context", "_run", "_submission")

    def __init__(self, context: Context, told: Any) -> None:
        self._context = context
        func = told.get("func")
        starts_run = (
            isinstance(getattr(func, "__self__", None), Runnable) and func.__name__ == "invoke"
        )
        self._run = None if starts_run else _run_in(told)
        self._submission = Submission(now_ns(), is_of_loop=True)

    def run(self, work: Callable[[], Any]) -> Any:
        """Run the function, now that there is a thread for it."""
        submission = self._submission
        submission.began_ns = now_ns()
        if self._run is None:
            self._context.run(SUBMISSION.set, submission)
        else:
            wait_ns = submission.began_ns - submission.submitted_ns
            add_wait(self._run, semconv.LONGPOLE_EXECUTOR_WAIT_NS, wait_ns)
        return self._context.run(work)


def _run_in(told: Any) -> UUID | None:
    """Return the run on whose behalf a function is called: as it is told, else of the context."""
    for value in (*told.get("args", ()), *told.get("kwargs", {}).values()):
        if isinstance(value, BaseRunManager):
            return value.run_id
    return configured_uuid()


def of_acquire(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `acquire` of a rate limiter."""

    def acquire(*args: Any, **kwargs: Any) -> Any:
        run = _model_run(sys._getframe(1))
        asked_ns = now_ns()
        try:
            return original(*args, **kwargs)
        finally:
            _held(run, now_ns() - asked_ns)

    return acquire


def of_aacquire(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `aacquire` of a rate limiter."""

    async def aacquire(*args: Any, **kwargs: Any) -> Any:
        run = _model_run(sys._getframe(1))
        asked_ns = now_ns()
        try:
            return await original(*args, **kwargs)
        finally:
            _held(run, now_ns() - asked_ns)

    return aacquire


def _model_run(caller: FrameType) -> UUID | None:
    """Return the run of the chat model that asks its limiter; its frame holds the manager."""
    manager = caller.f_locals.get("run_manager")
    return manager.run_id if isinstance(manager, BaseRunManager) else None


def _held(run: UUID | None, wait_ns: int) -> None:
    if run is not None:
        add_wait(run, semconv.LONGPOLE_RATE_LIMIT_WAIT_NS, wait_ns)
