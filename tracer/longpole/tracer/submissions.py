"""When the work around us was handed over, and when it began: read by the run that starts in it.

Callbacks tell when a run starts, not since when it could have. Where work is handed to a pool, a
semaphore or an executor, `longpole.tracer.probes` leaves a `Submission` in the context of that
work; the first run that starts there takes it. Nothing else in that context does, so a run made
later on is never given somebody else's wait.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from uuid import UUID


class Submission:
    """One piece of work, from handed over to begun.

    Attributes:
        submitted_ns: when it was handed over, nanoseconds since the epoch.
        began_ns: when it got its place; `None` until then.
        is_of_loop: whether an event loop handed it to its own pool.
    """

    __slots__ = ("_taken_by", "began_ns", "is_of_loop", "submitted_ns")

    def __init__(self, submitted_ns: int, *, is_of_loop: bool = False) -> None:
        self.submitted_ns = submitted_ns
        self.is_of_loop = is_of_loop
        self.began_ns: int | None = None
        self._taken_by: int | None = None

    def wait_for(self, run: UUID | None) -> int | None:
        """Return how long this run's work waited; `None` when another run started in it before.

        Every handler that sees the run gets the same answer.
        """
        if run is None:
            return None
        number = run.int  # a UUID compares in Python
        if self._taken_by is None:
            self._taken_by = number
        if self.began_ns is None or self._taken_by != number:
            return None
        return max(0, self.began_ns - self.submitted_ns)


SUBMISSION: ContextVar[Submission | None] = ContextVar("longpole_submission", default=None)


def ready_ns(run: UUID | None, start_ns: int) -> int | None:
    """Return when a run that starts here and now could have started; `None` when nobody stamped.

    The wait is what was measured; the start is the callback's, on whatever clock.
    """
    submission = SUBMISSION.get()
    if submission is None:
        return None
    wait_ns = submission.wait_for(run)
    return None if wait_ns is None else start_ns - wait_ns


def is_in_loop() -> bool:
    """Tell whether an event loop runs what starts here, itself or in its pool."""
    if asyncio._get_running_loop() is not None:
        return True
    submission = SUBMISSION.get()
    return submission is not None and submission.is_of_loop
