"""Answers that take too long for a page to wait for, made one at a time in a thread.

A page asks again whenever it is drawn, and gets what there is: nothing yet, an answer, or an answer
to the question as it was before. A question has a subject that stays (which runs) and a version
that moves with what is recorded, so that a reader of a busy store sees an answer all the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final, Generic, TypeVar

Answer = TypeVar("Answer")

_KEPT_MOST: Final = 16
_REST_RATIO: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Generic[Answer]):
    """What came of a question.

    Attributes:
        answer: `None` when it failed.
        error: why it failed.
        is_current: whether it is about the version that was asked for.
    """

    answer: Answer | None
    error: Exception | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class _Made(Generic[Answer]):
    version: Hashable
    answer: Answer | None
    error: Exception | None
    rest_until_s: float


class Workshop(Generic[Answer]):
    """Makes and keeps answers; safe from any thread.

    An answer is made anew for another version only after a rest as long as it took, several times
    over, so that runs that come all the time do not keep a processor busy all the time.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no answers; `clock` tells seconds."""
        self._clock = clock
        self._lock = Lock()
        self._made: dict[Hashable, _Made[Answer]] = {}
        self._thread: Thread | None = None

    def ask(
        self, subject: Hashable, version: Hashable, make: Callable[[], Answer]
    ) -> Finished[Answer] | None:
        """Return what is known; have it made if that is nothing, or is of another version."""
        with self._lock:
            made = self._made.get(subject)
            is_current = made is not None and made.version == version
            if not is_current and self._thread is None and self._has_rested(made):
                self._thread = Thread(target=self._make, args=(subject, version, make), daemon=True)
                self._thread.start()
        if made is None:
            return None
        return Finished(answer=made.answer, error=made.error, is_current=is_current)

    def known(self, subject: Hashable, version: Hashable) -> Finished[Answer] | None:
        """Return what is known of just this version; nothing is made."""
        with self._lock:
            made = self._made.get(subject)
        if made is None or made.version != version:
            return None
        return Finished(answer=made.answer, error=made.error, is_current=True)

    def wait(self, timeout_s: float) -> bool:
        """Wait for what is being made; return whether nothing is any more."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _has_rested(self, made: _Made[Answer] | None) -> bool:
        return made is None or self._clock() >= made.rest_until_s

    def _make(self, subject: Hashable, version: Hashable, make: Callable[[], Answer]) -> None:
        answer: Answer | None = None
        error: Exception | None = None
        began_s = self._clock()
        try:
            answer = make()
        except Exception as failure:  # noqa: BLE001, the page that asked tells it
            error = failure
        ended_s = self._clock()
        made = _Made(version, answer, error, ended_s + _REST_RATIO * (ended_s - began_s))
        with self._lock:
            self._thread = None
            self._made.pop(subject, None)
            self._made[subject] = made
            while len(self._made) > _KEPT_MOST:
                self._made.pop(next(iter(self._made)))
